//! Topics that are not as they were made, and transactions that are left open.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::admin::{AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use runtime::log::contract::Fixture as _;
use runtime::log::kafka::KafkaLog;
use runtime::log::{Error, Log as _, Step, WriterId};
use schemas::topics::Topic;

use super::KafkaFixture;
use crate::{record, texts};

/// A handle of topics that were deleted and made again takes nothing and gives nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_topic_made_anew_is_told() {
    let fixture = KafkaFixture::new();
    let at = Topic::Usage.at(0);
    let old = fixture.open().await;
    old.append(vec![record(at, "k", "1"), record(at, "k", "2")]).await.unwrap();
    fixture.remake().await;
    let new = fixture.open().await;
    let reopened = KafkaLog::open(fixture.options.clone()).await.unwrap();
    assert_eq!(new.id(at.topic), reopened.id(at.topic));
    for error in [
        old.reader(at, 0).await.map(drop).unwrap_err(),
        old.reader(at, 2).await.map(drop).unwrap_err(),
        old.latest(Topic::State.at(0)).await.map(drop).unwrap_err(),
        old.writer(WriterId("w/0".to_owned())).await.map(drop).unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(matches!(error, Error::MadeAnew { .. }), "{text}");
        assert!(text.contains(" was made anew: it was "), "{text}");
    }
}

/// Topics that would forget what they must keep, or whose times are the producers', are refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn topics_that_would_forget_are_refused() {
    let fixture = KafkaFixture::new();
    drop(fixture.open().await);
    let options = AdminOptions::new();
    for (topic, setting, wrong, right) in [
        (Topic::Usage, "message.timestamp.type", "CreateTime", "LogAppendTime"),
        (Topic::Ledger, "retention.ms", "1000", "-1"),
        (Topic::Usage, "retention.ms", "1000", "34560000000"),
        (Topic::Credits, "retention.bytes", "4096", "-1"),
        (Topic::Balances, "cleanup.policy", "delete", "compact"),
        (Topic::Control, "cleanup.policy", "compact,delete", "delete"),
        (Topic::Usage, "max.message.bytes", "1000", "16777216"),
    ] {
        let name = format!("{}{}", fixture.options.prefix, topic.name());
        // all that is not named falls back to the broker's own, so all is named
        let alter = async |value: &str| {
            let all = [
                ("message.timestamp.type", "LogAppendTime"),
                ("max.message.bytes", "16777216"),
                ("retention.bytes", "-1"),
                ("retention.ms", "-1"),
            ];
            let policy = match topic {
                Topic::Balances => "compact",
                _ => "delete",
            };
            let config = AlterConfig::new(ResourceSpecifier::Topic(&name));
            let config =
                all.iter().fold(config.set("cleanup.policy", policy), |config, (name, value)| {
                    config.set(name, value)
                });
            let altered =
                fixture.admin().alter_configs(&[config.set(setting, value)], &options).await;
            altered.unwrap().pop().unwrap().unwrap();
        };
        alter(wrong).await;
        let error = KafkaLog::open(fixture.options.clone()).await.unwrap_err();
        assert!(matches!(error, Error::Settings { .. }), "{error}");
        let said = format!(
            "topic {name}: {setting} is \"{wrong}\" in the cluster and must be \"{right}\": \
             kafka-configs --alter --topic {name} --add-config {setting}={right}"
        );
        assert_eq!(error.to_string(), said);
        alter(right).await;
        drop(fixture.open().await);
    }
}

/// Behind somebody else's open transaction lies what was committed: who reads the state waits for
/// it, and does not take what is there before it for all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_up_to_now_waits_for_open_transactions() {
    let fixture = KafkaFixture::new();
    let log = fixture.open().await;
    let state = Topic::State.at(0);
    let stuck: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &fixture.options.brokers)
        .set("transactional.id", format!("{}stuck", fixture.options.prefix))
        .create()
        .unwrap();
    let long = Duration::from_secs(30);
    stuck.init_transactions(long).unwrap();
    stuck.begin_transaction().unwrap();
    let name = format!("{}{}", fixture.options.prefix, state.topic.name());
    stuck.send(BaseRecord::to(&name).key("a").payload("never").partition(0)).unwrap();
    stuck.flush(long).unwrap();

    let mut writer = log.writer(WriterId("billing/0".to_owned())).await.unwrap();
    let outputs = vec![record(state, "b", "1"), record(state, "c", "2")];
    writer.commit(Step { outputs, inputs: Vec::new() }).await.unwrap();
    let (latest, ()) = tokio::join!(log.latest(state), async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        tokio::task::block_in_place(|| stuck.abort_transaction(long)).unwrap();
    });
    let latest = latest.unwrap();
    assert_eq!(texts(&latest.records), ["1", "2"]);
    assert!(latest.records.iter().all(|record| record.offset < latest.next), "{latest:?}");
}
