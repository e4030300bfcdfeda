//! How providers and models do, for people: live from the log's health, and by hour from ClickHouse.
//!
//! Always on the operators' listener of a gateway; on that of callers too where `status.public`
//! says so, and then without what only operators should see.

mod history;
pub(crate) mod live;
mod page;
mod routes;

use std::sync::Arc;
use std::time::Duration;

use runtime::clock::Clock;
use runtime::task::Tasks;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::clickhouse::Warehouse;
use crate::serve::Shared;
use history::History;
use live::Live;

pub(crate) use routes::routes;

/// The most listeners to events at once; they are cheap, but anybody may come where it is public.
const LISTENERS: usize = 200;
/// How often they are told at most.
const PACE: Duration = Duration::from_secs(1);

/// What is known. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Uptime(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    live: Live,
    history: History,
    listeners: Arc<Semaphore>,
}

/// Who asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Audience {
    /// Operators: names of credentials and reasons too.
    Operators,
    /// Anybody.
    Public,
}

impl Uptime {
    /// Nothing is known yet.
    pub(crate) fn new(clock: Clock) -> Self {
        let listeners = Arc::new(Semaphore::new(LISTENERS));
        let (live, history) = (Live::default(), History::default());
        Self(Arc::new(Inner { clock, live, history, listeners }))
    }

    /// Follows health until the group stops; history comes from this ClickHouse.
    pub(crate) fn follow(&self, shared: &Shared, warehouse: Option<&Warehouse>, tasks: &Tasks) {
        if let Some(warehouse) = warehouse.filter(|warehouse| warehouse.missing().is_none()) {
            self.0.history.comes_from(warehouse.client());
        }
        let (uptime, log) = (self.clone(), Arc::clone(&shared.log));
        let (codec, token) = (shared.codec.clone(), tasks.token());
        tasks.spawn("uptime", async move { uptime.0.live.follow(&*log, &codec, &token).await });
    }

    fn live(&self, audience: Audience) -> Value {
        self.0.live.told(self.0.clock.now().0, audience)
    }

    async fn whole(&self, audience: Audience) -> Value {
        let mut told = self.live(audience);
        told["history"] = json!(self.0.history.hours().await);
        told
    }
}
