//! One call from HTTP to ClickHouse, and the hub that is started again.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::rig::http::{Answer, chat};
use crate::{all_is_sound, hub, output, rows, rows_within, say, serve};

/// In which the row of a call must be there. Two seconds are promised of a machine that is not busy
/// with other tests.
const SOON: Duration = Duration::from_secs(60);
/// In which a hub that ran before serves again; it takes one second on such a machine.
const AGAIN: Duration = Duration::from_secs(60);

const USAGE: &str = "SELECT toString(call) AS call, account, project, key, model, operation, dialect, streamed, \
     outcome, status, attempts, error, `charges.provider` AS providers, `charges.meter` AS meters, \
     `charges.units` AS units, toBool(has(`charges.estimated`, true)) AS estimated FROM usage ORDER BY logged_at, log_offset";

fn id(answer: &Answer) -> &str {
    answer.header("x-hub-call")
}

/// Tokens read and written, as the answer says.
fn tokens(usage: &Value) -> (u64, u64) {
    let count = |name: &str| usage[name].as_u64().unwrap();
    (count("prompt_tokens"), count("completion_tokens"))
}

/// The row that a finished call of the demo must have.
fn row(answer: &Answer, streamed: bool, (read, written): (u64, u64)) -> Value {
    json!({
        "call": id(answer), "account": "default", "project": "default", "key": "test",
        "model": "demo", "operation": "chat", "dialect": "openai.chat", "streamed": streamed,
        "outcome": "completed", "status": 200, "attempts": 1, "error": "",
        "providers": ["demo", "demo"], "meters": ["input", "output"],
        "units": [read.to_string(), written.to_string()], "estimated": false,
    })
}

/// JSON writes 64-bit numbers as text or as numbers, by a setting of the server's.
fn as_text(mut rows: Vec<Value>) -> Vec<Value> {
    for unit in rows.iter_mut().filter_map(|row| row["units"].as_array_mut()).flatten() {
        if unit.is_number() {
            *unit = unit.to_string().into();
        }
    }
    rows
}

#[test]
fn one_call_from_http_to_clickhouse() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path(), &[], "");
    let process = serve(&hub);

    // the tables are made after the first call may come
    rows(&hub, 0, "SELECT 1 FROM ledger");
    let plain = chat(hub.listen, &hub.key, &say("demo", "one two three"));
    let answered = Instant::now();
    assert_eq!(plain.status, 200, "{}", plain.text());
    assert_eq!(plain.header("x-hub-target"), "demo/demo");
    let first = tokens(&plain.json()["usage"]);
    assert!(first.0 > 0 && first.1 > 0, "{first:?}");
    let found = rows_within(&hub, SOON, 1, USAGE);
    println!("the row was there after {:?}", answered.elapsed());
    assert_eq!(as_text(found), [row(&plain, false, first)]);

    // the usage is asked for at the provider, and shown only when the client asks
    let mut body = say("demo", "one two three");
    body["stream"] = true.into();
    let hidden = chat(hub.listen, &hub.key, &body);
    assert!(hidden.text().ends_with("data: [DONE]\n\n"), "{}", hidden.text());
    assert!(!hidden.text().contains("prompt_tokens"), "{}", hidden.text());
    body["stream_options"] = json!({"include_usage": true});
    let shown = chat(hub.listen, &hub.key, &body);
    let frames = shown.text();
    let usage = frames.lines().rev().find(|line| line.contains("prompt_tokens")).unwrap();
    let usage: Value = serde_json::from_str(usage.trim_start_matches("data: ")).unwrap();
    let second = tokens(&usage["usage"]);
    let expected =
        [row(&plain, false, first), row(&hidden, true, second), row(&shown, true, second)];
    assert_eq!(as_text(rows(&hub, 3, USAGE)), expected);

    // one USD per million read, two per million written
    let micros = |(read, written): (u64, u64)| read + 2 * written;
    let spent = micros(first) + 2 * micros(second);
    let costs = "SELECT toString(call) AS call, kind, toInt64(amount * 1000000) AS micros, account_seq AS seq, \
         toInt64(balance * 1000000) AS balance, arraySum(`postings.amount`) = 0 AS even FROM ledger ORDER BY account_seq \
         SETTINGS output_format_json_quote_64bit_integers = 0";
    let entries = rows(&hub, 3, costs);
    let entry = |answer: &Answer, cost: u64, seq: u64, sum: u64| {
        json!({
            "call": id(answer), "kind": "usage", "micros": -cost.cast_signed(), "seq": seq,
            "balance": -sum.cast_signed(), "even": true,
        })
    };
    let (one, two) = (micros(first), micros(second));
    let wanted = [
        entry(&plain, one, 1, one),
        entry(&hidden, two, 2, one + two),
        entry(&shown, two, 3, spent),
    ];
    let bare = |mut entry: Value| {
        entry["even"] = (entry["even"] == true || entry["even"] == 1).into();
        entry
    };
    assert_eq!(entries.into_iter().map(bare).collect::<Vec<_>>(), wanted);
    let balance =
        "SELECT account, toFloat64(balance) AS balance FROM balances_now WHERE account_seq = 3";
    let balance = rows(&hub, 1, balance);
    let published = balance[0]["balance"].as_f64().unwrap();
    let wanted = -f64::from(u32::try_from(spent).unwrap()) / 1e6;
    assert!((published - wanted).abs() < 1e-12, "{balance:?}");

    let attempts = "SELECT toString(call) AS call, number, provider, credential, status, error FROM attempts ORDER BY logged_at, log_offset";
    let attempt = |answer: &Answer| json!({"call": id(answer), "number": 1, "provider": "demo", "credential": "none", "status": 200, "error": "none"});
    assert_eq!(rows(&hub, 3, attempts), [attempt(&plain), attempt(&hidden), attempt(&shown)]);

    let table =
        output(&hub, &["sql", "SELECT model, outcome FROM usage ORDER BY logged_at LIMIT 1"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(
        ["model", "outcome", "demo", "completed", "─"].iter().all(|part| table.contains(part)),
        "{table}"
    );
    let csv = output(&hub, &["sql", "SELECT count() FROM usage", "--format", "CSV"]);
    assert_eq!(csv.stdout, b"3\n");
    assert_eq!(all_is_sound(&hub), 3);
    let (_, metrics) = e2e::hub::get(hub.admin, "/metrics").unwrap();
    let calls = metrics
        .lines()
        .filter(|line| line.starts_with("hub_calls_total{") && line.contains("completed"));
    let calls: f64 =
        calls.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum();
    assert!((calls - 3.0).abs() < 0.1, "{metrics}");
    assert!(metrics.ends_with("# EOF\n"), "{metrics}");

    assert!(process.stop().unwrap().success(), "{}", hub.tail("serve"));
    let stopped = Instant::now();
    let again = serve(&hub);
    let took = stopped.elapsed();
    println!("the second start took {took:?}");
    assert!(took < AGAIN, "the second start took {took:?}");
    let fourth = chat(hub.listen, &hub.key, &say("demo", "four"));
    assert_eq!(fourth.status, 200, "{}", fourth.text());
    let kept = rows(&hub, 4, USAGE);
    assert_eq!(as_text(kept)[..3], expected);
    assert_eq!(all_is_sound(&hub), 4);
    let sum = "SELECT account_seq FROM ledger WHERE account_seq = 4 SETTINGS output_format_json_quote_64bit_integers = 0";
    assert_eq!(rows(&hub, 1, sum), [json!({"account_seq": 4})], "the journal goes on where it was");
    assert!(again.stop().unwrap().success());
}
