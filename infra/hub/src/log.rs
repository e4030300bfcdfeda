//! The log of this process: the file of the data folder, or a Kafka cluster.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use runtime::clock::Clock;
use runtime::log::kafka::KafkaLog;
use runtime::log::local::{LocalLog, Options};
use runtime::log::{Error, Log};
use runtime::task::{CancellationToken, Tasks};

use crate::config::{Config, Environment, LogKind};
use crate::status::Status;

/// The first and the longest pause before brokers that are away are tried again.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// How often the local log is tidied.
const MAINTENANCE: Duration = Duration::from_secs(60);

/// An open log.
#[derive(Clone, Debug)]
pub(crate) struct OpenLog {
    /// What all roles see of it.
    pub(crate) log: Arc<dyn Log>,
    /// The same, where it is a file that somebody must tidy.
    local: Option<Arc<LocalLog>>,
}

/// Opens the log that the settings name.
///
/// # Errors
/// It can't be opened or made, or was made with another number of partitions; no broker answers
/// within `log.kafka.patience`.
pub(crate) async fn open_log(
    config: &Config,
    environment: &Environment,
    clock: &Clock,
) -> anyhow::Result<OpenLog> {
    match config.log.kind {
        LogKind::Local => open_local(config, clock),
        LogKind::Kafka => {
            let options = config.log.kafka_options(environment)?;
            let log = KafkaLog::open(options).await.context("the log on Kafka")?;
            Ok(OpenLog { log, local: None })
        }
    }
}

fn open_local(config: &Config, clock: &Clock) -> anyhow::Result<OpenLog> {
    let folder: PathBuf = config.data.join("log");
    std::fs::create_dir_all(&folder).with_context(|| format!("can't make {}", folder.display()))?;
    let file = folder.join("hub.sqlite");
    let options = Options::new(config.log.partitions, clock.clone());
    let log =
        LocalLog::open(&file, options).with_context(|| format!("the log {}", file.display()))?;
    Ok(OpenLog { log: Arc::clone(&log) as Arc<dyn Log>, local: Some(log) })
}

/// Tries until the brokers answer: in a cluster parts start in any order. `status` says meanwhile
/// why it is not done.
///
/// # Errors
/// What does not get better by waiting; with a local log, whatever is wrong.
pub(crate) async fn patiently<T>(
    kind: LogKind,
    status: &Status,
    attempt: impl AsyncFn() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut pause = PAUSE.0;
    loop {
        let error = match attempt().await {
            Ok(done) => {
                status.goes_on("log");
                return Ok(done);
            }
            Err(error) => error,
        };
        let away = matches!(error.downcast_ref(), Some(Error::Unavailable(_)));
        if !away || kind == LogKind::Local {
            return Err(error);
        }
        tracing::warn!(?pause, "{error:#}; trying again");
        status.waits("log", format!("{error:#}"));
        tokio::time::sleep(pause).await;
        pause = pause.saturating_mul(2).min(PAUSE.1);
    }
}

impl OpenLog {
    /// Tidies it now and then, where nobody else does: brokers look after their own.
    pub(crate) fn maintain(self, tasks: &Tasks) {
        if let Some(log) = self.local {
            tasks.spawn("log maintenance", maintain(log, tasks.token()));
        }
    }
}

/// Retention and compaction, now and then.
async fn maintain(log: Arc<LocalLog>, token: CancellationToken) {
    loop {
        tokio::select! {
            () = token.cancelled() => return,
            () = tokio::time::sleep(MAINTENANCE) => {}
        }
        if let Err(error) = log.maintain().await {
            tracing::warn!(%error, "the log could not be tidied; trying again later");
        }
    }
}
