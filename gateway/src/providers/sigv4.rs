//! AWS's signature, version 4.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SigningInstructions, SigningSettings, sign,
};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity;
use http::{HeaderName, HeaderValue, Request, header};
use runtime::clock::Micros;

use super::auth::Unfit;

/// The service's name in a signature; that of its host differs.
pub(crate) const SERVICE: &str = "bedrock";

/// A credential that signs.
#[derive(Clone, Debug)]
pub struct Aws {
    identity: Identity,
    region: Arc<str>,
}

impl Aws {
    /// `ACCESS_KEY_ID:SECRET_ACCESS_KEY[:SESSION_TOKEN]`, for a provider at the host; `None` when the secret is no such thing.
    ///
    /// # Errors
    /// It is, but neither the host nor `region` says the region, or it holds what no header can.
    pub fn of(secret: &str, host: &str, region: Option<&str>) -> Result<Option<Self>, Unfit> {
        let mut parts = secret.splitn(3, ':');
        let (Some(id), Some(key), token) = (parts.next(), parts.next(), parts.next()) else {
            return Ok(None);
        };
        if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Ok(None);
        }
        if token.is_some_and(|token| HeaderValue::from_str(token).is_err()) {
            return Err(Unfit::Characters);
        }
        let token = token.filter(|token| !token.is_empty()).map(str::to_owned);
        let region = region_of(host).or(region).ok_or(Unfit::Region)?;
        let credentials = Credentials::new(id, key, token, None, "hub");
        Ok(Some(Self { identity: credentials.into(), region: region.into() }))
    }

    /// Signs a request: its address, type and body. What a proxy on the way may change is left out.
    pub(super) fn sign<B>(&self, request: &mut Request<B>, body: &[u8], now: Micros) -> Option<()> {
        let uri = request.uri().to_string();
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|value| value.to_str().ok());
        let headers = kind.map(|value| (header::CONTENT_TYPE.as_str(), value)).into_iter();
        let signable = SignableRequest::new(
            request.method().as_str(),
            uri,
            headers,
            SignableBody::Bytes(body),
        );
        let settings = SigningSettings::default();
        let (made, _) = signed(&self.identity, &self.region, now, settings, signable.ok()?)?;
        let (made, _) = made.into_parts();
        for made in made {
            let mut value = HeaderValue::from_str(made.value()).ok()?;
            value.set_sensitive(made.name() != "x-amz-date");
            request.headers_mut().insert(HeaderName::from_static(made.name()), value);
        }
        Some(())
    }
}

/// What signing adds to a request, and the signature itself.
pub(crate) fn signed(
    identity: &Identity,
    region: &str,
    now: Micros,
    settings: SigningSettings,
    request: SignableRequest<'_>,
) -> Option<(SigningInstructions, String)> {
    let time = UNIX_EPOCH.checked_add(Duration::from_micros(u64::try_from(now.0).ok()?))?;
    let params = v4::SigningParams::builder()
        .identity(identity)
        .region(region)
        .name(SERVICE)
        .time(time)
        .settings(settings)
        .build()
        .ok()?
        .into();
    Some(sign(request, &params).ok()?.into_parts())
}

/// The region in a host such as `bedrock-runtime.us-east-1.amazonaws.com`.
fn region_of(host: &str) -> Option<&str> {
    let mut labels = host.split('.');
    let at_aws = host.contains(".amazonaws.") || host.ends_with(".api.aws");
    let service = |label: &str| label == "bedrock-runtime" || label == "bedrock-runtime-fips";
    (at_aws && labels.any(service)).then(|| labels.next()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_say_the_region() {
        for (host, region) in [
            ("bedrock-runtime.us-east-1.amazonaws.com", Some("us-east-1")),
            ("bedrock-runtime-fips.us-gov-west-1.amazonaws.com", Some("us-gov-west-1")),
            ("vpce-0a.bedrock-runtime.eu-west-1.vpce.amazonaws.com", Some("eu-west-1")),
            ("bedrock-runtime.eu-central-1.api.aws", Some("eu-central-1")),
            ("bedrock-runtime.proxy.internal", None),
            ("127.0.0.1", None),
        ] {
            assert_eq!(region_of(host), region, "{host}");
        }
    }

    #[test]
    fn secrets_are_told_apart() {
        let of = |secret| Aws::of(secret, "proxy", Some("eu-west-1"));
        assert!(of("AKIDEXAMPLE:wJalr/+x").unwrap().is_some());
        assert!(of("ASIAEXAMPLE:wJalr/+x:IQoJ//=").unwrap().is_some());
        assert!(of("ABSKQmVkcm9jazEyMw==").unwrap().is_none());
        assert_eq!(Aws::of("AKIDEXAMPLE:x", "proxy", None).unwrap_err(), Unfit::Region);
        assert_eq!(of("AKIDEXAMPLE:x:\n").unwrap_err(), Unfit::Characters);
        let shown = format!("{:?}", of("AKIDEXAMPLE:hidden-key:hidden-token").unwrap());
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
