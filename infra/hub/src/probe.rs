//! `hub probe`: is the hub process of these settings ready? For health checks of containers, whose
//! images have nothing else to ask with.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::body::{Body, Bytes};
use http::{StatusCode, Uri};
use http_body_util::{BodyExt as _, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::config::Config;

/// The longest wait for the answer, and its largest size.
const PATIENCE: Duration = Duration::from_secs(5);
const LARGEST: usize = 4 << 20;

/// Asks it.
///
/// # Errors
/// It is not ready, or not there.
pub(crate) async fn run(config: &Config) -> anyhow::Result<()> {
    let (status, body) = ask(config, "/readyz").await?;
    if status != StatusCode::OK {
        let report: Value = serde_json::from_slice(&body).unwrap_or_default();
        bail!("not ready: {}", report["why"].as_str().unwrap_or("it does not say why"));
    }
    writeln!(std::io::stdout(), "ready")?;
    Ok(())
}

/// What its operators' listener answers at this path.
///
/// # Errors
/// It is not there.
pub(crate) async fn ask(config: &Config, path: &str) -> anyhow::Result<(StatusCode, Bytes)> {
    let address = reachable(&config.admin_listen);
    let named = || format!("nothing answers at {address}, as admin_listen (HUB_ADMIN_LISTEN) says");
    let answer = tokio::time::timeout(PATIENCE, get(&address, path)).await;
    answer.with_context(named)?.with_context(named)
}

async fn get(address: &str, path: &str) -> anyhow::Result<(StatusCode, Bytes)> {
    let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
    let uri: Uri = format!("http://{address}{path}").parse()?;
    let answer = client.get(uri).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), LARGEST).collect().await;
    Ok((status, body.map_err(anyhow::Error::from_boxed)?.to_bytes()))
}

/// Who listens on all addresses is asked on loopback.
fn reachable(listen: &str) -> String {
    match listen.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_unspecified() => {
            let ip = match address.ip() {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            };
            SocketAddr::new(ip, address.port()).to_string()
        }
        Ok(_) | Err(_) => listen.to_owned(),
    }
}
