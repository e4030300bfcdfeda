//! The operators' listener of the hub of these settings, as its own commands reach it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;

use crate::config::Config;

/// Whom a command trusts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trust {
    /// Who shows the certificate that the settings name: a token is sent.
    Settings,
    /// Whoever answers there: nothing secret is said. The files may be about to change.
    Anybody,
}

/// Its address, and a client that reaches it.
///
/// # Errors
/// The certificate of the settings can't be read.
pub(crate) fn client(
    config: &Config,
    trust: Trust,
    time: Duration,
) -> anyhow::Result<(String, reqwest::Client)> {
    let builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(time);
    let tls = match config.admin_files() {
        None => runtime::tls::client(None)?,
        Some((certificate, _)) => {
            let known = (trust == Trust::Settings).then_some(certificate);
            runtime::tls::own(known).context("the certificate of admin_listen")?
        }
    };
    Ok((url(config), builder.use_preconfigured_tls(tls).build()?))
}

/// Its address.
pub(crate) fn url(config: &Config) -> String {
    let scheme = if config.admin_files().is_some() { "https" } else { "http" };
    format!("{scheme}://{}", reachable(&config.admin_listen))
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
