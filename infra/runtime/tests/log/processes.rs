//! Real processes: the test binary starts itself again as a writer, and kills it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use runtime::clock::Clock;
use runtime::log::local::{LocalLog, Options};
use runtime::log::{Limit, Log, Offset, Record, Step, WriterId};
use schemas::topics::Topic;

use super::{LONG, NOW, read, record};

/// Tells a copy of this binary that it is a writer, of which log and name.
const PATH: &str = "LOG_TEST_PATH";
const NAME: &str = "LOG_TEST_NAME";

fn open(path: &Path) -> std::sync::Arc<LocalLog> {
    LocalLog::open(path, Options::new(2, Clock::system())).unwrap()
}

/// The body of a writer: appends and commits steps until it is killed, and says what it was
/// acknowledged. As a test of its own it does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let (Some(path), Some(name)) = (std::env::var_os(PATH), std::env::var_os(NAME)) else {
        return;
    };
    let name = name.into_string().unwrap();
    let log = open(Path::new(&path));
    let mut writer = log.writer(WriterId(name.clone())).await.unwrap();
    let input = Topic::Attempts.at(0);
    let from = writer.committed().await.unwrap().get(&input).copied().unwrap_or(0);
    for step in from.. {
        let plain =
            (0..step % 50).map(|n| record(Topic::Usage.at(0), &name, &format!("{step} {n}")));
        let outputs = (0..10).map(|n| record(Topic::Ledger.at(1), &name, &format!("{step} {n}")));
        let step = Step { outputs: outputs.collect(), inputs: vec![(input, step + 1)] };
        let plain: Vec<_> = plain.collect();
        let (appended, committed) = tokio::join!(log.append(plain), writer.commit(step));
        let mut out = std::io::stdout().lock();
        for offset in appended.unwrap() {
            writeln!(out, "\nappended {offset}").unwrap();
        }
        writeln!(out, "\ncommitted {}", committed.unwrap().last().unwrap()).unwrap();
        out.flush().unwrap();
    }
}

struct Writing {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    appended: Vec<Offset>,
    committed: Vec<Offset>,
}

impl Writing {
    fn start(path: &Path, name: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::child", "--nocapture"])
            .env(PATH, path)
            .env(NAME, name)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, appended: Vec::new(), committed: Vec::new() }
    }

    /// Hears what it was acknowledged; false when it has ended.
    fn hear(&mut self) -> bool {
        let Some(Ok(line)) = self.lines.next() else {
            return false;
        };
        match line.split_once(' ') {
            Some(("appended", offset)) => self.appended.push(offset.parse().unwrap()),
            Some(("committed", offset)) => self.committed.push(offset.parse().unwrap()),
            _ => {}
        }
        true
    }

    /// Kills it, and hears what it had still said.
    fn kill(mut self) -> (Vec<Offset>, Vec<Offset>) {
        self.child.kill().unwrap();
        while self.hear() {}
        self.child.wait().unwrap();
        (self.appended, self.committed)
    }
}

/// What a name wrote, by step.
fn steps(records: &[Record], name: &str) -> BTreeMap<u64, Vec<u64>> {
    let mut steps: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for record in records.iter().filter(|record| &record.key[..] == name.as_bytes()) {
        let value = String::from_utf8(record.value.as_ref().unwrap().to_vec()).unwrap();
        let (step, n) = value.split_once(' ').unwrap();
        steps.entry(step.parse().unwrap()).or_default().push(n.parse().unwrap());
    }
    steps
}

/// Two processes write and are killed at any moment, again and again: what was acknowledged is
/// there, no block is torn, and no step is there in part or twice.
#[tokio::test]
async fn keeps_what_it_acknowledged_to_killed_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let (usage, ledger, input) = (Topic::Usage.at(0), Topic::Ledger.at(1), Topic::Attempts.at(0));
    let (mut appended, mut committed) = (Vec::new(), Vec::new());
    for round in 0..8_usize {
        let mut writing = ["one", "two"].map(|name| Writing::start(&path, name));
        for writing in &mut writing {
            while writing.committed.len() < 3 + round * 3 {
                assert!(writing.hear(), "a writer ended by itself");
            }
        }
        for writing in writing {
            let (records, steps) = writing.kill();
            appended.extend(records);
            committed.extend(steps);
        }
        let log = open(&path);
        let (plain, posted) =
            (read(&*log, usage, 0).await.unwrap(), read(&*log, ledger, 0).await.unwrap());
        for (acknowledged, records) in [(&appended, &plain), (&committed, &posted)] {
            assert!(!acknowledged.is_empty());
            for offset in acknowledged {
                assert!(records.iter().any(|record| record.offset == *offset), "{offset} is lost");
            }
        }
        for name in ["one", "two"] {
            let mut writer = log.writer(WriterId(name.to_owned())).await.unwrap();
            let next = writer.committed().await.unwrap().get(&input).copied().unwrap();
            let steps = steps(&posted, name);
            assert!(steps.keys().copied().eq(0..next), "each step of {name} is there");
            assert!(steps.values().all(|records| records.iter().copied().eq(0..10)));
        }
    }
    assert!(appended.len() > 100 && committed.len() > 100);
}

/// A reader of this process is woken by what another process appends, without looking by itself.
#[tokio::test]
async fn wakes_across_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.db");
    let log = open(&path);
    let mut reader = log.reader(Topic::Ledger.at(1), 0).await.unwrap();
    let began = Instant::now();
    let writing = Writing::start(&path, "one");
    let mut seen = 0;
    while seen < 200 {
        let page = reader.next(Limit { wait: LONG, ..NOW }).await.unwrap();
        assert!(!page.records.is_empty(), "waited in vain");
        seen += page.records.len();
    }
    writing.kill();
    // what it had committed when it was killed is heard too: the kernel rings for it
    let end = open(&path).ends(Topic::Ledger.at(1)).await.unwrap().end;
    let mut next = seen as Offset;
    while next < end {
        let page = reader.next(Limit { wait: LONG, ..NOW }).await.unwrap();
        assert!(!page.records.is_empty(), "waited in vain at {next} of {end}");
        next = page.next;
    }
    // none of them by waiting for the time to be up, after which a reader looks by itself
    assert!(began.elapsed() < LONG);
}
