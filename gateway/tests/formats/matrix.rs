//! Every dialect against every provider format: what arrives at the provider means what its own
//! client would have said, and what the client is shown means what the provider said.
//!
//! A case of `matrix/` is the same request in each dialect, and an answer. A request goes from its
//! dialect to the provider's format and is read there again; an answer goes from the provider's
//! format to the dialect and is decoded there again. A verbatim copy of the wrong dialect reads as
//! nothing of the sort, so it fails.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use gateway::call::chat::{Chat, Content, Format as Shape, Message, Part, Source};
use gateway::call::{Asked, Call};
use gateway::dialects::{Dialect, Translated};
use gateway::providers::{Wanted, Wire, encode};
use gateway::reply::{Delta, Finish, Tally};
use gateway::routing::Target;
use serde::Deserialize;
use serde_json::Value;

use super::dialects::tally_of;
use super::formats::joined;
use super::rig::{call, folder, json, meters, sourced, target};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    feature: String,
    source: String,
    requests: BTreeMap<String, Request>,
    /// What a dialect or a format can't say of it.
    #[serde(default)]
    says_less: BTreeMap<String, BTreeSet<String>>,
    /// Formats that refuse it, and what the refusal names.
    #[serde(default)]
    refused_by: BTreeMap<String, String>,
    deltas: Vec<Delta>,
    meters: BTreeMap<String, i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    path: String,
    body: Value,
}

/// Each provider format with a vendor that speaks it, a model, and the dialect of its own clients.
pub(crate) const FORMATS: [(Wire, &str, &str, Option<Dialect>); 5] = [
    (Wire::OpenAi, "openai", "gpt-4.1", Some(Dialect::OpenAiChat)),
    (Wire::Anthropic, "anthropic", "claude-opus-4-6", Some(Dialect::Anthropic)),
    (Wire::Gemini, "gemini", "gemini-3-pro", Some(Dialect::Gemini)),
    (Wire::Bedrock, "bedrock", "anthropic.claude-opus-4-6-v1:0", Some(Dialect::Bedrock)),
    (Wire::Ollama, "ollama", "qwen3", None),
];

/// A target that responses are not passed to as they are: they are to be translated here.
pub(crate) fn translating(vendor: &str, model: &str) -> Target {
    let mut target = target(vendor, model);
    Arc::get_mut(&mut target.endpoint).unwrap().responses = None;
    target
}

fn cases() -> Vec<Case> {
    let mut paths: Vec<_> =
        std::fs::read_dir(folder("matrix")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| !path.ends_with("errors.json"));
    paths.sort();
    let read = |path: &Path| {
        let text = std::fs::read_to_string(path).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    paths.iter().map(|path| read(path)).collect()
}

/// The request as its dialect has it, as a whole or as a stream.
fn asked_in(case: &Case, dialect: Dialect, stream: bool) -> Option<Call> {
    let Request { path, body } = case.requests.get(dialect.as_str())?;
    let (mut path, mut body) = (path.clone(), body.clone());
    match dialect {
        _ if !stream => {}
        Dialect::Gemini => {
            path = path.replace(":generateContent", ":streamGenerateContent?alt=sse")
        }
        Dialect::Bedrock => path = path.replace("/converse", "/converse-stream"),
        Dialect::Aigne => body["options"]["streaming"] = true.into(),
        _ => body["stream"] = true.into(),
    }
    if stream && dialect == Dialect::OpenAiChat {
        body["stream_options"] = serde_json::json!({"include_usage": true});
    }
    let name = format!("{} in {}", case.feature, dialect.as_str());
    let call = call(dialect, &path, body.to_string());
    Some(call.unwrap_or_else(|error| panic!("{name}: {error}")))
}

fn chat_of(call: &Call) -> Chat {
    match &*call.asked().unwrap_or_else(|error| panic!("{}: {error}", call.dialect.as_str())) {
        Asked::Chat(chat) => chat.clone(),
        other => panic!("{other:?} is no chat"),
    }
}

/// The chat without what can be said in several ways, and without `less`.
fn meaning(mut chat: Chat, less: &BTreeSet<String>) -> Chat {
    let names: BTreeMap<String, String> = chat
        .messages
        .iter()
        .flat_map(|message| &message.parts)
        .filter_map(|part| match &part.content {
            Content::ToolCall { id, name, .. } => Some((id.clone(), name.clone())),
            _ => None,
        })
        .collect();
    let mut messages: Vec<Message> = Vec::new();
    for mut message in chat.messages {
        message.parts.iter_mut().for_each(|part| plain(part, &names, less));
        match messages.last_mut() {
            Some(last) if last.role == message.role => last.parts.append(&mut message.parts),
            _ => messages.push(message),
        }
    }
    chat.messages = messages;
    for tool in &mut chat.tools {
        tool.strict = None;
    }
    if let Shape::Schema { name, strict, .. } = &mut chat.format {
        *strict = None;
        if less.contains("schema_name") {
            name.clear();
        }
    }
    if less.contains("top_p") {
        chat.sampling.top_p = None;
    }
    if less.contains("cache") {
        let parts = chat.messages.iter_mut().flat_map(|message| &mut message.parts);
        chat.system.iter_mut().chain(parts).for_each(|part| part.cache = None);
        chat.tools.iter_mut().for_each(|tool| tool.cache = None);
    }
    if less.contains("stop") {
        chat.stop.clear();
    }
    if less.contains("max_output") {
        chat.max_output = None;
    }
    if less.contains("reasoning") {
        chat.reasoning = None;
    }
    if less.contains("tool_choice") {
        chat.tool_choice = None;
    }
    // that nothing is stored is how the hub works anyway
    chat.own.retain(|own| !own.may_drop);
    chat
}

fn plain(part: &mut Part, names: &BTreeMap<String, String>, less: &BTreeSet<String>) {
    match &mut part.content {
        Content::ToolCall { id, arguments, .. } => {
            let value: Value = serde_json::from_str(arguments).unwrap();
            *arguments = value.to_string();
            if less.contains("call_ids") {
                id.clear();
            }
        }
        Content::ToolResult { id, name, parts, .. } => {
            *name = names.get(id).cloned();
            parts.iter_mut().for_each(|part| plain(part, names, less));
            if less.contains("call_ids") {
                id.clear();
            }
        }
        Content::Image { source: Source::Data { .. }, detail } => *detail = None,
        _ => {}
    }
}

/// The deltas without names that are each format's own.
fn said(deltas: Vec<Delta>) -> Vec<Delta> {
    let kept = deltas.into_iter().filter_map(|delta| match delta {
        Delta::Start { .. } => None,
        // stands in for a proof that nobody gave
        Delta::Signature { signature, .. } if signature.text.ends_with('~') => None,
        Delta::Finish { choice, reason: Finish::StopSequence(None) } => {
            Some(Delta::Finish { choice, reason: Finish::Stop })
        }
        Delta::Arguments { choice, index, json } => {
            let value: Value = serde_json::from_str(&json).unwrap_or_else(|_| json.into());
            Some(Delta::Arguments { choice, index, json: value.to_string() })
        }
        delta => Some(delta),
    });
    joined(kept)
}

/// An answer's bytes, decoded by a provider of the format.
fn decoded(
    wire: Wire,
    call: &Call,
    target: &Target,
    bytes: &[u8],
) -> Result<(Vec<Delta>, Tally), String> {
    let mut decoder = wire.format().decoder(call, target, Wanted::Deltas);
    let mut pieces = Vec::new();
    let read = decoder.push(Bytes::copy_from_slice(bytes), &mut pieces);
    let read = read.and_then(|()| decoder.end(&mut pieces));
    read.map_err(|failure| {
        format!("{}: {}", failure.error.as_str(), String::from_utf8_lossy(bytes))
    })?;
    let deltas =
        said(joined(pieces.into_iter().flat_map(|piece| piece.deltas)).into_iter().collect());
    Ok((deltas, decoder.tally().clone()))
}

/// What a client of the dialect is shown of an answer.
fn shown(
    dialect: Dialect,
    call: &Call,
    target: &Target,
    deltas: &[Delta],
    tally: &Tally,
) -> Vec<u8> {
    let mut renderer = dialect.speech().renderer(call, target);
    let mut out = Vec::new();
    deltas.iter().for_each(|delta| renderer.show(delta.clone(), &mut out));
    renderer.end(tally, &mut out);
    without_stand_in(out)
}

/// Google itself gives a proof where the dialect puts what stands in for one.
fn without_stand_in(answer: Vec<u8>) -> Vec<u8> {
    let stand_in = r#","thoughtSignature":"skip_thought_signature_validator""#;
    match String::from_utf8(answer) {
        Ok(text) => text.replace(stand_in, "").into_bytes(),
        Err(binary) => binary.into_bytes(),
    }
}

/// The meters as a format tells them that has no word for some.
fn counted(meters: BTreeMap<String, i64>, less: &BTreeSet<String>) -> BTreeMap<String, i64> {
    let mut counted = meters;
    if less.contains("reasoning_tokens")
        && let Some(reasoning) = counted.remove("output_reasoning")
    {
        *counted.entry("output".to_owned()).or_default() += reasoning;
    }
    if less.contains("cached_tokens")
        && let Some(cached) = counted.remove("input_cached")
    {
        *counted.entry("input".to_owned()).or_default() += cached;
    }
    counted
}

/// What a dialect and a format can't say between them.
fn less_of(case: &Case, dialect: Dialect, wire: Wire, own: Option<Dialect>) -> BTreeSet<String> {
    let names = [Some(dialect.as_str()), Some(wire.as_str()), own.map(Dialect::as_str)];
    let lists = names.into_iter().flatten().filter_map(|name| case.says_less.get(name));
    lists.flatten().cloned().collect()
}

/// What is wrong with a request on its way; `None` when it means the same.
fn request_fault(case: &Case, dialect: Dialect, format: usize, stream: bool) -> Option<String> {
    let (wire, vendor, model, own) = FORMATS[format];
    let call = asked_in(case, dialect, stream)?;
    let target = translating(vendor, model);
    let sent = match (encode(&call, &target), case.refused_by.get(wire.as_str())) {
        (Err(error), Some(named)) if error.message.contains(named.as_str()) => return None,
        (Err(error), _) => return Some(error.to_string()),
        (Ok(_), Some(named)) => return Some(format!("{named} was to be refused")),
        (Ok(sent), None) => sent,
    };
    let reference = asked_in(case, Dialect::OpenAiChat, stream)?;
    let Some(own) = own else {
        return written_fault(case, &call, &reference, &target, stream);
    };
    let path = sent.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let there = match call_at(own, &path, &sent.body) {
        Ok(there) => there,
        Err(error) => return Some(format!("{error} in {}", String::from_utf8_lossy(&sent.body))),
    };
    if there.stream != stream {
        return Some("a stream is no stream there".to_owned());
    }
    let less = less_of(case, dialect, wire, Some(own));
    let (got, wanted) = (meaning(chat_of(&there), &less), meaning(chat_of(&reference), &less));
    (got != wanted).then(|| format!("{got:#?}\n  is not\n{wanted:#?}"))
}

/// What is wrong with a request to a provider that no client speaks the format of: it must be what
/// an OpenAI client's would be.
fn written_fault(
    case: &Case,
    call: &Call,
    reference: &Call,
    target: &Target,
    stream: bool,
) -> Option<String> {
    let wire = target.endpoint.vendor.format;
    let less = less_of(case, call.dialect, wire, None);
    let written = |asking: &Call| {
        let chat = Asked::Chat(meaning(chat_of(asking), &less));
        wire.format().write(&chat, call, target).map(|sent| json(&sent.body))
    };
    match (written(call), written(reference)) {
        (Ok(got), Ok(wanted)) if got == wanted && got["stream"] == stream => None,
        (got, wanted) => Some(format!("{got:#?}\n  is not\n{wanted:#?}")),
    }
}

/// An answer as Ollama gives it.
/// <https://github.com/ollama/ollama/blob/main/docs/api.md>
fn ollama(deltas: &[Delta], tally: &Tally, stream: bool) -> Vec<u8> {
    let (mut text, mut thinking, mut calls) = (String::new(), String::new(), Vec::new());
    let mut reason = "stop";
    for delta in deltas {
        match delta {
            Delta::Text { text: more, .. } => text.push_str(more),
            Delta::Reasoning { text: more, .. } => thinking.push_str(more),
            Delta::ToolCall { id, name, .. } => calls.push((id, name, Value::Null)),
            Delta::Arguments { json, .. } => {
                calls.last_mut().unwrap().2 = serde_json::from_str(json).unwrap();
            }
            Delta::Finish { reason: Finish::Length, .. } => reason = "length",
            _ => {}
        }
    }
    let calls = calls.iter().enumerate().map(|(index, (id, name, arguments))| {
        serde_json::json!({"id": id, "function": {"index": index, "name": name, "arguments": arguments}})
    });
    let calls = calls.collect::<Vec<_>>();
    let end = |message: Value| {
        serde_json::json!({"model": "m", "message": message, "done": true, "done_reason": reason,
            "prompt_eval_count": tally.input(), "eval_count": tally.output()})
    };
    let said = |content: &str, thinking: &str, calls: &[Value]| serde_json::json!({"role": "assistant", "content": content, "thinking": thinking, "tool_calls": calls});
    let line =
        |message: Value| serde_json::json!({"model": "m", "message": message, "done": false});
    let lines = match stream {
        false => vec![end(said(&text, &thinking, &calls))],
        true => vec![
            line(said("", &thinking, &[])),
            line(said(&text, "", &[])),
            line(said("", "", &calls)),
            end(said("", "", &[])),
        ],
    };
    lines.iter().map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

fn call_at(dialect: Dialect, path: &str, body: &Bytes) -> Result<Call, gateway::error::Error> {
    call(dialect, path, body.clone())
}

/// What is wrong with an answer on its way; `None` when it means the same.
fn answer_fault(case: &Case, dialect: Dialect, format: usize, stream: bool) -> Option<String> {
    let (wire, vendor, model, own) = FORMATS[format];
    if case.refused_by.contains_key(wire.as_str()) {
        return None;
    }
    let call = asked_in(case, dialect, stream)?;
    let there = translating(vendor, model);
    // the provider's answer, as its own dialect shows it
    let own_call = asked_in(case, own.unwrap_or(Dialect::OpenAiChat), stream)?;
    let tally = tally_of(&case.meters);
    let answer = match own {
        Some(own) => shown(own, &own_call, &there, &case.deltas, &tally),
        None => ollama(&case.deltas, &tally, stream),
    };
    let wanted = said(case.deltas.clone());
    let less = less_of(case, dialect, wire, own);
    let owed = counted(case.meters.clone(), &less);
    let right = |tally: &Tally| counted(meters(tally), &less) == owed;
    let first = decoded(wire, &own_call, &there, &answer);
    match first {
        Ok((got, tally)) if got == wanted && right(&tally) => {}
        other => return Some(format!("{} does not read itself: {other:#?}", wire.as_str())),
    }
    let decoder = wire.format().decoder(&call, &there, Wanted::Deltas);
    let mut translated = Translated::new(decoder, &call, &there);
    let mut pieces = Vec::new();
    use gateway::providers::Decoder as _;
    let read = translated.push(Bytes::from(answer), &mut pieces);
    if let Err(failure) = read.and_then(|()| translated.end(&mut pieces)) {
        return Some(failure.error.as_str().to_owned());
    }
    let out = without_stand_in(pieces.iter().flat_map(|piece| piece.bytes.to_vec()).collect());
    let Some(client) = dialect.speech().wire() else {
        return untold(&wanted, &out); // no provider speaks it: its own table says how it is shown
    };
    let (vendor, model) = FORMATS
        .iter()
        .find(|(wire, ..)| *wire == client)
        .map_or(("openai", "gpt-4.1"), |(_, vendor, model, _)| (*vendor, *model));
    match decoded(client, &call, &target(vendor, model), &out) {
        Ok((got, tally)) if got == wanted && right(&tally) => None,
        Ok((got, tally)) => Some(format!(
            "{got:#?} {:?}\n  is not\n{wanted:#?} {:?}\n  shown:\n{}",
            meters(&tally),
            case.meters,
            String::from_utf8_lossy(&out)
        )),
        Err(why) => Some(why),
    }
}

/// What of the answer is not in what the client is shown.
fn untold(wanted: &[Delta], out: &[u8]) -> Option<String> {
    let out = String::from_utf8_lossy(out);
    let told = |text: &String| {
        let escaped = Value::from(text.as_str()).to_string();
        // JSON may stand there as such
        out.contains(escaped.trim_matches('"')) || out.contains(text)
    };
    wanted.iter().find_map(|delta| match delta {
        Delta::Text { text, .. } | Delta::Reasoning { text, .. } if !told(text) => {
            Some(format!("{text:?} is not in {out}"))
        }
        Delta::ToolCall { id, name, .. } if !told(id) || !told(name) => {
            Some(format!("{name} {id} is not in {out}"))
        }
        _ => None,
    })
}

/// What became of a case at a pair.
pub(crate) struct Outcome {
    pub(crate) feature: String,
    pub(crate) dialect: Dialect,
    pub(crate) wire: Wire,
    pub(crate) stream: bool,
    /// It is refused by name, as it should be.
    pub(crate) is_refused: bool,
    pub(crate) faults: Vec<String>,
}

/// Each case at each pair, whole and as a stream.
pub(crate) fn outcomes() -> Vec<Outcome> {
    let mut all = Vec::new();
    for case in cases() {
        sourced(&case.feature, &case.source);
        for dialect in case.requests.keys().map(|name| Dialect::named(name).unwrap()) {
            for (format, (wire, ..)) in FORMATS.iter().enumerate() {
                for stream in [false, true] {
                    let faults = [
                        ("request", request_fault(&case, dialect, format, stream)),
                        ("answer", answer_fault(&case, dialect, format, stream)),
                    ];
                    let faults = faults
                        .into_iter()
                        .filter_map(|(way, fault)| fault.map(|fault| format!("{way}: {fault}")));
                    all.push(Outcome {
                        feature: case.feature.clone(),
                        dialect,
                        wire: *wire,
                        stream,
                        is_refused: case.refused_by.contains_key(wire.as_str()),
                        faults: faults.collect(),
                    });
                }
            }
        }
    }
    all
}

#[test]
fn every_dialect_reaches_every_format() {
    let outcomes = outcomes();
    assert!(outcomes.len() > 100, "cases are missing");
    let mut faults = String::new();
    for Outcome { feature, dialect, wire, stream, faults: found, .. } in &outcomes {
        let how = if *stream { "stream" } else { "whole" };
        for fault in found {
            let (dialect, wire) = (dialect.as_str(), wire.as_str());
            writeln!(faults, "{feature}: {dialect} at {wire}, {how}, {fault}").unwrap();
        }
    }
    assert!(faults.is_empty(), "{faults}");
}
