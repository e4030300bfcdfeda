//! What nobody told the hub of: fields that a vendor adds tomorrow reach it on the day they appear, and what it
//! answers with reaches the client, where both speak the same format.

use axum::body::Body;
use gateway::dialects::Dialect;
use gateway::routing::Plan;
use gateway::streaming::frames::event;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use schemas::event::{AttemptError, Meter, Outcome};

use crate::rig::{Rig, deadlines, target_at};
use crate::scripted::{Provider, Seen, Step};

/// A format, and what is new in it.
struct Case {
    dialect: Dialect,
    vendor: &'static str,
    /// Where the client asks, for a whole answer and for a stream.
    paths: [&'static str; 2],
    /// What it asks. `"alias"` is the model's name here, and gives way to the provider's own.
    asked: [&'static str; 2],
    answer: &'static str,
    stream: fn() -> Vec<u8>,
}

/// The only field that is another at the provider.
const MODEL: [&str; 2] = ["\"alias\"", "\"gpt-4o-mini\""];

const CASES: [Case; 5] = [
    Case {
        dialect: Dialect::OpenAiChat,
        vendor: "openai",
        paths: ["/v1/chat/completions"; 2],
        asked: [
            r#"{ "model":"alias", "new_field":{"b":1,"a":[1.0,12345678901234567890]}, "messages":[{"role":"user","content":"hi","new_mark":true}], "tools":[{"type":"brand_new","x":"caf\u00e9"}]}"#,
            r#"{"stream":true,"stream_options":{"new_option":1, "include_usage":true},"model":"alias","messages":[{"role":"user","content":[{"type":"brand_new","x":1}]}],"new_field":null}"#,
        ],
        answer: r#"{"id":"c","new_field":{"b":1,"a":1.0},"choices":[{"index":0,"new_mark":1,"message":{"role":"assistant","content":"hi","new_part":[{"type":"brand_new"}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"new_tokens":3}}"#,
        stream: || {
            lines(&[
                r#"data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"","new_part":{"a":1}},"finish_reason":null}],"usage":null,"new_field":1}"#,
                r#"data: {"id":"c","choices":[{"index":0,"delta":{"content":"hello","new_part":1.0},"new_mark":[],"finish_reason":null}],"usage":null}"#,
                "event: brand.new\ndata: {\"object\":\"brand.new\",\"x\":12345678901234567890}",
                r#"data: {"id":"c","choices":[{"index":0,"delta":{},"finish_reason":"stop","new_reason":"x"}],"usage":null}"#,
                r#"data: {"id":"c","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"new_tokens":3}}"#,
                "data: [DONE]",
            ])
        },
    },
    Case {
        dialect: Dialect::Responses,
        vendor: "openai",
        paths: ["/v1/responses"; 2],
        asked: [
            r#"{"model":"alias","input":[{"type":"brand_new","x":1.0}],"new_field":{"b":1,"a":2}}"#,
            r#"{"input":"hi","model":"alias","stream":true,"stream_options":{"new_option":1},"tools":[{"type":"brand_new"}]}"#,
        ],
        answer: r#"{"id":"resp_1","object":"response","status":"completed","new_field":1.0,"output":[{"type":"brand_new_call","id":"b1","x":[1]},{"type":"message","id":"m1","role":"assistant","status":"completed","content":[{"type":"output_text","text":"hi","annotations":[{"type":"brand_new"}]}]}],"usage":{"input_tokens":9,"output_tokens":5,"total_tokens":14,"new_tokens":3}}"#,
        stream: || {
            lines(&[
                "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"new_field\":1,\"response\":{\"id\":\"resp_1\",\"status\":\"in_progress\",\"output\":[]}}",
                "event: response.brand_new\ndata: {\"type\":\"response.brand_new\",\"sequence_number\":1,\"x\":1.0}",
                "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":2,\"item_id\":\"m1\",\"output_index\":0,\"content_index\":0,\"delta\":\"hello\",\"new_mark\":true}",
                "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":3,\"response\":{\"id\":\"resp_1\",\"status\":\"completed\",\"new_field\":{},\"output\":[{\"type\":\"message\",\"id\":\"m1\",\"role\":\"assistant\",\"status\":\"completed\",\"content\":[{\"type\":\"output_text\",\"text\":\"hello\",\"annotations\":[]}]}],\"usage\":{\"input_tokens\":9,\"output_tokens\":5,\"total_tokens\":14}}}",
            ])
        },
    },
    Case {
        dialect: Dialect::Anthropic,
        vendor: "anthropic",
        paths: ["/v1/messages"; 2],
        asked: [
            r#"{"max_tokens":9,"model":"alias","new_field":{"b":1,"a":1.0},"messages":[{"role":"user","content":[{"type":"brand_new","x":1},{"type":"text","text":"hi","new_mark":1}]}]}"#,
            r#"{"model":"alias","max_tokens":9,"stream":true,"tools":[{"type":"brand_new_20270101","name":"n"}],"messages":[{"role":"user","content":"hi"}]}"#,
        ],
        answer: r#"{"id":"msg_1","type":"message","role":"assistant","model":"m","new_field":1.0,"content":[{"type":"brand_new","x":[1]},{"type":"text","text":"hi","new_mark":1}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":5,"new_tokens":3}}"#,
        stream: || {
            lines(&[
                "event: message_start\ndata: {\"type\":\"message_start\",\"new_field\":1,\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":9,\"output_tokens\":1,\"new_tokens\":0}}}",
                "event: brand_new\ndata: {\"type\":\"brand_new\",\"x\":1.0}",
                "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"brand_new\",\"x\":1}}",
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"brand_new_delta\",\"x\":\"y\"}}",
                "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}",
                "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}",
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"hello\",\"new_mark\":1}}",
                "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}",
                "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"new_reason\":\"x\"},\"usage\":{\"output_tokens\":5}}",
                "event: message_stop\ndata: {\"type\":\"message_stop\",\"new_field\":{}}",
            ])
        },
    },
    Case {
        dialect: Dialect::Gemini,
        vendor: "gemini",
        paths: [
            "/v1beta/models/alias:generateContent",
            "/v1beta/models/alias:streamGenerateContent?alt=sse",
        ],
        asked: [
            r#"{"newField":{"b":1,"a":1.0},"contents":[{"role":"user","parts":[{"brandNew":{"x":1}},{"text":"hi","newMark":1}]}]}"#,
            r#"{"contents":[{"parts":[{"text":"hi"}]}],"tools":[{"brandNew":{}}],"generationConfig":{"newOption":1.0}}"#,
        ],
        answer: r#"{"newField":1.0,"candidates":[{"index":0,"newMark":[],"content":{"role":"model","parts":[{"brandNew":{"x":1}},{"text":"hi"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":5,"totalTokenCount":14,"newTokenCount":3}}"#,
        stream: || {
            lines(&[
                r#"data: {"candidates":[{"index":0,"content":{"role":"model","parts":[{"brandNew":{"x":1.0}}]}}],"newField":1}"#,
                "event: brandNew\ndata: {\"brandNew\":{\"x\":12345678901234567890}}",
                r#"data: {"candidates":[{"index":0,"newMark":1,"content":{"role":"model","parts":[{"text":"hello"}]}}]}"#,
                r#"data: {"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":""}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":5,"totalTokenCount":14,"newTokenCount":3}}"#,
            ])
        },
    },
    Case {
        dialect: Dialect::Bedrock,
        vendor: "bedrock",
        paths: ["/model/alias/converse", "/model/alias/converse-stream"],
        asked: [
            r#"{"newField":{"b":1,"a":1.0},"messages":[{"role":"user","content":[{"brandNew":{"x":1}},{"text":"hi"}]}]}"#,
            r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"inferenceConfig":{"newOption":1.0}}"#,
        ],
        answer: r#"{"newField":1.0,"output":{"message":{"role":"assistant","content":[{"brandNew":{"x":1}},{"text":"hi"}]}},"stopReason":"end_turn","usage":{"inputTokens":9,"outputTokens":5,"totalTokens":14,"newTokens":3},"metrics":{"latencyMs":1}}"#,
        stream: || {
            let mut out = Vec::new();
            for (name, payload) in [
                ("messageStart", r#"{"role":"assistant","newField":1.0}"#),
                ("brandNew", r#"{"x":12345678901234567890}"#),
                ("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"brandNew":{"x":1}}}"#),
                (
                    "contentBlockDelta",
                    r#"{"contentBlockIndex":1,"delta":{"text":"hello"},"new":1}"#,
                ),
                ("contentBlockStop", r#"{"contentBlockIndex":1}"#),
                ("messageStop", r#"{"stopReason":"end_turn","newReason":"x"}"#),
                (
                    "metadata",
                    r#"{"usage":{"inputTokens":9,"outputTokens":5,"totalTokens":14,"newTokens":3}}"#,
                ),
            ] {
                event(name, payload.into(), &mut out);
            }
            out
        },
    },
];

fn lines(events: &[&str]) -> Vec<u8> {
    events.iter().map(|event| format!("{event}\n\n")).collect::<String>().into_bytes()
}

fn answered(kind: &str, body: Vec<u8>) -> Vec<Step> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n");
    vec![Step::Write(head), Step::Bytes(body), Step::Close]
}

async fn bytes(response: Response<Body>) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

#[tokio::test(start_paused = true)]
async fn what_is_new_in_a_format_passes() {
    for case in &CASES {
        for stream in [false, true] {
            let (at, name) = (usize::from(stream), case.dialect.as_str());
            let (kind, answer) = match (stream, case.vendor) {
                (false, _) => ("application/json", case.answer.as_bytes().to_vec()),
                (true, "bedrock") => ("application/vnd.amazon.eventstream", (case.stream)()),
                (true, _) => ("text/event-stream", (case.stream)()),
            };
            let mut provider = Provider::start(vec![answered(kind, answer.clone())]).await;
            let base = format!("http://{}/v1", provider.address);
            let plan = Plan::of(vec![target_at(case.vendor, &base, deadlines())]);
            let head = Request::post(case.paths[at])
                .header("anthropic-version", "2027-01-01")
                .header("anthropic-beta", "brand-new-2027-01-01");
            let head = head.body(()).unwrap().into_parts().0;
            let call = case.dialect.speech().parse(&head, case.asked[at].into()).unwrap();
            assert_eq!(call.stream, stream, "{name}");
            let mut rig = Rig::new();
            let shown = bytes(rig.call(call, plan).await.unwrap()).await;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(text(&shown), text(&answer), "{name}");
            assert_eq!(shown, answer, "{name}");
            let Seen::Request { head, body, .. } = provider.next().await else {
                panic!("{name}: no request came");
            };
            assert_eq!(body, case.asked[at].replace(MODEL[0], MODEL[1]), "{name}");
            if case.dialect == Dialect::Anthropic {
                for header in ["version: 2027-01-01", "beta: brand-new-2027-01-01"] {
                    assert!(head.contains(&format!("anthropic-{header}\r\n")), "{head}");
                }
            }
            let (usages, attempts) = rig.events().await;
            assert_eq!(
                (usages[0].outcome, attempts[0].error),
                (Outcome::Completed, AttemptError::None),
                "{name}"
            );
            let quantities = usages[0].charges.iter().flat_map(|charge| &charge.quantities);
            let counted: Vec<_> = quantities.map(|one| (one.meter, one.units)).collect();
            assert_eq!(counted, [(Meter::Input, 9), (Meter::Output, 5)], "{name}");
        }
    }
}
