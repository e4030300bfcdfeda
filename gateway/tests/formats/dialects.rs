//! How clients ask, and what they are shown.

use std::collections::BTreeMap;

use bytes::Bytes;
use gateway::call::Asked;
use gateway::dialects::Dialect;
use gateway::reply::{Delta, Tally};
use gateway::streaming::frames::{FrameKind, Frames};
use schemas::event::{Meter, Quantity};
use schemas::ids::CallId;
use serde::Deserialize;
use serde_json::Value;

use super::rig::{call, cases, json, sourced, subfolders, target};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    name: String,
    source: String,
    path: String,
    /// The body: JSON, or text as it is.
    r#in: Value,
    #[serde(default)]
    asked: Option<Asked>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    max_output: Option<i64>,
    /// The field that the refusal names.
    #[serde(default)]
    refused: Option<String>,
}

#[test]
fn requests_say_what_is_asked() {
    for (dialect, folder) in subfolders("dialects") {
        let dialect = Dialect::named(&dialect).unwrap();
        for case in cases::<Request>(&folder.join("requests.json")) {
            let name = format!("{}: {}", dialect.as_str(), case.name);
            sourced(&name, &case.source);
            let body = case.r#in.as_str().map_or_else(|| case.r#in.to_string(), str::to_owned);
            let parsed = call(dialect, &case.path, body);
            let read = parsed.and_then(|call| Ok((call.asked()?, call)));
            match (read, &case.refused) {
                (Ok((asked, call)), None) => {
                    assert_eq!(
                        Some(in_order((*asked).clone())),
                        case.asked.map(in_order),
                        "{name}"
                    );
                    assert_eq!(call.stream, case.stream, "{name}");
                    assert_eq!(call.max_output, case.max_output, "{name}");
                    let model = case.model.as_deref();
                    assert!(model.is_none_or(|model| model == call.model.as_str()), "{name}");
                }
                (Ok(_), Some(_)) => panic!("{name}: was taken"),
                (Err(error), None) => panic!("{name}: {error}"),
                (Err(error), Some(field)) => {
                    assert_eq!(error.field.as_deref(), Some(field.as_str()), "{name}: {error}");
                }
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    name: String,
    source: String,
    path: String,
    r#in: Value,
    deltas: Vec<Delta>,
    #[serde(default)]
    meters: BTreeMap<String, i64>,
    /// A whole answer, as JSON.
    #[serde(default)]
    whole: Option<Value>,
    /// A stream, as text: lines. Of a binary one, a line is the name of a frame and its payload.
    #[serde(default)]
    stream: Option<Vec<String>>,
}

#[test]
fn answers_are_shown() {
    for (dialect, folder) in subfolders("dialects") {
        let dialect = Dialect::named(&dialect).unwrap();
        for case in cases::<Answer>(&folder.join("answers.json")) {
            let name = format!("{}: {}", dialect.as_str(), case.name);
            sourced(&name, &case.source);
            let mut call = call(dialect, &case.path, case.r#in.to_string()).unwrap();
            call.id = CallId::new(1_700_000_000_123, &[7; 10]);
            let tally = tally_of(&case.meters).or_input(call.estimated_input());
            let mut renderer = dialect.speech().renderer(&call, &target("openai", "target-model"));
            let mut out = Vec::new();
            for delta in case.deltas {
                renderer.show(delta, &mut out);
            }
            if !call.stream {
                assert!(out.is_empty(), "{name}: a whole answer is shown at its end");
            }
            renderer.end(&tally, &mut out);
            match (case.whole, case.stream) {
                (Some(whole), None) => assert_eq!(json(&out), whole, "{name}"),
                (None, Some(lines)) => {
                    let text = text_of(dialect, &out);
                    let lines = lines.iter().map(String::as_str).map(parsed);
                    let shown = text.lines().map(parsed);
                    assert_eq!(shown.collect::<Vec<_>>(), lines.collect::<Vec<_>>(), "{name}");
                }
                _ => panic!("{name}: either whole or stream"),
            }
        }
    }
}

/// A line of a stream: what stands before its document, and the document, in which the order of fields says
/// nothing.
fn parsed(line: &str) -> (&str, Value) {
    let start = line.find('{').unwrap_or(line.len());
    let (before, document) = line.split_at(start);
    match serde_json::from_str(document) {
        Ok(document) => (before, document),
        Err(_) => (line, Value::Null),
    }
}

/// The order of a request's own fields says nothing.
fn in_order(mut asked: Asked) -> Asked {
    match &mut asked {
        Asked::Chat(chat) => chat.own.sort_by(|a, b| a.name.cmp(&b.name)),
        Asked::Embed(embed) => embed.own.sort_by(|a, b| a.name.cmp(&b.name)),
        Asked::Draw(draw) => draw.own.sort_by(|a, b| a.name.cmp(&b.name)),
    }
    asked
}

fn text_of(dialect: Dialect, stream: &[u8]) -> String {
    if dialect.speech().content_type(true) != "application/vnd.amazon.eventstream" {
        return String::from_utf8_lossy(stream).into_owned();
    }
    let (mut frames, mut lines) = (Frames::default(), Vec::new());
    frames.push(Bytes::copy_from_slice(stream));
    while let Some(frame) = frames.frame().unwrap() {
        let payload = String::from_utf8_lossy(frame.payload()).into_owned();
        lines.push(match frame.kind() {
            FrameKind::Event(name) => format!("{name} {payload}"),
            FrameKind::Exception(name) => format!("exception {name} {payload}"),
            kind => format!("{kind:?}"),
        });
    }
    assert!(frames.is_whole(), "a frame is cut");
    lines.join("\n")
}

pub(crate) fn tally_of(meters: &BTreeMap<String, i64>) -> Tally {
    let quantity = |(name, units): (&String, &i64)| {
        let meter = Meter::ALL.iter().copied().find(|meter| meter.as_str() == name);
        Quantity { meter: meter.unwrap_or_else(|| panic!("no meter {name}")), units: *units }
    };
    Tally {
        quantities: meters.iter().map(quantity).collect(),
        reported: !meters.is_empty(),
        ..Tally::default()
    }
}
