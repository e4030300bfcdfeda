//! From names to targets.

use gateway::control::seed::Error;
use gateway::error::Kind;
use gateway::routing::{Wanted, Why};
use schemas::event::HealthState;

use crate::rig::{Rig, model, names, provider, refused, target};

#[test]
fn a_pin_stays_with_its_provider_unless_its_route_allows_more() {
    let mut route = model("m", vec![target("a"), target("b")]);
    for allowed in [false, true] {
        route.pin_fallback = allowed;
        let providers = vec![provider("a", &[1, 1]), provider("b", &[1])];
        let mut rig = Rig::new(providers, vec![route.clone()]);
        for credential in ["c0", "c1"] {
            rig.is("a", credential, HealthState::Ejected);
        }
        let pinned = rig.plan(&Wanted::model(&"a/m".into()), 1).unwrap();
        let mut all = names(&pinned);
        all.sort();
        match allowed {
            false => assert_eq!(all, ["a/c0/m", "a/c1/m"]),
            true => assert_eq!(all, ["a/c0/m", "a/c1/m", "b/c0/m"]),
        }
        let why = if allowed { Why::Failover } else { Why::LastResort };
        assert_eq!(pinned.why, why, "told in x-hub-route: not silently");
    }
}

#[test]
fn wildcards_repeat_what_they_stand_for_and_the_longest_fits() {
    let to = |provider: &str, model: &str| {
        let mut target = target(provider);
        target.model = (!model.is_empty()).then(|| model.to_owned());
        target
    };
    let models = vec![
        model("gpt-*", vec![to("a", "")]),
        model("gpt-4*", vec![to("b", "azure-*-eu")]),
        model("gpt-4o", vec![to("c", "exact")]),
        model("*", vec![to("d", "any")]),
    ];
    let providers = ["a", "b", "c", "d"].map(|id| provider(id, &[1]));
    let rig = Rig::new(providers.into(), models);
    for (asked, got) in [
        ("gpt-5", "a/c0/gpt-5"),
        ("gpt-4.1", "b/c0/azure-.1-eu"),
        ("gpt-4o", "c/c0/exact"),
        ("claude", "d/c0/any"),
        ("a/claude", "a/c0/claude"),
    ] {
        assert_eq!(rig.names(&Wanted::model(&asked.into()), 1), [got], "{asked}");
    }
}

#[test]
fn fallbacks_come_in_their_order_and_have_none_of_their_own() {
    let mut first = model("m", vec![target("a")]);
    first.fallbacks = vec!["other".into(), "b/text".into(), "not-there".into()];
    let mut other = model("other", vec![target("b")]);
    other.fallbacks = vec!["third".into()];
    let mut alias = model("alias", Vec::new());
    alias.fallbacks = vec!["other".into()];
    let models = vec![first, other, model("third", vec![target("c")]), alias];
    let providers = ["a", "b", "c"].map(|id| provider(id, &[1]));
    let mut rig = Rig::new(providers.into(), models);
    let wanted = ["m", "alias", "third"].map(Into::into);
    let [named, alias, third] = wanted.each_ref().map(Wanted::model);
    assert_eq!(rig.names(&named, 1), ["a/c0/m", "b/c0/m", "b/c0/text"]);
    assert_eq!(rig.names(&alias, 1), ["b/c0/m"]);
    assert_eq!(rig.plan(&alias, 1).unwrap().why, Why::Only);
    assert_eq!(rig.names(&third, 1), ["c/c0/m"]);
    rig.is("a", "c0", HealthState::Ejected);
    let plan = rig.plan(&named, 1).unwrap();
    assert_eq!(names(&plan), ["b/c0/m", "b/c0/text", "a/c0/m"], "the ill one is the last resort");
    assert_eq!(plan.why, Why::Failover);
}

#[test]
fn a_projects_routes_go_before_all_others() {
    let mut own = model("m", vec![target("b")]);
    own.projects = vec!["research".into()];
    let providers = ["a", "b"].map(|id| provider(id, &[1]));
    let rig = Rig::new(providers.into(), vec![model("m", vec![target("a")]), own]);
    let (name, research, other) = ("m".into(), "research".into(), "other".into());
    for (project, got) in [(None, "a/c0/m"), (Some(&other), "a/c0/m"), (Some(&research), "b/c0/m")]
    {
        let wanted = Wanted { project, ..Wanted::model(&name) };
        assert_eq!(rig.names(&wanted, 1), [got], "{project:?}");
    }
}

#[test]
fn what_is_not_served_is_named_and_wrong_routes_are_refused() {
    let providers = || vec![provider("a", &[1])];
    let rig = Rig::new(providers(), vec![model("m", vec![target("a")])]);
    for name in ["", "n", "a/", "b/m"] {
        let error = rig.plan(&Wanted::model(&name.into()), 1).unwrap_err();
        assert_eq!(
            (error.kind, error.field.as_deref()),
            (Kind::UnknownModel, Some("model")),
            "{name}"
        );
    }
    let one = || model("m", vec![target("a")]);
    let refused = |models| refused(providers(), models);
    assert!(matches!(refused(vec![one(), one()]), Error::Name(_)));
    for name in ["", "a/m", "a*b*", "*a*"] {
        let named = gateway::config::ModelSeed { name: name.into(), ..one() };
        assert!(matches!(refused(vec![named]), Error::Name(_)), "{name}");
    }
    assert!(matches!(refused(vec![model("m", Vec::new())]), Error::Empty(_)));
    let mut odd = one();
    odd.fallbacks = vec!["m".into()];
    assert!(matches!(refused(vec![odd]), Error::Fallback(_)));
    let mut odd = one();
    odd.targets[0].canary = Some(101);
    assert!(matches!(refused(vec![odd]), Error::Canary(_)));
    let mut odd = one();
    odd.max_price.input = Some("two".into());
    assert!(matches!(refused(vec![odd]), Error::MaxPrice { .. }));
}
