//! An answer, as a client of OpenAI's is shown it.

mod chunks;
mod embeddings;
mod head;
mod whole;
mod wire;

pub(super) use self::chunks::Chunks;
pub(super) use self::embeddings::Vectors;
pub(super) use self::whole::Whole;
