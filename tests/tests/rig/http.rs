//! HTTP/1.1 by hand: requests may be as wrong as a test wants them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// An answer, as far as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// 0 when none came.
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    /// Chunks joined.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The first header of that name; empty when there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// The body; null when it is not JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The body.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A request that closes its connection.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let framed =
        headers.iter().any(|(name, _)| ["content-length", "transfer-encoding"].contains(name));
    if !framed && (method == "POST" || !body.is_empty()) {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    let mut request = head.into_bytes();
    request.extend_from_slice(b"\r\n");
    request.extend_from_slice(body);
    request
}

/// A chat completion asked for with this key.
pub(crate) fn chat(address: SocketAddr, key: &str, body: &Value) -> Answer {
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    exchange(
        address,
        &request("POST", "/v1/chat/completions", &headers, body.to_string().as_bytes()),
    )
}

/// Sends bytes and reads until the other side closes.
pub(crate) fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(5)).unwrap();
    exchange_over(stream, request)
}

/// The same over a connection that is there.
pub(crate) fn exchange_over(mut stream: TcpStream, request: &[u8]) -> Answer {
    stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
    // a server may refuse and close before it has read everything
    drop(stream.write_all(request));
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => {
            panic!("no answer within two minutes")
        }
        _ => parse(&bytes).unwrap_or_default(),
    }
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = parsed.parse(bytes).ok()? else {
        return None;
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let headers = parsed.headers.iter().map(|header| (header.name.to_owned(), text(header.value)));
    let mut answer = Answer {
        status: parsed.code?,
        headers: headers.collect(),
        body: bytes.get(length..)?.to_vec(),
    };
    if answer.header("transfer-encoding") == "chunked" {
        answer.body = unchunk(&answer.body);
    }
    Some(answer)
}

/// What the chunks hold, as far as they came.
fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(httparse::Status::Complete((head, size))) = httparse::parse_chunk_size(rest) {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let from = rest.get(head..).unwrap_or_default();
        body.extend_from_slice(from.get(..size.min(from.len())).unwrap_or_default());
        rest = from.get(size.saturating_add(2)..).unwrap_or_default();
        if size == 0 {
            break;
        }
    }
    body
}
