//! Brings the database to the tables that this build knows.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Layout, Options, bare_client};

/// One migration: one statement that does nothing where it was done before.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Rises by one, from 1.
    pub version: u32,
    /// Name of the file.
    pub name: &'static str,
    /// The statement.
    pub sql: &'static str,
}

macro_rules! migrations {
    ($($version:literal $name:literal),* $(,)?) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../ddl/", $name, ".sql")),
        }),*]
    };
}

/// All migrations. Only ever added to: one that was released never changes.
pub const MIGRATIONS: &[Migration] = migrations! {
    1 "0001_usage",
    2 "0002_attempts",
    3 "0003_ledger",
    4 "0004_balances",
    5 "0005_health",
    6 "0006_audit",
    7 "0007_charges",
    8 "0008_calls",
    9 "0009_spend",
    10 "0010_balances_now",
    11 "0011_health_now",
    12 "0012_audit_origin",
    13 "0013_changes",
    14 "0014_trail",
};

/// What the migrations themselves are noted in.
const FIRST: [(&str, &str); 2] = [
    ("database", "CREATE DATABASE IF NOT EXISTS {database} {on_cluster}"),
    (
        "migrations",
        "CREATE TABLE IF NOT EXISTS {database}.migrations {on_cluster} \
         (version UInt32, name String, hash String) ENGINE = {engine} ORDER BY version",
    ),
];

/// Every statement that makes the tables, by name and in order, as this layout has it.
pub fn statements(database: &str, layout: &Layout) -> Vec<(&'static str, String)> {
    let migrations = MIGRATIONS.iter().map(|migration| (migration.name, migration.sql));
    let all = FIRST.into_iter().chain(migrations);
    all.map(|(name, sql)| (name, layout.fill(sql, database))).collect()
}

/// Why the tables can't be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// ClickHouse refused or is away.
    #[error("migration {name}: {source}")]
    Statement {
        /// Which statement.
        name: &'static str,
        /// What ClickHouse says.
        source: clickhouse::error::Error,
    },
    /// The database was migrated with another text of a migration.
    #[error(
        "migration {name} was applied with another text (was {applied}, is {own}); \
         a migration never changes: add a new one"
    )]
    Changed {
        /// Which one.
        name: &'static str,
        /// Hash as applied.
        applied: String,
        /// Hash of this build.
        own: String,
    },
    /// The cluster is not one on whose replicas the tables can be kept.
    #[error(
        "clickhouse.cluster: the cluster {name:?} has {shards} shards; the tables are kept on the \
         replicas of one (known: {known})"
    )]
    Cluster {
        /// As configured.
        name: String,
        /// How many shards it has; none when the server does not know it.
        shards: u64,
        /// The clusters that the server knows.
        known: String,
    },
    /// The database was migrated by a newer build.
    #[error("the database is at migration {found}, this build knows {known}: use the newer build")]
    Newer {
        /// The database's version.
        found: u32,
        /// The newest that is known.
        known: u32,
    },
}

#[derive(Row, Serialize, Deserialize)]
struct Applied {
    version: u32,
    name: String,
    hash: String,
}

/// Applies what is missing, and returns the version that the database is at. Safe when several
/// processes do it at the same time: every statement may run twice.
///
/// # Errors
/// [`Error`].
pub async fn migrate(options: &Options, layout: &Layout) -> Result<u32, Error> {
    let client = bare_client(options);
    layout.check(&client).await?;
    let fill = |sql: &str| layout.fill(sql, &options.database);
    let run = async |name, sql: &str| {
        let done = client.query_raw(&fill(sql)).execute().await;
        done.map_err(|source| Error::Statement { name, source })
    };
    for (name, sql) in FIRST {
        run(name, sql).await?;
    }
    let read =
        fill("SELECT DISTINCT version, name, hash FROM {database}.migrations ORDER BY version");
    let applied = client.query_raw(&read).fetch_all::<Applied>().await;
    let applied = applied.map_err(|source| Error::Statement { name: "migrations", source })?;
    let known = MIGRATIONS.last().map_or(0, |migration| migration.version);
    if let Some(newer) = applied.iter().find(|applied| applied.version > known) {
        return Err(Error::Newer { found: newer.version, known });
    }
    for migration in MIGRATIONS {
        let (name, own) = (migration.name, hash(migration.sql));
        let before = applied.iter().find(|applied| applied.version == migration.version);
        match before {
            Some(before) if before.hash == own => continue,
            Some(before) => {
                return Err(Error::Changed { name, applied: before.hash.clone(), own });
            }
            None => {}
        }
        run(name, migration.sql).await?;
        let note = fill("INSERT INTO {database}.migrations SELECT ")
            + &format!("{}, '{name}', '{own}'", migration.version);
        let noted = client.query_raw(&note).execute().await;
        noted.map_err(|source| Error::Statement { name, source })?;
        tracing::info!(migration = name, "applied");
    }
    Ok(known)
}

fn hash(sql: &str) -> String {
    Sha256::digest(sql).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_is_a_migration_in_order() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("ddl");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        files.sort();
        let known: Vec<_> =
            MIGRATIONS.iter().map(|migration| format!("{}.sql", migration.name)).collect();
        assert_eq!(files, known);
        for (at, migration) in (1_u32..).zip(MIGRATIONS) {
            assert_eq!(migration.version, at);
            assert!(migration.name.starts_with(&format!("{at:04}_")), "{}", migration.name);
            assert!(migration.sql.contains("IF NOT EXISTS"), "{}", migration.name);
            let ends = migration.sql.lines().any(|line| line.trim_end().ends_with(';'));
            assert!(!ends, "{}: one statement, not ended", migration.name);
        }
    }
}
