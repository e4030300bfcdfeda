//! Text of a vendor's JSON.

use std::borrow::Cow;

use serde::Deserialize;

/// Text that is not copied where it holds no escapes, also behind an `Option` (there a `Cow` always is).
#[derive(Deserialize, Default)]
#[serde(transparent)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl Text<'_> {
    pub(super) fn into_owned(self) -> String {
        self.0.into_owned()
    }
}

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}
