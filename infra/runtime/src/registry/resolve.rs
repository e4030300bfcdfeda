//! Asks the registry for ids that turned up in events, until it knows them.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use schemas::wire::{self, Codec};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep_until};

use super::api::Api;
use super::cache::Cache;
use super::settle::settle;
use super::{Error, PAUSE, longer};

/// Ids that the codec did not know, each once.
pub(super) type Wanted = UnboundedReceiver<u32>;

/// What the codec tells of unknown ids, and where they come out.
pub(super) fn wanted() -> (impl Fn(u32) + Send + Sync + 'static, Wanted) {
    let (send, receive) = unbounded_channel();
    let told = Mutex::new(BTreeSet::new());
    let ask = move |id| {
        let new = told.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        if new && send.send(id).is_err() {
            tracing::debug!(id, "nobody asks for schema ids any more: the process stops");
        }
    };
    (ask, receive)
}

/// Keeps the codec as the registry knows it.
pub(super) struct Resolver {
    pub(super) api: Api,
    pub(super) prefix: String,
    pub(super) cache: Cache,
    pub(super) codec: Codec,
    /// Whether this process has seen the registry.
    pub(super) settled: bool,
}

impl Resolver {
    /// Runs for ever; being dropped at any await loses nothing but time.
    pub(super) async fn run(mut self, mut wanted: Wanted) {
        let mut open = BTreeSet::new();
        let mut absent = BTreeSet::new();
        let mut pause = PAUSE.0;
        let mut due = Instant::now() + pause;
        loop {
            let idle = self.settled && open.is_empty();
            tokio::select! {
                id = wanted.recv() => match id {
                    Some(id) => open.insert(id),
                    None => return,
                },
                () = sleep_until(due), if !idle => {
                    pause = longer(pause);
                    false
                }
            };
            if idle {
                pause = PAUSE.0;
            }
            match self.pass(&mut open, &mut absent).await {
                Ok(()) => {}
                Err(error) if error.passes() => {
                    tracing::warn!(%error, ?pause, "the schema registry will be asked again");
                }
                Err(error) => {
                    tracing::error!(%error, ?pause, "the schema registry will be asked again");
                }
            }
            due = Instant::now() + pause;
        }
    }

    /// Asks for all that is open.
    async fn pass(
        &mut self,
        open: &mut BTreeSet<u32>,
        absent: &mut BTreeSet<u32>,
    ) -> Result<(), Error> {
        if !self.settled {
            let found = settle(&self.api, &self.prefix).await?;
            self.cache.merge(found.clone())?;
            for (id, text) in &found {
                self.learn(*id, text);
            }
            self.settled = true;
            tracing::info!("the schema registry is back");
        }
        // one that the registry stumbles over does not keep it from the others
        let mut asked = Ok(());
        for id in open.clone() {
            match self.ask(id).await {
                Ok(true) => {
                    open.remove(&id);
                }
                Ok(false) if absent.insert(id) => {
                    tracing::warn!(id, "the schema registry does not know this id; asking again");
                }
                Ok(false) => {}
                Err(error) => asked = Err(error),
            }
        }
        asked
    }

    /// Asks for an id; false when the registry does not know it.
    async fn ask(&mut self, id: u32) -> Result<bool, Error> {
        let Some(text) = self.api.schema(id).await? else {
            return Ok(false);
        };
        self.learn(id, &text);
        if self.codec.knows(id) {
            self.cache.keep(id, text)?;
        }
        Ok(true)
    }

    fn learn(&self, id: u32, text: &str) {
        if self.codec.knows(id) {
            return;
        }
        match self.codec.learn(id, text) {
            Ok(name) => tracing::info!(id, ?name, "a schema of another hub is known now"),
            Err(error @ wire::Error::Foreign(_)) => {
                tracing::error!(id, %error, "an event that carries this schema id waits for ever");
            }
            Err(error) => {
                tracing::error!(id, %error, "this hub can't read a schema: run a newer one");
            }
        }
    }
}
