//! What a client is told when a provider refuses, each dialect at each format: the error in the
//! dialect's own shape, and whose fault it is in its status.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures::FutureExt as _;
use gateway::dialects::Dialect;
use gateway::http::error::response;
use gateway::providers::Wire;
use gateway::upstream::told;
use http::{HeaderMap, HeaderName, StatusCode};
use http_body_util::BodyExt as _;
use runtime::clock::Micros;
use serde::Deserialize;
use serde_json::Value;

use super::matrix::{FORMATS, translating};
use super::rig::{call, folder, json, sourced};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    source: String,
    /// A request of each dialect.
    requests: BTreeMap<String, Request>,
    /// By format, then status: how its provider refuses.
    said: BTreeMap<String, BTreeMap<u16, Said>>,
    /// By dialect, then the provider's status: what the client is told.
    told: BTreeMap<String, BTreeMap<u16, Told>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    path: String,
    body: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    #[serde(default)]
    headers: BTreeMap<String, String>,
    body: Value,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// What the body must hold; it may hold more.
    body: Value,
}

/// Whether all of `part` is in `whole`.
fn holds(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(name, part)| whole.get(name).is_some_and(|whole| holds(whole, part)))
        }
        (whole, part) => whole == part,
    }
}

fn fault(
    request: &Request,
    dialect: Dialect,
    (vendor, model): (&str, &str),
    (status, said): (u16, &Said),
    wanted: &Told,
) -> Option<String> {
    let call = call(dialect, &request.path, request.body.to_string()).unwrap();
    let target = translating(vendor, model);
    let mut headers = HeaderMap::new();
    for (name, value) in &said.headers {
        headers.insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    let body = Bytes::from(said.body.to_string());
    let answer = (StatusCode::from_u16(status).unwrap(), &headers, body);
    let error = told(&call, &target, answer, Micros(0));
    let (head, body) = response(dialect, &error, None).into_parts();
    let body = body.collect().now_or_never().unwrap().unwrap().to_bytes();
    let got = json(&body);
    let is_own = status == 400 && dialect.speech().wire() == Some(target.endpoint.vendor.format);
    // what the client's own vendor says of the request passes as it is
    let right = if is_own { got == said.body } else { holds(&got, &wanted.body) };
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let headed = wanted.headers.iter().all(|(name, value)| header(name) == Some(value));
    let fits = right && headed && head.status.as_u16() == wanted.status;
    (!fits).then(|| format!("{} {:?} {got} instead of {}", head.status, head.headers, wanted.body))
}

/// Every pair, with what is wrong there.
pub(crate) fn outcomes() -> Vec<(Dialect, Wire, Vec<String>)> {
    let text = std::fs::read_to_string(folder("matrix").join("errors.json")).unwrap();
    let table: Table = serde_json::from_str(&text).unwrap();
    sourced("errors", &table.source);
    let mut all = Vec::new();
    for (name, request) in &table.requests {
        let dialect = Dialect::named(name).unwrap();
        for (wire, vendor, model, _) in FORMATS {
            let said = &table.said[wire.as_str()];
            assert_eq!(said.len(), 3, "{}", wire.as_str());
            let faults = said.iter().filter_map(|(status, said)| {
                let wanted = &table.told[name][status];
                let fault = fault(request, dialect, (vendor, model), (*status, said), wanted)?;
                Some(format!("{name} at {}, {status}: {fault}", wire.as_str()))
            });
            all.push((dialect, wire, faults.collect()));
        }
    }
    all
}

#[test]
fn refusals_are_told_in_the_clients_own_shape() {
    let outcomes = outcomes();
    assert_eq!(outcomes.len(), 30);
    let faults: Vec<String> = outcomes.into_iter().flat_map(|(_, _, faults)| faults).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
