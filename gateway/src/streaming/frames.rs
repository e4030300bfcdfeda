//! AWS's event stream: bytes to frames and back, sans-IO. Any split of the bytes gives the same
//! frames.
//!
//! <https://smithy.io/2.0/aws/amazon-eventstream.html>

use aws_smithy_eventstream::frame::{read_message_from, write_message_to};
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;

use super::unread::{Unread, Unreadable};

/// Length of the frame, of its headers, and the checksum of both.
const PRELUDE: usize = 12;
/// The largest frame that is waited for: botocore's limits of headers and payload.
const MAX_FRAME: usize = (24 << 20) + (128 << 10) + 16;

/// A frame whose checksums are right.
#[derive(Clone, PartialEq, Debug)]
pub struct Frame {
    /// As it came.
    pub bytes: Bytes,
    message: Message,
}

/// What a frame is, by its headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FrameKind<'a> {
    /// An event of this name.
    Event(&'a str),
    /// A failure of this name, described by the payload.
    Exception(&'a str),
    /// A failure that the service does not model: its code and words.
    Error(&'a str, &'a str),
    /// Nothing that is known.
    Other,
}

impl Frame {
    /// What it is.
    pub fn kind(&self) -> FrameKind<'_> {
        match self.header(":message-type") {
            Some("event") => self.header(":event-type").map_or(FrameKind::Other, FrameKind::Event),
            Some("exception") => {
                FrameKind::Exception(self.header(":exception-type").unwrap_or_default())
            }
            Some("error") => FrameKind::Error(
                self.header(":error-code").unwrap_or_default(),
                self.header(":error-message").unwrap_or_default(),
            ),
            _ => FrameKind::Other,
        }
    }

    /// Its payload.
    pub fn payload(&self) -> &Bytes {
        self.message.payload()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let header = self.message.headers().iter().find(|header| header.name().as_str() == name)?;
        header.value().as_string().ok().map(|value| value.as_str())
    }
}

/// Cuts a stream into frames.
#[derive(Debug, Default)]
pub struct Frames {
    unread: Unread,
}

impl Frames {
    /// Takes bytes. What they complete is given by [`frame`](Self::frame), which is to be called until there is none.
    pub fn push(&mut self, bytes: Bytes) {
        self.unread.push(bytes);
    }

    /// The next frame; `None` until more bytes come.
    ///
    /// # Errors
    /// A checksum or a length is wrong; there is no frame behind it.
    pub fn frame(&mut self) -> Result<Option<Frame>, Unreadable> {
        let length = length(&self.unread)?.filter(|length| *length <= self.unread.len());
        length.map(|length| read(self.unread.take(length))).transpose()
    }

    /// Whether the stream ended between two frames.
    pub fn is_whole(&self) -> bool {
        self.unread.is_empty()
    }
}

/// The length that the prelude says, once it is there. Its checksum is looked at first: a wrong
/// length would be waited for.
fn length(bytes: &[u8]) -> Result<Option<usize>, Unreadable> {
    let Some((prelude, _)) = bytes.split_at_checked(PRELUDE) else {
        return Ok(None);
    };
    let (lengths, sum) = prelude.split_at_checked(8).ok_or(Unreadable::Damaged)?;
    let number = |bytes: &[u8]| Some(u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?));
    let length = number(lengths)
        .and_then(|length| usize::try_from(length).ok())
        .ok_or(Unreadable::Damaged)?;
    if number(sum) != Some(crc32fast::hash(lengths)) || !(16..=MAX_FRAME).contains(&length) {
        return Err(Unreadable::Damaged);
    }
    Ok(Some(length))
}

fn read(bytes: Bytes) -> Result<Frame, Unreadable> {
    let message = read_message_from(bytes.clone()).map_err(|_| Unreadable::Damaged)?;
    Ok(Frame { bytes, message })
}

/// Appends an event whose payload is JSON.
pub fn event(name: &'static str, payload: Vec<u8>, out: &mut Vec<u8>) {
    let kind = (":message-type", "event");
    frame([(":event-type", name), (":content-type", JSON), kind], payload, out);
}

/// Appends a failure whose payload is JSON.
pub fn exception(name: &'static str, payload: Vec<u8>, out: &mut Vec<u8>) {
    let kind = (":message-type", "exception");
    frame([(":exception-type", name), (":content-type", JSON), kind], payload, out);
}

const JSON: &str = "application/json";

fn frame(headers: [(&'static str, &'static str); 3], payload: Vec<u8>, out: &mut Vec<u8>) {
    let header = |(name, value): (&'static str, &'static str)| {
        Header::new(name, HeaderValue::String(value.into()))
    };
    let message = Message::new_from_parts(headers.map(header).into(), payload);
    let start = out.len();
    if write_message_to(&message, out).is_err() {
        out.truncate(start); // only lengths past 32 bits are refused
    }
}
