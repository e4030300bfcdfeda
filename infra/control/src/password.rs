//! Passwords: Argon2id, with the parameters of OWASP's password storage cheat sheet (19 MiB, 2 passes).
//! Hashed off the threads that serve, and few at a time, for each takes its memory.

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use runtime::secret::Secret;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::entity::Misfit;

/// The shortest password, characters.
const MIN: usize = 12;
/// The longest, bytes.
pub const MAX: usize = 1024;
/// What those who have no password are compared with, so that it takes as long: nobody knows its password.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// So many are hashed at once.
static TURNS: Semaphore = Semaphore::const_new(2);

/// The hash of a new password, in PHC's string format.
///
/// # Errors
/// It is too short or too long; names `field`.
pub async fn hash(password: Secret, field: &str) -> Result<String, Misfit> {
    let text = password.expose();
    if text.chars().count() < MIN || text.len() > MAX {
        return Err(Misfit::new(field, format!("{MIN} to {MAX} characters are wanted")));
    }
    let hashed = in_turn(move || {
        let hashed = Argon2::default().hash_password(password.expose().as_bytes());
        hashed.ok().map(|hash| hash.to_string())
    });
    hashed.await.flatten().ok_or_else(|| Misfit::new(field, "can't be hashed"))
}

/// Whether this is the password that was hashed so. It takes as long where there is none.
pub async fn is(password: Secret, known: Option<String>) -> bool {
    let checked = in_turn(move || {
        let parsed = PasswordHash::new(known.as_deref().unwrap_or(NOBODYS)).ok()?;
        let password = password.expose().as_bytes();
        let same =
            password.len() <= MAX && Argon2::default().verify_password(password, &parsed).is_ok();
        Some(same && known.is_some())
    });
    checked.await.flatten() == Some(true)
}

async fn in_turn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let turn = TURNS.acquire().await.ok()?;
    let done = spawn_blocking(work).await;
    drop(turn);
    done.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_kept_as_argon2id_and_known_again() {
        assert!(hash("short".into(), "password").await.is_err());
        assert!(hash("x".repeat(1025).into(), "password").await.is_err());
        let known = hash("a long password".into(), "password").await.unwrap();
        assert!(known.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(is("a long password".into(), Some(known.clone())).await);
        assert!(!is("another password".into(), Some(known)).await);
        assert!(!is("a long password".into(), None).await);
        assert!(!is("a long password".into(), Some("damaged".into())).await);
    }

    #[test]
    fn who_has_no_password_is_compared_with_a_hash_of_the_same_cost() {
        let nobodys = PasswordHash::new(NOBODYS).unwrap();
        let own = Argon2::default().hash_password(b"a long password").unwrap();
        assert_eq!(nobodys.params, own.params);
        assert_eq!((nobodys.algorithm, nobodys.version), (own.algorithm, own.version));
        let length = |hash: &PasswordHash| hash.hash.as_ref().unwrap().len();
        assert_eq!(length(&nobodys), length(&own));
    }
}
