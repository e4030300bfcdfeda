//! What the tables are read with.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use gateway::call::Call;
use gateway::dialects::Dialect;
use gateway::error::Error;
use gateway::reply::Tally;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub(crate) use super::fuzz::target::target;

pub(crate) fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(kind)
}

/// The subfolders of a kind, by name.
pub(crate) fn subfolders(kind: &str) -> Vec<(String, PathBuf)> {
    let entries = std::fs::read_dir(folder(kind)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries
        .filter(|path| path.is_dir())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    found.sort();
    found
}

/// The cases of a file; none where it is not there.
pub(crate) fn cases<T: DeserializeOwned>(path: &Path) -> Vec<T> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Vec::new();
    };
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn head(path: &str, headers: &BTreeMap<String, String>) -> Parts {
    let mut request = http::Request::post(path);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(()).unwrap().into_parts().0
}

/// A client's call.
pub(crate) fn call(dialect: Dialect, path: &str, body: impl Into<Bytes>) -> Result<Call, Error> {
    dialect.speech().parse(&head(path, &BTreeMap::new()), body.into())
}

/// A call that asks for nothing in particular.
pub(crate) fn plain(stream: bool) -> Call {
    let body = format!(
        r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"stream":{stream}}}"#
    );
    call(Dialect::OpenAiChat, "/v1/chat/completions", body).unwrap()
}

pub(crate) fn meters(tally: &Tally) -> BTreeMap<String, i64> {
    let quantities = tally.quantities.iter();
    let meters: BTreeMap<String, i64> =
        quantities.map(|quantity| (quantity.meter.as_str().to_owned(), quantity.units)).collect();
    assert_eq!(meters.len(), tally.quantities.len(), "a meter twice");
    meters
}

/// Bytes as JSON, or as they are.
pub(crate) fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes).into())
}

/// The source of a case is named.
pub(crate) fn sourced(name: &str, source: &str) {
    assert!(source.len() > 8, "{name}: where is this from?");
}
