//! What a call can be of at most, and about, before a provider says what it was of. Pure.

use schemas::event::Operation;
use schemas::price::Most;

use super::Call;

/// Speech is never told in fewer bytes: 8 kbit/s.
const LEAST_BYTES_PER_SECOND: i64 = 1_000;
/// Most files of speech are about as large as this: 64 kbit/s.
const BYTES_PER_SECOND: i64 = 8_000;
/// Tokens of a second of sound, or of what is said in it.
const TOKENS_PER_SECOND: i64 = 25;
/// Tokens of sound in which a character is spoken, slowly.
const TOKENS_PER_CHARACTER: i64 = 16;
/// Tokens of an image that is made, or that is looked at.
const TOKENS_PER_IMAGE: i64 = 32_768;

impl Call {
    /// The most that it can be of.
    pub fn most(&self) -> Most {
        let bytes = self.input_bound();
        match self.operation {
            Operation::Chat | Operation::Embeddings | Operation::Moderation | Operation::Other => {
                let output = self.max_output.unwrap_or(0).saturating_mul(self.choices);
                Most { input: bytes, output, ..Most::default() }
            }
            Operation::Image => {
                let output = self.choices.saturating_mul(TOKENS_PER_IMAGE);
                let input = bytes.saturating_add(TOKENS_PER_IMAGE);
                Most { input, output, images: self.choices, ..Most::default() }
            }
            Operation::Transcription => {
                let seconds = bytes.div_euclid(LEAST_BYTES_PER_SECOND).saturating_add(1);
                let tokens = seconds.saturating_mul(TOKENS_PER_SECOND);
                Most { input: tokens, output: tokens, seconds, ..Most::default() }
            }
            Operation::Speech => {
                let characters = self.characters();
                let output = characters.saturating_mul(TOKENS_PER_CHARACTER);
                Most { input: bytes, output, characters, ..Most::default() }
            }
        }
    }

    /// About how much it is of, in what its operation is counted in where the provider says nothing: input tokens,
    /// images, seconds, characters.
    pub fn estimate(&self) -> i64 {
        match self.operation {
            // four bytes a token
            Operation::Chat | Operation::Embeddings | Operation::Other => self.input_bound() / 4,
            Operation::Image => self.choices,
            Operation::Moderation => 1,
            Operation::Transcription => self.seconds(),
            Operation::Speech => self.characters(),
        }
    }

    /// Characters to be spoken.
    fn characters(&self) -> i64 {
        let text = self.field("input").and_then(|text| serde_json::from_slice::<String>(text).ok());
        text.map_or(0, |text| i64::try_from(text.chars().count()).unwrap_or(i64::MAX))
    }

    /// About how long a file of sound is.
    fn seconds(&self) -> i64 {
        let file = self.field("file").unwrap_or_default();
        let length = i64::try_from(file.len()).unwrap_or(i64::MAX);
        let rate = wave(file).unwrap_or(BYTES_PER_SECOND);
        length.div_euclid(rate).saturating_add(i64::from(length % rate != 0))
    }
}

/// Bytes per second, where a WAV file says it.
/// <https://learn.microsoft.com/windows/win32/xaudio2/resource-interchange-file-format--riff->
fn wave(file: &[u8]) -> Option<i64> {
    let (riff, kind) = (file.get(..4)?, file.get(8..16)?);
    let rate = u32::from_le_bytes(file.get(28..32)?.try_into().ok()?);
    (riff == b"RIFF" && kind == b"WAVEfmt " && rate > 0).then_some(i64::from(rate))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wav_file_says_how_long_it_is() {
        let mut file = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0".to_vec();
        file.extend_from_slice(&32_000_u32.to_le_bytes());
        assert_eq!(wave(&file), Some(32_000));
        assert_eq!(wave(&file[..31]), None);
        file[8] = b'X';
        assert_eq!(wave(&file), None);
        assert_eq!(wave(b"ID3"), None);
    }
}
