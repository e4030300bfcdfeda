//! Which calls a target is for.

use std::collections::BTreeMap;

use gateway::config::TargetSeed;
use gateway::error::Kind;
use gateway::routing::{Needs, Wanted, Why};

use crate::rig::{Rig, model, provider, target};

fn to(provider: &str, model: &str) -> TargetSeed {
    TargetSeed { model: Some(model.into()), ..target(provider) }
}

#[test]
fn a_call_goes_to_no_model_that_is_known_to_lack_what_it_needs() {
    let targets = vec![to("a", "text"), to("a", "all"), to("a", "m")];
    let models = vec![model("mix", targets), model("plain", vec![to("a", "text")])];
    let rig = Rig::new(vec![provider("a", &[1])], models);
    let (mix, plain) = ("mix".into(), "plain".into());
    for (needs, all) in [
        (Needs::NONE, vec!["a/c0/all", "a/c0/m", "a/c0/text"]),
        (Needs::IMAGES, vec!["a/c0/all", "a/c0/m"]),
        (Needs::TOOLS, vec!["a/c0/all", "a/c0/m"]),
        // nobody says that it can't
        (Needs::JSON_SCHEMA, vec!["a/c0/all", "a/c0/m", "a/c0/text"]),
    ] {
        let mut names = rig.names(&Wanted { needs, ..Wanted::model(&mix) }, 1);
        names.sort();
        assert_eq!(names, all, "{needs:?}");
    }
    let images = Wanted { needs: Needs::IMAGES, ..Wanted::model(&plain) };
    let error = rig.plan(&images, 1).unwrap_err();
    assert_eq!(error.kind, Kind::UnsupportedField);
    assert!(error.message.contains("images"), "{error}");
}

#[test]
fn what_is_too_long_goes_first_to_what_takes_it() {
    let targets = vec![to("a", "text"), to("a", "all")];
    let rig = Rig::new(vec![provider("a", &[1])], vec![model("mix", targets)]);
    let mix = "mix".into();
    for seed in 0..100 {
        let long = Wanted { input: 9_000, ..Wanted::model(&mix) };
        assert_eq!(
            rig.names(&long, seed),
            ["a/c0/all", "a/c0/text"],
            "an estimate refuses nothing"
        );
    }
    let longest = Wanted { input: 300_000, ..Wanted::model(&mix) };
    assert_eq!(rig.plan(&longest, 1).unwrap().targets.len(), 2, "its provider says so itself");
}

#[test]
fn regions_of_keys_and_routes_are_not_left() {
    let mut providers = ["a", "b", "c"].map(|id| provider(id, &[1]));
    providers[0].region = Some("eu".into());
    providers[1].region = Some("us".into());
    let mut held = model("held", ["a", "b", "c"].map(target).into());
    held.regions = vec!["eu".into(), "us".into()];
    let rig = Rig::new(providers.into(), vec![held, model("free", vec![target("b"), target("c")])]);
    let (held, free, pin) = ("held".into(), "free".into(), "c/m".into());
    let eu = ["eu".to_owned()];
    let mut names = rig.names(&Wanted::model(&held), 1);
    names.sort();
    assert_eq!(names, ["a/c0/m", "b/c0/m"], "where one is that says nothing is not known");
    assert_eq!(rig.names(&Wanted { regions: &eu, ..Wanted::model(&held) }, 1), ["a/c0/m"]);
    for name in [&free, &pin] {
        let error = rig.plan(&Wanted { regions: &eu, ..Wanted::model(name) }, 1).unwrap_err();
        assert!(error.message.contains("region"), "{error}");
    }
}

#[test]
fn prices_above_the_routes_are_left_out() {
    let mut cheap = model("cheap", vec![to("a", "text"), to("a", "all"), to("a", "m")]);
    cheap.max_price.output = Some("10".into());
    let rig = Rig::new(vec![provider("a", &[1])], vec![cheap]);
    assert_eq!(
        rig.names(&Wanted::model(&"cheap".into()), 1),
        ["a/c0/text"],
        "no price is no bargain"
    );
}

#[test]
fn tags_choose_targets() {
    let mut gold = target("b");
    gold.tags = BTreeMap::from([("tier".to_owned(), "gold".to_owned())]);
    let mut plain = target("a");
    plain.priority = 1;
    let providers = ["a", "b"].map(|id| provider(id, &[1]));
    let rig = Rig::new(providers.into(), vec![model("m", vec![plain, gold])]);
    let name = "m".into();
    assert_eq!(rig.names(&Wanted::model(&name), 1), ["a/c0/m"]);
    let tags = BTreeMap::from([("tier".to_owned(), "gold".to_owned()), ("x".into(), "y".into())]);
    let tagged = Wanted { tags: &tags, ..Wanted::model(&name) };
    assert_eq!(rig.names(&tagged, 1), ["b/c0/m", "a/c0/m"]);
}

#[test]
fn a_canary_gets_its_share_and_keeps_its_users() {
    let mut canary = target("b");
    canary.canary = Some(5);
    let providers = ["a", "b"].map(|id| provider(id, &[1]));
    let rig = Rig::new(providers.into(), vec![model("m", vec![target("a"), canary])]);
    let name = "m".into();
    let firsts = rig.firsts(&Wanted::model(&name), 20_000);
    let share = firsts["b/c0/m"] as f64 / 20_000.0;
    assert!((share - 0.05).abs() < 0.005, "{share}");
    let mut chosen = 0;
    for user in 0..1_000 {
        let user = format!("user {user}");
        let wanted = Wanted { user: Some(&user), ..Wanted::model(&name) };
        let plans: Vec<_> = (0..5).map(|seed| rig.plan(&wanted, seed).unwrap()).collect();
        let first = plans[0].targets[0].target.provider.clone();
        assert!(plans.iter().all(|plan| plan.targets[0].target.provider == first), "{user}");
        if first.as_str() == "b" {
            chosen += 1;
            assert_eq!((plans[0].why, plans[0].targets.len()), (Why::Canary, 2));
        } else {
            assert_eq!(plans[0].targets.len(), 1, "the others never come there");
        }
    }
    assert!((25..75).contains(&chosen), "{chosen} of 1,000 users");
}
