//! Tables over what vendors document: requests out, streams in. A stream is three files: what the
//! vendor sends, what the client is shown of it, and what it amounts to.
#![cfg(test)]

#[path = "../samples/target.rs"]
mod target;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gateway::call::Call;
use gateway::dialects::openai::{chat, embeddings};
use gateway::providers;
use gateway::providers::{PieceKind, Wire, compat};
use gateway::reply::Tally;
use http::HeaderMap;
use proptest::prelude::*;
use proptest::sample::Index;
use schemas::event::Meter;
use serde::Deserialize;
use target::target;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    vendor: String,
    name: String,
    target_model: String,
    operation: String,
    r#in: String,
    #[serde(default)]
    out: Option<String>,
    #[serde(default)]
    refused: Option<String>,
    #[serde(default)]
    capped: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    ends: String,
    content_bytes: u64,
    meters: BTreeMap<String, i64>,
    reported_nano: Option<i64>,
    #[serde(default)]
    usage_wanted: bool,
    #[serde(default = "one")]
    choices: i64,
}

const fn one() -> i64 {
    1
}

/// What a decoder made of a stream.
#[derive(PartialEq, Eq, Debug)]
struct Read {
    ends: String,
    pieces: Vec<(PieceKind, Vec<u8>)>,
    tally: Tally,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/providers")
}

fn streaming() -> Call {
    let body = r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true}"#;
    chat(&HeaderMap::new(), Bytes::from(body)).unwrap()
}

#[test]
fn requests_go_out_as_they_came_but_for_what_must_change() {
    let text = std::fs::read_to_string(folder().join("requests.json")).unwrap();
    let requests: Vec<Request> = serde_json::from_str(&text).unwrap();
    for case in requests {
        let name = format!("{}: {}", case.vendor, case.name);
        let body = Bytes::from(case.r#in.clone());
        let parse = if case.operation == "chat" { chat } else { embeddings };
        let mut call = parse(&HeaderMap::new(), body.clone()).unwrap();
        if let Some(tokens) = case.capped {
            call.cap_output(tokens);
        }
        match providers::encode(&call, &target(&case.vendor, &case.target_model)) {
            Ok(outbound) => {
                let sent = std::str::from_utf8(&outbound.body).unwrap();
                assert_eq!(Some(sent), case.out.as_deref(), "{name}");
                // what does not change is not even copied
                assert_eq!(sent == case.r#in, outbound.body.as_ptr() == body.as_ptr(), "{name}");
                let path = outbound.uri.path();
                let wanted =
                    if case.operation == "chat" { "/chat/completions" } else { "/embeddings" };
                assert!(path.ends_with(wanted), "{name}: {path}");
            }
            Err(error) => {
                let wanted = case.refused.unwrap_or_else(|| panic!("{name}: {error}"));
                assert!(error.message.contains(&wanted), "{name}: {error}");
            }
        }
    }
}

fn streams() -> Vec<(PathBuf, Vec<u8>, Vec<u8>, Expected)> {
    let mut found = Vec::new();
    for vendor in std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(files) = std::fs::read_dir(&vendor) else {
            continue;
        };
        for path in files.map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|extension| extension == "json") {
                let expected = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
                let read = |extension: &str| std::fs::read(path.with_extension(extension)).unwrap();
                found.push((path.clone(), read("sse"), read("shown.sse"), expected));
            }
        }
    }
    assert!(found.len() > 15, "fixtures are missing");
    found
}

fn read(path: &Path, expected: &Expected, parts: &[&[u8]]) -> Read {
    let vendor = path.parent().unwrap().file_name().unwrap().to_str().unwrap();
    let mut call = streaming();
    call.usage_wanted = expected.usage_wanted;
    call.choices = expected.choices;
    let mut decoder = providers::decoder(&call, &target(vendor, "m"));
    let mut pieces = Vec::new();
    let fed =
        parts.iter().try_for_each(|part| decoder.push(Bytes::copy_from_slice(part), &mut pieces));
    let ended = fed.and_then(|()| decoder.end(&mut pieces));
    let ends =
        ended.map_or_else(|failure| failure.error.as_str().to_owned(), |()| "done".to_owned());
    Read {
        ends,
        pieces: pieces.into_iter().map(|piece| (piece.kind, piece.bytes.to_vec())).collect(),
        tally: decoder.tally().clone(),
    }
}

#[test]
fn streams_are_shown_and_counted() {
    for (path, sent, shown, expected) in streams() {
        let read = read(&path, &expected, &[&sent]);
        let name = path.display();
        assert_eq!(read.ends, expected.ends, "{name}");
        let shown_pieces = read.pieces.iter().filter(|(kind, _)| *kind != PieceKind::Failed);
        let out: Vec<u8> = shown_pieces.flat_map(|(_, bytes)| bytes.clone()).collect();
        assert_eq!(String::from_utf8(out).unwrap(), String::from_utf8(shown).unwrap(), "{name}");
        assert_eq!(read.tally.content_bytes, expected.content_bytes, "{name}");
        assert_eq!(read.tally.reported_nano, expected.reported_nano, "{name}");
        let meters = read.tally.quantities.iter();
        let meters: BTreeMap<String, i64> =
            meters.map(|quantity| (quantity.meter.as_str().to_owned(), quantity.units)).collect();
        assert_eq!(meters, expected.meters, "{name}");
        assert_eq!(meters.len(), read.tally.quantities.len(), "{name}: a meter twice");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_split_decodes_the_same(cuts in proptest::collection::vec(any::<Index>(), 0..16)) {
        for (path, sent, _, expected) in streams() {
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(sent.len() + 1)).collect();
            places.extend([0, sent.len()]);
            places.sort_unstable();
            let parts: Vec<&[u8]> = places.windows(2).map(|pair| &sent[pair[0]..pair[1]]).collect();
            let whole = read(&path, &expected, &[&sent]);
            prop_assert_eq!(read(&path, &expected, &parts), whole, "{}", path.display());
        }
    }

    #[test]
    fn meters_are_disjoint(
        prompt in 0..500_i64, completion in 0..500_i64,
        cached in 0..600_i64, written in 0..600_i64, audio in 0..600_i64,
        reasoning in 0..600_i64, spoken in 0..600_i64, with_total in any::<bool>(), outside in any::<bool>(),
    ) {
        let total = prompt + completion + if outside { reasoning } else { 0 };
        let total = if with_total { format!(",\"total_tokens\":{total}") } else { String::new() };
        let usage = format!(
            "data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":{prompt},\"completion_tokens\":{completion}{total},\
             \"prompt_tokens_details\":{{\"cached_tokens\":{cached},\"cache_write_tokens\":{written},\"audio_tokens\":{audio}}},\
             \"completion_tokens_details\":{{\"reasoning_tokens\":{reasoning},\"audio_tokens\":{spoken}}}}}}}\n\ndata: [DONE]\n\n"
        );
        let expected = Expected {
            ends: "done".into(), content_bytes: 0, meters: BTreeMap::new(), reported_nano: None,
            usage_wanted: true, choices: 1,
        };
        let vendors = compat::shipped().unwrap();
        for (vendor, _) in vendors.iter().filter(|(_, row)| row.format == Wire::OpenAi) {
            let read = read(&Path::new(vendor).join("x"), &expected, &[usage.as_bytes()]);
            let sum = |meters: &[Meter]| meters.iter().map(|meter| read.tally.units(*meter)).sum::<i64>();
            let input = sum(&[Meter::Input, Meter::InputCached, Meter::CacheWrite, Meter::InputAudio]);
            let output = sum(&[Meter::Output, Meter::OutputReasoning, Meter::OutputAudio]);
            if prompt == 0 && completion == 0 {
                // nothing was said
                prop_assert_eq!((input, output), (0, 0));
                continue;
            }
            prop_assert_eq!(input, if cached > prompt { prompt + cached } else { prompt });
            let added = vendor == "xai" && !(with_total && !outside && cached <= prompt);
            let reasoned = if added && !(with_total && reasoning == 0) { completion + reasoning } else { completion };
            prop_assert_eq!(output, reasoned, "{}", vendor);
            prop_assert!(read.tally.quantities.iter().all(|quantity| quantity.units > 0));
        }
    }
}
