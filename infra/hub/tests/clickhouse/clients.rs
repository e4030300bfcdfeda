//! clickhouse-connect and @clickhouse/client, unchanged and with their defaults: `tests/clickhouse/run` installs and runs them.

use hub::embedded::clickhouse::Role;

use crate::harness::{Hub, cache, checkout};

#[tokio::test(flavor = "multi_thread")]
async fn official_python_and_node_clients() {
    let hub = Hub::start().await;
    let address = hub.supervisor.address();
    let output = tokio::process::Command::new(checkout().join("tests/clickhouse/run"))
        .env("HUB_CACHE", cache())
        .env("CLICKHOUSE_HOST", address.ip().to_string())
        .env("CLICKHOUSE_PORT", address.port().to_string())
        .env("CLICKHOUSE_WRITER_PASSWORD", hub.password(Role::Writer))
        .env("CLICKHOUSE_READER_PASSWORD", hub.password(Role::Reader))
        .output()
        .await
        .unwrap();
    let told = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    println!("{}", told(&output.stdout));
    assert!(output.status.success(), "{}\n{}", told(&output.stdout), told(&output.stderr));
    hub.stop().await;
}
