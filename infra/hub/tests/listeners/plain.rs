//! Without TLS.

use hub::config::{Config, TlsConfig};

use crate::{client, gateway, settings};

#[tokio::test]
async fn only_loopback_is_plain_unless_that_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let everywhere = || "0.0.0.0:0".to_owned();
    for (field, config) in [
        ("listen", Config { listen: everywhere(), ..settings(folder.path()) }),
        ("admin_listen", Config { admin_listen: everywhere(), ..settings(folder.path()) }),
    ] {
        let refused = gateway(config.clone()).await.unwrap_err().to_string();
        let begin = format!("{field} = \"0.0.0.0:0\" is reached from other machines");
        assert!(refused.starts_with(&begin), "{refused}");
        for named in
            ["readable", "tls.certificate", "insecure_plaintext = true", "HUB_INSECURE_PLAINTEXT"]
        {
            assert!(refused.contains(named), "{refused}");
        }
        // nothing was written for it
        assert!(!folder.path().join("data").join("secrets").exists());
    }
    let config = Config {
        listen: everywhere(),
        admin_listen: everywhere(),
        insecure_plaintext: true,
        ..settings(folder.path())
    };
    let hub = gateway(config).await.unwrap();
    let url = format!("http://127.0.0.1:{}/healthz", hub.address.unwrap().port());
    assert!(client(None).get(url).send().await.unwrap().status().is_success());
    hub.stop().await;
}

/// Counters go to another machine without the admin API going there.
#[tokio::test]
async fn metrics_have_a_listener_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let metrics_listen = Some("0.0.0.0:0".to_owned());
    let hub = gateway(Config { metrics_listen, ..settings(folder.path()) }).await.unwrap();
    let url = format!("http://127.0.0.1:{}", hub.metrics_address.unwrap().port());
    let admin = format!("http://{}", hub.admin_address);
    let status = async |url: String| client(None).get(url).send().await.unwrap().status().as_u16();
    assert_eq!(status(format!("{url}/metrics")).await, 200);
    assert_eq!(status(format!("{url}/healthz")).await, 200);
    for path in ["/admin/v1/openapi.json", "/admin/v1/whoami", "/status", "/v1/models"] {
        assert_eq!(status(format!("{url}{path}")).await, 404, "{path}");
    }
    assert_eq!(status(format!("{admin}/admin/v1/openapi.json")).await, 200);
    hub.stop().await;
}

#[tokio::test]
async fn what_can_not_be_shown_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere.pem");
    let tls = TlsConfig { certificate: Some(nowhere.clone()), key: Some(nowhere.clone()) };
    let refused = gateway(Config { tls, ..settings(folder.path()) }).await.unwrap_err();
    let refused = format!("{refused:#}");
    assert!(
        refused.contains("the certificate of listen") && refused.contains("nowhere.pem"),
        "{refused}"
    );
    let tls = TlsConfig { certificate: Some(nowhere), key: None };
    let refused = Config { tls, ..settings(folder.path()) }.check().unwrap_err().to_string();
    assert_eq!(refused, "tls.certificate and tls.key go together");
    let trusted_proxies = vec!["10.0.0.0/33".to_owned()];
    let refused = Config { trusted_proxies, ..settings(folder.path()) }.check().unwrap_err();
    assert!(
        format!("{refused:#}").contains("trusted_proxies: \"10.0.0.0/33\" is no network"),
        "{refused:#}"
    );
}
