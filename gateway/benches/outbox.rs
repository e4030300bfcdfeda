//! What accounting for a call costs the request path.
#![expect(clippy::unwrap_used, reason = "a benchmark")]

#[path = "../tests/samples/sink.rs"]
mod sink;
#[path = "../tests/samples/target.rs"]
mod target;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use gateway::admission::Accounts;
use gateway::routing::Target;
use gateway::usage::{Admission, AttemptReport, Options, Outbox, Partitions, Settlement, Shipper};
use runtime::clock::Micros;
use runtime::task::CancellationToken;
use schemas::event::{AttemptError, Charge, Meter, Operation, Outcome, Quantity};
use schemas::ids::CallId;
use schemas::money::Nano;

fn admission(number: u64) -> Admission {
    let mut random = [0; 10];
    random[..8].copy_from_slice(&number.to_be_bytes());
    Admission {
        call: CallId::new(1_700_000_000_000, &random),
        account: "acme".into(),
        project: "search".into(),
        key: "k_0123456789abcdef".into(),
        user: Some("user-1234".into()),
        client: Some("OpenAI/Python 1.99.9".into()),
        tags: [("team".to_owned(), "red".to_owned())].into(),
        operation: Operation::Chat,
        dialect: "openai.chat",
        streamed: true,
        model: "gpt-4o-mini".into(),
        price_version: "0123456789abcdef".into(),
        input_estimate: 250,
    }
}

fn settlement() -> Settlement {
    let quantity = |meter, units| Quantity { meter, units };
    Settlement {
        outcome: Outcome::Completed,
        error: None,
        status: 200,
        charges: vec![Charge {
            provider: "openai".into(),
            credential: "main".into(),
            model: "gpt-4o-mini".into(),
            quantities: vec![
                quantity(Meter::Input, 200),
                quantity(Meter::InputCached, 1024),
                quantity(Meter::Output, 150),
            ],
            estimated: false,
            reported_nano: None,
        }],
        ttft: Some(Duration::from_millis(300)),
    }
}

fn report(target: &Arc<Target>) -> AttemptReport {
    AttemptReport {
        target: Arc::clone(target),
        status: 200,
        error: AttemptError::None,
        retry_after: None,
        started_at: Micros(1_700_000_000_000_000),
        ttft: Some(Duration::from_millis(300)),
        duration: Duration::from_millis(900),
    }
}

fn benches(criterion: &mut Criterion) {
    let Ok(folder) = tempfile::tempdir() else {
        return;
    };
    let options = Options::new(folder.path(), Partitions { usage: 4, attempts: 4 });
    let Ok(outbox) = Outbox::open(options) else {
        return;
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let Ok(runtime) = runtime else { return };
    let token = CancellationToken::new();
    let shipper = Shipper::new(Arc::clone(&outbox)).run(Arc::new(sink::Sink), token.clone());
    let shipper = {
        let _entered = runtime.enter();
        runtime::task::spawn("shipper", shipper)
    };
    let Ok(prices) = schemas::price::shipped().map(Arc::new) else {
        return;
    };
    let target = Arc::new(target::target("openai", "gpt-4o-mini"));
    let number = AtomicU64::new(0);
    let accounts = Accounts::new();
    let account = accounts.account(&"acme".into());
    account.apply_balance(&schemas::event::Balance {
        account: "acme".into(),
        balance: Nano(900_000_000_000_000_000).into(),
        granted: schemas::money::Amount::ZERO,
        spent: schemas::money::Amount::ZERO,
        account_seq: 1,
        hash: schemas::event::Hash::default(),
        at: 0,
        included: Vec::new(),
        leases: Vec::new(),
    });

    let admit = |hold| {
        let call = admission(number.fetch_add(1, Ordering::Relaxed));
        let mut admitted = outbox.admit(call, hold, Arc::clone(&prices));
        loop {
            match admitted {
                Ok(ticket) => return ticket,
                // the shipper is behind: again, as a refused caller would
                Err(_) => std::thread::yield_now(),
            }
            let call = admission(number.fetch_add(1, Ordering::Relaxed));
            admitted = outbox.admit(call, None, Arc::clone(&prices));
        }
    };
    criterion.bench_function("inputs alone", |bencher| {
        bencher.iter(|| {
            (admission(number.fetch_add(1, Ordering::Relaxed)), settlement(), report(&target))
        });
    });
    criterion.bench_function("admit and settle", |bencher| {
        bencher.iter(|| drop(admit(None).settle(settlement())));
    });
    criterion.bench_function("admit, sent, attempt and settle", |bencher| {
        bencher.iter(|| {
            let mut ticket = admit(None);
            ticket.sent(&target);
            ticket.attempt(report(&target));
            drop(ticket.settle(settlement()));
        });
    });
    criterion.bench_function("the same, prepaid", |bencher| {
        bencher.iter(|| {
            let mut ticket = admit(account.try_hold(Nano(1000)).ok());
            ticket.sent(&target);
            ticket.attempt(report(&target));
            drop(ticket.settle(settlement()));
        });
    });
    let ticket = admit(None);
    criterion.bench_function("progress", |bencher| {
        let mut units = 0;
        bencher.iter(|| {
            units += 1;
            ticket.progress(units);
        });
    });
    drop(ticket);
    criterion.bench_function("admit and settle, two threads", |bencher| {
        bencher.iter_custom(|iterations| {
            let start = Instant::now();
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        (0..iterations).for_each(|_| drop(admit(None).settle(settlement())))
                    });
                }
            });
            start.elapsed()
        });
    });
    token.cancel();
    drop(runtime.block_on(shipper));
}

criterion_group!(outbox, benches);
criterion_main!(outbox);
