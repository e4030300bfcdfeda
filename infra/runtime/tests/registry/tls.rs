//! A registry behind TLS, under an authority of one's own.

use std::sync::Arc;

use runtime::task::spawn;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::*;

/// TLS before a plain address: the port, and the certificate in PEM.
async fn behind_tls(plain: String) -> (u16, String) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    spawn("tls", async move {
        loop {
            let (peer, _) = listener.accept().await.unwrap();
            let (acceptor, plain) = (acceptor.clone(), plain.clone());
            spawn("tls", async move {
                // who does not trust the certificate leaves here
                let Ok(mut peer) = acceptor.accept(peer).await else { return };
                let mut behind = TcpStream::connect(plain).await.unwrap();
                drop(copy_bidirectional(&mut peer, &mut behind).await);
            });
        }
    });
    (port, made.cert.pem())
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_when_it_is_named() {
    let fake = Fake::start().await;
    let plain = fake.url.strip_prefix("http://").unwrap().to_owned();
    let (port, pem) = behind_tls(plain).await;
    let mut hub = Hub::of(&format!("https://localhost:{port}")).hasty();
    let stranger = hub.folder.path().join("stranger.pem");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&stranger, made.cert.pem()).unwrap();
    hub.options.ca = Some(stranger);
    let refused = hub.refused().await;
    assert!(refused.contains("certificate"), "{refused}");
    assert!(fake.requests().is_empty());

    let ca = hub.folder.path().join("ca.pem");
    std::fs::write(&ca, pem).unwrap();
    hub.options.ca = Some(ca);
    hub.options.timeout = LONG;
    let codec = hub.open().await.unwrap();
    assert!(codec.knows(tick_id(&codec)));
}
