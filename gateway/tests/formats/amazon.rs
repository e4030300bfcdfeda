//! What botocore signs and what it reads of an event stream, beside ours.

use std::collections::BTreeMap;

use bytes::Bytes;
use gateway::providers::AuthKind;
use gateway::streaming::Unreadable;
use gateway::streaming::frames::{self, FrameKind, Frames};
use http::{Request, header};
use http_body_util::Full;
use runtime::clock::Micros;
use runtime::secret::Secret;
use serde::Deserialize;

use super::rig::{cases, folder};

#[derive(Deserialize)]
pub(crate) struct Signed {
    pub(crate) secret: String,
    pub(crate) url: String,
    pub(crate) micros: i64,
    pub(crate) body: String,
    pub(crate) date: String,
    pub(crate) token: Option<String>,
    pub(crate) authorization: String,
}

#[test]
fn requests_are_signed_as_botocore_signs_them() {
    let rows = cases::<Signed>(&folder("formats").join("bedrock/signed.json"));
    assert_eq!(rows.len(), 50);
    for row in rows {
        let mut request = Request::post(&row.url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, "not signed")
            .header(header::ACCEPT, "not signed")
            .body(Full::new(Bytes::from(row.body.clone())))
            .unwrap();
        let host = request.uri().host().unwrap().to_owned();
        let auth = AuthKind::Aws.of(&Secret::from(row.secret.clone()), &host, None).unwrap();
        auth.show(&mut request, row.body.as_bytes(), Micros(row.micros)).unwrap();
        let header = |name| request.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("authorization"), Some(row.authorization.as_str()), "{}", row.url);
        assert_eq!(header("x-amz-date"), Some(row.date.as_str()), "{}", row.url);
        assert_eq!(header("x-amz-security-token"), row.token.as_deref(), "{}", row.url);
        assert!(request.headers()["authorization"].is_sensitive());
    }
}

#[derive(Deserialize)]
struct List {
    secret: String,
    region: String,
    url: String,
    micros: i64,
    authorization: String,
}

#[test]
fn lists_of_models_are_asked_for_as_botocore_does() {
    let rows = cases::<List>(&folder("formats").join("bedrock/lists.json"));
    assert_eq!(rows.len(), 3);
    for row in rows {
        let mut request = Request::get(&row.url).body(Full::new(Bytes::new())).unwrap();
        let host = format!("bedrock-runtime.{}.amazonaws.com", row.region);
        let auth = AuthKind::Aws.of(&Secret::from(row.secret), &host, None).unwrap();
        auth.show(&mut request, b"", Micros(row.micros)).unwrap();
        assert_eq!(request.headers()["authorization"], row.authorization, "{}", row.url);
    }
}

#[derive(Deserialize)]
struct Row {
    hex: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    payload: String,
    #[serde(default)]
    damaged: Option<String>,
    #[serde(default)]
    cut: bool,
}

#[test]
fn frames_are_read_as_botocore_reads_them() {
    let rows = cases::<Row>(&folder("formats").join("bedrock/frames.json"));
    assert!(rows.len() > 40);
    for row in rows {
        let digits: Vec<u32> = row.hex.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
        let pairs = digits.chunks_exact(2);
        let raw: Vec<u8> =
            pairs.map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect();
        // byte by byte: any split is the same
        let (mut splitter, mut seen) = (Frames::default(), Vec::new());
        let read = raw.chunks(1).try_for_each(|byte| {
            splitter.push(Bytes::copy_from_slice(byte));
            seen.extend(splitter.frame()?);
            Ok::<_, Unreadable>(())
        });
        assert_eq!(read.is_err(), row.damaged.is_some(), "{}", row.hex);
        if row.damaged.is_some() || row.cut {
            assert!(seen.is_empty());
            continue;
        }
        let [frame] = seen.as_slice() else { panic!("{}", row.hex) };
        assert!(splitter.is_whole());
        assert_eq!(frame.bytes, raw);
        assert_eq!(frame.payload(), row.payload.as_bytes());
        let header = |name: &str| row.headers.get(name).map_or("", String::as_str);
        let kind = match header(":message-type") {
            "event" => FrameKind::Event(header(":event-type")),
            "exception" => FrameKind::Exception(header(":exception-type")),
            "error" => FrameKind::Error(header(":error-code"), header(":error-message")),
            _ => FrameKind::Other,
        };
        assert_eq!(frame.kind(), kind);
        // what we write is the same to the byte, where it has the same headers
        let mut written = Vec::new();
        let payload = row.payload.into_bytes();
        match kind {
            FrameKind::Event(name)
                if row.headers.len() == 3 && row.headers.contains_key(":content-type") =>
            {
                frames::event(name.to_owned().leak(), payload, &mut written);
            }
            FrameKind::Exception(name) => {
                frames::exception(name.to_owned().leak(), payload, &mut written);
            }
            _ => continue,
        }
        assert_eq!(written, raw, "{}", row.hex);
    }
}
