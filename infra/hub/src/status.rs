//! How the parts of this process stand, for `/readyz` and `/metrics`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use ::gateway::Gateway;
use ::gateway::gateway::{Beside, Report};
use processors::{Board, Phase, Progress, Share};
use runtime::telemetry::metrics::{Metrics, Processor};
use serde_json::{Value, json};

use crate::clickhouse::Warehouse;
use crate::role::Role;

/// All that is known of them. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Status(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    roles: Vec<Role>,
    share: Share,
    /// A processor that lags by more is not ready.
    lag: u64,
    board: Board,
    metrics: Metrics,
    /// What is waited for, and why it is not there.
    waits: Mutex<BTreeMap<&'static str, String>>,
    warehouse: OnceLock<Warehouse>,
    gateway: OnceLock<Arc<Gateway>>,
}

impl Status {
    /// Of these roles, which are starting.
    pub(crate) fn new(
        roles: &[Role],
        share: Share,
        lag: Option<u64>,
        board: Board,
        metrics: Metrics,
    ) -> Self {
        Self(Arc::new(Parts {
            roles: roles.to_vec(),
            share,
            lag: lag.unwrap_or(u64::MAX),
            board,
            metrics,
            waits: Mutex::default(),
            warehouse: OnceLock::new(),
            gateway: OnceLock::new(),
        }))
    }

    /// Something that is needed is not there.
    pub(crate) fn waits(&self, part: &'static str, why: String) {
        self.waiting().insert(part, why);
    }

    /// It is there.
    pub(crate) fn goes_on(&self, part: &'static str) {
        self.waiting().remove(part);
    }

    /// ClickHouse, as this process sees it.
    pub(crate) fn sees(&self, warehouse: Warehouse) {
        drop(self.0.warehouse.set(warehouse));
    }

    /// The gateway that runs here.
    pub(crate) fn serves(&self, gateway: Arc<Gateway>) {
        drop(self.0.gateway.set(gateway));
    }

    /// The gateway of this process, once it is there.
    pub(crate) fn gateway(&self) -> Option<Arc<Gateway>> {
        self.0.gateway.get().cloned()
    }

    /// ClickHouse, if this process has to do with it.
    pub(crate) fn warehouse(&self) -> Option<Warehouse> {
        self.0.warehouse.get().cloned()
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.0.waits.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this process does what it is there for, and how each part stands. A gateway is ready
    /// when it takes calls, whatever else runs beside it: that may lag, and calls need not.
    pub(crate) fn readiness(&self) -> (bool, Value) {
        if let Some(gateway) = self.0.gateway.get() {
            return gateway.readiness();
        }
        let reports = self.reports();
        let why = self.unready(&reports);
        let Share { instance, of } = self.0.share;
        let report = json!({
            "ready": why.is_none(),
            "why": why,
            "instance": instance,
            "instances": of,
            "parts": Report::parts(reports),
        });
        (why.is_none(), report)
    }

    /// Why it is not ready, in one line.
    fn unready(&self, reports: &[Report]) -> Option<String> {
        if self.0.roles.contains(&Role::Gateway) && self.waiting().is_empty() {
            return Some("the gateway is starting".to_owned());
        }
        let ill: Vec<_> = reports.iter().filter(|report| !report.well).map(in_words).collect();
        (!ill.is_empty()).then(|| ill.join("; "))
    }

    /// Roles that have put nothing on the board yet.
    fn starting(&self, board: &[Progress]) -> Vec<Report> {
        let waits = self.waiting();
        let told = |role: Role| {
            let of = |one: &Progress| one.processor.split('/').next() == Some(role.as_str());
            board.iter().any(of) || waits.contains_key(role.as_str())
        };
        let roles = self.0.roles.iter().filter(|role| **role != Role::Gateway && !told(**role));
        let starting = |role: &Role| Report {
            name: role.to_string(),
            well: false,
            detail: json!({"phase": Phase::Starting}),
        };
        roles.map(starting).collect()
    }
}

impl Beside for Status {
    fn reports(&self) -> Vec<Report> {
        let waits = |(part, why): (&&str, &String)| Report {
            name: (*part).to_owned(),
            well: false,
            detail: json!(why),
        };
        let mut reports: Vec<_> = self.waiting().iter().map(waits).collect();
        reports.extend(self.0.warehouse.get().map(Warehouse::report));
        let board = self.0.board.read();
        reports.extend(self.starting(&board));
        reports.extend(board.iter().map(|progress| Report {
            name: format!("{}/{}", progress.processor, progress.partition),
            well: progress.is_caught_up(self.0.lag),
            detail: serde_json::to_value(progress).unwrap_or_default(),
        }));
        reports
    }
}

impl Status {
    /// The text of `/metrics`, with everything as it is now.
    pub(crate) fn metrics(&self) -> String {
        if let Some(gateway) = self.0.gateway.get() {
            gateway.scrape();
        }
        for progress in self.0.board.read() {
            let Progress { processor, partition, .. } = &progress;
            self.0.metrics.set_processor(processor, *partition, &numbers(&progress));
        }
        self.0.metrics.encode()
    }
}

/// One part that is not well.
fn in_words(report: &Report) -> String {
    let Report { name, detail, .. } = report;
    let text = |field: &str| detail.get(field).and_then(Value::as_str);
    match (detail, text("phase"), text("detail")) {
        (Value::String(why), ..) => format!("{name}: {why}"),
        (_, Some("running"), _) => format!("{name} lags: {}", detail["lag"]),
        (_, Some(phase), Some(why)) => format!("{name} is {phase}: {why}"),
        (_, Some(phase), None) => format!("{name} is {phase}"),
        (_, None, _) => format!("{name}: {detail}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn status(roles: &[Role], lag: Option<u64>) -> (Status, Board) {
        let (board, metrics) = (Board::new(), Metrics::new("0", "0"));
        (Status::new(roles, Share { instance: 1, of: 3 }, lag, board.clone(), metrics), board)
    }

    fn moves(board: &Board, processor: &str, phase: Phase, lag: u64) {
        board.update(processor, 1, |progress| {
            progress.phase = phase;
            progress.lag = [("hub.usage.v1", lag)].into();
        });
    }

    fn why(status: &Status) -> Option<String> {
        let (ready, report) = status.readiness();
        assert_eq!((ready, &report["instance"]), (report["why"].is_null(), &json!(1)), "{report}");
        report["why"].as_str().map(str::to_owned)
    }

    #[test]
    fn a_processor_is_ready_when_all_it_has_runs_and_lags_by_no_more_than_is_set() {
        let (status, board) = status(&[Role::Billing], Some(10));
        assert_eq!(why(&status).unwrap(), "billing is starting");
        status.waits("log", "no broker answers".to_owned());
        assert_eq!(why(&status).unwrap(), "log: no broker answers; billing is starting");
        status.goes_on("log");
        for (phase, lag, wanted) in [
            (Phase::Starting, 0, Some("billing/1 is starting")),
            (Phase::Running, 10, None),
            (Phase::Running, 11, Some("billing/1 lags: {\"hub.usage.v1\":11}")),
            (Phase::Retrying, 0, Some("billing/1 is retrying")),
            (Phase::Waiting, 0, Some("billing/1 is waiting")),
            (Phase::Fenced, 0, Some("billing/1 is fenced")),
            (Phase::Failed, 0, Some("billing/1 is failed")),
        ] {
            moves(&board, "billing", phase, lag);
            assert_eq!(why(&status).as_deref(), wanted);
        }
    }

    #[test]
    fn any_lag_will_do_when_none_is_set_and_each_role_must_be_there() {
        let (status, board) = status(&[Role::Health, Role::Sink], None);
        moves(&board, "health", Phase::Running, 1_000_000);
        assert_eq!(why(&status).unwrap(), "sink is starting");
        status.waits("sink", "the tables can't be made".to_owned());
        assert_eq!(why(&status).unwrap(), "sink: the tables can't be made");
        status.goes_on("sink");
        moves(&board, "sink/usage", Phase::Running, 0);
        assert_eq!(why(&status), None);
        board.update("sink/ledger", 1, |progress| {
            progress.phase = Phase::Retrying;
            progress.detail = Some("ClickHouse is away".to_owned());
        });
        assert_eq!(why(&status).unwrap(), "sink/ledger/1 is retrying: ClickHouse is away");
    }

    #[test]
    fn a_gateway_that_is_not_there_yet_is_not_ready() {
        let (status, _) = status(&[Role::Gateway], None);
        assert_eq!(why(&status).unwrap(), "the gateway is starting");
    }
}
