//! The two users, their passwords made at first start.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use runtime::secret::{Secret, read_or_make};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What a user may do.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Role {
    /// Everything inside databases: the sink, migrations. User `hub`.
    Writer,
    /// Reads the database `hub`, nothing else. User `reader`.
    Reader,
}

impl Role {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Writer, Self::Reader];

    /// The name that clients sign in with.
    pub const fn user(self) -> &'static str {
        match self {
            Self::Writer => "hub",
            Self::Reader => "reader",
        }
    }

    /// The engine's role.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Writer => "writer",
            Self::Reader => "reader",
        }
    }

    fn file(self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.password", self.user()))
    }
}

/// Reads a user's password from its 0600 file in `folder`, or makes both. Processes that start at
/// once agree on one: the file is made whole, and never replaced.
///
/// # Errors
/// The file cannot be read or made, or others may read it.
pub fn password(folder: &Path, role: Role) -> io::Result<Secret> {
    fs::create_dir_all(folder)?;
    let (password, _) = read_or_make(&role.file(folder), 24).map_err(io::Error::other)?;
    Ok(password)
}

/// The passwords' digests: the server never needs their text again.
pub(crate) struct Users {
    digests: Vec<(Role, [u8; 32])>,
}

impl Users {
    /// Reads or makes the passwords in `folder`.
    pub(crate) fn load(folder: &Path) -> io::Result<Self> {
        let digest = |role| {
            password(folder, role).map(|password| (role, Sha256::digest(password.expose()).into()))
        };
        Role::ALL.into_iter().map(digest).collect::<io::Result<_>>().map(|digests| Self { digests })
    }

    /// The role of a user whose password is right.
    pub(crate) fn check(&self, user: &str, password: &str) -> Option<Role> {
        let given: [u8; 32] = Sha256::digest(password).into();
        let (role, right) = self.digests.iter().find(|(role, _)| role.user() == user)?;
        bool::from(given.ct_eq(right)).then_some(*role)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn passwords_are_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let users = Users::load(folder.path()).unwrap();
        for role in Role::ALL {
            let made = password(folder.path(), role).unwrap();
            assert_eq!(made.expose().len(), 32);
            assert_eq!(users.check(role.user(), made.expose()), Some(role));
            assert_eq!(users.check(role.user(), "wrong"), None);
            let mode = fs::metadata(role.file(folder.path())).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(users.check("default", ""), None);
    }

    #[test]
    fn all_who_start_at_once_have_the_same_password() {
        for _ in 0..50 {
            let folder = tempfile::tempdir().unwrap();
            let (folder, start) = (folder.path(), std::sync::Barrier::new(8));
            let made: HashSet<String> = std::thread::scope(|scope| {
                let one = || {
                    start.wait();
                    password(folder, Role::Writer).unwrap().expose().to_owned()
                };
                let all: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
                all.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert_eq!(made.len(), 1);
        }
    }
}
