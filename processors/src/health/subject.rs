//! One subject: a target or a credential. Its state is its published record and nothing else, so
//! that a restart goes on just where the last step ended.

use std::time::Duration;

use schemas::event::{AttemptError, Health, HealthState, Slice, SubjectKind};
use schemas::ids::SubjectId;

use super::thresholds::{Impact, Thresholds, micros};

/// What an attempt tells a subject.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    pub(super) impact: Impact,
    pub(super) error: AttemptError,
    /// Time to the first content, microseconds.
    pub(super) latency_us: i64,
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
    }
}

/// Lets time pass; whether anything changed.
pub(super) fn advance(health: &mut Health, rules: &Thresholds, now: i64) -> bool {
    let begins = now.saturating_sub(rules.window());
    let slice = micros(rules.slice);
    let kept = health.window.len();
    health.window.retain(|counts| counts.at.saturating_add(slice) > begins);
    let mut changed = health.window.len() != kept;
    if health.until.is_some_and(|until| until <= now) {
        enter(health, HealthState::Probing, now);
        health.until = None;
        changed = true;
    }
    let well = health.state == HealthState::Healthy;
    if well && health.ejections > 0 && now.saturating_sub(health.since) >= micros(rules.forgive) {
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
    match news.impact {
        Impact::Good => good(health, rules, news, now),
        Impact::Bad => {
            count(health, rules, now, |counts| counts.bad += 1);
            health.consecutive = health.consecutive.saturating_add(1);
            if must_eject(health, rules) {
                eject(health, rules, news.error, now);
            } else if standing(health.state) {
                health.reason = news.error.as_str().to_owned();
            }
        }
        Impact::Limited => limit(health, rules, news, now),
        Impact::Refused => {
            count(health, rules, now, |counts| counts.bad += 1);
            health.consecutive = health.consecutive.saturating_add(1);
            let out_of_money = news.error == AttemptError::Credit;
            let pause = if out_of_money { rules.credit } else { rules.auth };
            enter(health, HealthState::Disabled, now);
            health.reason = news.error.as_str().to_owned();
            health.until = Some(now.saturating_add(micros(pause)));
        }
        Impact::Nothing => {}
    }
    judge(health, rules, now);
}

/// Whether time alone will change the subject soon.
pub(super) fn depends_on_time(health: &Health) -> bool {
    !health.window.is_empty() || health.until.is_some()
}

/// Whether the subject can be forgotten.
pub(super) fn is_stale(health: &Health, rules: &Thresholds, now: i64) -> bool {
    !depends_on_time(health) && now.saturating_sub(health.at) >= micros(rules.forget)
}

fn good(health: &mut Health, rules: &Thresholds, news: News, now: i64) {
    health.consecutive = 0;
    let step = news.latency_us.saturating_sub(health.latency_us) / 8;
    let first = health.latency_us == 0;
    health.latency_us = if first { news.latency_us } else { health.latency_us + step };
    let recovers = matches!(health.state, HealthState::Probing | HealthState::Disabled);
    if recovers {
        // what was before is over: it must not eject again
        health.window.clear();
        health.until = None;
        enter(health, HealthState::Healthy, now);
    }
    // an ejected subject stays so: calls that began before still come in
    count(health, rules, now, |counts| counts.good += 1);
}

fn limit(health: &mut Health, rules: &Thresholds, news: News, now: i64) {
    if health.state == HealthState::Disabled {
        return;
    }
    let (least, most) = rules.limited_between;
    let pause = news.retry_after.unwrap_or(rules.limited).clamp(least, most);
    let until = now.saturating_add(micros(pause));
    enter(health, HealthState::Ejected, now);
    health.reason = news.error.as_str().to_owned();
    health.until = Some(health.until.map_or(until, |before| before.max(until)));
}

fn must_eject(health: &Health, rules: &Thresholds) -> bool {
    let (good, bad) = counts(health);
    let often = good + bad >= rules.eject_attempts
        && bad.saturating_mul(100) >= (good + bad).saturating_mul(rules.eject_percent);
    match health.state {
        HealthState::Probing => true,
        HealthState::Healthy | HealthState::Degraded | HealthState::Other => {
            often || health.consecutive >= rules.eject_consecutive
        }
        HealthState::Ejected | HealthState::Disabled => false,
    }
}

fn eject(health: &mut Health, rules: &Thresholds, error: AttemptError, now: i64) {
    let doublings = u32::try_from(health.ejections.clamp(0, 20)).unwrap_or(0);
    let pause = rules.eject.saturating_mul(1 << doublings).min(rules.eject_most);
    health.ejections = health.ejections.saturating_add(1);
    enter(health, HealthState::Ejected, now);
    health.reason = error.as_str().to_owned();
    health.until = Some(now.saturating_add(micros(pause)));
}

/// Score, and which of the two standing states; whether anything changed.
fn judge(health: &mut Health, rules: &Thresholds, now: i64) -> bool {
    let before = (health.score, health.state, health.reason.is_empty());
    let (good, bad) = counts(health);
    let all = (good + bad + rules.prior).max(1);
    let share = (good + rules.prior).saturating_mul(100) / all;
    let share = i32::try_from(share.clamp(0, 100)).unwrap_or(0);
    health.score = match health.state {
        HealthState::Ejected | HealthState::Disabled => 0,
        HealthState::Probing => share.min(50),
        HealthState::Healthy | HealthState::Degraded | HealthState::Other => share,
    };
    if standing(health.state) {
        if share < rules.degraded_below {
            enter(health, HealthState::Degraded, now);
        } else {
            enter(health, HealthState::Healthy, now);
            health.reason.clear();
        }
    }
    before != (health.score, health.state, health.reason.is_empty())
}

const fn standing(state: HealthState) -> bool {
    matches!(state, HealthState::Healthy | HealthState::Degraded | HealthState::Other)
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
    let at = now - now.rem_euclid(micros(rules.slice).max(1));
    if health.window.last().is_none_or(|last| last.at != at) {
        health.window.push(Slice { at, good: 0, bad: 0 });
    }
    if let Some(last) = health.window.last_mut() {
        add(last);
    }
}
