//! What the fuzz targets do with their inputs. `seeds` in this folder writes the same layouts.

mod frames;
#[path = "../../tests/samples/target.rs"]
pub mod target;

use std::sync::LazyLock;

use bytes::Bytes;
use gateway::call::{Call, scan_form};
use gateway::dialects::Dialect;
use gateway::providers::{Failure, Piece, Wanted, Wire, compat, encode};
use gateway::reply::{Delta, Tally};
use gateway::routing::Target;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde::de::IgnoredAny;
use target::target;

/// Every shipped vendor, in the order of their names.
static TARGETS: LazyLock<Vec<Target>> =
    LazyLock::new(|| compat::shipped().unwrap().keys().map(|vendor| target(vendor, "m")).collect());

/// One call per dialect: whole, and as a stream.
static CALLS: LazyLock<Vec<[Call; 2]>> = LazyLock::new(|| {
    let call = |dialect, stream| {
        let body = format!(
            r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],"stream":{stream}}}"#
        );
        let head = http::Request::post("/v1/chat/completions").body(()).unwrap().into_parts().0;
        let call = Dialect::OpenAiChat.speech().parse(&head, body.into()).unwrap();
        Call { dialect, ..call }
    };
    Dialect::ALL.into_iter().map(|dialect| [call(dialect, false), call(dialect, true)]).collect()
});

/// What an answer was read as.
#[derive(PartialEq, Debug)]
struct Read {
    ends: Result<(), Failure>,
    bytes: Vec<u8>,
    deltas: Vec<Delta>,
    tally: Tally,
}

/// An answer of a provider: five bytes that say how it is read, then the answer.
///
/// Whether it is a stream (and of binary ones, whether sums and lengths are mended), the vendor, the
/// client's dialect, where it is cut (two bytes).
pub fn answer(wire: Wire, input: &[u8]) {
    let Some(([flags, vendor, dialect, high, low], answer)) = input.split_first_chunk() else {
        return;
    };
    let targets: Vec<&Target> = TARGETS.iter().filter(|target| speaks(target, wire)).collect();
    let target = targets[usize::from(*vendor) % targets.len()];
    let stream = flags & 1 == 1;
    let call = &CALLS[usize::from(*dialect) % CALLS.len()][usize::from(stream)];
    let mended = (wire == Wire::Bedrock && flags & 2 == 0).then(|| frames::mend(answer));
    let answer = mended.as_deref().unwrap_or(answer);
    let cut = usize::from(u16::from_be_bytes([*high, *low])) % (answer.len() + 1);
    let (first, second) = answer.split_at(cut);
    for wanted in [Wanted::Bytes, Wanted::Deltas] {
        let read = |parts: &[&[u8]]| read(wire, call, target, wanted, parts);
        let whole = read(&[answer]);
        assert_eq!(read(&[first, second]), whole, "cut at {cut}");
        show(call, target, whole);
    }
    drop(wire.format().error(&HeaderMap::new(), answer));
    let _ = wire.format().instead_of_stream(&target.endpoint.vendor, answer);
}

fn speaks(target: &Target, wire: Wire) -> bool {
    match wire {
        Wire::Responses => target.endpoint.responses.is_some(),
        wire => target.endpoint.vendor.format == wire,
    }
}

fn read(wire: Wire, call: &Call, target: &Target, wanted: Wanted, parts: &[&[u8]]) -> Read {
    let mut decoder = wire.format().decoder(call, target, wanted);
    let mut pieces: Vec<Piece> = Vec::new();
    let fed =
        parts.iter().try_for_each(|part| decoder.push(Bytes::copy_from_slice(part), &mut pieces));
    let ends = fed.and_then(|()| decoder.end(&mut pieces));
    let bytes = pieces.iter().flat_map(|piece| piece.bytes.clone()).collect();
    let deltas = pieces.into_iter().flat_map(|piece| piece.deltas).collect();
    let tally = decoder.tally().clone();
    assert!(tally.quantities.iter().all(|quantity| quantity.units > 0), "{:?}", tally.quantities);
    Read { ends, bytes, deltas, tally }
}

/// The client is shown it.
fn show(call: &Call, target: &Target, read: Read) {
    let mut renderer = call.dialect.speech().renderer(call, target);
    let mut out = Vec::new();
    read.deltas.into_iter().for_each(|delta| renderer.show(delta, &mut out));
    renderer.end(&read.tally, &mut out);
}

/// The content type of requests that begin as a form does.
const FORM: HeaderValue = HeaderValue::from_static("multipart/form-data; boundary=b");

/// A request of a client: a byte for the dialect, the path and query up to a line's end, the body: JSON, or a form
/// whose boundary is `b`.
pub fn request(input: &[u8]) {
    let Some((dialect, rest)) = input.split_first() else { return };
    let Some(end) = rest.iter().position(|byte| *byte == b'\n') else { return };
    let (path, body) = rest.split_at(end);
    let body = Bytes::copy_from_slice(&body[1..]);
    let mut request = http::Request::post(path);
    if body.starts_with(b"--b") {
        request = request.header(CONTENT_TYPE, FORM);
    }
    let Ok(request) = request.body(()) else { return };
    let speech = Dialect::ALL[usize::from(*dialect) % Dialect::ALL.len()].speech();
    let Ok(call) = speech.parse(&request.into_parts().0, body) else { return };
    let asked = call.asked();
    for target in TARGETS.iter() {
        let passed = encode(&call, target);
        let written = asked
            .as_ref()
            .ok()
            .map(|asked| target.endpoint.vendor.format.format().write(asked, &call, target));
        for sent in [Some(passed), written].into_iter().flatten().flatten() {
            let whole = match &call.form {
                Some(kind) => scan_form(kind, &sent.body).is_ok(),
                None => serde_json::from_slice::<IgnoredAny>(&sent.body).is_ok(),
            };
            assert!(whole, "what is sent to {} can't be read", target.provider);
        }
    }
}
