//! How a credential is shown to a provider.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, header};
use http_body_util::Full;
use runtime::clock::Micros;
use runtime::secret::Secret;
use serde::{Deserialize, Serialize};

use super::sigv4::Aws;

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
    /// A signature made with `ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]`; any other secret is
    /// an API key of Bedrock, shown as a bearer.
    Aws,
}

/// A credential, ready to be shown.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// None is wanted.
    #[default]
    None,
    /// A header; its value is marked as sensitive.
    Header(HeaderName, HeaderValue),
    /// Each request is signed.
    Aws(Aws),
}

/// Why a secret can't be shown to a provider.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unfit {
    /// It holds what no header can.
    #[error("the secret holds characters that a header can't")]
    Characters,
    /// What is signed names a region.
    #[error(
        "AWS credentials need a region: give the provider a base_url that names it, such as https://bedrock-runtime.us-east-1.amazonaws.com"
    )]
    Region,
}

impl AuthKind {
    /// The credential, for a provider at the host; `region` is that of AWS where the host names none.
    ///
    /// # Errors
    /// The secret can't be shown so.
    pub fn of(self, secret: &Secret, host: &str, region: Option<&str>) -> Result<Auth, Unfit> {
        if self == Self::Aws
            && let Some(aws) = Aws::of(secret.expose(), host, region)?
        {
            return Ok(Auth::Aws(aws));
        }
        let (name, start) = match self {
            Self::Bearer | Self::Aws => (header::AUTHORIZATION, "Bearer "),
            Self::XApiKey => (HeaderName::from_static("x-api-key"), ""),
            Self::XGoogApiKey => (HeaderName::from_static("x-goog-api-key"), ""),
            Self::ApiKey => (HeaderName::from_static("api-key"), ""),
        };
        let value = HeaderValue::from_str(&format!("{start}{}", secret.expose()));
        let mut value = value.map_err(|_| Unfit::Characters)?;
        value.set_sensitive(true);
        Ok(Auth::Header(name, value))
    }
}

impl Auth {
    /// Adds it to a request whose other headers are there, at a moment; `None` when the request can't be signed.
    pub fn show(&self, request: &mut Request<Full<Bytes>>, body: &[u8], now: Micros) -> Option<()> {
        match self {
            Self::None => {}
            Self::Header(name, value) => {
                request.headers_mut().insert(name.clone(), value.clone());
            }
            Self::Aws(aws) => aws.sign(request, body, now)?,
        }
        Some(())
    }
}
