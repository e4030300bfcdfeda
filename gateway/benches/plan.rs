//! What a plan costs over a route of a thousand targets, in all weathers. Beside criterion's mean the
//! 50th and the 99th percentile of 4,000 plans are printed, each the best of five: what else the machine
//! does meanwhile is no part of a plan.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

#[path = "../tests/routing/rig.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod rig;

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use gateway::config::{ModelSeed, ProviderSeed};
use gateway::routing::{Needs, Strategy, Wanted};
use rig::{NOW, Rig, model, provider, target};
use schemas::event::{AttemptError, HealthState};

/// Ten providers with a hundred credentials each.
fn thousand(strategy: Strategy) -> Rig {
    let ids: Vec<String> = (0..10).map(|id| format!("p{id}")).collect();
    let weights: Vec<u32> = (0..100).map(|n| 1 + n % 4).collect();
    let providers: Vec<ProviderSeed> = ids.iter().map(|id| provider(id, &weights)).collect();
    let route = model("m", ids.iter().map(|id| target(id)).collect());
    let rig = Rig::new(providers, vec![ModelSeed { strategy, ..route }]);
    // all have been called
    for known in &rig.snapshot.routes[&"m".into()].targets {
        let flight = rig.local.begin(&known.target, known.keys, false, NOW);
        flight.ended(AttemptError::None, None, rig::after(0.2));
    }
    rig
}

/// So many of ten targets are in this state, the others healthy.
fn ill(mut rig: Rig, of_ten: usize, state: HealthState) -> Rig {
    for n in 0..1_000 {
        let is = if n % 10 < of_ten { state } else { HealthState::Healthy };
        rig.is(&format!("p{}", n / 100), &format!("c{}", n % 100), is);
    }
    rig
}

fn plans(c: &mut Criterion) {
    use HealthState::{Degraded, Ejected};
    let name = "m".into();
    for (case, rig) in [
        ("all healthy", ill(thousand(Strategy::Weighted), 0, Ejected)),
        ("a tenth ejected", ill(thousand(Strategy::Weighted), 1, Ejected)),
        ("half degraded", ill(thousand(Strategy::Weighted), 5, Degraded)),
        ("all ejected", ill(thousand(Strategy::Weighted), 10, Ejected)),
        ("latency", ill(thousand(Strategy::Latency), 1, Ejected)),
        ("cost", ill(thousand(Strategy::Cost), 1, Ejected)),
        ("busy", ill(thousand(Strategy::Busy), 1, Ejected)),
        ("affinity", ill(thousand(Strategy::Affinity), 1, Ejected)),
    ] {
        let wanted = Wanted { needs: Needs::TOOLS, prefix: 7, ..Wanted::model(&name) };
        let plan = |seed: u64| {
            let seed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            black_box(rig.plan(black_box(&wanted), seed).unwrap())
        };
        let timed = |seed| {
            let start = Instant::now();
            plan(seed);
            start.elapsed()
        };
        let best = |seed| (0..5).map(|_| timed(seed)).min().unwrap();
        let mut times: Vec<Duration> = (0..4_000).map(best).collect();
        times.sort();
        println!("{case}: p50 {:?}, p99 {:?}", times[2_000], times[3_960]);
        let mut seed = 0;
        c.bench_function(case, |bench| {
            bench.iter(|| {
                seed += 1;
                plan(seed)
            })
        });
    }
}

criterion_group! {
    name = all;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(30)
        .without_plots();
    targets = plans
}
criterion_main!(all);
