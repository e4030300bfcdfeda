//! One attempt at one target: up to its first content, or its whole answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, header};
use http_body::Body as _;
use http_body_util::Full;
use runtime::clock::Micros;
use schemas::event::{AttemptError, Operation};
use tokio::time::{Instant, timeout_at};

use super::pool::{self, Body};
use super::verdict::{Failed, refused};
use super::zone::Denied;
use super::{Answer, Client, Flow, Running};
use crate::call::{Call, Shape};
use crate::providers::{self, Failure, Outbound};
use crate::routing::{Planned, Target};
use crate::streaming::Outgoing;

/// The most that is read of an error's body.
const MAX_ERROR: usize = 64 << 10;
/// The longest time for it: the next target waits.
const ERROR_TIME: Duration = Duration::from_secs(5);
/// The most that is kept of a stream before its content, beside what may repeat the request.
const MAX_PREAMBLE: usize = 1 << 20;
/// How often a stream may repeat the request before its content: three events of a response hold its tools and
/// instructions (created, queued, in progress), and another may write signs in more bytes.
const REPEATS: usize = 4;
/// What the hub calls itself.
const AGENT: &str = concat!("hub/", env!("CARGO_PKG_VERSION"));

/// The head of an answer and what follows it.
pub(super) struct Reached {
    pub(super) head: http::response::Parts,
    pub(super) answer: Answer,
    /// What the client is told that it gets.
    pub(super) content_type: Option<HeaderValue>,
    /// Fields of the client's request that could not be said.
    pub(super) dropped: Vec<String>,
}

/// An attempt that runs.
pub(super) struct Reach<'a> {
    pub(super) client: &'a Client,
    pub(super) call: &'a Call,
    pub(super) planned: &'a Planned,
    /// When the call must have ended.
    pub(super) deadline: Instant,
}

/// Why a read ended without bytes.
enum Silence {
    Broken,
    Late,
}

impl Reach<'_> {
    /// Asks the target.
    pub(super) async fn run(
        &self,
        outbound: Outbound,
        running: &mut Running,
    ) -> Result<Reached, Failed> {
        running.begin(self.planned);
        let dropped = outbound.dropped.clone();
        let now = self.client.0.options.clock.now();
        let shape = self.call.shape();
        let request = request(outbound, &self.planned.target, running, accept(self.call), now)
            .ok_or_else(|| self.failed(AttemptError::Malformed))?;
        let limits = &self.planned.target.endpoint.deadlines;
        // a whole answer begins when it is complete: only the total deadline holds for it
        let first = match self.call.stream {
            true => self.deadline.min(Instant::now() + limits.first_byte),
            false => self.deadline,
        };
        let zone = self.planned.target.endpoint.zone;
        let sent = timeout_at(first, self.client.0.pool.send(request, zone, limits.connect)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.unsent(&error)),
            Err(_) => return Err(self.failed(self.late(first))),
        };
        let (head, body) = response.into_parts();
        running.answered(head.status.as_u16());
        if !head.status.is_success() {
            return Err(self.refused(&head, body).await);
        }
        let answer = match shape {
            Shape::Whole => self.whole(body, running).await,
            Shape::Events | Shape::Bytes if is_json(&head.headers) => {
                return Err(self.no_stream(&head, body).await);
            }
            Shape::Events | Shape::Either | Shape::Bytes => self.stream(body, first, running).await,
        };
        match answer {
            Ok(answer) => {
                let content_type = match providers::passes(self.call, &self.planned.target) {
                    true => head.headers.get(header::CONTENT_TYPE).cloned(),
                    false => Some(self.call.dialect.speech().content_type(self.call.stream)),
                };
                Ok(Reached { head, answer, content_type, dropped })
            }
            Err(failure) => Err(Failed { status: head.status.as_u16(), ..self.failed_as(failure) }),
        }
    }

    /// Reads until the first content.
    async fn stream(
        &self,
        mut body: Body,
        first: Instant,
        running: &mut Running,
    ) -> Result<Answer, Failure> {
        let mut decoder = providers::decoder(self.call, &self.planned.target);
        let (mut outgoing, mut pieces) = (Outgoing::default(), Vec::new());
        let most = MAX_PREAMBLE.saturating_add(self.call.body.len().saturating_mul(REPEATS));
        let failed = loop {
            let read = match read(&mut body, first).await {
                Ok(Some(bytes)) => decoder.push(bytes, &mut pieces),
                Ok(None) => decoder.end(&mut pieces),
                Err(Silence::Broken) => Err(Failure::of(AttemptError::Broken)),
                Err(Silence::Late) => Err(Failure::of(self.late(first))),
            };
            outgoing.take(&mut pieces);
            match read {
                Ok(()) if outgoing.is_committed() => break None,
                Ok(()) if outgoing.len() > most => {
                    return Err(Failure::of(AttemptError::Malformed));
                }
                Ok(()) => {}
                // content came before the failure: this attempt is the answer
                Err(failure) if outgoing.has_content() => break Some(failure),
                Err(failure) => return Err(failure),
            }
        };
        running.content();
        Ok(Answer::Stream(Box::new(Flow {
            dialect: self.call.dialect,
            framed: self.call.shape() != Shape::Bytes,
            body,
            decoder,
            outgoing,
            failed,
            idle: self.planned.target.endpoint.deadlines.idle,
            deadline: self.deadline,
        })))
    }

    /// Reads to the end.
    async fn whole(&self, mut body: Body, running: &mut Running) -> Result<Answer, Failure> {
        let limit = self.client.0.options.answer;
        let idle = self.planned.target.endpoint.deadlines.idle;
        let bytes = self.collect(&mut body, limit, idle).await?;
        let mut decoder = providers::decoder(self.call, &self.planned.target);
        let (mut outgoing, mut pieces) = (Outgoing::default(), Vec::new());
        decoder.push(bytes, &mut pieces)?;
        decoder.end(&mut pieces)?;
        outgoing.take(&mut pieces);
        running.content();
        Ok(Answer::Whole(outgoing, decoder.tally().clone()))
    }

    async fn collect(
        &self,
        body: &mut Body,
        limit: usize,
        idle: Duration,
    ) -> Result<Bytes, Failure> {
        let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
        loop {
            let by = self.deadline.min(Instant::now() + idle);
            match read(body, by).await {
                Ok(Some(bytes)) if first.len() + rest.len() + bytes.len() > limit => {
                    return Err(Failure::of(AttemptError::Malformed));
                }
                // most answers come in one piece and are not copied
                Ok(Some(bytes)) if first.is_empty() && rest.is_empty() => first = bytes,
                Ok(Some(bytes)) => {
                    if rest.is_empty() {
                        rest.extend_from_slice(&first);
                        first = Bytes::new();
                    }
                    rest.extend_from_slice(&bytes);
                    first.clear();
                }
                Ok(None) if rest.is_empty() => return Ok(first),
                Ok(None) => return Ok(rest.freeze()),
                Err(Silence::Broken) => return Err(Failure::of(AttemptError::Broken)),
                Err(Silence::Late) if by == self.deadline => {
                    return Err(Failure::of(AttemptError::TotalTimeout));
                }
                Err(Silence::Late) => return Err(Failure::of(AttemptError::IdleTimeout)),
            }
        }
    }

    /// An answer that is no success.
    async fn refused(&self, head: &http::response::Parts, mut body: Body) -> Failed {
        // what could not be read in full is still classified by its status
        let body = self.collect(&mut body, MAX_ERROR, ERROR_TIME).await.unwrap_or_default();
        let now = self.client.0.options.clock.now();
        refused(self.call, &self.planned.target, (head.status, &head.headers, body), now)
    }

    /// A request for a stream or for sound that was answered with a document: an error, whatever its status.
    async fn no_stream(&self, head: &http::response::Parts, mut body: Body) -> Failed {
        let failure = match self.collect(&mut body, MAX_ERROR, ERROR_TIME).await {
            Ok(body) => providers::instead_of_stream(self.call, &self.planned.target, &body),
            Err(failure) => failure,
        };
        Failed { status: head.status.as_u16(), ..self.failed_as(failure) }
    }

    fn unsent(&self, error: &pool::Error) -> Failed {
        let provider = &self.planned.target.provider;
        match error {
            pool::Error::Connect(error) => {
                let denied = Denied::within(&**error);
                match denied {
                    Some(why) => {
                        tracing::warn!(%provider, %why, "not connected; a provider's allow_private permits \
                        private addresses")
                    }
                    None => tracing::warn!(%provider, %error, "no connection"),
                }
                Failed { denied, ..self.failed(AttemptError::Connect) }
            }
            pool::Error::ConnectTimeout => self.failed(AttemptError::Connect),
            pool::Error::Broken { reused, source } => {
                tracing::debug!(%provider, %source, reused, "connection broke before an answer");
                Failed { stale: *reused, ..self.failed(AttemptError::Broken) }
            }
        }
    }

    fn late(&self, first: Instant) -> AttemptError {
        match first < self.deadline {
            true => AttemptError::FirstByteTimeout,
            false => AttemptError::TotalTimeout,
        }
    }

    fn failed(&self, error: AttemptError) -> Failed {
        self.failed_as(Failure::of(error))
    }

    fn failed_as(&self, failure: Failure) -> Failed {
        let provider = self.planned.target.provider.clone();
        Failed { provider, failure, status: 0, refusal: None, stale: false, denied: None }
    }
}

fn request(
    outbound: Outbound,
    target: &Target,
    running: &Running,
    accept: &'static str,
    now: Micros,
) -> Option<Request<Full<Bytes>>> {
    let body = outbound.body;
    let mut request = Request::post(outbound.uri).body(Full::new(body.clone())).ok()?;
    let headers = request.headers_mut();
    headers.reserve(8);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static(AGENT));
    let id = HeaderValue::from_str(&running.call().to_string()).ok()?;
    headers.insert("x-client-request-id", id);
    for (name, value) in outbound.headers {
        headers.insert(name, value);
    }
    running.tell(headers);
    // a signature is made over what goes out
    target.auth.show(&mut request, &body, now)?;
    Some(request)
}

const fn accept(call: &Call) -> &'static str {
    match (call.operation, call.shape()) {
        // sound, subtitles, plain text
        (Operation::Speech | Operation::Transcription, _) => "*/*",
        (_, Shape::Whole) => "application/json",
        (_, Shape::Events | Shape::Either | Shape::Bytes) => "text/event-stream",
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    kind.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/json"))
}

/// The next bytes; `None` at the end.
async fn read(body: &mut Body, by: Instant) -> Result<Option<Bytes>, Silence> {
    loop {
        let frame = timeout_at(by, poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx))).await;
        match frame {
            Err(_) => return Err(Silence::Late),
            Ok(None) => return Ok(None),
            Ok(Some(Err(_))) => return Err(Silence::Broken),
            // trailers say nothing here
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) if !bytes.is_empty() => return Ok(Some(bytes)),
                _ => {}
            },
        }
    }
}
