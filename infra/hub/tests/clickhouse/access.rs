//! What the users may not do, tried in every way that is known to work somewhere.

use http::StatusCode;
use hub::embedded::clickhouse::Role;

use crate::harness::Hub;

/// What must be refused, and (for those that the parser lets pass) by which of ClickHouse's errors.
const READER: [(&str, &[i32]); 62] = [
    ("INSERT INTO hub.t VALUES (1)", &[497]),
    ("INSERT INTO hub.t SELECT 1", &[497]),
    ("INSERT INTO hub.t FROM INFILE '/etc/passwd' FORMAT CSV", &[48]),
    ("INSERT INTO FUNCTION file('/tmp/hub-reader.csv') SELECT 1", &[497]),
    ("INSERT INTO FUNCTION url('http://127.0.0.1:1/', 'CSV', 'a String') SELECT 1", &[497]),
    ("CREATE TABLE hub.x (a Int8) ENGINE = Memory", &[497]),
    ("CREATE TEMPORARY TABLE x (a Int8)", &[497]),
    ("CREATE VIEW hub.v AS SELECT 1", &[497]),
    ("CREATE DATABASE x", &[497]),
    ("CREATE FUNCTION f AS x -> x", &[497]),
    ("CREATE USER x", &[497]),
    ("CREATE NAMED COLLECTION x AS a = 1", &[497]),
    ("GRANT writer TO default", &[497]),
    ("ALTER TABLE hub.t DELETE WHERE 1", &[497]),
    ("ALTER TABLE hub.t FREEZE", &[497]),
    ("DELETE FROM hub.t WHERE 1", &[497]),
    ("DROP TABLE hub.t", &[497]),
    ("TRUNCATE TABLE hub.t", &[497]),
    ("RENAME TABLE hub.t TO hub.u", &[497]),
    ("OPTIMIZE TABLE hub.t FINAL", &[497]),
    ("DETACH TABLE hub.t", &[497]),
    ("ATTACH TABLE hub.u (a Int8) ENGINE = Memory", &[497]),
    ("BACKUP TABLE hub.t TO File('x')", &[497]),
    ("SYSTEM STOP MERGES", &[497]),
    ("SYSTEM SHUTDOWN", &[497]),
    ("KILL QUERY WHERE 1", &[497]),
    ("SET readonly = 0", &[497]),
    ("SET max_threads = 1", &[497]),
    ("SET ROLE writer", &[497]),
    ("SET ROLE ALL", &[497]),
    ("EXECUTE AS default", &[497]),
    ("EXECUTE AS default SELECT 1", &[497]),
    ("USE system", &[497]),
    ("SELECT 1 INTO OUTFILE '/tmp/hub-reader.out'", &[497]),
    ("SELECT 1 INTO OUTFILE '/tmp/hub-reader.out' TRUNCATE FORMAT CSV", &[497]),
    ("SHOW DATABASES INTO OUTFILE '/tmp/hub-reader.out'", &[497]),
    ("SELECT 1; SELECT 2", &[62]),
    ("SELECT 1; DROP TABLE hub.t", &[62]),
    ("SELECT 1; -- x\nSET ROLE writer; INSERT INTO hub.t VALUES (1)", &[62]),
    ("SELECT 1 PARALLEL WITH SELECT 2", &[62]),
    ("SELECT 1 SETTINGS readonly = 0", &[164]),
    ("(SELECT 1 SETTINGS readonly = 1)", &[164]),
    ("SELECT 1 SETTINGS max_memory_usage = 0", &[452]),
    ("SELECT 1 SETTINGS max_memory_usage = 900000000000", &[452]),
    ("SELECT 1 SETTINGS max_execution_time = 0", &[452]),
    ("SELECT 1 SETTINGS max_execution_time = 100000", &[452]),
    ("SELECT 1 SETTINGS max_threads = 1000", &[452]),
    ("SELECT * FROM file('/etc/passwd', 'LineAsString')", &[497]),
    ("DESCRIBE file('/etc/passwd', 'LineAsString')", &[497]),
    ("SELECT * FROM `/etc/passwd`", &[497, 60]),
    ("SELECT * FROM default.`/etc/passwd`", &[497, 60]),
    ("SELECT file('/etc/passwd')", &[497]),
    ("SELECT file('/proc/self/environ')", &[497]),
    ("SELECT * APPLY file FROM (SELECT '/etc/passwd' AS a)", &[76]),
    ("SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", &[497]),
    ("SELECT * FROM remote('127.0.0.1:9000', system.one)", &[497]),
    ("SELECT * FROM mysql('127.0.0.1:1', 'a', 'b', 'c', 'd')", &[497]),
    ("SELECT * FROM sqlite('/tmp/x.db', 't')", &[497]),
    ("SELECT * FROM executable('x', 'TSV', 'a String')", &[497]),
    ("SELECT * FROM s3('http://127.0.0.1:1/bucket/key', 'TSV', 'a String')", &[497]),
    ("SELECT * FROM system.users", &[497]),
    ("SELECT * FROM hub.t FORMAT TSV; SELECT 1", &[62]),
];

#[tokio::test(flavor = "multi_thread")]
async fn the_reader_only_reads() {
    let hub = Hub::start().await;
    hub.good(Role::Writer, "CREATE TABLE hub.t (a UInt64) ENGINE = MergeTree ORDER BY a").await;
    hub.good(Role::Writer, "INSERT INTO hub.t SELECT number FROM numbers(10)").await;
    hub.good(Role::Writer, "CREATE DATABASE other").await;
    hub.good(Role::Writer, "CREATE TABLE other.t (a UInt64) ENGINE = Memory").await;
    for (sql, codes) in READER {
        let reply = hub.ask(Role::Reader, "", sql).await;
        assert!(codes.contains(&reply.code()), "{sql}: {} {}", reply.code(), reply.text());
        assert!(!reply.text().contains("root:"), "{sql}");
    }
    for (sql, answer) in [
        ("SELECT count() FROM hub.t", "10"),
        ("WITH 2 AS two SELECT two", "2"),
        ("SHOW TABLES FROM hub", "t"),
        ("SELECT sum(number) FROM numbers(10)", "45"),
        ("EXISTS TABLE hub.t", "1"),
        ("(SELECT 1) UNION ALL (SELECT 1)", "1\n1"),
        ("-- a comment\nSELECT a FROM hub.t WHERE a = 3 FORMAT JSONCompactEachRow;", "[3]"),
    ] {
        assert_eq!(hub.good(Role::Reader, sql).await, answer, "{sql}");
    }
    // What stands outside of its grants is not there for it.
    assert_eq!(hub.ask(Role::Reader, "", "SELECT * FROM other.t").await.code(), 497);
    assert_eq!(
        hub.good(Role::Reader, "SELECT count() FROM system.tables WHERE database = 'other'").await,
        "0"
    );
    // Some table functions open their file before they ask for the right.
    let inside = hub.folder.path().join("engine/metadata/evil.sql").display().to_string();
    for sql in [
        format!("SELECT * FROM sqlite('{inside}', 't')"),
        format!("DESCRIBE `sqlite`('{inside}', 't') FORMAT Null"),
        format!("EXPLAIN SELECT * FROM Sqlite('{inside}', 't')"),
        format!("WITH x AS (SELECT * FROM sqlite('{inside}', 't')) SELECT (SELECT count() FROM x)"),
        format!("SELECT 1 IN sqlite('{inside}', 't')"),
        format!("SELECT * FROM view(SELECT * FROM sqlite('{inside}', 't'))"),
    ] {
        assert_eq!(hub.ask(Role::Reader, "", sql.clone()).await.code(), 497, "{sql}");
    }
    assert!(!std::path::Path::new(&inside).exists());
    for path in ["/tmp/hub-reader.out", "/tmp/hub-reader.csv"] {
        assert!(!std::path::Path::new(path).exists(), "{path}");
    }
    assert_eq!(hub.good(Role::Writer, "SELECT count() FROM hub.t").await, "10");
    hub.stop().await;
}

/// Limits cannot be lifted by the URL nor from inside a subquery, and not by a session that outlives a request.
#[tokio::test(flavor = "multi_thread")]
async fn the_readers_limits_hold() {
    let hub = Hub::start().await;
    for (parameters, codes) in [
        ("readonly=0", &[164][..]),
        ("readonly=1", &[164]),
        ("max_memory_usage=0", &[452]),
        ("max_execution_time=0", &[452]),
        ("max_execution_time=99999", &[452]),
        ("allow_ddl=1&readonly=0", &[164]),
        ("profile=default&max_memory_usage=0", &[452]),
        ("no_such_setting=1", &[115]),
        ("max_threads%20%3D%201%2C%20readonly=0", &[115]),
        ("max_threads=1%27%2C%20readonly%20%3D%20%270", &[27, 6, 41, 72, 69]),
        ("session_id=a&readonly=0", &[164]),
        ("role=writer&query=INSERT+INTO+hub.t+VALUES+(1)", &[497]),
    ] {
        let reply = hub.ask(Role::Reader, parameters, "SELECT 1").await;
        assert!(codes.contains(&reply.code()), "{parameters}: {} {}", reply.code(), reply.text());
    }
    let nested = "SELECT count() FROM (SELECT number FROM numbers(1000000000000) WHERE number % 7 = 3 \
                  SETTINGS max_execution_time = 0, readonly = 0, max_memory_usage = 0)";
    let reply = hub.ask(Role::Reader, "max_execution_time=1", nested).await;
    assert_eq!(
        (reply.code(), reply.status),
        (159, StatusCode::REQUEST_TIMEOUT),
        "{}",
        reply.text()
    );
    let greedy = "SELECT length(groupArray(number)) FROM (SELECT number FROM numbers(1000000000) SETTINGS max_memory_usage = 0)";
    assert_eq!(hub.ask(Role::Reader, "", greedy).await.code(), 241);
    hub.stop().await;
}

/// The writer writes databases; it does not leave them.
#[tokio::test(flavor = "multi_thread")]
async fn the_writer_stays_in_its_databases() {
    let hub = Hub::start().await;
    for (sql, codes) in [
        ("SELECT 1 INTO OUTFILE '/tmp/hub-writer.out'", &[497][..]),
        ("SELECT 1; SELECT 2", &[62]),
        ("SELECT * FROM file('/etc/passwd', 'LineAsString')", &[497]),
        ("SELECT file('/etc/passwd')", &[76]),
        ("SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')", &[497]),
        ("CREATE TABLE hub.f (a String) ENGINE = File(CSV, '/etc/passwd')", &[497]),
        ("CREATE TABLE hub.f (a String) ENGINE = URL('http://127.0.0.1:1/', CSV)", &[497]),
        ("INSERT INTO FUNCTION file('/tmp/hub-writer.out') SELECT 1", &[497]),
        ("CREATE USER x", &[497]),
        ("GRANT ALL ON *.* TO default", &[497]),
        ("CREATE ROLE x", &[497]),
        ("SYSTEM SHUTDOWN", &[497]),
        ("BACKUP DATABASE hub TO File('x')", &[497]),
        ("SET max_execution_time = 0", &[452]),
    ] {
        let reply = hub.ask(Role::Writer, "", sql).await;
        assert!(codes.contains(&reply.code()), "{sql}: {} {}", reply.code(), reply.text());
    }
    assert!(!std::path::Path::new("/tmp/hub-writer.out").exists());
    hub.stop().await;
}
