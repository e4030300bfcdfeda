//! A keep-alive connection that sends one request at a time and looks at its whole answer.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use memchr::memmem;

/// What a good answer is.
#[derive(Clone, Debug)]
pub struct Expect {
    /// The text with which content begins; its arrival is the first content. Empty for the first byte.
    pub first: Vec<u8>,
    /// What must stand in the body.
    pub holds: Vec<u8>,
}

/// Why an answer does not count.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection broke.
    #[error("connection: {0}")]
    Connection(#[from] std::io::Error),
    /// The server closed inside an answer.
    #[error("the server closed the connection")]
    Closed,
    /// Not HTTP, or framed in a way that this client does not know.
    #[error("malformed answer")]
    Malformed,
    /// Another status than 200.
    #[error("status {0}: {1}")]
    Status(u16, String),
    /// The body is not what was expected.
    #[error("wrong body: {0}")]
    Body(String),
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    filled: usize,
}

enum Framing {
    Length(usize),
    Chunked,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// Nothing listens there.
    pub fn open(address: SocketAddr) -> Result<Self, Error> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        Ok(Self { stream, buffer: vec![0; 256 << 10], filled: 0 })
    }

    /// Sends a request and reads its answer to the end; gives the moment of the first content.
    ///
    /// # Errors
    /// See [`Error`]; the connection can't be used again.
    pub fn exchange(&mut self, request: &[u8], expect: &Expect) -> Result<Instant, Error> {
        self.stream.write_all(request)?;
        self.filled = 0;
        let mut head = None;
        let mut first = None;
        loop {
            if self.filled == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
            let space = self.buffer.get_mut(self.filled..).unwrap_or_default();
            let read = self.stream.read(space)?;
            if read == 0 {
                return Err(Error::Closed);
            }
            self.filled += read;
            let bytes = self.buffer.get(..self.filled).unwrap_or_default();
            if head.is_none() {
                head = parse(bytes)?;
            }
            let Some((status, length, framing)) = &head else {
                continue;
            };
            let body = bytes.get(*length..).unwrap_or_default();
            if first.is_none() && !body.is_empty() && memmem::find(body, &expect.first).is_some() {
                first = Some(Instant::now());
            }
            let whole = match framing {
                Framing::Length(length) => body.len() >= *length,
                Framing::Chunked => body.ends_with(b"\r\n0\r\n\r\n") || body == b"0\r\n\r\n",
            };
            if whole {
                return check(*status, body, expect, first);
            }
        }
    }
}

fn check(
    status: u16,
    body: &[u8],
    expect: &Expect,
    first: Option<Instant>,
) -> Result<Instant, Error> {
    let start = || {
        let start = body.get(..body.len().min(300)).unwrap_or_default();
        String::from_utf8_lossy(start).into_owned()
    };
    if status != 200 {
        return Err(Error::Status(status, start()));
    }
    if memmem::find(body, &expect.holds).is_none() {
        return Err(Error::Body(start()));
    }
    first.ok_or_else(|| Error::Body(start()))
}

/// Status, length of the head, and how the body is framed; none while the head is not whole.
fn parse(bytes: &[u8]) -> Result<Option<(u16, usize, Framing)>, Error> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    let Ok(state) = parsed.parse(bytes) else {
        return Err(Error::Malformed);
    };
    let httparse::Status::Complete(length) = state else {
        return Ok(None);
    };
    let header = |name: &str| {
        let found = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.and_then(|header| std::str::from_utf8(header.value).ok())
    };
    let framing = match (header("content-length"), header("transfer-encoding")) {
        (Some(length), _) => Framing::Length(length.parse().map_err(|_| Error::Malformed)?),
        (None, Some(_)) => Framing::Chunked,
        (None, None) => return Err(Error::Malformed),
    };
    Ok(Some((parsed.code.unwrap_or_default(), length, framing)))
}
