//! What failover promises, in virtual time, with a few seeds; `make sim` plays many.

use processors::health::Thresholds;
use sim::fault::Fault;
use sim::hub::snapshot;
use sim::report::{MATRIX, Sum, many};
use sim::run::{Router, Scene, run};
use sim::time::SECOND;

const SEEDS: std::ops::Range<u64> = 0..3;

fn rules() -> Thresholds {
    Thresholds::default()
}

#[test]
fn calls_are_answered_while_a_target_is_well() {
    let snapshot = snapshot().unwrap();
    for (name, fault, count) in MATRIX {
        let hub = many(Router::Hub, (*fault, *count), SEEDS, &snapshot, rules());
        let wanted = if *count == 1 { 99.95 } else { 99.0 };
        assert!(hub.success() >= wanted, "{}", hub.line(name, "hub"));
        assert_eq!(hub.wronged, 0, "{name}: a target that was well was ejected");
        // a credential without money is tried more and more seldom, up to once a minute
        let most = if *fault == Fault::NoCredit { 30.0 } else { 10.0 };
        if hub.shifted(50).is_some() {
            let recovered = hub.recovered(99);
            assert!(recovered.is_some_and(|late| late <= most), "{}", hub.line(name, "hub"));
        }
    }
}

#[test]
fn what_fails_loudly_is_left_within_a_second() {
    let snapshot = snapshot().unwrap();
    for fault in
        [Fault::Outage, Fault::Overload, Fault::Refused, Fault::BadKey, Fault::BrownOut(50)]
    {
        let hub = many(Router::Hub, (fault, 1), SEEDS, &snapshot, rules());
        let within = |time: Option<f64>| time.is_some_and(|time| time <= 1.0);
        assert!(within(hub.shifted(99)) && within(hub.ejected(99)), "{}", hub.line("", "hub"));
    }
}

#[test]
fn the_documented_cool_down_sends_more_calls_to_the_sick() {
    let snapshot = snapshot().unwrap();
    let of = |router| many(router, (Fault::Outage, 1), SEEDS, &snapshot, rules());
    let (hub, peer) = (of(Router::Hub), of(Router::CoolDown));
    assert!(hub.at_sick() * 3.0 < peer.at_sick(), "{} {}", hub.at_sick(), peer.at_sick());
    assert!(hub.added() < peer.added(), "{} {}", hub.added(), peer.added());
}

#[test]
fn nobody_who_is_well_is_ejected() {
    let snapshot = snapshot().unwrap();
    let runs = (0..20).map(|seed| {
        let times = (0, 0, 100 * SECOND);
        run(&Scene { times, ..Scene::new(Router::Hub, None, seed) }, &snapshot, rules())
    });
    let quiet = runs.fold(Sum::default(), Sum::and);
    assert!(quiet.all > 90_000);
    assert_eq!(quiet.wronged, 0);
}

#[test]
fn the_same_seed_plays_the_same_run() {
    let snapshot = snapshot().unwrap();
    let scene = Scene::new(Router::Hub, Some((Fault::BrownOut(50), 1)), 7);
    let play = |scene: &Scene| format!("{:?}", run(scene, &snapshot, rules()));
    assert_eq!(play(&scene), play(&scene));
    assert_ne!(play(&scene), play(&Scene { seed: 8, ..scene }));
}
