//! What holds for the services of `docker-compose.yml`, whatever runs them.

use std::collections::BTreeSet;

use crate::file::{Compose, Service, compose, root, text};
use crate::image::Image;

/// What a caller must set.
const SECRETS: [&str; 4] =
    ["CLIENT_KEY", "MASTER_KEY", "CLICKHOUSE_PASSWORD", "CLICKHOUSE_READER_PASSWORD"];

/// Everything that the file says of secrets is refused when `missing` is not set.
fn refusals(compose: &Compose, missing: &str) -> Vec<String> {
    let lookup = |name: &str| (name != missing).then(|| "set".to_owned());
    compose.services.values().filter_map(|service| service.variables(lookup).err()).collect()
}

#[test]
fn nothing_starts_without_its_secrets() {
    let compose = compose();
    for secret in SECRETS {
        let refused = refusals(&compose, secret);
        assert!(!refused.is_empty(), "everything starts without {secret}");
        for message in refused {
            assert!(message.starts_with(secret) && message.contains("openssl rand"), "{message}");
        }
    }
    assert_eq!(refusals(&compose, "OPENAI_API_KEY"), [""; 0]);
}

#[test]
fn no_secret_has_a_default() {
    let lookup = |name: &str| SECRETS.contains(&name).then(|| "set by the caller".to_owned());
    for (name, service) in compose().services {
        for (variable, value) in service.variables(lookup).unwrap() {
            let secret =
                ["KEY", "PASSWORD", "SECRET", "TOKEN"].iter().any(|word| variable.contains(word));
            let given = ["", "set by the caller"].contains(&value.as_str());
            assert!(!secret || given || value.starts_with("env:"), "{name}: {variable} is {value}");
        }
    }
}

#[test]
fn only_gateways_are_published_and_only_on_loopback() {
    let compose = compose();
    let mut published = BTreeSet::new();
    for (name, service) in &compose.services {
        for port in &service.ports {
            assert_eq!(service.command, ["gateway"], "{name} publishes {port}");
            assert!(port.starts_with("127.0.0.1:") && port.ends_with(":8787"), "{name}: {port}");
            assert!(published.insert(port), "{port} twice");
        }
        let open = service.networks.iter().any(|network| !compose.networks[network].internal);
        assert_eq!(open, service.command == ["gateway"], "{name} is in {:?}", service.networks);
    }
    assert_eq!(published.len(), 2, "two gateways");
}

#[test]
fn every_role_runs() {
    let compose = compose();
    let mut roles: Vec<&str> = compose.hubs().map(|(_, hub)| hub.command[0].as_str()).collect();
    roles.sort_unstable();
    assert_eq!(roles, ["billing", "gateway", "gateway", "health", "sink"]);
    for (name, hub) in compose.hubs() {
        let build = hub.build.as_ref().unwrap();
        assert_eq!(build.context, ".", "{name}");
        assert!(root().join(&build.dockerfile).is_file(), "{name}");
    }
}

#[test]
fn every_service_comes_back_and_is_confined() {
    for (name, service) in compose().services {
        assert_eq!(service.restart, "unless-stopped", "{name}");
        assert_eq!(service.cap_drop, ["ALL"], "{name}");
        assert_eq!(service.security_opt, ["no-new-privileges:true"], "{name}");
        assert_eq!(service.healthcheck.test[0], "CMD", "{name}");
        assert!(service.healthcheck.retries > 1, "{name}: one slow answer is no illness");
        assert!(service.user.is_none_or(|user| !user.starts_with("0")), "{name}");
        assert!(service.read_only || service.build.is_none(), "{name} writes outside its volume");
    }
}

#[test]
fn who_needs_another_waits_until_it_is_well() {
    let compose = compose();
    for (name, service) in &compose.services {
        for (needed, need) in &service.depends_on {
            assert!(compose.services.contains_key(needed), "{name} needs {needed}");
            assert_eq!(need.condition, "service_healthy", "{name} needs {needed}");
        }
    }
    let needs = |service: &Service| service.depends_on.keys().cloned().collect::<Vec<_>>();
    for (name, hub) in compose.hubs() {
        let tables: &[&str] = if hub.command == ["sink"] { &["clickhouse"] } else { &[] };
        assert_eq!(needs(hub), [tables, &["kafka", "registry"]].concat(), "{name}");
    }
    assert_eq!(needs(&compose.services["registry"]), ["kafka"]);
}

#[test]
fn what_must_stay_is_in_a_volume_of_its_own() {
    let compose = compose();
    let hub = Image::of_the_hub().variables()["HUB_DATA"].clone();
    let kafka =
        compose.services["kafka"].environment["KAFKA_LOG_DIRS"].as_str().unwrap().to_owned();
    let mut used = BTreeSet::new();
    for (name, service) in &compose.services {
        let kept = match (name.as_str(), &service.build) {
            (_, Some(_)) => Some(hub.as_str()),
            ("kafka", None) => Some(kafka.as_str()),
            ("clickhouse", None) => Some("/var/lib/clickhouse"),
            _ => None,
        };
        let mounts = service.volumes.iter().map(|volume| volume.split_once(':').unwrap());
        let mounts: Vec<_> = mounts.collect();
        assert_eq!(mounts.iter().map(|(_, at)| *at).collect::<Vec<_>>(), kept.as_slice(), "{name}");
        for (volume, _) in mounts {
            assert!(used.insert(volume.to_owned()), "{volume} has two owners");
        }
    }
    assert_eq!(used, compose.volumes.into_keys().collect());
}

#[test]
fn containers_are_the_versions_that_the_tests_run_against() {
    let compose = compose();
    let tag = |service: &str| compose.services[service].image.split_once(':').unwrap().1;
    let pinned = text("infra/deploy/kafka/pom.xml");
    let version = |name: &str| {
        let (_, rest) = pinned.split_once(&format!("<{name}>")).unwrap();
        rest.split('<').next().unwrap()
    };
    assert_eq!(tag("kafka"), version("kafka"));
    assert_eq!(tag("registry"), version("registry"));
    let engine: serde_json::Value =
        serde_json::from_str(&text("infra/deploy/clickhouse/package.json")).unwrap();
    let engine = engine["dependencies"]["@chdb/lib-linux-x64-gnu"].as_str().unwrap();
    assert!(engine.starts_with(&format!("{}.", tag("clickhouse"))), "{engine}");
    for (name, source) in compose.configs {
        assert!(root().join(&source.file).is_file(), "{name}");
    }
}
