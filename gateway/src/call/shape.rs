//! How a call is answered.

use schemas::event::Operation;

use super::Call;

/// How a call is answered, as far as the request says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// By one document.
    Whole,
    /// By a stream of events; a document is an error.
    Events,
    /// By a stream of events, or by one document from a model that has no streams.
    Either,
    /// By bytes as they come, such as sound. Nothing can be told between them.
    Bytes,
}

impl Call {
    /// How it is answered.
    pub const fn shape(&self) -> Shape {
        match (self.operation, self.stream) {
            (Operation::Speech, false) => Shape::Bytes,
            // "streaming is not supported for whisper-1 and will be ignored"
            (Operation::Transcription, true) => Shape::Either,
            (_, true) => Shape::Events,
            (_, false) => Shape::Whole,
        }
    }
}
