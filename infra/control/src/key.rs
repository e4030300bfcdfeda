//! API keys: `hk_<id>_<secret>`, of which only a keyed hash is kept.

use runtime::secret::{Error, Secret};

/// Random bytes in a key's secret.
const BYTES: usize = 32;
/// What keys begin with, so that scanners find one that leaked.
const PREFIX: &str = "hk";

/// A new key of the entity `id`: shown once, to who made it.
///
/// # Errors
/// The system gives no random numbers.
pub fn mint(id: &str) -> Result<Secret, Error> {
    let secret = Secret::random(BYTES)?;
    Ok(format!("{PREFIX}_{id}_{}", secret.expose()).into())
}

/// A hash as a body holds it.
pub fn to_hex(hash: &[u8; 32]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The hash of 64 hex digits.
pub fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().fold(0, |high, low| (high << 4) | low);
    }
    Some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_its_entity_and_no_two_are_alike() {
        let (one, other) = (mint("app").unwrap(), mint("app").unwrap());
        assert!(one.expose().starts_with("hk_app_"));
        assert_ne!(one.expose(), other.expose());
        assert_eq!(one.expose().len(), "hk_app_".len() + 43);
    }

    #[test]
    fn a_hash_is_told_and_read_alike() {
        let hash = [0xa5; 32];
        assert_eq!(from_hex(&to_hex(&hash)), Some(hash));
        assert_eq!(from_hex("a5"), None);
        assert_eq!(from_hex(&"é".repeat(32)), None);
    }
}
