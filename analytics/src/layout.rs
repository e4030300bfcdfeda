//! One server, or the replicas of a cluster.

use clickhouse::{Client, Row};
use serde::Deserialize;

use crate::Options;
use crate::migrate::Error;

/// How tables are made and written: one server's way unless set otherwise.
///
/// # On replicas
///
/// The cluster has one shard: each replica holds everything, and `clickhouse.url` may lead to any of
/// them. *A row once* then rests on this:
///
/// - The token of a batch (`insert_deduplication_token`) is kept in Keeper, so that a batch is taken
///   once by all replicas together. The table's `replicated_deduplication_window` and
///   `…_seconds` say for how long; it must be longer than an insert can be under way after its
///   sink was killed, a few minutes. The servers' defaults are an hour and more.
/// - An insert counts when the majority has it (`insert_quorum = auto`, set by [`Layout::client`]):
///   the log's position moves behind it, so a lost replica must not take it along. Inserts of
///   several partitions go on at once (`insert_quorum_parallel`, the servers' default).
/// - A replica may lag. The sink lets the one that it asks catch up (`SYSTEM SYNC REPLICA`) before
///   it reads where the rows of a partition end; other queries may see a moment ago.
///
/// The writer needs the rights `CLUSTER` and `SYSTEM SYNC REPLICA` beside those on the database.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    /// Engine of the tables, such as `ReplicatedMergeTree`.
    pub engine: String,
    /// Where statements run, such as `ON CLUSTER 'hub'`; empty for one server.
    pub on_cluster: String,
    cluster: Option<String>,
}

impl Default for Layout {
    fn default() -> Self {
        Self { engine: "MergeTree".to_owned(), on_cluster: String::new(), cluster: None }
    }
}

#[derive(Row, Deserialize)]
struct Shards {
    shards: u64,
    known: String,
}

impl Layout {
    /// On the replicas of this cluster, as the servers name it. Paths in Keeper and names of
    /// replicas are those of the servers' `default_replica_path` and `default_replica_name`.
    pub fn cluster(name: &str) -> Self {
        Self {
            engine: "ReplicatedMergeTree".to_owned(),
            on_cluster: format!("ON CLUSTER '{name}'"),
            cluster: Some(name.to_owned()),
        }
    }

    /// A client that writes as safely as this layout needs.
    pub fn client(&self, options: &Options) -> Client {
        let client = crate::client(options);
        match self.cluster {
            Some(_) => client.with_setting("insert_quorum", "auto"),
            None => client,
        }
    }

    /// A statement of this layout.
    pub(crate) fn fill(&self, sql: &str, database: &str) -> String {
        sql.replace("{database}", database)
            .replace("{engine}", &self.engine)
            .replace("{on_cluster}", &self.on_cluster)
    }

    /// Whether the server knows the cluster, and it has one shard. What a macro stands for only the
    /// servers know.
    pub(crate) async fn check(&self, client: &Client) -> Result<(), Error> {
        let Some(name) = self.cluster.as_ref().filter(|name| !name.contains('{')) else {
            return Ok(());
        };
        let query = "SELECT uniqExactIf(shard_num, cluster = {name:String}) AS shards, \
                     arrayStringConcat(arraySort(groupUniqArray(cluster)), ', ') AS known \
                     FROM system.clusters";
        let found = client.query_raw(query).param("name", name).fetch_one::<Shards>().await;
        let found = found.map_err(|source| Error::Statement { name: "clusters", source })?;
        match found {
            Shards { shards: 1, .. } => Ok(()),
            Shards { shards, known } => Err(Error::Cluster { name: name.clone(), shards, known }),
        }
    }
}
