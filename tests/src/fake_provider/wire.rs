//! HTTP/1.1 requests, read by hand: the fake must be able to answer with any bytes at all, which
//! a server library would not let it do.

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Requests larger than this are refused.
const MAX_BODY: usize = 64 << 20;
const MAX_HEAD: usize = 64 << 10;

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    /// Such as `POST`.
    pub(super) method: String,
    /// Path and query.
    pub(super) path: String,
    /// In order, names as sent.
    pub(super) headers: Vec<(String, String)>,
    /// The body, chunks joined.
    pub(super) body: Vec<u8>,
}

impl Request {
    /// The first header of that name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }
}

/// Why no request could be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// Not HTTP/1.1, or longer than the fake takes.
    #[error("malformed request: {0}")]
    Malformed(&'static str),
    /// The connection broke inside a request.
    #[error("the connection broke")]
    Broken(#[from] std::io::Error),
}

/// Reads requests off a connection.
#[derive(Debug)]
pub(super) struct Requests<R> {
    /// What they come from.
    pub(super) from: R,
    /// Bytes read that belong to the next request.
    pub(super) rest: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Requests<R> {
    /// The next request; none when the client closed between two.
    ///
    /// # Errors
    /// See [`Error`].
    pub(super) async fn next(&mut self) -> Result<Option<Request>, Error> {
        let (mut request, head) = loop {
            if let Some(parsed) = parse_head(&self.rest)? {
                break parsed;
            }
            if self.rest.len() > MAX_HEAD {
                return Err(Error::Malformed("head too long"));
            }
            if self.fill().await? == 0 {
                return if self.rest.is_empty() {
                    Ok(None)
                } else {
                    Err(Error::Malformed("closed inside a head"))
                };
            }
        };
        self.rest.drain(..head);
        let chunked = request
            .header("transfer-encoding")
            .is_some_and(|value| value.to_ascii_lowercase().contains("chunked"));
        request.body = if chunked {
            self.chunks().await?
        } else {
            let length = match request.header("content-length") {
                Some(text) => text.parse().map_err(|_| Error::Malformed("content-length"))?,
                None => 0,
            };
            self.exactly(length).await?
        };
        Ok(Some(request))
    }

    async fn fill(&mut self) -> Result<usize, Error> {
        self.rest.reserve(16 << 10);
        Ok(self.from.read_buf(&mut self.rest).await?)
    }

    async fn exactly(&mut self, length: usize) -> Result<Vec<u8>, Error> {
        if length > MAX_BODY {
            return Err(Error::Malformed("body too long"));
        }
        while self.rest.len() < length {
            if self.fill().await? == 0 {
                return Err(Error::Malformed("closed inside a body"));
            }
        }
        let tail = self.rest.split_off(length);
        Ok(std::mem::replace(&mut self.rest, tail))
    }

    async fn chunks(&mut self) -> Result<Vec<u8>, Error> {
        let mut body = Vec::new();
        loop {
            let line = self.line().await?;
            let size = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let size = std::str::from_utf8(size).unwrap_or_default();
            let size = usize::from_str_radix(size.trim(), 16)
                .map_err(|_| Error::Malformed("chunk size"))?;
            if body.len() + size.min(MAX_BODY + 1) > MAX_BODY {
                return Err(Error::Malformed("body too long"));
            }
            if size == 0 {
                while !self.line().await?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.exactly(size).await?);
            self.line().await?;
        }
    }

    async fn line(&mut self) -> Result<Vec<u8>, Error> {
        loop {
            if let Some(end) = self.rest.windows(2).position(|pair| pair == b"\r\n") {
                let tail = self.rest.split_off(end + 2);
                let mut line = std::mem::replace(&mut self.rest, tail);
                line.truncate(end);
                return Ok(line);
            }
            if self.rest.len() > MAX_HEAD || self.fill().await? == 0 {
                return Err(Error::Malformed("chunk line"));
            }
        }
    }
}

fn parse_head(bytes: &[u8]) -> Result<Option<(Request, usize)>, Error> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err(Error::Malformed("head")),
        Ok(httparse::Status::Complete(length)) => {
            let request = Request {
                method: parsed.method.unwrap_or_default().to_owned(),
                path: parsed.path.unwrap_or_default().to_owned(),
                headers: parsed
                    .headers
                    .iter()
                    .map(|header| {
                        (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
                    })
                    .collect(),
                body: Vec::new(),
            };
            Ok(Some((request, length)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bodies_by_length_and_by_chunks_are_the_same() {
        let wire = b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello\
            POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n";
        let mut requests = Requests { from: &wire[..], rest: Vec::new() };
        for path in ["/a", "/b"] {
            let request = requests.next().await.unwrap().unwrap();
            assert_eq!((request.path.as_str(), request.body.as_slice()), (path, &b"hello"[..]));
        }
        assert!(requests.next().await.unwrap().is_none());
    }
}
