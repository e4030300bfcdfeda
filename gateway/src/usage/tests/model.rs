//! Random lives of an outbox against a plain list of what was done: admit, try, stream, settle,
//! drop, sync, ship, forget, trim, be killed, lose power, be killed while recovering.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use proptest::prelude::*;
use schemas::ids::Origin;

use super::*;
use crate::usage::Ticket;

const PAGE: usize = 4096;

#[derive(Clone, Debug)]
enum Op {
    Admit,
    Sent(usize),
    Progress(usize, i64),
    Attempt(usize),
    Settle(usize, i64),
    Drop(usize),
    Many(u64),
    Sync,
    Ship {
        records: usize,
        remember: bool,
    },
    Trim,
    /// A segment's worth of calls, shipped and trimmed beside those that are live.
    Turn,
    Prepare,
    Kill,
    PowerLoss(u64),
    KillRecovery(u64),
}

fn op() -> impl Strategy<Value = Op> {
    let ticket = 0..8_usize;
    prop_oneof![
        12 => Just(Op::Admit),
        6 => ticket.clone().prop_map(Op::Sent),
        4 => (ticket.clone(), 1..500_i64).prop_map(|(ticket, units)| Op::Progress(ticket, units)),
        6 => ticket.clone().prop_map(Op::Attempt),
        8 => (ticket.clone(), 1..500_i64).prop_map(|(ticket, units)| Op::Settle(ticket, units)),
        2 => ticket.prop_map(Op::Drop),
        4 => (1..60_u64).prop_map(Op::Many),
        3 => Just(Op::Sync),
        6 => (1..40_usize, any::<bool>()).prop_map(|(records, remember)| Op::Ship { records, remember }),
        3 => Just(Op::Trim),
        3 => Just(Op::Turn),
        2 => Just(Op::Prepare),
        2 => Just(Op::Kill),
        2 => any::<u64>().prop_map(Op::PowerLoss),
        2 => any::<u64>().prop_map(Op::KillRecovery),
    ]
}

/// What was done with a call.
#[derive(Clone, Debug, Default)]
struct Done {
    /// A crash since then can't take its admission back.
    admitted_synced: bool,
    settled: Option<(Outcome, i64)>,
    settled_synced: bool,
    progress: i64,
    attempts: i64,
    begun: i64,
    sent: bool,
    /// Power was lost while something of it was not synced.
    doubtful: bool,
    /// Nothing of it needs to be left.
    may_be_gone: bool,
}

struct World {
    mapped: bool,
    folder: tempfile::TempDir,
    outbox: Arc<Outbox>,
    tickets: Vec<(u64, Ticket)>,
    log: Vec<Outgoing>,
    calls: BTreeMap<u64, Done>,
    next: u64,
    /// The files as they are on the disk, by inode.
    disk: HashMap<u64, Vec<u8>>,
}

impl World {
    fn new(mapped: bool) -> Self {
        let folder = temporary();
        let outbox = reopen(folder.path(), mapped);
        let (tickets, log, calls) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { mapped, folder, outbox, tickets, log, calls, next: 0, disk: HashMap::new() }
    }

    fn files(&self) -> Vec<(String, u64, Vec<u8>)> {
        let entries = fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap());
        let file = |entry: fs::DirEntry| {
            let name = entry.file_name().into_string().unwrap();
            (name, entry.metadata().unwrap().ino(), fs::read(entry.path()).unwrap())
        };
        entries.map(file).collect()
    }

    fn sync(&mut self) {
        self.outbox.sync().unwrap();
        for (name, inode, bytes) in self.files() {
            if name.ends_with("seg") {
                self.disk.insert(inode, bytes);
            }
        }
        for done in self.calls.values_mut() {
            done.admitted_synced = true;
            done.settled_synced |= done.settled.is_some();
        }
    }

    fn trim(&mut self) {
        self.outbox.trim().unwrap();
        // trimming waits for the watermark
        for (name, inode, bytes) in self.files() {
            if name == "watermark" {
                self.disk.insert(inode, bytes);
            }
        }
    }

    fn ticket(&mut self, at: usize) -> Option<&mut (u64, Ticket)> {
        let count = self.tickets.len();
        self.tickets.get_mut(at % count.max(1))
    }

    fn admit(&mut self) -> bool {
        let number = self.next;
        let Ok(ticket) = self.outbox.admit(admission(number), None, prices()) else {
            return false;
        };
        self.next += 1;
        self.calls.insert(number, Done::default());
        self.tickets.push((number, ticket));
        true
    }

    fn settle(&mut self, at: usize, units: i64) {
        if self.tickets.is_empty() {
            return;
        }
        let (number, ticket) = self.tickets.swap_remove(at % self.tickets.len());
        drop(ticket.settle(settlement(units)));
        self.calls.get_mut(&number).unwrap().settled = Some((Outcome::Completed, units));
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Admit => {
                if self.tickets.len() < 8 {
                    self.admit();
                }
            }
            Op::Sent(at) => {
                if let Some((number, ticket)) = self.ticket(at) {
                    ticket.sent(&target("openai"));
                    let number = *number;
                    let done = self.calls.get_mut(&number).unwrap();
                    (done.sent, done.begun) = (true, done.attempts + 1);
                }
            }
            Op::Progress(at, units) => {
                if let Some((number, ticket)) = self.ticket(at) {
                    ticket.progress(units);
                    let number = *number;
                    let done = self.calls.get_mut(&number).unwrap();
                    done.progress = done.progress.max(units);
                }
            }
            Op::Attempt(at) => {
                if let Some((number, ticket)) = self.ticket(at) {
                    ticket.attempt(report(&target("openai")));
                    let number = *number;
                    self.calls.get_mut(&number).unwrap().attempts += 1;
                }
            }
            Op::Settle(at, units) => self.settle(at, units),
            Op::Drop(at) => {
                if !self.tickets.is_empty() {
                    let (number, ticket) = self.tickets.swap_remove(at % self.tickets.len());
                    drop(ticket);
                    let done = self.calls.get_mut(&number).unwrap();
                    done.settled = Some((Outcome::Abandoned, done.progress));
                }
            }
            Op::Many(count) => {
                for _ in 0..count {
                    if self.admit() {
                        self.settle(self.tickets.len() - 1, 1);
                    }
                }
            }
            Op::Sync => self.sync(),
            Op::Ship { records, remember } => {
                self.sync();
                let shipped = ship(&self.outbox, records, remember);
                self.log.extend(shipped);
            }
            Op::Trim => self.trim(),
            Op::Turn => {
                self.step(Op::Many(70));
                self.sync();
                loop {
                    let shipped = ship(&self.outbox, 500, true);
                    if shipped.is_empty() {
                        break;
                    }
                    self.log.extend(shipped);
                }
                self.trim();
            }
            Op::Prepare => self.outbox.prepare().unwrap(),
            Op::Kill => self.crash(None, None),
            Op::PowerLoss(seed) => self.crash(Some(seed), None),
            Op::KillRecovery(seed) => self.crash(None, Some(seed)),
        }
    }

    /// Leaves the folder to the next process: all of it, or with unsynced pages rolled back.
    fn crash(&mut self, power: Option<u64>, recovery: Option<u64>) {
        let files = self.files();
        for done in self.calls.values_mut() {
            if power.is_some() {
                done.doubtful |= !done.settled_synced;
                done.may_be_gone |= !done.admitted_synced;
            }
        }
        let mut random = power.map(Random);
        let known = self.leave(files, |name, inode, bytes, disk| match &mut random {
            Some(random) if name != "lock" => roll_back(random, disk.get(&inode), bytes),
            _ => bytes,
        });
        if power.is_some() {
            self.disk = self.files().into_iter().map(|(_, inode, bytes)| (inode, bytes)).collect();
        }
        if let Some(seed) = recovery {
            // killed while it wrote what it found missing: a part of the new segment is not there
            let mut random = Random(seed);
            let files = self.files();
            self.leave(files, |name, _, mut bytes, _| {
                if name.ends_with("seg") && !known.contains(name) && bytes.len() > PAGE {
                    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0).max(PAGE) + 1;
                    let cut = PAGE + random.below(end - PAGE + 1);
                    bytes[cut.min(end)..].fill(0);
                }
                bytes
            });
        }
        let unsettled = self.calls.values_mut().filter(|done| done.settled.is_none());
        for done in unsettled {
            done.settled = Some((Outcome::Lost, done.progress));
            // the attempt that was cut off is told as well
            done.attempts = done.attempts.max(done.begun);
        }
    }

    /// Copies the files, changed, to a new folder, and opens that. Returns the names it had.
    fn leave(
        &mut self,
        files: Vec<(String, u64, Vec<u8>)>,
        mut change: impl FnMut(&str, u64, Vec<u8>, &HashMap<u64, Vec<u8>>) -> Vec<u8>,
    ) -> BTreeSet<String> {
        let folder = temporary();
        let mut disk = HashMap::new();
        let mut names = BTreeSet::new();
        for (name, inode, bytes) in files {
            let path = folder.path().join(&name);
            fs::write(&path, change(&name, inode, bytes, &self.disk)).unwrap();
            if let Some(on_disk) = self.disk.remove(&inode) {
                disk.insert(fs::metadata(&path).unwrap().ino(), on_disk);
            }
            names.insert(name);
        }
        self.disk = disk;
        // the old tickets settle into the old folder, which nobody reads again
        self.tickets.clear();
        self.outbox = reopen(folder.path(), self.mapped);
        self.folder = folder;
        names
    }

    fn finish(mut self) {
        self.crash(None, None);
        loop {
            let shipped = ship(&self.outbox, 50, true);
            if shipped.is_empty() {
                break;
            }
            self.log.extend(shipped);
            self.trim();
        }
        self.check();
    }

    fn check(&self) {
        let mut kept: Vec<Outgoing> = Vec::new();
        let mut marks: HashMap<_, Outgoing> = HashMap::new();
        for out in &self.log {
            let mark =
                (out.to, out.record.headers[0].value.clone(), out.record.headers[1].value.clone());
            match marks.get(&mark) {
                Some(known) => assert_eq!(known, out, "the same mark, other bytes"),
                None => {
                    marks.insert(mark, out.clone());
                    kept.push(out.clone());
                }
            }
        }
        let usages = usages(&kept);
        let origins: BTreeSet<Origin> = usages.iter().map(|usage| usage.origin).collect();
        origins.into_iter().for_each(|origin| crashes::no_gap(&usages, origin));

        let mut by_call: HashMap<CallId, Vec<&Usage>> = HashMap::new();
        usages.iter().for_each(|usage| by_call.entry(usage.call).or_default().push(usage));
        for (number, done) in &self.calls {
            let found = by_call.remove(&call(*number)).unwrap_or_default();
            assert!(found.len() <= 1, "call {number} {done:?} settled more than once: {found:?}");
            let Some(usage) = found.first() else {
                assert!(done.may_be_gone, "call {number} {done:?} is lost");
                continue;
            };
            let (outcome, units) = done.settled.unwrap();
            if !done.doubtful {
                assert_eq!(usage.outcome, outcome, "call {number} {done:?}");
                assert_eq!(output(usage), units, "call {number} {done:?}");
                let provider = usage.charges.first().map(|charge| charge.provider.as_str());
                let known = done.sent || outcome == Outcome::Completed;
                assert!(provider.is_none_or(|provider| provider.is_empty() != known), "{usage:?}");
            }
        }
        assert!(by_call.is_empty(), "calls that nobody made: {by_call:?}");

        let mut tries: HashMap<CallId, BTreeSet<i32>> = HashMap::new();
        for attempt in attempts(&kept) {
            let new = tries.entry(attempt.call).or_default().insert(attempt.number);
            assert!(new, "attempt {} of {} twice", attempt.number, attempt.call);
        }
        for (number, done) in self.calls.iter().filter(|(_, done)| !done.doubtful) {
            let count = tries.get(&call(*number)).map_or(0, BTreeSet::len);
            assert_eq!(count as i64, done.attempts, "attempts of call {number}");
        }
    }
}

fn reopen(folder: &Path, mapped: bool) -> Arc<Outbox> {
    let mapped = Some(mapped);
    Outbox::open(Options { mapped, ..options(folder) }).unwrap()
}

/// Each page is as it was synced or as it was left, at random; a header is synced when it is made.
fn roll_back(random: &mut Random, disk: Option<&Vec<u8>>, mut bytes: Vec<u8>) -> Vec<u8> {
    let empty = Vec::new();
    let disk = disk.unwrap_or(&empty);
    let header = bytes.starts_with(b"HUBOUTBX");
    for (at, page) in bytes.chunks_mut(PAGE).enumerate() {
        if (at == 0 && header) || random.below(2) == 0 {
            continue;
        }
        let start = (at * PAGE).min(disk.len());
        let old = &disk[start..(start + page.len()).min(disk.len())];
        page[..old.len()].copy_from_slice(old);
        page[old.len()..].fill(0);
    }
    bytes
}

struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % most.max(1)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 8, failure_persistence: None, ..ProptestConfig::default() })]

    /// Invariants 1 to 4.
    #[test]
    fn whatever_happens_each_call_has_one_settled_event(mapped: bool, ops in prop::collection::vec(op(), 1..120)) {
        let mut world = World::new(mapped);
        ops.into_iter().for_each(|op| world.step(op));
        world.finish();
    }
}
