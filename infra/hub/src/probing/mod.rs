//! Active probes: the owner of a partition of health asks its targets that are out, or idle.
//!
//! A probe is an attempt of the log like any other, with the purpose `probe` and no call. There is
//! no usage event of it, so nobody can be charged.

mod due;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use arc_swap::ArcSwap;
use bytes::Bytes;
use futures::StreamExt as _;
use gateway::control::Snapshot;
use gateway::control::check::{Probed, probe};
use gateway::routing::Target;
use gateway::upstream::Beside;
use processors::Share;
use runtime::log::{Header, Log, NewRecord, Outgoing};
use runtime::task::Tasks;
use schemas::event::{Attempt, Purpose};
use schemas::ids::{CallId, Origin, ProviderId, SubjectId};
use schemas::partition::partition_of;
use schemas::topics::Topic;

use crate::config::ProbesConfig;
use crate::seed;
use crate::serve::Shared;
use crate::uptime::live::Live;
use due::Record;

/// How often it is looked whom to ask.
const LOOK: Duration = Duration::from_secs(1);
/// Longest time for an answer.
const TIME: Duration = Duration::from_secs(10);
/// So many are asked at once.
const AT_ONCE: usize = 4;

/// Starts probing this process's share of targets: of those that a gateway in this process sees, else of those of the
/// settings.
///
/// # Errors
/// The providers, or how they are reached, are not set right.
pub(crate) fn start(
    shared: &Shared,
    seen: Option<Arc<ArcSwap<Snapshot>>>,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let rules = shared.config.probes.clone();
    if !rules.enabled {
        return Ok(());
    }
    let seen = match seen {
        Some(seen) => seen,
        None => {
            let snapshot = seed::providers(&shared.config, &shared.environment)?;
            Arc::new(ArcSwap::from_pointee(snapshot))
        }
    };
    let upstream = seed::upstream_config(&shared.config, &shared.environment);
    let client = Beside::new(&upstream, TIME).context("how providers are reached")?;
    let live = Arc::new(Live::default());
    let (known, log, codec) = (Arc::clone(&live), Arc::clone(&shared.log), shared.codec.clone());
    let token = tasks.token();
    tasks.spawn("probes' health", async move { known.follow(&*log, &codec, &token).await });
    let mut prober = Prober {
        shared: shared.clone(),
        rules,
        client,
        live,
        origin: Origin(rand::random()),
        seqs: BTreeMap::new(),
        records: BTreeMap::new(),
    };
    let token = tasks.token();
    tasks.spawn("probes", async move {
        tokio::select! {
            () = token.cancelled() => {}
            () = prober.run(&seen) => {}
        }
    });
    Ok(())
}

/// The targets of this share of partitions that may be probed, each with its partition.
fn targets(
    snapshot: &Snapshot,
    rules: &ProbesConfig,
    share: Share,
    partitions: u32,
) -> Vec<(u32, Arc<Target>)> {
    let mut found = BTreeMap::new();
    for known in snapshot.routes.values().flat_map(|route| &route.targets) {
        let target = &known.target;
        let owner = target.credential_subject.as_str();
        let partition = partition_of(owner.as_bytes(), partitions);
        let own = share.of(partitions).any(|mine| mine == partition);
        if own && may_be_probed(snapshot, &target.provider, target, rules) {
            found.insert(target.subject.clone(), (partition, Arc::clone(target)));
        }
    }
    found.into_values().collect()
}

fn may_be_probed(
    snapshot: &Snapshot,
    provider: &ProviderId,
    target: &Target,
    rules: &ProbesConfig,
) -> bool {
    let prices = snapshot.prices.find(provider, &target.model).unwrap_or_default();
    let free = |prices: &schemas::price::Prices| prices.rates.values().all(|rate| rate.0 == 0);
    let costs_nothing = !prices.is_empty() && prices.iter().all(free);
    costs_nothing || rules.paid.iter().any(|paid| paid == provider.as_str())
}

struct Prober {
    shared: Shared,
    rules: ProbesConfig,
    client: Beside,
    live: Arc<Live>,
    origin: Origin,
    /// The last seq of each partition.
    seqs: BTreeMap<u32, i64>,
    records: BTreeMap<SubjectId, Record>,
}

impl Prober {
    async fn run(&mut self, seen: &ArcSwap<Snapshot>) {
        let partitions = self.shared.log.partitions(Topic::Health);
        let mut snapshot: Option<Arc<Snapshot>> = None;
        let mut all = Vec::new();
        loop {
            tokio::time::sleep(LOOK).await;
            let current = seen.load_full();
            if !snapshot.as_ref().is_some_and(|known| Arc::ptr_eq(known, &current)) {
                all = targets(&current, &self.rules, self.shared.share, partitions);
                self.records.retain(|subject, _| all.iter().any(|(_, it)| it.subject == *subject));
                snapshot = Some(current);
            }
            let now = self.shared.clock.now();
            let mut due = Vec::new();
            for (partition, target) in &all {
                let own = self.live.of(*partition, &target.subject);
                let owner = self.live.of(*partition, &target.credential_subject);
                let record = self.records.entry(target.subject.clone()).or_default();
                if record.take(own.as_ref(), owner.as_ref(), &self.rules, now.0, rand::random()) {
                    due.push((*partition, Arc::clone(target)));
                }
            }
            let ask = due.into_iter().map(|(partition, target)| {
                let client = self.client.clone();
                async move { (partition, probe(&client, &target, now).await, target) }
            });
            let answers: Vec<_> =
                futures::stream::iter(ask).buffer_unordered(AT_ONCE).collect().await;
            for (partition, probed, target) in answers {
                match probed {
                    Ok(probed) => self.note(partition, &target, &probed, now.0).await,
                    Err(why) => tracing::debug!(target = %target.subject, %why, "can't be probed"),
                }
            }
        }
    }

    /// Tells the log. A probe that it does not take is forgotten: there will be another one.
    async fn note(&mut self, partition: u32, target: &Target, probed: &Probed, began: i64) {
        let seq = self.seqs.entry(partition).or_insert(0);
        let next = seq.saturating_add(1);
        let micros = |time: Duration| i64::try_from(time.as_micros()).unwrap_or(i64::MAX);
        let attempt = Attempt {
            origin: self.origin,
            seq: next,
            call: CallId::default(),
            number: 1,
            purpose: Purpose::Probe,
            provider: target.provider.clone(),
            credential: target.credential.clone(),
            credential_version: i32::try_from(target.credential_version).unwrap_or(i32::MAX),
            model: target.model.clone(),
            status: probed.status.into(),
            error: probed.error,
            retry_after_ms: probed.retry_after.map(|wait| micros(wait) / 1000),
            started_at: began,
            ttft_us: None,
            duration_us: micros(probed.duration),
        };
        let appended = append(&*self.shared.log, &self.shared, partition, target, &attempt).await;
        match appended {
            // the same number is used again where it may not have come there: twice is dropped
            Err(error) => tracing::debug!(%error, "a probe was not noted"),
            Ok(()) => *seq = next,
        }
    }
}

async fn append(
    log: &dyn Log,
    shared: &Shared,
    partition: u32,
    target: &Target,
    attempt: &Attempt,
) -> anyhow::Result<()> {
    let value = Some(shared.codec.to_vec(attempt)?.into());
    let key = Bytes::copy_from_slice(target.credential_subject.as_str().as_bytes());
    let header = |name, value: &[u8]| Header { name, value: Bytes::copy_from_slice(value) };
    let headers = vec![
        header("origin", &attempt.origin.0),
        header("seq", &attempt.seq.unsigned_abs().to_be_bytes()),
        header("account", &[]),
        header("call", &attempt.call.0),
    ];
    let record = NewRecord { key, value, headers };
    log.append(vec![Outgoing { to: Topic::Attempts.at(partition), record }]).await?;
    Ok(())
}
