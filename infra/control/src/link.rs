//! Sign-in links: a secret that lets a person choose their password, once and for an hour.

use gateway::control::KeyHash;
use runtime::clock::Micros;
use runtime::secret::{Error, Secret};
use subtle::ConstantTimeEq as _;

use crate::entity::Link;
use crate::key::{from_hex, to_hex};

/// How long a link is taken, microseconds.
const LIFE: i64 = 60 * 60 * 1_000_000;
/// Random bytes in a link.
const BYTES: usize = 32;

/// A new link for a user, and what is kept of it.
///
/// # Errors
/// The system gives no random numbers.
pub fn mint(user: &str, hash: &KeyHash, now: Micros) -> Result<(Secret, Link), Error> {
    let secret = Secret::random(BYTES)?;
    let shown = Secret::from(format!("{user}.{}", secret.expose()));
    let hash = to_hex(&hash.of(shown.expose().as_bytes()));
    Ok((shown, Link { hash, until: now.0.saturating_add(LIFE) }))
}

/// Whose link this says to be.
pub fn user_of(shown: &str) -> Option<&str> {
    Some(shown.rsplit_once('.')?.0).filter(|user| !user.is_empty())
}

/// Whether this is the link that was given out, and is taken now.
pub fn is(known: &Link, shown: &str, hash: &KeyHash, now: Micros) -> bool {
    let same =
        from_hex(&known.hash).is_some_and(|of| bool::from(of.ct_eq(&hash.of(shown.as_bytes()))));
    same && now.0 < known.until
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_taken_for_an_hour_under_the_secret_that_it_was_made_with() {
        let (hash, now) = (KeyHash::new(&[1; 32]), Micros(5));
        let (shown, link) = mint("ada.b", &hash, now).unwrap();
        assert_eq!(user_of(shown.expose()), Some("ada.b"));
        assert!(!link.hash.contains(shown.expose()));
        assert!(is(&link, shown.expose(), &hash, Micros(4 + LIFE)));
        assert!(!is(&link, shown.expose(), &hash, Micros(5 + LIFE)));
        assert!(!is(&link, &format!("{}x", shown.expose()), &hash, now));
        assert!(!is(&link, shown.expose(), &KeyHash::new(&[2; 32]), now));
        assert_eq!(user_of("nothing"), None);
        assert_eq!(user_of(".x"), None);
    }
}
