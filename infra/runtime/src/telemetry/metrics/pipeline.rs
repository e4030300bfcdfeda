//! What runs beside the gateway.

use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::{level, total};

/// Commits and inserts last from a millisecond to two minutes.
const STEP_SECONDS: [f64; 16] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0,
];

fn step_seconds() -> Histogram {
    Histogram::new(STEP_SECONDS)
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ProcessorLabels {
    processor: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct PartitionLabels {
    processor: String,
    partition: u32,
}

/// How one partition of a processor stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Processor {
    /// Whether it takes records.
    pub runs: bool,
    /// Offsets of all its inputs that are not taken yet.
    pub lag: u64,
    /// Records taken since the start of the process.
    pub records: u64,
    /// Of these, seen before.
    pub repeated: u64,
    /// Of these, refused for good.
    pub dead: u64,
    /// Seqs that are missing now. Zero when healthy.
    pub missing: u64,
    /// Times that it took over since the start of the process.
    pub takeovers: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Processors {
    running: Family<PartitionLabels, Gauge>,
    lag: Family<PartitionLabels, Gauge>,
    records: Family<PartitionLabels, Counter>,
    repeated: Family<PartitionLabels, Counter>,
    dead: Family<PartitionLabels, Counter>,
    missing: Family<PartitionLabels, Gauge>,
    takeovers: Family<PartitionLabels, Counter>,
    commits: Family<ProcessorLabels, Histogram>,
    inserts: Family<ProcessorLabels, Histogram>,
}

impl Default for Processors {
    fn default() -> Self {
        Self {
            running: Family::default(),
            lag: Family::default(),
            records: Family::default(),
            repeated: Family::default(),
            dead: Family::default(),
            missing: Family::default(),
            takeovers: Family::default(),
            commits: Family::new_with_constructor(step_seconds),
            inserts: Family::new_with_constructor(step_seconds),
        }
    }
}

impl Processors {
    #[rustfmt::skip]
    pub(super) fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        let registry = registry.sub_registry_with_prefix("processor");
        registry.register("running", "Whether it takes records", all.running.clone());
        registry.register("lag_records", "Input records not taken yet", all.lag.clone());
        registry.register("records", "Records taken", all.records.clone());
        registry.register("repeated_records", "Records seen before", all.repeated.clone());
        registry.register("dead_records", "Records refused for good", all.dead.clone());
        registry.register("missing_seqs", "Seqs that are missing now", all.missing.clone());
        registry.register("takeovers", "Starts from the state in the log", all.takeovers.clone());
        registry.register_with_unit("commit_duration", "Commit of a step to the log", Unit::Seconds, all.commits.clone());
        registry.register_with_unit("insert_duration", "Insert of a batch into ClickHouse", Unit::Seconds, all.inserts.clone());
        all
    }

    pub(super) fn committed(&self, processor: &str, took: Duration) {
        observe(&self.commits, processor, took);
    }

    pub(super) fn inserted(&self, processor: &str, took: Duration) {
        observe(&self.inserts, processor, took);
    }

    pub(super) fn set(&self, processor: &str, partition: u32, now: &Processor) {
        let labels = PartitionLabels { processor: processor.to_owned(), partition };
        let gauge = |family: &Family<_, Gauge>, value| {
            family.get_or_create(&labels).set(value);
        };
        let counter = |family: &Family<_, Counter>, value| {
            total(&family.get_or_create(&labels), value);
        };
        gauge(&self.running, now.runs.into());
        gauge(&self.lag, level(now.lag));
        counter(&self.records, now.records);
        counter(&self.repeated, now.repeated);
        counter(&self.dead, now.dead);
        gauge(&self.missing, level(now.missing));
        counter(&self.takeovers, now.takeovers);
    }
}

fn observe(family: &Family<ProcessorLabels, Histogram>, processor: &str, took: Duration) {
    let labels = ProcessorLabels { processor: processor.to_owned() };
    family.get_or_create(&labels).observe(took.as_secs_f64());
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct EngineLabels {
    engine: &'static str,
}

/// The embedded ClickHouse engine.
#[derive(Clone, Debug)]
pub struct Clickhouse {
    /// Whether it serves: 0 or 1.
    pub up: Gauge,
    /// Times that it was started again.
    pub restarts: Counter,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Engines {
    up: Family<EngineLabels, Gauge>,
    restarts: Family<EngineLabels, Counter>,
}

impl Engines {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let all = Self::default();
        let registry = registry.sub_registry_with_prefix("clickhouse");
        registry.register("up", "Whether it serves", all.up.clone());
        registry.register("restarts", "Starts after a crash", all.restarts.clone());
        all
    }

    pub(super) fn embedded(&self) -> Clickhouse {
        let labels = EngineLabels { engine: "embedded" };
        Clickhouse {
            up: self.up.get_or_create_owned(&labels),
            restarts: self.restarts.get_or_create_owned(&labels),
        }
    }
}

/// The exporter of traces.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    /// Calls whose spans the collector took.
    pub exported: Counter,
    /// Calls whose spans were thrown away: the queue was full, or the collector refused.
    pub dropped: Counter,
}

impl Traces {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let traces = Self::default();
        let registry = registry.sub_registry_with_prefix("traces");
        registry.register("exported", "Calls exported", traces.exported.clone());
        registry.register("dropped", "Calls not exported", traces.dropped.clone());
        traces
    }
}
