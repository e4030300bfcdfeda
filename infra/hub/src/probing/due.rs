//! Whether a target is to be probed now. Pure.

use std::collections::VecDeque;
use std::time::Duration;

use schemas::event::{Health, HealthState};

use crate::config::ProbesConfig;

const HOUR: i64 = 3600 * 1_000_000;

/// When a target was probed.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// In the last hour, microseconds since the epoch, oldest first.
    probes: VecDeque<i64>,
    /// The last time, or when it was looked at first.
    last: Option<i64>,
    /// How much later or sooner than usual the next one is, from 0 to the most.
    chance: u16,
}

impl Record {
    /// Whether to probe now; it counts as done then. `chance` spreads targets and processes out.
    pub(super) fn take(
        &mut self,
        target: Option<&Health>,
        credential: Option<&Health>,
        rules: &ProbesConfig,
        now: i64,
        chance: u16,
    ) -> bool {
        let Some(last) = self.last else {
            (self.last, self.chance) = (Some(now), chance);
            return false;
        };
        while self.probes.front().is_some_and(|at| *at <= now.saturating_sub(HOUR)) {
            self.probes.pop_front();
        }
        let idle_for = micros(rules.idle.0);
        let out = [target, credential].into_iter().flatten().any(|health| is_out(health, now));
        let idle = target.is_none_or(|health| now.saturating_sub(health.at) >= idle_for);
        let usual = if out { micros(rules.every.0) } else { idle_for };
        // a fifth less to a fifth more
        let wait = usual / 5 * 4 + usual / 5 * 2 * i64::from(self.chance) / i64::from(u16::MAX);
        let spent = self.probes.len() >= usize::try_from(rules.per_hour).unwrap_or(usize::MAX);
        if spent || !(out || idle) || now < last.saturating_add(wait) {
            return false;
        }
        self.probes.push_back(now);
        (self.last, self.chance) = (Some(now), chance);
        true
    }
}

/// Its time is over, so that a probe may bring it back.
fn is_out(health: &Health, now: i64) -> bool {
    match health.state {
        HealthState::Probing => true,
        HealthState::Ejected | HealthState::Disabled => {
            health.until.is_none_or(|until| until <= now)
        }
        HealthState::Healthy | HealthState::Degraded | HealthState::Other => false,
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use schemas::event::SubjectKind;

    use super::*;

    const SECOND: i64 = 1_000_000;
    const START: i64 = 1_800_000_000 * SECOND;

    fn health(state: HealthState, until: Option<i64>, at: i64) -> Health {
        Health {
            subject: "a/main@1/m".into(),
            kind: SubjectKind::Target,
            score: 0,
            state,
            reason: String::new(),
            until,
            since: at,
            at,
            consecutive: 0,
            ejections: 0,
            latency_us: 0,
            window: Vec::new(),
            provider: "a".into(),
            model: "m".into(),
            success_low: 0,
            success_high: 10_000,
            evidence: 0,
            passed: 0,
            trusted_from: 0,
            minutes: Vec::new(),
        }
    }

    /// Seconds from the start at which it is probed, when looked at each second.
    fn probed(rules: &ProbesConfig, secs: i64, at: impl Fn(i64) -> Option<Health>) -> Vec<i64> {
        let mut record = Record::default();
        let due = |second: &i64| {
            let known = at(*second);
            record.take(known.as_ref(), None, rules, START + second * SECOND, u16::MAX / 2)
        };
        (0..secs).filter(due).collect()
    }

    #[test]
    fn what_is_out_is_probed_when_its_time_is_over_and_no_more_than_is_set() {
        let rules = ProbesConfig { per_hour: 4, ..ProbesConfig::default() };
        let ejected = health(HealthState::Ejected, Some(START + 25 * SECOND), START);
        assert_eq!(probed(&rules, 600, |_| Some(ejected.clone())), [25, 35, 45, 55]);
        let probing = health(HealthState::Probing, None, START);
        let times = probed(&rules, 3_700, |_| Some(probing.clone()));
        assert_eq!(times, [10, 20, 30, 40, 3_610, 3_620, 3_630, 3_640], "the hour after");
    }

    #[test]
    fn who_is_asked_by_callers_is_left_alone_and_who_is_idle_is_not() {
        let rules = ProbesConfig::default();
        let busy = |second: i64| Some(health(HealthState::Healthy, None, START + second * SECOND));
        assert_eq!(probed(&rules, 4_000, busy), [] as [i64; 0]);
        assert_eq!(probed(&rules, 2_000, |_| None), [900, 1_800], "never asked at all");
        let credential = health(HealthState::Disabled, Some(START), START);
        let mut record = Record::default();
        let well = health(HealthState::Healthy, None, START);
        let mut look = |second: i64| {
            let now = START + second * SECOND;
            record.take(Some(&well), Some(&credential), &rules, now, 0)
        };
        assert!(!look(0) && look(8) && !look(9), "its credential is out");
    }
}
