//! The outbox between the request path and the log.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::{level, total};

/// How an outbox stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Outbox {
    /// Bytes of all files.
    pub bytes: u64,
    /// Past these new calls are refused.
    pub limit: u64,
    /// Bytes promised to admitted calls.
    pub promised: u64,
    /// Records that the log does not have yet.
    pub unshipped: u64,
    /// Age of the oldest of them.
    pub oldest: Duration,
    /// Records that the log has taken since the start.
    pub shipped: u64,
    /// Whether the last try to sync or ship failed.
    pub failing: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Families {
    bytes: Gauge,
    limit: Gauge,
    promised: Gauge,
    unshipped: Gauge,
    oldest: Gauge<f64, AtomicU64>,
    shipped: Counter,
    failing: Gauge,
}

impl Families {
    #[rustfmt::skip]
    pub(super) fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        let registry = registry.sub_registry_with_prefix("outbox");
        registry.register("bytes", "Bytes in use", all.bytes.clone());
        registry.register("limit_bytes", "Past these new calls are refused", all.limit.clone());
        registry.register("promised_bytes", "Bytes promised to calls in flight", all.promised.clone());
        registry.register("unshipped_records", "Records that the log does not have yet", all.unshipped.clone());
        registry.register_with_unit("oldest", "Age of the oldest of these", Unit::Seconds, all.oldest.clone());
        registry.register("shipped_records", "Records that the log has taken", all.shipped.clone());
        registry.register("failing", "Whether the last try to sync or ship failed", all.failing.clone());
        all
    }

    pub(super) fn set(&self, now: &Outbox) {
        self.bytes.set(level(now.bytes));
        self.limit.set(level(now.limit));
        self.promised.set(level(now.promised));
        self.unshipped.set(level(now.unshipped));
        self.oldest.set(now.oldest.as_secs_f64());
        total(&self.shipped, now.shipped);
        self.failing.set(now.failing.into());
    }
}
