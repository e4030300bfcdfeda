//! New connections: TCP, a proxy's tunnel where one is set, TLS, and the protocol that both ends
//! speak.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::Matcher;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower::ServiceExt as _;

use crate::config::UpstreamConfig;

/// Of connections that carry nothing for a while.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Why providers can't be reached as configured.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file with certificate authorities is not good.
    #[error("upstream.ca_file {0}")]
    CaFile(#[from] runtime::tls::Error),
    /// The proxy's address is not good.
    #[error("upstream.https_proxy must be an address such as http://proxy:3128")]
    Proxy,
}

/// A connection.
pub(super) type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;
/// Why there is none.
pub(super) type Refused = Box<dyn std::error::Error + Send + Sync>;

/// Makes connections.
#[derive(Clone, Debug)]
pub(super) struct Connector {
    direct: HttpsConnector<HttpConnector>,
    proxy: Option<Arc<Proxy>>,
    tls: Arc<ClientConfig>,
}

#[derive(Debug)]
struct Proxy {
    rules: Matcher,
    to: HttpConnector,
}

impl Connector {
    /// # Errors
    /// What is wrong with the configuration.
    pub(super) fn new(config: &UpstreamConfig) -> Result<Self, Error> {
        let tls = runtime::tls::client(config.ca_file.as_deref())?;
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.enforce_http(false);
        let mut with_protocols = tls.clone();
        with_protocols.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let proxy = config.https_proxy.as_deref().filter(|address| !address.is_empty());
        let proxy = proxy.map(|address| proxy_at(address, config.no_proxy.as_deref(), &tcp));
        Ok(Self {
            direct: over(tcp, tls),
            proxy: proxy.transpose()?.map(Arc::new),
            tls: Arc::new(with_protocols),
        })
    }

    /// A new connection to the host of `uri`. Give it a deadline: it has none of its own.
    ///
    /// # Errors
    /// No address, no answer, no trust, or the proxy's refusal.
    pub(super) async fn connect(&self, uri: Uri) -> Result<Stream, Refused> {
        let intercepted = self.proxy.as_ref().and_then(|proxy| {
            let by = proxy.rules.intercept(&uri)?;
            let tunnel = Tunnel::new(by.uri().clone(), proxy.to.clone());
            Some(match by.basic_auth() {
                Some(auth) => tunnel.with_auth(auth.clone()),
                None => tunnel,
            })
        });
        match intercepted {
            None => self.direct.clone().oneshot(uri).await,
            Some(tunnel) => {
                let tls = Arc::clone(&self.tls);
                HttpsConnector::from((tunnel, tls)).oneshot(uri).await
            }
        }
    }
}

fn over(tcp: HttpConnector, tls: ClientConfig) -> HttpsConnector<HttpConnector> {
    HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp)
}

fn proxy_at(address: &str, except: Option<&str>, tcp: &HttpConnector) -> Result<Proxy, Error> {
    let url: url::Url = address.parse().map_err(|_| Error::Proxy)?;
    // a proxy that is itself behind TLS would need TLS in TLS
    if url.scheme() != "http" || url.host().is_none() {
        return Err(Error::Proxy);
    }
    let rules = Matcher::builder().https(address).no(except.unwrap_or_default()).build();
    Ok(Proxy { rules, to: tcp.clone() })
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn bad_configuration_is_named() {
        let with = |ca_file: Option<&str>, https_proxy: Option<&str>| UpstreamConfig {
            ca_file: ca_file.map(PathBuf::from),
            https_proxy: https_proxy.map(str::to_owned),
            ..UpstreamConfig::default()
        };
        for (config, says) in [
            (with(Some("/nowhere/ca.pem"), None), "upstream.ca_file /nowhere/ca.pem"),
            (with(Some("Cargo.toml"), None), "no certificate in PEM"),
            (with(None, Some("proxy")), "upstream.https_proxy"),
            (with(None, Some("https://proxy:3128")), "upstream.https_proxy"),
            (with(None, Some("socks5://proxy:3128")), "upstream.https_proxy"),
        ] {
            let error = Connector::new(&config).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        Connector::new(&with(None, Some("http://someone:secret@127.0.0.1:3128"))).unwrap();
    }
}
