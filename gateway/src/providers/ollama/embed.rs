//! Embeddings as Ollama is asked for them.

use super::options::own;
use super::wire::EmbedRequest;
use super::{offers_no, outbound};
use crate::call::{Embed, Embeddable, Lacks};
use crate::error::Error;
use crate::providers::Outbound;
use crate::routing::Target;

/// Writes a request for embeddings.
pub(super) fn write(embed: &Embed, target: &Target) -> Result<Outbound, Error> {
    let uri = target.endpoint.embeddings.clone();
    let uri = uri.ok_or_else(|| offers_no(target, "embeddings"))?;
    let mut lacks = Lacks::of(format!("{} ({})", target.provider, target.model));
    let inputs = embed.inputs.iter().map(|input| match input {
        Embeddable::Text(text) => Ok(text.as_str()),
        Embeddable::Tokens(_) => lacks.refuse("input as token numbers", true).map(|()| ""),
        Embeddable::Image(_) => lacks.refuse("an image as input", true).map(|()| ""),
    });
    let input = inputs.collect::<Result<Vec<_>, Error>>()?;
    let mut owned = own(&embed.own, &mut lacks)?;
    if !owned.options.is_empty() {
        owned.top.insert("options".into(), owned.options.into());
    }
    for (name, there) in [
        ("task", embed.task.is_some()),
        ("title", embed.title.is_some()),
        ("user", embed.user.is_some()),
    ] {
        lacks.drop(name, there);
    }
    let model = target.model.as_str();
    let request = EmbedRequest { model, input, dimensions: embed.dimensions, own: owned.top };
    let mut outbound = outbound(uri, &request, false)?;
    outbound.dropped = lacks.dropped();
    Ok(outbound)
}
