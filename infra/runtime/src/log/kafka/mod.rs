//! The log on a Kafka cluster.
//!
//! ```text
//! append ─► one idempotent producer ─► topic partition ─► a consumer per reader, read_committed
//! commit ─► a transactional producer per writer id: outputs, and the inputs' offsets in a group
//! ```
//!
//! What it keeps, and how:
//!
//! - *Acknowledged means durable.* `acks=all`, replication and `min.insync.replicas` of the topics.
//! - *Nothing skipped, nothing reordered.* After any error the producer is thrown away; who appends
//!   goes on from its own watermark with a new one. Copies are dropped by who reads.
//! - *A step is one transaction.* After an error, or an answer that did not come, the writer is of
//!   no use any more: the id is taken over again, which settles what became of the step.
//! - *A read up to now is up to now.* [`Log::ends`] gives the end with what is not committed yet;
//!   a reader passes it only when all before it is committed or gone. So a state read after a
//!   takeover has all that the writer before committed, even behind others' open transactions.
//! - *A topic made anew is another log.* Topics have the ids that the cluster gave them; they are
//!   compared whenever a client is made.
//!
//! Log-append time is the brokers': within a partition it can fall back by as much as brokers' clocks
//! differ when another takes the lead.

mod append;
#[cfg(feature = "test-util")]
pub mod bare;
mod context;
mod ffi;
mod group;
mod options;
mod reader;
mod topics;
mod writer;

use std::collections::BTreeMap;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use schemas::topics::{Topic, TopicPartition};

use self::append::Appender;
use self::context::{Context, Heard};
use self::reader::KafkaReader;
use self::topics::Made;
use self::writer::KafkaWriter;
use super::{
    Ends, Error, Latest, Log, LogId, Offset, Outgoing, Reader, Record, Result, Span, Writer,
    WriterId,
};

pub use self::options::{Options, Sasl, Tls};

/// Most bytes of one record: key, value and headers.
const RECORD_BYTES: usize = 8 << 20;
/// Most bytes of one append or step.
const STEP_BYTES: usize = 64 << 20;
/// How long it is listened to what a client has to tell.
const LISTEN: Duration = Duration::from_millis(20);
/// How soon a partition without a leader is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// A log on a Kafka cluster.
#[derive(Debug)]
pub struct KafkaLog {
    shared: Arc<Shared>,
    appender: Appender,
}

/// What the log, its readers and its writers hold together.
struct Shared {
    options: Options,
    topics: BTreeMap<Topic, Made>,
    query: Discarded<Arc<BaseConsumer<Context>>>,
    heard: Heard,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Lets a client tell what troubles it. It tells one thing at a time, log lines among them, and a poll that
/// does not wait ends with the first: what counts may stand behind many.
fn listen(query: &BaseConsumer<Context>) {
    let until = Instant::now() + LISTEN;
    while query.poll(LISTEN).is_some() && Instant::now() < until {}
}

impl KafkaLog {
    /// Opens the log: makes topics that are not there, and checks those that are.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when no broker answers, [`Error::Partitions`] when a topic has
    /// another count, [`Error::Settings`] when we are refused, or a setting of the log or of a
    /// topic is wrong.
    pub async fn open(options: Options) -> Result<Arc<Self>> {
        options.check()?;
        let heard = Heard::default();
        let query: BaseConsumer<Context> = options
            .query()
            .create_with_context(Context { heard: heard.clone() })
            .map_err(|error| settings(&error))?;
        let query = Discarded::new(Arc::new(query));
        let topics = topics::prepare(&options, &query, &heard).await?;
        heard.forget();
        let shared = Arc::new(Shared { options, topics, query, heard });
        Ok(Arc::new(Self { shared, appender: Appender::default() }))
    }
}

impl Shared {
    fn made(&self, at: TopicPartition) -> Result<&Made> {
        let made = self.topics.get(&at.topic);
        let count = made.map_or(0, |made| made.partitions);
        made.filter(|_| at.partition < count).ok_or(Error::NoPartition(at, count))
    }

    /// Refuses what the log does not take, before anything is sent.
    fn check(&self, records: &[Outgoing]) -> Result<()> {
        let mut total = 0;
        for outgoing in records {
            self.made(outgoing.to)?;
            let record = &outgoing.record;
            let headers: usize = record.headers.iter().map(|h| h.name.len() + h.value.len()).sum();
            let size = record.key.len() + record.value.as_ref().map_or(0, Bytes::len) + headers;
            if size > RECORD_BYTES {
                return Err(Error::TooLarge { size, limit: RECORD_BYTES });
            }
            total += size;
        }
        if total > STEP_BYTES {
            return Err(Error::TooLarge { size: total, limit: STEP_BYTES });
        }
        Ok(())
    }

    async fn ends(&self, at: TopicPartition) -> Result<Ends> {
        let name = self.made(at)?.name.clone();
        let (query, wait) = (Arc::clone(&self.query), self.options.patience);
        let partition = i32::try_from(at.partition).unwrap_or(i32::MAX);
        let asked = blocking(move || {
            let until = Instant::now() + wait;
            loop {
                let left = until.saturating_duration_since(Instant::now());
                let ends = query.fetch_watermarks(&name, partition, left);
                match &ends {
                    // what it complained about before is not kept for ever
                    Ok(_) => (0..8).for_each(|_| drop(query.poll(Duration::ZERO))),
                    Err(_) => listen(&query),
                }
                if !ends.as_ref().is_err_and(has_no_leader) || Instant::now() > until {
                    return Ok(ends);
                }
                std::thread::sleep(AGAIN);
                // else the client goes by what it has heard for many minutes more
                drop(query.fetch_metadata(Some(&name), left));
            }
        });
        let (start, end) = asked.await?.map_err(|error| {
            Error::Unavailable(format!("ends of {at}: {error}{}", self.heard.because()))
        })?;
        let offset = |offset| u64::try_from(offset).unwrap_or(0);
        Ok(Ends { start: offset(start), end: offset(end) })
    }

    /// Refuses a topic that is not the one that was opened.
    async fn same_topic(&self, topic: Topic) -> Result<()> {
        self.same(vec![topic]).await
    }

    async fn same_topics(&self) -> Result<()> {
        self.same(Topic::ALL.into()).await
    }

    async fn same(&self, asked: Vec<Topic>) -> Result<()> {
        let (options, query) = (self.options.clone(), Arc::clone(&self.query));
        let (wait, topics) = (options.patience, asked.clone());
        let found = blocking(move || topics::ids(&options, &query, &topics, wait)).await?;
        for topic in asked {
            let was = self.made(topic.at(0))?.id.clone();
            match found.get(&topic) {
                Some(now) if *now == was => {}
                Some(now) => return Err(Error::MadeAnew { topic, was, now: now.clone() }),
                None => return Err(Error::Unavailable(format!("topic {topic} is gone"))),
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Log for KafkaLog {
    fn partitions(&self, topic: Topic) -> u32 {
        self.shared.topics.get(&topic).map_or(0, |made| made.partitions)
    }

    fn id(&self, topic: Topic) -> LogId {
        let made = self.shared.topics.get(&topic);
        made.map_or_else(|| LogId(String::new()), |made| made.id.clone())
    }

    async fn append(&self, records: Vec<Outgoing>) -> Result<Vec<Offset>> {
        self.appender.append(&self.shared, records).await
    }

    async fn ends(&self, partition: TopicPartition) -> Result<Ends> {
        self.shared.ends(partition).await
    }

    async fn reader(&self, partition: TopicPartition, from: Offset) -> Result<Box<dyn Reader>> {
        Ok(Box::new(KafkaReader::open(Arc::clone(&self.shared), partition, from).await?))
    }

    async fn latest(&self, partition: TopicPartition) -> Result<Latest> {
        let mut span = Span::whole(self, partition).await?;
        let mut latest: BTreeMap<Bytes, Record> = BTreeMap::new();
        while let Some(records) = span.page().await? {
            for record in records {
                if record.value.is_some() {
                    latest.insert(record.key.clone(), record);
                } else {
                    latest.remove(&record.key);
                }
            }
        }
        let next = span.next();
        Ok(Latest { records: latest.into_values().collect(), next })
    }

    async fn writer(&self, id: WriterId) -> Result<Box<dyn Writer>> {
        Ok(Box::new(KafkaWriter::open(Arc::clone(&self.shared), id).await?))
    }
}

/// Does what blocks where it may.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::Unavailable(format!("a client of the brokers: {error}")))?
}

/// Whether a partition was just being given to a broker when the client heard of it: its topic was
/// made, or its broker started or was paused, at that moment.
fn has_no_leader(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        // the last is what the client says of all partitions of a topic that misses one leader
        Some(Code::NotLeaderForPartition | Code::LeaderNotAvailable | Code::UnknownPartition)
    )
}

/// A client that could not be made: one of its settings is wrong.
fn settings(error: &KafkaError) -> Error {
    let (field, why) = match error {
        KafkaError::ClientConfig(_, why, name, value) => {
            (format!("log.kafka.options.{name}"), format!("can't be {value:?}: {why}"))
        }
        error => ("log.kafka".to_owned(), error.to_string()),
    };
    Error::Settings { field, why }
}

/// A client, ended on a thread of its own when it is dropped: that waits for the brokers.
#[derive(Debug)]
struct Discarded<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Discarded<T> {
    const fn new(client: T) -> Self {
        Self(Some(client))
    }
}

#[expect(clippy::expect_used, reason = "only drop takes it")]
impl<T: Send + 'static> Deref for Discarded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("not dropped yet")
    }
}

#[expect(clippy::expect_used, reason = "only drop takes it")]
impl<T: Send + 'static> DerefMut for Discarded<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect("not dropped yet")
    }
}

impl<T: Send + 'static> Drop for Discarded<T> {
    fn drop(&mut self) {
        let client = self.0.take();
        // without a thread it is ended here, when the closure is dropped
        let ended =
            std::thread::Builder::new().name("kafka-end".into()).spawn(move || drop(client));
        drop(ended);
    }
}
