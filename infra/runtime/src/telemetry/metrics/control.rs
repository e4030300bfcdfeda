//! What is configured, as this node has it.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::level;

/// From half a millisecond to five seconds.
const SNAPSHOT_SECONDS: [f64; 11] =
    [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The control plane of a node.
#[derive(Clone, Debug)]
pub struct Control {
    position: Gauge,
    problems: Gauge,
    snapshot: Histogram,
}

impl Control {
    #[rustfmt::skip]
    pub(super) fn register(registry: &mut Registry) -> Self {
        let all = Self {
            position: Gauge::default(),
            problems: Gauge::default(),
            snapshot: Histogram::new(SNAPSHOT_SECONDS),
        };
        let registry = registry.sub_registry_with_prefix("control");
        registry.register("position", "Where reading the control topic goes on", all.position.clone());
        registry.register("problems", "What is configured and can't be used here", all.problems.clone());
        registry.register_with_unit("snapshot", "From a change that was read to the snapshot that calls see", Unit::Seconds, all.snapshot.clone());
        all
    }

    /// A snapshot took the place of another.
    pub fn swapped(&self, took: Duration, position: u64, problems: usize) {
        self.snapshot.observe(took.as_secs_f64());
        self.position.set(level(position));
        self.problems.set(i64::try_from(problems).unwrap_or(i64::MAX));
    }
}
