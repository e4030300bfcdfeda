use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use runtime::clock::Micros;
use schemas::event::{Attempt, AttemptError, Health, HealthState, Purpose};
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

    fn attempt(&mut self, error: AttemptError) {
        self.apply(Event::Attempt(Box::new(attempt(error))));
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
        duration_us: 500_000,
    }
}

#[test]
fn each_error_counts_where_it_belongs() {
    use AttemptError as E;
    let bad = Some((0, 1));
    let good = Some((1, 0));
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
        (E::Auth, None, bad),
        (E::Credit, None, bad),
        (E::RateLimit, Some((0, 0)), None),
        (E::ContentPolicy, None, None),
        (E::Caller, None, None),
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
    for _ in 0..3 {
        bench.attempt(AttemptError::Server);
    }
    assert_eq!(bench.state(), (HealthState::Ejected, 0, "server"));
    assert!(bench.out.urgent(), "a change of state is published at once");
    bench.attempt(AttemptError::None);
    assert_eq!(bench.state().0, HealthState::Ejected, "calls that began before come in late");
    bench.pass(9);
    assert_eq!(bench.state().0, HealthState::Ejected);
    bench.pass(1);
    assert_eq!(bench.state().0, HealthState::Probing);
    bench.attempt(AttemptError::Connect);
    assert_eq!(bench.state(), (HealthState::Ejected, 0, "connect"));
    bench.pass(19);
    assert_eq!(bench.state().0, HealthState::Ejected, "the second lasts twice as long");
    bench.pass(1);
    bench.attempt(AttemptError::None);
    assert_eq!(bench.state(), (HealthState::Healthy, 100, ""));
    assert_eq!(bench.target().ejections, 2);
    bench.pass(600);
    assert_eq!(bench.target().ejections, 0, "forgiven");
    assert_eq!(bench.fold.tick_in(), Some(Duration::from_secs(60)), "only forgetting is left");
    bench.pass(3600);
    assert_eq!((bench.fold.subjects().count(), bench.fold.tick_in()), (0, None), "forgotten");
}

#[test]
fn ejections_do_not_grow_for_ever() {
    let mut bench = Bench::new(Thresholds::default());
    for _ in 0..5 {
        bench.attempt(AttemptError::Server);
    }
    for _ in 0..40 {
        bench.pass(300);
        bench.attempt(AttemptError::Server);
        let target = bench.target();
        assert_eq!(target.state, HealthState::Ejected);
        assert!(target.until.unwrap() - bench.now <= 300 * SECOND);
    }
}

#[test]
fn a_rate_limit_is_believed_within_bounds() {
    for (asked, ejected) in [(None, 5), (Some(0), 1), (Some(30_000), 30), (Some(86_400_000), 300)] {
        let mut bench = Bench::new(Thresholds::default());
        let attempt = Attempt { retry_after_ms: asked, ..attempt(AttemptError::RateLimit) };
        bench.apply(Event::Attempt(Box::new(attempt)));
        assert_eq!(bench.state(), (HealthState::Ejected, 0, "rate_limit"));
        assert_eq!(bench.target().until, Some(bench.now + ejected * SECOND), "{asked:?}");
        assert_eq!((bench.target().consecutive, bench.target().ejections), (0, 0));
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
    assert!(bench.get("openai/main@1/gpt-4o").is_none(), "no fault of the model");
    bench.pass(600);
    assert_eq!(bench.get("openai/main@1").unwrap().state, HealthState::Probing);
    bench.attempt(AttemptError::None);
    assert_eq!(bench.get("openai/main@1").unwrap().state, HealthState::Healthy);
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
    let pass = (1_i64..40).prop_map(Step::Pass);
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
            eject_consecutive: i32::MAX,
            eject_attempts: i64::MAX,
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
            let slice = 6 * SECOND;
            let kept = |at: i64| at - at.rem_euclid(slice) + slice > bench.now - 60 * SECOND;
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
