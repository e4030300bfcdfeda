//! With TLS.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use hub::config::{Config, TlsConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::{client, eventually, gateway, settings};

/// A new certificate for localhost and its key.
fn write(folder: &Path, name: &str) -> TlsConfig {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) =
        (folder.join(format!("{name}.crt")), folder.join(format!("{name}.key")));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    TlsConfig { certificate: Some(certificate), key: Some(key) }
}

/// What both ends agree to speak.
async fn spoken(port: u16, certificate: &Path, offered: &[&[u8]]) -> Option<Vec<u8>> {
    let mut tls = runtime::tls::client(Some(certificate)).unwrap();
    tls.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = "localhost".try_into().unwrap();
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, stream).await.unwrap();
    stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec)
}

#[tokio::test]
async fn both_listeners_speak_it_and_show_what_their_files_hold_now() {
    let folder = tempfile::tempdir().unwrap();
    let (tls, admin_tls) = (write(folder.path(), "calls"), write(folder.path(), "admin"));
    let files = (tls.certificate.clone().unwrap(), admin_tls.certificate.clone().unwrap());
    // it need not be loopback then
    let listen = "0.0.0.0:0".to_owned();
    let hub = gateway(Config { tls, admin_tls, listen, ..settings(folder.path()) }).await.unwrap();
    let (calls, admin) = (hub.address.unwrap().port(), hub.admin_address.port());
    for (port, file, path, wanted) in [
        (calls, &files.0, "/v1/models", 401),
        (calls, &files.0, "/healthz", 200),
        (admin, &files.1, "/admin/v1/whoami", 401),
        (admin, &files.1, "/metrics", 200),
    ] {
        let url = format!("https://localhost:{port}{path}");
        let answer = client(Some(file)).get(&url).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), wanted, "{url}");
        assert_eq!(spoken(port, file, &[b"h2", b"http/1.1"]).await.unwrap(), b"h2");
        assert_eq!(spoken(port, file, &[b"http/1.1"]).await.unwrap(), b"http/1.1");
        // nobody is answered in plain words
        let plain = client(None).get(format!("http://localhost:{port}{path}")).send().await;
        assert!(plain.is_err(), "{plain:?}");
    }
    // each shows its own
    let url = format!("https://localhost:{admin}/healthz");
    assert!(client(Some(&files.0)).get(&url).send().await.is_err());

    let old = folder.path().join("old.crt");
    std::fs::copy(&files.1, &old).unwrap();
    assert!(client(Some(&old)).get(&url).send().await.is_ok());
    write(folder.path(), "admin");
    eventually("the new certificate is shown", async || {
        client(Some(&files.1)).get(&url).send().await.ok()
    })
    .await;
    assert!(client(Some(&old)).get(&url).send().await.is_err());
    hub.stop().await;
}

/// Its own commands find it by the certificate of the settings, for whatever name that is.
#[tokio::test(flavor = "multi_thread")]
async fn commands_reach_it() {
    let folder = tempfile::tempdir().unwrap();
    let tls = write(folder.path(), "hub");
    let hub = gateway(Config { tls: tls.clone(), ..settings(folder.path()) }).await.unwrap();
    let address = hub.admin_address.to_string();
    let run = |arguments: &[&str], tls: &TlsConfig| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
        command.args(arguments).env_clear();
        command.env("HUB_ADMIN_LISTEN", &address).env("HUB_DATA", folder.path().join("data"));
        command.env("HUB_TLS_CERTIFICATE", tls.certificate.as_ref().unwrap());
        command.env("HUB_TLS_KEY", tls.key.as_ref().unwrap());
        let done = command.output().unwrap();
        let said = [done.stdout, done.stderr].concat();
        (done.status.success(), String::from_utf8_lossy(&said).into_owned())
    };
    let (done, said) = run(&["projects", "create", "acme"], &tls);
    assert!(done, "{said}");
    let (done, said) = run(&["projects", "list"], &tls);
    assert!(done && said.contains("acme"), "{said}");
    // a token is not shown to who shows something else
    let other = write(folder.path(), "other");
    let (done, said) = run(&["projects", "list"], &other);
    assert!(!done && said.contains("no hub answers"), "{said}");
    eventually("it is ready", async || run(&["probe"], &tls).0.then_some(())).await;
    // a probe says nothing secret, and the files may just have changed
    assert!(run(&["probe"], &other).0);
    hub.stop().await;
}
