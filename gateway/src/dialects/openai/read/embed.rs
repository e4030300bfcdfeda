//! What is to be embedded.

use serde_json::Value;

use super::body;
use super::json::{At, Fields, wrong};
use crate::call::{Asked, Call, Embed, Embeddable};
use crate::error::Error;

const INPUT: &str =
    "a string, an array of strings, an array of token numbers, or an array of those";

/// Embeddings.
pub(in super::super) fn embed(call: &Call) -> Result<Asked, Error> {
    let mut fields = Fields::of(body(call)?, &At::Top)?;
    fields.take("model");
    let inputs = inputs(fields.needed_value("input", INPUT)?)?;
    let dimensions = fields.whole("dimensions", 1..=i64::MAX)?;
    let format = fields.one_of("encoding_format", &["float", "base64"])?;
    let user = fields.text("user")?;
    let mut own = Vec::new();
    fields.rest(&mut own);
    let base64 = format.as_deref() == Some("base64");
    Ok(Asked::Embed(Embed { inputs, dimensions, base64, user, own, ..Embed::default() }))
}

fn inputs(value: Value) -> Result<Vec<Embeddable>, Error> {
    let at = At::Field(&At::Top, "input");
    match value {
        Value::String(text) => Ok(vec![Embeddable::Text(text)]),
        Value::Array(list) if list.is_empty() => Err(wrong(&at, "not empty")),
        Value::Array(list) if list.iter().all(Value::is_number) => {
            Ok(vec![Embeddable::Tokens(tokens(&list, &at)?)])
        }
        Value::Array(list) => {
            let each = list.into_iter().enumerate().map(|(index, value)| match value {
                Value::String(text) => Ok(Embeddable::Text(text)),
                Value::Array(list) => Ok(Embeddable::Tokens(tokens(&list, &At::Item(&at, index))?)),
                _ => Err(wrong(&At::Item(&at, index), "a string or an array of token numbers")),
            });
            each.collect()
        }
        _ => Err(wrong(&at, INPUT)),
    }
}

fn tokens(list: &[Value], at: &At<'_>) -> Result<Vec<u32>, Error> {
    let each = list.iter().enumerate().map(|(index, value)| {
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| wrong(&At::Item(at, index), "a token number"))
    });
    each.collect()
}
