//! A local log in a temporary folder, and events to put into it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use processors::pipeline::Board;
use processors::{Deps, End, Share};
use runtime::clock::{Clock, Micros};
use runtime::log::local::{LocalLog, Options};
use runtime::log::{Header, Limit, Log, NewRecord, Offset, Outgoing, Record, Span};
use runtime::task::CancellationToken;
use schemas::event::{
    Attempt, Charge, Control, Credit, CreditKind, Meter, Operation, Outcome, Quantity, State, Usage,
};
use schemas::ids::{CallId, Origin, PriceVersion, credential_subject};
use schemas::partition::partition_of;
use schemas::price::{self, PriceBook};
use schemas::topics::{Topic, TopicPartition};
use schemas::wire::{Codec, Event};

/// Noon of 2026-01-15.
pub(crate) const START: Micros = Micros(1_768_478_400_000_000);

pub(crate) struct Rig {
    pub(crate) deps: Deps,
    pub(crate) codec: Codec,
    pub(crate) clock: Clock,
    pub(crate) log: Arc<dyn Log>,
    folder: tempfile::TempDir,
}

impl Rig {
    pub(crate) fn new(partitions: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::manual(START);
        let options = Options::new(partitions, clock.clone());
        let log = LocalLog::open(&folder.path().join("hub.sqlite"), options).unwrap();
        Self::on(log, clock, folder)
    }

    pub(crate) fn on(log: Arc<dyn Log>, clock: Clock, folder: tempfile::TempDir) -> Self {
        let deps = Deps {
            log: Arc::clone(&log),
            codec: Codec::fixed(),
            clock: clock.clone(),
            board: Board::new(),
            share: Share::ALL,
        };
        Self { deps, codec: Codec::fixed(), clock, log, folder }
    }

    /// A folder that goes with the rig.
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The same log for another process, which sees it through `log`.
    pub(crate) fn deps_on(&self, log: Arc<dyn Log>) -> Deps {
        Deps { log, board: Board::new(), ..self.deps.clone() }
    }

    pub(crate) fn partition(&self, account: &str) -> u32 {
        partition_of(account.as_bytes(), self.log.partitions(Topic::Usage))
    }

    pub(crate) fn usage_record(&self, usage: &Usage) -> Outgoing {
        let headers = headers(usage.origin, usage.seq, usage.account.as_str(), usage.call);
        let value = Some(self.codec.to_vec(usage).unwrap().into());
        let key = Bytes::copy_from_slice(usage.account.as_str().as_bytes());
        let to = Topic::Usage.at(self.partition(usage.account.as_str()));
        Outgoing { to, record: NewRecord { key, value, headers } }
    }

    pub(crate) fn attempt_record(&self, attempt: &Attempt) -> Outgoing {
        let version = u32::try_from(attempt.credential_version).unwrap();
        let subject = credential_subject(&attempt.provider, &attempt.credential, version);
        let key = subject.as_str();
        let partition = partition_of(key.as_bytes(), self.log.partitions(Topic::Attempts));
        let mut record = self.record(Topic::Attempts.at(partition), key, attempt);
        record.record.headers = headers(attempt.origin, attempt.seq, "", attempt.call);
        record
    }

    /// The offset of the last record that is not sent again and no tick.
    pub(crate) async fn last_event(&self, at: TopicPartition) -> Option<u64> {
        let mut seen = std::collections::BTreeSet::new();
        let records = self.read(at).await.into_iter();
        let events = records.filter(|record| {
            record.key != b"tick"[..]
                && (record.headers.is_empty() || seen.insert(format!("{:?}", record.headers)))
        });
        events.last().map(|record| record.offset)
    }

    pub(crate) fn credit_record(&self, credit: &Credit) -> Outgoing {
        let to = Topic::Credits.at(self.partition(credit.account.as_str()));
        self.record(to, credit.account.as_str(), credit)
    }

    pub(crate) fn record<E: Event>(&self, to: TopicPartition, key: &str, event: &E) -> Outgoing {
        let value = Some(self.codec.to_vec(event).unwrap().into());
        let key = Bytes::copy_from_slice(key.as_bytes());
        Outgoing { to, record: NewRecord { key, value, headers: Vec::new() } }
    }

    pub(crate) fn book_record(&self, book: &PriceBook) -> Outgoing {
        let control = Control {
            kind: "price_book".to_owned(),
            id: book.version().to_string(),
            version: 1,
            body: book.to_json(),
            actor: "test".to_owned(),
            ..Control::default()
        };
        self.record(Topic::Control.at(0), &control.id.clone(), &control)
    }

    /// Everything in a partition.
    pub(crate) async fn read(&self, at: TopicPartition) -> Vec<Record> {
        let mut span = Span::whole(&*self.log, at).await.unwrap();
        let mut records = Vec::new();
        while let Some(page) = span.page().await.unwrap() {
            records.extend(page);
        }
        records
    }

    pub(crate) async fn events_of<E: Event>(&self, topic: Topic) -> Vec<E> {
        let mut events = Vec::new();
        for partition in 0..self.log.partitions(topic) {
            for record in self.read(topic.at(partition)).await {
                events.push(self.codec.decode(&record.value.unwrap()).unwrap());
            }
        }
        events
    }

    /// The newest value of each key of a compacted topic.
    pub(crate) async fn latest(&self, topic: Topic) -> BTreeMap<String, Bytes> {
        let mut newest = BTreeMap::new();
        for partition in 0..self.log.partitions(topic) {
            for record in self.log.latest(topic.at(partition)).await.unwrap().records {
                let key = String::from_utf8(record.key.to_vec()).unwrap();
                newest.insert(key, record.value.unwrap());
            }
        }
        newest
    }

    /// Waits until the board says what is wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&[processors::Progress]) -> bool) {
        let look = self.deps.board.until(wanted);
        if tokio::time::timeout(Duration::from_secs(180), look).await.is_err() {
            panic!("not reached; the board says {:#?}", self.deps.board.read());
        }
    }

    /// Waits until a processor's committed positions are at the present ends of these topics.
    pub(crate) async fn until_done(&self, processor: &str, topics: &[Topic]) {
        let look = async {
            for topic in topics {
                for partition in 0..self.log.partitions(*topic) {
                    self.until_at_end(processor, topic.at(partition)).await;
                }
            }
        };
        if tokio::time::timeout(Duration::from_secs(180), look).await.is_err() {
            panic!("not reached; the board says {:#?}", self.deps.board.read());
        }
    }

    /// Where a processor goes on, as it has committed; none where it has taken nothing.
    pub(crate) async fn position(&self, processor: &str, at: TopicPartition) -> Option<Offset> {
        let key = format!("{processor}/position/{}", at.topic.name());
        let states = self.log.latest(Topic::State.at(at.partition)).await.unwrap().records;
        let own = states.iter().find(|record| record.key == key.as_bytes())?;
        let state: State = self.codec.decode(own.value.as_ref().unwrap()).unwrap();
        Some(u64::try_from(state.offset).unwrap())
    }

    async fn until_at_end(&self, processor: &str, at: TopicPartition) {
        let end = self.log.ends(at).await.unwrap().end;
        let key = format!("{processor}/position/{}", at.topic.name());
        let mut states = self.log.reader(Topic::State.at(at.partition), 0).await.unwrap();
        let mut offset = 0;
        while offset < end {
            let limit = Limit { records: 10_000, bytes: 64 << 20, wait: Duration::from_secs(9) };
            let records = states.next(limit).await.unwrap().records.into_iter();
            for record in records.filter(|record| record.key == key.as_bytes()) {
                let state: State = self.codec.decode(&record.value.unwrap()).unwrap();
                offset = u64::try_from(state.offset).unwrap();
            }
        }
    }
}

/// Stops its task when dropped, as a kill would: at whatever await it stands.
pub(crate) struct Running(tokio::task::JoinHandle<Vec<End>>);

impl Running {
    pub(crate) fn start<F: Future<Output = Vec<End>> + Send + 'static>(
        run: impl FnOnce(Deps, CancellationToken) -> F,
        deps: &Deps,
    ) -> Self {
        // tasks of the partitions end with this token
        let token = CancellationToken::new();
        let run = run(deps.clone(), token.clone());
        Self(runtime::task::spawn("processor", async move {
            let _stop = token.drop_guard();
            run.await
        }))
    }

    pub(crate) fn billing(deps: &Deps) -> Self {
        Self::start(processors::billing::run, deps)
    }

    pub(crate) fn health(deps: &Deps) -> Self {
        Self::start(|deps, token| processors::health::run(deps, Default::default(), token), deps)
    }

    /// How each partition ended.
    pub(crate) async fn ended(mut self) -> Vec<End> {
        let ended = tokio::time::timeout(Duration::from_secs(180), &mut self.0);
        ended.await.expect("ends in time").expect("does not panic")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(crate) fn headers(origin: Origin, seq: i64, account: &str, call: CallId) -> Vec<Header> {
    vec![
        Header { name: "origin", value: Bytes::copy_from_slice(&origin.0) },
        Header { name: "seq", value: Bytes::copy_from_slice(&seq.to_be_bytes()) },
        Header { name: "account", value: Bytes::copy_from_slice(account.as_bytes()) },
        Header { name: "call", value: Bytes::copy_from_slice(&call.0) },
    ]
}

pub(crate) fn book() -> &'static PriceBook {
    static BOOK: LazyLock<PriceBook> = LazyLock::new(|| price::shipped().unwrap());
    &BOOK
}

fn version() -> PriceVersion {
    static VERSION: LazyLock<PriceVersion> = LazyLock::new(|| book().version());
    VERSION.clone()
}

/// 1,000 input and `output` output tokens of gpt-4o-mini: 0.00015 + 0.0000006 × output USD.
pub(crate) fn usage(origin: u8, seq: i64, account: &str, output: i64) -> Usage {
    let mut random = [origin; 10];
    random[..8].copy_from_slice(&seq.to_be_bytes());
    random[8] = account.bytes().fold(0, u8::wrapping_add);
    Usage {
        call: CallId::new(START.millis(), &random),
        origin: Origin([origin; 16]),
        seq,
        account: account.into(),
        project: "project".into(),
        key: "key".into(),
        user: None,
        client: Some("test/1".into()),
        tags: BTreeMap::from([("team".to_owned(), "blue".to_owned())]),
        operation: Operation::Chat,
        dialect: "openai.chat".into(),
        streamed: seq % 2 == 0,
        model: "gpt-4o-mini".into(),
        outcome: Outcome::Completed,
        error: None,
        status: 200,
        attempts: 1,
        charges: vec![Charge {
            provider: "openai".into(),
            credential: "main".into(),
            model: "gpt-4o-mini".into(),
            quantities: vec![
                Quantity { meter: Meter::Input, units: 1000 },
                Quantity { meter: Meter::Output, units: output },
            ],
            estimated: false,
            reported_nano: None,
        }],
        price_version: version(),
        admitted_at: START.0,
        ttft_us: Some(100_000),
        duration_us: 1_000_000,
    }
}

pub(crate) fn grant(account: &str, command: &str, amount: &str) -> Credit {
    Credit {
        command: command.to_owned(),
        account: account.into(),
        kind: CreditKind::Grant,
        amount: amount.parse().unwrap(),
        actor: "test".to_owned(),
        reason: None,
    }
}
