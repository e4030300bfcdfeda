//! What is counted behind the log.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use schemas::topics::Topic;

use super::step_seconds;

type Seconds = Gauge<f64, AtomicU64>;

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct PartitionLabels {
    processor: &'static str,
    partition: u32,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct TableLabels {
    table: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct TopicLabels {
    topic: &'static str,
}

#[derive(Clone, Debug)]
pub(super) struct Processors {
    lag: Family<PartitionLabels, Gauge>,
    delay: Family<PartitionLabels, Seconds>,
    records: Family<PartitionLabels, Counter>,
    repeated: Family<PartitionLabels, Counter>,
    dead: Family<PartitionLabels, Counter>,
    gaps: Family<PartitionLabels, Counter>,
    missing: Family<PartitionLabels, Gauge>,
    restarts: Family<PartitionLabels, Counter>,
    commit: Family<PartitionLabels, Histogram>,
}

/// One partition of a processor.
#[derive(Clone, Debug)]
pub struct Processor {
    /// Records of the input that are not applied yet.
    pub lag: Gauge,
    /// Age of the newest applied record, by the log's time; seconds.
    pub delay: Seconds,
    /// Records applied.
    pub records: Counter,
    /// Records dropped because they were seen before.
    pub repeated: Counter,
    /// Records refused for good.
    pub dead: Counter,
    /// Gaps found in the seqs of an origin. Zero when healthy.
    pub gaps: Counter,
    /// Seqs that are missing now. Zero when healthy.
    pub missing: Gauge,
    /// Times that the step failed and the state was loaded again.
    pub restarts: Counter,
    /// How long a commit takes.
    pub commit: Histogram,
}

impl Processors {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let all = Self {
            lag: Family::default(),
            delay: Family::default(),
            records: Family::default(),
            repeated: Family::default(),
            dead: Family::default(),
            gaps: Family::default(),
            missing: Family::default(),
            restarts: Family::default(),
            commit: Family::new_with_constructor(step_seconds),
        };
        let registry = registry.sub_registry_with_prefix("processor");
        registry.register(
            "lag_records",
            "Input records not applied yet",
            all.lag.clone(),
        );
        registry.register_with_unit(
            "delay",
            "Age of the newest applied record",
            Unit::Seconds,
            all.delay.clone(),
        );
        registry.register("records", "Records applied", all.records.clone());
        registry.register(
            "repeated_records",
            "Records seen before",
            all.repeated.clone(),
        );
        registry.register("dead_records", "Records refused for good", all.dead.clone());
        registry.register(
            "gaps",
            "Gaps found in the seqs of an origin",
            all.gaps.clone(),
        );
        registry.register(
            "missing_seqs",
            "Seqs that are missing now",
            all.missing.clone(),
        );
        registry.register("restarts", "Failed steps", all.restarts.clone());
        registry.register_with_unit("commit", "A commit", Unit::Seconds, all.commit.clone());
        all
    }

    pub(super) fn handle(&self, processor: &'static str, partition: u32) -> Processor {
        let labels = PartitionLabels {
            processor,
            partition,
        };
        Processor {
            lag: self.lag.get_or_create_owned(&labels),
            delay: self.delay.get_or_create_owned(&labels),
            records: self.records.get_or_create_owned(&labels),
            repeated: self.repeated.get_or_create_owned(&labels),
            dead: self.dead.get_or_create_owned(&labels),
            gaps: self.gaps.get_or_create_owned(&labels),
            missing: self.missing.get_or_create_owned(&labels),
            restarts: self.restarts.get_or_create_owned(&labels),
            commit: self.commit.get_or_create_owned(&labels),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Sinks {
    rows: Family<TableLabels, Counter>,
    batches: Family<TableLabels, Counter>,
    errors: Family<TableLabels, Counter>,
    insert: Family<TableLabels, Histogram>,
}

/// A table that the sink writes.
#[derive(Clone, Debug)]
pub struct Sink {
    /// Rows inserted.
    pub rows: Counter,
    /// Inserts made.
    pub batches: Counter,
    /// Inserts failed; each is followed by another try.
    pub errors: Counter,
    /// How long an insert takes.
    pub insert: Histogram,
}

impl Sinks {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let all = Self {
            rows: Family::default(),
            batches: Family::default(),
            errors: Family::default(),
            insert: Family::new_with_constructor(step_seconds),
        };
        let registry = registry.sub_registry_with_prefix("sink");
        registry.register("rows", "Rows inserted", all.rows.clone());
        registry.register("batches", "Inserts made", all.batches.clone());
        registry.register("errors", "Inserts failed", all.errors.clone());
        registry.register_with_unit("insert", "An insert", Unit::Seconds, all.insert.clone());
        all
    }

    pub(super) fn handle(&self, table: &'static str) -> Sink {
        let labels = TableLabels { table };
        Sink {
            rows: self.rows.get_or_create_owned(&labels),
            batches: self.batches.get_or_create_owned(&labels),
            errors: self.errors.get_or_create_owned(&labels),
            insert: self.insert.get_or_create_owned(&labels),
        }
    }
}

/// The log.
#[derive(Clone, Debug)]
pub struct Log {
    append: [Histogram; Topic::ALL.len()],
    errors: Counter,
}

impl Log {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let append =
            Family::<_, Histogram>::new_with_constructor(step_seconds as fn() -> Histogram);
        let registry = registry.sub_registry_with_prefix("log");
        registry.register_with_unit(
            "append",
            "From the call of append to its durable end",
            Unit::Seconds,
            append.clone(),
        );
        let errors = Counter::default();
        registry.register("append_errors", "Appends failed", errors.clone());
        let of = |topic: Topic| {
            append.get_or_create_owned(&TopicLabels {
                topic: topic.name(),
            })
        };
        Self {
            append: Topic::ALL.map(of),
            errors,
        }
    }

    /// An append to a topic is durable after this time.
    pub fn appended(&self, topic: Topic, time: Duration) {
        let index = Topic::ALL.iter().position(|one| *one == topic);
        if let Some(histogram) = index.and_then(|index| self.append.get(index)) {
            histogram.observe(time.as_secs_f64());
        }
    }

    /// An append failed.
    pub fn failed(&self) {
        self.errors.inc();
    }
}

/// The embedded ClickHouse engine.
#[derive(Clone, Debug, Default)]
pub struct Clickhouse {
    /// Whether it answers: 0 or 1.
    pub up: Gauge,
    /// Times that it was started again.
    pub restarts: Counter,
}

impl Clickhouse {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let clickhouse = Self::default();
        let registry = registry.sub_registry_with_prefix("clickhouse");
        registry.register("up", "Whether it answers", clickhouse.up.clone());
        registry.register(
            "restarts",
            "Starts after a crash",
            clickhouse.restarts.clone(),
        );
        clickhouse
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
