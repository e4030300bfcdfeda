//! One request and one stream per format, of any size: what is measured in `benches/wire.rs` and counted in
//! `tests/allocations.rs`.

mod target;

use bytes::Bytes;
use gateway::call::Call;
use gateway::dialects::Dialect;
use gateway::providers::Wire;
use gateway::routing::Target;
use gateway::streaming::frames;

/// A format, spoken by a vendor.
pub(crate) struct Sample {
    /// Format.
    pub(crate) wire: Wire,
    /// Who speaks it.
    pub(crate) vendor: &'static str,
    /// One of its models.
    pub(crate) model: &'static str,
    /// Its clients' dialect; `None` where no client speaks it.
    pub(crate) dialect: Option<Dialect>,
    /// Where they ask.
    path: &'static str,
    /// A request of theirs.
    request: &'static str,
    /// What comes before the text.
    head: &'static [&'static str],
    /// More text.
    chunk: &'static str,
}

/// All formats.
pub(crate) const SAMPLES: [Sample; 6] = [
    Sample {
        wire: Wire::OpenAi,
        vendor: "openai",
        model: "gpt-4.1",
        dialect: Some(Dialect::OpenAiChat),
        path: "/v1/chat/completions",
        request: r#"{"model":"fast","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"TEXT"}],"temperature":0.2,"max_completion_tokens":500,"stream":true,"stream_options":{"include_usage":true}}"#,
        head: &[
            r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795400000,"model":"gpt-4.1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#,
        ],
        chunk: r#"{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1795400000,"model":"gpt-4.1","system_fingerprint":"fp_1","choices":[{"index":0,"delta":{"content":"TEXT"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
    },
    Sample {
        wire: Wire::Responses,
        vendor: "openai",
        model: "gpt-4.1",
        dialect: Some(Dialect::Responses),
        path: "/v1/responses",
        request: r#"{"model":"fast","instructions":"Be brief.","input":"TEXT","temperature":0.2,"max_output_tokens":500,"store":false,"stream":true}"#,
        head: &[
            r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","created_at":1795400000,"status":"in_progress","model":"gpt-4.1","output":[]}}"#,
            r#"{"type":"response.output_item.added","sequence_number":1,"output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","role":"assistant","content":[]}}"#,
        ],
        chunk: r#"{"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"TEXT","logprobs":[],"obfuscation":"aBcDeF"}"#,
    },
    Sample {
        wire: Wire::Anthropic,
        vendor: "anthropic",
        model: "claude-opus-4-8",
        dialect: Some(Dialect::Anthropic),
        path: "/v1/messages",
        request: r#"{"model":"fast","system":"Be brief.","messages":[{"role":"user","content":"TEXT"}],"temperature":0.2,"max_tokens":500,"stream":true}"#,
        head: &[
            r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"claude-opus-4-8","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}"#,
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        ],
        chunk: r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"TEXT"}}"#,
    },
    Sample {
        wire: Wire::Gemini,
        vendor: "gemini",
        model: "gemini-3-pro",
        dialect: Some(Dialect::Gemini),
        path: "/v1beta/models/fast:streamGenerateContent?alt=sse",
        request: r#"{"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"TEXT"}]}],"generationConfig":{"temperature":0.2,"maxOutputTokens":500}}"#,
        head: &[],
        chunk: r#"{"candidates":[{"content":{"parts":[{"text":"TEXT"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":5,"totalTokenCount":14},"modelVersion":"gemini-3-pro","responseId":"r1"}"#,
    },
    Sample {
        wire: Wire::Bedrock,
        vendor: "bedrock",
        model: "anthropic.claude-opus-4-8-v1:0",
        dialect: Some(Dialect::Bedrock),
        path: "/model/fast/converse-stream",
        request: r#"{"system":[{"text":"Be brief."}],"messages":[{"role":"user","content":[{"text":"TEXT"}]}],"inferenceConfig":{"temperature":0.2,"maxTokens":500}}"#,
        head: &[],
        chunk: r#"{"contentBlockIndex":0,"delta":{"text":"TEXT"},"p":"abcdefgh"}"#,
    },
    Sample {
        wire: Wire::Ollama,
        vendor: "ollama",
        model: "qwen3",
        dialect: None,
        path: "",
        request: "",
        head: &[],
        chunk: r#"{"model":"qwen3","created_at":"2026-11-25T20:00:00.0Z","message":{"role":"assistant","content":"TEXT"},"done":false}"#,
    },
];

/// Words, so many bytes of them.
pub(crate) fn words(bytes: usize) -> String {
    "a few words of a text ".chars().cycle().take(bytes).collect()
}

impl Sample {
    /// The JSON of a chunk that holds this text, which is escaped already.
    pub(crate) fn json(&self, text: &str) -> String {
        self.chunk.replace("TEXT", text)
    }

    /// A chunk as it comes.
    pub(crate) fn chunk(&self, text: &str) -> Bytes {
        self.framed(self.json(text))
    }

    /// What comes before the chunks.
    pub(crate) fn head(&self) -> Bytes {
        let head = self.head.iter().flat_map(|json| self.framed((*json).to_owned()));
        head.collect::<Vec<u8>>().into()
    }

    fn framed(&self, json: String) -> Bytes {
        match self.wire {
            Wire::Bedrock => {
                let mut out = Vec::new();
                frames::event("contentBlockDelta", json.into_bytes(), &mut out);
                out.into()
            }
            Wire::Ollama => format!("{json}\n").into(),
            Wire::Gemini => format!("data: {json}\r\n\r\n").into(),
            Wire::OpenAi => format!("data: {json}\n\n").into(),
            Wire::Responses | Wire::Anthropic => {
                let kind = json.split('"').nth(3).unwrap_or_default();
                format!("event: {kind}\ndata: {json}\n\n").into()
            }
        }
    }

    /// A client's request of this format, of about so many bytes; `None` where no client speaks it.
    pub(crate) fn request(&self, bytes: usize) -> Option<Call> {
        let text = words(bytes.saturating_sub(self.request.len()));
        Some(parse(self.dialect?, self.path, self.request.replace("TEXT", &text)))
    }

    /// The vendor.
    pub(crate) fn target(&self) -> Target {
        target::target(self.vendor, self.model)
    }
}

/// A client's call.
pub(crate) fn parse(dialect: Dialect, path: &str, body: String) -> Call {
    let head = http::Request::post(path).body(()).unwrap().into_parts().0;
    dialect.speech().parse(&head, body.into()).unwrap()
}
