//! The last frame of a stream that broke.

use bytes::Bytes;
use schemas::event::AttemptError;

use crate::dialects::Dialect;
use crate::error::{Error, Kind};

/// An error in the dialect's own shape, as a frame of its stream.
pub(super) fn frame_of(dialect: Dialect, why: AttemptError) -> Bytes {
    let what = match why {
        AttemptError::IdleTimeout => "the provider fell silent",
        AttemptError::TotalTimeout => "the call took longer than it may",
        AttemptError::Malformed => "the provider sent what can't be read",
        AttemptError::Broken => "the provider broke the stream off",
        _ => "the provider failed",
    };
    let error = Error::new(Kind::Truncated, format!("{what}; the answer above is incomplete"));
    dialect.speech().broken(&error)
}
