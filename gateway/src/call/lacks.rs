//! What a target's format can't say: refused by name, or dropped and told.

use crate::call::Chat;
use crate::error::{Error, Kind};

/// Notes what a writer leaves out.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lacks {
    target: String,
    dropped: Vec<String>,
}

impl Lacks {
    /// For a target, as it is told to the caller.
    pub fn of(target: impl Into<String>) -> Self {
        Self { target: target.into(), dropped: Vec::new() }
    }

    /// The answer would not be what was asked for without `name`: refused when it is there.
    ///
    /// # Errors
    /// [`Kind::UnsupportedField`] names it.
    pub fn refuse(&self, name: &str, there: bool) -> Result<(), Error> {
        if !there {
            return Ok(());
        }
        let message = format!("{name} can't be honoured by {}", self.target);
        Err(Error::new(Kind::UnsupportedField, message).at(name))
    }

    /// A hint, without which the answer means the same: left out, and told in a header.
    pub fn drop(&mut self, name: &str, there: bool) {
        if there && !self.dropped.iter().any(|known| known == name) {
            self.dropped.push(name.to_owned());
        }
    }

    /// The fields that only the client's format knows: each refused or dropped, as it says itself.
    ///
    /// # Errors
    /// [`Kind::UnsupportedField`] names the first that can't be dropped.
    pub fn own(&mut self, chat: &Chat) -> Result<(), Error> {
        for field in &chat.own {
            if field.may_drop {
                self.drop(&field.name, true);
            } else {
                self.refuse(&field.name, true)?;
            }
        }
        Ok(())
    }

    /// Names of what was left out.
    pub fn dropped(self) -> Vec<String> {
        self.dropped
    }
}
