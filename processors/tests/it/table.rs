//! A table that fails like ClickHouse does: before an insert, after it, or with the insert still
//! on its way; and that drops what it took before, by token.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use processors::sink::{Batch, Fault, FaultKind, Kind, Resume, Store};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

#[derive(Debug, Default, Clone)]
pub(crate) struct Rows {
    /// By offset: how often it was inserted, and its text.
    pub(crate) rows: BTreeMap<u64, Vec<String>>,
    seqs: BTreeMap<schemas::ids::Origin, BTreeSet<u64>>,
    tokens: HashSet<String>,
    /// Rows of each insert that landed.
    pub(crate) inserts: Vec<usize>,
    /// Inserts that still are on their way.
    late: Vec<Parcel>,
}

#[derive(Debug, Clone)]
struct Parcel {
    token: String,
    rows: Vec<(u64, Option<(schemas::ids::Origin, u64)>, String)>,
}

#[derive(Debug)]
pub(crate) struct Recorder {
    partitions: Mutex<BTreeMap<u32, Rows>>,
    log_id: String,
    random: Mutex<SmallRng>,
    percent: u32,
}

impl Recorder {
    pub(crate) fn new(log_id: String, seed: u64, percent: u32) -> Arc<Self> {
        let random = Mutex::new(SmallRng::seed_from_u64(seed));
        Arc::new(Self { partitions: Mutex::default(), log_id, random, percent })
    }

    pub(crate) fn rows(&self, partition: u32) -> Rows {
        self.partitions.lock().unwrap().get(&partition).cloned().unwrap_or_default()
    }

    pub(crate) fn wipe(&self) {
        self.partitions.lock().unwrap().clear();
    }

    fn strikes(&self) -> bool {
        self.random.lock().unwrap().random_ratio(self.percent, 100)
    }
}

fn fault(text: &str) -> Fault {
    Fault { kind: FaultKind::Away, text: text.to_owned() }
}

impl Rows {
    fn land(&mut self, parcel: Parcel) {
        if !self.tokens.insert(parcel.token) {
            return;
        }
        self.inserts.push(parcel.rows.len());
        for (offset, identity, text) in parcel.rows {
            self.rows.entry(offset).or_default().push(text);
            if let Some((origin, seq)) = identity {
                self.seqs.entry(origin).or_default().insert(seq);
            }
        }
    }
}

#[async_trait]
impl<K: Kind> Store<K> for Recorder {
    async fn ping(&self) -> Result<(), Fault> {
        if self.strikes() { Err(fault("no answer")) } else { Ok(()) }
    }

    async fn resume(&self, partition: u32) -> Result<Resume, Fault> {
        let rows = self.rows(partition);
        let mut resume = Resume {
            written: rows.rows.keys().last().map_or(0, |last| last + 1),
            log_ids: rows.rows.keys().take(1).map(|_| self.log_id.clone()).collect(),
            ..Resume::default()
        };
        for (origin, seqs) in rows.seqs {
            let mut mark = processors::pipeline::Mark::default();
            for seq in seqs {
                mark = mark.with(seq).unwrap();
            }
            resume.marks.restore(K::TOPIC, origin, mark);
        }
        Ok(resume)
    }

    async fn insert(&self, batch: &Batch<K>) -> Result<(), Fault> {
        let rows = batch.places().zip(batch.rows()).map(|(place, row)| {
            let identity = place.sighting.map(|sighting| (sighting.origin, sighting.seq));
            (place.offset, identity, format!("{row:?}"))
        });
        let parcel = Parcel { token: batch.token(), rows: rows.collect() };
        if self.strikes() {
            return Err(fault("refused"));
        }
        let (lost, late) = (self.strikes(), self.strikes());
        let mut partitions = self.partitions.lock().unwrap();
        let table = partitions.entry(batch.partition).or_default();
        if late {
            table.late.push(parcel);
            return Err(fault("timed out, and it is still on its way"));
        }
        table.land(parcel);
        // what was on its way may arrive at any time, also after its successor
        if let Some(parcel) = table.late.pop() {
            table.land(parcel);
        }
        if lost { Err(fault("the answer was lost")) } else { Ok(()) }
    }
}
