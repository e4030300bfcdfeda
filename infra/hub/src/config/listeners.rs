//! What listeners show, and whom they believe.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use control::compile::network;
use http::HeaderName;
use serde::{Deserialize, Serialize};

use crate::peer::Proxies;

/// A certificate that a listener shows; both files are read again when they change.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// The certificate and those between it and its authority, PEM.
    pub certificate: Option<PathBuf>,
    /// Its key, PEM.
    pub key: Option<PathBuf>,
}

/// Where proxies write for whom they ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// The usual one.
    #[default]
    XForwardedFor,
    /// That of RFC 7239.
    Forwarded,
}

impl TlsConfig {
    /// Certificate and key, where they are given.
    pub(crate) fn files(&self) -> Option<(&Path, &Path)> {
        given(&self.certificate).zip(given(&self.key))
    }

    pub(super) fn check(&self, field: &str) -> anyhow::Result<()> {
        if given(&self.certificate).is_some() != given(&self.key).is_some() {
            bail!("{field}.certificate and {field}.key go together");
        }
        Ok(())
    }
}

/// A path that is not left empty, as variables of containers are.
fn given(path: &Option<PathBuf>) -> Option<&Path> {
    path.as_deref().filter(|path| !path.as_os_str().is_empty())
}

impl ForwardedHeader {
    /// Its name.
    pub(crate) const fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => http::header::FORWARDED,
        }
    }
}

/// Reads the networks of `trusted_proxies`.
pub(super) fn proxies(trusted: &[String], header: ForwardedHeader) -> anyhow::Result<Proxies> {
    let networks = trusted.iter().map(|text| network(text).map_err(anyhow::Error::msg));
    let networks: anyhow::Result<_> = networks.collect();
    Ok(Proxies::new(networks.context("trusted_proxies")?, header))
}
