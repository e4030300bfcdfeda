//! A request's body on its way from the connection to the thread that runs the statement, a few pieces at a time.

use std::io::{self, Read};
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::StreamExt as _;
use tokio::sync::mpsc;

enum Piece {
    Data(Bytes),
    /// The body is whole. A channel that closes without it means that the client went away.
    End,
    Failed(io::Error),
}

/// The sending side: reads the connection.
pub(crate) struct Pump {
    body: Body,
    pieces: mpsc::Sender<Piece>,
    idle: Duration,
}

/// The reading side, for blocking code.
pub(crate) struct BodyReader {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    ended: bool,
}

/// Joins a body with a reader; a pause of `idle` between two pieces ends it with an error.
pub(crate) fn pipe(body: Body, idle: Duration) -> (Pump, BodyReader) {
    let (sender, pieces) = mpsc::channel(4);
    (
        Pump { body, pieces: sender, idle },
        BodyReader { pieces, current: Bytes::new(), ended: false },
    )
}

impl Pump {
    /// Moves the body until its end, or until nobody reads it; then the rest is drained up to a bound, so that the client can read
    /// the answer instead of seeing its connection reset.
    pub(crate) async fn run(self) {
        let mut stream = self.body.into_data_stream();
        let mut surplus = 0_usize;
        loop {
            let piece = match tokio::time::timeout(self.idle, stream.next()).await {
                Ok(Some(Ok(data))) => Piece::Data(data),
                Ok(Some(Err(error))) => Piece::Failed(io::Error::other(error)),
                Ok(None) => Piece::End,
                Err(_) => Piece::Failed(io::ErrorKind::TimedOut.into()),
            };
            let length = if let Piece::Data(data) = &piece { Some(data.len()) } else { None };
            if self.pieces.send(piece).await.is_err() {
                surplus += length.unwrap_or(0);
                if surplus > 16 << 20 {
                    return;
                }
            }
            if length.is_none() {
                return;
            }
        }
    }
}

impl Read for BodyReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            if self.ended {
                return Ok(0);
            }
            match self.pieces.blocking_recv() {
                Some(Piece::Data(data)) => self.current = data,
                Some(Piece::End) => self.ended = true,
                Some(Piece::Failed(error)) => return Err(error),
                None => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
        let length = out.len().min(self.current.len());
        let taken = self.current.split_to(length);
        for (to, from) in out.iter_mut().zip(taken.iter()) {
            *to = *from;
        }
        Ok(length)
    }
}
