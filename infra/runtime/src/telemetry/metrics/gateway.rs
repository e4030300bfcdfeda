//! What the request path counts.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use schemas::event::{AttemptError, Meter, Operation, Outcome};

use super::call_seconds;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CallLabels {
    provider: String,
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OperationLabels {
    provider: String,
    operation: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct AttemptLabels {
    provider: String,
    error: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct MeterLabels {
    provider: String,
    meter: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CodeLabels {
    code: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct LimitLabels {
    limit: &'static str,
    scope: &'static str,
}

/// What is not of one provider.
#[derive(Clone, Debug, Default)]
pub struct Gateway {
    /// Calls admitted and not settled.
    pub in_flight: Gauge,
    /// Seconds since what the request path knows was up to date with the log.
    pub log_age: Gauge<f64, AtomicU64>,
    refused: Family<CodeLabels, Counter>,
    limited: Family<LimitLabels, Counter>,
}

impl Gateway {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let gateway = Self::default();
        registry.register(
            "calls_in_flight",
            "Calls admitted and not settled",
            gateway.in_flight.clone(),
        );
        registry.register_with_unit(
            "log_read_age",
            "Age of what the request path knows of the log",
            Unit::Seconds,
            gateway.log_age.clone(),
        );
        registry.register(
            "calls_refused",
            "Calls refused before admission, by stable code",
            gateway.refused.clone(),
        );
        registry.register(
            "calls_limited",
            "Calls refused by a limit or budget, by what it bounds and for whom",
            gateway.limited.clone(),
        );
        gateway
    }

    /// A call was refused before admission. `code` is of the closed list of error codes.
    pub fn refused(&self, code: &'static str) {
        self.refused.get_or_create(&CodeLabels { code }).inc();
    }

    /// A limit or budget had no room. Both are of closed lists: what it bounds, and for whom.
    pub fn limited(&self, limit: &'static str, scope: &'static str) {
        self.limited.get_or_create(&LimitLabels { limit, scope }).inc();
    }
}

#[derive(Clone, Debug)]
pub(super) struct Providers {
    calls: Family<CallLabels, Counter>,
    duration: Family<OperationLabels, Histogram>,
    ttft: Family<OperationLabels, Histogram>,
    attempts: Family<AttemptLabels, Counter>,
    attempt_duration: Family<AttemptLabels, Histogram>,
    units: Family<MeterLabels, Counter>,
}

impl Providers {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let providers = Self {
            calls: Family::default(),
            duration: Family::new_with_constructor(call_seconds),
            ttft: Family::new_with_constructor(call_seconds),
            attempts: Family::default(),
            attempt_duration: Family::new_with_constructor(call_seconds),
            units: Family::default(),
        };
        registry.register(
            "calls",
            "Calls settled, by the provider that answered last",
            providers.calls.clone(),
        );
        registry.register_with_unit(
            "call_duration",
            "Admission to the end",
            Unit::Seconds,
            providers.duration.clone(),
        );
        registry.register_with_unit(
            "call_ttft",
            "Admission to the first content sent to the client",
            Unit::Seconds,
            providers.ttft.clone(),
        );
        registry.register(
            "attempts",
            "Upstream attempts, by how they failed",
            providers.attempts.clone(),
        );
        registry.register_with_unit(
            "attempt_duration",
            "Start of an attempt to its end",
            Unit::Seconds,
            providers.attempt_duration.clone(),
        );
        registry.register(
            "units",
            "Units used, by meter: tokens, images, seconds, requests",
            providers.units.clone(),
        );
        providers
    }

    pub(super) fn handle(&self, id: &str) -> Provider {
        Provider(Arc::new(Handles {
            id: id.to_owned(),
            families: self.clone(),
            operations: Default::default(),
            attempts: Default::default(),
            units: Default::default(),
        }))
    }
}

/// The metrics of one provider. Cheap to clone and to use: each is looked up once.
#[derive(Clone, Debug)]
pub struct Provider(Arc<Handles>);

#[derive(Debug)]
struct Handles {
    id: String,
    families: Providers,
    operations: [OperationHandles; Operation::ALL.len()],
    attempts: [OnceLock<(Counter, Histogram)>; AttemptError::ALL.len()],
    units: [OnceLock<Counter>; Meter::ALL.len()],
}

#[derive(Debug, Default)]
struct OperationHandles {
    outcomes: [OnceLock<Counter>; Outcome::ALL.len()],
    times: OnceLock<(Histogram, Histogram)>,
}

impl Provider {
    /// A call was settled that this provider answered last; `ttft` when content was given.
    pub fn settled(
        &self,
        operation: Operation,
        outcome: Outcome,
        duration: Duration,
        ttft: Option<Duration>,
    ) {
        let Some(handles) = self.0.operations.get(operation as usize) else {
            return;
        };
        let (durations, ttfts) = handles.times.get_or_init(|| {
            let labels =
                OperationLabels { provider: self.0.id.clone(), operation: operation.as_str() };
            let families = &self.0.families;
            (
                families.duration.get_or_create_owned(&labels),
                families.ttft.get_or_create_owned(&labels),
            )
        });
        durations.observe(duration.as_secs_f64());
        if let Some(ttft) = ttft {
            ttfts.observe(ttft.as_secs_f64());
        }
        if let Some(calls) = handles.outcomes.get(outcome as usize) {
            let made = || {
                self.0.families.calls.get_or_create_owned(&CallLabels {
                    provider: self.0.id.clone(),
                    operation: operation.as_str(),
                    outcome: outcome.as_str(),
                })
            };
            calls.get_or_init(made).inc();
        }
    }

    /// An attempt ended.
    pub fn attempted(&self, error: AttemptError, duration: Duration) {
        let Some(handle) = self.0.attempts.get(error as usize) else {
            return;
        };
        let (attempts, durations) = handle.get_or_init(|| {
            let labels = AttemptLabels { provider: self.0.id.clone(), error: error.as_str() };
            let families = &self.0.families;
            (
                families.attempts.get_or_create_owned(&labels),
                families.attempt_duration.get_or_create_owned(&labels),
            )
        });
        attempts.inc();
        durations.observe(duration.as_secs_f64());
    }

    /// A settled call used so many units; negative ones count as none.
    pub fn used(&self, meter: Meter, units: i64) {
        if let Some(handle) = self.0.units.get(meter as usize) {
            let made = || {
                self.0.families.units.get_or_create_owned(&MeterLabels {
                    provider: self.0.id.clone(),
                    meter: meter.as_str(),
                })
            };
            handle.get_or_init(made).inc_by(u64::try_from(units).unwrap_or(0));
        }
    }
}
