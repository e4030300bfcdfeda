//! What runs beside the gateway in this process, for its `/readyz` and `/metrics`.

use ::gateway::gateway::{self, Report};
use processors::{Board, Phase, Progress};
use runtime::telemetry::metrics::{Metrics, Processor};

use crate::clickhouse::Warehouse;
use crate::serve::Shared;

/// ClickHouse and the processors.
pub(crate) struct Beside {
    warehouse: Warehouse,
    board: Board,
    metrics: Metrics,
}

impl Beside {
    pub(crate) fn new(warehouse: &Warehouse, shared: &Shared) -> Self {
        Self {
            warehouse: warehouse.clone(),
            board: shared.board.clone(),
            metrics: shared.metrics.clone(),
        }
    }
}

impl gateway::Beside for Beside {
    fn reports(&self) -> Vec<Report> {
        let mut reports = vec![self.warehouse.report()];
        for progress in self.board.read() {
            reports.push(Report {
                name: format!("{}/{}", progress.processor, progress.partition),
                well: matches!(progress.phase, Phase::Running | Phase::Starting),
                detail: serde_json::to_value(&progress).unwrap_or_default(),
            });
        }
        reports
    }

    fn scrape(&self) {
        for progress in self.board.read() {
            let Progress { processor, partition, .. } = &progress;
            let now = numbers(&progress);
            self.metrics.set_processor(processor, *partition, &now);
        }
    }
}

fn numbers(progress: &Progress) -> Processor {
    Processor {
        runs: progress.phase == Phase::Running,
        lag: progress.lag.values().sum(),
        records: progress.records,
        repeated: progress.duplicates,
        dead: progress.dead,
        missing: progress.missing,
        takeovers: progress.takeovers,
    }
}
