use std::collections::BTreeMap;

use async_trait::async_trait;
use runtime::log::local::{self, LocalLog};
use runtime::log::{
    Ends, Latest, Limit, LogId, Offset, Page, Reader, Record, Result, Span, Writer, WriterId,
};
use runtime::task::spawn;
use schemas::event::Control;
use schemas::topics::TopicPartition;

use super::*;

/// What a log holds, as somebody left it who could write its files.
#[derive(Clone, Debug)]
struct Doctored {
    id: LogId,
    of: BTreeMap<Topic, Vec<Record>>,
    /// Where the topics end, if behind their last records.
    end: Offset,
}

#[derive(Debug)]
struct Rest(Vec<Record>, Offset);

#[async_trait]
impl Reader for Rest {
    async fn next(&mut self, _: Limit) -> Result<Page> {
        Ok(Page { records: std::mem::take(&mut self.0), next: self.1, end: self.1 })
    }
}

#[async_trait]
impl Log for Doctored {
    fn partitions(&self, _: Topic) -> u32 {
        1
    }

    fn id(&self, _: Topic) -> LogId {
        self.id.clone()
    }

    async fn append(&self, _: Vec<Outgoing>) -> Result<Vec<Offset>> {
        unreachable!("it is only read")
    }

    async fn ends(&self, at: TopicPartition) -> Result<Ends> {
        let records = &self.of[&at.topic];
        let end = records.last().map_or(0, |last| last.offset + 1).max(self.end);
        Ok(Ends { start: records.first().map_or(end, |first| first.offset), end })
    }

    async fn reader(&self, at: TopicPartition, from: Offset) -> Result<Box<dyn Reader>> {
        let records = self.of[&at.topic].iter().filter(|record| record.offset >= from);
        Ok(Box::new(Rest(records.cloned().collect(), self.ends(at).await?.end)))
    }

    async fn latest(&self, _: TopicPartition) -> Result<Latest> {
        unreachable!("it is not compacted")
    }

    async fn writer(&self, _: WriterId) -> Result<Box<dyn Writer>> {
        unreachable!("it is only read")
    }
}

fn open(folder: &std::path::Path) -> Arc<dyn Log> {
    LocalLog::open(&folder.join("hub.sqlite"), local::Options::new(1, Clock::system())).unwrap()
}

fn trail(log: &Arc<dyn Log>) -> Arc<Trail> {
    Arc::new(Trail::new(Arc::clone(log), Codec::fixed(), Clock::system()).unwrap())
}

fn entry(action: &'static str) -> Entry {
    Entry { action, entity: "key/app".into(), actor: "key:ada".into(), ..Entry::default() }
}

async fn change(log: &Arc<dyn Log>, id: &str, version: i64) {
    let control = Control {
        kind: "project".into(),
        id: id.into(),
        version,
        expected_version: Some(version - 1),
        deleted: false,
        body: format!(r#"{{"title":"{version}"}}"#).into_bytes(),
        actor: "key:ada".into(),
        reason: None,
        command: None,
        address: None,
        request: None,
    };
    let value = Codec::fixed().to_vec(&control).unwrap();
    let key = format!("project/{id}");
    let record = NewRecord { key: key.into(), value: Some(value.into()), headers: Vec::new() };
    log.append(vec![Outgoing { to: Topic::Control.at(0), record }]).await.unwrap();
}

async fn whole(log: &dyn Log, topic: Topic) -> Vec<Record> {
    let mut span = Span::whole(log, topic.at(0)).await.unwrap();
    let mut all = Vec::new();
    while let Some(records) = span.page().await.unwrap() {
        all.extend(records);
    }
    all
}

/// Two processes that wrote at the same time and ended in order: five records and a closing one
/// each, what they saw of the control topic, and four changes.
async fn written(folder: &std::path::Path) -> Doctored {
    let log = open(folder);
    let trails = [trail(&log), trail(&log)];
    for version in 1..=3 {
        change(&log, "a", version).await;
    }
    for _ in 0..5 {
        for trail in &trails {
            trail.record(entry("config.export")).await.unwrap();
        }
    }
    change(&log, "b", 1).await;
    for trail in trails {
        let token = CancellationToken::new();
        token.cancel();
        trail.run(token).await;
    }
    let of = [
        (Topic::Audit, whole(&*log, Topic::Audit).await),
        (Topic::Control, whole(&*log, Topic::Control).await),
    ];
    Doctored { id: log.id(Topic::Control), of: of.into(), end: 0 }
}

async fn verified(log: &dyn Log) -> Report {
    verify(log, &Codec::fixed()).await.unwrap()
}

#[tokio::test]
async fn an_untouched_log_is_sound() {
    let folder = tempfile::tempdir().unwrap();
    let doctored = written(folder.path()).await;
    let report = verified(&doctored).await;
    assert_eq!(report.bad, []);
    // the second process saw that the first had told of all changes
    assert_eq!((report.records, report.changes, report.sealed_changes), (13, 4, 4));
    let chains: Vec<_> = report.chains.iter().map(|it| (it.records, it.closed)).collect();
    assert!(chains.iter().all(|(_, closed)| *closed), "{chains:?}");
    assert_eq!(verified(&*open(folder.path())).await, report, "as the log itself has it");
}

/// Changes what a log holds.
type Tamper = fn(&mut Vec<Record>);

#[tokio::test]
async fn every_kind_of_tampering_with_the_trail_is_found_and_named() {
    fn renumber(records: &mut [Record]) {
        for (offset, record) in (0..).zip(records) {
            record.offset = offset;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let sound = written(folder.path()).await;
    let cases: [(&str, Tamper, Offset, &str); 9] = [
        (
            "altered",
            |all| {
                let mut value = all[4].value.take().unwrap().to_vec();
                let at = value.windows(7).position(|word| word == b"key:ada").unwrap();
                value[at + 4] = b'e';
                all[4].value = Some(value.into());
            },
            4,
            "does not fit its hash",
        ),
        (
            "altered, and sealed again",
            |all| {
                let codec = Codec::fixed();
                let mut audit: Audit = codec.decode(all[4].value.as_ref().unwrap()).unwrap();
                (audit.actor, audit.hash) = ("key:eve".into(), Hash::default());
                let mut value = codec.to_vec(&audit).unwrap();
                seal(&mut value);
                all[4].value = Some(value.into());
            },
            6,
            "is not of the record before it",
        ),
        (
            "its key altered",
            |all| all[4].key = Bytes::from_static(b"key/other"),
            4,
            "its key is not",
        ),
        ("emptied", |all| all[4].value = None, 4, "has no value"),
        ("removed", |all| drop(all.remove(4)), 4, "1 records are missing from here on"),
        (
            "removed, and the offsets closed up",
            |all| {
                all.remove(4);
                renumber(all);
            },
            5,
            "1 records of origin",
        ),
        (
            "reordered",
            |all| {
                all.swap(4, 6);
                renumber(all);
            },
            4,
            "1 records of origin",
        ),
        ("its beginning removed", |all| drop(all.drain(..2)), 0, "2 records are missing"),
        (
            "its end written anew",
            |all| {
                let mut more = all[0].clone();
                more.offset = all.last().unwrap().offset + 1;
                let codec = Codec::fixed();
                let last: Audit =
                    codec.decode(all.last().unwrap().value.as_ref().unwrap()).unwrap();
                let audit = Audit {
                    seq: last.seq + 1,
                    prev_hash: last.hash,
                    hash: Hash::default(),
                    action: "config.export".into(),
                    entity: "key/app".into(),
                    ..last
                };
                let mut value = codec.to_vec(&audit).unwrap();
                seal(&mut value);
                more.value = Some(value.into());
                all.push(more);
            },
            13,
            "comes after its closing record",
        ),
    ];
    for (what, tamper, at, why) in cases {
        let mut doctored = sound.clone();
        tamper(doctored.of.get_mut(&Topic::Audit).unwrap());
        let report = verified(&doctored).await;
        let first = report.bad.first().unwrap_or_else(|| panic!("{what}: not found"));
        assert_eq!((first.topic, first.offset), (Topic::Audit.name(), at), "{what}: {first:?}");
        assert!(first.why.contains(why), "{what}: {first:?}");
    }
    // what is stated not to be found: the end of a chain that was not closed
    let mut cut = sound.clone();
    cut.of.get_mut(&Topic::Audit).unwrap().truncate(8);
    let report = verified(&cut).await;
    assert!(report.is_sound() && report.chains.iter().all(|it| !it.closed));
    // but by where the topic itself ends
    cut.end = 13;
    assert_eq!(verified(&cut).await.bad[0].why, "5 records are missing from here on");
}

#[tokio::test]
async fn tampering_with_changes_that_the_trail_sealed_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let sound = written(folder.path()).await;
    let sealed = "are not those that the trail sealed";
    let cases: [(&str, Tamper, &str); 5] = [
        (
            "altered",
            |all| {
                let mut value = all[1].value.take().unwrap().to_vec();
                let at = value.windows(7).position(|word| word == b"key:ada").unwrap();
                value[at + 4] = b'e';
                all[1].value = Some(value.into());
            },
            sealed,
        ),
        ("another time", |all| all[1].at.0 -= 1, sealed),
        ("reordered", |all| all.swap(0, 3), sealed),
        ("removed", |all| drop(all.remove(1)), "1 records are missing"),
        ("its end removed", |all| drop(all.pop()), "the last is not there"),
    ];
    for (what, tamper, why) in cases {
        let mut doctored = sound.clone();
        let control = doctored.of.get_mut(&Topic::Control).unwrap();
        tamper(control);
        if what == "reordered" {
            (control[0].offset, control[3].offset) = (0, 3);
        }
        let report = verified(&doctored).await;
        assert!(report.bad.iter().any(|bad| bad.why.contains(why)), "{what}: {:?}", report.bad);
    }
    // the versions tell it too, where the trail is gone
    let mut doctored = sound;
    doctored.of.get_mut(&Topic::Audit).unwrap().clear();
    doctored.of.get_mut(&Topic::Control).unwrap().remove(0);
    let report = verified(&doctored).await;
    let why = "was made when project/a was at version 1, and by the log it is at 0";
    assert!(report.bad.iter().any(|bad| bad.why == why), "{:?}", report.bad);
}

/// A log that takes what it is given and says that it did not.
#[derive(Debug)]
struct Unsure {
    log: Arc<dyn Log>,
    sure: std::sync::atomic::AtomicBool,
}

#[async_trait]
impl Log for Unsure {
    fn partitions(&self, topic: Topic) -> u32 {
        self.log.partitions(topic)
    }

    fn id(&self, topic: Topic) -> LogId {
        self.log.id(topic)
    }

    async fn append(&self, records: Vec<Outgoing>) -> Result<Vec<Offset>> {
        let done = self.log.append(records).await;
        match self.sure.load(std::sync::atomic::Ordering::SeqCst) {
            true => done,
            false => Err(log::Error::Unavailable("no answer".into())),
        }
    }

    async fn ends(&self, at: TopicPartition) -> Result<Ends> {
        self.log.ends(at).await
    }

    async fn reader(&self, at: TopicPartition, from: Offset) -> Result<Box<dyn Reader>> {
        self.log.reader(at, from).await
    }

    async fn latest(&self, at: TopicPartition) -> Result<Latest> {
        self.log.latest(at).await
    }

    async fn writer(&self, id: WriterId) -> Result<Box<dyn Writer>> {
        self.log.writer(id).await
    }
}

#[tokio::test]
async fn what_may_be_recorded_is_sent_again_and_the_chain_holds() {
    let folder = tempfile::tempdir().unwrap();
    let unsure = Arc::new(Unsure { log: open(folder.path()), sure: false.into() });
    let trail = trail(&(Arc::clone(&unsure) as Arc<dyn Log>));
    for _ in 0..2 {
        let told = trail.record(entry("config.export")).await;
        assert!(matches!(told, Err(Error::Log(_))), "{told:?}");
    }
    unsure.sure.store(true, std::sync::atomic::Ordering::SeqCst);
    trail.record(entry("config.export")).await.unwrap();
    let report = verified(&*unsure.log).await;
    assert_eq!(report.bad, []);
    // the first was sent three times, the second twice
    assert_eq!((report.records, report.repeated, report.chains[0].records), (6, 3, 3));
}

#[tokio::test]
async fn refusals_are_bounded_told_and_never_fill_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let clock = Clock::manual(runtime::clock::Micros(1));
    let trail = Arc::new(Trail::new(Arc::clone(&log), Codec::fixed(), clock).unwrap());
    let address = Some(IpAddr::from([192, 0, 2, 1]));
    for _ in 0..1_000 {
        trail.refuse(Entry { address, ..entry(REFUSED) });
    }
    trail.record(entry("config.export")).await.unwrap();
    let audits: Vec<Audit> = whole(&*log, Topic::Audit)
        .await
        .into_iter()
        .map(|record| Codec::fixed().decode(&record.value.unwrap()).unwrap())
        .collect();
    let actions: Vec<&str> = audits.iter().map(|audit| audit.action.as_str()).collect();
    let mut wanted = vec![REFUSED; 10];
    wanted.extend([LEFT_OUT, "config.export"]);
    assert_eq!(actions, wanted);
    assert_eq!(audits[10].after.as_deref(), Some(&br#"{"refusals":990}"#[..]));
    assert!(verified(&*log).await.is_sound());
    // a log that is away: what waits for it is bounded
    for at in 0..2_000_u32 {
        trail.refuse(Entry { address: Some(IpAddr::from(at.to_be_bytes())), ..entry(REFUSED) });
    }
    assert_eq!(trail.chain().unsent.len(), UNSENT);
    assert!(matches!(trail.record(entry("config.export")).await, Err(Error::Late)));
}

#[tokio::test]
async fn a_trail_that_runs_sends_refusals_by_itself_and_takes_nothing_after_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path());
    let (trail, token) = (trail(&log), CancellationToken::new());
    let running = spawn("audit", Arc::clone(&trail).run(token.clone()));
    trail.refuse(entry(REFUSED));
    let there = async {
        while log.ends(Topic::Audit.at(0)).await.unwrap().end == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(60), there).await.unwrap();
    token.cancel();
    running.await.unwrap();
    let late = trail.record(entry("config.export")).await;
    assert!(matches!(late, Err(Error::Closed)), "{late:?}");
    let report = verified(&*log).await;
    assert!(report.is_sound() && report.chains[0].closed, "{report:?}");
    assert_eq!(report.records, 2);
}
