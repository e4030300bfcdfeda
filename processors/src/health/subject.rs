//! One subject: a target, a credential, or a provider's or model's sums for people. Its state is
//! its published record and nothing else, so that a restart goes on just where the last step ended.

use std::time::Duration;

use schemas::event::{AttemptError, Health, HealthState, Slice, SubjectKind};
use schemas::ids::SubjectId;

use super::minutes;
use super::rate::{WHOLE, bounds, evidence};
use super::thresholds::{Impact, Thresholds, micros};

/// What an attempt tells a subject.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    pub(super) impact: Impact,
    pub(super) error: AttemptError,
    /// When the attempt began, by the log's time of its end.
    pub(super) began: i64,
    /// Time to the first content, microseconds, where there was one.
    pub(super) ttft_us: Option<i64>,
    /// Time to the end, microseconds.
    pub(super) duration_us: i64,
    pub(super) retry_after: Option<Duration>,
}

/// A subject that nothing is known of.
pub(super) fn unknown(subject: SubjectId, kind: SubjectKind, now: i64) -> Health {
    Health {
        subject,
        kind,
        score: 100,
        state: HealthState::Healthy,
        reason: String::new(),
        until: None,
        since: now,
        at: now,
        consecutive: 0,
        ejections: 0,
        latency_us: 0,
        window: Vec::new(),
        provider: "".into(),
        model: "".into(),
        success_low: 0,
        success_high: WHOLE,
        evidence: 0,
        passed: 0,
        trusted_from: 0,
        minutes: Vec::new(),
    }
}

/// Lets time pass; whether anything changed.
pub(super) fn advance(health: &mut Health, rules: &Thresholds, now: i64) -> bool {
    let begins = now.saturating_sub(rules.window());
    let slice = micros(rules.slice.0);
    let kept = health.window.len();
    health.window.retain(|counts| counts.at.saturating_add(slice) > begins);
    let mut changed = health.window.len() != kept;
    if health.until.is_some_and(|until| until <= now) {
        take_out(health, HealthState::Probing, None, now);
        changed = true;
    }
    let well = health.state == HealthState::Healthy;
    if well && health.ejections > 0 && now.saturating_sub(health.since) >= micros(rules.forgive.0) {
        health.ejections = 0;
        changed = true;
    }
    changed |= judge(health, rules, now);
    if changed {
        health.at = now;
    }
    changed
}

/// Folds an attempt in.
pub(super) fn record(health: &mut Health, rules: &Thresholds, news: News, now: i64) {
    advance(health, rules, now);
    health.at = now;
    minutes::note(&mut health.minutes, &news, now);
    // a failure that took a minute tells of a minute ago
    if news.began >= health.trusted_from {
        match news.impact {
            Impact::Good => good(health, rules, news, now),
            Impact::Bad => bad(health, rules, news, now),
            Impact::Limited => limit(health, rules, news, now),
            Impact::Refused => refuse(health, rules, news, now),
            Impact::Nothing => {}
        }
    }
    judge(health, rules, now);
}

/// Whether time alone will change the state soon.
pub(super) fn state_depends_on_time(health: &Health) -> bool {
    health.until.is_some() || health.state == HealthState::Degraded
}

/// Whether the subject can be forgotten.
pub(super) fn is_stale(health: &Health, rules: &Thresholds, now: i64) -> bool {
    health.window.is_empty()
        && health.until.is_none()
        && now.saturating_sub(health.at) >= micros(rules.forget.0)
}

fn good(health: &mut Health, rules: &Thresholds, news: News, now: i64) {
    health.consecutive = 0;
    let latency = news.ttft_us.unwrap_or(news.duration_us).max(0);
    let step = latency.saturating_sub(health.latency_us) / 8;
    let first = health.latency_us == 0;
    health.latency_us = if first { latency } else { health.latency_us + step };
    if standing(health.state) {
        health.evidence = evidence(health.evidence, true, rules);
    } else if !is_limited(health) {
        health.passed = health.passed.saturating_add(1);
        if health.passed >= rules.recover {
            // what was before is over; but who fails again soon is out again soon
            health.window.clear();
            (health.evidence, health.passed, health.until) = (rules.eject_evidence / 2, 0, None);
            enter(health, HealthState::Healthy, now);
        }
    }
    count(health, rules, now, |counts| counts.good += 1);
}

fn bad(health: &mut Health, rules: &Thresholds, news: News, now: i64) {
    count(health, rules, now, |counts| counts.bad += 1);
    health.consecutive = health.consecutive.saturating_add(1);
    health.passed = 0;
    match health.state {
        HealthState::Probing => eject(health, rules, news.error, now),
        HealthState::Ejected | HealthState::Disabled => {}
        HealthState::Healthy | HealthState::Degraded | HealthState::Other => {
            health.evidence = evidence(health.evidence, false, rules);
            if is_rolled_up(health) || health.evidence < rules.eject_evidence {
                health.reason = news.error.as_str().to_owned();
            } else {
                eject(health, rules, news.error, now);
            }
        }
    }
}

fn eject(health: &mut Health, rules: &Thresholds, error: AttemptError, now: i64) {
    let pause = grown(health, rules.eject.0, rules.eject_most.0);
    health.ejections = health.ejections.saturating_add(1);
    take_out(health, HealthState::Ejected, Some(now.saturating_add(micros(pause))), now);
    health.reason = error.as_str().to_owned();
}

/// The provider's word counts, within bounds; without one it is an ejection like any other.
fn limit(health: &mut Health, rules: &Thresholds, news: News, now: i64) {
    if health.state == HealthState::Disabled || is_rolled_up(health) {
        return;
    }
    let again = is_limited(health);
    let pause = match news.retry_after {
        Some(asked) => asked.clamp(rules.limited.least.0, rules.limited.most.0),
        None if again => Duration::ZERO, // of calls that began before
        None => grown(health, rules.eject.0, rules.eject_most.0),
    };
    if !again {
        health.ejections = health.ejections.saturating_add(1);
    }
    let until = now.saturating_add(micros(pause));
    let until = health.until.map_or(until, |before| before.max(until));
    take_out(health, HealthState::Ejected, Some(until), now);
    health.reason = news.error.as_str().to_owned();
}

fn refuse(health: &mut Health, rules: &Thresholds, news: News, now: i64) {
    count(health, rules, now, |counts| counts.bad += 1);
    health.consecutive = health.consecutive.saturating_add(1);
    if is_rolled_up(health) || health.state == HealthState::Disabled {
        return;
    }
    let pause = grown(health, rules.refused.least.0, rules.refused.most.0);
    health.ejections = health.ejections.saturating_add(1);
    take_out(health, HealthState::Disabled, Some(now.saturating_add(micros(pause))), now);
    health.reason = news.error.as_str().to_owned();
}

/// Twice as long with each ejection in a row.
fn grown(health: &Health, least: Duration, most: Duration) -> Duration {
    let doublings = u32::try_from(health.ejections.clamp(0, 20)).unwrap_or(0);
    least.saturating_mul(1 << doublings).min(most)
}

/// Score, bounds, and which of the two standing states; whether anything changed.
fn judge(health: &mut Health, rules: &Thresholds, now: i64) -> bool {
    let view = |health: &Health| {
        let bounds = (health.success_low, health.success_high);
        (health.score, bounds, health.state, health.reason.is_empty())
    };
    let before = view(health);
    let (good, bad) = counts(health);
    (health.success_low, health.success_high) = bounds(good, bad);
    let all = (good + bad + rules.prior).max(1);
    let share = (good + rules.prior).saturating_mul(100) / all;
    let share = i32::try_from(share.clamp(0, 100)).unwrap_or(0);
    health.score = match health.state {
        HealthState::Ejected | HealthState::Disabled => 0,
        HealthState::Probing => share.min(50),
        HealthState::Healthy | HealthState::Degraded | HealthState::Other => share,
    };
    if standing(health.state) {
        if health.success_high < rules.degraded_below {
            enter(health, HealthState::Degraded, now);
        } else {
            enter(health, HealthState::Healthy, now);
            health.reason.clear();
        }
    }
    before != view(health)
}

const fn standing(state: HealthState) -> bool {
    matches!(state, HealthState::Healthy | HealthState::Degraded | HealthState::Other)
}

/// Whether it is out until the time that its provider named.
fn is_limited(health: &Health) -> bool {
    health.state == HealthState::Ejected && health.reason == AttemptError::RateLimit.as_str()
}

/// Sums for people are judged, but nothing is ejected by them.
const fn is_rolled_up(health: &Health) -> bool {
    matches!(health.kind, SubjectKind::Provider | SubjectKind::Model)
}

/// Out of a standing state, or from one such state to the next.
fn take_out(health: &mut Health, state: HealthState, until: Option<i64>, now: i64) {
    if health.state != state {
        (health.trusted_from, health.passed) = (now, 0);
    }
    (health.until, health.evidence) = (until, 0);
    enter(health, state, now);
}

fn enter(health: &mut Health, state: HealthState, now: i64) {
    if health.state != state {
        health.state = state;
        health.since = now;
    }
}

fn counts(health: &Health) -> (i64, i64) {
    let sum = |(good, bad), slice: &Slice| (good + slice.good, bad + slice.bad);
    health.window.iter().fold((0, 0), sum)
}

fn count(health: &mut Health, rules: &Thresholds, now: i64, add: impl FnOnce(&mut Slice)) {
    let at = now - now.rem_euclid(micros(rules.slice.0).max(1));
    if health.window.last().is_none_or(|last| last.at != at) {
        health.window.push(Slice { at, good: 0, bad: 0 });
    }
    if let Some(last) = health.window.last_mut() {
        add(last);
    }
}
