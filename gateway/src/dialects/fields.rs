//! What a dialect documents of a field, and the checks that need no provider.

use std::borrow::Cow;

use crate::call::Call;
use crate::error::{Error, Kind};

/// The JSON type that a field must have; `null` counts as absent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// `true` or `false`.
    Flag,
    /// A whole number of at least this.
    Whole(i64),
    /// Any number.
    Number,
    /// A string.
    Text,
    /// An array that is not empty.
    List,
    /// An object.
    Object,
    /// One of several types: the provider looks closer.
    Any,
}

/// What happens to a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Rule {
    /// It goes to the provider as it is (a vendor's row may rename or drop it by name).
    Pass(Shape),
    /// It is read here as well.
    Read(Shape),
    /// It can't be honoured: why.
    Refuse(&'static str),
}

/// The fields that a dialect documents.
pub(super) type Table = &'static [(&'static str, Rule)];

/// Checks the shape of each documented field that is there; fields that are not documented pass,
/// so that a vendor's new field works on the day it appears.
///
/// # Errors
/// The first field that is refused or of the wrong shape.
pub(super) fn check(call: &Call, table: Table) -> Result<(), Error> {
    for field in &call.fields {
        let Some((name, rule)) = table.iter().find(|(name, _)| *name == &*field.name) else {
            continue;
        };
        let value = call.body.get(field.value.clone()).unwrap_or_default();
        if value == b"null" {
            continue;
        }
        match rule {
            Rule::Refuse(why) => {
                return Err(Error::new(Kind::UnsupportedField, format!("{name}: {why}")).at(*name));
            }
            Rule::Pass(shape) | Rule::Read(shape) => {
                if let Some(wanted) = shape.mismatch(value) {
                    return Err(Error::new(Kind::InvalidField, format!("{name} must be {wanted}"))
                        .at(*name));
                }
            }
        }
    }
    Ok(())
}

impl Shape {
    /// What would be right, when the JSON value is not of this shape.
    fn mismatch(self, value: &[u8]) -> Option<Cow<'static, str>> {
        let first = value.first().copied().unwrap_or_default();
        let number = first == b'-' || first.is_ascii_digit();
        let (fits, wanted) = match self {
            Self::Flag => (matches!(first, b't' | b'f'), "true or false".into()),
            Self::Whole(least) => {
                let whole =
                    std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
                (
                    whole.is_some_and(|n| n >= least),
                    format!("a whole number of at least {least}").into(),
                )
            }
            Self::Number => (number, "a number".into()),
            Self::Text => (first == b'"', "a string".into()),
            Self::List => {
                let inner = value.get(1..value.len().saturating_sub(1)).unwrap_or_default();
                (
                    first == b'[' && !inner.trim_ascii().is_empty(),
                    "an array that is not empty".into(),
                )
            }
            Self::Object => (first == b'{', "an object".into()),
            Self::Any => (true, Cow::Borrowed("anything")),
        };
        (!fits).then_some(wanted)
    }
}
