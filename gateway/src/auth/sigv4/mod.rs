//! Requests that are signed as AWS's clients sign them (SigV4). To check is to sign again with the key's own secret.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

pub(super) mod line;
mod moment;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings};
use http::request::Parts;
use http::{HeaderName, HeaderValue};
use runtime::clock::Micros;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use self::line::Line;
use crate::control::{Key, SigningKey, Snapshot};
use crate::error::{Error, Kind};
use crate::providers::sigv4::signed;

/// How far the signer's clock may be off, as at AWS. So long a request can also be sent again by who sees it.
const WINDOW: Duration = Duration::from_secs(15 * 60);

const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";
const PAYLOAD: &str = "x-amz-content-sha256";

/// A request that says to be signed by a key that is known; its body is still to come.
pub struct Signed<'a> {
    head: &'a Parts,
    line: Line<'a>,
    at: Micros,
    holder: &'a SigningKey,
}

/// What is wrong with a signature.
fn wrong(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(Kind::InvalidKey, message).at("authorization")
}

impl<'a> Signed<'a> {
    /// All that can be checked without the body.
    pub(super) fn claim(
        authorization: &'a HeaderValue,
        head: &'a Parts,
        snapshot: &'a Snapshot,
        now: Micros,
    ) -> Result<Self, Error> {
        let line = Line::read(authorization)?;
        if head.headers.contains_key(TOKEN) {
            let message = "x-amz-security-token is not supported: sign with the hub's access key id and secret alone";
            return Err(Error::new(Kind::InvalidKey, message));
        }
        let holder = snapshot.signing.get(line.access_key_id).ok_or_else(|| {
            let message = "the access key id is not known here; it is the one in aws = { … } of a key of the hub, none of AWS";
            Error::new(Kind::InvalidKey, message)
        })?;
        super::still_taken(&holder.key, head, now)?;
        let mut names = head.headers.keys().map(HeaderName::as_str);
        let open = names.find(|name| name.starts_with("x-amz-") && !line.signed.contains(name));
        if let Some(name) = open {
            let name: String = name.chars().take(60).collect();
            return Err(wrong(format!(
                "{name} must be among SignedHeaders, as every x-amz-* must"
            )));
        }
        let payload = head.headers.get(PAYLOAD).map_or(&b""[..], HeaderValue::as_bytes);
        if payload.starts_with(b"UNSIGNED-") || payload.starts_with(b"STREAMING-") {
            let message = "x-amz-content-sha256 must be the SHA-256 of the body: unsigned and chunked payloads are not taken";
            return Err(Error::new(Kind::InvalidKey, message).at(PAYLOAD));
        }
        let at = in_time(head, &line, now)?;
        Ok(Self { head, line, at, holder })
    }

    /// The key, if the signature is its own and of this request with this body.
    pub(super) fn prove(self, body: &[u8]) -> Result<Arc<Key>, Error> {
        let hash = format!("{:x}", Sha256::digest(body));
        let said = self.head.headers.get(PAYLOAD);
        if said.is_some_and(|said| said.as_bytes() != hash.as_bytes()) {
            let message = "x-amz-content-sha256 is not the SHA-256 of the body";
            return Err(Error::new(Kind::InvalidKey, message).at(PAYLOAD));
        }
        let right = self.sign(hash)?;
        if bool::from(right.as_bytes().ct_eq(self.line.signature.as_bytes())) {
            return Ok(Arc::clone(&self.holder.key));
        }
        Err(wrong(
            "the signature is not that of this request: check the secret of the access key id, and that nothing on the way \
             changes path, host or body",
        ))
    }

    fn sign(&self, hash: String) -> Result<String, Error> {
        let unfit = || wrong("SignedHeaders names a header that was not sent, or is no text");
        let headers: Option<Vec<_>> =
            self.line.signed.iter().map(|name| Some((*name, self.value(name)?))).collect();
        let headers = headers.ok_or_else(unfit)?;
        let uri = self.head.uri.path_and_query().map_or("/", |uri| uri.as_str());
        let request = SignableRequest::new(
            self.head.method.as_str(),
            uri,
            headers.iter().map(|(name, value)| (*name, value.as_str())),
            SignableBody::Precomputed(hash),
        );
        let secret = self.holder.secret.expose();
        let credentials = Credentials::new(self.line.access_key_id, secret, None, None, "hub");
        // what is signed is what the client says, no less
        let mut settings = SigningSettings::default();
        settings.excluded_headers = None;
        let request = request.map_err(|_| unfit())?;
        let made = signed(&credentials.into(), self.line.region, self.at, settings, request);
        made.map(|(_, signature)| signature).ok_or_else(unfit)
    }

    /// A signed header: all its values, each without needless space.
    fn value(&self, name: &str) -> Option<String> {
        let sent = self.head.headers.get_all(name).iter();
        let values: Option<Vec<String>> = sent
            .map(|value| {
                let text = std::str::from_utf8(value.as_bytes()).ok()?;
                Some(text.split_ascii_whitespace().collect::<Vec<_>>().join(" "))
            })
            .collect();
        match values?.join(",") {
            // HTTP/2 has it in the address
            none if none.is_empty() && name == "host" => {
                self.head.uri.authority().map(|host| host.as_str().to_owned())
            }
            none if none.is_empty() && !self.head.headers.contains_key(name) => None,
            values => Some(values),
        }
    }
}

/// The moment of signing, if it is about now.
fn in_time(head: &Parts, line: &Line<'_>, now: Micros) -> Result<Micros, Error> {
    let refuse = |message: String| Error::new(Kind::InvalidKey, message).at(DATE);
    let text = head.headers.get(DATE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let at = moment::read(text);
    let at = at.ok_or_else(|| refuse("x-amz-date must be such as 20260102T030405Z".to_owned()))?;
    if !text.starts_with(line.date) || line.date.len() != 8 {
        return Err(wrong("the date in Credential must be that of x-amz-date"));
    }
    if now.since(at).max(at.since(now)) > WINDOW {
        let hub = moment::show(now);
        return Err(refuse(format!(
            "x-amz-date {text} is more than 15 minutes off the hub's time, {hub}: set the clock and sign anew"
        )));
    }
    Ok(at)
}
