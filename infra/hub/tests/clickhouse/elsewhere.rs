//! A ClickHouse of the operator's own: over TLS, with users of its own, on replicas.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use analytics::migrate::{Error, migrate, statements};
use analytics::{Connector, Layout, Options};
use hub::embedded::clickhouse::Role;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use runtime::task;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::harness::Hub;

/// Speaks TLS as `localhost` and hands all on to `server`. Gives its address, and writes the
/// authority that its certificate comes from to `ca`.
async fn behind_tls(server: SocketAddr, ca: &Path) -> SocketAddr {
    let authority_key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(ca, authority.self_signed(&authority_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let certificate = certificate.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::Pkcs8(key.serialize_der().into()),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    task::spawn("tls", async move {
        loop {
            let (outside, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            task::spawn("connection", async move {
                // who does not trust the certificate hangs up
                let Ok(mut outside) = acceptor.accept(outside).await else { return };
                let mut inside = TcpStream::connect(server).await.unwrap();
                drop(copy_bidirectional(&mut outside, &mut inside).await);
            });
        }
    });
    address
}

fn address(hub: &Hub) -> SocketAddr {
    hub.supervisor.url().strip_prefix("http://").unwrap().parse().unwrap()
}

fn options(hub: &Hub, url: &str, connector: Connector) -> Options {
    Options {
        url: url.to_owned(),
        user: Role::Writer.user().to_owned(),
        password: hub.password(Role::Writer),
        database: "hub".to_owned(),
        connector,
    }
}

/// `hub sql` with nothing in its environment but these variables.
fn sql(variables: &[(&str, &str)], query: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hub"));
    command.env_clear().args(["sql", query, "--format", "TSV"]);
    command.envs(variables.iter().copied()).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_made_and_asked_over_tls() {
    let hub = Hub::start().await;
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let tls = behind_tls(address(&hub), &ca).await;
    let url = format!("https://localhost:{}", tls.port());
    let trusting = Connector::new(&url, Some(&ca)).unwrap();
    let options = options(&hub, &url, trusting);
    migrate(&options, &Layout::default()).await.unwrap();
    let client = Layout::default().client(&options);
    let tables = "SELECT count() FROM system.tables WHERE database = 'hub' AND name = 'usage'";
    assert_eq!(client.query_raw(tables).fetch_one::<u64>().await.unwrap(), 1);

    let doubting = Options { connector: Connector::new(&url, None).unwrap(), ..options.clone() };
    let refused = migrate(&doubting, &Layout::default()).await.unwrap_err();
    let chain = format!("{:#}", anyhow::Error::from(refused));
    assert!(chain.contains("certificate"), "{chain}");

    let reader = hub.password(Role::Reader);
    let ca = ca.display().to_string();
    let mut variables = vec![
        ("HUB_CLICKHOUSE_URL", url.as_str()),
        ("HUB_CLICKHOUSE_CA", &ca),
        ("HUB_CLICKHOUSE_READER_PASSWORD", "env:READER"),
        ("READER", &reader),
    ];
    let query = "SELECT currentDatabase(), count() FROM usage";
    let said = tokio::task::block_in_place(|| sql(&variables, query));
    assert_eq!(String::from_utf8_lossy(&said.stdout), "hub\t0\n", "{said:?}");
    let said = tokio::task::block_in_place(|| sql(&variables, "DROP TABLE usage"));
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(!said.status.success() && text.contains("ACCESS_DENIED"), "{said:?}");
    variables.remove(1);
    let said = tokio::task::block_in_place(|| sql(&variables, query));
    let text = String::from_utf8_lossy(&said.stderr);
    assert!(!said.status.success() && text.contains("certificate"), "{said:?}");
    assert!(text.contains(&format!("no ClickHouse answers at {url}")), "{said:?}");
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_engine_understands_every_statement_of_both_layouts() {
    let hub = Hub::start().await;
    let one = Layout::default();
    let (named, macros) = (Layout::cluster("hub"), Layout::cluster("{cluster}"));
    for layout in [&one, &named, &macros] {
        let statements = statements("hub", layout);
        assert!(statements.len() > 10, "{}", statements.len());
        for (name, sql) in statements {
            let tree = hub.good(Role::Writer, &format!("EXPLAIN AST {sql}")).await;
            let known = tree.contains("Create") || tree.starts_with("AlterQuery");
            assert!(known, "{name}: {tree}");
            let replicated = sql.contains("ENGINE") && *layout != one;
            assert_eq!(tree.contains("ReplicatedMergeTree"), replicated, "{name}: {tree}");
            let on_cluster =
                format!("ON CLUSTER '{}'", if *layout == named { "hub" } else { "{cluster}" });
            assert_eq!(sql.contains(&on_cluster), *layout != one, "{name}: {sql}");
        }
    }
    // the engine would not let a slip pass
    let (_, sql) = statements("hub", &named).remove(1);
    for slip in [sql.replace("ON CLUSTER", "ON CLUSTR"), sql.replace("ORDER BY", "ORDER")] {
        let reply = hub.ask(Role::Writer, "", format!("EXPLAIN AST {slip}")).await;
        assert_eq!(reply.code(), 62, "{slip}: {}", reply.text());
    }
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_the_server_does_not_know_is_named_with_those_it_knows() {
    let hub = Hub::start().await;
    let options = options(&hub, &hub.supervisor.url(), Connector::Plain);
    let error = migrate(&options, &Layout::cluster("nowhere")).await.unwrap_err();
    assert!(matches!(&error, Error::Cluster { shards: 0, .. }), "{error}");
    assert!(error.to_string().contains("\"nowhere\" has 0 shards"), "{error}");
    hub.stop().await;
}
