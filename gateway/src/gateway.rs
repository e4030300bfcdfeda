//! What all calls of a gateway share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use runtime::clock::Clock;
use schemas::ids::CallId;
use serde_json::{Value, json};

use crate::admission::Accounts;
use crate::control::Snapshot;
use crate::control::follow::Ready;
use crate::error::{Error, Kind};
use crate::routing::HealthMap;
use crate::upstream;
use crate::usage::Outbox;

/// Bounds of a call, as the request path uses them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest request body, bytes.
    pub body: usize,
    /// Longest time for a request body to arrive.
    pub body_time: Duration,
    /// Output tokens held and sent upstream for a prepaid account's call that names no maximum.
    pub default_max_output: i64,
}

/// Reports of what runs beside the gateway in the same process: name, well, and in words.
pub type Reports = Arc<dyn Fn() -> Vec<(String, bool, Value)> + Send + Sync>;

/// The gateway: shared by all calls, made once.
pub struct Gateway {
    /// The time.
    pub clock: Clock,
    /// Bounds of a call.
    pub limits: Limits,
    /// Keys, providers, routes, prices: swapped whole.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Health as derived from the log.
    pub health: Arc<ArcSwap<HealthMap>>,
    /// Prepaid money.
    pub accounts: Arc<Accounts>,
    /// Where events go.
    pub outbox: Arc<Outbox>,
    /// Providers over the network.
    pub upstream: upstream::Client,
    /// What must be read before the first call.
    pub ready: Arc<Ready>,
    /// Set when no new calls are taken.
    pub draining: AtomicBool,
    /// What runs beside it.
    pub reports: Reports,
    /// The text of `/metrics`.
    pub metrics: runtime::telemetry::metrics::Metrics,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Gateway {
    /// The id of a new call.
    pub fn new_call(&self) -> CallId {
        CallId::new(self.clock.now().millis(), &rand::random())
    }

    /// Whether calls are taken.
    ///
    /// # Errors
    /// [`Kind::NotReady`] while starting or stopping.
    pub fn check_ready(&self) -> Result<(), Error> {
        let why = if self.draining.load(Ordering::Relaxed) {
            "the hub is stopping"
        } else if !self.ready.is_ready() {
            "the hub is starting: balances and health are being read"
        } else {
            return Ok(());
        };
        let mut error = Error::new(Kind::NotReady, why);
        error.retry_after = Some(Duration::from_secs(1));
        Err(error)
    }

    /// For `/readyz`: whether calls are taken, and how each part stands.
    pub fn readiness(&self) -> (bool, Value) {
        let missing = self.ready.missing();
        let draining = self.draining.load(Ordering::Relaxed);
        let outbox = self.outbox.stats();
        let parts: serde_json::Map<String, Value> = (self.reports)()
            .into_iter()
            .map(|(name, well, detail)| (name, json!({"ok": well, "detail": detail})))
            .collect();
        let ready = missing.is_empty() && !draining;
        let report = json!({
            "ready": ready,
            "draining": draining,
            "not_yet_read": missing,
            "outbox": {
                "calls_in_flight": outbox.live,
                "bytes": outbox.held,
                "limit_bytes": outbox.limit,
                "unshipped_records": outbox.unshipped,
                "oldest_unshipped_ms": u64::try_from(outbox.oldest.as_millis()).unwrap_or(u64::MAX),
                "failing": outbox.failing,
            },
            "parts": parts,
        });
        (ready, report)
    }

    /// The text of `/metrics`, with the outbox as it is now.
    pub fn metrics_text(&self) -> String {
        let stats = self.outbox.stats();
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let outbox = self.metrics.outbox();
        outbox.bytes.set(gauge(stats.held));
        outbox.limit_bytes.set(gauge(stats.limit));
        outbox.unshipped.set(gauge(stats.unshipped));
        self.metrics.encode()
    }
}
