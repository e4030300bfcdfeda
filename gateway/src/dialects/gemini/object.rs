//! Objects of a request, whose fields are taken out one by one; what is left is not documented.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::Value;

use crate::call::Own;
use crate::error::{Error, Kind};

/// A value, and where it stands.
pub(super) struct At<'a> {
    pub(super) at: String,
    pub(super) value: &'a Value,
}

/// An object, and where it stands.
pub(super) struct Object<'a> {
    at: String,
    /// By name `likeThis`: the name as the client wrote it, and the value. `null` is absent.
    fields: BTreeMap<Cow<'a, str>, (&'a str, &'a Value)>,
}

/// A field is not what it must be.
pub(super) fn wrong(at: &str, wanted: &str) -> Error {
    Error::new(Kind::InvalidField, format!("{at} must be {wanted}")).at(at)
}

impl<'a> At<'a> {
    pub(super) fn object(self) -> Result<Object<'a>, Error> {
        let Value::Object(map) = self.value else {
            return Err(wrong(&self.at, "an object"));
        };
        let mut fields = BTreeMap::new();
        for (name, value) in map.iter().filter(|(_, value)| !value.is_null()) {
            if fields.insert(camel(name), (name.as_str(), value)).is_some() {
                return Err(wrong(&join(&self.at, name), "there in one spelling only"));
            }
        }
        Ok(Object { at: self.at, fields })
    }

    pub(super) fn list(self) -> Result<Vec<Self>, Error> {
        let Value::Array(list) = self.value else {
            return Err(wrong(&self.at, "an array"));
        };
        let items = list.iter().enumerate();
        Ok(items.map(|(n, value)| At { at: format!("{}[{n}]", self.at), value }).collect())
    }

    pub(super) fn text(&self) -> Result<&'a str, Error> {
        self.value.as_str().ok_or_else(|| wrong(&self.at, "a string"))
    }

    /// A whole number; protobuf also takes `40.0` and `"40"`.
    pub(super) fn whole(&self) -> Result<i64, Error> {
        let whole = match self.value {
            Value::String(text) => text.parse().ok(),
            value => value.as_i64().or_else(|| value.as_f64().and_then(exact)),
        };
        whole.ok_or_else(|| wrong(&self.at, "a whole number"))
    }
}

fn exact(number: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and in range")]
    let whole = (number.fract() == 0.0 && number.abs() < 9.0e15).then_some(number as i64);
    whole
}

impl<'a> Object<'a> {
    /// Takes a field out; `None` when it is absent.
    pub(super) fn any(&mut self, name: &str) -> Option<At<'a>> {
        let (said, value) = self.fields.remove(name)?;
        Some(At { at: join(&self.at, said), value })
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<&'a str>, Error> {
        self.any(name).map(|field| field.text()).transpose()
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Error> {
        let Some(field) = self.any(name) else {
            return Ok(None);
        };
        field.value.as_bool().map(Some).ok_or_else(|| wrong(&field.at, "true or false"))
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, Error> {
        let Some(field) = self.any(name) else {
            return Ok(None);
        };
        field.value.as_f64().map(Some).ok_or_else(|| wrong(&field.at, "a number"))
    }

    /// A whole number of at least `least`.
    pub(super) fn whole(&mut self, name: &str, least: i64) -> Result<Option<i64>, Error> {
        let Some(field) = self.any(name) else {
            return Ok(None);
        };
        let fits = field.whole().ok().filter(|number| *number >= least);
        let wanted = || wrong(&field.at, &format!("a whole number of at least {least}"));
        fits.map(Some).ok_or_else(wanted)
    }

    /// An array; empty when absent.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<At<'a>>, Error> {
        self.any(name).map_or_else(|| Ok(Vec::new()), At::list)
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Self>, Error> {
        self.any(name).map(At::object).transpose()
    }

    /// Where it stands.
    pub(super) fn at(&self) -> &str {
        &self.at
    }

    /// Where a field of it stands.
    pub(super) fn path(&self, name: &str) -> String {
        join(&self.at, name)
    }

    /// What was not taken: fields of which the answer means the same without `hints`.
    pub(super) fn left(self, own: &mut Vec<Own>, hints: &[&str]) {
        for (name, (said, value)) in self.fields {
            own.push(Own {
                name: join(&self.at, said),
                value: value.clone(),
                may_drop: hints.contains(&&*name),
            });
        }
    }
}

fn join(at: &str, name: &str) -> String {
    if at.is_empty() {
        return name.to_owned();
    }
    // a client's own name for a field is told, but not all of it
    let name: String = name.chars().take(60).collect();
    format!("{at}.{name}")
}

/// A name `like_this` as a name `likeThis`.
pub(super) fn camel(name: &str) -> Cow<'_, str> {
    if !name.contains('_') {
        return name.into();
    }
    let mut out = String::with_capacity(name.len());
    let mut raise = false;
    for c in name.chars() {
        if c == '_' {
            raise = !out.is_empty();
        } else if std::mem::take(&mut raise) {
            out.extend(c.to_uppercase());
        } else {
            out.push(c);
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn both_spellings_are_read_and_the_rest_is_left() {
        let value = json!({"top_k": 40.0, "topP": 1, "seed": "7", "none": null, "new_one": 1});
        let mut object = At { at: "config".into(), value: &value }.object().unwrap();
        assert_eq!(object.whole("topK", 1).unwrap(), Some(40));
        assert_eq!(object.number("topP").unwrap(), Some(1.0));
        assert_eq!(object.whole("seed", 0).unwrap(), Some(7));
        assert_eq!(object.text("none").unwrap(), None);
        let mut own = Vec::new();
        object.left(&mut own, &["newOne"]);
        let left: Vec<_> = own.iter().map(|own| (own.name.as_str(), own.may_drop)).collect();
        assert_eq!(left, [("config.new_one", true)]);
    }

    #[test]
    fn wrong_values_are_named_as_the_client_wrote_them() {
        let value = json!({"top_k": 1.5, "a_b": 1, "aB": 2});
        let error = At { at: "c".into(), value: &value }.object().err().unwrap();
        assert!(error.message.contains("one spelling"), "{error}");
        let value = json!({"top_k": 1.5});
        let mut object = At { at: "c".into(), value: &value }.object().unwrap();
        assert_eq!(object.whole("topK", 1).unwrap_err().field.as_deref(), Some("c.top_k"));
    }
}
