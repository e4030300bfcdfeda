//! Who is well: by the log, and by what this process sees itself.

use std::time::Duration;

use gateway::routing::local::Rules;
use gateway::routing::{Flight, Planned, Standing, Wanted, Why};
use schemas::event::{AttemptError, HealthState};

use crate::rig::{NOW, Rig, after, model, provider, target};

fn two() -> Rig {
    let providers = vec![provider("a", &[1]), provider("b", &[1])];
    Rig::new(providers, vec![model("m", ["a", "b"].map(target).into())])
}

fn planned(rig: &Rig, provider: &str) -> Planned {
    let plan = rig.plan(&Wanted::model(&format!("{provider}/m").into()), 1).unwrap();
    plan.targets[0].clone()
}

fn begin(rig: &Rig, planned: &Planned, at: f64) -> Flight {
    rig.local.begin(&planned.target, planned.keys, false, after(at))
}

fn ends(rig: &Rig, planned: &Planned, error: AttemptError, at: f64) {
    begin(rig, planned, at - 0.01).ended(error, None, after(at));
}

fn standing(rig: &Rig, planned: &Planned, at: f64) -> Standing {
    let view = rig.local.view();
    let found = view.all(after(at)).find(|(subject, _)| **subject == planned.target.subject);
    found.unwrap().1.state
}

/// The share of calls that try `a` first, at a time.
fn share(rig: &Rig, at: f64) -> f64 {
    let name = "m".into();
    let first = |seed: u64| {
        let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let plan = rig.plan_at(&Wanted::model(&name), after(at), seed).unwrap();
        assert_eq!(plan.targets.len(), 2, "never left out");
        plan.targets[0].target.provider.as_str() == "a"
    };
    (0..4_000).filter(|seed| first(*seed)).count() as f64 / 4_000.0
}

#[test]
fn health_of_the_log_orders_targets() {
    for (state, low, high) in [
        (HealthState::Healthy, 0.45, 0.55),
        (HealthState::Degraded, 0.0, 0.0),
        // of three calls in ten, by its weight
        (HealthState::Probing, 0.12, 0.18),
        (HealthState::Ejected, 0.0, 0.0),
        (HealthState::Disabled, 0.0, 0.0),
        (HealthState::Other, 0.45, 0.55),
    ] {
        let mut rig = two();
        rig.is("a", "c0", state);
        let share = share(&rig, 0.0);
        assert!((low..=high).contains(&share), "{state:?}: {share}");
    }
    // an ejection that is over is a probe's turn, whether health has said so or not
    let mut rig = two();
    rig.is("a", "c0", HealthState::Ejected);
    assert!(share(&rig, 29.0) == 0.0 && share(&rig, 31.0) > 0.02);
}

#[test]
fn all_ill_are_tried_all_the_same_and_a_bad_key_last() {
    let mut rig = two();
    for provider in ["a", "b"] {
        rig.is(provider, "c0", HealthState::Ejected);
    }
    let share = share(&rig, 0.0);
    assert!((0.45..0.55).contains(&share), "spread over all: {share}");
    assert_eq!(rig.plan(&Wanted::model(&"m".into()), 1).unwrap().why, Why::LastResort);
    rig.is("a", "c0", HealthState::Disabled);
    assert_eq!(rig.names(&Wanted::model(&"m".into()), 1), ["b/c0/m", "a/c0/m"]);
}

#[test]
fn six_failures_in_a_row_eject_for_seconds_that_grow_and_one_trial_at_a_time_follows() {
    let rig = two();
    let a = planned(&rig, "a");
    for n in 0..5 {
        ends(&rig, &a, AttemptError::Server, f64::from(n) * 0.1);
    }
    assert_eq!(standing(&rig, &a, 0.5), Standing::Free);
    ends(&rig, &a, AttemptError::Server, 0.5);
    assert_eq!(standing(&rig, &a, 0.6), Standing::Ejected(after(1.5)));
    assert_eq!(share(&rig, 0.6), 0.0);

    assert_eq!(standing(&rig, &a, 1.6), Standing::Trial);
    let trial = begin(&rig, &a, 1.6);
    assert_eq!(standing(&rig, &a, 1.7), Standing::Ejected(after(4.6)), "one at a time");
    trial.ended(AttemptError::Server, None, after(1.8));
    assert_eq!(standing(&rig, &a, 1.9), Standing::Ejected(after(3.8)), "twice as long");

    // what began before the end of an ejection says nothing
    let old = begin(&rig, &a, 2.0);
    old.ended(AttemptError::Server, None, after(3.9));
    assert_eq!(standing(&rig, &a, 3.9), Standing::Trial);

    let mut trial = begin(&rig, &a, 4.0);
    trial.answered(after(4.1));
    let Standing::SlowStart(share) = standing(&rig, &a, 5.1) else { panic!() };
    assert!((share - 0.25).abs() < 0.01, "{share}");
    assert_eq!(standing(&rig, &a, 8.2), Standing::Free);
}

#[test]
fn weight_comes_back_by_and_by() {
    let rig = two();
    let a = planned(&rig, "a");
    for _ in 0..6 {
        ends(&rig, &a, AttemptError::Connect, 0.5);
    }
    ends(&rig, &a, AttemptError::None, 2.0);
    let shares = [2.1, 3.0, 4.0, 7.0].map(|at| share(&rig, at));
    assert!(shares.is_sorted() && shares[0] < 0.15 && shares[3] > 0.45, "{shares:?}");
}

#[test]
fn half_of_the_calls_failing_eject_within_forty_and_background_noise_never_does() {
    let rig = two();
    let a = planned(&rig, "a");
    let mut calls = 0;
    while standing_or_free(&rig, &a, 1.0) == Standing::Free {
        let error = if calls % 2 == 0 { AttemptError::Overload } else { AttemptError::None };
        ends(&rig, &a, error, 1.0);
        calls += 1;
    }
    assert!(calls <= 40, "{calls}");

    // one in 200 by chance, a million times: the seed is fixed, so the result is
    let b = planned(&rig, "b");
    let mut random = 1_u64;
    for call in 0..1_000_000_u64 {
        random =
            random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let failed = (random >> 33).is_multiple_of(200);
        let at = 1.0 + call as f64 * 0.001;
        ends(&rig, &b, if failed { AttemptError::Server } else { AttemptError::None }, at);
        assert_eq!(standing(&rig, &b, at), Standing::Free, "call {call}");
    }
}

fn standing_or_free(rig: &Rig, planned: &Planned, at: f64) -> Standing {
    let view = rig.local.view();
    let found = view.all(after(at)).find(|(subject, _)| **subject == planned.target.subject);
    found.map_or(Standing::Free, |(_, load)| load.state)
}

#[test]
fn what_the_caller_is_to_blame_for_hurts_nobody() {
    use AttemptError as A;
    let rig = two();
    let a = planned(&rig, "a");
    for error in [A::Caller, A::ContentPolicy, A::Cancelled, A::Other] {
        (0..20).for_each(|_| ends(&rig, &a, error, 0.5));
    }
    assert_eq!(standing(&rig, &a, 0.6), Standing::Free);
}

#[test]
fn a_rate_limit_is_kept_to_and_clamped() {
    let rig = two();
    let a = planned(&rig, "a");
    let Rules { limited, limited_most, .. } = *rig.local.rules();
    for (wait, until) in [
        (None, limited.as_secs_f64()),
        (Some(Duration::from_secs(7)), 7.0),
        (Some(Duration::from_secs(3_600)), limited_most.as_secs_f64()),
    ] {
        begin(&rig, &a, 0.0).ended(AttemptError::RateLimit, wait, NOW);
        assert_eq!(standing(&rig, &a, until - 0.5), Standing::Limited(after(until)));
        assert_eq!(share(&rig, until - 0.5), 0.0);
    }
    assert_eq!(standing(&rig, &a, 61.0), Standing::Free, "it is no illness: no slow start");
}

#[test]
fn a_refused_key_takes_all_its_models_out() {
    let rig = two();
    let a = planned(&rig, "a");
    ends(&rig, &a, AttemptError::Auth, 0.5);
    assert_eq!(standing(&rig, &a, 0.6), Standing::Free, "the target itself is well");
    assert_eq!(share(&rig, 0.6), 0.0);
    let text = "text".into();
    let plan = rig.plan_at(&Wanted::model(&text), after(0.6), 1).unwrap();
    assert_eq!(plan.targets[0].target.provider.as_str(), "b");
}

#[test]
fn who_takes_calls_and_answers_none_is_out_before_they_time_out() {
    let rig = two();
    let a = planned(&rig, "a");
    ends(&rig, &a, AttemptError::None, 0.0);
    let calls: Vec<Flight> = (0..10).map(|n| begin(&rig, &a, 1.0 + f64::from(n) * 0.05)).collect();
    assert_eq!(standing(&rig, &a, 1.5), Standing::Free, "too soon to say");
    begin(&rig, &a, 1.9).ended(AttemptError::FirstByteTimeout, None, after(1.9));
    assert_eq!(standing(&rig, &a, 2.0), Standing::Silent, "but for a trial now and then");
    assert_eq!(share(&rig, 2.0), 0.0);
    let mut calls = calls.into_iter();
    calls.next().unwrap().ended(AttemptError::None, None, after(2.5));
    assert_eq!(standing(&rig, &a, 2.6), Standing::Free, "one answer, and it is only slow");

    // who hangs up says nothing, nor do failures of another model at the same credential
    let b = planned(&rig, "b");
    ends(&rig, &b, AttemptError::None, 0.0);
    for n in 0..40 {
        let at = 1.0 + f64::from(n) * 0.1;
        drop(begin(&rig, &b, at));
        begin(&rig, &b, at).ended(AttemptError::Cancelled, None, after(at));
    }
    assert_eq!(standing(&rig, &b, 5.0), Standing::Free);
}
