//! Prometheus metrics. Every name is declared here, once; labels come from closed sets and from
//! what the operator configured, never from callers.
//!
//! What calls count is looked up once: they hold a handle ([`Provider`]) and count with an atomic;
//! a histogram takes a lock of its own, held for one addition. What others know anyway (the
//! outbox, the processors) is asked of them and set when the text is asked for.

mod control;
mod gateway;
mod outbox;
mod pipeline;
mod process;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use control::Control;
pub use gateway::{Gateway, Provider};
pub use outbox::Outbox;
pub use pipeline::{Clickhouse, Processor, Traces};

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of one process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    registry: Registry,
    control: Control,
    gateway: Gateway,
    outbox: outbox::Families,
    providers: gateway::Providers,
    processors: pipeline::Processors,
    engines: pipeline::Engines,
    traces: Traces,
}

impl Metrics {
    /// Metrics of a process of this version and commit.
    pub fn new(version: &'static str, commit: &'static str) -> Self {
        let mut registry = Registry::with_prefix("hub");
        let build = Info::new([("version", version), ("commit", commit)]);
        registry.register("build", "What runs here", build);
        let families = Families {
            control: Control::register(&mut registry),
            gateway: Gateway::register(&mut registry),
            outbox: outbox::Families::register(&mut registry),
            providers: gateway::Providers::register(&mut registry),
            processors: pipeline::Processors::register(&mut registry),
            engines: pipeline::Engines::register(&mut registry),
            traces: Traces::register(&mut registry),
            registry,
        };
        Self(Arc::new(families))
    }

    /// What is not of one provider.
    pub fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    /// What is configured.
    pub fn control(&self) -> &Control {
        &self.0.control
    }

    /// How the outbox stands now.
    pub fn set_outbox(&self, now: &Outbox) {
        self.0.outbox.set(now);
    }

    /// A provider, as the operator named it. Keep the handle.
    pub fn provider(&self, id: &str) -> Provider {
        self.0.providers.handle(id)
    }

    /// How one partition of a processor stands now.
    pub fn set_processor(&self, name: &str, partition: u32, now: &Processor) {
        self.0.processors.set(name, partition, now);
    }

    /// A processor's step took so long to commit.
    pub fn committed(&self, processor: &str, took: Duration) {
        self.0.processors.committed(processor, took);
    }

    /// A processor's batch took so long to insert.
    pub fn inserted(&self, processor: &str, took: Duration) {
        self.0.processors.inserted(processor, took);
    }

    /// The embedded ClickHouse engine, which is told of from now on. Keep the handle.
    pub fn clickhouse(&self) -> Clickhouse {
        self.0.engines.embedded()
    }

    /// The exporter of traces.
    pub fn traces(&self) -> &Traces {
        &self.0.traces
    }

    /// All of them as OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut text = String::with_capacity(16 << 10);
        let written =
            text::encode(&mut text, &self.0.registry).and_then(|()| process::encode(&mut text));
        if let Err(error) = written {
            tracing::error!(%error, "metrics not encoded");
        }
        text
    }
}

/// Calls last from a millisecond to ten minutes.
const CALL_SECONDS: [f64; 17] = [
    0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0,
    600.0,
];

fn call_seconds() -> Histogram {
    Histogram::new(CALL_SECONDS)
}

fn level(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Sets a counter to what someone else has counted.
fn total(counter: &Counter, number: u64) {
    counter.inner().store(number, Ordering::Relaxed);
}
