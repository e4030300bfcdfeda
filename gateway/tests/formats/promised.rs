//! `gateway/PROVIDERS.md`: what the tables show of the promised providers, and of each dialect at
//! each format. A case counts when its check passed, for what it holds: nobody labels it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use gateway::call::Asked;
use gateway::call::chat::{Content, Format};
use gateway::dialects::Dialect;
use gateway::reply::Delta;
use serde::Deserialize;

use super::formats::{Answer, Listed, Passed, Refusal, Written, answers, each};
use super::matrix::{self, FORMATS};
use super::refused;
use super::rig::{cases, folder, sourced};

/// The promised providers.
const PROVIDERS: [&str; 10] = [
    "openai",
    "anthropic",
    "gemini",
    "bedrock",
    "deepseek",
    "xai",
    "doubao",
    "openrouter",
    "ollama",
    "poe",
];

/// What must be shown of each, and whether by what it is asked, by what it answers, or both.
const COLUMNS: [(&str, bool, bool); 12] = [
    ("chat", true, true),
    ("stream", true, true),
    ("tools", true, true),
    ("parallel tools", false, true),
    ("vision", true, false),
    ("JSON schema", true, false),
    ("reasoning", true, true),
    ("cached tokens", false, true),
    ("embeddings", true, true),
    ("images", true, true),
    ("discovery", false, true),
    ("error classes", false, true),
];

/// Without one of each of these, errors are not understood.
const CLASSES: [&[&str]; 4] = [&["auth"], &["rate_limit"], &["caller"], &["server", "overload"]];

/// What a dialect must reach at each format.
const REACHED: [&str; 6] = ["chat", "stream", "tools", "vision", "reasoning", "errors"];

const HEAD: &str = "\
# Providers and dialects

Written by the test `providers_md_says_what_passed` from the cases that passed; `HUB_TEST_WRITE=1 cargo test -p gateway --test
formats providers_md` writes it anew. A case counts for what it holds, and names its source.

";

/// A case that passed: where it is, and what it is from.
#[derive(Clone)]
struct Proof {
    place: String,
    source: String,
}

#[derive(Default)]
struct Cell {
    asked: Vec<Proof>,
    answered: Vec<Proof>,
    /// Of errors.
    classes: BTreeSet<String>,
}

type Cells = BTreeMap<(String, &'static str), Cell>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lack {
    provider: String,
    column: String,
    says: String,
    source: String,
    /// `provider`, or `hub`: it is the hub that does not.
    by: String,
}

/// What a request shows. `dropped`: what of it did not go out.
fn asked(asked: &Asked, stream: bool, dropped: &[String]) -> Vec<&'static str> {
    let chat = match asked {
        Asked::Chat(chat) => chat,
        Asked::Embed(_) => return vec!["embeddings"],
        Asked::Draw(_) => return vec!["images"],
    };
    let gone = |name: &str| dropped.iter().any(|dropped| dropped.contains(name));
    let parts = || chat.messages.iter().flat_map(|message| &message.parts);
    let image = parts().any(|part| matches!(part.content, Content::Image { .. }));
    let schema = matches!(chat.format, Format::Schema { .. }) && !gone("format");
    let thinks = chat.reasoning.as_ref().is_some_and(|asked| asked.enabled != Some(false));
    let shown = [
        ("chat", !stream),
        ("stream", stream),
        ("tools", !chat.tools.is_empty()),
        ("vision", image),
        ("JSON schema", schema),
        ("reasoning", thinks && !gone("reasoning") && !gone("thinking")),
    ];
    shown.into_iter().filter(|(_, shown)| *shown).map(|(column, _)| column).collect()
}

/// What an answer shows.
fn answered(answer: &Answer) -> Vec<&'static str> {
    let has = |wanted: fn(&Delta) -> bool| answer.deltas.iter().any(wanted);
    let counts = |meter: &str| answer.meters.contains_key(meter);
    let text = has(|delta| matches!(delta, Delta::Text { .. }));
    let shown = [
        ("chat", text && !answer.stream),
        ("stream", text && answer.stream),
        ("tools", has(|delta| matches!(delta, Delta::ToolCall { .. }))),
        ("parallel tools", has(|delta| matches!(delta, Delta::ToolCall { index: 1.., .. }))),
        (
            "reasoning",
            has(|delta| matches!(delta, Delta::Reasoning { .. })) || counts("output_reasoning"),
        ),
        ("cached tokens", counts("input_cached")),
        ("embeddings", has(|delta| matches!(delta, Delta::Embedding { .. }))),
        ("images", has(|delta| matches!(delta, Delta::Image { .. }))),
    ];
    shown.into_iter().filter(|(_, shown)| *shown).map(|(column, _)| column).collect()
}

fn proof(wire: &str, table: &str, name: &str, source: &str) -> Proof {
    Proof { place: format!("{wire}/{table} \"{name}\""), source: source.to_owned() }
}

/// All cases, each checked before it counts.
fn shown() -> Cells {
    let mut cells = Cells::new();
    each::<Written>("written.json", |wire, case| {
        case.check(wire);
        if case.sent.refused.is_none() {
            let proof = proof(wire.as_str(), "written.json", &case.name, &case.source);
            for column in asked(&case.asked, case.stream, &case.sent.dropped) {
                let cell = cells.entry((case.vendor.clone(), column)).or_default();
                cell.asked.push(proof.clone());
            }
        }
    });
    each::<Passed>("passed.json", |wire, case| {
        let call = case.check(wire);
        // what only its own format knows passes, and shows nothing here
        if let (None, Ok(said)) = (&case.sent.refused, call.asked()) {
            let proof = proof(wire.as_str(), "passed.json", &case.name, &case.source);
            for column in asked(&said, call.stream, &case.sent.dropped) {
                let cell = cells.entry((case.vendor.clone(), column)).or_default();
                cell.asked.push(proof.clone());
            }
        }
    });
    for (wire, path, raw, answer) in answers() {
        answer.check(wire, &path, &raw);
        let file = path.file_name().unwrap().to_str().unwrap();
        let vendor = file.split('.').next().unwrap().to_owned();
        let place = format!("{}/{file}", wire.as_str());
        for column in answered(&answer).into_iter().filter(|_| answer.ends == "done") {
            let cell = cells.entry((vendor.clone(), column)).or_default();
            cell.answered.push(Proof { place: place.clone(), source: answer.source.clone() });
        }
    }
    each::<Refusal>("errors.json", |wire, case| {
        case.check(wire);
        let cell = cells.entry((case.vendor.clone(), "error classes")).or_default();
        cell.classes.insert(case.error.clone());
        cell.answered.push(proof(wire.as_str(), "errors.json", &case.name, &case.source));
    });
    each::<Listed>("listed.json", |wire, case| {
        case.check(wire);
        let cell = cells.entry((case.vendor.clone(), "discovery")).or_default();
        cell.answered.push(proof(wire.as_str(), "listed.json", &case.name, &case.source));
    });
    cells
}

/// What is missing in a cell; `None` when it is shown.
fn missing(
    cell: &Cell,
    (column, wants_asked, wants_answered): (&str, bool, bool),
) -> Option<String> {
    if wants_asked && cell.asked.is_empty() {
        return Some("no request".to_owned());
    }
    if wants_answered && cell.answered.is_empty() {
        return Some("no answer".to_owned());
    }
    let class = CLASSES.iter().filter(|_| column == "error classes");
    let lacks =
        class.into_iter().find(|any| !any.iter().any(|class| cell.classes.contains(*class)));
    lacks.map(|any| format!("no {}", any.join(" or ")))
}

fn table(out: &mut String, heads: impl Iterator<Item = String>, rows: &[Vec<String>]) {
    let heads: Vec<String> = heads.collect();
    writeln!(out, "| {} |", heads.join(" | ")).unwrap();
    writeln!(out, "|{}", " --- |".repeat(heads.len())).unwrap();
    for row in rows {
        writeln!(out, "| {} |", row.join(" | ")).unwrap();
    }
    out.push('\n');
}

/// The table of providers, what they lack, and the cases; with what is not shown.
fn providers(out: &mut String, faults: &mut Vec<String>) {
    let (cells, empty) = (shown(), Cell::default());
    let lacks: Vec<Lack> = cases(&folder("formats").join("lacks.json"));
    let (mut rows, mut proofs, mut notes) = (Vec::new(), String::new(), String::new());
    for provider in PROVIDERS {
        let mut row = vec![provider.to_owned()];
        writeln!(proofs, "\n### {provider}\n").unwrap();
        for column in COLUMNS {
            let name = column.0;
            let cell = cells.get(&(provider.to_owned(), name)).unwrap_or(&empty);
            let lack = lacks.iter().find(|lack| lack.provider == provider && lack.column == name);
            let missing = missing(cell, column);
            row.push(match (lack, &missing) {
                (None, None) if name == "error classes" => {
                    cell.classes.iter().cloned().collect::<Vec<_>>().join(", ")
                }
                (None, None) => "✓".to_owned(),
                (None, Some(why)) => {
                    faults.push(format!("{provider}, {name}: {why}"));
                    format!("**not shown** ({why})")
                }
                (Some(lack), Some(_)) if lack.by == "hub" => "not by the hub".to_owned(),
                (Some(_), Some(_)) => "–".to_owned(),
                (Some(_), None) => {
                    faults.push(format!("{provider}, {name}: is in lacks.json, and is shown"));
                    "✓".to_owned()
                }
            });
            if let Some(Lack { says, source, .. }) = lack {
                sourced(says, source);
                writeln!(notes, "- {provider}, {name}: {says} ({source}).").unwrap();
            }
            if lack.is_none() {
                writeln!(proofs, "- {name}: {}", told(cell)).unwrap();
            }
        }
        rows.push(row);
    }
    out.push_str("## Providers\n\n");
    let heads =
        ["provider".to_owned()].into_iter().chain(COLUMNS.map(|(name, ..)| name.to_owned()));
    table(out, heads, &rows);
    write!(out, "What is lacking:\n\n{notes}\n").unwrap();
    write!(
        out,
        "## Cases\n\nIn `gateway/tests/formats/`: how many, and the first of them.\n{proofs}\n"
    )
    .unwrap();
}

/// How many cases there are of each kind, and one of them.
fn told(cell: &Cell) -> String {
    let kind = |proofs: &[Proof], what: &str| {
        let Proof { place, source } = proofs.first()?;
        Some(format!("{} {what}, such as `{place}` ({source})", proofs.len()))
    };
    let kinds = [kind(&cell.asked, "asked"), kind(&cell.answered, "answered")];
    kinds.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The table of dialects at formats; with what is wrong.
fn dialects(out: &mut String, faults: &mut Vec<String>) {
    let (outcomes, refusals) = (matrix::outcomes(), refused::outcomes());
    let names: BTreeSet<&str> = outcomes.iter().map(|outcome| outcome.dialect.as_str()).collect();
    let mut rows = Vec::new();
    for dialect in names.into_iter().map(|name| Dialect::named(name).unwrap()) {
        for (wire, ..) in FORMATS {
            let mut row = vec![dialect.as_str().to_owned(), wire.as_str().to_owned()];
            for feature in REACHED {
                let here = outcomes.iter().filter(|outcome| {
                    let fits =
                        outcome.feature == feature || (feature == "stream" && outcome.stream);
                    outcome.dialect == dialect && outcome.wire == wire && fits
                });
                let here: Vec<_> = here.collect();
                let refusal = refusals.iter().find(|(of, at, _)| (*of, *at) == (dialect, wire));
                let passed = match feature {
                    "errors" => refusal.is_some_and(|(.., faults)| faults.is_empty()),
                    _ => !here.is_empty() && here.iter().all(|outcome| outcome.faults.is_empty()),
                };
                let is_refused = !here.is_empty() && here.iter().all(|outcome| outcome.is_refused);
                if !passed {
                    faults.push(format!("{} at {}: {feature}", dialect.as_str(), wire.as_str()));
                }
                row.push(
                    match (passed, is_refused) {
                        (true, true) => "refused by name",
                        (true, false) => "✓",
                        (false, _) => "**fails**",
                    }
                    .to_owned(),
                );
            }
            rows.push(row);
        }
    }
    out.push_str(
        "## Dialects at formats\n\nWhat arrives at the provider means what its own client would have said, and what the client \
         is shown\nmeans what the provider said, whole and as a stream: `gateway/tests/matrix/`. OpenAI's format is also \
         DeepSeek's, xAI's,\nDoubao's, OpenRouter's and Poe's. Responses pass as they are where a provider has them.\n\n",
    );
    let heads = ["dialect", "format"].into_iter().chain(REACHED).map(str::to_owned);
    table(out, heads, &rows);
}

#[test]
fn providers_md_says_what_passed() {
    let (mut out, mut faults) = (HEAD.to_owned(), Vec::new());
    let mut cases = String::new();
    providers(&mut cases, &mut faults);
    let (tables, cases) = cases.split_at(cases.find("## Cases").unwrap());
    out.push_str(tables);
    dialects(&mut out, &mut faults);
    out.push_str(cases.trim_end());
    out.push('\n');
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("PROVIDERS.md");
    if std::env::var_os("HUB_TEST_WRITE").is_some() {
        std::fs::write(&path, &out).unwrap();
    }
    assert!(faults.is_empty(), "not shown:\n{}", faults.join("\n"));
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == out,
        "gateway/PROVIDERS.md is not what passed: write it with HUB_TEST_WRITE=1"
    );
}
