//! The topics of the log in the cluster: made when they are not there, checked when they are.

use std::collections::{BTreeMap, HashMap};
use std::ffi::CString;
use std::time::{Duration, Instant};

use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode as Code;
use schemas::topics::{Kept, Topic};

use super::context::{Context, Heard};
use super::options::Options;
use super::{ffi, settings};
use crate::log::{Error, LogId, Result};

/// One try to get an answer; in between it is looked whether waiting helps at all.
const TRY: Duration = Duration::from_millis(1000);

/// A topic as it is in the cluster.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) name: String,
    pub(super) c_name: CString,
    pub(super) partitions: u32,
    pub(super) id: LogId,
}

/// All topics of the log, made if need be.
pub(super) async fn prepare(
    options: &Options,
    query: &std::sync::Arc<BaseConsumer<Context>>,
    heard: &Heard,
) -> Result<BTreeMap<Topic, Made>> {
    let deadline = Instant::now() + options.patience;
    let look = || {
        let (query, heard, options) = (query.clone(), heard.clone(), options.clone());
        super::blocking(move || counts(&query, &heard, &options, deadline))
    };
    let mut found = look().await?;
    let missing: Vec<Topic> =
        Topic::ALL.into_iter().filter(|topic| !found.contains_key(topic)).collect();
    let admin: AdminClient<Context> = options
        .query()
        .create_with_context(Context { heard: heard.clone() })
        .map_err(|error| settings(&error))?;
    if !missing.is_empty() {
        make(options, &admin, &missing).await?;
        while !Topic::ALL.into_iter().all(|topic| found.contains_key(&topic)) {
            if Instant::now() > deadline {
                return Err(Error::Unavailable("topics that were made do not appear".to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            found = look().await?;
        }
    }
    for (topic, count) in &found {
        let wanted = if topic.spec().partitioned { options.partitions } else { 1 };
        if *count != wanted {
            return Err(Error::Partitions { topic: *topic, found: *count, wanted });
        }
    }
    check(options, &admin).await?;
    let (query, wait, of) = (query.clone(), options.patience, options.clone());
    let ids = super::blocking(move || ids(&of, &query, &Topic::ALL, wait)).await?;
    let made = |topic: Topic| {
        let name = options.topic(topic.name());
        let id = ids.get(&topic).cloned();
        let id = id.ok_or_else(|| Error::Unavailable(format!("topic {name} is gone")))?;
        let partitions = found.get(&topic).copied().unwrap_or(0);
        Ok((topic, Made { c_name: ffi::name(&name), name, partitions, id }))
    };
    Topic::ALL.into_iter().map(made).collect()
}

/// Partitions of the topics that are there and can be used.
fn counts(
    query: &BaseConsumer<Context>,
    heard: &Heard,
    options: &Options,
    deadline: Instant,
) -> Result<BTreeMap<Topic, u32>> {
    let metadata = loop {
        match query.fetch_metadata(None, TRY) {
            Ok(metadata) => break metadata,
            Err(error) => {
                super::listen(query);
                let refused = heard.last().filter(|trouble| trouble.is_final());
                if let Some(trouble) = refused {
                    let field = format!("log.kafka: the brokers at {} refuse us:", options.brokers);
                    return Err(Error::Settings { field, why: trouble.text });
                }
                if Instant::now() > deadline {
                    return Err(Error::Unavailable(format!(
                        "no broker of log.kafka.brokers {} answered within {:?} ({error}){}",
                        options.brokers,
                        options.patience,
                        heard.because()
                    )));
                }
            }
        }
    };
    let names: HashMap<String, Topic> =
        Topic::ALL.into_iter().map(|topic| (options.topic(topic.name()), topic)).collect();
    let usable = metadata.topics().iter().filter(|topic| {
        topic.error().is_none() && topic.partitions().iter().all(|part| part.leader() >= 0)
    });
    let count = |topic: &rdkafka::metadata::MetadataTopic| {
        let count = u32::try_from(topic.partitions().len()).unwrap_or(u32::MAX);
        names.get(topic.name()).map(|known| (*known, count))
    };
    Ok(usable.filter_map(count).collect())
}

/// The ids of topics.
pub(super) fn ids(
    options: &Options,
    query: &BaseConsumer<Context>,
    topics: &[Topic],
    wait: Duration,
) -> Result<BTreeMap<Topic, LogId>> {
    let names: Vec<(Topic, String, CString)> = topics
        .iter()
        .map(|topic| (*topic, options.topic(topic.name())))
        .map(|(topic, name)| (topic, name.clone(), ffi::name(&name)))
        .collect();
    // Asked for ids while no broker is there, librdkafka (2.12) keeps a core busy until it gives up;
    // asked for metadata it sleeps. So ids are asked for once a broker has answered.
    if let Some((_, name, _)) = names.first() {
        query
            .fetch_metadata(Some(name), wait)
            .map_err(|error| Error::Unavailable(format!("no broker answers: {error}")))?;
    }
    let asked: Vec<_> = names.iter().map(|(_, _, name)| name.as_c_str()).collect();
    let mut ids = ffi::topic_ids(query.client(), &asked, wait)
        .map_err(|(code, text)| Error::Unavailable(format!("ids of topics: {code}: {text}")))?;
    let found = names.into_iter().filter_map(|(topic, name, _)| Some((topic, ids.remove(&name)?)));
    Ok(found.map(|(topic, id)| (topic, LogId(id))).collect())
}

fn admin_options(options: &Options) -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(options.patience))
        .operation_timeout(Some(options.patience))
}

async fn make(options: &Options, admin: &AdminClient<Context>, topics: &[Topic]) -> Result<()> {
    let names: Vec<String> = topics.iter().map(|topic| options.topic(topic.name())).collect();
    let texts: Vec<Vec<(&str, String)>> =
        topics.iter().map(|topic| config(*topic, options)).collect();
    let new = topics.iter().zip(&names).zip(&texts).map(|((topic, name), texts)| {
        let partitions = if topic.spec().partitioned { options.partitions } else { 1 };
        let replication = TopicReplication::Fixed(i32::from(options.replication));
        let new = NewTopic::new(name, i32::try_from(partitions).unwrap_or(i32::MAX), replication);
        texts.iter().fold(new, |new, (name, value)| new.set(name, value))
    });
    let new: Vec<NewTopic<'_>> = new.collect();
    let made = admin.create_topics(&new, &admin_options(options)).await;
    for made in made.map_err(|error| Error::Unavailable(format!("making topics: {error}")))? {
        match made {
            // another process was faster
            Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
            Err((name, Code::InvalidReplicationFactor)) => {
                let why = format!(
                    "is {}, more than the cluster has brokers: topic {name} can't be made",
                    options.replication
                );
                return Err(Error::Settings { field: "log.kafka.replication".to_owned(), why });
            }
            Err((name, code)) => {
                return Err(Error::Unavailable(format!("topic {name} can't be made: {code}")));
            }
        }
    }
    Ok(())
}

/// How a topic is made.
fn config(topic: Topic, options: &Options) -> Vec<(&'static str, String)> {
    let mut config = vec![
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        ("min.insync.replicas", options.min_insync.to_string()),
        ("unclean.leader.election.enable", "false".to_owned()),
        ("max.message.bytes", (16 << 20).to_string()),
        ("cleanup.policy", policy(topic).to_owned()),
        ("retention.bytes", "-1".to_owned()),
    ];
    match topic.spec().kept {
        Kept::Forever => config.push(("retention.ms", "-1".to_owned())),
        Kept::For(time) => config.push(("retention.ms", time.as_millis().to_string())),
        Kept::Compacted => config.extend([
            ("segment.ms", (60 * 60 * 1000).to_string()),
            ("segment.bytes", (64 << 20).to_string()),
            ("min.cleanable.dirty.ratio", "0.1".to_owned()),
        ]),
    }
    config
}

const fn policy(topic: Topic) -> &'static str {
    match topic.spec().kept {
        Kept::Compacted => "compact",
        Kept::Forever | Kept::For(_) => "delete",
    }
}

/// Refuses topics that would forget what they must keep, or whose times are the producers'.
async fn check(options: &Options, admin: &AdminClient<Context>) -> Result<()> {
    let names: Vec<String> = Topic::ALL.map(|topic| options.topic(topic.name())).into();
    let asked: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let found = admin
        .describe_configs(&asked, &admin_options(options))
        .await
        .map_err(|error| Error::Unavailable(format!("settings of topics: {error}")))?;
    let mut resources = HashMap::new();
    for resource in found {
        let resource =
            resource.map_err(|code| Error::Unavailable(format!("settings of topics: {code}")))?;
        if let OwnedResourceSpecifier::Topic(name) = &resource.specifier {
            resources.insert(name.clone(), resource);
        }
    }
    for (topic, name) in Topic::ALL.into_iter().zip(&names) {
        let found = resources
            .get(name)
            .ok_or_else(|| Error::Unavailable(format!("settings of topic {name}: no answer")))?;
        let value = |setting| found.get(setting).and_then(|entry| entry.value.clone());
        let wanted = config(topic, options);
        for (setting, wanted) in wanted {
            let value = value(setting).unwrap_or_default();
            let number = |text: &str| text.parse::<i64>().unwrap_or_default();
            let well = match setting {
                "message.timestamp.type" | "cleanup.policy" => value == wanted,
                "retention.ms" | "retention.bytes" => {
                    let forever = number(&value) < 0;
                    forever || (number(&wanted) >= 0 && number(&value) >= number(&wanted))
                }
                "max.message.bytes" | "min.insync.replicas" => number(&value) >= number(&wanted),
                _ => true, // up to the operator
            };
            if !well {
                let why = format!(
                    "is {value:?} in the cluster and must be {wanted:?}: \
                     kafka-configs --alter --topic {name} --add-config {setting}={wanted}"
                );
                return Err(Error::Settings { field: format!("topic {name}: {setting}"), why });
            }
        }
    }
    Ok(())
}
