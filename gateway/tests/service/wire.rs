//! TLS, HTTP/2 and proxies.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt as _, stream};
use gateway::config::UpstreamConfig;
use gateway::error::Kind;
use gateway::routing::Plan;
use gateway::usage::Durability;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rcgen::{CertificateParams, KeyPair, generate_simple_self_signed};
use runtime::task;
use schemas::event::{AttemptError, Outcome};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::rig::{CHAT, Rig, STREAM, deadlines, next, rest, target_at};
use crate::scripted::{ANSWER, HELLO};

/// A provider behind TLS that says in its request id which protocol was spoken.
struct Secure {
    address: SocketAddr,
    ca: PathBuf,
    connections: Arc<AtomicUsize>,
    /// One message per stream that was dropped by its client.
    dropped: mpsc::UnboundedReceiver<()>,
    _folder: tempfile::TempDir,
}

async fn secure(protocols: &[&str]) -> Secure {
    let made = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, made.cert.pem()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let (sender, dropped) = mpsc::unbounded_channel();
    let count = Arc::clone(&connections);
    task::spawn("secure provider", async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let (acceptor, sender, count) = (acceptor.clone(), sender.clone(), Arc::clone(&count));
            task::spawn("secure connection", async move {
                let Ok(tls) = acceptor.accept(tcp).await else {
                    return;
                };
                count.fetch_add(1, Ordering::SeqCst);
                let service =
                    hyper::service::service_fn(move |request| answer(request, sender.clone()));
                let builder = auto::Builder::new(TokioExecutor::new());
                builder.serve_connection(TokioIo::new(tls), service).await.ok();
            });
        }
    });
    Secure { address, ca, connections, dropped, _folder: folder }
}

/// Tells when it is dropped.
struct Bell(mpsc::UnboundedSender<()>);

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.send(()).ok();
    }
}

async fn answer(
    request: Request<Incoming>,
    sender: mpsc::UnboundedSender<()>,
) -> Result<Response<Body>, Infallible> {
    let version = format!("{:?}", request.version());
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut response = Response::builder().header("x-request-id", version);
    let body = if body.windows(13).any(|part| part == b"\"stream\":true") {
        response = response.header("content-type", "text/event-stream");
        let bell = Bell(sender);
        let first = stream::once(async { Ok::<_, Infallible>(Bytes::from(HELLO)) });
        Body::from_stream(first.chain(stream::pending()).map(move |frame| {
            let _kept = &bell;
            frame
        }))
    } else {
        Body::from(ANSWER)
    };
    Ok(response.body(body).unwrap())
}

fn plan(address: SocketAddr) -> Plan {
    Plan::of(vec![target_at("openai", &format!("https://{address}/v1"), deadlines())])
}

fn trusting(provider: &Secure) -> UpstreamConfig {
    UpstreamConfig { ca_file: Some(provider.ca.clone()), ..UpstreamConfig::default() }
}

#[tokio::test]
async fn tls_with_the_protocol_that_both_speak() {
    for (protocols, version, connections) in [
        (&["h2", "http/1.1"][..], "HTTP/2.0", 1),
        (&["http/1.1"], "HTTP/1.1", 1),
        (&[], "HTTP/1.1", 1),
    ] {
        let provider = secure(protocols).await;
        let mut rig = Rig::with(Durability::Process, trusting(&provider));
        for _ in 0..3 {
            let response = rig.start(CHAT, plan(provider.address)).await.unwrap();
            assert_eq!(response.headers()["x-hub-upstream-request-id"], version);
            assert_eq!(rest(response.into_body()).await, ANSWER);
        }
        assert_eq!(provider.connections.load(Ordering::SeqCst), connections, "{version}");
    }
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let provider = secure(&["h2"]).await;
    let other = KeyPair::generate().unwrap();
    let other =
        CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&other).unwrap();
    let file = provider.ca.with_file_name("other.pem");
    std::fs::write(&file, other.pem()).unwrap();
    let config = UpstreamConfig { ca_file: Some(file), ..UpstreamConfig::default() };
    let mut rig = Rig::with(Durability::Process, config);
    let error = rig.start(CHAT, plan(provider.address)).await.unwrap_err();
    assert_eq!(error.kind, Kind::ProviderFailed);
    assert_eq!(rig.story().await.3, [AttemptError::Connect]);
}

#[tokio::test]
async fn hang_up_cancels_one_stream_of_a_shared_connection() {
    let mut provider = secure(&["h2"]).await;
    let mut rig = Rig::with(Durability::Process, trusting(&provider));
    let start = rig.start(STREAM, plan(provider.address)).await.unwrap();
    let mut first = start.into_body();
    assert!(next(&mut first).await.unwrap().contains("hello"));
    let mut second = rig.start(STREAM, plan(provider.address)).await.unwrap().into_body();
    assert!(next(&mut second).await.unwrap().contains("hello"));
    drop(first);
    provider.dropped.recv().await.unwrap();
    // the other goes on, and so does the connection
    assert!(provider.dropped.try_recv().is_err());
    rest(rig.start(CHAT, plan(provider.address)).await.unwrap().into_body()).await;
    drop(second);
    provider.dropped.recv().await.unwrap();
    assert_eq!(provider.connections.load(Ordering::SeqCst), 1);
    let (usages, _) = rig.events().await;
    let outcomes: Vec<_> = usages.iter().map(|usage| usage.outcome).collect();
    assert_eq!(outcomes, [Outcome::Cancelled, Outcome::Completed, Outcome::Cancelled]);
}

/// A proxy that opens tunnels; gives the heads of what it was asked.
async fn proxy() -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, heads) = mpsc::unbounded_channel();
    task::spawn("proxy", async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let sender = sender.clone();
            task::spawn("tunnel", async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap();
                let to = head.split(' ').nth(1).unwrap().to_owned();
                sender.send(head).unwrap();
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
                let mut server = TcpStream::connect(to).await.unwrap();
                copy_bidirectional(&mut client, &mut server).await.ok();
            });
        }
    });
    (address, heads)
}

#[tokio::test]
async fn https_goes_through_the_proxy_but_for_exceptions() {
    let provider = secure(&["h2", "http/1.1"]).await;
    let (address, mut heads) = proxy().await;
    for (no_proxy, through) in
        [(None, true), (Some("example.org,127.0.0.1"), false), (Some("example.org"), true)]
    {
        let config = UpstreamConfig {
            https_proxy: Some(format!("http://someone:secret@{address}")),
            no_proxy: no_proxy.map(str::to_owned),
            ..trusting(&provider)
        };
        let mut rig = Rig::with(Durability::Process, config);
        let response = rig.start(CHAT, plan(provider.address)).await.unwrap();
        assert_eq!(response.headers()["x-hub-upstream-request-id"], "HTTP/2.0");
        let head = heads.try_recv().ok();
        assert_eq!(head.is_some(), through, "{no_proxy:?}");
        if let Some(head) = head {
            assert!(
                head.starts_with(&format!("CONNECT {} HTTP/1.1\r\n", provider.address)),
                "{head}"
            );
            let lower = head.to_ascii_lowercase();
            assert!(lower.contains("proxy-authorization: basic c29tzw9uztpzzwnyzxq="), "{head}");
            assert!(!lower.contains("bearer"), "{head}");
        }
    }
}
