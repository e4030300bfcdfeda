//! Chat completions, whole and streamed, in the vendor's order of frames.

use serde_json::{Map, Value, json};

use super::answer::{Asked, frame, head, json_answer};
use super::behaviour::{Behaviour, Fault};
use super::script::{Script, Step, chunk, write};

/// The script of a chat answer.
pub(super) fn answer(asked: &Asked, behaviour: &Behaviour) -> Script {
    let mut script =
        if asked.stream() { stream(asked, behaviour) } else { whole(asked, behaviour) };
    script.prompt = asked.prompt_tokens();
    script
}

/// The text of token `at`; fixed, so that two runs give the same answer.
fn text(behaviour: &Behaviour, at: u32) -> String {
    let word = format!("w{at} ");
    let padding = behaviour.token_bytes.saturating_sub(word.len());
    format!("{}{word}", "x".repeat(padding))
}

/// The calls of tools that the answer makes: the first tool, and the second too unless parallel
/// calls are off. None once the conversation holds a tool's result.
fn tool_calls(asked: &Asked) -> Vec<Value> {
    let messages = asked.body["messages"].as_array();
    let answered = messages.and_then(|list| list.last()).is_some_and(|last| last["role"] == "tool");
    let Some(tools) = asked.body["tools"].as_array().filter(|_| !answered) else {
        return Vec::new();
    };
    let parallel = asked.body["parallel_tool_calls"].as_bool().unwrap_or(true);
    tools
        .iter()
        .take(if parallel { 2 } else { 1 })
        .enumerate()
        .map(|(at, tool)| {
            json!({"id": format!("call_{at}"), "type": "function", "function":
                {"name": tool["function"]["name"], "arguments": "{\"city\":\"Paris\",\"days\":2}"}})
        })
        .collect()
}

fn usage(asked: &Asked, behaviour: &Behaviour) -> Value {
    let prompt = asked.prompt_tokens();
    let completion = behaviour.tokens + behaviour.reasoning;
    json!({
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": behaviour.cached.min(prompt), "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": behaviour.reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0},
    })
}

fn envelope(asked: &Asked, object: &str) -> Map<String, Value> {
    let model = asked.model().split('+').next().unwrap_or_default();
    let Value::Object(map) = json!({
        "id": "chatcmpl-fake", "object": object, "created": 1_700_000_000, "model": model,
        "service_tier": "default", "system_fingerprint": "fp_fake",
    }) else {
        return Map::new();
    };
    map
}

fn whole(asked: &Asked, behaviour: &Behaviour) -> Script {
    let calls = tool_calls(asked);
    let finish = if calls.is_empty() { "stop" } else { "tool_calls" };
    let mut message =
        json!({"role": "assistant", "content": null, "refusal": null, "annotations": []});
    if calls.is_empty() {
        let content: String = (0..behaviour.tokens).map(|at| text(behaviour, at)).collect();
        message["content"] = content.into();
    } else {
        message["tool_calls"] = calls.into();
    }
    let choices = asked.body["n"].as_u64().unwrap_or(1);
    let mut body = envelope(asked, "chat.completion");
    body.insert(
        "choices".into(),
        (0..choices)
            .map(|index| json!({"index": index, "message": message, "logprobs": null, "finish_reason": finish}))
            .collect(),
    );
    if behaviour.usage {
        body.insert("usage".into(), usage(asked, behaviour));
    }
    let mut script = json_answer(asked, &Value::Object(body));
    script.extra = behaviour.tokens + behaviour.reasoning;
    let early = match behaviour.fault {
        Fault::CutAfter(_) | Fault::MidChunk(_) | Fault::NoDone => Some(Step::Close),
        Fault::ResetAfter(_) => Some(Step::Reset),
        Fault::StallAfter(_) => Some(Step::Hang),
        _ => None,
    };
    if let (Some(end), Some(Step::Write { bytes, .. })) = (early, script.steps.first_mut()) {
        bytes.truncate(bytes.len() * 3 / 4);
        script.whole = false;
        script.steps.push(end);
    }
    script
}

/// Frames being written, with the place where the fault strikes.
struct Frames<'a> {
    asked: &'a Asked,
    behaviour: &'a Behaviour,
    listed: bool,
    content: u32,
    script: Script,
}

fn stream(asked: &Asked, behaviour: &Behaviour) -> Script {
    let mut frames = Frames {
        asked,
        behaviour,
        listed: asked.body["stream_options"]["include_usage"] == true,
        content: 0,
        script: Script { status: 200, whole: true, ..Script::default() },
    };
    frames.script.steps.push(write(head(asked, 200, "text/event-stream; charset=utf-8", "", None)));
    if frames.all().is_none() {
        frames.script.whole = false;
    }
    frames.script
}

impl Frames<'_> {
    /// None when the fault struck.
    fn all(&mut self) -> Option<()> {
        let calls = tool_calls(self.asked);
        let finish = if calls.is_empty() { "stop" } else { "tool_calls" };
        self.delta(&json!({"role": "assistant", "content": if calls.is_empty() { json!("") } else { Value::Null },
            "refusal": null}), 0)?;
        for at in 0..if calls.is_empty() { self.behaviour.tokens } else { 0 } {
            self.delta(&json!({"content": text(self.behaviour, at)}), 1)?;
        }
        for (at, call) in calls.iter().enumerate() {
            let (name, arguments) =
                (&call["function"]["name"], call["function"]["arguments"].as_str());
            self.delta(
                &json!({"tool_calls": [{"index": at, "id": call["id"], "type": "function",
                "function": {"name": name, "arguments": ""}}]}),
                1,
            )?;
            for part in ["{\"city\":", "\"Paris\"", ",\"days\":2}"] {
                debug_assert!(arguments.is_some_and(|whole| whole.contains(part)));
                self.delta(
                    &json!({"tool_calls": [{"index": at, "function": {"arguments": part}}]}),
                    1,
                )?;
            }
        }
        if self.behaviour.fault == Fault::NoDone {
            self.script.steps.push(write(chunk(b"")));
            return None;
        }
        self.script.extra = self.behaviour.reasoning;
        self.choices(
            &json!([{"index": 0, "delta": {}, "logprobs": null, "finish_reason": finish}]),
            0,
            None,
        );
        if self.listed && self.behaviour.usage {
            self.choices(&json!([]), 0, Some(usage(self.asked, self.behaviour)));
        }
        self.script.steps.push(write(frame("[DONE]")));
        self.script.steps.push(write(chunk(b"")));
        Some(())
    }

    /// A content frame; the fault strikes before the one that is one too many.
    fn delta(&mut self, delta: &Value, tokens: u32) -> Option<()> {
        if tokens > 0 {
            self.strike()?;
            self.content += 1;
            if self.content > 1 && !self.behaviour.gap.is_zero() {
                self.script.steps.push(Step::Pause(self.behaviour.gap));
            }
            if self.behaviour.comments {
                self.script.steps.push(write(chunk(b": keep-alive\n\n")));
            }
        }
        self.choices(
            &json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": null}]),
            tokens,
            None,
        );
        Some(())
    }

    fn strike(&mut self) -> Option<()> {
        let steps = &mut self.script.steps;
        let at = self.content;
        match self.behaviour.fault {
            Fault::StallAfter(n) if n == at => steps.push(Step::Hang),
            Fault::CutAfter(n) if n == at => steps.push(Step::Close),
            Fault::ResetAfter(n) if n == at => steps.push(Step::Reset),
            Fault::MidChunk(n) if n == at => {
                steps.push(write(b"ff\r\ndata: {\"id\":\"chatcmpl-fake\",\"obj".to_vec()));
                steps.push(Step::Close);
            }
            Fault::ErrorChunk(n) if n == at => {
                let error = json!({"error": {"message": "the server had an error", "type": "server_error",
                    "param": null, "code": null}});
                steps.push(write(frame(&error.to_string())));
                steps.push(write(chunk(b"")));
            }
            Fault::Malformed if at == 1 => {
                steps.push(write(frame("{\"id\": \"chatcm")));
                steps.push(write(chunk(b"")));
            }
            _ => return Some(()),
        }
        None
    }

    fn choices(&mut self, choices: &Value, tokens: u32, usage: Option<Value>) {
        let mut body = envelope(self.asked, "chat.completion.chunk");
        body.insert("choices".into(), choices.clone());
        if self.listed {
            body.insert("usage".into(), usage.unwrap_or(Value::Null));
        }
        self.script
            .steps
            .push(Step::Write { bytes: frame(&Value::Object(body).to_string()), tokens });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(body: Value, directives: &str) -> Script {
        let asked = Asked { path: "/v1/chat/completions".into(), body, number: 1 };
        answer(&asked, &Behaviour::parse(directives).unwrap())
    }

    fn wire(script: &Script) -> String {
        let mut out = Vec::new();
        for step in &script.steps {
            if let Step::Write { bytes, .. } = step {
                out.extend_from_slice(bytes);
            }
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn usage_is_streamed_only_when_asked_for() {
        let mut body = json!({"model": "m", "stream": true, "messages": []});
        assert!(!wire(&script(body.clone(), "")).contains("usage"));
        body["stream_options"] = json!({"include_usage": true});
        let text = wire(&script(body, "tokens=3"));
        assert!(text.contains("\"completion_tokens\":3"));
        assert!(text.ends_with("data: [DONE]\n\n\r\n0\r\n\r\n"));
    }

    #[test]
    fn each_fault_of_a_stream_breaks_it_off() {
        let body = json!({"model": "m", "stream": true, "messages": []});
        for fault in [
            "stall_after=2",
            "cut_after=2",
            "mid_chunk=2",
            "reset_after=2",
            "error_chunk=2",
            "no_done",
            "malformed",
        ] {
            let script = script(body.clone(), fault);
            assert!(!script.whole, "{fault}");
            assert!(!wire(&script).contains("[DONE]"), "{fault}");
        }
        assert!(script(body, "cut_after=99").whole);
    }

    #[test]
    fn tools_are_called_once() {
        let tools = json!([{"type": "function", "function": {"name": "f"}}]);
        let mut body =
            json!({"model": "m", "messages": [{"role": "user", "content": "x"}], "tools": tools});
        assert!(wire(&script(body.clone(), "")).contains("\"tool_calls\":[{"));
        body["messages"] = json!([{"role": "tool", "content": "y"}]);
        assert!(!wire(&script(body, "")).contains("\"tool_calls\":[{"));
    }
}
