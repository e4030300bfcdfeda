//! The fields of an object of the request, taken one by one: what is left was not documented.

use std::fmt;

use serde_json::{Map, Number, Value};

use crate::call::Own;
use crate::error::{Error, Kind};

/// Where something stands in the request.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// The request itself.
    Root,
    /// A field of an object.
    Field(&'a Place<'a>, &'a str),
    /// An element of an array.
    Item(&'a Place<'a>, usize),
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(of, name) => write!(f, "{of}.{name}"),
            Self::Item(of, at) => write!(f, "{of}[{at}]"),
        }
    }
}

impl Place<'_> {
    /// It is not what it must be.
    pub(super) fn must(&self, be: &str) -> Error {
        Error::new(Kind::InvalidField, format!("{self} must be {be}")).at(self.to_string())
    }
}

/// The fields of an object. `null` counts as absent.
pub(super) struct Fields<'a> {
    pub(super) place: &'a Place<'a>,
    map: Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// Those of the object that stands there.
    pub(super) fn of(place: &'a Place<'a>, value: Value) -> Result<Self, Error> {
        match value {
            Value::Object(map) => Ok(Self { place, map }),
            _ => Err(place.must("an object")),
        }
    }

    /// Where a field of it stands.
    pub(super) const fn at(&self, name: &'a str) -> Place<'a> {
        Place::Field(self.place, name)
    }

    /// A field, whatever it is.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// A field that must be there.
    pub(super) fn need(&mut self, name: &str, what: &str) -> Result<Value, Error> {
        self.take(name).ok_or_else(|| {
            let place = Place::Field(self.place, name);
            Error::new(Kind::MissingField, format!("{place} is missing: {what}"))
                .at(place.to_string())
        })
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Place::Field(self.place, name).must("a string")),
        }
    }

    /// A text that must be there.
    pub(super) fn need_text(&mut self, name: &str) -> Result<String, Error> {
        match self.need(name, "a string")? {
            Value::String(text) => Ok(text),
            _ => Err(Place::Field(self.place, name).must("a string")),
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(Place::Field(self.place, name).must("true or false")),
        }
    }

    pub(super) fn whole(&mut self, name: &str) -> Result<Option<i64>, Error> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let whole = value.as_i64().filter(|number| *number >= 0);
        let must = || Place::Field(self.place, name).must("a whole number of at least 0");
        whole.map(Some).ok_or_else(must)
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Number(number)) => Ok(Number::as_f64(&number)),
            Some(_) => Err(Place::Field(self.place, name).must("a number")),
        }
    }

    pub(super) fn list(&mut self, name: &str) -> Result<Vec<Value>, Error> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(list)) => Ok(list),
            Some(_) => Err(Place::Field(self.place, name).must("an array")),
        }
    }

    /// Fields that no other format has: whether they may be dropped is documented with each.
    pub(super) fn own(&mut self, names: &[(&str, bool)], own: &mut Vec<Own>) {
        for (name, may_drop) in names {
            if let Some(value) = self.take(name) {
                let name = Place::Field(self.place, name).to_string();
                own.push(Own { name, value, may_drop: *may_drop });
            }
        }
    }

    /// What is left is not documented: no other format can be told.
    pub(super) fn rest(self, own: &mut Vec<Own>) {
        for (name, value) in self.map {
            let name = Place::Field(self.place, &name).to_string();
            own.push(Own { name, value, may_drop: false });
        }
    }
}
