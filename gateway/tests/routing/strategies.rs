//! How targets are ordered that are equally well.

use std::collections::BTreeSet;

use gateway::config::ModelSeed;
use gateway::routing::{Keys, Strategy, Wanted, Why};
use schemas::event::AttemptError;

use crate::rig::{NOW, Rig, after, model, provider, target};

fn route(strategy: Strategy, providers: &[&str]) -> ModelSeed {
    let targets = providers.iter().map(|id| target(id)).collect();
    ModelSeed { strategy, ..model("m", targets) }
}

fn four(strategy: Strategy) -> Rig {
    let ids = ["a", "b", "c", "d"];
    Rig::new(ids.map(|id| provider(id, &[1])).into(), vec![route(strategy, &ids)])
}

#[test]
fn weights_of_targets_and_credentials_are_met() {
    let mut heavy = target("a");
    heavy.weight = 3;
    let providers = vec![provider("a", &[1, 4]), provider("b", &[2, 0])];
    let rig = Rig::new(providers, vec![model("m", vec![heavy, target("b")])]);
    let name = "m".into();
    let calls = 100_000;
    let firsts = rig.firsts(&Wanted::model(&name), calls);
    for (target, weight) in [("a/c0/m", 3.0), ("a/c1/m", 12.0), ("b/c0/m", 2.0)] {
        let share = firsts[target] as f64 / calls as f64;
        assert!((share - weight / 17.0).abs() < 0.01, "{target}: {share}");
    }
    assert_eq!(firsts.len(), 3, "what has no weight gets no calls");
}

#[test]
fn a_higher_priority_waits_for_all_lower_ones() {
    let mut last = target("a");
    last.priority = 2;
    let mut middle = target("b");
    middle.priority = 1;
    let providers = ["a", "b", "c"].map(|id| provider(id, &[1]));
    let rig = Rig::new(providers.into(), vec![model("m", vec![last, middle, target("c")])]);
    for seed in 0..50 {
        assert_eq!(rig.names(&Wanted::model(&"m".into()), seed), ["c/c0/m", "b/c0/m", "a/c0/m"]);
    }
}

#[test]
fn the_cheapest_goes_first() {
    let mut cost = model(
        "mix",
        ["m", "all", "text"]
            .map(|id| {
                let mut target = target("a");
                target.model = Some(id.into());
                target
            })
            .into(),
    );
    cost.strategy = Strategy::Cost;
    let rig = Rig::new(vec![provider("a", &[1])], vec![cost]);
    for seed in 0..20 {
        let names = rig.names(&Wanted::model(&"mix".into()), seed);
        assert_eq!(names, ["a/c0/text", "a/c0/all", "a/c0/m"], "no price is no bargain");
    }
}

#[test]
fn the_least_busy_goes_first() {
    let rig = four(Strategy::Busy);
    let name = "m".into();
    let plan = rig.plan(&Wanted::model(&name), 1).unwrap();
    let mut flights = Vec::new();
    for (index, planned) in plan.targets.iter().enumerate() {
        for _ in 0..index {
            flights.push(rig.local.begin(&planned.target, planned.keys, false, NOW));
        }
    }
    let wanted: Vec<_> = plan.targets.iter().map(|planned| planned.keys).collect();
    for seed in 0..20 {
        let plan = rig.plan(&Wanted::model(&name), seed).unwrap();
        let got: Vec<Keys> = plan.targets.iter().map(|planned| planned.keys).collect();
        assert_eq!(got, wanted);
        assert_eq!(plan.why, Why::Strategy(Strategy::Busy));
    }
}

#[test]
fn of_two_by_chance_the_one_that_answers_sooner_goes_first() {
    let rig = four(Strategy::Latency);
    let name = "m".into();
    let plan = rig.plan(&Wanted::model(&name), 1).unwrap();
    // one of four is ten times as slow
    for planned in &plan.targets {
        let slow = planned.target.provider.as_str() == "a";
        let flight = rig.local.begin(&planned.target, planned.keys, false, NOW);
        flight.ended(AttemptError::None, None, after(if slow { 1.0 } else { 0.1 }));
    }
    let mut firsts = [0_u32; 4];
    for seed in 0..20_000_u64 {
        let plan = rig.plan_at(
            &Wanted::model(&name),
            after(1.0),
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        );
        let first = plan.unwrap().targets[0].target.provider.as_str().as_bytes()[0];
        firsts[usize::from(first - b'a')] += 1;
    }
    assert_eq!(firsts[0], 0, "whichever it is drawn with is faster: {firsts:?}");
    assert!(firsts[1..].iter().all(|count| *count > 4_000), "no herd: {firsts:?}");
}

#[test]
fn a_conversation_stays_with_its_target_as_long_as_that_is_well() {
    let rig = four(Strategy::Affinity);
    let name = "m".into();
    let first = |prefix, seed| {
        let wanted = Wanted { prefix, ..Wanted::model(&name) };
        rig.names(&wanted, seed).swap_remove(0)
    };
    let mut firsts = BTreeSet::new();
    for prefix in 1..=200_u64 {
        let prefix = prefix.wrapping_mul(0x2545_f491_4f6c_dd1d);
        let own = first(prefix, 0);
        assert!((1..10).all(|seed| first(prefix, seed) == own));
        firsts.insert(own);
    }
    assert_eq!(firsts.len(), 4, "conversations are spread over all");

    // without one of them, the conversations of the others stay where they are
    let ids = ["a", "b", "c"];
    let fewer =
        Rig::new(ids.map(|id| provider(id, &[1])).into(), vec![route(Strategy::Affinity, &ids)]);
    for prefix in 1..=200_u64 {
        let wanted = Wanted { prefix, ..Wanted::model(&name) };
        let before = first(prefix, 0);
        let now = fewer.names(&wanted, 0).swap_remove(0);
        assert!(before == now || before.starts_with("d/"), "{before} {now}");
    }
}
