//! What all calls of a gateway share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use runtime::clock::Clock;
use runtime::telemetry::metrics::{self, Metrics};
use runtime::telemetry::trace::Traces;
use schemas::ids::CallId;
use serde_json::{Value, json};

use crate::admission::Accounts;
use crate::control::{Ready, Snapshot};
use crate::error::{Error, Kind};
use crate::limits::Book;
use crate::routing::{HealthMap, Local};
use crate::upstream;
use crate::usage::Outbox;

/// Bounds of a call, as the request path uses them.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest request body, bytes.
    pub body: usize,
    /// Longest time for a request body to arrive.
    pub body_time: Duration,
    /// Output tokens held and sent upstream for a call that names no maximum, where the account is
    /// prepaid or its cost is bounded.
    pub default_max_output: i64,
}

/// How something beside the gateway stands.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// Whether it does what it is there for.
    pub well: bool,
    /// In words.
    pub detail: Value,
}

/// What runs beside the gateway in the same process.
pub trait Beside: Send + Sync {
    /// For `/readyz`.
    fn reports(&self) -> Vec<Report>;
}

impl Report {
    /// Reports as `/readyz` shows them, by name.
    pub fn parts(reports: Vec<Self>) -> Value {
        let part =
            |report: Self| (report.name, json!({"ok": report.well, "detail": report.detail}));
        Value::Object(reports.into_iter().map(part).collect())
    }
}

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
    /// What this process itself sees of targets.
    pub local: Arc<Local>,
    /// Prepaid money.
    pub accounts: Arc<Accounts>,
    /// What is used of limits and budgets.
    pub bounded: Arc<Book>,
    /// Where events go.
    pub outbox: Arc<Outbox>,
    /// Providers over the network.
    pub upstream: upstream::Client,
    /// What must be read before the first call.
    pub ready: Arc<Ready>,
    /// Set when no new calls are taken.
    pub draining: AtomicBool,
    /// What runs beside it.
    pub beside: Arc<dyn Beside>,
    /// What is counted.
    pub metrics: Metrics,
    /// Where traces of calls go.
    pub traces: Traces,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("limits", &self.limits).finish_non_exhaustive()
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
        let Some(why) = self.unready() else {
            return Ok(());
        };
        let mut error = Error::new(Kind::NotReady, format!("the hub {why}"));
        error.retry_after = Some(Duration::from_secs(1));
        Err(error)
    }

    /// Why no calls are taken.
    fn unready(&self) -> Option<String> {
        if self.draining.load(Ordering::Relaxed) {
            Some("is stopping".to_owned())
        } else if !self.ready.is_ready() {
            Some("is starting: balances, budgets and health are being read".to_owned())
        } else if self.ready.is_stale() {
            let (age, most) = (self.ready.age().as_secs(), self.ready.max_stale());
            Some(format!(
                "has not reached the log for {age} s, longer than log.max_stale, {most:?}"
            ))
        } else {
            None
        }
    }

    /// For `/readyz`: whether calls are taken, and how each part stands.
    pub fn readiness(&self) -> (bool, Value) {
        let why = self.unready();
        let outbox = self.outbox.stats();
        let report = json!({
            "ready": why.is_none(),
            "why": why,
            "draining": self.draining.load(Ordering::Relaxed),
            "not_yet_read": self.ready.missing(),
            "log": {
                "read_ms_ago": millis(self.ready.age()),
                "max_stale_ms": millis(self.ready.max_stale()),
            },
            "outbox": {
                "calls_in_flight": outbox.live,
                "bytes": outbox.held,
                "limit_bytes": outbox.limit,
                "unshipped_records": outbox.unshipped,
                "oldest_unshipped_ms": millis(outbox.oldest),
                "failing": outbox.failing,
            },
            "parts": Report::parts(self.beside.reports()),
        });
        (why.is_none(), report)
    }

    /// Brings the metrics that are not counted call by call up to date.
    pub fn scrape(&self) {
        let stats = self.outbox.stats();
        let live = i64::try_from(stats.live).unwrap_or(i64::MAX);
        self.metrics.gateway().in_flight.set(live);
        self.metrics.gateway().log_age.set(self.ready.age().as_secs_f64());
        self.metrics.set_outbox(&metrics::Outbox {
            bytes: stats.held,
            limit: stats.limit,
            promised: stats.promised,
            unshipped: stats.unshipped,
            oldest: stats.oldest,
            shipped: stats.shipped,
            failing: stats.failing.is_some(),
        });
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
