//! `hub sql`: a query against the hub's ClickHouse, as its read-only user.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Context as _, bail};
use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

use crate::config::Config;
use crate::embedded::clickhouse::Role as User;
use crate::secrets::Secrets;

/// Sends the query and writes what comes back to standard output.
///
/// # Errors
/// No ClickHouse answers, or it refuses the query.
pub(crate) async fn run(config: &Config, query: &str, format: Option<&str>) -> anyhow::Result<()> {
    let url = config.clickhouse_url();
    let default =
        if std::io::stdout().is_terminal() { "PrettyCompact" } else { "PrettyCompactNoEscapes" };
    let secrets = Secrets::new(&config.data);
    if config.clickhouse.url.is_none() && !secrets.clickhouse_folder().is_dir() {
        bail!("no hub has been started with the data folder {} (HUB_DATA)", config.data.display());
    }
    let password = secrets.clickhouse(User::Reader)?;
    let request = Request::post(format!(
        "{url}/?database=hub&default_format={}",
        percent_encode(format.unwrap_or(default))
    ))
    .header("x-clickhouse-user", User::Reader.user())
    .header("x-clickhouse-key", password.expose())
    .header(header::CONTENT_TYPE, "text/plain")
    .body(Body::from(query.to_owned()))?;
    let client: Client<HttpConnector, Body> = Client::builder(TokioExecutor::new()).build_http();
    let response = client.request(request).await.with_context(|| {
        format!("no ClickHouse answers at {url}; is the hub running, and was the engine's library found (make clickhouse)?")
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
