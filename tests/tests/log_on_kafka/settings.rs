//! What can be wrong with the settings of the log, or of the cluster, and what is said then.

use std::time::{Duration, Instant};

use e2e::kafka::{Kafka, Listener};
use runtime::log::kafka::{Options, Sasl, Tls};
use runtime::log::{Error, Log as _, WriterId};
use schemas::topics::Topic;

use crate::{open, options, record, values};

/// A case: how the options that would be right are spoilt, and what the error says.
type Case = (&'static str, fn(&Kafka, &mut Options), &'static [&'static str]);

fn with(options: &mut Options, name: &str, value: &str) {
    options.more.insert(name.to_owned(), value.to_owned());
}

fn sasl(kafka: &Kafka, mechanism: &str) -> Sasl {
    let password = std::fs::read_to_string(kafka.file("hub.password")).unwrap();
    Sasl {
        mechanism: mechanism.to_owned(),
        user: "hub".to_owned(),
        password: password.trim().to_owned().into(),
    }
}

fn reached(kafka: &Kafka, listener: Listener) -> String {
    kafka.listener(listener).unwrap().to_string()
}

const CASES: &[Case] = &[
    (
        "no broker there",
        |_, options| {
            options.brokers = "127.0.0.1:1".to_owned();
            options.patience = Duration::from_secs(3);
        },
        &["no broker of log.kafka.brokers 127.0.0.1:1 answered within 3s", "brokers are down"],
    ),
    (
        "no brokers named",
        |_, options| options.brokers = " ".to_owned(),
        &["log.kafka.brokers is empty: name some brokers as host:port"],
    ),
    (
        "another number of partitions",
        |_, options| options.partitions = 3,
        &["has 2 partitions, but 3 are configured; the count never changes"],
    ),
    (
        "more replicas than brokers",
        |_, options| {
            options.prefix = "more.".to_owned();
            options.replication = 3;
        },
        &["log.kafka.replication is 3, more than the cluster has brokers: topic more.hub."],
    ),
    (
        "more in sync than there are",
        |_, options| options.min_insync = 2,
        &["log.kafka.min_insync must be from 1 to the number in log.kafka.replication"],
    ),
    (
        "a setting that a guarantee rests on",
        |_, options| with(options, "acks", "1"),
        &["log.kafka.options.acks is set by the hub"],
    ),
    (
        "a setting that does not exist",
        |_, options| with(options, "sockets.timeout", "1"),
        &["log.kafka.options.sockets.timeout", "No such configuration property"],
    ),
    (
        "a setting with a wrong value",
        |_, options| with(options, "socket.timeout.ms", "soon"),
        &["log.kafka.options.socket.timeout.ms can't be \"soon\""],
    ),
    (
        "a wrong password",
        |kafka, options| {
            options.brokers = reached(kafka, Listener::Sasl);
            options.sasl = Some(Sasl { password: "guessed".into(), ..sasl(kafka, "PLAIN") });
        },
        &["log.kafka: the brokers at", "refuse us", "uthentication failed"],
    ),
    (
        "a wrong password, not sent in plain",
        |kafka, options| {
            options.brokers = reached(kafka, Listener::SaslTls);
            options.tls = Some(Tls { ca: Some(kafka.file("ca.pem")), certificate: None });
            options.sasl =
                Some(Sasl { password: "guessed".into(), ..sasl(kafka, "SCRAM-SHA-512") });
        },
        &["log.kafka: the brokers at", "refuse us", "uthentication failed"],
    ),
    (
        "a mechanism that does not exist",
        |kafka, options| options.sasl = Some(sasl(kafka, "SECRET")),
        &["log.kafka", "SECRET"],
    ),
    (
        "an authority that is not theirs",
        |kafka, options| {
            options.brokers = reached(kafka, Listener::SaslTls);
            options.tls = Some(Tls::default());
            options.sasl = Some(sasl(kafka, "PLAIN"));
        },
        &["log.kafka: the brokers at", "refuse us", "certificate"],
    ),
    (
        "a file that is not there",
        |kafka, options| {
            options.brokers = reached(kafka, Listener::Tls);
            options.tls = Some(Tls { ca: Some("no/such.pem".into()), certificate: None });
        },
        &["log.kafka.tls.ca can't be read from no/such.pem: No such file"],
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_settings_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::secured(folder.path()).unwrap();
    // what is refused is told as soon as the brokers answer, which may take them long on a busy machine
    let right = Options { patience: Duration::from_secs(120), ..options(&kafka, "settings") };
    drop(open(&right).await.unwrap());
    let mut wrong = Vec::new();
    for (name, spoil, said) in CASES {
        let mut options = right.clone();
        spoil(&kafka, &mut options);
        match open(&options).await {
            Ok(_) => wrong.push(format!("{name}: was taken")),
            Err(error) => {
                let error = error.to_string();
                if !said.iter().all(|part| error.contains(part)) {
                    wrong.push(format!("{name}: {error}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // who is refused is told at once, and not after all patience
    let mut options = right.clone();
    options.brokers = reached(&kafka, Listener::Sasl);
    options.sasl = Some(Sasl { password: "guessed".into(), ..sasl(&kafka, "PLAIN") });
    let began = Instant::now();
    let error = open(&options).await.unwrap_err();
    assert!(matches!(error, Error::Settings { .. }), "{error}");
    assert!(began.elapsed() < right.patience, "{:?}", began.elapsed());
    assert!(!error.to_string().contains("guessed") && !format!("{options:?}").contains("guessed"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn brokers_are_reached_as_they_ask() {
    let folder = tempfile::tempdir().unwrap();
    let kafka = Kafka::secured(folder.path()).unwrap();
    let ca = Some(kafka.file("ca.pem"));
    let ours = Some((kafka.file("client.pem"), kafka.file("client.key")));
    let tls = Tls { ca: ca.clone(), certificate: ours };
    let ways = [
        (Listener::Tls, Some(tls), None),
        (Listener::Sasl, None, Some(sasl(&kafka, "PLAIN"))),
        (Listener::Sasl, None, Some(sasl(&kafka, "SCRAM-SHA-256"))),
        (
            Listener::SaslTls,
            Some(Tls { ca, certificate: None }),
            Some(sasl(&kafka, "SCRAM-SHA-512")),
        ),
    ];
    let at = Topic::Usage.at(0);
    let count = ways.len() as u64;
    for (number, (listener, tls, sasl)) in (1..).zip(ways) {
        let brokers = reached(&kafka, listener);
        let log = open(&Options { brokers, tls, sasl, ..options(&kafka, "ways") }).await.unwrap();
        log.append(vec![record(at, number)]).await.unwrap();
        let mut writer = log.writer(WriterId("w/0".to_owned())).await.unwrap();
        writer.commit(runtime::log::Step::default()).await.unwrap();
        assert_eq!(values(&*log, at).await, (1..=number).collect::<Vec<_>>());
    }
    let plain = open(&options(&kafka, "ways")).await.unwrap();
    assert_eq!(values(&*plain, at).await.len() as u64, count);
}
