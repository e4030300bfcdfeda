//! How the fake answers one request, and the short text that asks for it.

use std::time::Duration;

/// What goes wrong, if anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// 429 with `Retry-After` in seconds.
    RateLimit(u32),
    /// 429 of type `insufficient_quota`.
    Quota,
    /// An error with this status and a body in the vendor's shape.
    Status(u16),
    /// A gateway's HTML page under 502.
    Html,
    /// 200 with a body that is not JSON (in a stream: a `data:` line that is not).
    Malformed,
    /// 200 with an empty body.
    Empty,
    /// The connection closes before a byte of an answer.
    NoAnswer,
    /// Nothing is sent until the client leaves.
    StallFirst,
    /// A stream falls silent after so many content chunks, until the client leaves.
    StallAfter(u32),
    /// All content, but the stream ends cleanly before finish reason, usage and `[DONE]`.
    NoDone,
    /// The connection closes between two frames, after so many content chunks.
    CutAfter(u32),
    /// The connection closes inside a frame, after so many content chunks.
    MidChunk(u32),
    /// As [`Fault::CutAfter`], by a reset.
    ResetAfter(u32),
    /// An error object in the stream under 200, after so many content chunks.
    ErrorChunk(u32),
}

/// How the fake answers one request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Behaviour {
    /// What goes wrong.
    pub fault: Fault,
    /// Time before the first byte.
    pub latency: Duration,
    /// Time between content chunks of a stream.
    pub gap: Duration,
    /// Output tokens of the answer; one content chunk each.
    pub tokens: u32,
    /// Bytes of text per token.
    pub token_bytes: usize,
    /// Input tokens said to come from the cache.
    pub cached: u32,
    /// Output tokens said to be reasoning, beside `tokens`.
    pub reasoning: u32,
    /// Whether comments are put between the frames of a stream.
    pub comments: bool,
    /// Whether usage is given at all.
    pub usage: bool,
    /// Writes of at most this many bytes; 0 for whole frames.
    pub slice: usize,
    /// Time between slices.
    pub slice_gap: Duration,
    /// The fault meets only the first request of a call id.
    pub once: bool,
    /// The connection closes after the answer.
    pub close: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            fault: Fault::None,
            latency: Duration::ZERO,
            gap: Duration::ZERO,
            tokens: 8,
            token_bytes: 6,
            cached: 0,
            reasoning: 0,
            comments: false,
            usage: true,
            slice: 0,
            slice_gap: Duration::ZERO,
            once: false,
            close: false,
        }
    }
}

/// A directive that can't be read.
#[derive(Debug, thiserror::Error)]
#[error("directive {0:?} is unknown or has a wrong value")]
pub struct Error(String);

impl Behaviour {
    /// Reads directives such as `stall_after=3,latency_ms=20,once`: names of faults, three-digit
    /// statuses, and the other fields by name (times in milliseconds with `_ms`).
    ///
    /// # Errors
    /// A name that is unknown, or a value that is no number.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut it = Self::default();
        for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            it.apply(word).ok_or_else(|| Error(word.to_owned()))?;
        }
        Ok(it)
    }

    fn apply(&mut self, word: &str) -> Option<()> {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let number = || value.parse::<u32>().ok();
        let millis = || number().map(|ms| Duration::from_millis(ms.into()));
        let size = || value.parse::<usize>().ok();
        match name {
            "rate_limit" => {
                self.fault = Fault::RateLimit(if value.is_empty() { 1 } else { number()? })
            }
            "quota" => self.fault = Fault::Quota,
            "html" => self.fault = Fault::Html,
            "malformed" => self.fault = Fault::Malformed,
            "empty" => self.fault = Fault::Empty,
            "no_answer" => self.fault = Fault::NoAnswer,
            "stall_first" => self.fault = Fault::StallFirst,
            "stall_after" => self.fault = Fault::StallAfter(number()?),
            "no_done" => self.fault = Fault::NoDone,
            "cut_after" => self.fault = Fault::CutAfter(number()?),
            "mid_chunk" => self.fault = Fault::MidChunk(number()?),
            "reset_after" => self.fault = Fault::ResetAfter(number()?),
            "error_chunk" => self.fault = Fault::ErrorChunk(number()?),
            "latency_ms" => self.latency = millis()?,
            "gap_ms" => self.gap = millis()?,
            "tokens" => self.tokens = number()?,
            "token_bytes" => self.token_bytes = size()?,
            "cached" => self.cached = number()?,
            "reasoning" => self.reasoning = number()?,
            "comments" => self.comments = true,
            "no_usage" => self.usage = false,
            "slice" => self.slice = size()?,
            "slice_gap_ms" => self.slice_gap = millis()?,
            "once" => self.once = true,
            "close" => self.close = true,
            status => {
                let code: u16 = status.parse().ok()?;
                (400..600).contains(&code).then_some(())?;
                self.fault = Fault::Status(code);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_and_unknown_ones_refused() {
        let it = Behaviour::parse("stall_after=3, latency_ms=20,once").unwrap();
        assert_eq!(it.fault, Fault::StallAfter(3));
        assert_eq!(it.latency, Duration::from_millis(20));
        assert!(it.once);
        assert_eq!(Behaviour::parse("503").unwrap().fault, Fault::Status(503));
        assert_eq!(Behaviour::parse("").unwrap(), Behaviour::default());
        for wrong in ["stall_later", "gap_ms=soon", "200", "cut_after"] {
            assert!(Behaviour::parse(wrong).is_err(), "{wrong}");
        }
    }
}
