//! A real process killed with SIGKILL at random moments: every call that it said to have admitted
//! has one settled event, and none has two.
//!
//! The test starts itself as the child: the child admits, streams and settles calls as fast as it
//! can and says each admission on its standard output before it goes on.
#![expect(clippy::unwrap_used, reason = "a test and its child")]

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gateway::usage::{Admission, Options, Outbox, Partitions, Settlement, Shipper};
use runtime::log::{Ends, Error, Latest, Log, LogId, Offset, Outgoing, Reader, Writer, WriterId};
use runtime::task::CancellationToken;
use schemas::event::{Operation, Outcome, Usage};
use schemas::ids::CallId;
use schemas::topics::{Topic, TopicPartition};
use schemas::wire::Codec;

const FOLDER: &str = "OUTBOX_KILLED_FOLDER";
const KILLS: u64 = 12;

fn options(folder: &Path) -> Options {
    Options {
        segment: 256 << 10,
        limit: 4 << 20,
        linger: Duration::from_millis(1),
        ..Options::new(folder, Partitions { usage: 2, attempts: 2 })
    }
}

/// Appends to a file, and fails now and then after it did.
#[derive(Debug)]
struct FileLog(Mutex<(std::fs::File, u64)>);

impl FileLog {
    fn open(folder: &Path) -> Arc<Self> {
        let file = std::fs::File::options().create(true).append(true).open(folder.join("log"));
        Arc::new(Self(Mutex::new((file.unwrap(), 0))))
    }
}

#[async_trait::async_trait]
impl Log for FileLog {
    fn partitions(&self, _: Topic) -> u32 {
        2
    }
    fn id(&self, _: Topic) -> LogId {
        LogId("file".into())
    }
    async fn append(&self, records: Vec<Outgoing>) -> Result<Vec<Offset>, Error> {
        let mut log = self.0.lock().unwrap();
        for out in &records {
            let value = out.record.value.as_deref().unwrap();
            let mut line = Vec::from(u32::try_from(value.len()).unwrap().to_le_bytes());
            line.extend_from_slice(value);
            log.0.write_all(&line).unwrap();
        }
        log.1 += 1;
        if log.1.is_multiple_of(5) {
            return Err(Error::Unavailable("the answer was lost".into()));
        }
        Ok(vec![0; records.len()])
    }
    async fn ends(&self, partition: TopicPartition) -> Result<Ends, Error> {
        Err(Error::NoPartition(partition, 0))
    }
    async fn reader(&self, partition: TopicPartition, _: Offset) -> Result<Box<dyn Reader>, Error> {
        Err(Error::NoPartition(partition, 0))
    }
    async fn latest(&self, partition: TopicPartition) -> Result<Latest, Error> {
        Err(Error::NoPartition(partition, 0))
    }
    async fn writer(&self, id: WriterId) -> Result<Box<dyn Writer>, Error> {
        Err(Error::Fenced(id.0))
    }
}

fn admission(call: CallId) -> Admission {
    Admission {
        call,
        account: "acme".into(),
        project: "p".into(),
        key: "k".into(),
        user: None,
        client: None,
        tags: BTreeMap::new(),
        operation: Operation::Chat,
        dialect: "openai.chat",
        streamed: true,
        model: "m".into(),
        price_version: "v".into(),
        input_estimate: 10,
    }
}

fn settlement() -> Settlement {
    Settlement {
        outcome: Outcome::Completed,
        error: None,
        status: 200,
        charges: Vec::new(),
        ttft: None,
    }
}

/// Run as the child: works until it is killed. As a test of its own it does nothing.
#[test]
fn child() {
    let Some(folder) = std::env::vars().find(|(name, _)| name == FOLDER) else {
        return;
    };
    let folder = Path::new(&folder.1);
    let outbox = Outbox::open(options(&folder.join("outbox"))).unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.unwrap();
    let _entered = runtime.enter();
    let run =
        Shipper::new(Arc::clone(&outbox)).run(FileLog::open(folder), CancellationToken::new());
    let _shipper = runtime::task::spawn("shipper", run);
    let prices = Arc::new(schemas::price::shipped().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut open = Vec::new();
                loop {
                    let call = CallId::new(1_700_000_000_000, &rand::random());
                    let Ok(ticket) = outbox.admit(admission(call), None, Arc::clone(&prices))
                    else {
                        open.clear();
                        std::thread::yield_now();
                        continue;
                    };
                    writeln!(std::io::stdout(), "admitted {call}").unwrap();
                    ticket.progress(3);
                    open.push(ticket);
                    if open.len() > 8 {
                        drop(open.swap_remove(0).settle(settlement()));
                    }
                }
            });
        }
    });
}

#[test]
fn nothing_lost_and_nothing_twice_by_sigkill() {
    let folder = tempfile::tempdir().unwrap();
    let mut admitted = HashSet::new();
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // killed after so many calls, once in each life early
        let until = if round == 0 { 1 } else { 37 * round * round };
        let mut count = 0;
        while count < until {
            let line = lines.next().expect("the child works until it is killed").unwrap();
            if let Some(call) = line.strip_prefix("admitted ") {
                admitted.insert(call.to_owned());
                count += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let rest = lines.map_while(Result::ok);
        let whole = |line: String| {
            let call = line.strip_prefix("admitted ")?;
            (call.len() == 36).then(|| call.to_owned())
        };
        admitted.extend(rest.filter_map(whole));
    }

    // the last life ships what is left
    let outbox = Outbox::open(options(&folder.path().join("outbox"))).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let token = CancellationToken::new();
        let run =
            Shipper::new(Arc::clone(&outbox)).run(FileLog::open(folder.path()), token.clone());
        let shipper = runtime::task::spawn("shipper", run);
        assert!(outbox.drain(Duration::from_secs(60)).await, "{:?}", outbox.stats());
        token.cancel();
        shipper.await.unwrap().unwrap();
    });

    let log = std::fs::read(folder.path().join("log")).unwrap();
    let mut marks: HashMap<_, Usage> = HashMap::new();
    let mut rest = &*log;
    while let Some((len, after)) = rest.split_first_chunk::<4>() {
        let Some((value, after)) = after.split_at_checked(u32::from_le_bytes(*len) as usize) else {
            panic!("the log itself was torn");
        };
        rest = after;
        let usage: Usage = Codec::fixed().decode(value).unwrap();
        let known = marks
            .entry((usage.origin, usage.seq, usage.account == "acme".into()))
            .or_insert_with(|| usage.clone());
        assert_eq!(*known, usage, "the same mark, other bytes");
    }
    let mut settled: HashMap<String, u32> = HashMap::new();
    marks.values().for_each(|usage| *settled.entry(usage.call.to_string()).or_default() += 1);
    assert!(settled.values().all(|count| *count == 1), "a call was settled twice");
    let missing: Vec<_> = admitted.iter().filter(|call| !settled.contains_key(*call)).collect();
    assert!(missing.is_empty(), "{} of {} calls are lost", missing.len(), admitted.len());
    let lost = marks.values().filter(|usage| usage.outcome == Outcome::Lost).count();
    assert!(lost > 50, "calls were in flight at the kills: {lost}");
}
