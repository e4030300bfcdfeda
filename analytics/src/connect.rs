//! Connections to ClickHouse: plain, or over TLS where its address says https.

use std::path::Path;
use std::time::Duration;

use http::Request;
use http_body::Body;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Builder, Client, ResponseFuture};
use hyper_util::rt::TokioExecutor;
use runtime::tls;

/// Of connections that carry nothing for a while.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// ClickHouse closes a connection that is not used for three seconds; we do it before.
const IDLE: Duration = Duration::from_secs(2);

/// Makes them. Cheap to clone.
#[derive(Clone, Default)]
pub enum Connector {
    /// Plain ones only.
    #[default]
    Plain,
    /// Over TLS.
    Tls(HttpsConnector<HttpConnector>),
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Tls(_) => "Tls",
        })
    }
}

impl Connector {
    /// To this address. Over TLS its certificate must come from an authority of this machine, or
    /// of the file `ca`.
    ///
    /// # Errors
    /// The file is not one of certificates.
    pub fn new(url: &str, ca: Option<&Path>) -> Result<Self, tls::Error> {
        if !url.starts_with("https://") {
            return Ok(Self::Plain);
        }
        let mut tcp = tcp();
        tcp.enforce_http(false);
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls::client(ca)?);
        Ok(Self::Tls(builder.https_only().enable_http1().wrap_connector(tcp)))
    }

    /// A client that says nothing of who it is yet.
    pub(crate) fn client(&self) -> clickhouse::Client {
        match self {
            Self::Plain => clickhouse::Client::with_http_client(pool().build(tcp())),
            Self::Tls(tls) => clickhouse::Client::with_http_client(pool().build(tls.clone())),
        }
    }

    /// Sends one request over a connection of its own.
    pub fn request<B>(&self, request: Request<B>) -> ResponseFuture
    where
        B: Body + Send + Unpin + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        match self {
            Self::Plain => pool().build(tcp()).request(request),
            Self::Tls(tls) => pool().build(tls.clone()).request(request),
        }
    }
}

fn pool() -> Builder {
    let mut builder = Client::builder(TokioExecutor::new());
    builder.pool_idle_timeout(IDLE);
    builder
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp
}
