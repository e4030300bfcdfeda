//! Brings the outbox to the disk and to the log.
//!
//! Two loops, so that a log that is away never delays a sync: one syncs whatever was appended, as
//! a group; the other ships what is synced, in order, and only then moves the watermark. Whatever
//! goes wrong, shipping goes on from the watermark with the same bytes.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use runtime::log::{Error as LogError, Log};
use runtime::task::CancellationToken;
use schemas::topics::Topic;
use tokio::sync::Semaphore;

use super::outbox::{Batch, Durability, Duty, Error, Outbox};

/// One append to the log takes at most this many records and about this many bytes.
const BATCH: (usize, usize) = (2_000, 1 << 20);
/// The first and the longest pause after an error.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Syncs, ships, remembers how far, and trims.
#[derive(Debug)]
pub struct Shipper {
    outbox: Arc<Outbox>,
    /// Held by work on blocking threads, which can't be stopped: one per loop.
    busy: Arc<Semaphore>,
}

const LOOPS: u32 = 2;

/// Why a round ended early.
enum Stop {
    /// Try again later.
    Later(String),
    /// Trying again can't help.
    Fatal(Error),
}

impl Shipper {
    /// The shipper of an outbox; there is one.
    pub fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox, busy: Arc::new(Semaphore::new(LOOPS as usize)) }
    }

    /// Ships until cancelled; a last sync is then done, but nothing more is shipped. Call
    /// [`Outbox::drain`] before to wait for the rest. When it returns, nothing of it runs on.
    ///
    /// # Errors
    /// [`Error::OtherLog`]: stop and say so.
    pub async fn run(self, log: Arc<dyn Log>, token: CancellationToken) -> Result<(), Error> {
        let ended = tokio::select! {
            () = token.cancelled() => Ok(()),
            never = self.sync_loop() => match never {},
            error = self.ship_loop(&*log) => {
                self.failed(Duty::Ship, &error.to_string());
                Err(error)
            }
        };
        if let Err(error) = self.blocking(|outbox| outbox.sync()).await {
            self.failed(Duty::Sync, &error);
        }
        drop(self.busy.acquire_many(LOOPS).await);
        ended
    }

    async fn sync_loop(&self) -> std::convert::Infallible {
        let mut backoff = Backoff::default();
        loop {
            self.outbox.appended().await;
            if self.outbox.durability() == Durability::Process {
                tokio::time::sleep(self.outbox.linger()).await;
            }
            match self.blocking(|outbox| outbox.sync()).await {
                Ok(()) => {
                    self.works(Duty::Sync);
                    backoff.reset();
                }
                Err(error) => {
                    self.failed(Duty::Sync, &error);
                    backoff.wait().await;
                }
            }
            match self.blocking(|outbox| outbox.prepare()).await {
                Ok(()) => self.works(Duty::Files),
                Err(error) => self.failed(Duty::Files, &error),
            }
        }
    }

    async fn ship_loop(&self, log: &dyn Log) -> Error {
        let mut backoff = Backoff::default();
        let mut most = BATCH.0;
        loop {
            self.outbox.unshipped_synced().await;
            match self.ship(log, &mut most).await {
                Ok(()) => {
                    self.works(Duty::Ship);
                    backoff.reset();
                }
                Err(Stop::Fatal(error)) => return error,
                Err(Stop::Later(error)) => {
                    self.failed(Duty::Ship, &error);
                    backoff.wait().await;
                    continue;
                }
            }
            if let Err(error) = self.blocking(|outbox| outbox.trim()).await {
                self.failed(Duty::Files, &error);
            }
        }
    }

    /// Ships one batch. `most` records go at once: fewer after the log found a batch too large.
    async fn ship(&self, log: &dyn Log, most: &mut usize) -> Result<(), Stop> {
        let logs = self.same_logs(log)?;
        let batch = self.outbox.batch(*most, BATCH.1).map_err(Stop::later)?;
        let Batch { records, next } = batch;
        let count = records.len();
        if count > 0 {
            match log.append(records).await {
                Ok(_) => *most = most.saturating_mul(2).min(BATCH.0),
                Err(error) => {
                    if let LogError::TooLarge { .. } = error {
                        *most = (count / 2).max(1);
                    }
                    return Err(Stop::later(error));
                }
            }
        }
        self.outbox.advance(next, count, logs).map_err(Stop::later)
    }

    /// The ids of the logs that events go to: those that the watermark belongs to, if there is one.
    fn same_logs(&self, log: &dyn Log) -> Result<[String; 2], Stop> {
        let topics = [Topic::Usage, Topic::Attempts];
        let found = topics.map(|topic| log.id(topic).0);
        let (Some(known), watermark) = self.outbox.shipped_to() else {
            return Ok(found);
        };
        for ((topic, known), found) in topics.into_iter().zip(known).zip(&found) {
            if known != *found {
                let found = found.clone();
                return Err(Stop::Fatal(Error::OtherLog { topic, known, found, watermark }));
            }
        }
        Ok(found)
    }

    async fn blocking(
        &self,
        work: impl FnOnce(&Outbox) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), String> {
        let outbox = Arc::clone(&self.outbox);
        let busy = Arc::clone(&self.busy).acquire_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&outbox);
            drop(outbox);
            drop(busy);
            result
        });
        let done = done.await;
        match done {
            Ok(result) => result.map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn works(&self, duty: Duty) {
        if self.outbox.note(duty, None) {
            tracing::info!(?duty, "outbox: works again");
        }
    }

    fn failed(&self, duty: Duty, error: &str) {
        if self.outbox.note(duty, Some(error.to_owned())) {
            tracing::warn!(?duty, error, "outbox: trying again");
        }
    }
}

impl Stop {
    fn later(error: impl Display) -> Self {
        Self::Later(error.to_string())
    }
}

/// Waits longer each time.
#[derive(Default)]
struct Backoff(Option<Duration>);

impl Backoff {
    const fn reset(&mut self) {
        self.0 = None;
    }

    async fn wait(&mut self) {
        let wait = self.0.map_or(BACKOFF.0, |last| (last * 2).min(BACKOFF.1));
        self.0 = Some(wait);
        tokio::time::sleep(wait).await;
    }
}
