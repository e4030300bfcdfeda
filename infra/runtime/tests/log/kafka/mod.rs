//! The contract of any log, on a real Kafka broker; each handle is one that another process could
//! have.

mod topics;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use runtime::log::Log;
use runtime::log::contract::Fixture;
use runtime::log::kafka::{KafkaLog, Options};
use schemas::topics::Topic;

/// The broker that the tests are given.
fn brokers() -> String {
    let mut environment = runtime::config::environment().into_iter();
    let found = environment.find(|(name, _)| name == "HUB_TEST_KAFKA");
    let (_, brokers) = found.unwrap_or_else(|| {
        panic!("HUB_TEST_KAFKA is not set: it names a broker, host:port; `make kafka` starts one")
    });
    brokers
}

pub(super) struct KafkaFixture {
    options: Options,
}

impl KafkaFixture {
    /// Topics of its own on the broker.
    fn new() -> Self {
        let options = Options {
            prefix: format!("t{}.", uuid::Uuid::now_v7().simple()),
            replication: 1,
            min_insync: 1,
            ..Options::new(brokers(), 2)
        };
        Self { options }
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", &self.options.brokers).create().unwrap()
    }
}

#[async_trait]
impl Fixture for KafkaFixture {
    async fn open(&self) -> Arc<dyn Log> {
        KafkaLog::open(self.options.clone()).await.unwrap()
    }

    async fn remake(&self) {
        let names: Vec<_> =
            Topic::ALL.map(|topic| format!("{}{}", self.options.prefix, topic.name())).into();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let options = AdminOptions::new().operation_timeout(Some(Duration::from_secs(30)));
        for deleted in self.admin().delete_topics(&names, &options).await.unwrap() {
            deleted.unwrap();
        }
    }
}

runtime::log_contract!(KafkaFixture::new());
