//! The sink: what the log says, as rows in ClickHouse.
//!
//! A row once: one insert is one block in one ClickHouse partition, so it is there or it is not.
//!
//! 1. A batch is closed by size, age, or where the month of the log-append time changes.
//! 2. The step is committed to the log: its position, the end of the rows before it, and the dead
//!    letters. This proves that the partition is still owned, and names the batch.
//! 3. The batch is inserted under a token that names its rows; ClickHouse drops a second insert
//!    of the same token.
//!
//! On takeover the table says where its rows end. If that is before the batch that the last step
//! named, this very batch is inserted again under the same token, whatever became of the first
//! try; else the sink goes on behind it. Which seqs were seen is read from the table too. An owner
//! that was fenced can still send the batch that it had named, and nothing else.

mod fault;
mod fold;
mod operator;
mod resume;
mod rows;
mod store;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use analytics::table::Table;
use async_trait::async_trait;
use clickhouse::Client;
use runtime::task::CancellationToken;
use schemas::topics::Topic;
use tokio::time::Instant;

pub(crate) use fold::written_key;

pub use fault::{Fault, Kind as FaultKind};
pub use fold::{Batch, Sink};
pub use operator::{Audits, Changes};
pub use rows::{Attempts, Balances, Entries, From, Healths, Kind, Usages};
pub use store::{Resume, Store};

use crate::Deps;
use crate::pipeline::{self, Batching, End, Error, Held, Loaded, Processor};

/// How large batches grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Rows of an insert, 1 to a million.
    pub rows: usize,
    /// Bytes of an insert's events, as they are in the log.
    pub bytes: usize,
    /// Age at which a batch of calls or attempts is inserted, however small.
    pub age: Duration,
    /// The same for what processors publish.
    pub derived_age: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rows: 50_000,
            bytes: 64 << 20,
            age: Duration::from_millis(500),
            derived_age: Duration::from_secs(1),
        }
    }
}

/// Runs the sink of all tables for this process's share of partitions until cancelled.
pub async fn run(
    deps: Deps,
    client: Client,
    options: Options,
    token: CancellationToken,
) -> Vec<End> {
    let client = Arc::new(client);
    let (usage, attempts, ledger, balances, health, audit, changes) = tokio::join!(
        run_one::<Usages, _>(&deps, &client, options, &token),
        run_one::<Attempts, _>(&deps, &client, options, &token),
        run_one::<Entries, _>(&deps, &client, options, &token),
        run_one::<Balances, _>(&deps, &client, options, &token),
        run_one::<Healths, _>(&deps, &client, options, &token),
        run_one::<Audits, _>(&deps, &client, options, &token),
        run_one::<Changes, _>(&deps, &client, options, &token),
    );
    [usage, attempts, ledger, balances, health, audit, changes].into_iter().flatten().collect()
}

/// Runs the sink of one table.
pub async fn run_one<K: Kind, S: Store<K>>(
    deps: &Deps,
    store: &Arc<S>,
    options: Options,
    token: &CancellationToken,
) -> Vec<End> {
    let sink = Partitions::<K, S> {
        name: fold::name::<K>(),
        store: Arc::clone(store),
        options,
        kind: PhantomData,
    };
    pipeline::run(sink, deps.clone(), token.clone()).await
}

struct Partitions<K, S> {
    name: String,
    store: Arc<S>,
    options: Options,
    kind: PhantomData<fn() -> K>,
}

#[async_trait]
impl<K: Kind, S: Store<K>> Processor for Partitions<K, S> {
    type Fold = Sink<K>;

    fn name(&self) -> &str {
        &self.name
    }

    fn inputs(&self) -> &[Topic] {
        &[K::TOPIC]
    }

    fn batching(&self) -> Batching {
        let first = matches!(K::TABLE, Table::Usage | Table::Attempts);
        let linger = if first { self.options.age } else { self.options.derived_age };
        let records = self.options.rows.clamp(1, 1_000_000);
        Batching { records, bytes: self.options.bytes, linger }
    }

    async fn ready(&self, _deps: &Deps) -> Result<(), Error> {
        self.store.ping().await.map_err(resume::effect)
    }

    async fn load(
        &self,
        deps: &Deps,
        partition: u32,
        held: Held,
    ) -> Result<Loaded<Sink<K>>, Error> {
        resume::load(deps, &*self.store, partition, held, self.options.bytes).await
    }

    async fn effect(&self, deps: &Deps, fold: &mut Sink<K>) -> Result<(), Error> {
        if !fold.batch().is_empty() {
            let started = Instant::now();
            self.store.insert(fold.batch()).await.map_err(resume::effect)?;
            deps.board.inserted(&self.name, started.elapsed());
            fold.landed();
        }
        Ok(())
    }
}
