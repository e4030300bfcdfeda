//! What holds for any routes, any health and any call.

use gateway::config::ModelSeed;
use gateway::error::Kind;
use gateway::routing::{Needs, Strategy, Wanted};
use proptest::prelude::*;
use schemas::event::{AttemptError, HealthState};

use crate::rig::{NOW, Rig, after, model, names, provider, target};

const PROVIDERS: [&str; 4] = ["a", "b", "c", "d"];
const MODELS: [&str; 3] = ["m", "text", "all"];
const STATES: [HealthState; 5] = [
    HealthState::Healthy,
    HealthState::Degraded,
    HealthState::Probing,
    HealthState::Ejected,
    HealthState::Disabled,
];
const STRATEGIES: [Strategy; 5] =
    [Strategy::Weighted, Strategy::Latency, Strategy::Cost, Strategy::Busy, Strategy::Affinity];

/// A target: provider, model, weight, priority.
type Drawn = (usize, usize, u32, u32);

fn routes() -> impl Strategy_<Value = (Vec<Drawn>, usize, bool)> {
    let target = (0..4_usize, 0..3_usize, 0..4_u32, 0..2_u32);
    (prop::collection::vec(target, 1..8), 0..5_usize, any::<bool>())
}

use proptest::strategy::Strategy as Strategy_;

fn rig((targets, strategy, pin_fallback): &(Vec<Drawn>, usize, bool), states: &[usize]) -> Rig {
    let targets = targets.iter().map(|(at, model, weight, priority)| {
        let mut seed = target(PROVIDERS[*at]);
        seed.model = Some(MODELS[*model].into());
        (seed.weight, seed.priority) = (*weight, *priority);
        seed
    });
    let route = ModelSeed {
        strategy: STRATEGIES[*strategy],
        pin_fallback: *pin_fallback,
        ..model("m", targets.collect())
    };
    let mut rig = Rig::new(PROVIDERS.map(|id| provider(id, &[1, 2])).into(), vec![route]);
    for (at, state) in states.iter().enumerate() {
        rig.is(PROVIDERS[at % 4], ["c0", "c1"][at / 4], STATES[*state]);
    }
    rig
}

/// Some traffic before the call: failures, and calls that still run.
fn busy(rig: &Rig, failures: &[(usize, bool)]) -> Vec<gateway::routing::Flight> {
    let mut running = Vec::new();
    for (index, (at, fails)) in failures.iter().enumerate() {
        let name = format!("{}/m", PROVIDERS[*at]).into();
        let plan = rig.plan(&Wanted::model(&name), index as u64).unwrap();
        let planned = &plan.targets[0];
        let flight = rig.local.begin(&planned.target, planned.keys, false, NOW);
        if *fails {
            flight.ended(AttemptError::Server, None, after(0.1));
        } else {
            running.push(flight);
        }
    }
    running
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn the_same_inputs_give_the_same_plan(
        routes in routes(),
        states in prop::collection::vec(0..5_usize, 8),
        failures in prop::collection::vec((0..4_usize, any::<bool>()), 0..30),
        seed: u64,
        prefix: u64,
    ) {
        let twins = [rig(&routes, &states), rig(&routes, &states)];
        let running = twins.each_ref().map(|rig| busy(rig, &failures));
        let name = "m".into();
        let wanted = Wanted { prefix, ..Wanted::model(&name) };
        let plans = twins.each_ref().map(|rig| {
            rig.plan_at(&wanted, after(0.2), seed).map(|plan| (names(&plan), plan.why)).map_err(|error| error.kind)
        });
        prop_assert_eq!(&plans[0], &plans[1]);
        let again = twins[0].plan_at(&wanted, after(0.2), seed);
        let again = again.map(|plan| (names(&plan), plan.why)).map_err(|error| error.kind);
        prop_assert_eq!(&plans[0], &again);
        drop(running);
    }

    #[test]
    fn no_target_is_left_out_for_its_health_and_none_is_there_twice(
        routes in routes(),
        states in prop::collection::vec(0..5_usize, 8),
        failures in prop::collection::vec((0..4_usize, any::<bool>()), 0..60),
        seed: u64,
    ) {
        let rig = rig(&routes, &states);
        let running = busy(&rig, &failures);
        let name = "m".into();
        let route = &rig.snapshot.routes[&name];
        let able = route.targets.iter().filter(|known| known.weight > 0).count();
        match rig.plan_at(&Wanted::model(&name), after(0.2), seed) {
            Ok(plan) => prop_assert_eq!(plan.targets.len(), able.min(6)),
            Err(error) => prop_assert_eq!((error.kind, able), (Kind::UnknownModel, 0)),
        }
        drop(running);
    }

    #[test]
    fn a_pin_is_never_broken_silently(
        routes in routes(),
        states in prop::collection::vec(0..5_usize, 8),
        pin in 0..4_usize,
        seed: u64,
    ) {
        let rig = rig(&routes, &states);
        let name = format!("{}/m", PROVIDERS[pin]).into();
        let plan = rig.plan(&Wanted::model(&name), seed).unwrap();
        let own = |planned: &gateway::routing::Planned| {
            planned.target.provider.as_str() == PROVIDERS[pin] && planned.target.model.as_str() == "m"
        };
        if !routes.2 {
            prop_assert!(plan.targets.iter().all(own) && plan.targets.len() == 2);
        } else if !own(&plan.targets[0]) {
            prop_assert!(plan.why == gateway::routing::Why::Failover, "{:?}", plan.why);
        }
    }

    #[test]
    fn no_call_goes_to_a_model_that_lacks_what_it_needs(
        routes in routes(),
        states in prop::collection::vec(0..5_usize, 8),
        images: bool,
        tools: bool,
        seed: u64,
    ) {
        let rig = rig(&routes, &states);
        let needs = Needs::IMAGES.when(images).and(Needs::TOOLS.when(tools));
        let name = "m".into();
        let wanted = Wanted { needs, ..Wanted::model(&name) };
        if let Ok(plan) = rig.plan(&wanted, seed) {
            for planned in &plan.targets {
                let facts = rig.snapshot.facts(&planned.target);
                let lacks = facts.map_or(Needs::NONE, |facts| Needs::lacking(facts));
                prop_assert!(lacks.common(needs).is_none(), "{:?}", planned.target.model);
            }
        }
    }

    #[test]
    fn who_takes_calls_goes_before_who_does_not(
        routes in routes(),
        states in prop::collection::vec(0..5_usize, 8),
        seed: u64,
    ) {
        let rig = rig(&routes, &states);
        let name = "m".into();
        if let Ok(plan) = rig.plan(&Wanted::model(&name), seed) {
            let ill = |planned: &gateway::routing::Planned| {
                let condition = rig.health.get(&planned.target.subject);
                condition.is_some_and(|condition| {
                    matches!(condition.state, HealthState::Ejected | HealthState::Disabled)
                })
            };
            let ill: Vec<bool> = plan.targets.iter().map(ill).collect();
            prop_assert!(ill.is_sorted(), "{ill:?}");
        }
    }
}
