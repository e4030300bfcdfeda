//! What an operator writes: settings, variables, files beside them, commands.

use std::net::TcpListener;

use e2e::hub::Hub;
use serde_json::Value;

use crate::rig::{binary, command};
use crate::{check_names, end};

/// One row: what is written and what the hub says before it ends.
struct Case {
    name: &'static str,
    /// Settings; `{folder}` is the test's folder.
    toml: &'static str,
    /// Variables over them.
    variables: &'static [(&'static str, &'static str)],
    /// The command.
    arguments: &'static [&'static str],
    /// All of it must be said.
    says: &'static [&'static str],
}

const SERVE: &[&str] = &["serve"];
/// Stands in settings where a secret is.
const SECRET: &str = "hidden-word";
/// None of it may be said.
const HIDDEN: [&str; 3] = [SECRET, "12345678", "panicked"];

/// Settings.
const fn toml(name: &'static str, toml: &'static str, says: &'static [&'static str]) -> Case {
    Case { name, toml, variables: &[], arguments: SERVE, says }
}

/// A variable.
const fn env(
    name: &'static str,
    variables: &'static [(&'static str, &'static str)],
    says: &'static [&'static str],
) -> Case {
    Case { name, toml: "", variables, arguments: SERVE, says }
}

/// A command.
const fn told(
    name: &'static str,
    arguments: &'static [&'static str],
    says: &'static [&'static str],
) -> Case {
    Case { name, toml: "", variables: &[], arguments, says }
}

#[rustfmt::skip]
const CASES: &[Case] = &[
    toml("an unknown field", "listn = \"127.0.0.1:1\"", &["hub.toml:1:1", "unknown field listn", "nearest: listen"]),
    toml("an unknown field of a table", "[outbox]\nlimmit = \"1GiB\"", &["hub.toml:2:1", "unknown field outbox.limmit", "nearest: outbox.limit"]),
    toml("an unknown field of a list", "[[providers]]\nid = \"openai\"\nbase = \"x\"", &["hub.toml:3:1", "providers[0].base"]),
    toml("a number in words", "[log]\npartitions = \"four\"", &["hub.toml:2:1", "log.partitions", "expected"]),
    toml("a number below zero", "[log]\npartitions = -1", &["hub.toml:2:1", "log.partitions"]),
    toml("a log of no kind", "[log]\nkind = \"kafkaa\"", &["hub.toml:2:1", "log.kind", "nearest: kafka"]),
    toml("Kafka without brokers", "[log]\nkind = \"kafka\"", &["log.kafka.brokers (HUB_LOG_KAFKA_BROKERS) must name at least one"]),
    toml("brokers of a local log", "[log.kafka]\nbrokers = [\"kafka:9092\"]", &["log.kafka.brokers is set, but log.kind (HUB_LOG_KIND) is local"]),
    toml("a broker without a port", "[log]\nkind = \"kafka\"\n[log.kafka]\nbrokers = [\"kafka\"]", &["log.kafka.brokers: \"kafka\" is not host:port, such as kafka:9092"]),
    toml("an unknown field of Kafka", "[log.kafka]\nbroker = \"kafka:9092\"", &["hub.toml:2:1", "log.kafka.broker", "nearest: log.kafka.brokers"]),
    toml("more replicas in sync than there are", "[log.kafka]\nreplication = 1", &["log.kafka.min_insync is 2", "from 1 to log.kafka.replication, 1"]),
    toml("no patience", "[log.kafka]\npatience = \"0s\"", &["log.kafka.patience is 0s", "at least 1s"]),
    toml("a certificate without its key", "[log.kafka]\ntls = { certificate = \"c.pem\" }", &["log.kafka.tls.certificate and log.kafka.tls.key go together"]),
    toml("a user without a password", "[log.kafka.sasl]\nmechanism = \"PLAIN\"\nuser = \"hub\"", &["log.kafka.sasl", "missing field `password`"]),
    toml("a mechanism that is none", "[log.kafka.sasl]\nmechanism = \"scram\"\nuser = \"hub\"\npassword = \"hidden-word\"", &["log.kafka.sasl.mechanism", "SCRAM-SHA-256"]),
    toml("a Kafka password in a variable that is not set", "[log]\nkind = \"kafka\"\n[log.kafka]\nbrokers = [\"127.0.0.1:1\"]\nsasl = { mechanism = \"PLAIN\", user = \"hub\", password = \"env:NOT_THERE\" }", &["log.kafka.sasl.password", "NOT_THERE is not set"]),
    toml("a certificate of a listener without its key", "tls = { certificate = \"c.pem\" }", &["tls.certificate and tls.key go together"]),
    toml("a proxy that is no network", "trusted_proxies = [\"proxy\"]", &["trusted_proxies: \"proxy\" is no network"]),
    toml("an unknown field of the registry", "[registry]\naddress = \"http://127.0.0.1:1\"", &["hub.toml:2:1", "unknown field registry.address"]),
    toml("a registry's user without a registry", "[registry]\nuser = \"hub\"\npassword = \"hidden-word\"", &["registry.user is set, but registry.url (HUB_REGISTRY_URL) is not"]),
    toml("a registry's user without a password", "[registry]\nurl = \"http://127.0.0.1:1\"\nuser = \"hub\"", &["registry.user and registry.password go together"]),
    toml("a registry's password in a variable that is not set", "[registry]\nurl = \"http://127.0.0.1:1\"\nuser = \"hub\"\npassword = \"env:NOT_THERE\"", &["registry.password", "NOT_THERE is not set"]),
    toml("a registry's address without a scheme", "[registry]\nurl = \"registry:8081\"", &["registry.url = \"registry:8081\" must be an address such as http://127.0.0.1:8081"]),
    toml("a registry's address with a password", "[registry]\nurl = \"http://hub:hidden-word@registry:8081\"", &["registry.url", "set registry.user and registry.password"]),
    toml("certificates of a registry that are not there", "[registry]\nurl = \"https://127.0.0.1:1\"\nca = \"/nowhere/ca.pem\"", &["registry.ca /nowhere/ca.pem"]),
    toml("an instance that is none", "instance = 2\ninstances = 2", &["instance (HUB_INSTANCE) is 2, but there are only 2 instances, counted from 0"]),
    toml("no instances", "instances = 0", &["instances (HUB_INSTANCES) is 0: it must be at least 1"]),
    toml("more instances than partitions", "instances = 5", &["instances (HUB_INSTANCES) is 5: more than log.partitions, 4"]),
    toml("an instance without a number", "instance = \"billing\"", &["hub.toml:1:1: instance: \"billing\" is neither a number nor a name that ends in one", "hub-billing-2"]),
    toml("an instance below zero", "instance = -1", &["instance: \"-1\" is neither"]),
    toml("no partitions", "[log]\npartitions = 0", &["1 to 1024"]),
    toml("a list where text must be", "listen = [\"127.0.0.1\"]", &["listen: found", "expected text"]),
    toml("a size that is none", "[outbox]\nsegment = \"lots\"", &["outbox.segment", "\"lots\" is not a size such as 512KiB"]),
    toml("a time that is none", "[limits]\nbody_time = \"soon\"", &["limits.body_time", "\"soon\" is not a time such as 500ms"]),
    toml("a choice that is none", "[outbox]\ndurability = \"hosts\"", &["outbox.durability", "nearest: host"]),
    toml("an account of no kind", "[[accounts]]\nid = \"a\"\nkind = \"prepayed\"", &["accounts[0].kind", "nearest: prepaid"]),
    toml("two errors", "a = 1\nb = 2", &["2 errors", "unknown field a", "unknown field b"]),
    toml("not TOML", "listen = hidden-word", &["hub.toml:1:", "not valid toml"]),
    told("no such file", &["serve", "--config", "/nowhere/hub.toml"], &["configuration file /nowhere/hub.toml"]),

    env("an unknown variable", &[("HUB_LISTN", "x")], &["unknown variable HUB_LISTN", "nearest: HUB_LISTEN"]),
    env("a variable of the wrong type", &[("HUB_LOG_PARTITIONS", "four")], &["HUB_LOG_PARTITIONS: log.partitions: found \"four\""]),
    env("a variable for a table", &[("HUB_PROVIDERS", "x")], &["HUB_PROVIDERS", "set it in the configuration file"]),
    env("a variable for a map", &[("HUB_LOG_KAFKA_OPTIONS", "x")], &["HUB_LOG_KAFKA_OPTIONS", "set it in the configuration file"]),
    env("a variable that lacks Kafka's brokers", &[("HUB_LOG_KIND", "kafka"), ("HUB_LOG_KAFKA_BROKERS", "")], &["log.kafka.brokers (HUB_LOG_KAFKA_BROKERS) must name"]),
    env("a pod past its set", &[("HUB_INSTANCE", "hub-billing-7"), ("HUB_INSTANCES", "3")], &["instance (HUB_INSTANCE) is hub-billing-7, but there are only 3"]),
    env("a container's random name", &[("HUB_INSTANCE", "3f2a9c41")], &["HUB_INSTANCE: instance: \"3f2a9c41\" is neither"]),
    env("an address that is none", &[("HUB_LISTEN", "everywhere")], &["listen = \"everywhere\"", "such as 127.0.0.1:8787"]),
    env("an address without a port", &[("HUB_ADMIN_LISTEN", "127.0.0.1")], &["admin_listen = \"127.0.0.1\"", "such as 127.0.0.1:8787"]),
    env("a listener that all can read", &[("HUB_LISTEN", "0.0.0.0:0")], &["listen = \"0.0.0.0:0\" is reached", "readable", "insecure_plaintext = true (HUB_INSECURE_PLAINTEXT)"]),
    env("a port in use", &[("HUB_LISTEN", "{taken}")], &["listen = \"{taken}\" is in use", "HUB_LISTEN"]),
    env("an admin port in use", &[("HUB_ADMIN_LISTEN", "{taken}")], &["admin_listen = \"{taken}\" is in use", "HUB_ADMIN_LISTEN"]),
    env("one port for both", &[("HUB_ADMIN_LISTEN", "{listen}")], &["admin_listen = \"{listen}\" is in use"]),
    env("a folder that is a file", &[("HUB_DATA", "{folder}/hub.toml")], &["hub.toml"]),
    env("a folder that can't be", &[("HUB_DATA", "/proc/hub")], &["/proc/hub"]),
    env("a log filter that is none", &[("HUB_TELEMETRY_FILTER", "gateway=loud")], &["log filter \"gateway=loud\"", "give something like"]),
    env("a provider's address that is none", &[("OPENAI_API_KEY", SECRET), ("OPENAI_BASE_URL", "localhost")], &["providers[openai].base_url"]),

    toml("an unknown vendor", "[[providers]]\nid = \"acme\"", &["providers[acme].vendor = \"acme\" is not known", "deepseek"]),
    toml("a base_url of another scheme", "[[providers]]\nid = \"openai\"\nbase_url = \"ftp://host/v1\"", &["providers[openai].base_url = \"ftp://host/v1\"", "such as https://api.openai.com/v1"]),
    toml("a vendor without a usual address", "[[providers]]\nid = \"azure\"", &["providers[azure].base_url = \"\": it must be given", "https://RESOURCE.openai.azure.com/openai/v1"]),
    toml("a base_url with a password", "[[providers]]\nid = \"openai\"\nbase_url = \"https://user:hidden-word@host/v1\"", &["providers[openai].base_url", "no user, password or query"]),
    toml("a provider's id with a slash", "[[providers]]\nid = \"a/b\"\nvendor = \"openai\"", &["providers", "\"a/b\"", "letters, digits"]),
    toml("two providers of one id", "[[providers]]\nid = \"openai\"\n[[providers]]\nid = \"openai\"", &["providers: id \"openai\" must be there once"]),
    toml("a provider called demo", "[[providers]]\nid = \"demo\"\nvendor = \"openai\"", &["providers: id \"demo\" must be there once"]),
    toml("two credentials of one id", "[[providers]]\nid = \"openai\"\ncredentials = [{ id = \"a\", secret = \"x\" }, { id = \"a\", secret = \"hidden-word\" }]", &["providers[openai].credentials", "\"a\" must be there once"]),
    toml("a secret that no header takes", "[[providers]]\nid = \"openai\"\ncredentials = [{ id = \"a\", secret = \"hidden-word\\n\" }]", &["providers[openai].credentials[a].secret", "characters that a header can't"]),
    toml("a secret in a variable that is not set", "[[providers]]\nid = \"openai\"\ncredentials = [{ id = \"a\", secret = \"env:NOT_THERE\" }]", &["providers[openai].credentials[a].secret", "the variable NOT_THERE is not set"]),
    toml("a secret in a file that is not there", "[[keys]]\nid = \"k\"\nsecret = \"file:/nowhere/key\"", &["keys[k].secret", "/nowhere/key"]),
    toml("an empty secret", "[[keys]]\nid = \"k\"\nsecret = \"\"", &["keys[0].secret", "give env:NAME, file:PATH"]),
    toml("a secret of printed settings", "[[keys]]\nid = \"k\"\nsecret = \"redacted:\"", &["keys[0].secret", "a redacted secret"]),
    toml("a secret that is a number", "[[keys]]\nid = \"k\"\nsecret = 12345678", &["hub.toml:3:1: keys[0].secret: found an integer, expected env:NAME"]),
    toml("a key without secret", "[[keys]]\nid = \"k\"", &["keys[k] must have either secret or sha256"]),
    toml("a key with two secrets", "[[keys]]\nid = \"k\"\nsecret = \"hidden-word\"\nsha256 = \"00\"", &["keys[k] must have either secret or sha256"]),
    toml("a hash that is none", "[[keys]]\nid = \"k\"\nsha256 = \"00ff\"", &["keys[k]", "64 hex digits"]),
    toml("two keys of one id", "[[keys]]\nid = \"k\"\nsecret = \"a\"\n[[keys]]\nid = \"k\"\nsecret = \"b\"", &["keys: id \"k\" must be there once"]),
    toml("two keys of one secret", "[[keys]]\nid = \"k\"\nsecret = \"hidden-word\"\n[[keys]]\nid = \"l\"\nsecret = \"hidden-word\"", &["keys[l]", "the same secret as keys[k]"]),
    toml("an access key id that is none", "[[keys]]\nid = \"k\"\nsecret = \"a\"\naws = { access_key_id = \"A-B\", secret = \"hidden-word\" }", &["keys[k].aws.access_key_id = \"A-B\"", "letters and digits"]),
    toml("two keys of one access key id", "[[keys]]\nid = \"k\"\nsecret = \"a\"\naws = { access_key_id = \"A\", secret = \"hidden-word\" }\n[[keys]]\nid = \"l\"\nsecret = \"b\"\naws = { access_key_id = \"A\", secret = \"c\" }", &["keys[l].aws.access_key_id = \"A\" must be there once"]),
    toml("a secret that is sent and signs", "[[keys]]\nid = \"k\"\nsecret = \"hidden-word\"\naws = { access_key_id = \"A\", secret = \"hidden-word\" }", &["keys[k].aws.secret is the secret of keys[k]", "one of its own"]),
    toml("what signs in a variable that is not set", "[[keys]]\nid = \"k\"\nsecret = \"a\"\naws = { access_key_id = \"A\", secret = \"env:NOT_THERE\" }", &["keys[k].aws.secret", "the variable NOT_THERE is not set"]),
    toml("an unknown field of what signs", "[[keys]]\nid = \"k\"\nsecret = \"a\"\naws = { access_key_id = \"A\", secret = \"hidden-word\", region = \"r\" }", &["keys[0].aws", "region", "access_key_id"]),
    toml("two accounts of one id", "[[accounts]]\nid = \"a\"\n[[accounts]]\nid = \"a\"\nkind = \"prepaid\"", &["accounts: id \"a\" must be there once"]),
    toml("a route to nowhere", "[[models]]\nname = \"m\"\ntargets = [{ provider = \"acme\" }]", &["models[m].targets", "\"acme\" is not configured", "demo"]),
    toml("a route without targets", "[[models]]\nname = \"m\"\ntargets = []", &["models[m].targets must name at least one"]),
    toml("a route that looks like a pin", "[[models]]\nname = \"demo/m\"\ntargets = [{ provider = \"demo\" }]", &["models", "\"demo/m\"", "not begin with a configured provider's id"]),

    toml("no price list", "prices_file = \"/nowhere/prices.csv\"", &["prices_file /nowhere/prices.csv"]),
    toml("a price that is none", "prices_file = \"{folder}/price.csv\"", &["prices_file", "line 2", "input", "cheap"]),
    toml("a price list of other columns", "prices_file = \"{folder}/columns.csv\"", &["prices_file", "colour"]),
    toml("no table of models", "models_file = \"/nowhere/models.csv\"", &["models_file /nowhere/models.csv"]),
    toml("a model that can't be", "models_file = \"{folder}/models.csv\"", &["models_file", "line 2", "features", "fly"]),
    toml("a vendor's row with an unknown field", "vendors_file = \"{folder}/vendors.toml\"", &["vendors_file", "colour"]),
    toml("no vendors file", "vendors_file = \"/nowhere/vendors.toml\"", &["vendors_file /nowhere/vendors.toml"]),
    toml("a grant in words", "[[accounts]]\nid = \"a\"\nkind = \"prepaid\"\ngrant = \"ten\"", &["accounts[a].grant", "\"ten\" is not a decimal number"]),
    toml("a grant past all decimals", "[[accounts]]\nid = \"a\"\ngrant = \"0.0000000000000001\"", &["accounts[a].grant", "more than 15 decimals"]),
    toml("an outbox smaller than its files", "[outbox]\nsegment = \"64MiB\"\nlimit = \"1MiB\"", &["outbox.limit is 1048576 bytes", "must be"]),
    toml("outbox files of nothing", "[outbox]\nsegment = 0", &["outbox.segment is 0 bytes", "must be"]),
    toml("no file of certificates", "[upstream]\nca_file = \"/nowhere/ca.pem\"", &["upstream.ca_file /nowhere/ca.pem"]),
    toml("certificates that are none", "[upstream]\nca_file = \"{folder}/price.csv\"", &["upstream.ca_file"]),
    toml("a proxy that is none", "[upstream]\nhttps_proxy = \"ftp://proxy\"", &["upstream.https_proxy must be an address such as"]),
    toml("a ClickHouse that is no address", "[clickhouse]\nurl = \"clickhouse:8123\"", &["clickhouse.url must be an address such as https://clickhouse:8443"]),
    toml("a ClickHouse with a password in its address", "[clickhouse]\nurl = \"http://hub:hidden-word@host:8123\"", &["clickhouse.url must be", "no user, password or query"]),
    toml("authorities of a plain ClickHouse", "[clickhouse]\nurl = \"http://host:8123\"\nca = \"ca.pem\"", &["clickhouse.ca is given, but clickhouse.url = \"http://host:8123\" is not https"]),
    toml("authorities that are not there", "[clickhouse]\nurl = \"https://host:8443\"\nca = \"/nowhere/ca.pem\"", &["clickhouse.ca: /nowhere/ca.pem"]),
    toml("authorities that are none", "[clickhouse]\nurl = \"https://host:8443\"\nca = \"{folder}/price.csv\"", &["clickhouse.ca: ", "has no certificate in PEM"]),
    toml("a cluster of the embedded ClickHouse", "[clickhouse]\ncluster = \"hub\"", &["clickhouse.cluster is of a server of your own: give clickhouse.url"]),
    toml("a cluster that is no name", "[clickhouse]\nurl = \"http://host:8123\"\ncluster = \"it's\"", &["clickhouse.cluster must be a name such as hub"]),
    toml("a password in a variable that is not set", "[clickhouse]\nurl = \"http://127.0.0.1:1\"\npassword = \"env:NOT_THERE\"", &["clickhouse.password", "NOT_THERE is not set"]),

    told("an unknown command", &["srve"], &["unrecognized subcommand", "serve"]),
    told("an unknown option", &["serve", "--fast"], &["unexpected argument", "--fast"]),
    told("SQL without a hub", &["sql", "SELECT 1"], &["no hub has been started with the data folder"]),
    Case { name: "SQL with a reader's password that is not set", toml: "[clickhouse]\nurl = \"http://127.0.0.1:1\"\nreader_password = \"env:NOT_THERE\"", variables: &[], arguments: &["sql", "SELECT 1"], says: &["clickhouse.reader_password", "NOT_THERE is not set"] },
    Case { name: "SQL without ClickHouse", toml: "[clickhouse]\nurl = \"http://127.0.0.1:1\"", variables: &[], arguments: &["sql", "SELECT 1"], says: &["no ClickHouse answers at http://127.0.0.1:1"] },
    told("a probe of nothing", &["probe"], &["nothing answers at", "as admin_listen (HUB_ADMIN_LISTEN) says"]),
    told("an amount in words", &["credits", "grant", "--account", "a", "--amount", "ten", "--command", "c"], &["--amount", "\"ten\" is not a decimal number"]),
    told("a grant without a command id", &["credits", "grant", "--account", "a", "--amount", "1"], &["--command"]),
    told("an outbox that is not there", &["outbox", "ship", "/nowhere/outbox"], &["/nowhere/outbox is not a folder"]),
    told("a replay of nothing", &["replay", "console"], &["invalid value 'console'", "billing, health, sink"]),
];

#[test]
fn what_an_operator_writes_has_its_clear_error() {
    check_names(CASES.iter().map(|case| case.name), 90);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let mut wrong = Vec::new();
    for case in CASES {
        let folder = tempfile::tempdir().unwrap();
        let hub = Hub::new(binary(), folder.path(), &[], "").unwrap();
        let (path, listen) = (folder.path().display().to_string(), hub.listen.to_string());
        let fill = |text: &str| {
            text.replace("{folder}", &path).replace("{taken}", &taken).replace("{listen}", &listen)
        };
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("hub.toml", &fill(case.toml));
        write("price.csv", "provider,model,input,output\nopenai,m,cheap,2\n");
        write("models.csv", "provider,model,features\nopenai,m,fly\n");
        write("columns.csv", "provider,model,colour\nopenai,m,red\n");
        write(
            "vendors.toml",
            "[[vendors]]\nid = \"acme\"\nbase_url = \"https://acme.test/v1\"\ncolour = \"red\"\n",
        );
        let mut command = command(&hub, &[]);
        if case.arguments.contains(&"--config") {
            command = std::process::Command::new(binary());
            command.env_clear();
        }
        command.args(case.arguments).env("HUB_CLICKHOUSE_LIBRARY", "/nowhere/libchdb.so");
        command.envs(case.variables.iter().map(|(name, value)| (name, fill(value))));
        let (status, text) = match end(&mut command) {
            Ok(ended) => ended,
            Err(text) => {
                wrong.push(format!("{}: still runs: {text}", case.name));
                continue;
            }
        };
        if status == Some(0) || status.is_none() {
            wrong.push(format!("{}: ended with {status:?}: {text}", case.name));
        }
        for part in case.says.iter().map(|part| fill(part)) {
            if !text.contains(&part) {
                wrong.push(format!("{}: does not say {part:?}: {text}", case.name));
            }
        }
        if HIDDEN.iter().any(|word| text.contains(word)) {
            wrong.push(format!("{}: says too much: {text}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), CASES.len(), wrong.join("\n"));
}

/// The same settings without the mistake: else the table would show nothing.
#[test]
fn settings_without_a_mistake_are_printed() {
    let folder = tempfile::tempdir().unwrap();
    let settings =
        "unpriced = \"refuse\"\n[[accounts]]\nid = \"a\"\nkind = \"prepaid\"\ngrant = \"10\"\n";
    let hub = Hub::new(binary(), folder.path(), &[], settings).unwrap();
    let printed = command(&hub, &["config"]).output().unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let text = String::from_utf8(printed.stdout).unwrap();
    let read: Value = serde_json::to_value(text.parse::<toml::Table>().unwrap()).unwrap();
    assert_eq!(read["unpriced"], "refuse");
    assert_eq!(read["listen"], hub.listen.to_string());
    assert_eq!(read["accounts"][0]["kind"], "prepaid");
}
