//! How a credential is shown to a provider.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use runtime::secret::Secret;
use serde::{Deserialize, Serialize};

/// Where a provider wants its credential.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuthKind {
    /// `Authorization: Bearer …`.
    #[default]
    Bearer,
    /// `x-api-key: …` (Anthropic).
    XApiKey,
    /// `x-goog-api-key: …` (Google).
    XGoogApiKey,
    /// `api-key: …` (Azure).
    ApiKey,
}

/// A credential, ready to be shown.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// None is wanted.
    #[default]
    None,
    /// A header; its value is marked as sensitive.
    Header(HeaderName, HeaderValue),
}

impl AuthKind {
    /// The credential; `None` when the secret holds what no header can.
    pub fn of(self, secret: &Secret) -> Option<Auth> {
        let (name, start) = match self {
            Self::Bearer => (header::AUTHORIZATION, "Bearer "),
            Self::XApiKey => (HeaderName::from_static("x-api-key"), ""),
            Self::XGoogApiKey => (HeaderName::from_static("x-goog-api-key"), ""),
            Self::ApiKey => (HeaderName::from_static("api-key"), ""),
        };
        let mut value = HeaderValue::from_str(&format!("{start}{}", secret.expose())).ok()?;
        value.set_sensitive(true);
        Some(Auth::Header(name, value))
    }
}

impl Auth {
    /// Adds it to a request.
    pub fn show(&self, headers: &mut HeaderMap) {
        if let Self::Header(name, value) = self {
            headers.insert(name.clone(), value.clone());
        }
    }
}
