//! What gateways tell each other of shared limits, through `hub.limits.v1`.
//!
//! A record is keyed by whose counter, which, of which window and which gateway; the newest one holds
//! all that the gateway used, so the topic is compacted and a record that comes twice changes nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use runtime::clock::Micros;
use runtime::log::{Log, NewRecord, Outgoing};
use runtime::task::CancellationToken;
use schemas::event::Limit;
use schemas::ids::Origin;
use schemas::partition::partition_of;
use schemas::topics::Topic;
use schemas::wire::Codec;
use tokio::time::MissedTickBehavior;

use super::book::Book;
use super::calendar::Period;
use super::rule::Rules;
use crate::control::Snapshot;

/// How often a gateway says what is new.
const EVERY: Duration = Duration::from_millis(200);
/// So many times later it says again what others forget, and that it is there.
const AGAIN: u32 = 15;
/// So many times later it sweeps.
const SWEEP: u32 = 300;
/// Records of one append.
const CHUNK: usize = 5_000;
/// Whose and which the sign of life is.
const ALIVE: (&str, &str) = ("gateway", "alive");

/// Says what this gateway uses.
#[derive(Debug)]
pub struct Publisher {
    book: Arc<Book>,
    seen: Arc<ArcSwap<Snapshot>>,
    log: Arc<dyn Log>,
    codec: Codec,
    seq: i64,
    /// Keys that others may have of this gateway, of windows that end.
    said: HashSet<(Arc<str>, Arc<str>, i64)>,
    /// Keys that may go, and that the log has not taken yet.
    gone: Vec<(Arc<str>, Arc<str>, Origin, i64)>,
}

/// The record of what was said.
///
/// # Errors
/// It can't be encoded.
pub fn record(
    codec: &Codec,
    log: &dyn Log,
    said: &Limit,
) -> Result<Outgoing, schemas::wire::Error> {
    let value = codec.to_vec(said)?;
    let key = key(&said.scope, &said.limit, said.window_at, said.origin);
    Ok(outgoing(log, &said.scope, key, Some(value.into())))
}

fn outgoing(log: &dyn Log, scope: &str, key: Bytes, value: Option<Bytes>) -> Outgoing {
    let partition = partition_of(scope.as_bytes(), log.partitions(Topic::Limits));
    let record = NewRecord { key, value, headers: Vec::new() };
    Outgoing { to: Topic::Limits.at(partition), record }
}

/// No limit's name has a line's end in it; whose it is stands first, as a model's may.
fn key(scope: &str, limit: &str, window_at: i64, origin: Origin) -> Bytes {
    format!("{scope}\n{limit}\n{window_at}\n{origin}").into()
}

/// Takes in a record: `value` is `None` where a key goes. `rules`: what is bounded now; `None` where what is said
/// may be long ago.
pub fn hear(book: &Book, rules: Option<&Rules>, key: &[u8], value: Option<&Limit>, at: Micros) {
    if let Some(said) = value {
        return book.hear(said, rules, at);
    }
    let Ok(key) = std::str::from_utf8(key) else { return };
    let mut parts = key.rsplitn(4, '\n');
    let (origin, _, limit, scope) = (parts.next(), parts.next(), parts.next(), parts.next());
    let origin = origin.and_then(|text| uuid::Uuid::try_parse(text).ok()).map(Origin::from);
    if let (Some(origin), Some(limit), Some(scope)) = (origin, limit, scope) {
        book.forget(scope, limit, origin);
    }
}

impl Publisher {
    /// A publisher of what the book counts. It is silent where nothing is bounded.
    pub fn new(
        book: Arc<Book>,
        seen: Arc<ArcSwap<Snapshot>>,
        log: Arc<dyn Log>,
        codec: Codec,
    ) -> Self {
        Self { book, seen, log, codec, seq: 0, said: HashSet::new(), gone: Vec::new() }
    }

    /// Publishes until asked to stop, and once more then.
    pub async fn run(mut self, token: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for turn in 0_u32.. {
            let stop = tokio::select! {
                () = token.cancelled() => true,
                _ = ticks.tick() => false,
            };
            if turn % SWEEP == SWEEP - 1 {
                self.sweep();
            }
            self.publish(turn % AGAIN == 0).await;
            if stop {
                return;
            }
        }
    }

    /// Says what is new; `again`: also what others forget in time.
    pub async fn publish(&mut self, again: bool) {
        let (mut records, mut sources) = (Vec::new(), Vec::new());
        for counter in self.book.all() {
            counter.pass(self.book.clock.now());
            for (limit, used, window_at) in counter.say(again) {
                self.said.insert((Arc::clone(&counter.whose), Arc::clone(&limit), window_at));
                let said = self.next(&counter.whose, &limit, used, window_at);
                match record(&self.codec, &*self.log, &said) {
                    Ok(record) => records.push(record),
                    Err(error) => tracing::error!(%error, "what was used can't be published"),
                }
                sources.push(Arc::clone(&counter));
            }
        }
        if again && !self.seen.load().limits.is_empty() {
            let now = self.book.clock.now().0;
            let said = self.next(ALIVE.0, ALIVE.1, now, 0);
            records.extend(record(&self.codec, &*self.log, &said));
        }
        let gone = std::mem::take(&mut self.gone);
        records.extend(gone.iter().map(|(scope, limit, origin, window_at)| {
            outgoing(&*self.log, scope, key(scope, limit, *window_at, *origin), None)
        }));
        while !records.is_empty() {
            let rest = records.split_off(records.len().min(CHUNK));
            let chunk = std::mem::replace(&mut records, rest);
            if let Err(error) = self.log.append(chunk).await {
                tracing::debug!(%error, "what was used is published later");
                sources.iter().for_each(|counter| counter.say_again());
                self.gone = gone;
                return;
            }
        }
    }

    fn next(&mut self, scope: &str, limit: &str, used: i64, window_at: i64) -> Limit {
        self.seq += 1;
        let (scope, limit) = (scope.into(), limit.into());
        Limit { origin: self.book.origin, seq: self.seq, scope, limit, used, window_at }
    }

    /// Takes back what says nothing any more. What gateways that are gone left behind is taken back by
    /// one of those that are there.
    pub fn sweep(&mut self) {
        let (idle, old) = self.book.sweep();
        let own = self.book.origin;
        let (month, _) = Period::Month.around(self.book.clock.now());
        let over = self.said.extract_if(|(_, _, window)| *window > 0 && *window < month.0);
        self.gone.extend(over.map(|(scope, limit, window)| (scope, limit, own, window)));
        if self.book.leads() {
            self.gone.extend(old);
        }
        for counter in &idle {
            let of = |said: &(Arc<str>, Arc<str>, i64)| {
                said.0 == counter.whose && said.1.starts_with(&*counter.limit)
            };
            let gone = self.said.extract_if(of);
            self.gone.extend(gone.map(|(scope, limit, window)| (scope, limit, own, window)));
        }
    }
}
