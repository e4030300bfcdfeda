//! How providers are asked, and what their answers say.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gateway::call::{Asked, Call};
use gateway::dialects::Dialect;
use gateway::error::Error;
use gateway::providers::{Outbound, PieceKind, Wanted, Wire, classify, listing};
use gateway::reply::{Delta, Tally};
use http::{HeaderMap, HeaderName};
use proptest::prelude::*;
use proptest::sample::Index;
use runtime::clock::Micros;
use schemas::event::Operation;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::rig::{cases, head, json, meters, plain, sourced, subfolders, target};

#[derive(Deserialize)]
pub(crate) struct Written {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) vendor: String,
    model: String,
    pub(crate) asked: Asked,
    #[serde(default)]
    pub(crate) stream: bool,
    /// The hub's own cap of the output.
    #[serde(default)]
    capped: Option<i64>,
    #[serde(flatten)]
    pub(crate) sent: Sent,
}

#[derive(Deserialize)]
pub(crate) struct Passed {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) vendor: String,
    model: String,
    dialect: String,
    path: String,
    r#in: String,
    /// The client's headers.
    #[serde(default)]
    client_headers: BTreeMap<String, String>,
    #[serde(default)]
    capped: Option<i64>,
    #[serde(flatten)]
    pub(crate) sent: Sent,
}

/// What goes to the vendor.
#[derive(Deserialize)]
pub(crate) struct Sent {
    /// The end of the address.
    #[serde(default)]
    to: Option<String>,
    /// JSON, compared by value; a string is compared as text.
    #[serde(default)]
    out: Option<Value>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) dropped: Vec<String>,
    /// What the error names.
    #[serde(default)]
    pub(crate) refused: Option<String>,
}

impl Sent {
    fn check(&self, name: &str, got: Result<Outbound, Error>) {
        match (got, &self.refused) {
            (Ok(outbound), None) => {
                let out = self.out.as_ref().unwrap_or_else(|| panic!("{name}: out is missing"));
                match out {
                    Value::String(text) => {
                        assert_eq!(&String::from_utf8_lossy(&outbound.body), text, "{name}");
                    }
                    value => assert_eq!(&json(&outbound.body), value, "{name}"),
                }
                let to = self.to.as_deref().unwrap_or_default();
                let uri = outbound.uri.to_string();
                assert!(uri.ends_with(to), "{name}: {uri}");
                let headers = outbound.headers.iter();
                let headers: BTreeMap<String, String> = headers
                    .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                    .collect();
                assert_eq!(headers, self.headers, "{name}");
                assert_eq!(outbound.dropped, self.dropped, "{name}");
            }
            (Ok(outbound), Some(_)) => panic!("{name}: sent {}", json(&outbound.body)),
            (Err(error), None) => panic!("{name}: {error}"),
            (Err(error), Some(wanted)) => {
                assert!(error.message.contains(wanted.as_str()), "{name}: {error}");
            }
        }
    }
}

impl Written {
    pub(crate) fn check(&self, wire: Wire) {
        let name = format!("{}: {}", wire.as_str(), self.name);
        sourced(&name, &self.source);
        let mut call = plain(self.stream);
        if let Some(tokens) = self.capped {
            call.cap_output(tokens);
        }
        let target = target(&self.vendor, &self.model);
        self.sent.check(&name, wire.format().write(&self.asked, &call, &target));
    }
}

#[test]
fn what_is_asked_is_written_as_the_vendor_documents_it() {
    each::<Written>("written.json", |wire, case| case.check(wire));
}

/// Each case of the tables of this name, with its format.
pub(crate) fn each<T: DeserializeOwned>(table: &str, mut see: impl FnMut(Wire, T)) {
    for (wire, folder) in subfolders("formats") {
        let wire = Wire::named(&wire).unwrap();
        cases(&folder.join(table)).into_iter().for_each(|case| see(wire, case));
    }
}

impl Passed {
    /// The client's call.
    pub(crate) fn check(&self, wire: Wire) -> Call {
        let name = format!("{}: {}", wire.as_str(), self.name);
        sourced(&name, &self.source);
        let dialect = Dialect::named(&self.dialect).unwrap();
        let head = head(&self.path, &self.client_headers);
        let mut call = dialect.speech().parse(&head, self.r#in.clone().into()).unwrap();
        if let Some(tokens) = self.capped {
            call.cap_output(tokens);
        }
        let target = target(&self.vendor, &self.model);
        self.sent.check(&name, wire.format().pass(&call, &target));
        call
    }
}

#[test]
fn requests_in_the_same_format_pass() {
    each::<Passed>("passed.json", |wire, case| drop(case.check(wire)));
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    pub(crate) source: String,
    #[serde(default)]
    model: Option<String>,
    /// It is the answer to a call for images.
    #[serde(default)]
    drawn: bool,
    pub(crate) stream: bool,
    pub(crate) ends: String,
    content_bytes: u64,
    pub(crate) meters: BTreeMap<String, i64>,
    #[serde(default)]
    reported_nano: Option<i64>,
    pub(crate) deltas: Vec<Delta>,
}

/// What a decoder made of an answer.
#[derive(PartialEq, Debug)]
struct Read {
    ends: String,
    shown: Vec<(PieceKind, Vec<u8>)>,
    deltas: Vec<Delta>,
    tally: Tally,
}

fn read(wire: Wire, path: &Path, answer: &Answer, wanted: Wanted, parts: &[&[u8]]) -> Read {
    let name = path.file_name().unwrap().to_str().unwrap();
    let vendor = name.split('.').next().unwrap();
    let target = target(vendor, answer.model.as_deref().unwrap_or("m"));
    let mut call = plain(answer.stream);
    if answer.deltas.iter().any(|delta| matches!(delta, Delta::Embedding { .. })) {
        call.operation = Operation::Embeddings;
    }
    if answer.drawn {
        call.operation = Operation::Image;
    }
    let mut decoder = wire.format().decoder(&call, &target, wanted);
    let mut pieces = Vec::new();
    let fed =
        parts.iter().try_for_each(|part| decoder.push(Bytes::copy_from_slice(part), &mut pieces));
    let ended = fed.and_then(|()| decoder.end(&mut pieces));
    let ends =
        ended.map_or_else(|failure| failure.error.as_str().to_owned(), |()| "done".to_owned());
    let deltas = joined(pieces.iter().flat_map(|piece| piece.deltas.clone()));
    let shown = pieces.into_iter().filter(|piece| piece.kind != PieceKind::Failed);
    Read {
        ends,
        shown: shown.map(|piece| (piece.kind, piece.bytes.to_vec())).collect(),
        deltas,
        tally: decoder.tally().clone(),
    }
}

/// Deltas, those that say more of the same joined.
pub(crate) fn joined(deltas: impl Iterator<Item = Delta>) -> Vec<Delta> {
    let mut all: Vec<Delta> = Vec::new();
    for delta in deltas {
        match (all.last_mut(), &delta) {
            (Some(Delta::Text { choice: at, text }), Delta::Text { choice, text: more })
            | (
                Some(Delta::Reasoning { choice: at, text }),
                Delta::Reasoning { choice, text: more },
            ) if at == choice => text.push_str(more),
            (
                Some(Delta::Arguments { index: at, json, .. }),
                Delta::Arguments { index, json: more, .. },
            ) if at == index => json.push_str(more),
            _ => all.push(delta),
        }
    }
    all
}

pub(crate) fn answers() -> Vec<(Wire, PathBuf, Vec<u8>, Answer)> {
    let mut found = Vec::new();
    for (wire, folder) in subfolders("formats") {
        let wire = Wire::named(&wire).unwrap();
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.extension().is_some_and(|extension| extension == "raw") {
                let expected = std::fs::read(path.with_extension("json")).unwrap();
                let expected = serde_json::from_slice(&expected)
                    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                found.push((wire, path.clone(), std::fs::read(&path).unwrap(), expected));
            }
        }
    }
    found.sort_by(|a, b| a.1.cmp(&b.1));
    found
}

#[test]
fn answers_are_read_and_counted() {
    for (wire, path, raw, answer) in answers() {
        answer.check(wire, &path, &raw);
    }
}

impl Answer {
    pub(crate) fn check(&self, wire: Wire, path: &Path, raw: &[u8]) {
        let name = path.display().to_string();
        sourced(&name, &self.source);
        let read_as = |wanted| read(wire, path, self, wanted, &[raw]);
        let (said, passed) = (read_as(Wanted::Deltas), read_as(Wanted::Bytes));
        assert_eq!(said.ends, self.ends, "{name}");
        assert_eq!(said.deltas, self.deltas, "{name}");
        assert_eq!(meters(&said.tally), self.meters, "{name}");
        assert_eq!(said.tally.content_bytes, self.content_bytes, "{name}");
        assert_eq!(said.tally.reported_nano, self.reported_nano, "{name}");
        // what passes is counted alike, and is the provider's own bytes
        assert_eq!((&passed.ends, &passed.tally), (&said.ends, &said.tally), "{name}");
        assert_eq!(passed.deltas, [], "{name}: nobody wants these");
        let shown: Vec<u8> = passed.shown.into_iter().flat_map(|(_, bytes)| bytes).collect();
        let wanted = std::fs::read(path.with_extension("shown")).unwrap_or(raw.to_vec());
        if self.ends == "done" {
            assert_eq!(String::from_utf8_lossy(&shown), String::from_utf8_lossy(&wanted), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_split_reads_the_same(cuts in proptest::collection::vec(any::<Index>(), 0..16)) {
        for (wire, path, raw, answer) in answers() {
            let mut places: Vec<usize> = cuts.iter().map(|cut| cut.index(raw.len() + 1)).collect();
            places.extend([0, raw.len()]);
            places.sort_unstable();
            let parts: Vec<&[u8]> = places.windows(2).map(|pair| &raw[pair[0]..pair[1]]).collect();
            for wanted in [Wanted::Deltas, Wanted::Bytes] {
                let whole = read(wire, &path, &answer, wanted, &[&raw]);
                prop_assert_eq!(read(wire, &path, &answer, wanted, &parts), whole, "{}", path.display());
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refusal {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) vendor: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// JSON, or text as it is.
    body: Value,
    pub(crate) error: String,
    /// `Nothing`, `Same`, `Target`, `Larger`.
    next: String,
    #[serde(default)]
    retry_after_ms: Option<u64>,
    /// What the caller is told.
    #[serde(default)]
    message: Option<String>,
}

impl Refusal {
    pub(crate) fn check(&self, wire: Wire) {
        let name = format!("{}: {}", wire.as_str(), self.name);
        sourced(&name, &self.source);
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let body = self.body.as_str().map_or_else(|| self.body.to_string(), str::to_owned);
        let said = (&headers, body.as_bytes());
        let target = target(&self.vendor, "m");
        let (failure, message) = classify(&plain(true), &target, self.status, said, Micros(0));
        assert_eq!(failure.error.as_str(), self.error, "{name}");
        assert_eq!(format!("{:?}", failure.next), self.next, "{name}");
        let wait = failure.retry_after.map(|wait| u64::try_from(wait.as_millis()).unwrap());
        assert_eq!(wait, self.retry_after_ms, "{name}");
        assert_eq!(message, self.message.clone().unwrap_or_default(), "{name}");
    }
}

#[test]
fn refusals_are_understood() {
    each::<Refusal>("errors.json", |wire, case| case.check(wire));
}

/// A page of a provider's list of its models.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) source: String,
    pub(crate) vendor: String,
    /// Where the first page is asked for, where this is one.
    #[serde(default)]
    from: Option<String>,
    body: Value,
    models: Vec<String>,
    next: Option<String>,
}

impl Listed {
    pub(crate) fn check(&self, wire: Wire) {
        let name = format!("{}: {}", wire.as_str(), self.name);
        sourced(&name, &self.source);
        let page = listing::read(wire, self.body.to_string().as_bytes());
        let page = page.unwrap_or_else(|| panic!("{name}: no list"));
        assert_eq!((page.models, page.next), (self.models.clone(), self.next.clone()), "{name}");
        if let Some(from) = &self.from {
            let endpoint = target(&self.vendor, "m").endpoint;
            let base = listing::host(wire, endpoint.base_url.as_str());
            let path = format!("{}{}", endpoint.vendor.models_path, listing::first(wire));
            assert_eq!(format!("{}{path}", base.trim_end_matches('/')), *from, "{name}");
        }
    }
}

#[test]
fn lists_of_models_are_read() {
    each::<Listed>("listed.json", |wire, case| case.check(wire));
}
