//! Reading back what processors derived: balances and health, into what the request path reads.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use runtime::clock::Micros;
use runtime::log::{self, Limit, Log, Offset, Record};
use runtime::task::{CancellationToken, Tasks};
use schemas::event::{Health, State, Usage};
use schemas::money::Amount;
use schemas::topics::{Topic, TopicPartition};
use schemas::wire::{self, Codec, Event};

use crate::admission::Accounts;
use crate::control::Snapshot;
use crate::routing::{Condition, HealthMap};

/// One read: enough to be fast at start, small enough to be held.
const PAGE: Limit = Limit { records: 2_000, bytes: 1 << 20, wait: Duration::from_secs(20) };
/// The pause after an error, before the same position is read again.
const BACKOFF: Duration = Duration::from_millis(500);

/// Why reading back stands still; the same position is read again.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Log(#[from] log::Error),
    /// Of an event's schema: the registry that knows it is away.
    #[error("schema id {0} is not known yet")]
    Schema(u32),
}

/// What the request path waits for before it takes the first call.
#[derive(Debug, Default)]
pub struct Ready {
    spend: AtomicBool,
    balances: AtomicBool,
    health: AtomicBool,
}

impl Ready {
    /// What is not yet read to its end; empty when the gateway may take calls.
    pub fn missing(&self) -> Vec<&'static str> {
        let parts =
            [("spend", &self.spend), ("balances", &self.balances), ("health", &self.health)];
        let missing = parts.into_iter().filter(|(_, done)| !done.load(Ordering::Acquire));
        missing.map(|(name, _)| name).collect()
    }

    /// Whether all is read.
    pub fn is_ready(&self) -> bool {
        [&self.spend, &self.balances, &self.health].iter().all(|done| done.load(Ordering::Acquire))
    }
}

/// Keeps accounts and health as the log says they are.
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
    /// The snapshot, for the price of spend that billing has not seen yet.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Told when each part is read to its end.
    pub ready: Arc<Ready>,
}

impl Follower {
    /// Follows until the group stops.
    pub fn start(self, tasks: &Tasks) {
        let token = tasks.token();
        let (balances, health) = (self.clone(), self);
        let stop = token.clone();
        tasks.spawn("follow balances", async move { balances.balances(stop).await });
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
        let follow = from.into_iter().enumerate().map(|(partition, from)| {
            let partition = Topic::Balances.at(u32::try_from(partition).unwrap_or(u32::MAX));
            follow(&*self.log, partition, from, &token, |record| self.balance(record))
        });
        futures::future::join_all(follow).await;
    }

    async fn healths(self, token: CancellationToken) {
        let count = self.log.partitions(Topic::Health);
        let start = |partition| self.catch_up(Topic::Health.at(partition), |r| self.condition(r));
        let Some(from) = each_partition(&token, count, "health", start).await else {
            return;
        };
        self.ready.health.store(true, Ordering::Release);
        let follow = from.into_iter().enumerate().map(|(partition, from)| {
            let partition = Topic::Health.at(u32::try_from(partition).unwrap_or(u32::MAX));
            follow(&*self.log, partition, from, &token, |record| self.condition(record))
        });
        futures::future::join_all(follow).await;
    }

    /// Counts the usage events that billing has not seen yet.
    async fn unbilled(&self, partition: u32) -> Result<(), Error> {
        let usage = Topic::Usage.at(partition);
        let end = self.log.ends(usage).await?;
        let billed = self.billed(partition).await?.max(end.start);
        let mut reader = self.log.reader(usage, billed.min(end.end)).await?;
        let mut next = billed;
        while next < end.end {
            let page = reader.next(Limit { wait: Duration::ZERO, ..PAGE }).await?;
            page.records.iter().try_for_each(|record| self.spend(record))?;
            if page.next == next && page.records.is_empty() {
                break;
            }
            next = page.next;
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
        each: impl Fn(&Record) -> Result<(), Error>,
    ) -> Result<Offset, Error> {
        let latest = self.log.latest(partition).await?;
        latest.records.iter().try_for_each(each)?;
        Ok(latest.next)
    }

    /// What a record says; nothing when it removes a key, or can never be read.
    fn read<E: Event>(&self, record: &Record) -> Result<Option<E>, Error> {
        match record.value.as_deref().map(|value| self.codec.decode(value)).transpose() {
            Ok(event) => Ok(event),
            Err(wire::Error::UnknownSchema(id)) => Err(Error::Schema(id)),
            Err(error) => {
                tracing::error!(%error, offset = record.offset, schema = ?E::SCHEMA, "a record can't be read; what was known before it holds on");
                Ok(None)
            }
        }
    }

    fn balance(&self, record: &Record) -> Result<(), Error> {
        if let Some(balance) = self.read(record)? {
            self.accounts.apply_balance(&balance);
        }
        Ok(())
    }

    fn condition(&self, record: &Record) -> Result<(), Error> {
        let Some(health) = self.read::<Health>(record)? else {
            return Ok(());
        };
        let condition = Condition { state: health.state, until: health.until.map(Micros) };
        if self.health.load().get(&health.subject) != Some(&condition) {
            self.health.rcu(|map| {
                let mut map: HashMap<_, _> = (**map).clone();
                map.insert(health.subject.clone(), condition);
                map
            });
        }
        Ok(())
    }
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

/// Reads on for ever; after an error the same position is read again.
async fn follow(
    log: &dyn Log,
    partition: TopicPartition,
    mut from: Offset,
    token: &CancellationToken,
    each: impl Fn(&Record) -> Result<(), Error>,
) {
    while !token.is_cancelled() {
        let run = async {
            let mut reader = log.reader(partition, from).await?;
            loop {
                let page = reader.next(PAGE).await?;
                for record in &page.records {
                    each(record)?;
                    from = record.offset.saturating_add(1);
                }
                from = page.next;
            }
        };
        let ended: Result<(), Error> = tokio::select! {
            () = token.cancelled() => return,
            ended = run => ended,
        };
        if let Err(error) = ended {
            tracing::warn!(%error, %partition, "following stopped; trying again from {from}");
        }
        tokio::select! {
            () = token.cancelled() => return,
            () = tokio::time::sleep(BACKOFF) => {}
        }
    }
}
