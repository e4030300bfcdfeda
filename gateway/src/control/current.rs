//! The snapshot that calls see: what is configured, and what providers list beside it.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use schemas::ids::{ModelId, ProviderId};
use tokio::sync::Notify;

use super::{Listings, Snapshot};

/// What is configured and what is listed, made into one snapshot whenever either changes.
#[derive(Debug)]
pub struct Current {
    parts: Mutex<Parts>,
    /// What calls see.
    seen: Arc<ArcSwap<Snapshot>>,
    providers: Notify,
}

#[derive(Debug)]
struct Parts {
    configured: Arc<Snapshot>,
    listings: Listings,
}

impl Current {
    /// What is configured, with nothing listed yet.
    pub fn new(configured: Snapshot) -> Self {
        let configured = Arc::new(configured);
        let seen = Arc::new(ArcSwap::new(Arc::clone(&configured)));
        let parts = Mutex::new(Parts { configured, listings: Listings::new() });
        Self { parts, seen, providers: Notify::new() }
    }

    /// What calls see.
    pub fn seen(&self) -> Arc<ArcSwap<Snapshot>> {
        Arc::clone(&self.seen)
    }

    /// What is configured, without what is listed.
    pub fn configured(&self) -> Arc<Snapshot> {
        Arc::clone(&self.lock().configured)
    }

    /// The configuration is another now.
    pub fn configure(&self, configured: Snapshot) {
        let mut parts = self.lock();
        let before = std::mem::replace(&mut parts.configured, Arc::new(configured));
        let same = before.providers.keys().eq(parts.configured.providers.keys());
        self.publish(&parts);
        drop(parts);
        if !same {
            self.providers.notify_one();
        }
    }

    /// A provider lists these models; whether that is new.
    pub fn lists(&self, provider: &ProviderId, models: BTreeSet<ModelId>) -> bool {
        let mut parts = self.lock();
        let before = parts.listings.insert(provider.clone(), models);
        let new = before.as_ref() != parts.listings.get(provider);
        if new {
            self.publish(&parts);
        }
        new
    }

    /// Waits until there are other providers than before.
    pub async fn providers_changed(&self) {
        self.providers.notified().await;
    }

    fn publish(&self, parts: &Parts) {
        let seen = match parts.listings.is_empty() {
            true => Arc::clone(&parts.configured),
            false => Arc::new(parts.configured.with_listings(&parts.listings)),
        };
        self.seen.store(seen);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
