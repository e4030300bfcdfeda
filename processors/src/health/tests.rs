use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use runtime::clock::Micros;
use schemas::event::{Attempt, AttemptError, Health, HealthState, Purpose, SubjectKind};
use schemas::ids::{CallId, Origin};
use schemas::topics::Topic;
use schemas::wire::Codec;

use super::fold::{Event, Healths};
use super::thresholds::Thresholds;
use crate::pipeline::{Fold as _, Output, Place, Verdict};

const SECOND: i64 = 1_000_000;

struct Bench {
    fold: Healths,
    out: Output,
    rules: Thresholds,
    now: i64,
}

impl Bench {
    fn new(rules: Thresholds) -> Self {
        let out = Output::new(Codec::fixed(), "health", Topic::Dead.at(0));
        Self { fold: Healths::new(0, 1, rules), out, rules, now: 1_000_000 * SECOND }
    }

    fn apply(&mut self, event: Event) {
        let input = Topic::Attempts.at(0);
        let place = Place { input, offset: 0, at: Micros(self.now), sighting: None };
        assert_eq!(self.fold.apply(&place, event, &mut self.out), Verdict::Emit);
    }

    /// An attempt that begins now, and is folded in when it has ended.
    fn attempt(&mut self, error: AttemptError) {
        self.now += 100_000;
        self.apply(Event::Attempt(Box::new(attempt(error))));
    }

    fn attempts(&mut self, count: usize, error: AttemptError) {
        (0..count).for_each(|_| self.attempt(error));
    }

    /// Ticks once a second.
    fn pass(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.now += SECOND;
            self.apply(Event::Tick);
        }
    }

    fn get(&self, subject: &str) -> Option<&Health> {
        self.fold.subjects().find(|health| health.subject.as_str() == subject)
    }

    fn target(&self) -> &Health {
        self.get("openai/main@1/gpt-4o").unwrap()
    }

    fn state(&self) -> (HealthState, i32, &str) {
        let target = self.target();
        (target.state, target.score, target.reason.as_str())
    }

    /// Writes what changed and goes on from what was written, as a takeover would.
    fn restart(&mut self, log: &mut BTreeMap<Vec<u8>, Vec<u8>>) {
        self.fold.close(&mut self.out).unwrap();
        for outgoing in self.out.take() {
            let key = outgoing.record.key.to_vec();
            match outgoing.record.value {
                Some(value) => log.insert(key, value.to_vec()),
                None => log.remove(&key),
            };
        }
        self.fold = Healths::new(0, 1, self.rules);
        for value in log.values() {
            self.fold.restore(Codec::fixed().decode(value).unwrap());
        }
    }
}

fn attempt(error: AttemptError) -> Attempt {
    Attempt {
        origin: Origin([1; 16]),
        seq: 1,
        call: CallId([2; 16]),
        number: 1,
        purpose: Purpose::Call,
        provider: "openai".into(),
        credential: "main".into(),
        credential_version: 1,
        model: "gpt-4o".into(),
        status: 200,
        error,
        retry_after_ms: None,
        started_at: 0,
        ttft_us: Some(80_000),
        duration_us: 100_000,
    }
}

#[test]
fn each_error_counts_where_it_belongs() {
    use AttemptError as E;
    let bad = Some((0, 1));
    let (good, nothing) = (Some((1, 0)), Some((0, 0)));
    for (error, target, credential) in [
        (E::None, good, good),
        (E::Connect, bad, bad),
        (E::FirstByteTimeout, bad, None),
        (E::IdleTimeout, bad, None),
        (E::TotalTimeout, bad, None),
        (E::Broken, bad, None),
        (E::Overload, bad, None),
        (E::Server, bad, None),
        (E::Malformed, bad, None),
        (E::NotFound, bad, None),
        (E::Auth, nothing, bad),
        (E::Credit, nothing, bad),
        (E::RateLimit, nothing, None),
        (E::ContentPolicy, nothing, None),
        (E::Caller, nothing, None),
        (E::Cancelled, None, None),
        (E::Other, None, None),
    ] {
        let mut bench = Bench::new(Thresholds::default());
        bench.attempt(error);
        let counts = |subject: &str| {
            let window = &bench.get(subject)?.window;
            Some(window.iter().fold((0, 0), |sum, one| (sum.0 + one.good, sum.1 + one.bad)))
        };
        assert_eq!(counts("openai/main@1/gpt-4o"), target, "{error} for the target");
        assert_eq!(counts("openai/main@1"), credential, "{error} for the credential");
    }
    assert_eq!(E::ALL.len(), 17, "every error has its row");
}

#[test]
fn failures_degrade_eject_probe_and_recover() {
    let mut bench = Bench::new(Thresholds::default());
    bench.attempt(AttemptError::Server);
    assert_eq!(bench.state(), (HealthState::Healthy, 80, ""));
    bench.attempt(AttemptError::Server);
    assert_eq!(bench.state(), (HealthState::Degraded, 66, "server"));
    assert_eq!((bench.target().success_low, bench.target().success_high), (0, 8_181));
    bench.attempts(3, AttemptError::Server);
    assert_eq!(bench.state(), (HealthState::Ejected, 0, "server"));
    assert!(bench.out.urgent(), "a change of state is published at once");
    bench.pass(1);
    assert_eq!(bench.state().0, HealthState::Probing);
    bench.attempt(AttemptError::Connect);
    assert_eq!(bench.state(), (HealthState::Ejected, 0, "connect"));
    bench.pass(1);
    assert_eq!(bench.state().0, HealthState::Ejected, "the second lasts twice as long");
    bench.pass(1);
    bench.attempt(AttemptError::None);
    assert_eq!(bench.state(), (HealthState::Healthy, 100, ""));
    assert_eq!(bench.target().ejections, 2);
    assert_eq!(bench.target().evidence, 6_400, "half of it stays");
    bench.pass(60);
    assert_eq!(bench.target().ejections, 0, "forgiven");
    assert_eq!(bench.fold.tick_in(), Some(Duration::from_secs(60)), "only forgetting is left");
    bench.pass(3600);
    assert_eq!((bench.fold.subjects().count(), bench.fold.tick_in()), (0, None), "forgotten");
}

#[test]
fn half_of_the_attempts_failing_ejects_and_some_failing_does_not() {
    let mut bench = Bench::new(Thresholds::default());
    bench.attempts(200, AttemptError::None);
    let mut tried = 0;
    while bench.state().0 != HealthState::Ejected {
        bench.attempt(if tried % 2 == 0 { AttemptError::Server } else { AttemptError::None });
        tried += 1;
    }
    assert_eq!(tried, 9);
    let mut bench = Bench::new(Thresholds::default());
    for number in 0..10_000 {
        bench.attempt(if number % 10 == 0 { AttemptError::Server } else { AttemptError::None });
        assert_eq!(bench.state().0, HealthState::Healthy, "a tenth is no trouble: {number}");
    }
}

#[test]
fn what_began_before_the_state_says_nothing_of_it() {
    let late = |error| {
        let duration_us = 30 * SECOND;
        Event::Attempt(Box::new(Attempt { duration_us, ..attempt(error) }))
    };
    let mut bench = Bench::new(Thresholds::default());
    bench.attempts(5, AttemptError::Connect);
    for _ in 0..10 {
        bench.apply(late(AttemptError::None));
        assert_eq!(bench.state().0, HealthState::Ejected, "it went well before the trouble");
    }
    bench.pass(1);
    bench.attempt(AttemptError::None);
    assert_eq!(bench.state().0, HealthState::Healthy);
    for _ in 0..10 {
        bench.apply(late(AttemptError::FirstByteTimeout));
        assert_eq!(bench.state().0, HealthState::Healthy, "they began in the trouble");
    }
    let [minute] = bench.target().minutes.as_slice() else { panic!("one minute") };
    assert_eq!(minute.good, 11, "people are shown all");
    let errors: Vec<_> = minute.errors.iter().map(|one| (&*one.error, one.count)).collect();
    assert_eq!(errors, [("connect", 5), ("first_byte_timeout", 10)]);
}

#[test]
fn last_resorts_that_do_well_come_back_before_their_time() {
    let mut bench = Bench::new(Thresholds::default());
    bench.attempts(5, AttemptError::Server);
    bench.attempt(AttemptError::None);
    assert_eq!(bench.state().0, HealthState::Healthy);
}

#[test]
fn ejections_do_not_grow_for_ever() {
    let mut bench = Bench::new(Thresholds::default());
    bench.attempts(5, AttemptError::Server);
    for _ in 0..40 {
        bench.pass(5);
        bench.attempt(AttemptError::Server);
        let target = bench.target();
        assert_eq!(target.state, HealthState::Ejected);
        assert!(target.until.unwrap() - bench.now <= 3 * SECOND);
    }
}

#[test]
fn a_rate_limit_is_believed_within_bounds() {
    for (asked, ejected) in [(None, 1), (Some(0), 1), (Some(30_000), 30), (Some(86_400_000), 300)] {
        let mut bench = Bench::new(Thresholds::default());
        let attempt = Attempt { retry_after_ms: asked, ..attempt(AttemptError::RateLimit) };
        bench.apply(Event::Attempt(Box::new(attempt)));
        assert_eq!(bench.state(), (HealthState::Ejected, 0, "rate_limit"));
        assert_eq!(bench.target().until, Some(bench.now + ejected * SECOND), "{asked:?}");
        assert_eq!((bench.target().consecutive, bench.target().ejections), (0, 1));
        let until = bench.target().until;
        bench.attempts(4, AttemptError::None);
        bench.attempts(4, AttemptError::RateLimit);
        assert_eq!(bench.target().until, until, "others come in late and change nothing");
        bench.pass(ejected);
        assert_eq!(bench.state().0, HealthState::Probing);
        bench.attempt(AttemptError::None);
        assert_eq!(bench.state().0, HealthState::Healthy);
    }
}

#[test]
fn a_refused_credential_is_disabled_until_it_works() {
    let mut bench = Bench::new(Thresholds::default());
    bench.attempt(AttemptError::Auth);
    let credential = bench.get("openai/main@1").unwrap();
    assert_eq!((credential.state, credential.reason.as_str()), (HealthState::Disabled, "auth"));
    assert_eq!(bench.state().0, HealthState::Healthy, "no fault of the model");
    for pause in [5, 10, 20, 40, 60, 60] {
        bench.pass(pause - 1);
        assert_eq!(bench.get("openai/main@1").unwrap().state, HealthState::Disabled, "{pause}");
        bench.pass(1);
        assert_eq!(bench.get("openai/main@1").unwrap().state, HealthState::Probing, "{pause}");
        bench.attempt(AttemptError::Credit);
    }
    bench.pass(60);
    bench.attempt(AttemptError::None);
    assert_eq!(bench.get("openai/main@1").unwrap().state, HealthState::Healthy);
}

#[test]
fn providers_and_models_are_summed_and_never_ejected() {
    let mut bench = Bench::new(Thresholds::default());
    bench.attempts(6, AttemptError::None);
    bench.attempts(20, AttemptError::Server);
    bench.attempt(AttemptError::RateLimit);
    for (subject, kind, names) in [
        ("provider:openai", SubjectKind::Provider, ("openai", "")),
        ("model:gpt-4o", SubjectKind::Model, ("", "gpt-4o")),
    ] {
        let health = bench.get(subject).unwrap();
        assert_eq!((health.kind, health.state), (kind, HealthState::Degraded));
        assert_eq!((&*health.provider, &*health.model), names);
        assert_eq!((health.until, health.minutes[0].good), (None, 6));
        assert_eq!(health.minutes[0].ttft.quantile(950), Some(77_824));
        assert_eq!(health.minutes[0].duration.count(), 6);
    }
    assert_eq!(bench.state().0, HealthState::Ejected);
}

#[test]
fn more_than_one_may_be_asked_for() {
    let mut bench = Bench::new(Thresholds { recover: 3, ..Thresholds::default() });
    bench.attempts(5, AttemptError::Server);
    bench.pass(1);
    bench.attempts(2, AttemptError::None);
    assert_eq!(bench.state().0, HealthState::Probing);
    bench.attempt(AttemptError::None);
    assert_eq!(bench.state().0, HealthState::Healthy);
}

#[test]
fn a_minute_is_kept_until_the_one_after_the_next() {
    let mut bench = Bench::new(Thresholds::default());
    for kept in [1, 2, 2] {
        bench.attempt(AttemptError::None);
        assert_eq!(bench.target().minutes.len(), kept);
        bench.now += 60 * SECOND;
    }
    bench.now += 600 * SECOND;
    bench.attempt(AttemptError::None);
    assert_eq!(bench.target().minutes.len(), 1);
}

#[test]
fn thresholds_are_checked_and_named() {
    let wrong = |change: fn(&mut Thresholds)| {
        let mut rules = Thresholds::default();
        change(&mut rules);
        rules.check().unwrap_err()
    };
    assert_eq!(Thresholds::default().check(), Ok(()));
    assert!(wrong(|rules| rules.slices = 0).contains("health.slices"));
    assert!(wrong(|rules| rules.eject.0 = Duration::from_secs(9)).contains("health.eject_most"));
    assert!(wrong(|rules| rules.limited.most.0 = Duration::ZERO).contains("health.limited"));
}

#[derive(Clone, Debug)]
enum Step {
    Attempt(AttemptError),
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let error = prop::sample::select(AttemptError::ALL).prop_map(Step::Attempt);
    let good = Just(Step::Attempt(AttemptError::None));
    let bad = Just(Step::Attempt(AttemptError::Server));
    let pass = (1_i64..12).prop_map(Step::Pass);
    prop::collection::vec(prop_oneof![2 => error, 3 => good, 3 => bad, 2 => pass], 1..80)
}

impl Bench {
    fn step(&mut self, step: &Step) {
        match step {
            Step::Attempt(error) => self.attempt(*error),
            Step::Pass(seconds) => self.pass(*seconds),
        }
    }
}

proptest! {
    /// Wherever steps are cut and the processor restarts, the same is published.
    #[test]
    fn replay_is_exact(steps in steps(), cuts in prop::collection::vec(any::<bool>(), 80)) {
        let (mut whole, mut cut) =
            (Bench::new(Thresholds::default()), Bench::new(Thresholds::default()));
        let (mut published, mut pieces) = (BTreeMap::new(), BTreeMap::new());
        for (step, restart) in steps.iter().zip(cuts) {
            whole.step(step);
            cut.step(step);
            if restart {
                cut.restart(&mut pieces);
            }
        }
        whole.restart(&mut published);
        cut.restart(&mut pieces);
        prop_assert_eq!(published, pieces);
    }

    /// The window against a list of all attempts with their times.
    #[test]
    fn the_window_forgets_just_what_is_old(steps in steps()) {
        let never = Thresholds {
            eject_evidence: i64::MAX,
            degraded_below: 0,
            ..Thresholds::default()
        };
        let mut bench = Bench::new(never);
        let mut all: Vec<(i64, bool)> = Vec::new();
        for step in &steps {
            let (Step::Attempt(AttemptError::None | AttemptError::Server) | Step::Pass(_)) = step
            else { continue };
            bench.step(step);
            if let Step::Attempt(error) = step {
                all.push((bench.now, *error == AttemptError::None));
            }
            let kept = |at: i64| at - at.rem_euclid(SECOND) + SECOND > bench.now - 10 * SECOND;
            let count = |good: bool| {
                let same = all.iter().filter(|(at, was)| *was == good && kept(*at));
                i64::try_from(same.count()).unwrap()
            };
            let Some(target) = bench.get("openai/main@1/gpt-4o") else { continue };
            let sum = target.window.iter().fold((0, 0), |sum, one| (sum.0 + one.good, sum.1 + one.bad));
            prop_assert_eq!(sum, (count(true), count(false)));
            let wanted = (count(true) + 4) * 100 / (count(true) + count(false) + 4);
            prop_assert_eq!(i64::from(target.score), wanted);
        }
    }
}
