//! Attempts and ticks in; health of targets and credentials out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use runtime::log::Record;
use schemas::event::{Attempt, Health, HealthState, SubjectKind};
use schemas::ids::{
    ModelId, Origin, ProviderId, SubjectId, credential_subject, model_subject, provider_subject,
    target_subject,
};
use schemas::partition::partition_of;
use schemas::topics::Topic;
use schemas::wire::{self, Codec, SchemaName};

use super::subject::{News, advance, is_stale, record, state_depends_on_time, unknown};
use super::thresholds::{Impact, Thresholds, impact, tells};
use crate::pipeline::{Fold, Output, Place, Refusal, Verdict};

/// What health reads.
#[derive(Clone, PartialEq, Debug)]
pub enum Event {
    /// An attempt or a probe.
    Attempt(Box<Attempt>),
    /// Time has passed.
    Tick,
}

/// The subjects of one partition.
#[derive(Clone, Debug)]
pub struct Healths {
    partition: u32,
    partitions: u32,
    rules: Thresholds,
    subjects: BTreeMap<SubjectId, Health>,
    changed: BTreeSet<SubjectId>,
}

impl Healths {
    /// The fold of partition `partition` of `partitions`, with no subjects.
    pub fn new(partition: u32, partitions: u32, rules: Thresholds) -> Self {
        let (subjects, changed) = (BTreeMap::new(), BTreeSet::new());
        Self { partition, partitions, rules, subjects, changed }
    }

    /// Puts a subject as its record holds it.
    pub fn restore(&mut self, health: Health) {
        self.subjects.insert(health.subject.clone(), health);
    }

    /// All subjects, in order.
    pub fn subjects(&self) -> impl Iterator<Item = &Health> {
        self.subjects.values()
    }

    /// Time until a tick is wanted; `None` while nothing depends on time.
    pub fn tick_in(&self) -> Option<Duration> {
        let tick = self.rules.tick.0;
        if self.subjects.is_empty() {
            None
        } else if self.subjects.values().any(state_depends_on_time) {
            Some(tick)
        } else if self.subjects.values().any(|health| !health.window.is_empty()) {
            // only counts pass out of the window
            Some(tick.saturating_mul(5))
        } else {
            // only forgetting is left to do
            Some(tick.max(self.rules.forget.0 / 60))
        }
    }

    fn attempt(&mut self, attempt: &Attempt, now: i64, out: &mut Output) -> Result<(), Refusal> {
        let version = u32::try_from(attempt.credential_version).unwrap_or(0);
        let Attempt { provider, credential, model, error, .. } = attempt;
        let owner = credential_subject(provider, credential, version);
        let partition = partition_of(owner.as_str().as_bytes(), self.partitions);
        if partition != self.partition {
            let reason = format!("credential {owner} belongs to partition {partition}");
            return Err(Refusal::new("partition", reason));
        }
        if !tells(*error) {
            return Ok(());
        }
        let (target, own) = impact(*error);
        let retry_after = attempt.retry_after_ms.and_then(|wait| u64::try_from(wait).ok());
        let duration_us = attempt.duration_us.max(0);
        let news = News {
            impact: target,
            error: *error,
            began: now.saturating_sub(duration_us),
            ttft_us: attempt.ttft_us,
            duration_us,
            retry_after: retry_after.map(Duration::from_millis),
        };
        let (all, none) = (provider.as_str(), "");
        let subject = target_subject(provider, credential, version, model);
        self.fold(subject, (SubjectKind::Target, all, model.as_str()), news, now, out);
        self.roll_up(provider, model, news, now, out);
        if own != Impact::Nothing {
            let news = News { impact: own, ..news };
            self.fold(owner, (SubjectKind::Credential, all, none), news, now, out);
        }
        Ok(())
    }

    /// The same for people, summed over credentials.
    fn roll_up(
        &mut self,
        provider: &ProviderId,
        model: &ModelId,
        news: News,
        now: i64,
        out: &mut Output,
    ) {
        let (provider_id, model_id) = (provider_subject(provider), model_subject(model));
        let provider = (SubjectKind::Provider, provider.as_str(), "");
        self.fold(provider_id, provider, news, now, out);
        self.fold(model_id, (SubjectKind::Model, "", model.as_str()), news, now, out);
    }

    fn fold(
        &mut self,
        subject: SubjectId,
        (kind, provider, model): (SubjectKind, &str, &str),
        news: News,
        now: i64,
        out: &mut Output,
    ) {
        let health = self.subjects.entry(subject.clone()).or_insert_with(|| Health {
            provider: provider.into(),
            model: model.into(),
            ..unknown(subject.clone(), kind, now)
        });
        let before = health.state;
        record(health, &self.rules, news, now);
        hurry(before, health.state, out);
        self.changed.insert(subject);
    }

    fn tick(&mut self, now: i64, out: &mut Output) {
        for (subject, health) in &mut self.subjects {
            let before = health.state;
            if advance(health, &self.rules, now) {
                hurry(before, health.state, out);
                self.changed.insert(subject.clone());
            }
        }
        let (rules, changed) = (&self.rules, &mut self.changed);
        self.subjects.retain(|subject, health| {
            let stale = is_stale(health, rules, now);
            if stale {
                changed.insert(subject.clone());
            }
            !stale
        });
    }
}

/// A change of state is published at once, mere counts at the pace of the steps.
fn hurry(before: HealthState, after: HealthState, out: &mut Output) {
    if before != after {
        out.hurry();
    }
}

impl Fold for Healths {
    type Event = Event;

    fn decode(
        &self,
        codec: &Codec,
        _topic: Topic,
        value: &[u8],
    ) -> Result<Option<Event>, wire::Error> {
        if codec.name_of(value)? == SchemaName::Tick {
            return Ok(Some(Event::Tick));
        }
        Ok(Some(Event::Attempt(Box::new(codec.decode(value)?))))
    }

    fn identity(event: &Event) -> Option<(Origin, i64)> {
        match event {
            Event::Attempt(attempt) => Some((attempt.origin, attempt.seq)),
            Event::Tick => None,
        }
    }

    fn apply(&mut self, place: &Place, event: Event, out: &mut Output) -> Verdict {
        match event {
            Event::Tick => {
                self.tick(place.at.0, out);
                Verdict::Emit
            }
            Event::Attempt(attempt) => match self.attempt(&attempt, place.at.0, out) {
                Ok(()) => Verdict::Emit,
                Err(why) => Verdict::Reject(why),
            },
        }
    }

    fn refuse(
        &mut self,
        _place: &Place,
        _record: &Record,
        _why: &Refusal,
        _out: &mut Output,
    ) -> Result<(), wire::Error> {
        Ok(())
    }

    fn close(&mut self, out: &mut Output) -> Result<(), wire::Error> {
        let to = Topic::Health.at(self.partition);
        for subject in std::mem::take(&mut self.changed) {
            let key = Bytes::copy_from_slice(subject.as_str().as_bytes());
            match self.subjects.get(&subject) {
                Some(health) => out.push(to, key, health)?,
                None => out.remove(to, key),
            }
        }
        Ok(())
    }
}
