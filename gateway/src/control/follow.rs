//! Reading back what processors derived (balances, health) and what other gateways use of limits, into what the
//! request path reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use runtime::clock::Clock;
use runtime::log::{self, Limit, Log, Offset, Record, Span};
use runtime::task::{CancellationToken, Tasks};
use schemas::event::{Health, Limit as Used, State, Usage};
use schemas::ids::SubjectId;
use schemas::money::Amount;
use schemas::topics::{Topic, TopicPartition};
use schemas::wire::{self, Codec, Event};
use tokio::time::Instant;

use crate::admission::Accounts;
use crate::control::{Ready, Snapshot};
use crate::limits::{self, Book};
use crate::routing::{Condition, HealthMap};

/// One read: enough to be fast at start, small enough to be held.
const PAGE: Limit = Limit { records: 2_000, bytes: 1 << 20, wait: Duration::from_secs(20) };
/// The pause after an error, before the same position is read again.
const BACKOFF: Duration = Duration::from_millis(500);
/// How often the log is asked where a partition ends, at most and at least: a silent partition and
/// a log that is away look the same to who reads on.
const ASK: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));
/// How soon it is looked again whether the reader has come there.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Why reading back stands still; the same position is read again.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Log(#[from] log::Error),
    /// Of an event's schema: the registry that knows it is away.
    #[error("schema id {0} is not known yet")]
    Schema(u32),
}

/// Keeps accounts, health and limits as the log says they are.
#[derive(Clone, Debug)]
pub struct Follower {
    /// The log.
    pub log: Arc<dyn Log>,
    /// Its codec.
    pub codec: Codec,
    /// Where balances go.
    pub accounts: Arc<Accounts>,
    /// Where health goes.
    pub health: Arc<ArcSwap<HealthMap>>,
    /// Where goes what other gateways use of limits and budgets.
    pub bounded: Arc<Book>,
    /// The time.
    pub clock: Clock,
    /// The snapshot, for the price of spend that billing has not seen yet.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Told when each part is read to its end.
    pub ready: Arc<Ready>,
}

impl Follower {
    /// Follows until the group stops.
    pub fn start(self, tasks: &Tasks) {
        let token = tasks.token();
        let (balances, limits, health) = (self.clone(), self.clone(), self);
        let stop = token.clone();
        tasks.spawn("follow balances", async move { balances.balances(stop).await });
        let stop = token.clone();
        tasks.spawn("follow limits", async move { limits.limits(stop).await });
        tasks.spawn("follow health", async move { health.healths(token).await });
    }

    /// Spend first: an event that a balance includes is then taken out again by that balance,
    /// while one that it misses stays counted.
    async fn balances(self, token: CancellationToken) {
        let count = self.log.partitions(Topic::Balances);
        for partition in 0..count {
            if until_done(&token, "spend", || self.unbilled(partition)).await.is_none() {
                return;
            }
        }
        self.ready.spend.store(true, Ordering::Release);
        let start = |partition| self.catch_up(Topic::Balances.at(partition), |r| self.balance(r));
        let Some(from) = each_partition(&token, count, "balances", start).await else {
            return;
        };
        self.ready.balances.store(true, Ordering::Release);
        self.follow(Topic::Balances, from, &token, |records| self.balance(records)).await;
    }

    async fn healths(self, token: CancellationToken) {
        let count = self.log.partitions(Topic::Health);
        let start = |partition| self.catch_up(Topic::Health.at(partition), |r| self.conditions(r));
        let Some(from) = each_partition(&token, count, "health", start).await else {
            return;
        };
        self.ready.health.store(true, Ordering::Release);
        self.follow(Topic::Health, from, &token, |records| self.conditions(records)).await;
    }

    async fn limits(self, token: CancellationToken) {
        let count = self.log.partitions(Topic::Limits);
        let start = |partition| self.catch_up(Topic::Limits.at(partition), |r| self.used(r, true));
        let Some(from) = each_partition(&token, count, "limits", start).await else {
            return;
        };
        self.ready.limits.store(true, Ordering::Release);
        self.follow(Topic::Limits, from, &token, |records| self.used(records, false)).await;
    }

    /// Counts the usage events that billing has not seen yet.
    async fn unbilled(&self, partition: u32) -> Result<(), Error> {
        let usage = Topic::Usage.at(partition);
        let end = self.log.ends(usage).await?;
        let billed = self.billed(partition).await?.max(end.start);
        let mut span = Span::open(&*self.log, usage, billed.min(end.end), end.end).await?;
        while let Some(records) = span.page().await? {
            records.iter().try_for_each(|record| self.spend(record))?;
        }
        Ok(())
    }

    async fn billed(&self, partition: u32) -> Result<Offset, Error> {
        let latest = self.log.latest(Topic::State.at(partition)).await?;
        let key = format!("billing/position/{}", Topic::Usage);
        let record = latest.records.iter().find(|record| record.key == key.as_bytes());
        let state = record.map(|record| self.read::<State>(record)).transpose()?.flatten();
        Ok(state.map_or(0, |state| u64::try_from(state.offset).unwrap_or(0)))
    }

    fn spend(&self, record: &Record) -> Result<(), Error> {
        let Some(usage) = self.read::<Usage>(record)? else {
            return Ok(());
        };
        let prices = &self.snapshot.load().prices;
        let costs = usage.charges.iter().map(|charge| prices.cost(charge, usage.admitted_at));
        // what can't be priced goes to suspense, not to the account
        let cost = costs.flatten().try_fold(Amount::ZERO, Amount::checked_add).unwrap_or_default();
        let nano = cost.to_nano_up().unwrap_or(schemas::money::Nano(i64::MAX));
        let seq = u64::try_from(usage.seq).unwrap_or(0);
        self.accounts.pending(&usage.account, usage.origin, seq, nano);
        Ok(())
    }

    /// Reads a compacted partition to its end and returns where to read on.
    async fn catch_up(
        &self,
        partition: TopicPartition,
        each: impl Fn(&[Record]) -> Applied,
    ) -> Result<Offset, Error> {
        let asked = Instant::now();
        let latest = self.log.latest(partition).await?;
        each(&latest.records).1?;
        self.ready.read_to_end(partition, asked);
        Ok(latest.next)
    }

    /// Reads all partitions of a topic on, until asked to stop.
    async fn follow(
        &self,
        topic: Topic,
        from: Vec<Offset>,
        token: &CancellationToken,
        each: impl Fn(&[Record]) -> Applied,
    ) {
        let follow = (0..).map(|partition| topic.at(partition)).zip(from).map(|(at, from)| {
            let each = &each;
            async move {
                let position = AtomicU64::new(from);
                tokio::join!(
                    read_on(&*self.log, at, &position, token, each),
                    self.note_ends(at, &position, token),
                );
            }
        });
        futures::future::join_all(follow).await;
    }

    /// Notes until when the partition is read to its end.
    async fn note_ends(&self, at: TopicPartition, position: &AtomicU64, token: &CancellationToken) {
        let pause = (self.ready.max_stale() / 4).clamp(ASK.0, ASK.1);
        let note = async {
            loop {
                tokio::time::sleep(pause).await;
                let asked = Instant::now();
                let Ok(ends) = self.log.ends(at).await else {
                    continue; // who reads on says that the log is away
                };
                while position.load(Ordering::Acquire) < ends.end {
                    tokio::time::sleep(LOOK_AGAIN).await;
                }
                self.ready.read_to_end(at, asked);
            }
        };
        tokio::select! {
            () = token.cancelled() => {}
            () = note => {}
        }
    }

    /// What a record says; nothing when it removes a key, or can never be read: for one event of a
    /// newer hub, calls are not refused for ever.
    fn read<E: Event>(&self, record: &Record) -> Result<Option<E>, Error> {
        match record.value.as_deref().map(|value| self.codec.decode(value)).transpose() {
            Ok(event) => Ok(event),
            Err(wire::Error::UnknownSchema(id)) if self.codec.may_learn() => Err(Error::Schema(id)),
            Err(error) => {
                tracing::error!(%error, offset = record.offset, schema = ?E::SCHEMA, "a record can't be read; what was known before it holds on");
                Ok(None)
            }
        }
    }

    fn balance(&self, records: &[Record]) -> Applied {
        apply(records, |record| {
            if let Some(balance) = self.read(record)? {
                self.accounts.apply_balance(&balance);
            }
            Ok(())
        })
    }

    /// What other gateways used. `old`: before this one read on.
    fn used(&self, records: &[Record], old: bool) -> Applied {
        let (now, snapshot) = (self.clock.now(), self.snapshot.load_full());
        let rules = (!old).then_some(&*snapshot.limits);
        apply(records, |record| {
            let said = self.read::<Used>(record)?;
            if said.is_some() || record.value.is_none() {
                let at = if old { record.at } else { now };
                limits::hear(&self.bounded, rules, &record.key, said.as_ref(), at);
            }
            Ok(())
        })
    }

    /// A map for a page, however many of its records change it: it is read by every call.
    fn conditions(&self, records: &[Record]) -> Applied {
        let mut news: Vec<(SubjectId, Option<Condition>)> = Vec::new();
        let applied = apply(records, |record| {
            if record.value.is_none() {
                let subject = String::from_utf8_lossy(&record.key);
                news.push((SubjectId::from(&*subject), None));
            } else if let Some(health) = self.read::<Health>(record)? {
                news.push((health.subject.clone(), Some(Condition::from(&health))));
            }
            Ok(())
        });
        let map = self.health.load();
        news.retain(|(subject, condition)| map.get(subject) != condition.as_ref());
        if !news.is_empty() {
            self.health.rcu(|map| {
                let mut map = HealthMap::clone(map);
                for (subject, condition) in &news {
                    match condition {
                        Some(condition) => map.insert(subject.clone(), condition.clone()),
                        None => map.remove(subject),
                    }
                }
                map
            });
        }
        applied
    }
}

/// How many records of a page were applied, and why not all.
type Applied = (usize, Result<(), Error>);

fn apply(records: &[Record], mut each: impl FnMut(&Record) -> Result<(), Error>) -> Applied {
    for (index, record) in records.iter().enumerate() {
        if let Err(error) = each(record) {
            return (index, Err(error));
        }
    }
    (records.len(), Ok(()))
}

/// Starts each partition in turn; `None` when asked to stop.
async fn each_partition<F>(
    token: &CancellationToken,
    count: u32,
    what: &'static str,
    start: impl Fn(u32) -> F,
) -> Option<Vec<Offset>>
where
    F: Future<Output = Result<Offset, Error>>,
{
    let mut from = Vec::new();
    for partition in 0..count {
        from.push(until_done(token, what, || start(partition)).await?);
    }
    Some(from)
}

/// Tries until it works; `None` when asked to stop.
async fn until_done<T, F>(
    token: &CancellationToken,
    what: &'static str,
    attempt: impl Fn() -> F,
) -> Option<T>
where
    F: Future<Output = Result<T, Error>>,
{
    loop {
        match attempt().await {
            Ok(done) => return Some(done),
            Err(error) => tracing::warn!(%error, what, "reading back stands still; trying again"),
        }
        tokio::select! {
            () = token.cancelled() => return None,
            () = tokio::time::sleep(BACKOFF) => {}
        }
    }
}

/// Reads on until asked to stop; after an error the same position is read again.
async fn read_on(
    log: &dyn Log,
    partition: TopicPartition,
    position: &AtomicU64,
    token: &CancellationToken,
    each: impl Fn(&[Record]) -> Applied,
) {
    let from = || position.load(Ordering::Acquire);
    while !token.is_cancelled() {
        let run = async {
            let mut reader = log.reader(partition, from()).await?;
            loop {
                let page = reader.next(PAGE).await?;
                let (applied, ended) = each(&page.records);
                if let Some(next) = page.records.get(applied) {
                    position.store(next.offset, Ordering::Release);
                }
                ended?;
                position.store(page.next, Ordering::Release);
            }
        };
        let ended: Result<(), Error> = tokio::select! {
            () = token.cancelled() => return,
            ended = run => ended,
        };
        if let Err(error) = ended {
            tracing::warn!(%error, %partition, "following stopped; trying again from {}", from());
        }
        tokio::select! {
            () = token.cancelled() => return,
            () = tokio::time::sleep(BACKOFF) => {}
        }
    }
}
