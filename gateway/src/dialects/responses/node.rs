//! A value of the request, and where it stands: what is wrong is named by its place.

use std::fmt::Display;

use serde_json::{Map, Value};

use crate::error::{Error, Kind};

/// A value that is there and not `null`.
#[derive(Clone)]
pub(super) struct Node<'a> {
    /// Such as `input[2].content[0]`.
    pub(super) at: String,
    /// What it is.
    pub(super) value: &'a Value,
}

impl<'a> Node<'a> {
    /// A top-level field.
    pub(super) fn top(name: &str, value: &'a Value) -> Self {
        Self { at: name.to_owned(), value }
    }

    /// A field of an object; `None` where it is `null` or not there.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name).filter(|value| !value.is_null())?;
        Some(Self { at: format!("{}.{name}", self.at), value })
    }

    /// A field that must be there.
    pub(super) fn need(&self, name: &str, wanted: &str) -> Result<Self, Error> {
        self.get(name).ok_or_else(|| {
            let at = format!("{}.{name}", self.at);
            Error::new(Kind::MissingField, format!("{at} is missing: {wanted}")).at(at)
        })
    }

    /// The text of a field that must be there.
    pub(super) fn need_text(&self, name: &str) -> Result<&'a str, Error> {
        self.need(name, "a string")?.text()
    }

    /// The text of a field that may be there.
    pub(super) fn get_text(&self, name: &str) -> Result<Option<&'a str>, Error> {
        self.get(name).map(|node| node.text()).transpose()
    }

    /// Text.
    pub(super) fn text(&self) -> Result<&'a str, Error> {
        self.value.as_str().ok_or_else(|| self.wrong("a string"))
    }

    /// A flag.
    pub(super) fn flag(&self) -> Result<bool, Error> {
        self.value.as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    /// A whole number.
    pub(super) fn whole(&self) -> Result<i64, Error> {
        self.value.as_i64().ok_or_else(|| self.wrong("a whole number"))
    }

    /// A number.
    pub(super) fn number(&self) -> Result<f64, Error> {
        self.value.as_f64().ok_or_else(|| self.wrong("a number"))
    }

    /// An object.
    pub(super) fn object(&self) -> Result<&'a Map<String, Value>, Error> {
        self.value.as_object().ok_or_else(|| self.wrong("an object"))
    }

    /// The elements of an array.
    pub(super) fn list(&self) -> Result<impl Iterator<Item = Self>, Error> {
        let list = self.value.as_array().ok_or_else(|| self.wrong("an array"))?;
        let at = self.at.clone();
        Ok(list
            .iter()
            .enumerate()
            .map(move |(index, value)| Self { at: format!("{at}[{index}]"), value }))
    }

    /// It must be something else.
    pub(super) fn wrong(&self, wanted: impl Display) -> Error {
        Error::new(Kind::InvalidField, format!("{} must be {wanted}", self.at)).at(self.at.as_str())
    }
}
