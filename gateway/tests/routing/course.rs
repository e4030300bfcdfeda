//! What comes after a failed attempt.

use std::time::Duration;

use gateway::providers::{Failure, Next};
use gateway::routing::{Course, SoFar, Step, Then, Wanted, step};
use schemas::event::AttemptError;

use crate::rig::{NOW, Rig, after, model, provider, target};

const MINUTE: Duration = Duration::from_secs(60);

fn failed(error: AttemptError, wait_ms: Option<u64>) -> Failure {
    Failure { retry_after: wait_ms.map(Duration::from_millis), ..Failure::of(error) }
}

#[test]
fn the_policy_class_by_class() {
    use AttemptError as A;
    let ms = |ms| Step::Again(Duration::from_millis(ms));
    for (error, wait, others, repeats, left, wanted) in [
        (A::Caller, None, true, 0, MINUTE, Step::Stop),
        (A::Caller, Some(10), false, 0, MINUTE, Step::Stop),
        (A::ContentPolicy, None, true, 0, MINUTE, Step::Stop),
        (A::RateLimit, Some(900), true, 0, MINUTE, ms(900)),
        (A::RateLimit, Some(900), true, 1, MINUTE, Step::NextCredential),
        (A::RateLimit, Some(1_100), true, 0, MINUTE, Step::NextCredential),
        (A::RateLimit, Some(1_100), false, 1, MINUTE, ms(1_100)),
        (A::RateLimit, Some(1_100), false, 2, MINUTE, Step::NextCredential),
        (A::RateLimit, Some(11_000), false, 0, MINUTE, Step::NextCredential),
        (A::RateLimit, Some(900), true, 0, Duration::from_millis(900), Step::NextCredential),
        (A::RateLimit, None, true, 0, MINUTE, Step::NextCredential),
        (A::Overload, Some(0), true, 0, MINUTE, ms(0)),
        (A::Overload, None, true, 0, MINUTE, Step::NextTarget),
        (A::Server, None, true, 0, MINUTE, Step::NextTarget),
        (A::Auth, Some(10), false, 0, MINUTE, Step::NextCredential),
        (A::Credit, None, true, 0, MINUTE, Step::NextCredential),
        (A::NotFound, None, true, 0, MINUTE, Step::NextCredential),
        (A::Connect, None, true, 0, MINUTE, Step::NextTarget),
        (A::Connect, None, false, 0, MINUTE, Step::NextTarget),
        (A::FirstByteTimeout, None, false, 0, MINUTE, Step::NextTarget),
        (A::Malformed, None, false, 0, MINUTE, Step::NextTarget),
    ] {
        let so_far = SoFar { repeats, others, left, seed: 7 };
        let got = step(&failed(error, wait), false, so_far);
        assert_eq!(got, wanted, "{error:?} {wait:?} {others} {repeats}");
    }
    let long = Failure { next: Next::Larger, ..Failure::of(A::Caller) };
    let so_far = SoFar { repeats: 0, others: true, left: MINUTE, seed: 7 };
    assert_eq!(step(&long, false, so_far), Step::LargerContext);
    let idle = failed(A::Broken, None);
    assert_eq!(step(&idle, true, so_far), Step::Again(Duration::ZERO));
    assert_eq!(step(&idle, true, SoFar { repeats: 1, ..so_far }), Step::NextTarget);
}

#[test]
fn the_only_target_is_asked_again_after_a_random_wait_that_grows() {
    for error in [AttemptError::Server, AttemptError::RateLimit, AttemptError::Broken] {
        let waits = |repeats| {
            (0..1_000).map(move |seed| {
                let so_far = SoFar { repeats, others: false, left: MINUTE, seed };
                match step(&failed(error, None), false, so_far) {
                    Step::Again(wait) => wait.as_millis(),
                    other => panic!("{error:?}: {other:?}"),
                }
            })
        };
        for (repeats, most) in [(0, 250), (1, 500)] {
            let (low, high) = (waits(repeats).min().unwrap(), waits(repeats).max().unwrap());
            assert!(low < most / 20 && high <= most && high > most * 19 / 20, "{low} to {high}");
        }
    }
}

#[test]
fn a_refused_credential_leads_to_another_and_a_down_provider_to_another_provider() {
    let mut other = target("b");
    other.priority = 1;
    let providers = vec![provider("a", &[1, 1, 1]), provider("b", &[1])];
    let rig = Rig::new(providers, vec![model("m", vec![target("a"), other])]);
    let plan = rig.plan(&Wanted::model(&"m".into()), 1).unwrap();
    let asked = |errors: &[AttemptError]| -> Vec<String> {
        let mut course = Course::new(&plan, &rig.local, NOW, 1);
        let mut asked = Vec::new();
        for error in errors {
            asked.push(course.target().unwrap().target.provider.to_string());
            course.failed(&failed(*error, None), false, MINUTE, NOW);
        }
        asked.extend(course.target().map(|planned| planned.target.provider.to_string()));
        asked
    };
    use AttemptError as A;
    assert_eq!(asked(&[A::Auth, A::RateLimit]), ["a", "a", "a"]);
    assert_eq!(asked(&[A::Connect, A::Server, A::Server]), ["a", "b", "a", "a"]);
    assert_eq!(asked(&[A::Caller]), ["a"]);
}

#[test]
fn an_input_that_is_too_long_goes_to_a_larger_model_alone() {
    let to = |model: &str| {
        let mut target = target("a");
        target.model = Some(model.into());
        target
    };
    let mut small = to("text");
    small.priority = 0;
    let mut large = to("all");
    large.priority = 2;
    let mut again = to("text");
    again.priority = 1;
    let rig = Rig::new(vec![provider("a", &[1])], vec![model("m", vec![small, again, large])]);
    let plan = rig.plan(&Wanted::model(&"m".into()), 1).unwrap();
    let long = Failure { next: Next::Larger, ..Failure::of(AttemptError::Caller) };
    let mut course = Course::new(&plan, &rig.local, NOW, 1);
    assert_eq!(course.target().unwrap().target.model.as_str(), "text");
    assert_eq!(course.failed(&long, false, MINUTE, NOW), Then::Other);
    assert_eq!(course.target().unwrap().target.model.as_str(), "all");
    assert_eq!(course.failed(&long, false, MINUTE, NOW), Then::Stop);
    assert!(course.target().is_none());
}

#[test]
fn second_tries_are_a_fifth_of_the_targets_calls() {
    let rig = Rig::new(vec![provider("a", &[1])], vec![model("m", vec![target("a")])]);
    let name = "m".into();
    let plan = rig.plan(&Wanted::model(&name), 1).unwrap();
    let mut repeats = 0;
    for call in 0..1_000 {
        let now = after(f64::from(call) * 0.02);
        let mut course = Course::new(&plan, &rig.local, now, 1);
        let planned = course.target().unwrap();
        rig.local.begin(&planned.target, planned.keys, false, now).ended(
            AttemptError::Server,
            None,
            now,
        );
        while let Then::Again(_) =
            course.failed(&failed(AttemptError::Server, None), false, MINUTE, now)
        {
            repeats += 1;
            rig.local.begin(&planned.target, planned.keys, false, now).ended(
                AttemptError::Server,
                None,
                now,
            );
        }
    }
    // a fifth of all attempts, those among them
    assert!((150..=260).contains(&repeats), "{repeats} second tries of 1,000 calls");
}

/// Attempts of so many calls, a hundred a second, when these providers fail; and how many calls fail.
fn attempts(rig: &Rig, calls: u32, down: &[&str]) -> (u32, u32) {
    let name = "m".into();
    let (mut attempts, mut lost) = (0, 0);
    for call in 0..calls {
        let now = after(f64::from(call) * 0.01);
        let plan = rig.plan_at(&Wanted::model(&name), now, call.into()).unwrap();
        let mut course = Course::new(&plan, &rig.local, now, 1);
        let mut done = false;
        while let Some(planned) = course.target().filter(|_| !done) {
            attempts += 1;
            let flight = rig.local.begin(&planned.target, planned.keys, false, now);
            let error = match down.contains(&planned.target.provider.as_str()) {
                true => AttemptError::Malformed,
                false => AttemptError::None,
            };
            flight.ended(error, None, now);
            done = error == AttemptError::None;
            if !done {
                course.failed(&failed(error, None), false, MINUTE, now);
            }
        }
        lost += u32::from(!done);
    }
    (attempts, lost)
}

#[test]
fn those_that_are_well_carry_what_others_drop_and_an_outage_of_all_makes_no_storm() {
    let three = || {
        let providers = vec![provider("a", &[1]), provider("b", &[1]), provider("c", &[1])];
        Rig::new(providers, vec![model("m", ["a", "b", "c"].map(target).into())])
    };
    let (tried, lost) = attempts(&three(), 6_000, &["a"]);
    assert!(lost == 0 && tried < 6_060, "{tried} attempts, {lost} lost");
    let (tried, lost) = attempts(&three(), 6_000, &["a", "b"]);
    assert!(lost == 0 && tried < 6_120, "{tried} attempts, {lost} lost");
    let (tried, lost) = attempts(&three(), 6_000, &["a", "b", "c"]);
    // a fifth, or ten a second
    assert!(lost == 6_000 && tried < 7_500, "{tried} attempts");
}

#[test]
fn nothing_is_tried_past_the_deadline() {
    let providers = vec![provider("a", &[1]), provider("b", &[1])];
    let rig = Rig::new(providers, vec![model("m", ["a", "b"].map(target).into())]);
    let plan = rig.plan(&Wanted::model(&"m".into()), 1).unwrap();
    let mut course = Course::new(&plan, &rig.local, NOW, 1);
    let late = failed(AttemptError::TotalTimeout, None);
    assert_eq!(course.failed(&late, false, Duration::ZERO, NOW), Then::Stop);
}
