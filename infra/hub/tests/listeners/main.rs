//! Listeners of a hub that runs: TLS, who may listen in, and whom they believe.
#![cfg(test)]

mod plain;
mod proxies;
mod tls;

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use gateway::config::{DiscoveryConfig, OutboxConfig};
use hub::config::Config;
use hub::role::Role;
use hub::serve::{Running, start};
use runtime::config::Bytes;

/// Settings of a gateway on free ports, which asks nobody for anything.
fn settings(folder: &Path) -> Config {
    Config {
        listen: "127.0.0.1:0".into(),
        admin_listen: "127.0.0.1:0".into(),
        data: folder.join("data"),
        outbox: OutboxConfig {
            segment: Bytes(1 << 20),
            limit: Bytes(8 << 20),
            ..OutboxConfig::default()
        },
        discovery: DiscoveryConfig { enabled: false, ..DiscoveryConfig::default() },
        ..Config::default()
    }
}

async fn gateway(config: Config) -> anyhow::Result<Running> {
    start(config, HashMap::new(), &[Role::Gateway], false).await
}

/// Asks until something is answered that is wanted.
async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let began = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A client that trusts the certificate of a file too.
fn client(certificate: Option<&Path>) -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
    builder.use_preconfigured_tls(runtime::tls::client(certificate).unwrap()).build().unwrap()
}
