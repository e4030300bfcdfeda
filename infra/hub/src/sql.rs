//! `hub sql`: a query against the hub's ClickHouse, as its read-only user.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};
use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;

use crate::clickhouse::access;
use crate::config::{Config, Environment};
use crate::embedded::clickhouse::Role as User;
use crate::secrets::Secrets;

/// Sends the query and writes what comes back to standard output.
///
/// # Errors
/// No ClickHouse answers, or it refuses the query.
pub(crate) async fn run(
    config: &Config,
    environment: &Environment,
    query: &str,
    format: Option<&str>,
) -> anyhow::Result<()> {
    let default =
        if std::io::stdout().is_terminal() { "PrettyCompact" } else { "PrettyCompactNoEscapes" };
    let folder = Secrets::new(&config.data).clickhouse_folder();
    if config.clickhouse.url.is_none() && !folder.is_dir() {
        bail!("no hub has been started with the data folder {} (HUB_DATA)", config.data.display());
    }
    let access = access(config, environment, User::Reader)?;
    let request = Request::post(format!(
        "{}/?database={}&default_format={}",
        access.url,
        access.database,
        percent_encode(format.unwrap_or(default))
    ))
    .header("x-clickhouse-user", &access.user)
    .header("x-clickhouse-key", &access.password)
    .header(header::CONTENT_TYPE, "text/plain")
    .body(Body::from(query.to_owned()))?;
    let response = access.connector.request(request).await.with_context(|| {
        let (url, embedded) = (&access.url, config.clickhouse.url.is_none());
        let engine = "; is the hub running, and was the engine's library found (make clickhouse)?";
        format!("no ClickHouse answers at {url}{}", if embedded { engine } else { "" })
    })?;
    let refused = response.status() != StatusCode::OK;
    let mut body = response.into_body();
    let mut complaint = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        if refused {
            complaint.extend_from_slice(&data);
        } else {
            std::io::stdout().write_all(&data)?;
        }
    }
    if refused {
        bail!("{}", String::from_utf8_lossy(&complaint).trim());
    }
    Ok(())
}

/// Letters, digits and `_` stand for themselves.
fn percent_encode(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}
