//! What limits cost the request path: the same call read, planned, admitted and settled, with none and with one of each
//! kind that bounds it.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

#[path = "../tests/limits/rig.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod rig;
#[path = "../tests/samples/sink.rs"]
mod sink;

use std::sync::Arc;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use gateway::admission::admit;
use gateway::dialects::openai::chat;
use gateway::limits::{Measure, Period, Rule, Scope, Shown};
use gateway::routing::{Wanted, plan};
use gateway::usage::{Settlement, Shipper};
use http::HeaderMap;
use rig::{Node, Provider, log};
use runtime::task::CancellationToken;
use schemas::event::{Charge, Meter, Outcome, Quantity};

/// Enough that nothing is refused.
const MUCH: i64 = 4_000_000_000;

fn five() -> Vec<Rule> {
    vec![
        Rule::new("hub", (Scope::Organisation, None), Measure::Requests, MUCH),
        Rule::new("team", (Scope::Project, Some("team")), Measure::Tokens, 2 * MUCH),
        Rule::new("key", (Scope::Key, None), Measure::Concurrent, MUCH),
        Rule::new("model", (Scope::Model, None), Measure::CallCost, MUCH),
        Rule::new("pays", (Scope::Account, None), Measure::Spend(Period::Month), i64::MAX / 4),
    ]
}

fn settlement() -> Settlement {
    let quantity = |meter, units| Quantity { meter, units };
    let charge = Charge {
        provider: "openai".into(),
        credential: "main".into(),
        model: "gpt-4o-mini".into(),
        quantities: vec![quantity(Meter::Input, 200), quantity(Meter::Output, 50)],
        estimated: false,
        reported_nano: None,
    };
    let (outcome, status) = (Outcome::Completed, 200);
    Settlement { outcome, error: None, status, charges: vec![charge], ttft: None }
}

fn calls(criterion: &mut Criterion) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let node = runtime.block_on(async {
        let provider = Provider::start().await;
        Node::start(folder.path(), &log(folder.path()), &provider, Vec::new()).await
    });
    let gateway = &node.gateway;
    let token = CancellationToken::new();
    let shipper =
        Shipper::new(Arc::clone(&gateway.outbox)).run(Arc::new(sink::Sink), token.clone());
    let shipper = {
        let _entered = runtime.enter();
        runtime::task::spawn("shipper", shipper)
    };
    let body = Bytes::from(rig::chat().to_string());
    for (name, rules) in [("no limits", Vec::new()), ("five limits", five())] {
        node.bound(rules);
        let snapshot = gateway.snapshot.load_full();
        let key = snapshot.keys.values().find(|key| key.id.as_str() == "one").unwrap();
        let headers = HeaderMap::new();
        let once = || {
            let id = gateway.new_call();
            let mut call = chat(&headers, body.clone()).unwrap();
            call.id = id;
            let (health, now) = (gateway.health.load(), gateway.clock.now());
            let wanted = Wanted::of(&call, key);
            let view = gateway.local.view();
            let mut plan = plan(&wanted, &snapshot, &health, &view, now, id.seed()).unwrap();
            let mut shown = Shown::default();
            admit(gateway, id, &snapshot, key, &mut call, &mut plan, &mut shown)
        };
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                loop {
                    match once() {
                        Ok(ticket) => break drop(ticket.settle(settlement())),
                        // the shipper is behind: again, as a refused caller would
                        Err(_) => std::thread::yield_now(),
                    }
                }
            });
        });
    }
    token.cancel();
    drop(runtime.block_on(shipper));
}

criterion_group!(limits, calls);
criterion_main!(limits);
