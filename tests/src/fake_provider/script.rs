//! What is sent, byte for byte, and when: every answer of the fake is one of these.

use std::time::Duration;

use base64::Engine as _;
use serde::Deserialize;

/// One step of an answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Send bytes; once they are sent the vendor bills so many output tokens.
    Write {
        /// As they go on the wire.
        bytes: Vec<u8>,
        /// Output tokens that they bring.
        tokens: u32,
    },
    /// Wait, watching for the client to leave.
    Pause(Duration),
    /// Wait until the client leaves.
    Hang,
    /// Close the connection.
    Close,
    /// Reset the connection.
    Reset,
}

/// An answer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Script {
    /// Status as logged.
    pub status: u16,
    /// In order.
    pub steps: Vec<Step>,
    /// Whether the fake means to give the whole answer (else it breaks off on purpose).
    pub whole: bool,
    /// Input tokens that the vendor bills once it begins to answer.
    pub prompt: u32,
    /// Output tokens billed beside those of the steps, once the answer is whole.
    pub extra: u32,
}

/// A script as a test writes it, in JSON.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raw {
    /// As logged.
    #[serde(default = "ok")]
    pub status: u16,
    /// In order.
    pub steps: Vec<RawStep>,
    /// Whether the answer counts as given in full.
    #[serde(default = "yes")]
    pub whole: bool,
    /// Input tokens billed.
    #[serde(default)]
    pub prompt: u32,
}

const fn ok() -> u16 {
    200
}

const fn yes() -> bool {
    true
}

/// A step as a test writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RawStep {
    /// Text, sent as it is.
    Write(String),
    /// Bytes in base64.
    WriteBase64(String),
    /// One HTTP chunk around the text.
    Chunk(String),
    /// Milliseconds.
    PauseMs(u64),
    /// Until the client leaves.
    Hang,
    /// Close.
    Close,
    /// Reset.
    Reset,
}

impl TryFrom<Raw> for Script {
    type Error = base64::DecodeError;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        let steps = raw
            .steps
            .into_iter()
            .map(|step| {
                Ok(match step {
                    RawStep::Write(text) => write(text.into_bytes()),
                    RawStep::WriteBase64(text) => {
                        write(base64::engine::general_purpose::STANDARD.decode(text)?)
                    }
                    RawStep::Chunk(text) => write(chunk(text.as_bytes())),
                    RawStep::PauseMs(ms) => Step::Pause(Duration::from_millis(ms)),
                    RawStep::Hang => Step::Hang,
                    RawStep::Close => Step::Close,
                    RawStep::Reset => Step::Reset,
                })
            })
            .collect::<Result<_, Self::Error>>()?;
        Ok(Self { status: raw.status, steps, whole: raw.whole, prompt: raw.prompt, extra: 0 })
    }
}

/// A step that sends bytes and bills nothing.
pub fn write(bytes: Vec<u8>) -> Step {
    Step::Write { bytes, tokens: 0 }
}

/// One HTTP/1.1 chunk.
pub fn chunk(data: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", data.len()).into_bytes();
    out.extend_from_slice(data);
    out.extend_from_slice(b"\r\n");
    out
}

impl Script {
    /// The same answer in writes of at most `size` bytes with `gap` between; the tokens of a
    /// write count with its last slice.
    #[must_use]
    pub fn sliced(mut self, size: usize, gap: Duration) -> Self {
        if size == 0 {
            return self;
        }
        let steps = std::mem::take(&mut self.steps);
        for step in steps {
            let Step::Write { bytes, tokens } = step else {
                self.steps.push(step);
                continue;
            };
            let last = bytes.len().div_ceil(size).saturating_sub(1);
            for (at, slice) in bytes.chunks(size).enumerate() {
                self.steps.push(Step::Write {
                    bytes: slice.to_vec(),
                    tokens: if at == last { tokens } else { 0 },
                });
                if !gap.is_zero() {
                    self.steps.push(Step::Pause(gap));
                }
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_keep_bytes_and_tokens() {
        let script = Script {
            steps: vec![Step::Write { bytes: b"abcdefg".to_vec(), tokens: 2 }, Step::Close],
            ..Script::default()
        };
        let sliced = script.sliced(3, Duration::ZERO);
        let (mut bytes, mut billed) = (Vec::new(), 0);
        for step in &sliced.steps {
            if let Step::Write { bytes: part, tokens } = step {
                bytes.extend_from_slice(part);
                billed += tokens;
            }
        }
        assert_eq!((bytes.as_slice(), billed), (&b"abcdefg"[..], 2));
        assert_eq!(sliced.steps.len(), 4);
    }
}
