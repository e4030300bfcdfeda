//! Failover on the wire: callers notice nothing, gateways agree, and health can die and come back.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

#[path = "rig/mod.rs"]
#[expect(dead_code, reason = "shared with the tests over one hub")]
mod rig;

use std::time::Duration;

use e2e::failover::{Hubs, Load, Setting, Times, Upstreams, WAYS, Way, settings};
use rig::eventually;

const PATIENCE: Duration = Duration::from_secs(120);
const TIMES: Times = Times {
    well: Duration::from_secs(2),
    ill: Duration::from_secs(6),
    after: Duration::from_secs(4),
};

fn way(name: &str) -> Way {
    *WAYS.iter().find(|way| way.name.contains(name)).unwrap()
}

async fn upstreams(folder: &std::path::Path) -> (Upstreams, String) {
    let upstreams = Upstreams::start().await.unwrap();
    let more = settings(&upstreams, folder).unwrap();
    (upstreams, more)
}

/// Whether all gateways know the first upstream's target or credential in such a state.
fn know(hubs: &Hubs, states: &[&str]) -> bool {
    hubs.states().iter().all(|known| {
        let sick = known.iter().filter(|(subject, ..)| subject.starts_with("a/"));
        sick.clone().count() > 0
            && sick.clone().any(|(_, state, _)| states.contains(&state.as_str()))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_a_hub_alone_notice_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (upstreams, more) = upstreams(folder.path()).await;
    let hubs = tokio::task::block_in_place(|| Hubs::alone(rig::binary(), folder.path(), &more));
    let hubs = hubs.unwrap();
    let mut setting = Setting { upstreams, gateways: hubs.gateways(), rate: 20.0 };
    for name in ["500", "refused", "bad key"] {
        let measured = setting.play(way(name), TIMES, || ()).await.unwrap();
        assert!(measured.calls > 50, "{measured:?}");
        assert_eq!(measured.failed, 0, "{name}: {measured:?}");
        assert!(measured.ejected.is_some(), "{name}: {measured:?}");
    }
    tokio::task::block_in_place(|| hubs.replay()).unwrap();
}

/// Nobody calls, and yet it comes back: probes found it well.
#[tokio::test(flavor = "multi_thread")]
async fn a_probe_brings_back_who_nobody_asks() {
    let folder = tempfile::tempdir().unwrap();
    let (mut upstreams, more) = upstreams(folder.path()).await;
    let more = format!("probes = {{ paid = [\"a\"], every = \"1s\", per_hour = 3600 }}\n{more}");
    let hubs = tokio::task::block_in_place(|| Hubs::alone(rig::binary(), folder.path(), &more));
    let hubs = hubs.unwrap();
    let gateways = hubs.gateways();
    let seen = |what: &str, look: &dyn Fn() -> bool| {
        tokio::task::block_in_place(|| eventually(what, PATIENCE, || look().then_some(())));
    };
    upstreams.fail(way("500")).await.unwrap();
    let load = Load::start(&gateways.callers, &gateways.key, "m", 20.0);
    seen("it is out", &|| know(&hubs, &["ejected", "probing"]));
    let calls = tokio::task::block_in_place(|| load.stop());
    assert!(calls.iter().all(|call| call.answered));
    let asked = |upstreams: &Upstreams| upstreams.asked();
    let before = asked(&upstreams);
    seen("it is probed", &|| asked(&upstreams) > before);
    assert!(know(&hubs, &["ejected", "probing"]), "{:?}", hubs.states());
    upstreams.mend().await.unwrap();
    seen("it is back", &|| {
        let states = hubs.states();
        states.iter().flatten().all(|(_, state, _)| state == "healthy")
    });
    tokio::task::block_in_place(|| hubs.replay()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_agree_and_health_may_die() {
    let folder = tempfile::tempdir().unwrap();
    let (mut upstreams, more) = upstreams(folder.path()).await;
    let binary = rig::binary();
    let hubs = tokio::task::block_in_place(|| Hubs::on_kafka(binary, folder.path(), &more));
    let mut hubs = hubs.unwrap();
    let gateways = hubs.gateways();
    let load = Load::start(&gateways.callers, &gateways.key, "m", 20.0);
    let seen = |what: &str, look: &dyn Fn() -> bool| {
        tokio::task::block_in_place(|| eventually(what, PATIENCE, || look().then_some(())));
    };
    let calls = |more: usize| {
        let wanted = load.calls().len() + more;
        seen("calls go on", &|| load.calls().len() >= wanted);
    };
    seen("both know of it", &|| know(&hubs, &["healthy"]));
    upstreams.fail(way("500")).await.unwrap();
    seen("both have it out", &|| know(&hubs, &["ejected", "probing"]));

    // frozen where it was, and nobody is hurt
    tokio::task::block_in_place(|| hubs.kill_health()).unwrap();
    let mut frozen = hubs.states();
    seen("the last of it is read", &|| {
        let before = hubs.states();
        std::thread::sleep(Duration::from_millis(500));
        before == hubs.states()
    });
    frozen.clone_from(&hubs.states());
    assert_eq!(frozen[0], frozen[1], "both know the same");
    calls(60);
    assert_eq!(hubs.states(), frozen);
    upstreams.mend().await.unwrap();
    calls(60);
    assert_eq!(hubs.states(), frozen);

    hubs.start_health().unwrap();
    seen("both have it back", &|| {
        let states = hubs.states();
        states.iter().flatten().all(|(_, state, _)| state == "healthy")
    });
    let calls = tokio::task::block_in_place(|| load.stop());
    let failed = calls.iter().filter(|call| !call.answered).count();
    assert_eq!(failed, 0, "of {} calls", calls.len());
    tokio::task::block_in_place(|| hubs.replay()).unwrap();
}
