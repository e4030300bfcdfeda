//! What all dialects do with a request first.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use schemas::event::Operation;
use schemas::ids::{CallId, ModelId};

use super::Dialect;
use super::fields::{Table, check};
use crate::call::{Call, Field, scan, scan_form};
use crate::error::{Error, Kind};

/// The longest name of a model.
const MAX_MODEL: usize = 256;
/// Bytes kept of texts that callers choose for events.
const MAX_TEXT: usize = 128;
const MAX_TAGS: usize = 8;

/// A call of a JSON body whose fields are checked against the dialect's table; who reads the dialect fills in the
/// model and the rest.
///
/// # Errors
/// Names the field and what would be right.
pub(super) fn start(
    dialect: Dialect,
    operation: Operation,
    headers: &HeaderMap,
    body: Bytes,
    table: Table,
) -> Result<Call, Error> {
    let fields = scan(&body)?;
    let call = begin(dialect, operation, headers, (body, fields, None));
    check(&call, table)?;
    Ok(call)
}

/// A call of a form; the parts of these names are read here and may be there once.
///
/// # Errors
/// What is wrong with the form.
pub(super) fn start_form(
    dialect: Dialect,
    operation: Operation,
    headers: &HeaderMap,
    body: Bytes,
    once: &[&str],
) -> Result<Call, Error> {
    let none = HeaderValue::from_static("");
    let form = headers.get(header::CONTENT_TYPE).cloned().unwrap_or(none);
    let fields = scan_form(&form, &body)?;
    for name in once {
        if fields.iter().filter(|field| &*field.name == *name).count() > 1 {
            let message = format!("{name} is in the form twice");
            return Err(Error::new(Kind::InvalidField, message).at(*name));
        }
    }
    Ok(begin(dialect, operation, headers, (body, fields, Some(form))))
}

fn begin(
    dialect: Dialect,
    operation: Operation,
    headers: &HeaderMap,
    (body, fields, form): (Bytes, Vec<Field>, Option<HeaderValue>),
) -> Call {
    Call {
        id: CallId::default(),
        operation,
        dialect,
        model: "".into(),
        stream: false,
        usage_wanted: false,
        listed: false,
        max_output: None,
        capped: false,
        choices: 1,
        user: None,
        client: client(headers),
        tags: BTreeMap::new(),
        passed_headers: Vec::new(),
        body,
        form,
        fields,
        asked: OnceLock::new(),
        trace: None,
    }
}

/// A model that stands in a path, unescaped.
///
/// # Errors
/// It is none.
pub(super) fn model_of(name: &str) -> Result<ModelId, Error> {
    if name.is_empty() || name.len() > MAX_MODEL || name.chars().any(char::is_control) {
        let message = format!("model must be a name of 1 to {MAX_MODEL} bytes");
        return Err(Error::new(Kind::InvalidField, message).at("model"));
    }
    Ok(name.into())
}

pub(super) fn require(call: &Call, name: &'static str, what: &str) -> Result<(), Error> {
    if call.field(name).is_some_and(|value| value != b"null") {
        return Ok(());
    }
    Err(Error::new(Kind::MissingField, format!("{name} is missing: {what}")).at(name))
}

pub(super) fn model(call: &Call) -> Result<ModelId, Error> {
    let value = call.field("model").unwrap_or_default();
    let name: String = serde_json::from_slice(value).unwrap_or_default();
    model_of(&name)
}

pub(super) fn flag(call: &Call, name: &str) -> bool {
    call.field(name) == Some(b"true")
}

pub(super) fn whole(call: &Call, name: &str) -> Option<i64> {
    serde_json::from_slice(call.field(name)?).ok()
}

pub(super) fn text(call: &Call, name: &str) -> Option<Arc<str>> {
    let text: String = serde_json::from_slice(call.field(name)?).ok()?;
    Some(cut(&text).into())
}

pub(super) fn cut(text: &str) -> &str {
    let end = text.floor_char_boundary(MAX_TEXT);
    text.get(..end).unwrap_or_default()
}

/// What the client calls itself: the product of its user agent, such as `OpenAI/Python`.
pub(super) fn client(headers: &HeaderMap) -> Option<Arc<str>> {
    let agent = headers.get(header::USER_AGENT)?.to_str().ok()?;
    Some(cut(agent).into())
}

/// `metadata` doubles as tags: its first entries, by name, that are text.
pub(super) fn tags(call: &Call) -> Result<BTreeMap<String, String>, Error> {
    let Some(value) = call.field("metadata").filter(|value| *value != b"null") else {
        return Ok(BTreeMap::new());
    };
    let tags: BTreeMap<String, String> = serde_json::from_slice(value).map_err(|_| {
        Error::new(Kind::InvalidField, "metadata must map names to strings").at("metadata")
    })?;
    let tags = tags.into_iter().take(MAX_TAGS);
    Ok(tags.map(|(name, value)| (cut(&name).to_owned(), cut(&value).to_owned())).collect())
}
