//! The engine of this process and its sessions.
//!
//! **Who may do what is decided by ClickHouse's own access control.** A session always authenticates as the library's `default` user
//! (the library offers no other), so that user has no right of its own: it only holds two roles, and a session enables exactly one
//! before a client's text reaches it. The read-only role has `readonly = 2` on top, which the engine lets nobody lower.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::ffi::{Api, Connection, LoadError};
use super::{Limits, Role};

/// The engine could not be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The library could not be loaded or did not open the folder.
    #[error("embedded ClickHouse: {0}")]
    Load(String),
    /// The configuration or the folder could not be written.
    #[error("embedded ClickHouse: cannot prepare {}: {source}", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The engine started, but a first statement failed.
    #[error("embedded ClickHouse: {0}")]
    Statement(String),
}

impl From<LoadError> for Error {
    fn from(error: LoadError) -> Self {
        Self::Load(error.to_string())
    }
}

/// The opened engine; it lives as long as this.
pub(crate) struct Engine {
    api: &'static Api,
    path: String,
    limits: Limits,
    /// The version that errors and `/` name.
    pub(crate) version: String,
    /// The server's time zone, for `X-ClickHouse-Timezone`.
    pub(crate) timezone: String,
    /// Functions that the read-only role may not call, see [`super::tree`].
    pub(crate) forbidden: HashSet<String>,
    // The last connection's end would stop the engine.
    _keeper: std::sync::Mutex<Connection>,
}

impl Engine {
    /// Opens the data under `root`/engine, with the configuration written anew under `root`/config.
    pub(crate) fn open(api: &'static Api, root: &Path, limits: &Limits) -> Result<Self, Error> {
        let config = write_config(root, limits)?;
        let path = root.join("engine").display().to_string();
        let mut keeper = Connection::open(
            api,
            &[
                format!("--path={path}"),
                format!("--config-file={}", config.display()),
                "--logger.level=none".into(),
            ],
        )?;
        let line = keeper
            .query("SELECT version(), serverTimezone()", "TSVRaw", &[])
            .map(|output| String::from_utf8_lossy(output.bytes()).into_owned())
            .map_err(Error::Statement)?;
        let (version, timezone) =
            line.trim_end().split_once('\t').unwrap_or((line.trim_end(), "UTC"));
        let (version, timezone) = (version.to_owned(), timezone.to_owned());
        let names = keeper
            .query("SELECT name FROM system.table_functions", "TSVRaw", &[])
            .map(|output| String::from_utf8_lossy(output.bytes()).into_owned())
            .map_err(Error::Statement)?;
        let forbidden = super::tree::forbidden(names.lines());
        let engine = Self {
            forbidden,
            api,
            path,
            limits: limits.clone(),
            version,
            timezone,
            _keeper: std::sync::Mutex::new(keeper),
        };
        let mut session = engine.session(Role::Writer, "start").map_err(Error::Statement)?;
        session
            .query("CREATE DATABASE IF NOT EXISTS hub", "Null", &[])
            .map_err(Error::Statement)?;
        drop(session);
        Ok(engine)
    }

    /// A new session in which only `role` is enabled; `mark` names its statements for [`Engine::kill`]. Its errors are ClickHouse's
    /// texts.
    pub(crate) fn session(&self, role: Role, mark: &str) -> Result<Connection, String> {
        let mut args = vec![format!("--path={}", self.path), format!("--log_comment={mark}")];
        if role == Role::Reader {
            args.push("--readonly=2".into());
            args.push(format!("--max_execution_time={}", self.limits.reader_seconds));
        }
        let mut connection = Connection::open(self.api, &args)
            .map_err(|error| format!("Code: 210. DB::Exception: {error}. (NETWORK_ERROR)"))?;
        connection.query(&format!("SET ROLE {}", role.name()), "Null", &[])?;
        Ok(connection)
    }

    /// Asks the statement of the session with this mark to end. One that is between two blocks of its answer ends by itself.
    pub(crate) fn kill(&self, mark: &str) -> Result<(), String> {
        let mut session = self.session(Role::Writer, "kill")?;
        let params = [("mark".to_owned(), mark.to_owned())];
        let sql = "KILL QUERY WHERE Settings['log_comment'] = {mark:String} ASYNC";
        session.query(sql, "Null", &params).map(drop)
    }
}

fn write_config(root: &Path, limits: &Limits) -> Result<PathBuf, Error> {
    let folder = root.join("config");
    let make = |path: PathBuf, result: std::io::Result<()>| {
        result.map_err(|source| Error::Folder { path, source })
    };
    for path in [folder.clone(), root.join("engine"), root.join("engine").join("tmp")] {
        make(path.clone(), fs::create_dir_all(&path))?;
    }
    let (config, users) = (folder.join("config.xml"), folder.join("users.xml"));
    make(users.clone(), fs::write(&users, users_xml(limits)))?;
    make(config.clone(), fs::write(&config, config_xml(&users, limits)))?;
    Ok(config)
}

/// Server settings for a small machine: few background threads, small caches, and fsync of each inserted part.
fn config_xml(users: &Path, limits: &Limits) -> String {
    let memory = limits.memory_bytes;
    let cache = memory / 16;
    let values = [
        ("users_config", escape(&users.display().to_string())),
        ("max_server_memory_usage", memory.to_string()),
        ("max_thread_pool_size", "512".into()),
        ("max_thread_pool_free_size", "8".into()),
        ("background_pool_size", limits.threads.to_string()),
        ("background_schedule_pool_size", "2".into()),
        ("background_move_pool_size", "1".into()),
        ("background_fetches_pool_size", "1".into()),
        ("background_common_pool_size", "1".into()),
        ("max_io_thread_pool_size", (limits.threads * 4).to_string()),
        ("max_io_thread_pool_free_size", "2".into()),
        ("mark_cache_size", cache.to_string()),
        ("primary_index_cache_size", cache.to_string()),
        ("index_mark_cache_size", (cache / 4).to_string()),
        ("uncompressed_cache_size", "0".into()),
        ("query_condition_cache_size", (cache / 4).to_string()),
        ("compiled_expression_cache_size", (cache / 4).to_string()),
    ];
    let mut xml = String::from("<clickhouse>\n");
    for (name, value) in values {
        #[expect(clippy::let_underscore_must_use, reason = "writing to a String does not fail")]
        let _ = writeln!(xml, "  <{name}>{value}</{name}>");
    }
    xml.push_str(
        "  <merge_tree>\n    <fsync_after_insert>1</fsync_after_insert>\n    <fsync_part_directory>1</fsync_part_directory>\n    \
         <min_rows_to_fsync_after_merge>1</min_rows_to_fsync_after_merge>\n    \
         <min_compressed_bytes_to_fsync_after_merge>1</min_compressed_bytes_to_fsync_after_merge>\n    \
         <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>\n    \
         <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>\n    \
         <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>\n  \
         </merge_tree>\n</clickhouse>\n",
    );
    xml
}

/// What the writer may do: everything inside databases, nothing beside them (no files, URLs, other servers, users, executables).
const WRITER_GRANTS: &str = "GRANT SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY, \
    CREATE TEMPORARY TABLE, CREATE ARBITRARY TEMPORARY TABLE, CREATE FUNCTION, DROP, UNDROP TABLE, TRUNCATE, OPTIMIZE, SHOW, CHECK, \
    KILL QUERY, SYSTEM MERGES, SYSTEM TTL MERGES, SYSTEM FLUSH, SYSTEM DROP CACHE, dictGet ON *.*";

/// Roles and limits. A limit's least value is 1 because 0 means none.
fn users_xml(limits: &Limits) -> String {
    let memory = limits.memory_bytes / 2;
    format!(
        "<clickhouse>\n  <profiles><default>\n    <implicit_select>0</implicit_select>\n    <async_insert>0</async_insert>\n    \
         <max_memory_usage>{memory}</max_memory_usage>\n    <max_execution_time>{seconds}</max_execution_time>\n    \
         <max_threads>{threads}</max_threads>\n    <max_temporary_data_on_disk_size_for_query>{disk}</max_temporary_data_on_disk_size_for_query>\n    \
         <max_bytes_before_external_group_by>{spill}</max_bytes_before_external_group_by>\n    \
         <max_bytes_before_external_sort>{spill}</max_bytes_before_external_sort>\n    \
         <constraints>\n      <max_memory_usage><min>1</min><max>{memory}</max></max_memory_usage>\n      \
         <max_memory_usage_for_user><const/></max_memory_usage_for_user>\n      \
         <max_execution_time><min>1</min><max>{seconds}</max></max_execution_time>\n      \
         <timeout_overflow_mode><const/></timeout_overflow_mode>\n      \
         <max_threads><min>1</min><max>{threads}</max></max_threads>\n      \
         <max_temporary_data_on_disk_size_for_query><min>1</min><max>{disk}</max></max_temporary_data_on_disk_size_for_query>\n      \
         <max_query_size><min>1</min><max>{text}</max></max_query_size>\n      \
         <implicit_select><const/></implicit_select>\n    </constraints>\n  </default></profiles>\n  \
         <roles>\n    <reader><grants><query>GRANT SELECT, SHOW, dictGet ON hub.*</query></grants></reader>\n    \
         <writer><grants><query>{WRITER_GRANTS}</query></grants></writer>\n  </roles>\n  \
         <users><default>\n    <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>\n    \
         <grants><query>GRANT reader, writer</query></grants>\n  </default></users>\n  <quotas><default/></quotas>\n</clickhouse>\n",
        seconds = limits.max_seconds,
        threads = limits.threads,
        disk = limits.spill_bytes,
        spill = memory / 2,
        text = limits.text_bytes,
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::ServerOptions;
    use super::*;

    #[expect(
        clippy::disallowed_methods,
        reason = "tests are told by the environment where the library is"
    )]
    fn library() -> PathBuf {
        let folder = |name| std::env::var(name).ok().map(PathBuf::from);
        let named = folder("HUB_CLICKHOUSE_LIBRARY").filter(|file| file.is_file());
        let checkout =
            Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().join("target/cache");
        super::super::find_library(named.as_deref(), &[folder("HUB_CACHE").unwrap_or(checkout)])
            .unwrap()
    }

    /// The gate in front of the engine is not what holds the read-only role: its grants and `readonly` do. Here nothing stands between.
    #[test]
    fn the_engine_itself_refuses_the_reader() {
        let folder = tempfile::tempdir().unwrap();
        let options = ServerOptions {
            listen: ([127, 0, 0, 1], 0).into(),
            data_dir: folder.path().to_owned(),
            library: library(),
            memory_mib: 512,
            allow_unconfined_reader: false,
            supervised: false,
        };
        let engine = Engine::open(
            Api::load(&options.library).unwrap(),
            folder.path(),
            &Limits::of(&options),
        )
        .unwrap();
        let mut writer = engine.session(Role::Writer, "").unwrap();
        for sql in [
            "CREATE TABLE hub.t (a UInt8) ENGINE = MergeTree ORDER BY a",
            "INSERT INTO hub.t VALUES (1)",
        ] {
            writer.query(sql, "Null", &[]).map(drop).unwrap();
        }
        let mut reader = engine.session(Role::Reader, "").unwrap();
        for sql in [
            "INSERT INTO hub.t VALUES (1)",
            "CREATE TABLE hub.x (a Int8) ENGINE = Memory",
            "CREATE TEMPORARY TABLE x (a Int8)",
            "DROP TABLE hub.t",
            "TRUNCATE TABLE hub.t",
            "ALTER TABLE hub.t DELETE WHERE 1",
            "OPTIMIZE TABLE hub.t",
            "BACKUP TABLE hub.t TO File('x')",
            "CREATE USER x",
            "GRANT writer TO default",
            "EXECUTE AS default",
            "SYSTEM FLUSH LOGS",
            "SET readonly = 0",
            "SET max_memory_usage = 0",
            "SET max_execution_time = 0",
            "SELECT 1 SETTINGS readonly = 0",
            "SELECT * FROM file('/etc/passwd', 'LineAsString')",
            "SELECT * FROM `/etc/passwd`",
            "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
            "SELECT * FROM executable('x', 'TSV', 'a String')",
            "INSERT INTO FUNCTION file('/tmp/x.csv') SELECT 1",
        ] {
            assert!(reader.query(sql, "TSV", &[]).is_err(), "{sql}");
        }
        assert!(reader.insert("INSERT INTO hub.t", "CSV", &[]).is_err());
        // Only its parser keeps the reader from the other role, and there `readonly` still stands.
        reader.query("SET ROLE writer", "Null", &[]).map(drop).unwrap();
        assert!(reader.query("INSERT INTO hub.t VALUES (1)", "TSV", &[]).is_err());
        assert!(reader.query("SET readonly = 0", "TSV", &[]).is_err());
        assert_eq!(writer.query("SELECT count() FROM hub.t", "TSV", &[]).unwrap().bytes(), b"1\n");
    }
}
