//! Named tasks and a shutdown that drains.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;
pub use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Spawns a named task that nobody waits for; it should end when its shutdown token says so.
pub fn spawn<F>(name: &'static str, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    use tracing::Instrument as _;
    #[expect(clippy::disallowed_methods, reason = "the wrapper itself")]
    tokio::spawn(future.instrument(tracing::debug_span!("task", name)))
}

/// A group of tasks that stop together: ask with [`Tasks::stop`], wait with [`Tasks::drained`].
#[derive(Clone, Debug, Default)]
pub struct Tasks {
    token: CancellationToken,
    tracker: TaskTracker,
}

impl Tasks {
    /// A group that nobody has asked to stop.
    pub fn new() -> Self {
        Self::default()
    }

    /// The token that is cancelled when the group is asked to stop.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }

    /// Spawns a named task of this group.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        spawn(name, self.tracker.track_future(future))
    }

    /// Asks all tasks to stop.
    pub fn stop(&self) {
        self.token.cancel();
    }

    /// Waits until all tasks have ended; false when `limit` passed before.
    pub async fn drained(&self, limit: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }
}
