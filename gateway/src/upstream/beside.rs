//! The client for what is not on the path of a call: lists of models, checks, media.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::connect::Error;
use super::names::{Names, Resolver, System};
use super::zone::{Denied, Zone};
use crate::config::UpstreamConfig;

/// Reaches what the calls reach: the same authorities, the same proxy, the same addresses.
#[derive(Clone, Debug)]
pub struct Beside {
    public: reqwest::Client,
    private: reqwest::Client,
    proxy: Option<String>,
}

/// Why no answer came. Tells no addresses, which may hold secrets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unanswered {
    /// It was not asked.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Not in time.
    #[error("it did not answer in time")]
    Late,
    /// No connection, or one that broke.
    #[error("it can't be reached")]
    Unreachable,
}

impl Beside {
    /// `time`: the longest for one answer.
    ///
    /// # Errors
    /// A proxy or certificate file is not good.
    pub fn new(config: &UpstreamConfig, time: Duration) -> Result<Self, Error> {
        let public = within(config, time, Zone::Public)?;
        Ok(Self { public, private: beside(config, time)?, proxy: proxy_host(config) })
    }

    /// Asks what may be in `zone`.
    ///
    /// # Errors
    /// No answer came.
    pub async fn ask(
        &self,
        request: reqwest::Request,
        zone: Zone,
    ) -> Result<reqwest::Response, Unanswered> {
        let host = request.url().host_str().unwrap_or_default();
        zone.check_host(host)?;
        let client = match zone {
            // its name resolves for the sake of what goes through it
            Zone::Public if self.proxy.as_deref() == Some(host) => {
                return Err(Denied::Private.into());
            }
            Zone::Public => &self.public,
            Zone::Private => &self.private,
        };
        client.execute(request).await.map_err(|error| match Denied::within(&error) {
            Some(denied) => Unanswered::Denied(denied),
            None if error.is_timeout() => Unanswered::Late,
            None => Unanswered::Unreachable,
        })
    }
}

/// A client for addresses that the settings of a node name: they may be private.
///
/// # Errors
/// A proxy or certificate file is not good.
pub fn beside(config: &UpstreamConfig, time: Duration) -> Result<reqwest::Client, Error> {
    within(config, time, Zone::Private)
}

fn within(config: &UpstreamConfig, time: Duration, zone: Zone) -> Result<reqwest::Client, Error> {
    let names: Arc<dyn Names> = Arc::new(System);
    let resolver = Resolver::new(&names, zone).trusting(proxy_host(config));
    let client = builder(config, time)?.dns_resolver(Arc::new(resolver)).build();
    client.map_err(|_| Error::Proxy)
}

/// The host of the outgoing proxy: it may be at a private address, and most are.
pub(super) fn proxy_host(config: &UpstreamConfig) -> Option<String> {
    let url: Url = config.https_proxy.as_deref()?.parse().ok()?;
    url.host_str().map(str::to_owned)
}

/// A client to be fitted further.
pub(super) fn builder(
    config: &UpstreamConfig,
    time: Duration,
) -> Result<reqwest::ClientBuilder, Error> {
    let builder = reqwest::Client::builder()
        .use_preconfigured_tls(runtime::tls::client(config.ca_file.as_deref())?)
        .user_agent(concat!("hub/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(time);
    let Some(proxy) = config.https_proxy.as_deref().filter(|proxy| !proxy.is_empty()) else {
        return Ok(builder);
    };
    let except = config.no_proxy.as_deref().and_then(reqwest::NoProxy::from_string);
    let proxy = reqwest::Proxy::https(proxy).map_err(|_| Error::Proxy)?;
    Ok(builder.proxy(proxy.no_proxy(except)))
}
