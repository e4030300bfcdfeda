//! `hub probe`: is the hub process of these settings ready? For health checks of containers, whose
//! images have nothing else to ask with.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;

use crate::config::Config;
use crate::own::{self, Trust};

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
    let (url, client) = own::client(config, Trust::Anybody, PATIENCE)?;
    let named = || format!("nothing answers at {url}, as admin_listen (HUB_ADMIN_LISTEN) says");
    let mut answer = client.get(format!("{url}{path}")).send().await.with_context(named)?;
    let status = answer.status();
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.with_context(named)? {
        if body.len() + chunk.len() > LARGEST {
            bail!("the answer of {url} is larger than {LARGEST} bytes");
        }
        body.extend_from_slice(&chunk);
    }
    Ok((status, body.into()))
}
