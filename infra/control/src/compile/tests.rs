use std::collections::{BTreeMap, BTreeSet};

use gateway::control::catalogue;
use gateway::providers::compat;
use proptest::prelude::{any, prop, prop_assert_eq, proptest};
use runtime::clock::Micros;
use schemas::event::Control;
use serde_json::{Value, json};

use super::*;

fn local() -> Surroundings {
    Surroundings {
        vendors: Arc::new(compat::shipped().unwrap()),
        catalogue: Arc::new(catalogue::shipped().unwrap()),
        prices: Arc::new(PriceBook::default()),
        own_prices: None,
        call_time: Duration::from_secs(60),
        unpriced: Unpriced::Flag,
        providers: Vec::new(),
        environment: Arc::new(HashMap::from([("KEY".to_owned(), "secret".to_owned())])),
    }
}

fn apply(state: &mut State, kind: &str, id: &str, body: Option<&Value>) {
    let control = Control {
        kind: kind.into(),
        id: id.into(),
        deleted: body.is_none(),
        body: body.map(Value::to_string).unwrap_or_default().into_bytes(),
        ..Control::default()
    };
    let (next, at) = (state.next, state.at);
    state.apply(&control, next, Micros(at.0 + 1));
}

/// All of a snapshot that depends on what is configured, in an order of its own.
fn told(
    (snapshot, problems): (Snapshot, Vec<Problem>),
) -> (BTreeMap<String, String>, Vec<Problem>) {
    let keys =
        snapshot.keys.iter().map(|(hash, key)| (format!("key {hash:?}"), format!("{key:?}")));
    let signing = snapshot.signing.iter().map(|(id, it)| (format!("aws {id}"), format!("{it:?}")));
    let accounts = snapshot.accounts.iter().map(|(id, it)| (format!("of {id}"), format!("{it:?}")));
    let serving = [
        ("routes", format!("{:?} {:?}", snapshot.routes, snapshot.patterns)),
        ("providers", format!("{:?}", snapshot.providers)),
        ("prices", format!("{} {:?}", snapshot.price_version, snapshot.prices)),
        ("scripts", snapshot.scripts.to_string()),
    ];
    let serving = serving.map(|(name, text)| (name.to_owned(), text));
    (keys.chain(signing).chain(accounts).chain(serving).collect(), problems)
}

fn key(n: u8, hash: u8, project: u8, extra: u8) -> (String, Value) {
    let mut body = json!({"hash": format!("{hash:064x}"), "project": format!("p{project}")});
    match extra {
        0 => body["disabled"] = true.into(),
        1 => body["previous"] = json!([{"hash": format!("{:064x}", hash ^ 1), "until": 7}]),
        2 => body["origins"] = json!(["*"]),
        3 => body["addresses"] = json!(["nowhere"]),
        4 => {
            body["aws"] = json!({"access_key_id": format!("AK{}", hash % 3), "secret": {"reference": "env:KEY"}});
        }
        5 => body["user"] = json!("u0"),
        _ => {}
    }
    (format!("k{n}"), body)
}

/// What is changed, of which entity, and how, in small numbers.
type Change = (u8, u8, u8, u8, u8);

fn change() -> impl proptest::strategy::Strategy<Value = Change> {
    (0_u8..7, 0_u8..4, 0_u8..6, 0_u8..2, 0_u8..8)
}

fn step(state: &mut State, (what, n, hash, project, extra): Change) {
    let off = json!({"disabled": extra == 0});
    match what {
        0..3 => {
            let (id, body) = key(n, hash, project, extra);
            apply(state, "key", &id, Some(&body));
        }
        3 => apply(state, "key", &format!("k{n}"), None),
        4 if extra < 3 => apply(state, "project", &format!("p{project}"), Some(&off)),
        4 => apply(state, "user", "u0", Some(&off)),
        5 => {
            let body =
                json!({"vendor": "openai", "models": [format!("m{hash}")], "disabled": extra == 0});
            apply(state, "provider", &format!("v{n}"), (extra > 1).then_some(&body));
        }
        _ => {
            let id = format!("v{n}.main");
            let secret = if extra == 0 { "env:NONE" } else { "env:KEY" };
            let body = json!({"provider": format!("v{n}"), "name": "main", "secret": {"reference": secret}});
            apply(state, "credential", &id, Some(&body));
            let tier = json!([{"rates": {"input": hash.to_string()}}]);
            let body = json!({"provider": format!("v{n}"), "model": "m1", "tiers": tier});
            apply(state, "price", &format!("r{n}"), Some(&body));
        }
    }
}

proptest! {
    /// However a state came about, and wherever it was compiled on the way, the same comes out.
    #[test]
    fn what_is_compiled_step_by_step_is_what_is_compiled_at_once(
        steps in prop::collection::vec((change(), any::<bool>()), 1..40),
    ) {
        let (local, hash, opened) = (local(), KeyHash::default(), Opened::new());
        let (mut state, mut compiled) = (State::default(), Compiled::default());
        for (change, looked) in steps {
            step(&mut state, change);
            if looked {
                let by_steps = told(compiled.update(&state, &local, &hash, &opened));
                prop_assert_eq!(by_steps, told(compile(&state, &local, &hash, &opened)));
            }
        }
    }
}

#[test]
fn one_key_that_changes_is_the_only_one_that_is_made_anew() {
    let (local, hash, opened) = (local(), KeyHash::default(), Opened::new());
    let (mut state, mut compiled) = (State::default(), Compiled::default());
    for n in 0..9 {
        let (id, body) = key(n, n * 8, 0, 9);
        apply(&mut state, "key", &id, Some(&body));
    }
    let (before, _) = compiled.update(&state, &local, &hash, &opened);
    let (id, body) = key(4, 32, 0, 2);
    apply(&mut state, "key", &id, Some(&body));
    let (after, _) = compiled.update(&state, &local, &hash, &opened);
    let other = |hash: &[u8; 32]| !Arc::ptr_eq(&before.keys[hash], &after.keys[hash]);
    let changed: BTreeSet<_> = after.keys.keys().filter(|hash| other(hash)).collect();
    assert_eq!(changed.len(), 1);
}
