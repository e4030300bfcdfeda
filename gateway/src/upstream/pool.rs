//! Connections that are kept: one exchange at a time over HTTP/1.1, many over HTTP/2.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, ready};
use std::thread::ThreadId;
use std::time::Duration;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::client::legacy::connect::Connection as _;
use runtime::task;
use tokio::time::Instant;

use super::connect::{Connector, Refused, Stream};
use super::zone::Zone;

/// Connections that nobody used for this long are closed.
const IDLE: Duration = Duration::from_secs(60);
/// The most idle connections to one host.
const MAX_IDLE: usize = 1024;
/// The most of an answer that is read ahead of the client.
const READ_AHEAD: u32 = 256 << 10;

type Http1 = http1::SendRequest<Full<Bytes>>;
type Http2 = http2::SendRequest<Full<Bytes>>;

/// Why no answer came.
#[derive(Debug)]
pub(super) enum Error {
    /// No connection: nothing was sent.
    Connect(Refused),
    /// No connection in time.
    ConnectTimeout,
    /// The connection broke before the answer's head had come. `reused`: it had served before, so
    /// that the other end may just have closed it for being idle.
    Broken { reused: bool, source: hyper::Error },
}

/// Kept connections by host, and by where they may lead: one that a provider may have at a private address is none
/// for a provider that must not.
#[derive(Debug)]
pub(super) struct Pool {
    connector: Connector,
    hosts: RwLock<HashMap<(Scheme, Authority, Zone), Arc<Host>>>,
}

struct Host {
    /// Scheme and authority.
    origin: Uri,
    zone: Zone,
    header: HeaderValue,
    /// The one used last is at the back.
    idle: Mutex<VecDeque<Idle>>,
    shared: Mutex<Option<Http2>>,
}

struct Idle {
    sender: Http1,
    since: Instant,
    /// The thread that drives it.
    home: ThreadId,
}

enum Line {
    One { sender: Http1, reused: bool, home: ThreadId },
    Many { sender: Http2, reused: bool },
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("origin", &self.origin).finish_non_exhaustive()
    }
}

impl Pool {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, hosts: RwLock::default() }
    }

    /// Sends a request to an absolute address and waits for the head of its answer. Dropping this
    /// future, or the body of the answer before its end, closes the connection (HTTP/1.1) or
    /// resets the stream (HTTP/2) at once.
    ///
    /// A request that a kept connection did not take, as it was being closed, is sent over another.
    ///
    /// # Errors
    /// See [`Error`].
    pub(super) async fn send(
        &self,
        mut request: Request<Full<Bytes>>,
        zone: Zone,
        connect: Duration,
    ) -> Result<Response<Body>, Error> {
        let host = self.host(request.uri(), zone).map_err(|error| Error::Connect(error.into()))?;
        loop {
            let line = match host.kept() {
                Some(line) => line,
                None => self.open(&host, connect).await?,
            };
            match host.exchange(line, request).await {
                Ok(response) => return Ok(response),
                Err((Some(unsent), _)) => request = unsent,
                Err((None, error)) => return Err(error),
            }
        }
    }

    fn host(&self, uri: &Uri, zone: Zone) -> Result<Arc<Host>, &'static str> {
        let scheme = uri.scheme().ok_or("the address has no scheme")?.clone();
        let authority = uri.authority().ok_or("the address has no host")?.clone();
        let key = (scheme, authority, zone);
        if let Some(host) = self.hosts.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Ok(Arc::clone(host));
        }
        let host = Arc::new(Host::new(key.0.clone(), &key.1, zone)?);
        let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(hosts.entry(key).or_insert(host)))
    }

    async fn open(&self, host: &Arc<Host>, limit: Duration) -> Result<Line, Error> {
        let opening = async {
            let stream = self.connector.connect(host.origin.clone(), host.zone).await;
            let stream = stream.map_err(Error::Connect)?;
            let opened = if stream.connected().is_negotiated_h2() {
                host.handshake_many(stream).await
            } else {
                handshake_one(stream).await
            };
            opened.map_err(|error| Error::Connect(error.into()))
        };
        tokio::time::timeout(limit, opening).await.unwrap_or(Err(Error::ConnectTimeout))
    }
}

async fn handshake_one(stream: Stream) -> Result<Line, hyper::Error> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(READ_AHEAD as usize);
    let (sender, connection) = builder.handshake(stream).await?;
    task::spawn("upstream connection", async {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "upstream connection broke");
        }
    });
    Ok(Line::One { sender, reused: false, home: here() })
}

impl Host {
    fn new(scheme: Scheme, authority: &Authority, zone: Zone) -> Result<Self, &'static str> {
        let default = match scheme.as_str() {
            "https" => 443,
            _ => 80,
        };
        let name = match authority.port_u16() {
            Some(port) if port != default => format!("{}:{port}", authority.host()),
            _ => authority.host().to_owned(),
        };
        let header = HeaderValue::from_str(&name).map_err(|_| "the address has a bad host")?;
        let origin = Uri::builder().scheme(scheme).authority(authority.clone()).path_and_query("/");
        let origin = origin.build().map_err(|_| "the address has a bad host")?;
        Ok(Self { origin, zone, header, idle: Mutex::default(), shared: Mutex::default() })
    }

    /// A kept connection that is not known to be closed.
    fn kept(&self) -> Option<Line> {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        match shared.as_ref() {
            Some(sender) if !sender.is_closed() => {
                return Some(Line::Many { sender: sender.clone(), reused: true });
            }
            _ => *shared = None,
        }
        drop(shared);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(at) = self.nearest(&idle) {
            let Idle { sender, since, home } = idle.remove(at)?;
            if since.elapsed() > IDLE {
                // all before it are older
                idle.drain(..at);
            } else if !sender.is_closed() {
                return Some(Line::One { sender, reused: true, home });
            }
        }
        None
    }

    /// The one used last of those that this thread drives. One that another thread drives costs
    /// both a wake-up: that is less than a TLS handshake, and more than a plain connection.
    fn nearest(&self, idle: &VecDeque<Idle>) -> Option<usize> {
        let here = here();
        let own = idle.iter().rposition(|idle| idle.home == here);
        let any =
            || idle.len().checked_sub(1).filter(|_| self.origin.scheme() == Some(&Scheme::HTTPS));
        own.or_else(any)
    }

    fn keep(&self, sender: Http1, home: ThreadId) {
        if sender.is_closed() {
            return;
        }
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let stale = |idle: &Idle| now.duration_since(idle.since) > IDLE || idle.sender.is_closed();
        while idle.len() >= MAX_IDLE || idle.front().is_some_and(stale) {
            idle.pop_front();
        }
        idle.push_back(Idle { sender, since: now, home });
    }

    async fn handshake_many(&self, stream: Stream) -> Result<Line, hyper::Error> {
        let mut builder = http2::Builder::new(Spawner);
        builder
            .timer(hyper_util::rt::TokioTimer::new())
            .initial_stream_window_size(READ_AHEAD)
            .initial_connection_window_size(16 * READ_AHEAD)
            .keep_alive_interval(Duration::from_secs(20))
            .keep_alive_timeout(Duration::from_secs(20));
        let (sender, connection) = builder.handshake(stream).await?;
        task::spawn("upstream connection", async {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "upstream connection broke");
            }
        });
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender.clone());
        Ok(Line::Many { sender, reused: false })
    }

    /// One exchange. A request that was not sent comes back with the error.
    async fn exchange(
        self: &Arc<Self>,
        line: Line,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, (Option<Request<Full<Bytes>>>, Error)> {
        match line {
            Line::One { mut sender, reused, home } => {
                if let Err(source) = sender.ready().await {
                    return Err((reused.then_some(request), Error::Broken { reused, source }));
                }
                request.headers_mut().insert(header::HOST, self.header.clone());
                let absolute = to_origin_form(&mut request);
                match sender.try_send_request(request).await {
                    Ok(response) => Ok(response.map(|incoming| {
                        let lease = Lease { host: Arc::clone(self), sender, home };
                        Body::new(incoming, Some(lease))
                    })),
                    Err(mut unsent) => {
                        let request =
                            unsent.take_message().filter(|_| reused).map(|mut request| {
                                *request.uri_mut() = absolute;
                                request
                            });
                        Err((request, Error::Broken { reused, source: unsent.into_error() }))
                    }
                }
            }
            Line::Many { mut sender, reused } => {
                if let Err(source) = sender.ready().await {
                    return Err((reused.then_some(request), Error::Broken { reused, source }));
                }
                request.headers_mut().remove(header::HOST);
                match sender.try_send_request(request).await {
                    Ok(response) => Ok(response.map(|incoming| Body::new(incoming, None))),
                    Err(mut unsent) => {
                        let request = unsent.take_message().filter(|_| reused);
                        Err((request, Error::Broken { reused, source: unsent.into_error() }))
                    }
                }
            }
        }
    }
}

/// The thread whose scheduler drives what is spawned now.
fn here() -> ThreadId {
    std::thread::current().id()
}

/// HTTP/1.1 wants the path alone; gives back the whole address.
fn to_origin_form(request: &mut Request<Full<Bytes>>) -> Uri {
    let root = || PathAndQuery::from_static("/");
    let path = request.uri().path_and_query().cloned().unwrap_or_else(root);
    std::mem::replace(request.uri_mut(), Uri::from(path))
}

/// The body of an answer. At its end the connection is kept for the next exchange.
pub(crate) struct Body {
    incoming: Incoming,
    lease: Option<Lease>,
}

struct Lease {
    host: Arc<Host>,
    sender: Http1,
    home: ThreadId,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body").finish_non_exhaustive()
    }
}

impl Body {
    fn new(incoming: Incoming, lease: Option<Lease>) -> Self {
        let mut body = Self { incoming, lease };
        body.keep_at_end();
        body
    }

    fn keep_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.keep();
        }
    }

    fn keep(&mut self) {
        if let Some(Lease { host, sender, home }) = self.lease.take() {
            host.keep(sender, home);
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.incoming).poll_frame(cx));
        match &frame {
            None => self.keep(),
            Some(Ok(_)) => self.keep_at_end(),
            Some(Err(_)) => self.lease = None,
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// Runs what an HTTP/2 connection needs beside itself.
#[derive(Clone, Copy, Debug)]
struct Spawner;

impl<F> hyper::rt::Executor<F> for Spawner
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    fn execute(&self, future: F) {
        task::spawn("upstream stream", future);
    }
}
