//! A request's JSON, taken apart with the place of each value at hand.

use std::fmt;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::call::Own;
use crate::error::{Error, Kind};

/// Where a value stands; put in words only when something is wrong there.
#[derive(Clone, Copy)]
pub(super) enum At<'a> {
    /// The body.
    Top,
    /// A field of an object.
    Field(&'a At<'a>, &'a str),
    /// An item of an array.
    Item(&'a At<'a>, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => Ok(()),
            Self::Field(Self::Top, name) => f.write_str(name),
            Self::Field(of, name) => write!(f, "{of}.{name}"),
            Self::Item(of, at) => write!(f, "{of}[{at}]"),
        }
    }
}

/// Something is not as it must be.
pub(super) fn wrong(at: &At<'_>, must: impl fmt::Display) -> Error {
    Error::new(Kind::InvalidField, format!("{at} must be {must}")).at(at.to_string())
}

fn missing(at: &At<'_>, what: &str) -> Error {
    Error::new(Kind::MissingField, format!("{at} is missing: {what}")).at(at.to_string())
}

/// The fields of an object that are still to be read. `null` counts as absent.
pub(super) struct Fields<'a> {
    pub(super) at: &'a At<'a>,
    map: Map<String, Value>,
}

impl<'a> Fields<'a> {
    /// Of a value that must be an object.
    pub(super) fn of(value: Value, at: &'a At<'a>) -> Result<Self, Error> {
        match value {
            Value::Object(map) => Ok(Self { at, map }),
            _ => Err(wrong(at, "an object")),
        }
    }

    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    fn error<T>(&self, name: &str, must: impl fmt::Display) -> Result<T, Error> {
        Err(wrong(&At::Field(self.at, name), must))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => self.error(name, "a string"),
        }
    }

    /// A string that must be there.
    pub(super) fn needed(&mut self, name: &str, what: &str) -> Result<String, Error> {
        let text = self.text(name)?;
        text.ok_or_else(|| missing(&At::Field(self.at, name), what))
    }

    /// A value that must be there.
    pub(super) fn needed_value(&mut self, name: &str, what: &str) -> Result<Value, Error> {
        self.take(name).ok_or_else(|| missing(&At::Field(self.at, name), what))
    }

    /// One of these strings.
    pub(super) fn one_of(&mut self, name: &str, known: &[&str]) -> Result<Option<String>, Error> {
        match self.text(name)? {
            Some(text) if !known.contains(&text.as_str()) => {
                self.error(name, format_args!("one of {}", known.join(", ")))
            }
            text => Ok(text),
        }
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => self.error(name, "true or false"),
        }
    }

    pub(super) fn whole(
        &mut self,
        name: &str,
        range: RangeInclusive<i64>,
    ) -> Result<Option<i64>, Error> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match value.as_i64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None if *range.end() == i64::MAX => {
                self.error(name, format_args!("a whole number of at least {}", range.start()))
            }
            None => {
                let (least, most) = range.into_inner();
                self.error(name, format_args!("a whole number of {least} to {most}"))
            }
        }
    }

    pub(super) fn number(
        &mut self,
        name: &str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, Error> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        match value.as_f64().filter(|number| range.contains(number)) {
            Some(number) => Ok(Some(number)),
            None => {
                let (least, most) = range.into_inner();
                self.error(name, format_args!("a number of {least} to {most}"))
            }
        }
    }

    pub(super) fn list(&mut self, name: &str) -> Result<Option<Vec<Value>>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(_) => self.error(name, "an array"),
        }
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>, Error> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(_) => self.error(name, "an object"),
        }
    }

    /// A field that only this format knows.
    pub(super) fn own(&mut self, name: &str, may_drop: bool, own: &mut Vec<Own>) {
        if let Some(value) = self.take(name) {
            own.push(Own { name: At::Field(self.at, name).to_string(), value, may_drop });
        }
    }

    /// What is left is not documented.
    pub(super) fn rest(self, own: &mut Vec<Own>) {
        for (name, value) in self.map {
            if !value.is_null() {
                let name = At::Field(self.at, &name).to_string();
                own.push(Own { name, value, may_drop: false });
            }
        }
    }
}
