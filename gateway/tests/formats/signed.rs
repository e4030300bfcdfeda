//! What botocore signs is verified, and nothing else: `bedrock/signed.json` as the hub would be sent it, and
//! `bedrock/received.json` with all that clients put beside it.

use std::collections::BTreeMap;
use std::time::Duration;

use gateway::auth::claim;
use gateway::config::{AwsSeed, KeySeed, Seed};
use gateway::control::{Snapshot, seed};
use gateway::dialects::Dialect;
use gateway::error::{Error, Kind};
use gateway::providers::compat;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use runtime::clock::Micros;
use runtime::secret::SecretRef;
use serde::Deserialize;

use super::amazon::Signed;
use super::rig::{cases, folder};

#[derive(Deserialize)]
struct Received {
    secret: String,
    target: String,
    micros: i64,
    headers: Vec<(String, String)>,
    body: String,
}

/// A request that may be changed.
#[derive(Clone)]
struct Sent {
    secret: String,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    now: Micros,
}

impl From<Received> for Sent {
    fn from(row: Received) -> Self {
        Self {
            secret: row.secret,
            method: "POST".into(),
            target: row.target,
            headers: row.headers,
            body: row.body.into_bytes(),
            now: Micros(row.micros),
        }
    }
}

impl From<Signed> for Sent {
    fn from(row: Signed) -> Self {
        let uri: Uri = row.url.parse().unwrap();
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("host", uri.authority().unwrap().to_string()),
            ("x-amz-date", row.date),
            ("authorization", row.authorization),
            ("user-agent", "not signed".to_owned()),
        ];
        headers.extend(row.token.map(|token| ("x-amz-security-token", token)));
        Self {
            secret: row.secret,
            method: "POST".into(),
            target: uri.path_and_query().unwrap().to_string(),
            headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            body: row.body.into_bytes(),
            now: Micros(row.micros),
        }
    }
}

impl Sent {
    fn head(&self) -> Parts {
        let mut request = Request::new(());
        *request.method_mut() = Method::from_bytes(self.method.as_bytes()).unwrap();
        *request.uri_mut() = self.target.parse().unwrap();
        for (name, value) in &self.headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        request.into_parts().0
    }

    fn value(&mut self, name: &str) -> &mut String {
        let found = self.headers.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(name));
        &mut found.unwrap().1
    }

    /// The id of the key that it is of.
    fn verify(&self, snapshot: &Snapshot) -> Result<String, Error> {
        let head = self.head();
        let key = claim(&head, snapshot, self.now)?.prove(&self.body)?;
        Ok(key.id.to_string())
    }
}

fn rows() -> Vec<Sent> {
    let file = |name: &str| folder("formats").join("bedrock").join(name);
    let signed = cases::<Signed>(&file("signed.json"));
    let received = cases::<Received>(&file("received.json"));
    assert_eq!((signed.len(), received.len()), (50, 40));
    signed.into_iter().map(Sent::from).chain(received.into_iter().map(Sent::from)).collect()
}

fn without_token(sent: &Sent) -> bool {
    sent.headers.iter().all(|(name, _)| name != "x-amz-security-token")
}

/// The keys of all rows, each named `of-` and its access key id, and one that has not opted in.
fn snapshot(rows: &[Sent]) -> Snapshot {
    let pairs = rows.iter().map(|row| row.secret.split_once(':').unwrap());
    let pairs: BTreeMap<&str, &str> =
        pairs.map(|(id, secret)| (id, secret.split(':').next().unwrap())).collect();
    let key = |id: String, aws: Option<AwsSeed>| KeySeed {
        secret: Some(SecretRef::Literal(format!("bearer-{id}").into())),
        id,
        sha256: None,
        account: "default".into(),
        project: "default".into(),
        models: Vec::new(),
        origins: Vec::new(),
        aws,
        regions: Vec::new(),
    };
    let opted = pairs.into_iter().map(|(id, secret)| {
        let (access_key_id, secret) = (id.to_owned(), SecretRef::Literal(secret.into()));
        key(format!("of-{id}"), Some(AwsSeed { access_key_id, secret }))
    });
    let seed = Seed { keys: opted.chain([key("plain".into(), None)]).collect(), ..Seed::default() };
    let prices = schemas::price::PriceBook::default();
    let vendors = compat::shipped().unwrap();
    seed::snapshot(&seed, &vendors, prices, Duration::from_secs(1), &|_| None).unwrap()
}

/// What a refusal says, and its class at Bedrock.
fn refusal(sent: &Sent, snapshot: &Snapshot) -> (String, &'static str) {
    let error = sent.verify(snapshot).unwrap_err();
    assert_eq!(error.kind, Kind::InvalidKey);
    let (name, class) = Dialect::Bedrock.speech().error_header(&error).unwrap();
    assert_eq!(name, "x-amzn-errortype");
    let secret = sent.secret.split_once(':').unwrap().1;
    assert!(!error.message.contains(secret), "{error}");
    (error.message.into_owned(), class)
}

#[test]
fn what_botocore_signs_is_verified() {
    let rows = rows();
    let snapshot = snapshot(&rows);
    let mut verified = 0;
    for row in &rows {
        let id = row.secret.split_once(':').unwrap().0;
        if without_token(row) {
            assert_eq!(row.verify(&snapshot).unwrap(), format!("of-{id}"), "{}", row.target);
            verified += 1;
        } else {
            let (message, class) = refusal(row, &snapshot);
            assert!(message.starts_with("x-amz-security-token is not supported"), "{message}");
            assert_eq!(class, "UnrecognizedClientException");
        }
    }
    assert!(verified > 70, "{verified}");
}

/// Copies of a text with each of its bytes changed, those that stay a text.
fn flipped(text: &str) -> impl Iterator<Item = String> + '_ {
    text.bytes().enumerate().map(|(at, byte)| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = match byte {
            b'0'..=b'8' => byte + 1,
            b'z' => b'y',
            _ => b'z',
        };
        String::from_utf8(bytes).unwrap()
    })
}

#[test]
fn a_byte_of_difference_is_refused() {
    let rows: Vec<Sent> = rows().into_iter().filter(without_token).collect();
    let snapshot = snapshot(&rows);
    let mut refused = 0;
    let mut refuse = |changed: Sent, what: &str| {
        let answer = changed.verify(&snapshot);
        assert!(answer.is_err(), "{what} of {} {:?}", changed.target, changed.headers);
        refused += 1;
    };
    for row in &rows {
        for method in flipped(&row.method) {
            refuse(Sent { method: method.to_uppercase(), ..row.clone() }, "method");
        }
        // the first byte is what makes it a path
        let targets = flipped(&row.target).filter(|target| target.starts_with('/'));
        for target in targets.chain([format!("{}?a", row.target), format!("{}/", row.target)]) {
            refuse(Sent { target, ..row.clone() }, "path or query");
        }
        for at in (0..row.body.len()).step_by(1 + row.body.len() / 50) {
            let mut changed = row.clone();
            changed.body[at] ^= 1;
            refuse(changed, "body");
        }
        let mut longer = row.clone();
        longer.body.push(b' ');
        refuse(longer, "length of the body");
        let line = row.clone().value("authorization").clone();
        for name in
            line.split_once("SignedHeaders=").unwrap().1.split(',').next().unwrap().split(';')
        {
            let mut changed = row.clone();
            let value = changed.value(name).clone();
            for other in flipped(value.trim()).filter(|other| *other != value.trim()) {
                *changed.value(name) = other;
                refuse(changed.clone(), name);
            }
            changed.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            refuse(changed, "absence of a header");
            let mut twice = row.clone();
            twice.headers.push((name.to_owned(), "more".into()));
            if name != "x-amz-date" && name != "x-amz-content-sha256" {
                refuse(twice, "a header's second value");
            }
        }
        // all of the line: scheme, id, scope, names and signature
        for other in flipped(&line) {
            let mut changed = row.clone();
            *changed.value("authorization") = other;
            refuse(changed, "authorization");
        }
        let mut none = row.clone();
        none.value("authorization").truncate(line.len() - 64);
        refuse(none, "absence of the signature");
    }
    assert!(refused > 10_000, "{refused}");
}

#[test]
fn a_signature_holds_for_a_quarter_of_an_hour() {
    let rows = rows();
    let snapshot = snapshot(&rows);
    let row = rows.into_iter().find(|row| row.secret.starts_with("HUBKEY1:")).unwrap();
    let minutes = 60_000_000;
    for (off, holds) in [
        (0, true),
        (15 * minutes, true),
        (-15 * minutes, true),
        (15 * minutes + 1, false),
        (-15 * minutes - 1, false),
        (24 * 60 * minutes, false),
        (-20_000 * 24 * 60 * minutes, false),
    ] {
        let sent = Sent { now: Micros(row.now.0 + off), ..row.clone() };
        assert_eq!(sent.verify(&snapshot).is_ok(), holds, "{off}");
    }
    let late = Sent { now: Micros(row.now.0 + 16 * minutes), ..row };
    assert_eq!(
        refusal(&late, &snapshot),
        (
            "x-amz-date 20260922T141319Z is more than 15 minutes off the hub's time, 20260922T142919Z: set the clock and \
             sign anew"
                .to_owned(),
            "InvalidSignatureException"
        )
    );
}

#[test]
fn what_is_wrong_is_said() {
    let rows = rows();
    let snapshot = snapshot(&rows);
    let row = rows.into_iter().find(|row| row.secret.starts_with("HUBKEY0:")).unwrap();
    let line = row.clone().value("authorization").clone();
    let (unknown, wrong) = ("UnrecognizedClientException", "InvalidSignatureException");
    let many: String = (0..64).map(|number| format!("x-{number:02};")).collect();
    for (from, to, class, says) in [
        ("Credential=HUBKEY0/", "Credential=plain/", unknown, "access key id is not known here"),
        ("Credential=HUBKEY0/", "Credential=hubkey0/", unknown, "access key id is not known here"),
        ("Credential=HUBKEY0/", "Credential=/", unknown, "access key id is not known here"),
        ("/bedrock/", "/s3/", wrong, "/bedrock/aws4_request"),
        ("/aws4_request", "", wrong, "/bedrock/aws4_request"),
        ("/20260921/", "/20260920/", wrong, "the date in Credential must be that of x-amz-date"),
        ("/20260921/", "//", wrong, "the date in Credential must be that of x-amz-date"),
        ("/us-east-1/", "/eu-west-1/", wrong, "the signature is not that of this request"),
        (";host;", ";", wrong, "host and x-amz-date must be among SignedHeaders"),
        (";x-amz-date", "", wrong, "host and x-amz-date must be among SignedHeaders"),
        ("content-type;host", "host;content-type", wrong, "in lower case, in order, each once"),
        ("content-type;host", "content-type;host;host", wrong, "in order, each once"),
        ("content-type;", "Content-Type;", wrong, "in lower case"),
        (";x-amz-date", ";x-amz-date;x-not-sent", wrong, "a header that was not sent"),
        (";x-amz-date", ";x amz;x-amz-date", wrong, "a header that was not sent"),
        ("SignedHeaders=", &format!("SignedHeaders={many}"), wrong, "more than 64 headers"),
        ("Signature=", "Sign=", wrong, "authorization must be AWS4-HMAC-SHA256 Credential="),
        (", Signature=", ", Region=x, Signature=", wrong, "authorization must be"),
        (", Signature=", ", Signature=00, Signature=", wrong, "authorization must be"),
        (" Credential=", "", wrong, "authorization must be"),
        (&line, "AWS4-HMAC-SHA256", wrong, "authorization must be"),
        (&line, &"AWS4-HMAC-SHA256 ".repeat(300), wrong, "longer than 4096 bytes"),
    ] {
        let mut changed = row.clone();
        *changed.value("authorization") = line.replacen(from, to, 1);
        assert_ne!(*changed.value("authorization"), line, "{from}");
        let (message, shown) = refusal(&changed, &snapshot);
        assert!(message.contains(says) && shown == class, "{from} {to}: {shown} {message}");
    }
    for (name, value, class, says) in [
        ("x-amz-security-token", "t", unknown, "x-amz-security-token is not supported"),
        ("x-amz-meta", "m", wrong, "x-amz-meta must be among SignedHeaders"),
    ] {
        let mut changed = row.clone();
        changed.headers.push((name.into(), value.into()));
        let (message, shown) = refusal(&changed, &snapshot);
        assert!(message.contains(says) && shown == class, "{name}: {shown} {message}");
    }
    let mut dateless = row.clone();
    *dateless.value("x-amz-date") = "Mon, 21 Sep 2026 14:13:20 GMT".into();
    assert!(refusal(&dateless, &snapshot).0.contains("must be such as 20260102T030405Z"));
}

#[test]
fn a_body_that_is_not_signed_is_refused() {
    let rows = rows();
    let snapshot = snapshot(&rows);
    let row = rows.into_iter().find(|row| row.secret.starts_with("HUBKEY3:")).unwrap();
    for value in ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"] {
        let mut changed = row.clone();
        *changed.value("x-amz-content-sha256") = value.into();
        let (message, class) = refusal(&changed, &snapshot);
        assert!(message.contains("unsigned and chunked payloads are not taken"), "{message}");
        assert_eq!(class, "InvalidSignatureException");
    }
    let mut other = row;
    other.body = b"{}".to_vec();
    let (message, _) = refusal(&other, &snapshot);
    assert_eq!(message, "x-amz-content-sha256 is not the SHA-256 of the body");
}
