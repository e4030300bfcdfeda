//! Prometheus metrics. Every name is declared here, once; labels come from closed sets and from
//! what the operator configured, never from callers.
//!
//! A family is looked up once: whoever counts holds a handle ([`Provider`], [`Processor`] …) and
//! counts with an atomic; a histogram takes a lock of its own, held for one addition.

mod gateway;
mod pipeline;
mod process;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use prometheus_client::encoding::text;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use gateway::{Gateway, Outbox, Provider};
pub use pipeline::{Clickhouse, Log, Processor, Sink, Traces};

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of one process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Families>);

#[derive(Debug)]
struct Families {
    registry: Registry,
    gateway: Gateway,
    outbox: Outbox,
    providers: gateway::Providers,
    processors: pipeline::Processors,
    sinks: pipeline::Sinks,
    log: Log,
    clickhouse: Clickhouse,
    traces: Traces,
}

impl Metrics {
    /// Metrics of a process of this version and commit.
    pub fn new(version: &'static str, commit: &'static str) -> Self {
        let mut registry = Registry::with_prefix("hub");
        let build = Info::new([("version", version), ("commit", commit)]);
        registry.register("build", "What runs here", build);
        let families = Families {
            gateway: Gateway::register(&mut registry),
            outbox: Outbox::register(&mut registry),
            providers: gateway::Providers::register(&mut registry),
            processors: pipeline::Processors::register(&mut registry),
            sinks: pipeline::Sinks::register(&mut registry),
            log: Log::register(&mut registry),
            clickhouse: Clickhouse::register(&mut registry),
            traces: Traces::register(&mut registry),
            registry,
        };
        Self(Arc::new(families))
    }

    /// What is not of one provider.
    pub fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    /// The outbox.
    pub fn outbox(&self) -> &Outbox {
        &self.0.outbox
    }

    /// A provider, as the operator named it. Keep the handle.
    pub fn provider(&self, id: &str) -> Provider {
        self.0.providers.handle(id)
    }

    /// One partition of a processor. Keep the handle.
    pub fn processor(&self, name: &'static str, partition: u32) -> Processor {
        self.0.processors.handle(name, partition)
    }

    /// A table that the sink writes. Keep the handle.
    pub fn sink(&self, table: &'static str) -> Sink {
        self.0.sinks.handle(table)
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// The embedded ClickHouse engine.
    pub fn clickhouse(&self) -> &Clickhouse {
        &self.0.clickhouse
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

/// Steps on this machine last from ten microseconds to ten seconds.
const STEP_SECONDS: [f64; 13] = [
    0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 10.0,
];

fn call_seconds() -> Histogram {
    Histogram::new(CALL_SECONDS)
}

fn step_seconds() -> Histogram {
    Histogram::new(STEP_SECONDS)
}
