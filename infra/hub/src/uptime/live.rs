//! Health as the log tells it now, summed over partitions and credentials.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use runtime::log::{self, Limit, Log};
use runtime::task::CancellationToken;
use schemas::event::{Health, HealthState, SubjectKind};
use schemas::ids::SubjectId;
use schemas::sketch::Sketch;
use schemas::topics::{Topic, TopicPartition};
use schemas::wire::Codec;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::Audience;

const PAGE: Limit = Limit { records: 2_000, bytes: 1 << 20, wait: Duration::from_secs(20) };
/// The pause after an error, before the partition is read again.
const BACKOFF: Duration = Duration::from_secs(1);
/// A target that was not asked for so long is told as idle, microseconds.
const IDLE: i64 = 15 * 60 * 1_000_000;
/// Minutes that are told: the running one and the one before, microseconds.
const RECENT: i64 = 2 * 60 * 1_000_000;

type Known = BTreeMap<(u32, SubjectId), Health>;

/// All subjects, and when they changed.
#[derive(Debug, Default)]
pub(crate) struct Live {
    known: RwLock<Known>,
    changed: watch::Sender<u64>,
}

impl Live {
    /// Follows all partitions until asked to stop.
    pub(crate) async fn follow(&self, log: &dyn Log, codec: &Codec, token: &CancellationToken) {
        let partitions = 0..log.partitions(Topic::Health);
        let follow = partitions.map(|partition| async move {
            while !token.is_cancelled() {
                let at = Topic::Health.at(partition);
                let ended = tokio::select! {
                    () = token.cancelled() => return,
                    ended = self.read(log, codec, at) => ended,
                };
                if let Err(error) = ended {
                    tracing::debug!(%error, "health for people stands still; trying again");
                }
                tokio::select! {
                    () = token.cancelled() => return,
                    () = tokio::time::sleep(BACKOFF) => {}
                }
            }
        });
        futures::future::join_all(follow).await;
    }

    async fn read(&self, log: &dyn Log, codec: &Codec, at: TopicPartition) -> log::Result<()> {
        let latest = log.latest(at).await?;
        for record in &latest.records {
            self.note(at.partition, &record.key, record.value.as_deref(), codec);
        }
        let mut reader = log.reader(at, latest.next).await?;
        loop {
            for record in &reader.next(PAGE).await?.records {
                self.note(at.partition, &record.key, record.value.as_deref(), codec);
            }
        }
    }

    fn note(&self, partition: u32, key: &[u8], value: Option<&[u8]>, codec: &Codec) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        match value {
            None => {
                let subject = String::from_utf8_lossy(key).into_owned().into();
                known.remove(&(partition, subject));
            }
            // what can't be read is told by the gateway's own reading
            Some(value) => {
                let Ok(health) = codec.decode::<Health>(value) else { return };
                known.insert((partition, health.subject.clone()), health);
            }
        }
        drop(known);
        self.changed.send_modify(|version| *version += 1);
    }

    /// A subject, as far as is known; it is of one partition.
    pub(crate) fn of(&self, partition: u32, subject: &SubjectId) -> Option<Health> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&(partition, subject.clone())).cloned()
    }

    /// Told of every change.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// All in JSON, as it is at `now`.
    pub(super) fn told(&self, now: i64, audience: Audience) -> Value {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let mut told = json!({
            "at": now,
            "models": summed(&known, SubjectKind::Model, now),
            "providers": summed(&known, SubjectKind::Provider, now),
        });
        if audience == Audience::Operators {
            let kinds = [SubjectKind::Target, SubjectKind::Credential];
            let subjects = known.values().filter(|health| kinds.contains(&health.kind));
            told["subjects"] = subjects.map(subject).collect();
        }
        told
    }
}

/// One target or credential, for operators.
fn subject(health: &Health) -> Value {
    json!({
        "subject": health.subject,
        "kind": health.kind,
        "provider": health.provider,
        "model": health.model,
        "state": health.state,
        "reason": health.reason,
        "score": health.score,
        "since": health.since,
        "until": health.until,
        "at": health.at,
        "ejections": health.ejections,
        "success_low": health.success_low,
        "success_high": health.success_high,
    })
}

/// Sums of all partitions by name.
#[derive(Default)]
struct Sum<'a> {
    good: i64,
    errors: BTreeMap<&'a str, i64>,
    first: Sketch,
    duration: Sketch,
    /// Its targets by state.
    targets: BTreeMap<&'static str, u32>,
    answered: bool,
}

fn summed(known: &Known, kind: SubjectKind, now: i64) -> Vec<Value> {
    let name = |health: &Health| match kind {
        SubjectKind::Model => health.model.to_string(),
        _ => health.provider.to_string(),
    };
    let mut sums: BTreeMap<String, Sum<'_>> = BTreeMap::new();
    for health in known.values().filter(|health| health.kind == kind) {
        let sum = sums.entry(name(health)).or_default();
        sum.answered |= health.latency_us > 0;
        for minute in health.minutes.iter().filter(|minute| minute.at > now - RECENT) {
            sum.good += minute.good;
            sum.first.merge(&minute.ttft);
            sum.duration.merge(&minute.duration);
            for error in &minute.errors {
                *sum.errors.entry(&error.error).or_default() += error.count;
            }
        }
    }
    for ((partition, _), target) in known.iter().filter(|(_, it)| it.kind == SubjectKind::Target) {
        if let Some(sum) = sums.get_mut(&name(target)) {
            *sum.targets.entry(standing(known, *partition, target, now)).or_default() += 1;
        }
    }
    // callers may ask for any name: what never answered is not shown
    sums.into_iter().filter(|(_, sum)| sum.answered).map(|(name, sum)| sum.told(name)).collect()
}

/// The state of a target, or that of its credential where it is the worse.
fn standing(known: &Known, partition: u32, target: &Health, now: i64) -> &'static str {
    if target.at < now - IDLE {
        return "idle";
    }
    let model = format!("/{}", target.model);
    let owner = target.subject.as_str().strip_suffix(&model).map(SubjectId::from);
    let owner = owner.and_then(|owner| known.get(&(partition, owner)));
    let states = [Some(target), owner].into_iter().flatten().map(|health| health.state);
    states.max_by_key(|state| rank(*state)).unwrap_or(target.state).as_str()
}

const fn rank(state: HealthState) -> u8 {
    match state {
        HealthState::Healthy | HealthState::Other => 0,
        HealthState::Degraded => 1,
        HealthState::Probing => 2,
        HealthState::Ejected => 3,
        HealthState::Disabled => 4,
    }
}

/// Faults of callers, and what the provider may refuse, are no failures of a provider.
const NO_FAILURE: [&str; 5] = ["content_policy", "caller", "rate_limit", "auth", "credit"];

impl Sum<'_> {
    fn told(self, name: String) -> Value {
        let failures = self.errors.iter().filter(|(error, _)| !NO_FAILURE.contains(error));
        let bad: i64 = failures.map(|(_, count)| *count).sum();
        let all = self.good + bad;
        let count = |states: &[&str]| {
            states.iter().filter_map(|state| self.targets.get(state)).sum::<u32>()
        };
        let (well, ill) =
            (count(&["healthy"]), count(&["degraded", "probing", "ejected", "disabled"]));
        let state = match (well, ill) {
            (0, 0) => "idle",
            (0, _) if count(&["degraded"]) > 0 => "degraded",
            (0, _) => "down",
            (_, 0) => "up",
            _ => "degraded",
        };
        json!({
            "name": name,
            "state": state,
            "attempts": all,
            "success_percent": (all > 0).then(|| percent(self.good, all)),
            "first_content_ms": quantiles(&self.first),
            "duration_ms": quantiles(&self.duration),
            "errors": self.errors,
            "targets": self.targets,
        })
    }
}

/// In hundredths of a percent, rounded down: 100 only where nothing failed.
pub(super) fn percent(good: i64, all: i64) -> f64 {
    let hundredths = good.saturating_mul(10_000) / all.max(1);
    f64::from(i32::try_from(hundredths).unwrap_or(0)) / 100.0
}

fn quantiles(sketch: &Sketch) -> Value {
    let told = [("p50", 500), ("p95", 950), ("p99", 990)].map(|(name, per_mille)| {
        let millis = sketch.quantile(per_mille).map(|micros| micros / 1000);
        (name.to_owned(), json!(millis))
    });
    Value::Object(Map::from_iter(told))
}
