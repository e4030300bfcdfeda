//! What only passes: sound, moderations, changes of images.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use gateway::dialects::Dialect;
use gateway::error::{Error, Kind};
use gateway::routing::Plan;
use gateway::streaming::relay;
use gateway::upstream::attempt;
use http::{Response, header};
use http_body_util::BodyExt as _;
use schemas::event::{AttemptError, Charge, Meter, Operation, Outcome, Usage};

use crate::rig::{Rig, plan, rest, target};
use crate::scripted::{Provider, Seen, Step, chunk, end, stream_head, whole};

const FORM: &str = "multipart/form-data; boundary=b1";

/// A form with sound of so many bytes.
fn form(more: &[(&str, &str)], sound: usize) -> String {
    let mut body = String::new();
    for (name, value) in more {
        body +=
            &format!("--b1\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    body += "--b1\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\nContent-Type: audio/mpeg\r\n\r\n";
    body + &"s".repeat(sound) + "\r\n--b1--\r\n"
}

pub(crate) async fn start(
    rig: &mut Rig,
    dialect: Dialect,
    body: &str,
    plan: Plan,
) -> Result<Response<Body>, Error> {
    let kind = if body.starts_with("--") { FORM } else { "application/json" };
    let head = http::Request::post("/").header(header::CONTENT_TYPE, kind);
    let (head, ()) = head.body(()).unwrap().into_parts();
    let body = Bytes::copy_from_slice(body.as_bytes());
    let call = dialect.speech().parse(&head, body)?;
    let ticket = rig.ticket(&call);
    Ok(relay(attempt(&rig.client, call, plan, ticket).await?))
}

fn kind(response: &Response<Body>) -> &str {
    response.headers()[header::CONTENT_TYPE].to_str().unwrap()
}

fn units(charge: &Charge) -> Vec<(Meter, i64)> {
    charge.quantities.iter().map(|quantity| (quantity.meter, quantity.units)).collect()
}

/// The only usage event and its only charge.
pub(crate) async fn settled(rig: Rig) -> (Usage, Vec<(Meter, i64)>, bool) {
    let (mut usages, _) = rig.events().await;
    let usage = usages.pop().unwrap();
    let [charge] = usage.charges.as_slice() else { panic!("{:?}", usage.charges) };
    let (units, estimated) = (units(charge), charge.estimated);
    (usage, units, estimated)
}

fn answered(kind: &str, body: &str) -> Vec<Step> {
    let length = body.len();
    vec![Step::Write(format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
    ))]
}

#[tokio::test(start_paused = true)]
async fn a_form_passes_but_for_its_model() {
    let answer = r#"{"text":"Hi.","usage":{"type":"duration","seconds":9}}"#;
    let mut provider = Provider::start(vec![answered("application/json", answer)]).await;
    let mut rig = Rig::new();
    let body = form(&[("model", "whisper-1"), ("brand_new", "x"), ("include[]", "logprobs")], 40);
    let plan = plan(&[&provider]);
    let dialect = Dialect::OpenAiTranscriptions;
    let response = start(&mut rig, dialect, &body, plan).await.unwrap();
    assert_eq!(kind(&response), "application/json");
    assert_eq!(rest(response.into_body()).await, answer);
    let Seen::Request { head, body: sent, .. } = provider.next().await else { panic!() };
    assert!(head.starts_with("POST /v1/audio/transcriptions "), "{head}");
    assert!(head.contains("content-type: multipart/form-data; boundary=b1\r\n"), "{head}");
    assert_eq!(sent, body.replace("\r\nwhisper-1\r\n", "\r\ngpt-4o-mini\r\n"));
    let (usage, units, estimated) = settled(rig).await;
    assert_eq!((usage.operation, usage.outcome), (Operation::Transcription, Outcome::Completed));
    assert_eq!((units, estimated), (vec![(Meter::Second, 9)], false));
}

#[tokio::test(start_paused = true)]
async fn what_is_heard_comes_in_any_format() {
    const DELTA: &str = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hi.\"}\n\n";
    const LAST: &str = "data: {\"type\":\"transcript.text.done\",\"text\":\"Hi.\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\"output_tokens\":5,\"total_tokens\":19,\"input_token_details\":{\"text_tokens\":4,\"audio_tokens\":10}}}\n\n";
    let tokens = vec![(Meter::InputAudio, 10), (Meter::Input, 4), (Meter::Output, 5)];
    let events =
        |tail: &str| vec![stream_head(), chunk(DELTA), chunk(&[LAST, tail].concat()), end()];
    // ends after a second
    let srt = "1\n00:00:00,000 --> 00:00:01,000\nHi.\n";
    let cases = [
        // sixteen thousand bytes: two seconds at 64 kbit/s
        (
            vec![("response_format", "srt")],
            answered("text/plain", srt),
            srt.to_owned(),
            vec![(Meter::Second, 1)],
            true,
        ),
        (
            vec![("response_format", "text")],
            answered("text/plain", ""),
            String::new(),
            vec![(Meter::Second, 2)],
            true,
        ),
        (
            vec![("response_format", "verbose_json")],
            answered("application/json", r#"{"text":"","duration":1.2}"#),
            r#"{"text":"","duration":1.2}"#.to_owned(),
            vec![(Meter::Second, 2)],
            false,
        ),
        (vec![("stream", "true")], events(""), [DELTA, LAST].concat(), tokens.clone(), false),
        (
            vec![("stream", "True")],
            events("data: [DONE]\n\n"),
            [DELTA, LAST, "data: [DONE]\n\n"].concat(),
            tokens,
            false,
        ),
        // whisper-1 does not stream
        (
            vec![("stream", "true")],
            answered("application/json", r#"{"text":"Hi."}"#),
            r#"{"text":"Hi."}"#.to_owned(),
            vec![(Meter::Second, 2)],
            true,
        ),
        (
            vec![("stream", "true"), ("response_format", "srt")],
            answered("text/plain", srt),
            srt.to_owned(),
            vec![(Meter::Second, 1)],
            true,
        ),
    ];
    for (more, script, shown, owed, guessed) in cases {
        let provider = Provider::start(vec![script]).await;
        let mut rig = Rig::new();
        let body = form(&[&[("model", "whisper-1")], &more[..]].concat(), 16_000);
        let dialect = Dialect::OpenAiTranscriptions;
        let response = start(&mut rig, dialect, &body, plan(&[&provider])).await.unwrap();
        assert_eq!(rest(response.into_body()).await, shown, "{more:?}");
        let (usage, units, estimated) = settled(rig).await;
        assert_eq!(usage.outcome, Outcome::Completed, "{more:?}");
        assert_eq!((units, estimated), (owed, guessed), "{more:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_its_last_event_is_cut_short() {
    const DELTA: &str = "data: {\"type\":\"transcript.text.delta\",\"delta\":\"Hi.\"}\n\n";
    let provider = Provider::start(vec![vec![stream_head(), chunk(DELTA), end()]]).await;
    let mut rig = Rig::new();
    let body = form(&[("model", "m"), ("stream", "true")], 8_000);
    let dialect = Dialect::OpenAiTranscriptions;
    let response = start(&mut rig, dialect, &body, plan(&[&provider])).await.unwrap();
    let shown = rest(response.into_body()).await;
    let broken = shown.strip_prefix(DELTA).unwrap();
    assert!(broken.starts_with("data: {\"error\":"), "{broken}");
    let (usage, units, estimated) = settled(rig).await;
    assert_eq!(usage.outcome, Outcome::Truncated);
    assert_eq!((units, estimated), (vec![(Meter::Second, 1)], true));
}

const SPOKEN: &str = r#"{"model":"tts-1","voice":"alloy","input":"Gr\u00fc\u00dfe"}"#;

fn sound_head(more: &str) -> Step {
    Step::Write(format!("HTTP/1.1 200 OK\r\ncontent-type: audio/mpeg\r\n{more}\r\n\r\n"))
}

#[tokio::test(start_paused = true)]
async fn sound_passes_as_it_comes() {
    let sound = [0xff_u8, 0xfb, 0, b'\n', 0x80];
    let script = vec![
        sound_head("transfer-encoding: chunked"),
        Step::Bytes([b"5\r\n", &sound[..], b"\r\n"].concat()),
        Step::Bytes([b"5\r\n", &sound[..], b"\r\n0\r\n\r\n"].concat()),
    ];
    let mut provider = Provider::start(vec![script]).await;
    let mut rig = Rig::new();
    let response =
        start(&mut rig, Dialect::OpenAiSpeech, SPOKEN, plan(&[&provider])).await.unwrap();
    assert_eq!(kind(&response), "audio/mpeg");
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(bytes, [sound, sound].concat());
    let Seen::Request { head, body, .. } = provider.next().await else { panic!() };
    assert!(head.starts_with("POST /v1/audio/speech "), "{head}");
    assert!(head.contains("accept: */*\r\n"), "{head}");
    assert_eq!(body, SPOKEN.replace("tts-1", "gpt-4o-mini"));
    let (usage, units, estimated) = settled(rig).await;
    assert_eq!((usage.operation, usage.outcome), (Operation::Speech, Outcome::Completed));
    assert_eq!((units, estimated), (vec![(Meter::Character, 5)], true));
}

#[tokio::test(start_paused = true)]
async fn sound_that_breaks_off_breaks_off_for_the_client_too() {
    let script = vec![sound_head("content-length: 10"), Step::Write("abc".into()), Step::Close];
    let provider = Provider::start(vec![script]).await;
    let mut rig = Rig::new();
    let response =
        start(&mut rig, Dialect::OpenAiSpeech, SPOKEN, plan(&[&provider])).await.unwrap();
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!(first, "abc");
    assert!(body.frame().await.unwrap().is_err(), "nothing in sound can say that it is cut");
    assert!(body.frame().await.is_none());
    let (usage, units, _) = settled(rig).await;
    assert_eq!(usage.outcome, Outcome::Truncated);
    assert_eq!(units, [(Meter::Character, 5)]);
}

#[tokio::test(start_paused = true)]
async fn a_document_in_place_of_sound_is_an_error() {
    let broken = whole("200 OK", "", r#"{"error":{"message":"no","type":"server_error"}}"#);
    let empty = vec![sound_head("content-length: 0")];
    let good = vec![sound_head("content-length: 3"), Step::Write("abc".into())];
    let provider = [
        Provider::start(vec![vec![broken]]).await,
        Provider::start(vec![empty]).await,
        Provider::start(vec![good]).await,
    ];
    let mut rig = Rig::new();
    let plan = plan(&[&provider[0], &provider[1], &provider[2]]);
    let response = start(&mut rig, Dialect::OpenAiSpeech, SPOKEN, plan).await.unwrap();
    assert_eq!(rest(response.into_body()).await, "abc");
    let (outcome, _, _, attempts) = rig.story().await;
    assert_eq!(outcome, Outcome::Completed);
    assert_eq!(attempts, [AttemptError::Server, AttemptError::Malformed, AttemptError::None]);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_comes_in_the_providers_words() {
    let said = r#"{"error":{"message":"voice?","type":"invalid_request_error","code":null}}"#;
    let provider = Provider::start(vec![vec![whole("400 Bad Request", "", said)]]).await;
    let mut rig = Rig::new();
    let error =
        start(&mut rig, Dialect::OpenAiSpeech, SPOKEN, plan(&[&provider])).await.unwrap_err();
    assert_eq!(error.kind, Kind::ProviderRefused);
    assert_eq!(error.passed.unwrap().body, said);
    assert_eq!(rig.story().await.0, Outcome::Failed);
}

#[tokio::test(start_paused = true)]
async fn sound_in_events_tells_its_tokens() {
    const SOUND: &str = "data: {\"type\":\"speech.audio.delta\",\"audio\":\"AAAA\"}\n\n";
    const LAST: &str = "data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":14,\"output_tokens\":101,\"total_tokens\":115}}\n\n";
    let script = vec![stream_head(), chunk(SOUND), chunk(LAST), end()];
    let provider = Provider::start(vec![script]).await;
    let mut rig = Rig::new();
    let body = SPOKEN.replace("\"voice\"", "\"stream_format\":\"sse\",\"voice\"");
    let response = start(&mut rig, Dialect::OpenAiSpeech, &body, plan(&[&provider])).await.unwrap();
    assert_eq!(rest(response.into_body()).await, [SOUND, LAST].concat());
    let (_, units, estimated) = settled(rig).await;
    let owed = vec![(Meter::Input, 14), (Meter::OutputAudio, 101)];
    assert_eq!((units, estimated), (owed, false));
}

#[tokio::test(start_paused = true)]
async fn a_moderation_is_counted_though_it_is_free() {
    let answer =
        r#"{"id":"modr-1","model":"omni-moderation-latest","results":[{"flagged":false}]}"#;
    let mut provider = Provider::start(vec![answered("application/json", answer)]).await;
    let mut rig = Rig::new();
    let plan = plan(&[&provider]);
    let response =
        start(&mut rig, Dialect::OpenAiModerations, r#"{"input":"x"}"#, plan).await.unwrap();
    assert_eq!(rest(response.into_body()).await, answer);
    assert_eq!(provider.body().await, r#"{"input":"x","model":"gpt-4o-mini"}"#);
    let (usage, units, estimated) = settled(rig).await;
    assert_eq!((units, estimated), (vec![(Meter::Request, 1)], false));
    assert_eq!(usage.model.as_str(), "omni-moderation-latest");
    let book = schemas::price::shipped().unwrap();
    let charge = Charge { model: usage.model.clone(), ..usage.charges[0].clone() };
    assert_eq!(book.cost(&charge, 0).unwrap().to_string(), "0.00");
    // a model that has no price of its own for it is not free
    assert!(book.cost(&usage.charges[0], 0).is_err());
}

#[tokio::test(start_paused = true)]
async fn changed_images_come_whole_or_in_events() {
    let used = r#""usage":{"input_tokens":50,"output_tokens":1000,"input_tokens_details":{"text_tokens":10,"image_tokens":40}}"#;
    let drawn = format!(r#"{{"created":1,"data":[{{"b64_json":"AAAA"}}],{used}}}"#);
    let partial = "event: image_edit.partial_image\ndata: {\"type\":\"image_edit.partial_image\",\"b64_json\":\"AA\"}\n\n".to_owned();
    let last = format!(
        "event: image_edit.completed\ndata: {{\"type\":\"image_edit.completed\",\"b64_json\":\"AAAA\",{used}}}\n\n"
    );
    let streamed = [partial.clone(), last.clone()].concat();
    let events = vec![stream_head(), chunk(&partial), chunk(&last), end()];
    let (said, asked) =
        ([("model", "m"), ("prompt", "cat")], r#"{"model":"m","prompt":"cat","images":[]"#);
    for (body, script, shown) in [
        (form(&said, 3), answered("application/json", &drawn), &drawn),
        (format!("{asked}}}"), answered("application/json", &drawn), &drawn),
        (format!("{asked},\"stream\":true}}"), events.clone(), &streamed),
        (form(&[&said[..], &[("stream", "true")]].concat(), 3), events, &streamed),
    ] {
        let mut provider = Provider::start(vec![script]).await;
        let mut rig = Rig::new();
        let response =
            start(&mut rig, Dialect::OpenAiImageEdits, &body, plan(&[&provider])).await.unwrap();
        assert_eq!(&rest(response.into_body()).await, shown);
        assert!(!provider.body().await.contains("stream_options"));
        let (usage, units, estimated) = settled(rig).await;
        assert_eq!(usage.operation, Operation::Image);
        let owed = vec![(Meter::Input, 10), (Meter::InputImage, 40), (Meter::OutputImage, 1000)];
        assert_eq!((units, estimated), (owed, false));
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_offer_it_is_passed_over_and_named() {
    let answer = r#"{"text":"Hi."}"#;
    let provider = Provider::start(vec![answered("application/json", answer)]).await;
    let others = ["anthropic", "gemini", "ollama", "deepseek", "xai"];
    let targets = |names: &[&str]| Plan::of(names.iter().map(|vendor| target(vendor, &provider)));
    let mut rig = Rig::new();
    let body = form(&[("model", "whisper-1")], 8);
    let dialect = Dialect::OpenAiTranscriptions;
    let all = targets(&[&others[..], &["openai"]].concat());
    let response = start(&mut rig, dialect, &body, all).await.unwrap();
    assert_eq!(rest(response.into_body()).await, answer);
    for vendor in others {
        let error = start(&mut rig, dialect, &body, targets(&[vendor])).await.unwrap_err();
        assert_eq!((error.kind, error.field), (Kind::UnsupportedField, Some(Arc::from("model"))));
    }
    // JSON only, and the form is named
    let body = form(&[("model", "m"), ("prompt", "cat")], 3);
    let edits = Dialect::OpenAiImageEdits;
    let error = start(&mut rig, edits, &body, targets(&["xai"])).await.unwrap_err();
    assert!(error.message.contains("xai takes no forms here, only JSON"), "{error}");
    let (usages, attempts) = rig.events().await;
    assert_eq!((usages.len(), attempts.len()), (7, 1), "nobody else was asked");
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_with_a_request_is_named() {
    let mut rig = Rig::new();
    let none = || Plan::of([]);
    let twice = [("model", "a"), ("model", "b")];
    use Dialect::{
        OpenAiImageEdits, OpenAiModerations, OpenAiSpeech, OpenAiTranscriptions, OpenAiTranslations,
    };
    for (dialect, body, kind, field) in [
        (OpenAiTranscriptions, form(&[], 3), Kind::MissingField, "model"),
        (OpenAiTranscriptions, form(&[("model", "m")], 0), Kind::MissingField, "file"),
        (OpenAiTranscriptions, form(&twice, 3), Kind::InvalidField, "model"),
        (
            OpenAiTranscriptions,
            form(&[("model", "m"), ("stream", "yes")], 3),
            Kind::InvalidField,
            "stream",
        ),
        (OpenAiTranscriptions, form(&[("model", "a\nb")], 3), Kind::InvalidField, "model"),
        (
            OpenAiTranslations,
            form(&[("model", "m"), ("stream", "true")], 3),
            Kind::UnsupportedField,
            "stream",
        ),
        (OpenAiImageEdits, form(&[("model", "m")], 3), Kind::MissingField, "prompt"),
        (
            OpenAiImageEdits,
            form(&[("model", "m"), ("prompt", "x"), ("n", "0")], 3),
            Kind::InvalidField,
            "n",
        ),
        (OpenAiImageEdits, r#"{"model":"m","prompt":"x","n":0}"#.into(), Kind::InvalidField, "n"),
        (OpenAiImageEdits, r#"{"prompt":"x"}"#.into(), Kind::MissingField, "model"),
        (OpenAiModerations, r#"{"model":"m"}"#.into(), Kind::MissingField, "input"),
        (OpenAiSpeech, r#"{"model":"m"}"#.into(), Kind::MissingField, "input"),
        (OpenAiSpeech, r#"{"model":"m","input":["x"]}"#.into(), Kind::InvalidField, "input"),
    ] {
        let error = start(&mut rig, dialect, &body, none()).await.unwrap_err();
        assert_eq!((error.kind, error.field.as_deref()), (kind, Some(field)), "{body}: {error}");
    }
}

/// A response's first events hold what was asked: the larger that is, the more may come before the content.
#[tokio::test(start_paused = true)]
async fn what_comes_before_the_content_is_bounded_by_the_request() {
    let words = |length: usize| "w".repeat(length);
    for (asked, repeated, complete) in
        [(600_000, 600_000, true), (10, 500_000, true), (10, 600_000, false)]
    {
        let event = |kind: &str, fields: &str| {
            chunk(&format!("event: {kind}\ndata: {{\"type\":\"{kind}\",{fields}}}\n\n"))
        };
        let response = |status: &str| {
            let instructions = words(repeated);
            format!(
                r#""response":{{"id":"r","object":"response","status":"{status}","model":"m","output":[],"instructions":"{instructions}"}}"#
            )
        };
        let provider = Provider::start(vec![vec![
            stream_head(),
            event("response.created", &response("in_progress")),
            event("response.in_progress", &response("in_progress")),
            event(
                "response.output_text.delta",
                r#""output_index":0,"content_index":0,"delta":"Hi""#,
            ),
            event("response.completed", &response("completed")),
            end(),
        ]])
        .await;
        let mut rig = Rig::new();
        let instructions = words(asked);
        let body =
            format!(r#"{{"model":"m","input":"x","stream":true,"instructions":"{instructions}"}}"#);
        let plan = Plan { targets: vec![target("openai", &provider)] };
        let answer = start(&mut rig, Dialect::Responses, &body, plan).await;
        assert_eq!(answer.is_ok(), complete, "{asked} asked, {repeated} repeated");
        if let Ok(answer) = answer {
            assert!(rest(answer.into_body()).await.contains("response.completed"));
        }
        let error = if complete { AttemptError::None } else { AttemptError::Malformed };
        assert_eq!(rig.story().await.3, [error]);
    }
}
