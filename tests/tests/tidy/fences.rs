//! What modules may name: purity inside a package, which Cargo can't see.

use crate::tree::{code, files, has_word, none, rust};

/// Modules that do no I/O, read no clock and know no task.
const PURE: &[&str] = &[
    "gateway/src/call/",
    "gateway/src/dialects/",
    "gateway/src/reply/",
    "gateway/src/error.rs",
    "gateway/src/limits/bucket.rs",
    "gateway/src/limits/calendar.rs",
    "gateway/src/limits/others.rs",
    "gateway/src/limits/rule.rs",
    "gateway/src/limits/shown.rs",
    "gateway/src/limits/spend.rs",
    "gateway/src/routing/",
    "gateway/src/providers/",
    "gateway/src/streaming/frames.rs",
    "gateway/src/streaming/lines.rs",
    "gateway/src/streaming/sse.rs",
    "infra/control/src/entity/",
    "infra/control/src/role.rs",
    "infra/control/src/state.rs",
    "gateway/src/streaming/unread.rs",
    "processors/src/billing/account",
    "processors/src/billing/calls",
    "processors/src/billing/fold",
    "processors/src/billing/journal",
    "processors/src/pipeline/fold",
    "processors/src/pipeline/marks",
    "processors/src/pipeline/verdict",
    "processors/src/health/fold",
    "processors/src/health/minutes",
    "processors/src/health/rate",
    "processors/src/health/subject",
    "processors/src/health/thresholds",
    "processors/src/sink/operator",
    "processors/src/sink/rows",
    "schemas/src/",
];

const IMPURE: &[&str] = &[
    "tokio",
    "async",
    "await",
    "hyper",
    "hyper_util",
    "reqwest",
    "axum",
    "rusqlite",
    "rdkafka",
    "Instant",
    "SystemTime",
    "Clock",
    "TcpStream",
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
];

/// A word, and the only places that may say it.
const FENCES: &[(&str, &[&str])] = &[
    (
        "axum",
        &[
            "gateway/tests/",
            "gateway/src/http/",
            "gateway/src/lib.rs",
            "analytics/src/console/",
            "infra/admin/",
            "infra/hub/src/",
        ],
    ),
    ("apache_avro", &["schemas/"]),
    (
        "rusqlite",
        &["infra/runtime/src/log/local/", "infra/runtime/tests/", "tests/src/chaos/power.rs"],
    ),
    ("rdkafka", &["infra/runtime/src/log/kafka/", "infra/runtime/tests/"]),
    ("libloading", &["infra/hub/src/embedded/"]),
    ("memmap2", &["gateway/src/usage/"]),
    ("hyper_rustls", &["gateway/src/upstream/", "analytics/src/connect.rs"]),
    ("SystemTime", &["infra/runtime/src/clock.rs"]),
    ("anyhow", &["infra/hub/", "tests/"]),
    ("hub", &["infra/hub/", "tests/"]),
];

#[test]
fn pure_modules_do_no_io() {
    let mut wrong = Vec::new();
    for file in rust().filter(|file| PURE.iter().any(|path| file.path.starts_with(path))) {
        let code = file.shipped();
        let named = IMPURE.iter().filter(|word| has_word(&code, word));
        wrong.extend(named.map(|word| format!("{}: {word}", file.path)));
    }
    none("pure modules that name I/O, tasks or clocks", &wrong);
}

#[test]
fn libraries_stay_in_their_modules() {
    let mut wrong = Vec::new();
    for file in rust() {
        let code = code(&file.text);
        for (word, allowed) in FENCES {
            let path = format!("{word}::");
            if !allowed.iter().any(|place| file.path.starts_with(place)) && has_path(&code, &path) {
                wrong.push(format!("{}: {word}", file.path));
            }
        }
    }
    none("libraries outside their modules", &wrong);
}

/// Whether a path starts like this, as a name of its own.
fn has_path(code: &str, path: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    code.match_indices(path).any(|(at, _)| !code.split_at(at).0.ends_with(part))
}

#[test]
fn processors_use_of_analytics_only_its_rows() {
    let mut wrong = Vec::new();
    for file in rust().filter(|file| file.path.starts_with("processors/src/")) {
        let code = code(&file.text);
        let rows = code.replace("analytics::table", "");
        if has_path(&rows, "analytics::") {
            wrong.push(file.path.clone());
        }
    }
    none("uses of analytics beside analytics::table", &wrong);
}

#[test]
fn the_fences_name_what_is_there() {
    let mut gone = Vec::new();
    for place in PURE.iter().filter(|place| place.ends_with('/') || place.ends_with(".rs")) {
        if !files().iter().any(|file| file.path.starts_with(place)) {
            gone.push((*place).to_owned());
        }
    }
    none("fenced modules that do not exist", &gone);
}
