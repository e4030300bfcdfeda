//! A request that was let through.

use bytes::Bytes;
use control::plane::Who;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::audit::address;
use crate::caller::{Caller, Where};
use crate::problem::Problem;

/// The longest idempotency key.
const MAX_COMMAND: usize = 128;
/// The longest reason.
const MAX_REASON: usize = 500;

/// A request, who it is of, and how far they may go.
#[derive(Debug)]
pub(crate) struct Ask {
    /// The entity in the path.
    pub(crate) id: Option<String>,
    pub(crate) caller: Caller,
    pub(crate) reach: Where,
    pub(crate) head: Parts,
    pub(crate) body: Bytes,
    /// The request's id.
    pub(crate) request: String,
}

impl Ask {
    /// The entity in the path.
    pub(crate) fn id(&self) -> Result<&str, Problem> {
        self.id.as_deref().ok_or_else(Problem::internal)
    }

    /// The body as JSON of a type; fields that it does not know are refused.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        serde_json::from_slice(&self.body).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Problem::invalid("", error.to_string()),
            _ => Problem::malformed(error.to_string()),
        })
    }

    /// The query as a type.
    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let query = axum::extract::Query::<T>::try_from_uri(&self.head.uri);
        query.map(|query| query.0).map_err(|error| Problem::invalid("query", error.body_text()))
    }

    /// Who wants a change.
    pub(crate) fn who(&self) -> Result<Who, Problem> {
        let key = self.head.headers.get("idempotency-key");
        let command = key.map(|value| value.to_str().ok().filter(|text| fits(text)));
        let wrong = || {
            let why = format!("1 to {MAX_COMMAND} printable ASCII characters are wanted");
            Problem::invalid("Idempotency-Key", why)
        };
        let command = match command {
            None => None,
            Some(None) => return Err(wrong()),
            Some(Some(text)) => Some(text.to_owned()),
        };
        Ok(Who { command, ..self.plainly() })
    }

    /// The same where the command has no id of the caller's own.
    pub(crate) fn plainly(&self) -> Who {
        Who {
            actor: self.caller.actor.clone(),
            address: address(&self.head).map(|address| address.to_string()),
            request: Some(self.request.clone()),
            command: None,
        }
    }
}

fn fits(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= MAX_COMMAND
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A reason as it may be kept.
pub(crate) fn check_reason(reason: Option<&str>) -> Result<(), Problem> {
    let long = reason.is_some_and(|reason| reason.chars().count() > MAX_REASON);
    if long {
        return Err(Problem::invalid("reason", format!("at most {MAX_REASON} characters")));
    }
    Ok(())
}
