//! A value of a request and where it stands, so that what is wrong is named.

use serde_json::{Map, Value};

use crate::error::{Error, Kind};

/// A value and its place.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Value,
    at: &'a Place<'a>,
}

/// Where a value stands.
pub(super) enum Place<'a> {
    Top(&'a str),
    Field(&'a Place<'a>, &'a str),
    Index(&'a Place<'a>, usize),
}

impl Place<'_> {
    fn text(&self) -> String {
        match self {
            Self::Top(name) => (*name).to_owned(),
            Self::Field(outer, name) => format!("{}.{name}", outer.text()),
            Self::Index(outer, index) => format!("{}[{index}]", outer.text()),
        }
    }
}

impl<'a> Node<'a> {
    pub(super) const fn new(value: &'a Value, at: &'a Place<'a>) -> Self {
        Self { value, at }
    }

    pub(super) fn place(&self) -> String {
        self.at.text()
    }

    /// It is not what it must be.
    pub(super) fn wrong(&self, wanted: &str) -> Error {
        let at = self.place();
        Error::new(Kind::InvalidField, format!("{at} must be {wanted}")).at(at)
    }

    /// It can't be said to a provider of another format.
    pub(super) fn unsaid(&self) -> Error {
        let at = self.place();
        let message = format!("{at} can't be said to a provider of another format");
        Error::new(Kind::UnsupportedField, message).at(at)
    }

    pub(super) fn object(&self) -> Result<&'a Map<String, Value>, Error> {
        self.value.as_object().ok_or_else(|| self.wrong("an object"))
    }

    pub(super) fn text(&self) -> Result<&'a str, Error> {
        self.value.as_str().ok_or_else(|| self.wrong("a string"))
    }

    pub(super) fn flag(&self) -> Result<bool, Error> {
        self.value.as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    pub(super) fn whole(&self, least: i64) -> Result<i64, Error> {
        let whole = self.value.as_i64().filter(|number| *number >= least);
        whole.ok_or_else(|| self.wrong(&format!("a whole number of at least {least}")))
    }

    pub(super) fn number(&self, most: f64) -> Result<f64, Error> {
        let number = self.value.as_f64().filter(|number| (0.0..=most).contains(number));
        number.ok_or_else(|| self.wrong(&format!("a number from 0 to {most}")))
    }

    /// Reads each item of an array.
    pub(super) fn each(
        &self,
        mut read: impl FnMut(Node<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("an array"))?;
        for (index, value) in items.iter().enumerate() {
            read(Node { value, at: &Place::Index(self.at, index) })?;
        }
        Ok(())
    }

    /// Reads each member of an object; `null` counts as absent.
    pub(super) fn members(
        &self,
        mut read: impl FnMut(&str, Node<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for (name, value) in self.object()?.iter().filter(|(_, value)| !value.is_null()) {
            read(name, Node { value, at: &Place::Field(self.at, name) })?;
        }
        Ok(())
    }

    /// Reads a member that must be there.
    pub(super) fn need<T>(
        &self,
        name: &str,
        read: impl FnOnce(Node<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let place = Place::Field(self.at, name);
        match self.object()?.get(name).filter(|value| !value.is_null()) {
            Some(value) => read(Node { value, at: &place }),
            None => {
                let at = place.text();
                Err(Error::new(Kind::MissingField, format!("{at} is missing")).at(at))
            }
        }
    }

    /// Reads a member that may be there.
    pub(super) fn may<T>(
        &self,
        name: &str,
        read: impl FnOnce(Node<'_>) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        match self.object()?.get(name).filter(|value| !value.is_null()) {
            Some(_) => self.need(name, read).map(Some),
            None => Ok(None),
        }
    }

    /// Has no other members than these.
    pub(super) fn only(&self, names: &[&str]) -> Result<(), Error> {
        self.members(|name, node| match names.contains(&name) {
            true => Ok(()),
            false => Err(node.unsaid()),
        })
    }

    /// Reads the one member that a union has.
    pub(super) fn union<T>(
        &self,
        read: impl FnOnce(&str, Node<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut there = self.object()?.iter().filter(|(_, value)| !value.is_null());
        match (there.next(), there.next()) {
            (Some((name, value)), None) => {
                read(name, Node { value, at: &Place::Field(self.at, name) })
            }
            _ => Err(self.wrong("an object with exactly one member")),
        }
    }
}
