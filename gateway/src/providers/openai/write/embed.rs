//! Embeddings.

use serde::Serialize;

use super::{Written, lacks_of};
use crate::call::{Embed, Embeddable};
use crate::error::Error;
use crate::routing::Target;

#[derive(Serialize)]
struct Request<'a> {
    model: &'a str,
    input: Vec<Input<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Input<'a> {
    Text(&'a str),
    Tokens(&'a [u32]),
}

/// Embeddings. Vectors come as numbers, which all vendors give.
pub(crate) fn embed(embed: &Embed, target: &Target) -> Result<Written, Error> {
    let mut lacks = lacks_of(target);
    for field in &embed.own {
        lacks.refuse(&field.name, !field.may_drop)?;
        lacks.drop(&field.name, true);
    }
    lacks.drop("task", embed.task.is_some());
    lacks.drop("title", embed.title.is_some());
    let mut input = Vec::with_capacity(embed.inputs.len());
    for one in &embed.inputs {
        match one {
            Embeddable::Text(text) => input.push(Input::Text(text)),
            Embeddable::Tokens(tokens) => input.push(Input::Tokens(tokens)),
            Embeddable::Image(_) => lacks.refuse("an image as input", true)?,
        }
    }
    let texts = input.iter().filter(|one| matches!(one, Input::Text(_))).count();
    lacks.refuse("texts and tokens at once", texts != 0 && texts != input.len())?;
    let request = Request {
        model: target.model.as_str(),
        input,
        dimensions: embed.dimensions,
        user: embed.user.as_deref(),
    };
    Written::new(&request, None, lacks)
}
