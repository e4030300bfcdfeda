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

use super::names::{Names, Resolver, System};
use super::zone::Zone;
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
    public: HttpsConnector<HttpConnector<Resolver>>,
    private: HttpsConnector<HttpConnector<Resolver>>,
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
        Self::with(config, Arc::new(System))
    }

    fn with(config: &UpstreamConfig, names: Arc<dyn Names>) -> Result<Self, Error> {
        let tls = runtime::tls::client(config.ca_file.as_deref())?;
        let mut with_protocols = tls.clone();
        with_protocols.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let proxy = config.https_proxy.as_deref().filter(|address| !address.is_empty());
        let proxy = proxy.map(|address| proxy_at(address, config.no_proxy.as_deref()));
        let within = |zone| {
            let tcp = HttpConnector::new_with_resolver(Resolver::new(&names, zone));
            over(settled(tcp), tls.clone())
        };
        Ok(Self {
            public: within(Zone::Public),
            private: within(Zone::Private),
            proxy: proxy.transpose()?.map(Arc::new),
            tls: Arc::new(with_protocols),
        })
    }

    /// A new connection to the host of `uri`, within the zone. Give it a deadline: it has none of its own.
    ///
    /// # Errors
    /// No address, one that is not allowed, no answer, no trust, or the proxy's refusal.
    pub(super) async fn connect(&self, uri: Uri, zone: Zone) -> Result<Stream, Refused> {
        // numbers are not resolved
        zone.check_host(uri.host().unwrap_or_default())?;
        let intercepted = self.proxy.as_ref().and_then(|proxy| {
            let by = proxy.rules.intercept(&uri)?;
            let tunnel = Tunnel::new(by.uri().clone(), proxy.to.clone());
            Some(match by.basic_auth() {
                Some(auth) => tunnel.with_auth(auth.clone()),
                None => tunnel,
            })
        });
        match intercepted {
            None => {
                let direct = match zone {
                    Zone::Public => &self.public,
                    Zone::Private => &self.private,
                };
                direct.clone().oneshot(uri).await
            }
            // the proxy resolves, and its rules hold
            Some(tunnel) => {
                let tls = Arc::clone(&self.tls);
                HttpsConnector::from((tunnel, tls)).oneshot(uri).await
            }
        }
    }
}

fn settled<R>(mut tcp: HttpConnector<R>) -> HttpConnector<R> {
    tcp.set_nodelay(true);
    tcp.set_keepalive(Some(KEEPALIVE));
    tcp.enforce_http(false);
    tcp
}

fn over<R>(tcp: HttpConnector<R>, tls: ClientConfig) -> HttpsConnector<HttpConnector<R>> {
    HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp)
}

fn proxy_at(address: &str, except: Option<&str>) -> Result<Proxy, Error> {
    let url: url::Url = address.parse().map_err(|_| Error::Proxy)?;
    // a proxy that is itself behind TLS would need TLS in TLS
    if url.scheme() != "http" || url.host().is_none() {
        return Err(Error::Proxy);
    }
    let rules = Matcher::builder().https(address).no(except.unwrap_or_default()).build();
    Ok(Proxy { rules, to: settled(HttpConnector::new()) })
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io;
    use std::net::SocketAddr;
    use std::path::PathBuf;
    use std::sync::Mutex;

    use futures::FutureExt as _;
    use futures::future::BoxFuture;
    use tokio::net::TcpListener;

    use super::super::zone::Denied;
    use super::*;

    /// Another answer each time.
    #[derive(Debug)]
    struct Changing(Mutex<VecDeque<Vec<SocketAddr>>>);

    impl Names for Changing {
        fn find(&self, _: String) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
            let next = self.0.lock().unwrap().pop_front();
            async { next.ok_or_else(|| io::ErrorKind::NotFound.into()) }.boxed()
        }
    }

    /// What comes of connecting to the name `provider.example`, once for each answer.
    async fn connected(
        zone: Zone,
        port: u16,
        answers: &[&[&str]],
    ) -> Vec<Result<SocketAddr, Option<Denied>>> {
        let socket = |address: &&str| SocketAddr::new(address.parse().unwrap(), 0);
        let all = answers.iter().map(|answer| answer.iter().map(socket).collect());
        let names = Arc::new(Changing(Mutex::new(all.collect())));
        let own = Arc::clone(&names) as Arc<dyn Names>;
        let connector = Connector::with(&UpstreamConfig::default(), own).unwrap();
        let uri: Uri = format!("http://provider.example:{port}/").parse().unwrap();
        let mut seen = Vec::new();
        for left in (0..answers.len()).rev() {
            let stream = connector.connect(uri.clone(), zone).await;
            seen.push(match stream {
                Ok(MaybeHttpsStream::Http(stream)) => Ok(stream.inner().peer_addr().unwrap()),
                Ok(MaybeHttpsStream::Https(_)) => panic!("TLS"),
                Err(error) => Err(Denied::within(&*error)),
            });
            // what is connected to is what was checked: there is no second question
            assert_eq!(names.0.lock().unwrap().len(), left);
        }
        seen
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_not_followed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        let (private, metadata) = (Err(Some(Denied::Private)), Err(Some(Denied::Metadata)));
        let inside: &[&[&str]] =
            &[&["127.0.0.1"], &["192.0.2.1", "127.0.0.1"], &["::ffff:127.0.0.1"], &["::1"]];
        assert_eq!(connected(Zone::Public, here.port(), inside).await, vec![private; 4]);
        // no connection was even begun
        assert!(listener.accept().now_or_never().is_none());
        let answers: &[&[&str]] = &[&["127.0.0.1"], &["169.254.169.254"], &["fd00:ec2::254"]];
        let seen = connected(Zone::Private, here.port(), answers).await;
        assert_eq!(seen, [Ok(here), metadata, metadata]);
    }

    /// What is meant by DNS rebinding: the name is good when it is configured, and another one later.
    #[tokio::test]
    async fn a_name_is_checked_anew_for_each_connection() {
        let names: Arc<dyn Names> = Arc::new(Changing(Mutex::new(VecDeque::from([
            vec!["8.8.8.8:0".parse().unwrap()],
            vec!["127.0.0.1:0".parse().unwrap()],
        ]))));
        let mut resolver = Resolver::new(&names, Zone::Public);
        let mut ask = || tower::Service::call(&mut resolver, "provider.example".parse().unwrap());
        assert_eq!(ask().await.unwrap().collect::<Vec<_>>(), ["8.8.8.8:0".parse().unwrap()]);
        assert_eq!(Denied::within(&*ask().await.unwrap_err()), Some(Denied::Private));
    }

    /// It is the proxy that resolves names; what is said in numbers is checked all the same.
    #[tokio::test]
    async fn behind_a_proxy_numbers_are_checked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://{}", listener.local_addr().unwrap());
        let config = UpstreamConfig { https_proxy: Some(proxy), ..UpstreamConfig::default() };
        let connector = Connector::new(&config).unwrap();
        for (address, denied) in [
            ("https://10.0.0.1/", Some(Denied::Private)),
            ("https://localhost/", Some(Denied::Private)),
            ("https://169.254.169.254/", Some(Denied::Metadata)),
        ] {
            let uri = address.parse().unwrap();
            let refused = connector.connect(uri, Zone::Public).await.unwrap_err();
            assert_eq!(Denied::within(&*refused), denied, "{address}");
        }
        assert!(listener.accept().now_or_never().is_none());
    }

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
