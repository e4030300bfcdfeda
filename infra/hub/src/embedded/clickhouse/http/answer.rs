//! The answer of one statement, written by the thread that runs it and read by the HTTP connection.

use std::io;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, StatusCode};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::super::exception::Exception;
use super::super::ffi::Counts;
use super::codec::{Coding, Encoder};
use super::format;

/// A short answer is held until it is whole, so that its summary is final and a late error still gets its status.
const HELD: usize = 128 * 1024;
/// `wait_end_of_query` holds up to this much, then streams.
const HELD_ON_REQUEST: usize = 32 * 1024 * 1024;

/// Between the text of an exception in a running stream and the break of its connection.
const BREAK_AFTER: Duration = Duration::from_millis(250);

/// The client is gone or does not read.
#[derive(Debug)]
pub(crate) struct Gone;

enum Frame {
    Data(Bytes),
    End,
}

/// What every answer tells.
pub(crate) struct About {
    pub(crate) query_id: String,
    pub(crate) version: String,
    pub(crate) timezone: String,
    pub(crate) format: String,
    pub(crate) coding: Option<Coding>,
    pub(crate) blocks: bool,
    pub(crate) wait_end: bool,
    /// How long the client may leave an answer unread.
    pub(crate) send_timeout: Duration,
}

/// The writing end.
pub(crate) struct Answer {
    about: About,
    head: Option<oneshot::Sender<Response>>,
    frames: mpsc::Sender<Frame>,
    body: Option<mpsc::Receiver<Frame>>,
    runtime: Handle,
    held: Vec<u8>,
    encoder: Encoder,
    tag: String,
    counts: Counts,
    started: Instant,
}

impl Answer {
    /// An answer and where its response will appear.
    pub(crate) fn new(about: About) -> io::Result<(Self, oneshot::Receiver<Response>)> {
        let (head, response) = oneshot::channel();
        let (frames, body) = mpsc::channel(4);
        let encoder = Encoder::new(about.coding, about.blocks)?;
        let answer = Self {
            about,
            head: Some(head),
            frames,
            body: Some(body),
            runtime: Handle::current(),
            held: Vec::new(),
            encoder,
            tag: super::random_tag(),
            counts: Counts::default(),
            started: Instant::now(),
        };
        Ok((answer, response))
    }

    /// The format that the answer will have.
    pub(crate) fn set_format(&mut self, format: &str) {
        format.clone_into(&mut self.about.format);
    }

    /// Adds a piece of output and what it took.
    pub(crate) fn write(&mut self, piece: &[u8], counts: Counts) -> Result<(), Gone> {
        self.counts.add(counts);
        if self.head.is_some() {
            self.held.extend_from_slice(piece);
            let most = if self.about.wait_end { HELD_ON_REQUEST } else { HELD };
            if self.held.len() <= most {
                return Ok(());
            }
            return self.start(StatusCode::OK, None);
        }
        let data = self.encoder.push(piece).map_err(|_| Gone)?;
        self.send(Frame::Data(data.into()))
    }

    /// Ends the answer well.
    pub(crate) fn finish(mut self) -> Result<(), Gone> {
        if self.head.is_some() {
            self.start(StatusCode::OK, None)?;
        }
        let encoder = std::mem::replace(&mut self.encoder, Encoder::Plain);
        let trailer = encoder.finish().map_err(|_| Gone)?;
        if !trailer.is_empty() {
            self.send(Frame::Data(trailer.into()))?;
        }
        self.send(Frame::End)
    }

    /// Ends it with an error: with its status when nothing was sent yet, else as ClickHouse breaks a running stream: the tagged
    /// text, then a connection that closes without the body's proper end.
    pub(crate) fn fail(mut self, exception: &Exception) -> Result<(), Gone> {
        let text = exception.body(&self.about.version);
        if self.head.is_some() {
            self.held = text.into_bytes();
            self.encoder = Encoder::Plain;
            self.about.coding = None;
            "TabSeparated".clone_into(&mut self.about.format);
            self.start(exception.status(), Some(exception.code))?;
            return self.send(Frame::End);
        }
        let tag = &self.tag;
        let frame = format!(
            "\r\n__exception__\r\n{tag}\r\n{text}{} {tag}\r\n__exception__\r\n",
            text.len()
        );
        let mut data = self.encoder.push(frame.as_bytes()).map_err(|_| Gone)?;
        let encoder = std::mem::replace(&mut self.encoder, Encoder::Plain);
        data.extend(encoder.finish().map_err(|_| Gone)?);
        // No End follows: the body stops short.
        self.send(Frame::Data(data.into()))
    }

    fn start(&mut self, status: StatusCode, exception: Option<i32>) -> Result<(), Gone> {
        let (Some(head), Some(frames)) = (self.head.take(), self.body.take()) else {
            return Ok(());
        };
        let mut response =
            Response::new(Body::from_stream(futures::stream::unfold(Some(frames), next_frame)));
        *response.status_mut() = status;
        let about = &self.about;
        let summary = format!(
            "{{\"read_rows\":\"{}\",\"read_bytes\":\"{}\",\"written_rows\":\"{}\",\"written_bytes\":\"{}\",\"total_rows_to_read\":\"0\",\
             \"result_rows\":\"{}\",\"result_bytes\":\"{}\",\"elapsed_ns\":\"{}\"}}",
            self.counts.read_rows,
            self.counts.read_bytes,
            self.counts.written_rows,
            self.counts.written_bytes,
            self.counts.result_rows.max(self.counts.written_rows),
            self.held.len(),
            self.started.elapsed().as_nanos(),
        );
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                response.headers_mut().insert(name, value);
            }
        };
        set(
            CONTENT_TYPE,
            if exception.is_some() {
                "text/plain; charset=UTF-8"
            } else {
                format::content_type(&about.format)
            },
        );
        set(HeaderName::from_static("x-clickhouse-server-display-name"), "hub");
        set(HeaderName::from_static("x-clickhouse-query-id"), &about.query_id);
        set(HeaderName::from_static("x-clickhouse-format"), &about.format);
        set(HeaderName::from_static("x-clickhouse-timezone"), &about.timezone);
        set(HeaderName::from_static("x-clickhouse-summary"), &summary);
        match exception {
            Some(code) => {
                set(HeaderName::from_static("x-clickhouse-exception-code"), &code.to_string())
            }
            None => set(HeaderName::from_static("x-clickhouse-exception-tag"), &self.tag),
        }
        if let Some(coding) = about.coding {
            set(CONTENT_ENCODING, coding.name());
        }
        head.send(response).map_err(|_| Gone)?;
        let held = std::mem::take(&mut self.held);
        if held.is_empty() {
            return Ok(());
        }
        let data = self.encoder.push(&held).map_err(|_| Gone)?;
        self.send(Frame::Data(data.into()))
    }

    fn send(&self, frame: Frame) -> Result<(), Gone> {
        let send = tokio::time::timeout(self.about.send_timeout, self.frames.send(frame));
        match self.runtime.block_on(send) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Gone),
        }
    }
}

/// The body's next piece; a writer that went away without `End` breaks the body.
async fn next_frame(
    frames: Option<mpsc::Receiver<Frame>>,
) -> Option<(io::Result<Bytes>, Option<mpsc::Receiver<Frame>>)> {
    let mut frames = frames?;
    match frames.recv().await {
        Some(Frame::Data(data)) => Some((Ok(data), Some(frames))),
        Some(Frame::End) => None,
        None => {
            // The exception's text must be out, and through the client's decompression, before the connection breaks.
            tokio::time::sleep(BREAK_AFTER).await;
            Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None))
        }
    }
}
