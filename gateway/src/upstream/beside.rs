//! The client for what is not on the path of a call: lists of models, checks, media.

use std::time::Duration;

use super::connect::Error;
use crate::config::UpstreamConfig;

/// A client that reaches what the calls reach: the same authorities, the same proxy.
///
/// # Errors
/// A proxy or certificate file is not good.
pub fn beside(config: &UpstreamConfig, time: Duration) -> Result<reqwest::Client, Error> {
    builder(config, time)?.build().map_err(|_| Error::Proxy)
}

/// The same, to be fitted further.
///
/// # Errors
/// As [`beside`].
pub fn builder(config: &UpstreamConfig, time: Duration) -> Result<reqwest::ClientBuilder, Error> {
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
