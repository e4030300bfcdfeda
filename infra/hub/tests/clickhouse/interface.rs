//! The HTTP interface itself: addresses, users, bodies, sessions, errors.

use std::io::Write as _;

use http::{Method, StatusCode};
use hub::embedded::clickhouse::Role;

use crate::harness::{Hub, Reply};

fn basic(user: &str, password: &str) -> String {
    use base64::Engine as _;
    format!(
        "Basic {}",
        base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"))
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_users() {
    let hub = Hub::start().await;
    for (path, body) in [("/ping", "Ok.\n"), ("/", "Ok.\n"), ("/replicas_status", "Ok.\n")] {
        let reply = hub.send(Method::GET, path, &[], "").await;
        assert_eq!((reply.status, reply.text().as_str()), (StatusCode::OK, body), "{path}");
    }
    assert_eq!(hub.send(Method::GET, "/nothing", &[], "").await.status, StatusCode::NOT_FOUND);
    let password = hub.password(Role::Writer);
    let right = basic("hub", &password);
    let url = format!("/?user=hub&password={password}&query=SELECT+1");
    let cases: [(&str, &[(&str, &str)], StatusCode, i32); 9] = [
        (
            "/?query=SELECT+1",
            &[("x-clickhouse-user", "hub"), ("x-clickhouse-key", &password)],
            StatusCode::OK,
            0,
        ),
        ("/?query=SELECT+1", &[("authorization", &right)], StatusCode::OK, 0),
        (&url, &[], StatusCode::OK, 0),
        ("/?query=SELECT+1", &[], StatusCode::UNAUTHORIZED, 194),
        ("/?query=SELECT+1", &[("x-clickhouse-user", "hub")], StatusCode::FORBIDDEN, 516),
        ("/?query=SELECT+1", &[("x-clickhouse-user", "default")], StatusCode::FORBIDDEN, 516),
        (
            "/?query=SELECT+1",
            &[("x-clickhouse-user", "reader"), ("x-clickhouse-key", &password)],
            StatusCode::FORBIDDEN,
            516,
        ),
        ("/?query=SELECT+1", &[("authorization", "Basic x")], StatusCode::UNAUTHORIZED, 194),
        ("/?query=SELECT+1&user=hub&password=wrong", &[], StatusCode::FORBIDDEN, 516),
    ];
    for (target, headers, status, code) in cases {
        let reply = hub.send(Method::GET, target, headers, "").await;
        assert_eq!(
            (reply.status, reply.code()),
            (status, code),
            "{target} {headers:?}: {}",
            reply.text()
        );
    }
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_tell_what_they_are() {
    let hub = Hub::start().await;
    let reply =
        hub.ask(Role::Writer, "query_id=mine&default_format=JSONEachRow", "SELECT 1 AS a").await;
    assert_eq!(reply.text(), "{\"a\":1}\n");
    assert_eq!(reply.header("x-clickhouse-query-id"), "mine");
    assert_eq!(reply.header("x-clickhouse-format"), "JSONEachRow");
    assert_eq!(reply.header("content-type"), "application/x-ndjson; charset=UTF-8");
    assert!(reply.header("x-clickhouse-summary").contains("\"read_rows\":\"1\""));
    assert!(!reply.header("x-clickhouse-timezone").is_empty());
    assert_eq!(reply.header("x-clickhouse-exception-tag").len(), 16);
    // The text's own format wins, and a document is one document however long it is.
    let reply = hub
        .ask(Role::Writer, "default_format=CSV", "SELECT number FROM numbers(200000) FORMAT JSON")
        .await;
    let document: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    assert_eq!(document["rows"], 200_000);
    // Headers appear once, also when blocks are joined.
    let reply = hub
        .ask(Role::Writer, "", "SELECT number AS n FROM numbers(200000) FORMAT CSVWithNames")
        .await;
    assert_eq!(reply.text().matches("\"n\"\n").count(), 1);
    assert_eq!(reply.text().lines().count(), 200_001);
    let cases = [
        ("SELECT nope", StatusCode::NOT_FOUND, 47),
        ("SELECT * FROM nowhere.t", StatusCode::NOT_FOUND, 81),
        ("SELEC", StatusCode::BAD_REQUEST, 62),
        ("", StatusCode::BAD_REQUEST, 62),
        ("SELECT throwIf(1)", StatusCode::INTERNAL_SERVER_ERROR, 395),
        ("SELECT 1 FORMAT Nope", StatusCode::NOT_FOUND, 73),
    ];
    for (sql, status, code) in cases {
        let reply = hub.ask(Role::Writer, "", sql).await;
        assert_eq!((reply.status, reply.code()), (status, code), "{sql}: {}", reply.text());
        assert!(
            reply.text().starts_with(&format!("Code: {code}. DB::Exception: ")),
            "{sql}: {}",
            reply.text()
        );
    }
    let long = format!("SELECT '{}'", "x".repeat(300_000));
    assert_eq!(hub.ask(Role::Writer, "", long).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let missing = hub.ask(Role::Writer, "database=nowhere", "SELECT 1").await;
    assert_eq!((missing.status, missing.code()), (StatusCode::NOT_FOUND, 81));
    hub.stop().await;
}

/// A late error breaks the stream; with `wait_end_of_query` it still gets its status.
#[tokio::test(flavor = "multi_thread")]
async fn errors_in_a_running_stream() {
    let hub = Hub::start().await;
    let sql = "SELECT number, throwIf(number = 300000) FROM numbers(400000)";
    let late = hub.ask(Role::Writer, "", sql).await;
    assert_eq!(late.status, StatusCode::OK);
    assert!(late.broken, "the body ended as if it were whole");
    let tag = late.header("x-clickhouse-exception-tag");
    let text = late.text();
    assert!(text.ends_with(&format!(" {tag}\r\n__exception__\r\n")));
    assert!(text.contains(&format!("\r\n__exception__\r\n{tag}\r\nCode: 395. DB::Exception: ")));
    let waited = hub.ask(Role::Writer, "wait_end_of_query=1", sql).await;
    assert_eq!((waited.status, waited.code()), (StatusCode::INTERNAL_SERVER_ERROR, 395));
    hub.stop().await;
}

fn compress(coding: &str, data: &[u8]) -> Vec<u8> {
    match coding {
        "gzip" => {
            let mut encoder =
                flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        "deflate" => {
            let mut encoder =
                flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        "zstd" => zstd::encode_all(data, 1).unwrap(),
        "lz4" => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_in_every_coding() {
    let hub = Hub::start().await;
    hub.good(Role::Writer, "CREATE TABLE hub.t (a UInt32, b String) ENGINE = MergeTree ORDER BY a")
        .await;
    let password = hub.password(Role::Writer);
    // An empty line and the engine's own statement ends are data like any other.
    let rows: String = (0..60_000).map(|a| format!("{a},\"x\n\n;'{a}\"\n")).collect();
    let credentials = [("x-clickhouse-user", "hub"), ("x-clickhouse-key", password.as_str())];
    for (done, coding) in (1..).zip(["gzip", "deflate", "zstd", "lz4"]) {
        let headers = [credentials[0], credentials[1], ("content-encoding", coding)];
        let in_url = hub
            .send(
                Method::POST,
                "/?query=INSERT+INTO+hub.t+FORMAT+CSV",
                &headers,
                compress(coding, rows.as_bytes()),
            )
            .await;
        assert_eq!(in_url.status, StatusCode::OK, "{coding}: {}", in_url.text());
        assert!(
            in_url.header("x-clickhouse-summary").contains("\"written_rows\":\"60000\""),
            "{coding}"
        );
        let whole = compress(coding, format!("INSERT INTO hub.t FORMAT CSV\n{rows}").as_bytes());
        let in_body = hub.send(Method::POST, "/", &headers, whole).await;
        assert_eq!(in_body.status, StatusCode::OK, "{coding}: {}", in_body.text());
        assert_eq!(
            hub.good(Role::Writer, "SELECT count() FROM hub.t").await,
            (done * 120_000).to_string(),
            "{coding}"
        );
        let cut = compress(coding, rows.as_bytes());
        let cut = hub
            .send(
                Method::POST,
                "/?query=INSERT+INTO+hub.t+FORMAT+CSV",
                &headers,
                cut[..cut.len() / 2].to_vec(),
            )
            .await;
        assert_eq!(
            (cut.status, cut.code()),
            (StatusCode::BAD_REQUEST, 271),
            "{coding}: {}",
            cut.text()
        );
        assert_eq!(
            hub.good(Role::Writer, "SELECT count() FROM hub.t").await,
            (done * 120_000).to_string(),
            "{coding}"
        );
        let asked = [credentials[0], credentials[1], ("accept-encoding", coding)];
        let encoded = hub.send(Method::POST, "/", &asked, "SELECT 7").await;
        assert_eq!(encoded.header("content-encoding"), coding);
        let plain = hub.send(Method::POST, "/?enable_http_compression=0", &asked, "SELECT 7").await;
        assert_eq!((plain.header("content-encoding"), plain.text().as_str()), ("", "7\n"));
    }
    let unknown = [credentials[0], credentials[1], ("content-encoding", "snappy")];
    assert_eq!(
        hub.send(Method::POST, "/", &unknown, "SELECT 1").await.status,
        StatusCode::NOT_IMPLEMENTED
    );
    let garbage = hub
        .ask(Role::Writer, "decompress=1&query=INSERT+INTO+hub.t+FORMAT+CSV", vec![1_u8; 100])
        .await;
    assert_eq!(garbage.code(), 271, "{}", garbage.text());
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_keep_their_state_and_nothing_else() {
    let hub = Hub::start().await;
    let ask = async |parameters: &str, sql: &str| -> Reply {
        hub.ask(Role::Writer, parameters, sql.to_owned()).await
    };
    assert_eq!(
        ask("session_id=s", "CREATE TEMPORARY TABLE t (a UInt8)").await.status,
        StatusCode::OK
    );
    assert_eq!(ask("session_id=s", "INSERT INTO t VALUES (1), (2)").await.status, StatusCode::OK);
    assert_eq!(ask("session_id=s", "SELECT sum(a) FROM t").await.text(), "3\n");
    assert_eq!(ask("session_id=other", "SELECT sum(a) FROM t").await.code(), 60);
    assert_eq!(ask("", "SELECT sum(a) FROM t").await.code(), 60);
    // A session of the same name belongs to another user.
    assert_eq!(hub.ask(Role::Reader, "session_id=s", "SELECT sum(a) FROM t").await.code(), 60);
    let threads = "SELECT getSetting('max_block_size')";
    let default = ask("session_id=s", threads).await.text();
    assert_eq!(ask("session_id=s&max_block_size=77", threads).await.text(), "77\n");
    assert_eq!(
        ask("session_id=s", threads).await.text(),
        default,
        "a setting of one request stayed"
    );
    assert_eq!(ask("session_id=s", "SET max_block_size = 78").await.status, StatusCode::OK);
    assert_eq!(ask("session_id=s&max_block_size=79", threads).await.text(), "79\n");
    assert_eq!(ask("session_id=s", threads).await.text(), "78\n");
    assert_eq!(ask("session_id=new&session_check=1", "SELECT 1").await.code(), 372);
    assert_eq!(ask("session_id=s&session_timeout=99999999", "SELECT 1").await.code(), 374);
    let (first, second) = tokio::join!(
        ask("session_id=busy", "SELECT sleepEachRow(0.5) FROM numbers(2)"),
        ask("session_id=busy", "SELECT sleepEachRow(0.5) FROM numbers(2)")
    );
    let mut codes = [first.code(), second.code()];
    codes.sort_unstable();
    assert_eq!(codes, [0, 373]);
    hub.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn get_does_not_write() {
    let hub = Hub::start().await;
    let password = hub.password(Role::Writer);
    let headers = [("x-clickhouse-user", "hub"), ("x-clickhouse-key", password.as_str())];
    let get =
        async |query: &str| hub.send(Method::GET, &format!("/?query={query}"), &headers, "").await;
    assert_eq!(get("SELECT+1").await.text(), "1\n");
    let refused = get("CREATE+TABLE+hub.t+(a+Int8)+ENGINE=Memory").await;
    assert_eq!(refused.code(), 164, "{}", refused.text());
    assert_eq!(hub.send(Method::DELETE, "/", &headers, "").await.status, StatusCode::BAD_REQUEST);
    hub.stop().await;
}
