//! Attempts to health.

use std::time::Duration;

use processors::health::Thresholds;
use processors::replay;
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use schemas::event::{Attempt, AttemptError, Dead, Health, HealthState, Purpose, Tick};
use schemas::ids::{CallId, Origin};
use schemas::topics::Topic;

use crate::flaky::Flaky;
use crate::rig::{Rig, Running};

pub(crate) fn attempt(origin: u8, seq: i64, error: AttemptError) -> Attempt {
    Attempt {
        origin: Origin([origin; 16]),
        seq,
        call: CallId([3; 16]),
        number: 1,
        purpose: Purpose::Call,
        provider: "openai".into(),
        credential: "main".into(),
        credential_version: 1,
        model: ["gpt-4o", "gpt-4o-mini"][usize::from(seq % 2 == 0)].into(),
        status: 200,
        error,
        retry_after_ms: None,
        started_at: crate::rig::START.0,
        ttft_us: Some(80_000),
        duration_us: 500_000,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_replays_exactly() {
    for seed in 0..3 {
        let rig = Rig::new(2);
        let mut random = SmallRng::seed_from_u64(seed);
        let flaky = rig.deps_on(Flaky::over(rig.log.clone(), seed, 15));
        let mut running = Running::health(&flaky);
        let mut seq = 0;
        for _ in 0..20 {
            let mut records = Vec::new();
            for _ in 0..20 {
                seq += 1;
                let error = AttemptError::ALL[random.random_range(0..AttemptError::ALL.len())];
                let error = if random.random_ratio(2, 3) { AttemptError::None } else { error };
                let record = rig.attempt_record(&attempt(1, seq, error));
                if random.random_ratio(1, 8) {
                    records.push(record.clone()); // sent again
                }
                records.push(record);
            }
            rig.log.append(records).await.unwrap();
            rig.clock.advance(Duration::from_secs(random.random_range(1..20)));
            let tick = Tick { period_us: 5_000_000 };
            for partition in 0..2 {
                let tick = rig.record(Topic::Attempts.at(partition), "tick", &tick);
                rig.log.append(vec![tick]).await.unwrap();
            }
            if random.random_ratio(1, 3) {
                drop(running);
                running = Running::health(&flaky);
            }
        }
        rig.until_done("health", &[Topic::Attempts]).await;
        drop(running);
        let mut subjects = 0;
        for partition in 0..2 {
            let report = replay::health(&rig.deps, partition, Thresholds::default()).await.unwrap();
            assert!(report.is_same(), "seed {seed}: {report:#?}");
            subjects += report.compared.get("health").copied().unwrap_or(0);
        }
        assert_eq!(subjects, 6, "two targets, their credential, its provider and two models");
    }
}

#[tokio::test]
async fn a_bad_key_is_seen_at_once() {
    let rig = Rig::new(1);
    let _running = Running::health(&rig.deps);
    let mut foreign = rig.attempt_record(&attempt(1, 2, AttemptError::None));
    foreign.record.value = Some(bytes::Bytes::from_static(b"\0\0\0\0\x02"));
    let records = vec![rig.attempt_record(&attempt(1, 1, AttemptError::Auth)), foreign];
    rig.log.append(records).await.unwrap();
    rig.until_done("health", &[Topic::Attempts]).await;
    let published = rig.latest(Topic::Health).await;
    let health: Health = rig.codec.decode(&published["openai/main@1"]).unwrap();
    assert_eq!((health.state, health.score), (HealthState::Disabled, 0));
    let dead: Vec<Dead> = rig.events_of(Topic::Dead).await;
    assert_eq!((dead.len(), dead[0].code.as_str()), (1, "undecodable"));
}
