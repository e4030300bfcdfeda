//! The audit trail: who signed in, was refused, used or was shown a secret, or took the
//! configuration out, in `hub.audit.v1`. Changes of the configuration are in `hub.control.v1`,
//! with who made them; the trail seals what that topic said, so that both are checked as one.
//!
//! ```text
//! record ─► seq, prev_hash, hash ─► unsent ─► LOG, in this order ─► answered
//! refuse ─► bound of its source ──► unsent ─► LOG, soon after
//! ```
//!
//! Several nodes append to the one partition, so each start of a process (an origin) has a chain
//! of its own: its seqs rise by one, and each of its records holds the hash of the one before.
//! What [`verify`] finds, and what it can't, is said there.

mod seen;
mod verify;

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use rand::TryRngCore as _;
use rand::rngs::OsRng;
use runtime::clock::Clock;
use runtime::log::{self, Header, Log, NewRecord, Outgoing};
use runtime::task::CancellationToken;
use schemas::audit::seal;
use schemas::event::{Audit, Hash};
use schemas::ids::Origin;
use schemas::topics::Topic;
use schemas::wire::{self, Codec};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::timeout;

pub use verify::{Bad, Chain as ChainReport, Report, verify};

use seen::Seen;

use crate::bound::{Bounds, Rate, source};

/// Action of a call that was refused.
pub const REFUSED: &str = "admin.refused";
/// Action of the record that says how many refusals were left out.
const LEFT_OUT: &str = "audit.left_out";
/// Action of the record that says what the control topic held.
const SEEN: &str = "control.seen";
/// Action of an origin's last record.
const CLOSED: &str = "audit.closed";
/// Who does what nobody asked for.
const HUB: &str = "hub";

/// Refusals of one source that are recorded.
const REFUSALS: Rate = Rate { burst: 10, period: 1_000_000 };
/// The longest that an answer waits for its record.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether the control topic went on, and whether refusals were left out.
const ROUND: Duration = Duration::from_secs(10);
/// The pause after an error.
const BACKOFF: Duration = Duration::from_secs(1);
/// Records that wait for a log that is away. An answer that must be recorded is refused beyond.
pub(crate) const UNSENT: usize = 1_024;

/// What is recorded.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// What was done or tried, such as `config.export`.
    pub action: &'static str,
    /// To what, such as `key/app`.
    pub entity: String,
    /// By whom.
    pub actor: String,
    /// From which network address.
    pub address: Option<IpAddr>,
    /// In which request.
    pub request: Option<String>,
    /// Whether it was allowed.
    pub allowed: bool,
    /// What was there before, redacted.
    pub before: Option<Value>,
    /// What came of it, redacted.
    pub after: Option<Value>,
}

/// Why something could not be recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The log is away.
    #[error("the audit trail can't be written: {0}")]
    Log(#[from] log::Error),
    /// It did not answer in time, or too much waits for it.
    #[error("the audit trail can't be written: the log does not keep up")]
    Late,
    /// This process is stopping.
    #[error("the audit trail is closed: this process is stopping")]
    Closed,
    /// It can't be encoded.
    #[error("encoding: {0}")]
    Encode(#[from] wire::Error),
    /// The system gives no random numbers.
    #[error("no random numbers from the system")]
    Random,
}

/// The audit trail of this process.
#[derive(Debug)]
pub struct Trail {
    log: Arc<dyn Log>,
    codec: Codec,
    clock: Clock,
    chain: Mutex<Chain>,
    /// One append at a time, so that records are in the log in the order of their seqs.
    turn: tokio::sync::Mutex<()>,
    wake: Notify,
}

#[derive(Debug)]
struct Chain {
    origin: Origin,
    seq: i64,
    prev: Hash,
    /// Sealed and not known to be in the log; sent again as they are.
    unsent: VecDeque<Outgoing>,
    /// The last seq that is known to be in the log.
    sent: i64,
    bounds: Bounds<Option<IpAddr>>,
    left_out: u64,
    closed: bool,
}

impl Trail {
    /// A trail of its own chain.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn new(log: Arc<dyn Log>, codec: Codec, clock: Clock) -> Result<Self, Error> {
        let mut origin = [0; 16];
        OsRng.try_fill_bytes(&mut origin).map_err(|_| Error::Random)?;
        let chain = Chain {
            origin: Origin(origin),
            seq: 0,
            prev: Hash::default(),
            unsent: VecDeque::new(),
            sent: 0,
            bounds: Bounds::new(REFUSALS),
            left_out: 0,
            closed: false,
        };
        let (chain, turn, wake) = (Mutex::new(chain), tokio::sync::Mutex::default(), Notify::new());
        Ok(Self { log, codec, clock, chain, turn, wake })
    }

    fn chain(&self) -> MutexGuard<'_, Chain> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records what must not happen unrecorded, and returns once the log has it.
    ///
    /// # Errors
    /// It is not known to be recorded: it must not be done, or not be told.
    pub async fn record(&self, entry: Entry) -> Result<(), Error> {
        let seq = self.add(entry)?;
        timeout(PATIENCE, self.send(seq)).await.map_err(|_| Error::Late)?
    }

    /// Records what was refused, soon; no more of one source than its bound. How many were left
    /// out is told in the next record.
    pub fn refuse(&self, entry: Entry) {
        let now = self.clock.now();
        let fits = self.chain().bounds.take(entry.address.map(source), now).is_ok();
        match fits.then(|| self.add(entry)) {
            Some(Ok(_)) => self.wake.notify_one(),
            Some(Err(error)) => {
                tracing::warn!(%error, "a refusal is not recorded");
                self.leave_out();
            }
            None => self.leave_out(),
        }
    }

    fn leave_out(&self) {
        let mut chain = self.chain();
        chain.left_out = chain.left_out.saturating_add(1);
    }

    /// Seals the next record of the chain, behind that of what was left out.
    fn add(&self, entry: Entry) -> Result<i64, Error> {
        let mut chain = self.chain();
        self.tell_left_out(&mut chain)?;
        self.append(&mut chain, entry)
    }

    fn tell_left_out(&self, chain: &mut Chain) -> Result<(), Error> {
        if chain.left_out > 0 {
            let after = Some(json!({"refusals": chain.left_out}));
            let entity = "admin".into();
            self.append(chain, Entry { action: LEFT_OUT, entity, after, ..Entry::of_the_hub() })?;
            chain.left_out = 0;
        }
        Ok(())
    }

    fn append(&self, chain: &mut Chain, entry: Entry) -> Result<i64, Error> {
        if chain.closed {
            return Err(Error::Closed);
        }
        if chain.unsent.len() >= UNSENT {
            return Err(Error::Late);
        }
        let json = |value: Option<Value>| value.map(|value| value.to_string().into_bytes());
        let seq = chain.seq.saturating_add(1);
        let audit = Audit {
            origin: chain.origin,
            seq,
            at: self.clock.now().0,
            action: entry.action.to_owned(),
            entity: entry.entity,
            actor: entry.actor,
            address: entry.address.map(|address| address.to_string()),
            request: entry.request,
            allowed: entry.allowed,
            before: json(entry.before),
            after: json(entry.after),
            prev_hash: chain.prev,
            hash: Hash::default(),
        };
        let mut value = self.codec.to_vec(&audit)?;
        chain.prev = seal(&mut value);
        chain.seq = seq;
        let headers = vec![
            Header { name: "origin", value: Bytes::copy_from_slice(&chain.origin.0) },
            Header { name: "seq", value: Bytes::copy_from_slice(&seq.to_be_bytes()) },
        ];
        let record = NewRecord { key: audit.entity.into(), value: Some(value.into()), headers };
        chain.unsent.push_back(Outgoing { to: Topic::Audit.at(0), record });
        Ok(seq)
    }

    /// Sends what is not sent, at least up to `seq`.
    async fn send(&self, seq: i64) -> Result<(), Error> {
        let _turn = self.turn.lock().await;
        let unsent: Vec<Outgoing> = {
            let chain = self.chain();
            if chain.sent >= seq {
                return Ok(());
            }
            chain.unsent.iter().cloned().collect()
        };
        let count = unsent.len();
        self.log.append(unsent).await?;
        let mut chain = self.chain();
        chain.unsent.drain(..count);
        chain.sent = chain.sent.saturating_add(i64::try_from(count).unwrap_or(i64::MAX));
        Ok(())
    }

    async fn send_all(&self) -> Result<(), Error> {
        let seq = self.chain().seq;
        self.send(seq).await
    }

    /// Sends refusals, and seals what the control topic says, until cancelled; then closes the
    /// chain.
    pub async fn run(self: Arc<Self>, token: CancellationToken) {
        let mut seen = Seen::default();
        let mut round = tokio::time::interval(ROUND);
        round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !token.is_cancelled() {
            let done = tokio::select! {
                () = token.cancelled() => break,
                () = self.wake.notified() => self.send_all().await,
                _ = round.tick() => self.round(&mut seen).await,
            };
            if let Err(error) = done {
                tracing::warn!(%error, "trying again");
                self.wake.notify_one();
                tokio::select! {
                    () = token.cancelled() => break,
                    () = tokio::time::sleep(BACKOFF) => {}
                }
            }
        }
        if let Err(error) =
            timeout(PATIENCE, self.close(&mut seen)).await.unwrap_or(Err(Error::Late))
        {
            tracing::warn!(%error, "the audit trail of this process has no closing record");
        }
    }

    /// What is told now and then, if there is anything to tell.
    async fn round(&self, seen: &mut Seen) -> Result<(), Error> {
        if let Some(after) = seen.go_on(&*self.log, &self.codec).await? {
            self.add(Entry {
                action: SEEN,
                entity: "control".into(),
                after: Some(json!(after)),
                ..Entry::of_the_hub()
            })?;
        }
        self.tell_left_out(&mut self.chain())?;
        self.send_all().await
    }

    /// Writes the last record of the chain: what is cut off behind another is missed.
    async fn close(&self, seen: &mut Seen) -> Result<(), Error> {
        self.round(seen).await?;
        let seq = {
            let mut chain = self.chain();
            if chain.closed || chain.seq == 0 {
                return Ok(());
            }
            let last = Entry { action: CLOSED, entity: "audit".into(), ..Entry::of_the_hub() };
            let seq = self.append(&mut chain, last)?;
            chain.closed = true;
            seq
        };
        self.send(seq).await
    }
}

impl Entry {
    fn of_the_hub() -> Self {
        Self { actor: HUB.into(), allowed: true, ..Self::default() }
    }
}

#[cfg(test)]
mod tests;
