//! A client that goes away while its statement is silent: the statement is killed, or it would hold its place to its time limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::Stream;
use futures::StreamExt as _;

use super::Server;

/// Kept by whoever waits for the statement, first the request, then the answer's body.
pub(crate) struct Leave {
    server: Arc<Server>,
    mark: String,
    ended: Arc<AtomicBool>,
}

impl Leave {
    /// For the statement whose session bears `mark`.
    pub(crate) fn new(server: &Arc<Server>, mark: &str) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        Self { server: Arc::clone(server), mark: mark.to_owned(), ended }
    }

    /// What the statement sets when it has ended.
    pub(crate) fn ended(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.ended)
    }

    /// The same stream, which from now on stands for the client.
    pub(crate) fn guard<S: Stream + Unpin>(self, stream: S) -> impl Stream<Item = S::Item> {
        futures::stream::unfold((stream, self), async |(mut stream, leave)| {
            let Some(item) = stream.next().await else {
                // Read to its end: a kill now could hit the next statement of the same session.
                leave.ended.store(true, Ordering::Release);
                return None;
            };
            Some((item, (stream, leave)))
        })
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if self.ended.load(Ordering::Acquire) {
            return;
        }
        let (server, mark) = (Arc::clone(&self.server), std::mem::take(&mut self.mark));
        // Without a runtime the process is ending, and its statements with it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || {
                if let Err(text) = server.engine.kill(&mark) {
                    tracing::debug!(text, "an abandoned statement could not be killed");
                }
            });
        }
    }
}
