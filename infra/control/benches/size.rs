//! What a control plane of 10,000 keys, 1,000 providers and 1,000 models costs: a command folded in, a
//! snapshot made anew, a checkpoint written and read.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use control::checkpoint::{decode, encode};
use control::compile::{Compiled, Opened, Surroundings, compile};
use control::state::State;
use criterion::{Criterion, criterion_group, criterion_main};
use gateway::config::Unpriced;
use gateway::control::{Current, KeyHash, catalogue};
use gateway::providers::compat;
use runtime::clock::Micros;
use schemas::event::Control;
use serde_json::{Value, json};

const KEYS: usize = 10_000;
const PROVIDERS: usize = 1_000;
const PROJECTS: usize = 100;

fn local() -> Surroundings {
    let environment = HashMap::from([("UPSTREAM_KEY".to_owned(), "secret".to_owned())]);
    Surroundings {
        vendors: Arc::new(compat::shipped().unwrap()),
        catalogue: Arc::new(catalogue::shipped().unwrap()),
        prices: Arc::new(schemas::price::shipped().unwrap()),
        own_prices: None,
        call_time: Duration::from_secs(60),
        unpriced: Unpriced::Flag,
        providers: Vec::new(),
        environment: Arc::new(environment),
    }
}

fn event(kind: &str, id: &str, body: &Value) -> Control {
    Control {
        kind: kind.into(),
        id: id.into(),
        body: body.to_string().into_bytes(),
        actor: "key:owner".into(),
        command: Some(format!("{kind}/{id}")),
        ..Control::default()
    }
}

fn key(n: usize, title: &str) -> Control {
    let project = format!("project-{}", n % PROJECTS);
    let body = json!({"title": title, "hash": format!("{n:064x}"), "project": project,
        "scopes": {"models": ["gpt-4o", "claude-*"]}});
    event("key", &format!("key-{n}"), &body)
}

fn provider(n: usize, title: &str) -> Control {
    let (id, vendor) =
        (format!("provider-{n}"), if n.is_multiple_of(3) { "openai" } else { "vllm" });
    let url = format!("https://{id}.example/v1");
    let models = [format!("own-{n}")];
    let body = json!({"title": title, "vendor": vendor, "base_url": url, "models": models});
    event("provider", &id, &body)
}

/// Every third provider is OpenAI's and has its whole price list; the others serve what is said.
fn events() -> Vec<Control> {
    let mut events = vec![event("account", "default", &json!({}))];
    events.extend(
        (0..PROJECTS).map(|n| event("project", &format!("project-{n}"), &json!({"title": "x"}))),
    );
    for n in 0..PROVIDERS {
        let id = format!("provider-{n}");
        events.push(provider(n, "x"));
        let body =
            json!({"provider": id, "name": "main", "secret": {"reference": "env:UPSTREAM_KEY"}});
        events.push(event("credential", &format!("{id}.main"), &body));
        let next = format!("provider-{}", (n + 1) % PROVIDERS);
        let targets = json!([{"provider": id}, {"provider": next, "priority": 1}]);
        events.push(event("model", &format!("model-{n}"), &json!({"targets": targets})));
    }
    events.extend((0..KEYS).map(|n| key(n, "x")));
    events
}

fn fold(state: &mut State, event: &Control) {
    let (next, at) = (state.next, state.at);
    state.apply(event, next, Micros(at.0 + 1));
}

fn sizes(c: &mut Criterion) {
    let mut group = c.benchmark_group("control");
    group.sample_size(20);
    let mut state = State::default();
    for event in events() {
        fold(&mut state, &event);
    }
    let (local, hash, opened) = (local(), KeyHash::new(&[7; 32]), Opened::new());
    let (snapshot, problems) = compile(&state, &local, &hash, &opened);
    assert_eq!((snapshot.keys.len(), snapshot.providers.len()), (KEYS, PROVIDERS), "{problems:?}");
    assert!(problems.is_empty(), "{problems:?}");
    let current = Current::new(snapshot);

    let mut turn = 0;
    let mut compiled = Compiled::default();
    let mut swap = |state: &State| {
        current.configure(compiled.update(black_box(state), &local, &hash, &opened).0);
    };
    swap(&state);
    group.bench_function("swap a snapshot: a key has changed", |b| {
        b.iter(|| {
            turn += 1;
            let change = Control { command: None, ..key(turn % KEYS, &turn.to_string()) };
            fold(&mut state, &change);
            swap(&state);
        });
    });
    group.bench_function("swap a snapshot: a provider has changed", |b| {
        b.iter(|| {
            turn += 1;
            let change = Control { command: None, ..provider(turn % PROVIDERS, &turn.to_string()) };
            fold(&mut state, &change);
            swap(&state);
        });
    });
    group.bench_function("make a snapshot of all", |b| {
        b.iter(|| compile(black_box(&state), &local, &hash, &opened));
    });
    let kept = encode(&state, "log").unwrap();
    group.bench_function("write a checkpoint", |b| b.iter(|| encode(black_box(&state), "log")));
    group.bench_function("read a checkpoint", |b| b.iter(|| decode(black_box(&kept), "log")));
    group.finish();
}

criterion_group!(benches, sizes);
criterion_main!(benches);
