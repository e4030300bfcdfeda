use processors::Share;
use runtime::log::kafka;

use super::*;

fn loaded(toml: &str, variables: &[(&str, &str)]) -> anyhow::Result<(Config, Environment)> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("hub.toml");
    std::fs::write(&file, toml)?;
    let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let environment: Environment = variables.iter().map(text).collect();
    Ok((load(Some(&file), &environment)?, environment))
}

fn options(toml: &str, variables: &[(&str, &str)]) -> kafka::Options {
    let (config, environment) = loaded(toml, variables).unwrap();
    config.log.kafka_options(&environment).unwrap()
}

#[test]
fn kafka_is_set_by_variables_alone() {
    let told = options(
        "",
        &[
            ("HUB_LOG_KIND", "kafka"),
            ("HUB_LOG_PARTITIONS", "6"),
            ("HUB_LOG_KAFKA_BROKERS", "one:9092, two:9092"),
            ("HUB_LOG_KAFKA_PREFIX", "test."),
            ("HUB_LOG_KAFKA_REPLICATION", "1"),
            ("HUB_LOG_KAFKA_MIN_INSYNC", "1"),
            ("HUB_LOG_KAFKA_CLIENT_ID", "hub-billing-0"),
            ("HUB_LOG_KAFKA_PATIENCE", "3s"),
            ("HUB_LOG_KAFKA_TRANSACTION", "1m"),
            ("HUB_LOG_KAFKA_TLS_CA", "/ca.pem"),
            ("HUB_LOG_KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"),
            ("HUB_LOG_KAFKA_SASL_USER", "hub"),
            ("HUB_LOG_KAFKA_SASL_PASSWORD", "env:KAFKA_PASSWORD"),
            ("KAFKA_PASSWORD", "secret"),
        ],
    );
    assert_eq!(told.brokers, "one:9092,two:9092");
    assert_eq!((told.prefix.as_str(), told.partitions), ("test.", 6));
    assert_eq!((told.replication, told.min_insync), (1, 1));
    assert_eq!(told.client_id, "hub-billing-0");
    assert_eq!((told.patience.as_secs(), told.transaction.as_secs()), (3, 60));
    let tls = told.tls.unwrap();
    assert_eq!((tls.ca, tls.certificate), (Some("/ca.pem".into()), None));
    let sasl = told.sasl.unwrap();
    assert_eq!((sasl.mechanism.as_str(), sasl.user.as_str()), ("SCRAM-SHA-512", "hub"));
    assert_eq!(sasl.password.expose(), "secret");
}

#[test]
fn tls_to_kafka_is_on_when_it_is_named_and_not_switched_off() {
    let kafka = "[log]\nkind = \"kafka\"\n[log.kafka]\nbrokers = [\"a:1\"]\n";
    for (toml, variables, on) in [
        ("", &[] as &[_], false),
        ("tls = {}", &[], true),
        ("tls = { enabled = false, ca = \"/ca.pem\" }", &[], false),
        ("tls = { certificate = \"/c.pem\", key = \"/k.pem\" }", &[], true),
        ("tls = {}", &[("HUB_LOG_KAFKA_TLS_ENABLED", "false")], false),
        ("", &[("HUB_LOG_KAFKA_TLS_ENABLED", "true")], true),
        ("", &[("HUB_LOG_KAFKA_TLS_CA", "")], false),
    ] {
        let told = options(&format!("{kafka}{toml}"), variables);
        assert_eq!(told.tls.is_some(), on, "{toml} {variables:?}");
    }
}

#[test]
fn further_options_are_handed_on() {
    let told = options(
        "[log]\nkind = \"kafka\"\n[log.kafka]\nbrokers = [\"a:1\"]\noptions = { \"socket.keepalive.enable\" = \"true\" }",
        &[],
    );
    assert_eq!(told.more["socket.keepalive.enable"], "true");
}

#[test]
fn what_is_printed_can_be_read_back() {
    let toml = "[log]\nkind = \"kafka\"\n[log.kafka]\nbrokers = [\"a:1\"]\ntls = {}\n[log.kafka.sasl]\nmechanism = \"PLAIN\"\nuser = \"u\"\npassword = \"env:P\"";
    let (config, _) = loaded(toml, &[]).unwrap();
    let printed = toml::to_string(&config).unwrap();
    let (again, _) = loaded(&printed, &[]).unwrap();
    assert_eq!(toml::to_string(&again).unwrap(), printed);
}

#[test]
fn an_instance_is_a_number_or_ends_in_one() {
    for (toml, wanted) in [
        ("instances = 3", 0),
        ("instance = 2\ninstances = 3", 2),
        ("instance = \"1\"\ninstances = 3", 1),
        ("instance = \"hub-billing-2\"\ninstances = 3", 2),
    ] {
        let (config, _) = loaded(toml, &[]).unwrap();
        assert_eq!(config.share().unwrap(), Share { instance: wanted, of: 3 }, "{toml}");
    }
    let (config, _) = loaded("", &[("HUB_INSTANCE", "hub-1"), ("HUB_INSTANCES", "2")]).unwrap();
    assert_eq!(config.share().unwrap(), Share { instance: 1, of: 2 });
}

#[test]
fn a_registry_is_set_by_variables_alone() {
    let (config, environment) = loaded(
        "",
        &[
            ("HUB_REGISTRY_URL", "https://registry:8081"),
            ("HUB_REGISTRY_USER", "hub"),
            ("HUB_REGISTRY_PASSWORD", "env:REGISTRY_PASSWORD"),
            ("HUB_REGISTRY_CA", "/ca.pem"),
            ("REGISTRY_PASSWORD", "secret"),
        ],
    )
    .unwrap();
    let told = config.registry.options(Path::new("/kept"), "test.", &environment).unwrap().unwrap();
    assert_eq!((told.url.as_str(), told.prefix.as_str()), ("https://registry:8081", "test."));
    assert_eq!((told.cache, told.ca), ("/kept".into(), Some("/ca.pem".into())));
    let (user, password) = told.login.unwrap();
    assert_eq!((user.as_str(), password.expose()), ("hub", "secret"));
    let (config, environment) = loaded("", &[]).unwrap();
    assert!(config.registry.options(Path::new("/kept"), "", &environment).unwrap().is_none());
}
