//! Everything ClickHouse but who writes: tables, migrations and named queries.
//!
//! - `ddl/` holds the migrations, one statement each, only ever added to ([`migrate`]).
//! - [`table`] is the only Rust statement of the columns; a contract test compares it with what
//!   the migrations make.
//! - `queries/` holds named queries, one per file ([`query`]).
//!
//! Whether the other end is the embedded engine or a cluster is not known here: it is a URL, a
//! user and a password.

mod connect;
mod layout;
pub mod migrate;
pub mod query;
pub mod table;

use std::time::Duration;

pub use connect::Connector;
pub use layout::Layout;

/// Where ClickHouse is.
#[derive(Clone)]
pub struct Options {
    /// HTTP address, such as `http://127.0.0.1:8123`.
    pub url: String,
    /// Who connects.
    pub user: String,
    /// Their password.
    pub password: String,
    /// Database of the tables.
    pub database: String,
    /// How it is reached.
    pub connector: Connector,
}

/// No `Debug` of the password.
impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url, user, database, password: _, connector: _ } = self;
        write!(f, "clickhouse {user}@{url}/{database}")
    }
}

/// The database of the tables, unless set otherwise.
pub const DATABASE: &str = "hub";
/// The longest wait for the answer to an insert or a migration.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A client for the tables. Cheap to clone.
pub fn client(options: &Options) -> clickhouse::Client {
    bare_client(options).with_database(&options.database)
}

/// A client that works before the database is there.
fn bare_client(options: &Options) -> clickhouse::Client {
    options
        .connector
        .client()
        .with_url(&options.url)
        .with_user(&options.user)
        .with_password(&options.password)
}
