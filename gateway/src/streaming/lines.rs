//! Lines of JSON (NDJSON): bytes to lines, sans-IO. Any split of the bytes gives the same lines.
//!
//! <https://github.com/ndjson/ndjson-spec>

use bytes::Bytes;

use super::unread::{Unread, Unreadable};

/// The largest line that is waited for.
const MAX_LINE: usize = 16 << 20;

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub struct Splitter {
    unread: Unread,
    /// How far it was searched.
    searched: usize,
}

impl Splitter {
    /// Takes bytes. What they complete is given by [`line`](Self::line), which is to be called until there is none.
    pub fn push(&mut self, bytes: Bytes) {
        self.unread.push(bytes);
    }

    /// The next line, with its ending; `None` until more bytes come.
    ///
    /// # Errors
    /// A line grows past all bounds.
    pub fn line(&mut self) -> Result<Option<Bytes>, Unreadable> {
        let new = self.unread.get(self.searched..).unwrap_or_default();
        if let Some(end) = memchr::memchr(b'\n', new) {
            let end = self.searched + end + 1;
            self.searched = 0;
            return Ok(Some(self.unread.take(end)));
        }
        self.searched = self.unread.len();
        if self.unread.len() > MAX_LINE { Err(Unreadable::TooLarge(MAX_LINE)) } else { Ok(None) }
    }

    /// What is left when the stream ends: a line without its ending.
    pub fn rest(&mut self) -> Option<Bytes> {
        let bytes = self.unread.take(usize::MAX);
        (!bytes.trim_ascii().is_empty()).then_some(bytes)
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
            splitter.push(Bytes::copy_from_slice(part));
            seen.extend(std::iter::from_fn(|| splitter.line().unwrap()));
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
        splitter.push(part.clone());
        assert_eq!(splitter.line(), Ok(None));
        splitter.push(part);
        assert_eq!(splitter.line(), Err(Unreadable::TooLarge(MAX_LINE)));
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
