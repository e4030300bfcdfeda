//! The header `Authorization` of a signed request.

use http::HeaderValue;

use super::wrong;
use crate::error::Error;
use crate::providers::sigv4::SERVICE;

/// What the header begins with.
pub(in crate::auth) const SCHEME: &str = "AWS4-HMAC-SHA256";

/// The longest header.
const MAX_LINE: usize = 4 << 10;

/// The most headers that a signature may be of.
const MAX_SIGNED: usize = 64;

const FORM: &str =
    "authorization must be AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…";

/// What the header says.
pub(super) struct Line<'a> {
    pub(super) access_key_id: &'a str,
    /// `20260102`.
    pub(super) date: &'a str,
    pub(super) region: &'a str,
    /// Names of headers, in order, each once, `host` and `x-amz-date` among them.
    pub(super) signed: Vec<&'a str>,
    pub(super) signature: &'a str,
}

impl<'a> Line<'a> {
    pub(super) fn read(value: &'a HeaderValue) -> Result<Self, Error> {
        if value.len() > MAX_LINE {
            return Err(wrong(format!("authorization is longer than {MAX_LINE} bytes")));
        }
        let text = value.to_str().ok().and_then(|text| text.strip_prefix(SCHEME));
        let (mut credential, mut headers, mut signature) = (None, None, None);
        for part in text.ok_or_else(|| wrong(FORM))?.split(',') {
            let (name, value) = part.trim_ascii().split_once('=').ok_or_else(|| wrong(FORM))?;
            let place = match name {
                "Credential" => &mut credential,
                "SignedHeaders" => &mut headers,
                "Signature" => &mut signature,
                _ => return Err(wrong(FORM)),
            };
            if place.replace(value).is_some() {
                return Err(wrong(FORM));
            }
        }
        let (Some(credential), Some(headers), Some(signature)) = (credential, headers, signature)
        else {
            return Err(wrong(FORM));
        };
        let scope: Vec<&str> = credential.split('/').collect();
        let &[access_key_id, date, region, SERVICE, "aws4_request"] = scope.as_slice() else {
            let message = "Credential must be <access key id>/<date>/<region>/bedrock/aws4_request";
            return Err(wrong(message));
        };
        Ok(Self { access_key_id, date, region, signed: signed(headers)?, signature })
    }
}

fn signed(headers: &str) -> Result<Vec<&str>, Error> {
    let signed: Vec<&str> = headers.split(';').take(MAX_SIGNED + 1).collect();
    if signed.len() > MAX_SIGNED {
        return Err(wrong(format!("SignedHeaders names more than {MAX_SIGNED} headers")));
    }
    let lower = |name: &&str| !name.bytes().any(|byte| byte.is_ascii_uppercase());
    if !signed.is_sorted_by(|one, next| one < next) || !signed.iter().all(lower) {
        return Err(wrong("SignedHeaders must name headers in lower case, in order, each once"));
    }
    if !["host", "x-amz-date"].iter().all(|name| signed.contains(name)) {
        return Err(wrong("host and x-amz-date must be among SignedHeaders"));
    }
    Ok(signed)
}
