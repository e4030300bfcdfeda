//! Listeners: bound with a clear error, served with Nagle's algorithm off, drained at shutdown.

use std::io::ErrorKind;
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
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutWriter;
use tower::ServiceExt as _;

/// The longest time for the head of a request.
const HEAD_TIME: Duration = Duration::from_secs(30);

/// Binds the address of a setting.
///
/// # Errors
/// Not an address, or in use: the message names the setting.
pub(crate) async fn bind(field: &str, address: &str) -> anyhow::Result<TcpListener> {
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

/// Where connections are served, and how long a peer may take nothing of what waits for it.
#[derive(Clone, Debug)]
pub(crate) struct Serving {
    /// The threads of calls; those of everything else when not given.
    pub(crate) lanes: Option<Arc<Lanes>>,
    pub(crate) write_time: Duration,
}

/// Serves until the group stops; then open connections finish their request. Each connection is
/// given the routes as they are when it is accepted.
pub(crate) fn serve(
    listener: TcpListener,
    routes: impl Fn() -> Router + Send + 'static,
    serving: Serving,
    tasks: &Tasks,
    name: &'static str,
) {
    let Serving { lanes, write_time } = serving;
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
                accepted = listener.accept() => accepted,
            };
            // to be watched by the scheduler that serves it, not by this one
            let accepted = accepted.and_then(|(stream, peer)| Ok((stream.into_std()?, Peer(peer))));
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
            let service = routes().map_request(move |mut request: http::Request<_>| {
                request.extensions_mut().insert(peer);
                request
            });
            let service = TowerToHyperService::new(service);
            let (server, watcher) = (server.clone(), open.watcher());
            let connection = async move {
                let mut stream = match TcpStream::from_std(stream) {
                    Ok(stream) => TimeoutWriter::new(stream),
                    Err(error) => return tracing::warn!(%error, "a connection could not be served"),
                };
                stream.set_timeout(Some(write_time));
                let stream = TokioIo::new(Box::pin(stream));
                let connection = server.serve_connection_with_upgrades(stream, service);
                if let Err(error) = watcher.watch(connection).await {
                    tracing::debug!(%error, "connection ended");
                }
            };
            match &lanes {
                Some(lanes) => lanes.spawn("connection", connection),
                None => drop(task::spawn("connection", connection)),
            }
        }
        drop(listener);
        open.shutdown().await;
    });
}
