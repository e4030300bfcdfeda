//! Objects of a request, whose fields are taken one after the other: each checked, each named in
//! full where it is wrong, and what nobody took known at the end.

use serde_json::{Map, Value};

use crate::error::{Error, Kind};

/// An object of the body.
pub(super) struct Object {
    /// Where it stands, such as `input.messages[0]`.
    path: String,
    fields: Map<String, Value>,
}

/// `path must be wanted`.
pub(super) fn wrong(path: &str, wanted: &str) -> Error {
    Error::new(Kind::InvalidField, format!("{path} must be {wanted}")).at(path)
}

/// `path is missing: wanted`.
pub(super) fn missing(path: &str, wanted: &str) -> Error {
    Error::new(Kind::MissingField, format!("{path} is missing: {wanted}")).at(path)
}

impl Object {
    /// The object that `value` is.
    pub(super) fn of(path: String, value: Value) -> Result<Self, Error> {
        match value {
            Value::Object(fields) => Ok(Self { path, fields }),
            _ => Err(wrong(&path, "an object")),
        }
    }

    /// Where a field stands.
    pub(super) fn path(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }

    /// A field; `null` is none.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.fields.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Error> {
        self.take(name).map(|value| Self::of(self.path(name), value)).transpose()
    }

    /// The items of an array, each with where it stands.
    pub(super) fn list(&mut self, name: &str) -> Result<Option<Vec<(String, Value)>>, Error> {
        let path = self.path(name);
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(items)) => {
                let items = items.into_iter().enumerate();
                Ok(Some(items.map(|(at, item)| (format!("{path}[{at}]"), item)).collect()))
            }
            Some(_) => Err(wrong(&path, "an array")),
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(wrong(&self.path(name), "a string")),
        }
    }

    /// A text that must be there.
    pub(super) fn needed(&mut self, name: &str) -> Result<String, Error> {
        self.text(name)?.ok_or_else(|| missing(&self.path(name), "a string"))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(wrong(&self.path(name), "true or false")),
        }
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, Error> {
        self.take(name)
            .map(|value| value.as_f64().ok_or_else(|| wrong(&self.path(name), "a number")))
            .transpose()
    }

    pub(super) fn whole(&mut self, name: &str, least: i64) -> Result<Option<i64>, Error> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let whole = value.as_i64().filter(|whole| *whole >= least);
        let wanted = || wrong(&self.path(name), &format!("a whole number of at least {least}"));
        whole.map(Some).ok_or_else(wanted)
    }

    /// What was not taken: where each field stands, and its value.
    pub(super) fn rest(self) -> impl Iterator<Item = (String, Value)> {
        let Self { path, fields } = self;
        let said = fields.into_iter().filter(|(_, value)| !value.is_null());
        said.map(move |(name, value)| (format!("{path}.{name}"), value))
    }
}
