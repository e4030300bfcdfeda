//! What the process around the API knows: how its gateway routes calls, and what ClickHouse holds.

use std::collections::BTreeSet;
use std::fmt;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::Uri;
use serde::Deserialize;
use serde_json::Value;

use crate::problem::Problem;

/// An answer that takes time.
pub type Answer<'a> = BoxFuture<'a, Result<Value, Problem>>;

/// The process around the API.
pub trait Node: fmt::Debug + Send + Sync {
    /// Why a call would go where it goes; the query of `asked` says which. `within`: the projects that may be asked for,
    /// all when `None`.
    ///
    /// # Errors
    /// The question is not good, the model is not known, or what the answer takes is away.
    fn explain<'a>(&'a self, asked: &'a Uri, within: Option<&'a BTreeSet<String>>) -> Answer<'a> {
        let _unused = (asked, within);
        async { Err(Problem::away("no gateway runs in this process")) }.boxed()
    }

    /// Who did what, newest first: at most `limit`, behind a place in the list.
    ///
    /// # Errors
    /// ClickHouse is away.
    fn trail<'a>(&'a self, asked: &'a Search) -> Answer<'a> {
        let _unused = asked;
        async { Err(Problem::away("this process has no ClickHouse")) }.boxed()
    }
}

/// A process that knows nothing beside its control plane.
#[derive(Clone, Copy, Debug)]
pub struct Alone;

impl Node for Alone {}

/// Which entries of the trail.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Search {
    /// By whom, such as `key:owner`.
    pub actor: String,
    /// What, such as `created` or `admin.refused`.
    pub action: String,
    /// On what: `provider/openai`, or `provider` for all of them.
    pub entity: String,
    /// In which request.
    pub request: String,
    /// From this time on, microseconds since the epoch.
    pub since_us: Option<i64>,
    /// Before this time.
    pub until_us: Option<i64>,
    /// The most on a page.
    pub limit: Option<usize>,
    /// Those behind this place, as `next` gave it.
    pub after: Option<Place>,
}

/// A place in the list.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Place {
    /// Log-append time, microseconds since the epoch.
    pub at_us: i64,
    /// The topic's name.
    pub topic: String,
    /// The place there.
    pub offset: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.at_us, self.offset, self.topic)
    }
}

impl TryFrom<String> for Place {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let mut parts = text.splitn(3, '-');
        let mut next = || parts.next().ok_or("a place as an answer's next gave it is wanted");
        let (at, offset, topic) = (next()?, next()?, next()?);
        let wrong = |_| "a place as an answer's next gave it is wanted";
        Ok(Self {
            at_us: at.parse().map_err(wrong)?,
            topic: topic.to_owned(),
            offset: offset.parse().map_err(wrong)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_and_read_alike() {
        let place = Place { at_us: 7, topic: "hub.audit.v1".into(), offset: 3 };
        assert_eq!(Place::try_from(place.to_string()), Ok(place));
        for text in ["", "1", "1-2", "x-2-hub", "1-x-hub"] {
            assert!(Place::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
