//! Server-sent events: bytes to events, sans-IO. Any split of the bytes gives the same events.
//!
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream>

use bytes::{Bytes, BytesMut};

use super::unread::{Unread, Unreadable};

/// The largest event that is waited for.
const MAX_EVENT: usize = 16 << 20;

/// An event: its own bytes, up to and with the empty line that ends it.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// As it came.
    pub bytes: Bytes,
}

impl Event {
    /// The value of its `data` lines; empty for comments.
    pub fn data(&self) -> Bytes {
        let mut found: Option<Bytes> = None;
        let mut joined: Option<BytesMut> = None;
        for (start, end) in lines(&self.bytes) {
            let Some(line) = self.bytes.get(start..end) else {
                continue;
            };
            let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
            let Some(value) = line.strip_prefix(b"data") else {
                continue;
            };
            let value = match value {
                [] => value,
                [b':', b' ', rest @ ..] | [b':', rest @ ..] => rest,
                _ => continue,
            };
            let value = self.bytes.slice_ref(value);
            match (&mut joined, found.take()) {
                (Some(all), _) => {
                    all.extend_from_slice(b"\n");
                    all.extend_from_slice(&value);
                }
                (None, Some(first)) => {
                    let mut all = BytesMut::from(&first[..]);
                    all.extend_from_slice(b"\n");
                    all.extend_from_slice(&value);
                    joined = Some(all);
                }
                (None, None) => found = Some(value),
            }
        }
        joined.map(BytesMut::freeze).or(found).unwrap_or_default()
    }
}

/// Start and end of each line, its ending left out.
fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bytes.get(at..)?;
        if rest.is_empty() {
            return None;
        }
        let length = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = (at, at + length);
        let crlf = rest.get(length..length + 2) == Some(b"\r\n");
        at += length + if crlf { 2 } else { 1 };
        Some(line)
    })
}

/// Cuts a stream into events.
#[derive(Debug, Default)]
pub struct Splitter {
    unread: Unread,
    /// How far it was searched.
    searched: usize,
}

impl Splitter {
    /// Takes bytes. What they complete is given by [`event`](Self::event), which is to be called until there is none.
    pub fn push(&mut self, bytes: Bytes) {
        self.unread.push(bytes);
    }

    /// The next event; `None` until more bytes come.
    ///
    /// # Errors
    /// An event grows past all bounds.
    pub fn event(&mut self) -> Result<Option<Event>, Unreadable> {
        if let Some(end) = event_end(&self.unread, self.searched) {
            self.searched = 0;
            return Ok(Some(Event { bytes: self.unread.take(end) }));
        }
        self.searched = self.unread.len().saturating_sub(3);
        if self.unread.len() > MAX_EVENT { Err(Unreadable::TooLarge(MAX_EVENT)) } else { Ok(None) }
    }

    /// What is left when the stream ends: an event without its empty line.
    pub fn rest(&mut self) -> Option<Event> {
        let bytes = self.unread.take(usize::MAX);
        (!bytes.trim_ascii().is_empty()).then_some(Event { bytes })
    }
}

/// The end of the first event: behind an empty line. A `\r` at the very end is waited for, as a
/// `\n` may follow.
fn event_end(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        let found = at + memchr::memchr2(b'\n', b'\r', bytes.get(at..)?)?;
        let first = line_end(bytes, found)?;
        match bytes.get(first) {
            Some(b'\n' | b'\r') => return line_end(bytes, first),
            Some(_) => at = first,
            None => return None,
        }
    }
}

fn line_end(bytes: &[u8], at: usize) -> Option<usize> {
    match (bytes.get(at)?, bytes.get(at + 1)) {
        (b'\r', None) => None,
        (b'\r', Some(b'\n')) => Some(at + 2),
        _ => Some(at + 1),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(parts: &[&[u8]]) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut splitter = Splitter::default();
        let mut seen = Vec::new();
        for part in parts {
            splitter.push(Bytes::copy_from_slice(part));
            seen.extend(std::iter::from_fn(|| splitter.event().unwrap()));
        }
        seen.extend(splitter.rest());
        seen.into_iter().map(|event| (event.bytes.to_vec(), event.data().to_vec())).collect()
    }

    #[test]
    fn reads_events() {
        for (stream, wanted) in [
            ("data: a\n\ndata:b\n\n", &["a", "b"][..]),
            ("data: a\r\n\r\ndata: b\r\n\r\n", &["a", "b"]),
            ("data: a\r\rdata: b\r\rdata: c", &["a", "b", "c"]),
            (": keep-alive\n\ndata: a\n\n", &["", "a"]),
            ("event: x\ndata: a\nid: 1\ndata: b\n\n", &["a\nb"]),
            ("data\n\ndatax: no\n\n", &["", ""]),
            ("data:  two spaces\n\n", &[" two spaces"]),
            ("\u{feff}data: a\n\n", &["a"]),
        ] {
            let seen: Vec<_> =
                events(&[stream.as_bytes()]).into_iter().map(|(_, data)| data).collect();
            let wanted: Vec<_> = wanted.iter().map(|data| data.as_bytes().to_vec()).collect();
            assert_eq!(seen, wanted, "{stream:?}");
        }
    }

    proptest! {
        #[test]
        fn any_split_decodes_the_same(
            stream in "(data: [a\u{20ac}]{0,5}(\n|\r\n|\r)|: c(\n|\r\n)|(\n|\r\n|\r)){0,12}",
            cuts in proptest::collection::vec(0_usize..200, 0..6),
        ) {
            let bytes = stream.as_bytes();
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let parts: Vec<_> = cuts.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect();
            prop_assert_eq!(events(&parts), events(&[bytes]));
        }
    }
}
