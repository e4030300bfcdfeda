//! The head of a call: all of AIGNE's requests have the same. What matters stands one level deep
//! and deeper; it is found without reading the conversation.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderMap;
use schemas::event::Operation;
use schemas::ids::ModelId;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::object::{Object, missing, wrong};
use crate::call::Call;
use crate::dialects::Dialect;
use crate::dialects::fields::Rule::{Pass, Read};
use crate::dialects::fields::Shape::{Any, Object as Fields};
use crate::dialects::fields::Table;
use crate::dialects::start::{cut, model_of, require, start};
use crate::error::{Error, Kind};

const TOP: Table = &[("input", Read(Fields)), ("options", Read(Fields)), ("agent", Pass(Any))];

/// The client application, as the client's own header names it.
const CLIENT: &str = "x-aigne-hub-client-did";
/// How the client marks models that are asked of a hub.
const MARK: &str = "aignehub/";

/// What is told before the conversation is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input<'a> {
    #[serde(borrow, default)]
    model_options: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ModelOptions<'a> {
    #[serde(borrow, default)]
    model: Option<&'a RawValue>,
    #[serde(borrow, default)]
    max_tokens: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Options<'a> {
    #[serde(borrow, default)]
    streaming: Option<&'a RawValue>,
}

/// A call.
pub(super) fn parse(
    dialect: Dialect,
    operation: Operation,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Call, Error> {
    let mut call = start(dialect, operation, headers, body, TOP)?;
    require(&call, "input", "an object")?;
    let (model, max_output) = asked(call.field("input").unwrap_or_default())?;
    call.stream = streaming(call.field("options"))?;
    if let (true, Operation::Embeddings | Operation::Image) = (call.stream, operation) {
        let message = "options.streaming: only chats are streamed; leave it out";
        return Err(Error::new(Kind::UnsupportedField, message).at("options.streaming"));
    }
    (call.model, call.max_output) = (model, max_output);
    call.usage_wanted = true;
    call.client = client(headers).or(call.client);
    Ok(call)
}

/// The object `input`, to be read.
pub(super) fn input(call: &Call) -> Result<Object, Error> {
    let value: Value = serde_json::from_slice(call.field("input").unwrap_or_default())
        .map_err(|_| wrong("input", "an object, nested at most 100 levels deep"))?;
    Object::of("input".into(), value)
}

fn asked(input: &[u8]) -> Result<(ModelId, Option<i64>), Error> {
    const OPTIONS: &str = "input.modelOptions";
    const MODEL: &str = "input.modelOptions.model";
    const MOST: &str = "input.modelOptions.maxTokens";
    let input: Input<'_> = serde_json::from_slice(input).map_err(|_| twice("input"))?;
    let no_model = || missing(MODEL, "the name of a model");
    let options = input.model_options.ok_or_else(no_model)?.get();
    if !options.starts_with('{') {
        return Err(wrong(OPTIONS, "an object"));
    }
    let options: ModelOptions<'_> = serde_json::from_str(options).map_err(|_| twice(OPTIONS))?;
    let model = options.model.ok_or_else(no_model)?.get();
    let model: Cow<'_, str> = serde_json::from_str(model).map_err(|_| wrong(MODEL, "a string"))?;
    let model = model_of(model.strip_prefix(MARK).unwrap_or(&model));
    let model = model.map_err(|_| wrong(MODEL, "a name of 1 to 256 bytes"))?;
    let most = options.max_tokens.map(|most| {
        let most = most.get().parse().ok().filter(|most: &i64| *most >= 1);
        most.ok_or_else(|| wrong(MOST, "a whole number of at least 1"))
    });
    Ok((model, most.transpose()?))
}

fn streaming(options: Option<&[u8]>) -> Result<bool, Error> {
    let Some(options) = options.filter(|options| *options != b"null") else {
        return Ok(false);
    };
    let options: Options<'_> = serde_json::from_slice(options).map_err(|_| twice("options"))?;
    match options.streaming.map(RawValue::get) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(wrong("options.streaming", "true or false")),
    }
}

/// The one thing that can be wrong with an object whose values are taken as they are.
fn twice(path: &str) -> Error {
    wrong(path, "an object that has no field twice")
}

fn client(headers: &HeaderMap) -> Option<std::sync::Arc<str>> {
    let said = headers.get(CLIENT)?.to_str().ok()?;
    // the client escapes it as a part of an address
    let said = format!("={said}");
    let (_, said) = url::form_urlencoded::parse(said.as_bytes()).next()?;
    (!said.is_empty()).then(|| cut(&said).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_application_is_named_by_its_own_header() {
        for (said, wanted) in [
            (Some("@aigne/aigne-hub:host"), "@aigne/aigne-hub:host"),
            (Some("zNK%3Aa%2Fb"), "zNK:a/b"),
            (Some(""), "node"),
            (None, "node"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(http::header::USER_AGENT, "node".parse().unwrap());
            if let Some(said) = said {
                headers.insert(CLIENT, said.parse().unwrap());
            }
            let body = r#"{"input":{"modelOptions":{"model":"m"}}}"#;
            let call = parse(Dialect::Aigne, Operation::Chat, &headers, body.into()).ok().unwrap();
            assert_eq!(call.client.as_deref(), Some(wanted), "{said:?}");
        }
    }
}
