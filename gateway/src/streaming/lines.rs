//! Lines of JSON (NDJSON): bytes to lines, sans-IO. Any split of the bytes gives the same lines.
//!
//! <https://github.com/ndjson/ndjson-spec>

use bytes::{Bytes, BytesMut};

/// The largest line that is waited for.
const MAX_LINE: usize = 16 << 20;

/// Why a stream can't be read on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a line of the stream is larger than {MAX_LINE} bytes")]
pub struct TooLarge;

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub struct Splitter {
    /// The beginning of a line; it was searched.
    held: BytesMut,
}

impl Splitter {
    /// Takes bytes and gives the lines that they complete, each with its ending.
    ///
    /// # Errors
    /// A line grows past all bounds.
    pub fn push(&mut self, mut bytes: Bytes, mut each: impl FnMut(Bytes)) -> Result<(), TooLarge> {
        // most reads hold whole lines and are not copied
        while let Some(end) = memchr::memchr(b'\n', &bytes) {
            let line = bytes.split_to(end + 1);
            if self.held.is_empty() {
                each(line);
            } else {
                self.held.extend_from_slice(&line);
                each(self.held.split().freeze());
            }
        }
        self.held.extend_from_slice(&bytes);
        if self.held.len() > MAX_LINE { Err(TooLarge) } else { Ok(()) }
    }

    /// What is left when the stream ends: a line without its ending.
    pub fn rest(&mut self) -> Option<Bytes> {
        let held = self.held.split().freeze();
        (!held.trim_ascii().is_empty()).then_some(held)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(parts: &[&[u8]]) -> (Vec<Bytes>, Option<Bytes>) {
        let mut splitter = Splitter::default();
        let mut seen = Vec::new();
        for part in parts {
            splitter.push(Bytes::copy_from_slice(part), |line| seen.push(line)).unwrap();
        }
        (seen, splitter.rest())
    }

    #[test]
    fn reads_lines() {
        for (stream, wanted, rest) in [
            ("{}\n[]\n", &["{}\n", "[]\n"][..], None),
            ("{}\r\n\n{}", &["{}\r\n", "\n"], Some("{}")),
            ("{}\n \r", &["{}\n"], None),
            ("", &[], None),
        ] {
            let seen = lines(&[stream.as_bytes()]);
            let wanted: Vec<_> = wanted.iter().map(|line| Bytes::from(*line)).collect();
            assert_eq!(seen, (wanted, rest.map(Bytes::from)), "{stream:?}");
        }
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut splitter = Splitter::default();
        let part = Bytes::from(vec![b'x'; MAX_LINE / 2 + 1]);
        assert_eq!(splitter.push(part.clone(), |_| ()), Ok(()));
        assert_eq!(splitter.push(part, |_| ()), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn any_split_reads_the_same(
            stream in "[a\u{20ac}\r\n]{0,40}",
            cuts in proptest::collection::vec(0_usize..100, 0..6),
        ) {
            let bytes = stream.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts: Vec<_> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(lines(&parts), lines(&[bytes]));
        }
    }
}
