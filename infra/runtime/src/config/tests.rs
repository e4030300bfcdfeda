use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Settings {
    listen: SocketAddr,
    data: PathBuf,
    workers: NonZeroU32,
    ratio: f64,
    trusted: Vec<String>,
    ports: Vec<u16>,
    proxy: Option<String>,
    drain: Option<Time>,
    format: Format,
    clickhouse: Clickhouse,
    outbox: Outbox,
    kafka: Option<Kafka>,
    providers: Vec<Provider>,
    labels: BTreeMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    Pretty,
    Json,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Clickhouse {
    listen: SocketAddr,
    url: Option<String>,
    enabled: bool,
}

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
struct Outbox {
    max_bytes: Bytes,
    flush: Time,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Kafka {
    brokers: Vec<String>,
    #[serde(default)]
    linger: Time,
    user: Option<String>,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Provider {
    id: String,
    #[serde(default)]
    timeout: Option<Time>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8787".parse().unwrap(),
            data: "data".into(),
            workers: NonZeroU32::new(2).unwrap(),
            ratio: 0.5,
            trusted: vec!["::1".into()],
            ports: vec![],
            proxy: None,
            drain: None,
            format: Format::Pretty,
            clickhouse: Clickhouse {
                listen: "127.0.0.1:8123".parse().unwrap(),
                url: None,
                enabled: true,
            },
            outbox: Outbox { max_bytes: Bytes(64 << 20), flush: Time::from_millis(5) },
            kafka: None,
            providers: vec![],
            labels: BTreeMap::new(),
        }
    }
}

fn with(toml: &str, env: &[(&str, &str)]) -> Result<Settings, String> {
    let mut file = tempfile::Builder::new().suffix(".toml").tempfile().unwrap();
    file.write_all(toml.as_bytes()).unwrap();
    let env = env.iter().map(|(name, value)| (String::from(*name), String::from(*value)));
    load(Some(file.path()), env, &["HUB_CONFIG", "HUB_PORT_*"])
        .map_err(|error| error.to_string().replace(file.path().to_str().unwrap(), "hub.toml"))
}

#[test]
fn every_field_is_known_also_those_without_a_default() {
    let fields = fields::<Settings>();
    let variables: Vec<_> = fields.iter().filter_map(|field| field.variable.as_deref()).collect();
    let wanted = [
        "HUB_LISTEN",
        "HUB_DATA",
        "HUB_WORKERS",
        "HUB_RATIO",
        "HUB_TRUSTED",
        "HUB_PORTS",
        "HUB_PROXY",
        "HUB_DRAIN",
        "HUB_FORMAT",
        "HUB_CLICKHOUSE_LISTEN",
        "HUB_CLICKHOUSE_URL",
        "HUB_CLICKHOUSE_ENABLED",
        "HUB_OUTBOX_MAX_BYTES",
        "HUB_OUTBOX_FLUSH",
        "HUB_KAFKA_BROKERS",
        "HUB_KAFKA_LINGER",
        "HUB_KAFKA_USER",
    ];
    assert_eq!(variables, wanted);
    let file_only: Vec<_> =
        fields.iter().filter(|field| field.variable.is_none()).map(|field| &*field.path).collect();
    assert_eq!(file_only, ["providers", "labels"]);
    let drain = fields.iter().find(|field| field.path == "drain").unwrap();
    assert_eq!(drain.expects, "a time such as 500ms, 30s, 5m, 2h or 7d");
}

#[test]
fn nothing_said_is_the_default() {
    assert_eq!(with("", &[]), Ok(Settings::default()));
    let none: Result<Settings, _> = load(None, [], &[]);
    assert_eq!(none.unwrap(), Settings::default());
}

#[test]
fn the_environment_lies_over_the_file_over_the_default() {
    let toml = r#"
        workers = 3
        ratio = 1
        drain = "10s"
        proxy = "http://proxy"
        [clickhouse]
        enabled = false
        [outbox]
        max_bytes = 1024
        [kafka]
        brokers = ["a:1"]
        [[providers]]
        id = "one"
        timeout = "2m"
        [labels]
        zone = "b"
    "#;
    let env = [
        ("HUB_WORKERS", "4"),
        ("HUB_CLICKHOUSE_LISTEN", "127.0.0.1:9123"),
        ("HUB_OUTBOX_FLUSH", "1s"),
        ("HUB_KAFKA_BROKERS", "b:2, c:3"),
        ("HUB_PORTS", "1,2"),
        ("HUB_TRUSTED", ""),
        ("HUB_PROXY", ""),
        ("HUB_FORMAT", "json"),
        ("HUB_CONFIG", "hub.toml"),
        ("HUB_PORT_8787_TCP", "tcp://10.0.0.1:8787"),
        ("HOME", "/home"),
    ];
    let wanted = Settings {
        workers: NonZeroU32::new(4).unwrap(),
        ratio: 1.0,
        drain: Some(Time::from_secs(10)),
        proxy: None,
        trusted: vec![],
        ports: vec![1, 2],
        format: Format::Json,
        clickhouse: Clickhouse {
            listen: "127.0.0.1:9123".parse().unwrap(),
            url: None,
            enabled: false,
        },
        outbox: Outbox { max_bytes: Bytes(1024), flush: Time::from_secs(1) },
        kafka: Some(Kafka {
            brokers: vec!["b:2".into(), "c:3".into()],
            linger: Time::default(),
            user: None,
        }),
        providers: vec![Provider { id: "one".into(), timeout: Some(Time::from_secs(120)) }],
        labels: BTreeMap::from([("zone".into(), "b".into())]),
        ..Settings::default()
    };
    assert_eq!(with(toml, &env), Ok(wanted));
}

#[test]
fn a_variable_alone_makes_an_optional_table() {
    let settings = with("", &[("HUB_KAFKA_BROKERS", "a:1")]).unwrap();
    assert_eq!(settings.kafka.unwrap().brokers, ["a:1"]);
}

#[test]
fn an_empty_variable_makes_no_optional_table() {
    let empty = [("HUB_KAFKA_USER", "")];
    assert_eq!(with("", &empty).unwrap().kafka, None);
    let settings = with("[kafka]\nbrokers = []\nuser = \"a\"\nlinger = \"5ms\"", &empty).unwrap();
    let kafka = settings.kafka.unwrap();
    assert_eq!((kafka.user, kafka.linger), (None, Time::from_millis(5)));
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_would_be_right() {
    for (toml, env, wanted) in [
        (
            "\nlisten = \"127.0.0.1:1\"\nlissen = 1",
            None,
            "hub.toml:3:1: unknown field lissen (nearest: listen)",
        ),
        (
            "[clickhouse]\n  lisen = 1",
            None,
            "hub.toml:2:3: unknown field clickhouse.lisen (nearest: clickhouse.listen)",
        ),
        (
            "max_bytes = 1",
            None,
            "hub.toml:1:1: unknown field max_bytes (nearest: outbox.max_bytes)",
        ),
        (
            "[outbox]\nxyz = 1",
            None,
            "hub.toml:2:1: unknown field outbox.xyz (known: max_bytes, flush)",
        ),
        (
            "[[providers]]\nid = \"a\"\n[[providers]]\nid = \"b\"\ntimout = \"1s\"",
            None,
            "hub.toml:5:1: unknown field providers[1].timout (nearest: providers[1].timeout)",
        ),
        (
            "workers = \"two\"",
            None,
            "hub.toml:1:1: workers: found text, expected an integer from 0 to 4294967295",
        ),
        (
            "workers = -1",
            None,
            "hub.toml:1:1: workers: found the integer -1, expected an integer from 0 to 4294967295",
        ),
        (
            "workers = 0",
            None,
            "hub.toml:1:1: workers: invalid value: integer `0`, expected a nonzero u32",
        ),
        (
            "ports = [1,\n 70000]",
            None,
            "hub.toml:2:2: ports[1]: found the integer 70000, expected an integer from 0 to 65535",
        ),
        ("trusted = \"a\"", None, "hub.toml:1:1: trusted: found text, expected a list, each text"),
        ("clickhouse = true", None, "hub.toml:1:1: clickhouse: found true, expected a table"),
        (
            "drain = 30",
            None,
            "hub.toml:1:1: drain: found an integer, expected a time such as 500ms, 30s, 5m, 2h or 7d",
        ),
        (
            "drain = \"30\"",
            None,
            "hub.toml:1:1: drain: \"30\" is not a time such as 500ms, 30s, 5m, 2h or 7d",
        ),
        (
            "[outbox]\nmax_bytes = \"64 megs\"",
            None,
            "hub.toml:2:1: outbox.max_bytes: \"64 megs\" is not a size such as 512KiB, 64MiB, 1GiB or a number of bytes",
        ),
        (
            "[outbox]\nmax_bytes = true",
            None,
            "hub.toml:2:1: outbox.max_bytes: invalid type: boolean `true`, expected a size such as 512KiB, 64MiB, 1GiB or a number of bytes",
        ),
        ("listen = \"8787\"", None, "hub.toml:1:1: listen: invalid socket address syntax"),
        (
            "format = \"jsno\"",
            None,
            "hub.toml:1:1: format: unknown variant `jsno`, expected `pretty` or `json` (nearest: json)",
        ),
        ("[[providers]]\ntimeout = \"1s\"", None, "hub.toml:1:1: providers[0]: missing field `id`"),
        ("kafka = {}", None, "hub.toml:1:1: kafka: missing field `brokers`"),
        (
            "listen = ",
            None,
            "hub.toml:1:10: not valid toml: string values must be quoted, expected literal string",
        ),
        ("", Some(("HUB_LISSEN", "x")), "unknown variable HUB_LISSEN (nearest: HUB_LISTEN)"),
        (
            "",
            Some(("HUB_CLICKHOUSE_LISEN", "x")),
            "unknown variable HUB_CLICKHOUSE_LISEN (nearest: HUB_CLICKHOUSE_LISTEN)",
        ),
        ("", Some(("HUB_ZZZ", "x")), "unknown variable HUB_ZZZ"),
        (
            "",
            Some(("HUB_PROVIDERS", "x")),
            "HUB_PROVIDERS: providers can't be set by a variable: set it in the configuration file",
        ),
        (
            "",
            Some(("HUB_WORKERS", "two")),
            "HUB_WORKERS: workers: found \"two\", expected an integer from 0 to 4294967295",
        ),
        (
            "",
            Some(("HUB_CLICKHOUSE_ENABLED", "perhaps")),
            "HUB_CLICKHOUSE_ENABLED: clickhouse.enabled: found \"perhaps\", expected true or false",
        ),
        (
            "",
            Some(("HUB_PORTS", "1,x")),
            "HUB_PORTS: ports: found \"1,x\", expected a list, each an integer from 0 to 65535",
        ),
        (
            "",
            Some(("HUB_OUTBOX_FLUSH", "soon")),
            "HUB_OUTBOX_FLUSH: outbox.flush: \"soon\" is not a time such as 500ms, 30s, 5m, 2h or 7d",
        ),
        (
            "",
            Some(("HUB_FORMAT", "jsno")),
            "HUB_FORMAT: format: unknown variant `jsno`, expected `pretty` or `json` (nearest: json)",
        ),
    ] {
        let env: Vec<_> = env.into_iter().collect();
        assert_eq!(with(toml, &env).expect_err(toml), wanted, "{toml:?} {env:?}");
    }
}

#[test]
fn several_errors_are_told_at_once() {
    let error = with("a1 = 1\n", &[("HUB_WORKERS", "x"), ("HUB_QQQQ", "")]).unwrap_err();
    assert_eq!(error.lines().count(), 4, "{error}");
    assert!(error.starts_with("3 errors in the configuration:\n  hub.toml:1:1: unknown field a1"));
}

#[test]
fn a_syntax_error_does_not_print_the_line() {
    let error = with("key = \"sk-very-secret\" x", &[]).unwrap_err();
    assert!(!error.contains("sk-very"), "{error}");
}

#[test]
fn a_missing_file_is_named() {
    let error = load::<Settings>(Some(Path::new("no/such.toml")), [], &[]).unwrap_err();
    assert!(error.to_string().starts_with("configuration file no/such.toml: "), "{error}");
}

#[test]
fn two_fields_with_one_variable_are_refused() {
    #[derive(Default, Serialize, Deserialize)]
    struct Twice {
        a_b: u8,
        a: Inner,
    }
    #[derive(Default, Serialize, Deserialize)]
    struct Inner {
        b: u8,
    }
    let error = load::<Twice>(None, [], &[]).map(drop).unwrap_err();
    assert!(matches!(error, Error::Type(_)), "{error}");
}

#[test]
fn a_type_that_holds_itself_is_looked_into_so_far() {
    #[derive(Default, Serialize, Deserialize)]
    struct Tree {
        name: String,
        inner: Option<Box<Tree>>,
    }
    assert!(fields::<Tree>().len() > 3);
}

#[test]
fn units() {
    for (text, wanted) in [
        ("500ms", Some(500_000)),
        ("30s", Some(30_000_000)),
        ("1_000 us", Some(1_000)),
        ("2h", Some(7_200_000_000)),
        ("7d", Some(604_800_000_000)),
        ("30", None),
        ("-1s", None),
        ("1.5s", None),
        ("99999999999999999999s", None),
        ("18446744073709551615d", None),
        ("", None),
    ] {
        let time = text.parse::<Time>().ok().map(|time| time.get().as_micros());
        assert_eq!(time, wanted, "{text}");
    }
    for (text, wanted) in [
        ("64MiB", Some(64 << 20)),
        ("1 GiB", Some(1 << 30)),
        ("5KB", Some(5_000)),
        ("123", Some(123)),
        ("64M", None),
        ("MiB", None),
        ("18446744073709551615KiB", None),
    ] {
        assert_eq!(text.parse::<Bytes>().ok().map(Bytes::get), wanted, "{text}");
    }
    for text in ["500ms", "30s", "90s", "2h", "7d", "0s", "1us"] {
        assert_eq!(text.parse::<Time>().unwrap().to_string(), text);
    }
    for text in ["64MiB", "1GiB", "3KiB", "123", "0"] {
        assert_eq!(text.parse::<Bytes>().unwrap().to_string(), text);
    }
}
