//! Listeners: bound with a clear error, behind TLS where others could listen in, served with Nagle's algorithm off,
//! drained at shutdown.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use axum::Router;
use gateway::http::Peer;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use runtime::lanes::Lanes;
use runtime::task::{self, Tasks};
use runtime::tls::Identity;
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutWriter;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

use crate::peer::Proxies;

/// The longest time for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(30);
/// The longest time to agree on keys.
const HANDSHAKE_TIME: Duration = Duration::from_secs(10);

/// What a listener shows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shows<'a> {
    /// A certificate, with its key.
    Certificate(&'a Path, &'a Path),
    /// Nothing. `open`: also where others could listen in.
    Nothing { open: bool },
}

/// A listener.
pub(crate) struct Listener {
    socket: TcpListener,
    tls: Option<TlsAcceptor>,
}

impl Listener {
    /// Binds the address of a setting. A certificate is read again when its files change, until the group stops.
    ///
    /// # Errors
    /// Not an address, in use, no certificate, or an address where it must show one: the message names the setting.
    pub(crate) async fn open(
        field: &str,
        address: &str,
        shows: Shows<'_>,
        tasks: &Tasks,
    ) -> anyhow::Result<Self> {
        let socket = bind(field, address).await?;
        let (certificate, key) = match shows {
            Shows::Certificate(certificate, key) => (certificate, key),
            Shows::Nothing { open } => {
                if !open && !socket.local_addr()?.ip().is_loopback() {
                    bail!(
                        "{field} = {address:?} is reached from other machines, and without TLS keys and prompts \
                         would cross the network readable, and changeable, by anyone on it: set tls.certificate and \
                         tls.key (HUB_TLS_CERTIFICATE, HUB_TLS_KEY), or insecure_plaintext = true \
                         (HUB_INSECURE_PLAINTEXT) where something else protects them"
                    );
                }
                return Ok(Self { socket, tls: None });
            }
        };
        let identity = Identity::read(certificate, key)
            .with_context(|| format!("the certificate of {field}"))?;
        let server = identity.server()?;
        let token = tasks.token();
        tasks.spawn("certificate", async move { identity.follow(token).await });
        Ok(Self { socket, tls: Some(Arc::new(server).into()) })
    }

    /// Where it is bound.
    ///
    /// # Errors
    /// It is not bound any more.
    pub(crate) fn address(&self) -> std::io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// How its address begins.
    pub(crate) const fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }
}

/// Binds the address of a setting.
///
/// # Errors
/// Not an address, or in use: the message names the setting.
async fn bind(field: &str, address: &str) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "{field} = {address:?} is in use by another program; choose another address (HUB_{})",
            field.to_uppercase()
        ),
        Err(error) => Err(error).with_context(|| {
            format!(
                "can't listen on {field} = {address:?}; an address such as 127.0.0.1:8787 is wanted"
            )
        }),
    }
}

/// Where connections are served, how long a peer may take nothing of what waits for it, and whom it may speak for.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    /// The threads of calls; those of everything else when not given.
    pub(crate) lanes: Option<Arc<Lanes>>,
    pub(crate) write_time: Duration,
    pub(crate) proxies: Arc<Proxies>,
}

/// Serves until the group stops; then open connections finish their request. Each connection is
/// given the routes as they are when it is accepted.
pub(crate) fn serve(
    listener: Listener,
    routes: impl Fn() -> Router + Send + 'static,
    serving: Serving,
    tasks: &Tasks,
    name: &'static str,
) {
    let Serving { lanes, write_time, proxies } = serving;
    let Listener { socket, tls } = listener;
    let token = tasks.token();
    tasks.spawn(name, async move {
        let mut server = auto::Builder::new(TokioExecutor::new());
        // no `pipeline_flush`: it loses the answer to a request that can't be read to its end
        server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME);
        server.http2().timer(TokioTimer::new());
        let open = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                () = token.cancelled() => break,
                accepted = socket.accept() => accepted,
            };
            // to be watched by the scheduler that serves it, not by this one
            let accepted = accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, peer)));
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // out of file descriptors, most likely: give others time to close theirs
                    tracing::warn!(%error, name, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            if let Err(error) = stream.set_nodelay(true) {
                tracing::debug!(%error, "nodelay");
            }
            let proxies = Arc::clone(&proxies);
            let service = routes().map_request(move |mut request: http::Request<_>| {
                let peer = proxies.peer(peer, request.headers());
                request.extensions_mut().insert(Peer(peer));
                request
            });
            let service = TowerToHyperService::new(service);
            let (server, watcher, tls) = (server.clone(), open.watcher(), tls.clone());
            let connection = async move {
                let mut stream = match TcpStream::from_std(stream) {
                    Ok(stream) => TimeoutWriter::new(stream),
                    Err(error) => return tracing::warn!(%error, "a connection could not be served"),
                };
                stream.set_timeout(Some(write_time));
                let stream = Box::pin(stream);
                let ended = match tls {
                    None => {
                        let stream = TokioIo::new(stream);
                        watcher.watch(server.serve_connection_with_upgrades(stream, service)).await
                    }
                    Some(tls) => {
                        let agreed = tokio::time::timeout(HANDSHAKE_TIME, tls.accept(stream)).await;
                        let Ok(Ok(stream)) = agreed else {
                            return tracing::debug!("no TLS was agreed on");
                        };
                        let stream = TokioIo::new(stream);
                        watcher.watch(server.serve_connection_with_upgrades(stream, service)).await
                    }
                };
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                }
            };
            match &lanes {
                Some(lanes) => lanes.spawn("connection", connection),
                None => drop(task::spawn("connection", connection)),
            }
        }
        drop(socket);
        open.shutdown().await;
    });
}
