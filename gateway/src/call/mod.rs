//! A call as the gateway understands it, whatever dialect it came in. Plain data.

mod asked;
pub mod chat;
mod fields;
mod form;
mod lacks;
mod most;
mod needs;
mod shape;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use schemas::event::Operation;
use schemas::ids::{CallId, ModelId};

pub use asked::{Asked, Draw, Embed, Embeddable};
pub use chat::{Chat, Own};
pub(crate) use fields::place;
pub use fields::scan;
pub use form::scan_form;
pub use lacks::Lacks;
pub use shape::Shape;

use crate::dialects::Dialect;
use crate::error::Error;
use crate::trace::Trace;

/// What a client asks for. The body stays the client's own bytes: to a provider of the same format
/// they go out as they are, edited in place where they must change, by the places of the fields.
/// For a provider of another format they are read once, by [`asked`](Self::asked).
///
/// No `Debug`: the body is content.
#[derive(Clone)]
pub struct Call {
    /// Its id; tells when it began, too.
    pub id: CallId,
    /// What it is for.
    pub operation: Operation,
    /// How it was said.
    pub dialect: Dialect,
    /// The model as asked for.
    pub model: ModelId,
    /// Whether the answer shall be a stream.
    pub stream: bool,
    /// Whether the client asked to see the usage in the stream.
    pub usage_wanted: bool,
    /// Whether a whole answer is wanted as an array of its parts, of which it is the only one (Google's
    /// streams that are no events).
    pub listed: bool,
    /// The most output tokens that the client wants per choice.
    pub max_output: Option<i64>,
    /// Whether `max_output` is the hub's own cap, to be told to the provider.
    pub capped: bool,
    /// How many choices it wants.
    pub choices: i64,
    /// The client's end user, cut to 128 bytes.
    pub user: Option<Arc<str>>,
    /// The client application, cut to 128 bytes.
    pub client: Option<Arc<str>>,
    /// Tags, at most 8.
    pub tags: BTreeMap<String, String>,
    /// The client's headers that a provider of the same format is told.
    pub passed_headers: Vec<(HeaderName, HeaderValue)>,
    /// The client's own bytes: a JSON object, or a form.
    pub body: Bytes,
    /// Of a form: its content type, which says its boundary.
    pub form: Option<HeaderValue>,
    /// Where the top-level fields of the body stand, in order; of a form, its parts.
    pub fields: Vec<Field>,
    /// What the body asks for, once somebody wanted to know.
    pub asked: OnceLock<Result<Arc<Asked>, Error>>,
    /// Its trace; `None` while traces are off.
    pub trace: Option<Box<Trace>>,
}

/// Where a top-level field of the body stands.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name, unescaped.
    pub name: Box<str>,
    /// From the name's opening quote to the end of the value; of a part of a form, from its head.
    pub whole: Range<usize>,
    /// The value.
    pub value: Range<usize>,
}

impl Call {
    /// What it asks for, in no vendor's format; read at the first call.
    ///
    /// # Errors
    /// Names the field of the client's format that is wrong, and what would be right.
    pub fn asked(&self) -> Result<Arc<Asked>, Error> {
        self.asked.get_or_init(|| self.dialect.speech().read(self).map(Arc::new)).clone()
    }

    /// The JSON text of a top-level field, or the content of a form's first part of this name.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let field = self.fields.iter().find(|field| &*field.name == name)?;
        self.body.get(field.value.clone())
    }

    /// Caps the output of a call that names no maximum.
    pub const fn cap_output(&mut self, tokens: i64) {
        if let Operation::Chat = self.operation {
            self.max_output = Some(tokens);
            self.capped = true;
        }
    }

    /// A rough count of the input tokens, four bytes each; 0 for what is not counted in tokens.
    pub fn estimated_input(&self) -> i64 {
        match self.operation {
            Operation::Chat | Operation::Embeddings => self.input_bound() / 4,
            Operation::Other
            | Operation::Image
            | Operation::Moderation
            | Operation::Transcription
            | Operation::Speech => 0,
        }
    }

    /// An upper bound of the input tokens: byte-level vocabularies never make more tokens of a
    /// text than it has bytes.
    pub fn input_bound(&self) -> i64 {
        i64::try_from(self.body.len()).unwrap_or(i64::MAX)
    }
}
