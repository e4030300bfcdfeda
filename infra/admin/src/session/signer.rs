//! Signatures by the secret that all nodes share: HMAC-SHA256, each for one purpose.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::Admin;
use crate::problem::Problem;

/// Signs what only the hub may have said.
pub(crate) struct Signer(Hmac<Sha256>);

impl Signer {
    /// That of this hub.
    ///
    /// # Errors
    /// Its secret is not there, or does not open.
    pub(crate) fn of(admin: &Admin) -> Result<Self, Problem> {
        let key = admin.plane.session_key().ok_or_else(|| {
            tracing::error!("the secret that sessions are signed with can't be had");
            Problem::internal()
        })?;
        Ok(Self::new(&key))
    }

    fn new(key: &[u8; 32]) -> Self {
        // HMAC fills a short key up with zeros (RFC 2104)
        let mut block = [0; 64];
        block.split_at_mut(key.len()).0.copy_from_slice(key);
        Self(Hmac::new((&block).into()))
    }

    fn mac(&self, purpose: &str, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac = self.0.clone();
        for part in std::iter::once(purpose.as_bytes()).chain(parts.iter().copied()) {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        mac
    }

    /// The signature of parts, as text of 43 characters.
    pub(crate) fn sign(&self, purpose: &str, parts: &[&[u8]]) -> String {
        encode(&self.mac(purpose, parts).finalize().into_bytes())
    }

    /// Whether this is the signature of parts; compared in constant time.
    pub(crate) fn is(&self, shown: &str, purpose: &str, parts: &[&[u8]]) -> bool {
        let shown = decode(shown);
        shown.is_some_and(|shown| self.mac(purpose, parts).verify_slice(&shown).is_ok())
    }
}

/// Bytes as a cookie or an address can hold them.
pub(super) fn encode(bytes: &[u8]) -> String {
    BASE64.encode(bytes)
}

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_key_one_purpose_and_these_parts() {
        let signer = Signer::new(&[1; 32]);
        let signed = signer.sign("a", &[b"bc", b"d"]);
        assert_eq!(signed.len(), 43);
        assert!(signer.is(&signed, "a", &[b"bc", b"d"]));
        for (purpose, parts) in
            [("b", [&b"bc"[..], &b"d"[..]]), ("a", [b"b", b"cd"]), ("a", [b"bc", b""])]
        {
            assert!(!signer.is(&signed, purpose, &parts));
        }
        assert!(!Signer::new(&[2; 32]).is(&signed, "a", &[b"bc", b"d"]));
        assert!(!signer.is("", "a", &[b"bc", b"d"]));
        assert!(!signer.is("%", "a", &[b"bc", b"d"]));
    }
}
