//! The two users, their passwords made at first start.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rand::Rng as _;
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

/// A password; its text is shown only by [`Password::expose`].
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// The text, for a request's header.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Reads a user's password from its 0600 file in `folder`, or makes both.
///
/// # Errors
/// The file cannot be read or made.
pub fn password(folder: &Path, role: Role) -> io::Result<Password> {
    let file = role.file(folder);
    match fs::read_to_string(&file) {
        Ok(text) if !text.trim().is_empty() => return Ok(Password(text.trim().to_owned())),
        // An empty file is what a crash left.
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    fs::create_dir_all(folder)?;
    let mut random = rand::rng();
    let text: String =
        (0..32).map(|_| char::from(random.sample(rand::distr::Alphanumeric))).collect();
    // Written whole under another name first: two processes that start at once agree on what rename left.
    let draft = folder.join(format!("{}.{}.new", role.user(), std::process::id()));
    let mut out =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    fs::rename(&draft, &file)?;
    fs::read_to_string(&file).map(|text| Password(text.trim().to_owned()))
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
}
