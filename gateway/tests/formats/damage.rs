//! Whatever comes, nothing panics: damaged answers into every decoder, damaged requests into every dialect and on
//! into every format. `make fuzz` does the same for longer, led by coverage; what it kept is read here again.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use gateway::call::Call;
use gateway::dialects::Dialect;
use gateway::providers::{Wanted, Wire, encode};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use super::formats::answers;
use super::fuzz;
use super::rig::{call, cases, folder, plain, subfolders, target};

/// One harm: where, how much, and with what.
type Harm = (Index, u8, u8, u8);

fn harms() -> impl Strategy<Value = Vec<Harm>> {
    proptest::collection::vec(any::<Harm>(), 1..6)
}

fn damaged(bytes: &[u8], harms: &[Harm]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (place, kind, length, with) in harms {
        let at = place.index(bytes.len() + 1);
        let end = (at + usize::from(*length % 32)).min(bytes.len());
        match kind % 5 {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.insert(at, *with),
            2 => bytes[at..end].iter_mut().for_each(|byte| *byte = *with),
            3 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => bytes.truncate(at.max(1)),
        }
    }
    bytes
}

/// A value of the body replaced by one of another type.
fn misshapen(value: &mut Value, harms: &[Harm]) {
    for (place, kind, length, with) in harms {
        let at = inside(value, *place, *length % 8);
        *at = match kind % 8 {
            0 => Value::Null,
            1 => Value::from(*with),
            2 => Value::from(-1.5),
            3 => Value::from(i64::MIN),
            4 => Value::from("\u{0}é~"),
            5 => serde_json::json!([]),
            6 => serde_json::json!({}),
            _ => serde_json::json!([{"type": "text"}]),
        };
    }
}

/// Some value inside, at most so deep.
fn inside(value: &mut Value, place: Index, depth: u8) -> &mut Value {
    let next = |count: usize| place.index(997 + usize::from(depth)) % count;
    if depth > 0 && value.as_array().is_some_and(|items| !items.is_empty()) {
        let items = value.as_array_mut().unwrap();
        let next = next(items.len());
        return inside(&mut items[next], place, depth - 1);
    }
    if depth > 0 && value.as_object().is_some_and(|fields| !fields.is_empty()) {
        let fields = value.as_object_mut().unwrap();
        let next = next(fields.len());
        return inside(fields.values_mut().nth(next).unwrap(), place, depth - 1);
    }
    value
}

/// The call goes to each format; a refusal is well.
fn sent_everywhere(call: &Call) {
    for (vendor, model) in [
        ("openai", "gpt-4.1"),
        ("anthropic", "claude-opus-4-8"),
        ("gemini", "gemini-3-pro"),
        ("bedrock", "anthropic.claude-opus-4-8-v1:0"),
        ("ollama", "qwen3"),
    ] {
        drop(encode(call, &target(vendor, model)));
    }
}

#[test]
fn what_fuzzing_kept_is_read() {
    let corpus = |name: &str| {
        let path = folder("../fuzz/corpus").join(name).with_extension("txt");
        let text = std::fs::read_to_string(&path).unwrap();
        let inputs: Vec<_> = text.lines().map(|line| STANDARD.decode(line).unwrap()).collect();
        assert!(inputs.len() > 100, "{}", path.display());
        inputs
    };
    for wire in Wire::ALL {
        corpus(wire.as_str()).iter().for_each(|input| fuzz::answer(wire, input));
    }
    corpus("dialects").iter().for_each(|input| fuzz::request(input));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn damaged_answers_are_no_panic(which in any::<Index>(), harms in harms(), cut in any::<Index>()) {
        let all = answers();
        prop_assume!(!all.is_empty());
        let (_, path, raw, answer) = which.get(&all);
        let raw = damaged(raw, &harms);
        let (first, second) = raw.split_at(cut.index(raw.len() + 1));
        for wire in Wire::ALL {
            for wanted in [Wanted::Bytes, Wanted::Deltas] {
                let name = path.file_name().unwrap().to_str().unwrap();
                let target = target(name.split('.').next().unwrap(), "m");
                let mut decoder = wire.format().decoder(&plain(answer.stream), &target, wanted);
                let mut pieces = Vec::new();
                let parts = [first, second];
                let fed = parts.iter().try_for_each(|part| decoder.push(Bytes::copy_from_slice(part), &mut pieces));
                drop(fed.and_then(|()| decoder.end(&mut pieces)));
                drop(wire.format().error(&http::HeaderMap::new(), &raw));
                let _ = wire.format().instead_of_stream(&target.endpoint.vendor, &raw);
            }
        }
    }

    #[test]
    fn misshapen_requests_are_no_panic(which in any::<Index>(), harms in harms(), text in any::<bool>()) {
        let mut all: Vec<(Dialect, Request)> = Vec::new();
        for (dialect, folder) in subfolders("dialects") {
            let dialect = Dialect::named(&dialect).unwrap();
            let requests = cases::<Request>(&folder.join("requests.json"));
            all.extend(requests.into_iter().map(|request| (dialect, request)));
        }
        prop_assume!(!all.is_empty());
        let (dialect, request) = which.get(&all);
        let mut body = request.r#in.clone();
        let bytes = match text {
            true => damaged(body.to_string().as_bytes(), &harms),
            false => {
                misshapen(&mut body, &harms);
                body.to_string().into_bytes()
            }
        };
        if let Ok(call) = call(*dialect, &request.path, bytes) {
            drop(call.asked());
            sent_everywhere(&call);
        }
    }
}

/// What is needed of a case of the dialects' tables.
#[derive(serde::Deserialize, Clone, Debug)]
struct Request {
    path: String,
    r#in: Value,
}
