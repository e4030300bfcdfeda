//! The answer as a response body.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderName, HeaderValue, Response, header};
use http_body::{Body as _, Frame, SizeHint};
use schemas::event::{AttemptError, Outcome};
use tokio::time::{Instant, Sleep};

use super::broken::frame_of;
use crate::http::Body;
use crate::http::error::CALL;
use crate::providers::Failure;
use crate::upstream::{Answer, End, Exchange, Flow, Running};
use crate::usage::Settled;

/// Provider and model that answered.
const TARGET: HeaderName = HeaderName::from_static("x-hub-target");
/// Fields of the request that the target could not be told, and that the answer does without.
const DROPPED: HeaderName = HeaderName::from_static("x-hub-dropped");
/// Attempts made.
const ATTEMPTS: HeaderName = HeaderName::from_static("x-hub-attempts");
/// Why that target: how the plan came to it, and what failed before it.
const ROUTE: HeaderName = HeaderName::from_static("x-hub-route");
/// The provider's id of the request.
const REQUEST: HeaderName = HeaderName::from_static("x-hub-upstream-request-id");

/// How long the end of the upstream's answer is waited for behind the terminator, so that its
/// connection can serve again.
const LINGER: Duration = Duration::from_millis(50);

/// How long a client of a stream hears nothing before it is told that the stream lives: proxies on the way
/// close connections that are quiet for a minute, or for half of one.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// The answer to the client. The call is settled before the last byte goes out, when the provider
/// fails, or when the body is dropped because the client left.
pub fn relay(exchange: Exchange) -> Response<Body> {
    let Exchange {
        mut running,
        call,
        target,
        attempts,
        route,
        status,
        content_type,
        dropped,
        request_id,
        answer,
    } = exchange;
    let body = match answer {
        Answer::Whole(mut outgoing, tally) => {
            running.delivered(&tally);
            let end = End {
                outcome: Outcome::Completed,
                error: None,
                status: status.as_u16(),
                attempt: AttemptError::None,
            };
            let settled = running.settle(end, &tally);
            let bytes = outgoing.all().unwrap_or_default();
            match settled.filter(|settled| !settled.is_durable()) {
                None => Body::from(bytes),
                Some(settled) => Body::new(Kept { wait: Some(wait(settled)), bytes }),
            }
        }
        Answer::Stream(flow) => Body::new(Relay::new(running, *flow, status.as_u16())),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let text = |text: String| HeaderValue::from_str(&text).ok();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (REQUEST, request_id),
        (CALL, text(call.to_string())),
        (TARGET, text(format!("{}/{}", target.provider, target.model))),
        (ATTEMPTS, Some(attempts.into())),
        (ROUTE, Some(route)),
        (DROPPED, text(dropped.join(", ")).filter(|value| !value.is_empty())),
    ] {
        headers.extend(value.map(|value| (name, value)));
    }
    response
}

type Wait = Pin<Box<dyn Future<Output = ()> + Send>>;

fn wait(settled: Settled) -> Wait {
    Box::pin(settled.durable())
}

/// A whole answer that waits until its event is on disk.
struct Kept {
    wait: Option<Wait>,
    bytes: Bytes,
}

impl http_body::Body for Kept {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(wait) = &mut self.wait {
            ready!(wait.poll_unpin(cx));
            self.wait = None;
        }
        let bytes = std::mem::take(&mut self.bytes);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.wait.is_none() && self.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.len() as u64)
    }
}

/// A stream, read by read. It asks the provider for more only when the client took what there is.
struct Relay {
    running: Running,
    flow: Flow,
    status: u16,
    phase: Phase,
    /// When silence is noticed at the earliest.
    alarm: Pin<Box<Sleep>>,
    /// Since when the provider is waited for.
    silent: Option<Instant>,
    /// When the client heard something last.
    heard: Instant,
}

/// What silence calls for.
enum Silence {
    /// The client is told that the stream lives.
    Heartbeat(&'static str),
    /// The provider is given up.
    Late(AttemptError),
}

/// An answer that broke off and that nothing can be told in: the client's connection is broken off too.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the provider broke the answer off")]
struct Cut;

enum Phase {
    Flowing,
    /// Settled; what is held goes out when the event is safe.
    Settled {
        wait: Option<Wait>,
        last: Option<Bytes>,
        /// It broke, and nothing in it can say so.
        cut: bool,
    },
    /// All went out; the upstream's own end is waited for.
    Ending,
    Over,
}

impl Relay {
    fn new(running: Running, flow: Flow, status: u16) -> Self {
        let alarm = Box::pin(tokio::time::sleep_until(flow.deadline));
        Self {
            running,
            flow,
            status,
            phase: Phase::Flowing,
            alarm,
            silent: None,
            heard: Instant::now(),
        }
    }

    /// What goes out now, or `None` when there is a new phase.
    fn poll_flowing(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        loop {
            if self.flow.outgoing.is_done() {
                if self.flow.outgoing.has_content() {
                    self.running.delivered(self.flow.decoder.tally());
                }
                self.settle(Outcome::Completed, None, AttemptError::None);
                return Poll::Ready(None);
            }
            if let Some(bytes) = self.flow.outgoing.free() {
                self.heard = Instant::now();
                self.running.delivered(self.flow.decoder.tally());
                return Poll::Ready(Some(bytes));
            }
            if let Some(failure) = &self.flow.failed {
                let error = failure.error;
                self.settle(Outcome::Truncated, Some("truncated"), error);
                return Poll::Ready(None);
            }
            let mut pieces = Vec::new();
            let read = match Pin::new(&mut self.flow.body).poll_frame(cx) {
                Poll::Pending => match ready!(self.poll_silence(cx)) {
                    Silence::Late(late) => Err(Failure::of(late)),
                    Silence::Heartbeat(beat) => {
                        self.heard = Instant::now();
                        return Poll::Ready(Some(Bytes::from_static(beat.as_bytes())));
                    }
                },
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(bytes) => self.flow.decoder.push(bytes, &mut pieces),
                    Err(_) => Ok(()),
                },
                Poll::Ready(Some(Err(_))) => Err(Failure::of(AttemptError::Broken)),
                Poll::Ready(None) => self.flow.decoder.end(&mut pieces),
            };
            self.silent = None;
            self.flow.failed = read.err();
            self.flow.outgoing.take(&mut pieces);
        }
    }

    /// Ready when the client has heard nothing for long, the provider has been silent for too long, or the
    /// call's time is over. The alarm is set once per silence that lasts, not once per read.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<Silence> {
        let since = *self.silent.get_or_insert_with(Instant::now);
        let idle = since + self.flow.idle;
        let beat = self.flow.dialect.speech().heartbeat().filter(|_| self.flow.framed);
        let beat = beat.map(|beat| (self.heard.max(since) + HEARTBEAT, beat));
        let over = idle.min(self.flow.deadline);
        let at = beat.map_or(over, |(at, _)| at.min(over));
        if self.alarm.deadline() > at {
            self.alarm.as_mut().reset(at);
        }
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if Instant::now() >= at {
                break;
            }
            self.alarm.as_mut().reset(at);
        }
        Poll::Ready(match beat {
            Some((at, beat)) if at < over => Silence::Heartbeat(beat),
            _ if idle <= self.flow.deadline => Silence::Late(AttemptError::IdleTimeout),
            _ => Silence::Late(AttemptError::TotalTimeout),
        })
    }

    fn settle(&mut self, outcome: Outcome, error: Option<&'static str>, attempt: AttemptError) {
        let end = End { outcome, error, status: self.status, attempt };
        let settled = self.running.settle(end, self.flow.decoder.tally());
        let cut = outcome != Outcome::Completed && !self.flow.framed;
        let last = match outcome {
            Outcome::Completed => self.flow.outgoing.all(),
            _ if cut => None,
            // the provider's own words, or else ours
            _ => {
                self.flow.outgoing.failure().or_else(|| Some(frame_of(self.flow.dialect, attempt)))
            }
        };
        let wait = settled.filter(|settled| !settled.is_durable()).map(wait);
        self.phase = Phase::Settled { wait, last, cut };
    }

    /// Ready when the upstream's answer has ended, or was waited for long enough.
    fn poll_ending(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.flow.failed.is_some() {
            return Poll::Ready(());
        }
        loop {
            match Pin::new(&mut self.flow.body).poll_frame(cx) {
                Poll::Ready(None | Some(Err(_))) => return Poll::Ready(()),
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Pending => return self.alarm.as_mut().poll(cx),
            }
        }
    }
}

impl http_body::Body for Relay {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.get_mut();
        loop {
            match &mut this.phase {
                Phase::Flowing => {
                    if let Some(bytes) = ready!(this.poll_flowing(cx)) {
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                }
                Phase::Settled { wait, last, cut } => {
                    if let Some(wait) = wait {
                        ready!(wait.poll_unpin(cx));
                    }
                    if *cut {
                        this.phase = Phase::Over;
                        return Poll::Ready(Some(Err(Cut)));
                    }
                    let last = last.take();
                    this.phase = Phase::Ending;
                    this.alarm.as_mut().reset(Instant::now() + LINGER);
                    if let Some(bytes) = last {
                        return Poll::Ready(Some(Ok(Frame::data(bytes))));
                    }
                }
                Phase::Ending => {
                    ready!(this.poll_ending(cx));
                    this.phase = Phase::Over;
                }
                Phase::Over => return Poll::Ready(None),
            }
        }
    }
}

impl Drop for Relay {
    /// The client left, or the end was reached and all is settled: then this does nothing.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let end = End {
            outcome: Outcome::Cancelled,
            error: Some("client_left"),
            status: self.status,
            attempt: AttemptError::Cancelled,
        };
        self.running.settle(end, self.flow.decoder.tally());
    }
}
