//! Every provider in every way that a provider can answer: what is tried, how long it is waited, how the call
//! ends, what the client is told, and what is owed.

use std::time::Duration;

use gateway::dialects::Dialect;
use gateway::dialects::openai::chat;
use gateway::error::Kind;
use gateway::providers::{Wire, compat};
use gateway::reply::{Delta, Finish, Tally};
use gateway::routing::Plan;
use http::HeaderMap;
use schemas::event::{AttemptError, Meter, Outcome, Quantity};
use schemas::ids::ModelId;
use tokio::time::Instant;

use crate::rig::{Rig, STREAM, deadlines, rest, target_at};
use crate::scripted::{Provider, Step};

/// How a provider answers, and what comes of it.
struct Case {
    name: &'static str,
    scripts: fn(&Vendor) -> Vec<Vec<Step>>,
    attempts: &'static [AttemptError],
    /// What the client is told: nothing when it got its answer, or the beginning of one.
    kind: Option<Kind>,
    outcome: Outcome,
    /// Whole seconds until then.
    waited: u64,
    /// Input and output tokens charged; `None` for none. Estimates are not looked at.
    charged: Option<(i64, i64)>,
}

struct Vendor {
    id: String,
    wire: Wire,
}

impl Vendor {
    /// The head of a good stream.
    fn head(&self) -> Step {
        let kind = match self.wire {
            Wire::Bedrock => "application/vnd.amazon.eventstream",
            Wire::Ollama => "application/x-ndjson",
            _ => "text/event-stream",
        };
        Step::Write(format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\nconnection: close\r\n\r\n"))
    }

    /// The stream up to its content, and the rest of it.
    fn stream(&self) -> (Vec<u8>, Vec<u8>) {
        let dialect = match self.wire {
            Wire::OpenAi => Dialect::OpenAiChat,
            Wire::Responses => Dialect::Responses,
            Wire::Anthropic => Dialect::Anthropic,
            Wire::Gemini => Dialect::Gemini,
            Wire::Bedrock => Dialect::Bedrock,
            Wire::Ollama => {
                let content = r#"{"model":"m","message":{"role":"assistant","content":"hello wo"},"done":false}"#;
                let end = r#"{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":9,"eval_count":5}"#;
                return (format!("{content}\n").into(), format!("{end}\n").into());
            }
        };
        let asked = STREAM.replace(
            "\"stream\":true",
            "\"stream\":true,\"stream_options\":{\"include_usage\":true}",
        );
        let call = chat(&HeaderMap::new(), asked.into()).unwrap();
        let target = target_at(&self.id, "http://127.0.0.1/v1", deadlines());
        let mut renderer = dialect.speech().renderer(&call, &target);
        let (mut content, mut end) = (Vec::new(), Vec::new());
        renderer.show(Delta::Start { id: Some("x".into()), model: Some("m".into()) }, &mut content);
        renderer.show(Delta::Text { choice: 0, text: "hello wo".into() }, &mut content);
        renderer.show(Delta::Finish { choice: 0, reason: Finish::Stop }, &mut end);
        let quantity = |meter, units| Quantity { meter, units };
        let quantities = vec![quantity(Meter::Input, 9), quantity(Meter::Output, 5)];
        renderer.end(&Tally { quantities, reported: true, ..Tally::default() }, &mut end);
        (content, end)
    }

    /// A refusal in the vendor's own shape.
    fn error(&self, status: u16) -> String {
        let (kind, status_name) = match status {
            400 => ("invalid_request_error", "INVALID_ARGUMENT"),
            401 => ("authentication_error", "UNAUTHENTICATED"),
            402 => ("billing_error", "FAILED_PRECONDITION"),
            429 => ("rate_limit_error", "RESOURCE_EXHAUSTED"),
            503 => ("service_unavailable", "UNAVAILABLE"),
            529 => ("overloaded_error", "UNAVAILABLE"),
            _ => ("api_error", "INTERNAL"),
        };
        match (self.id.as_str(), self.wire) {
            (_, Wire::Anthropic) => {
                format!(r#"{{"type":"error","error":{{"type":"{kind}","message":"no"}}}}"#)
            }
            (_, Wire::Gemini) => format!(
                r#"{{"error":{{"code":{status},"message":"no","status":"{status_name}"}}}}"#
            ),
            (_, Wire::Bedrock) => r#"{"message":"no"}"#.to_owned(),
            (_, Wire::Ollama) => r#"{"error":"no"}"#.to_owned(),
            ("xai", _) => format!(r#"{{"code":"{kind}","error":"no"}}"#),
            _ => format!(r#"{{"error":{{"message":"no","type":"{kind}","code":null}}}}"#),
        }
    }

    fn refusal(&self, status: u16, headers: &str) -> Vec<Step> {
        let body = self.error(status);
        vec![Step::Write(format!(
            "HTTP/1.1 {status} No\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        ))]
    }

    fn good(&self) -> Vec<Step> {
        let (content, end) = self.stream();
        vec![self.head(), Step::Bytes(content), Step::Bytes(end), Step::Close]
    }

    /// What no decoder can read.
    fn garbage(&self) -> Vec<u8> {
        match self.wire {
            Wire::Bedrock => vec![0, 0, 0, 20, 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0],
            Wire::Ollama => b"{\"message\": oops}\n".to_vec(),
            Wire::Anthropic => b"event: content_block_delta\ndata: {oops}\n\n".to_vec(),
            _ => b"data: {oops}\n\n".to_vec(),
        }
    }
}

const CASES: &[Case] = &[
    Case {
        name: "200",
        scripts: |vendor| vec![vendor.good()],
        attempts: &[AttemptError::None],
        kind: None,
        outcome: Outcome::Completed,
        waited: 0,
        charged: Some((9, 5)),
    },
    Case {
        name: "400",
        scripts: |vendor| vec![vendor.refusal(400, "")],
        attempts: &[AttemptError::Caller],
        kind: Some(Kind::ProviderRefused),
        outcome: Outcome::Failed,
        waited: 0,
        charged: None,
    },
    Case {
        name: "401",
        scripts: |vendor| vec![vendor.refusal(401, "")],
        attempts: &[AttemptError::Auth],
        kind: Some(Kind::ProviderFailed),
        outcome: Outcome::Failed,
        waited: 0,
        charged: None,
    },
    Case {
        name: "402",
        scripts: |vendor| vec![vendor.refusal(402, "")],
        attempts: &[AttemptError::Credit],
        kind: Some(Kind::ProviderFailed),
        outcome: Outcome::Failed,
        waited: 0,
        charged: None,
    },
    Case {
        name: "429 with Retry-After",
        scripts: |vendor| vec![vendor.refusal(429, "retry-after: 1\r\n"), vendor.good()],
        attempts: &[AttemptError::RateLimit, AttemptError::None],
        kind: None,
        outcome: Outcome::Completed,
        waited: 1,
        charged: Some((9, 5)),
    },
    Case {
        name: "429 without Retry-After",
        scripts: |vendor| vec![vendor.refusal(429, ""); 3],
        attempts: &[AttemptError::RateLimit; 3],
        kind: Some(Kind::ProviderBusy),
        outcome: Outcome::Failed,
        waited: 0,
        charged: None,
    },
    Case {
        name: "500",
        scripts: |vendor| vec![vendor.refusal(500, ""); 3],
        attempts: &[AttemptError::Server; 3],
        kind: Some(Kind::ProviderFailed),
        outcome: Outcome::Failed,
        waited: 0,
        charged: None,
    },
    Case {
        name: "503",
        scripts: |vendor| vec![vendor.refusal(503, ""); 3],
        attempts: &[AttemptError::Overload; 3],
        kind: Some(Kind::ProviderBusy),
        outcome: Outcome::Failed,
        waited: 0,
        charged: None,
    },
    Case {
        name: "529",
        scripts: |vendor| vec![vendor.refusal(529, ""); 3],
        attempts: &[AttemptError::Overload; 3],
        kind: Some(Kind::ProviderBusy),
        outcome: Outcome::Failed,
        waited: 0,
        charged: None,
    },
    Case {
        name: "reset",
        scripts: |_| vec![vec![Step::Close]],
        attempts: &[AttemptError::Broken; 3],
        kind: Some(Kind::ProviderFailed),
        outcome: Outcome::Failed,
        waited: 0,
        charged: None,
    },
    Case {
        name: "stall",
        scripts: |vendor| vec![vec![vendor.head(), Step::UntilHangup]],
        attempts: &[AttemptError::FirstByteTimeout],
        kind: Some(Kind::ProviderTimeout),
        outcome: Outcome::Failed,
        waited: 30,
        charged: None,
    },
    Case {
        name: "early EOF",
        scripts: |vendor| vec![vec![vendor.head(), Step::Bytes(vendor.stream().0), Step::Close]],
        attempts: &[AttemptError::Broken],
        kind: None,
        outcome: Outcome::Truncated,
        waited: 0,
        charged: None,
    },
    Case {
        name: "malformed chunk",
        scripts: |vendor| {
            let script = [vendor.stream().0, vendor.garbage()].map(Step::Bytes);
            vec![[vec![vendor.head()], script.into(), vec![Step::UntilHangup]].concat()]
        },
        attempts: &[AttemptError::Malformed],
        kind: None,
        outcome: Outcome::Truncated,
        waited: 0,
        charged: None,
    },
];

#[tokio::test(start_paused = true)]
async fn every_provider_in_every_way() {
    let vendors = compat::shipped().unwrap();
    let vendors = vendors.values().map(|row| Vendor { id: row.id.clone(), wire: row.format });
    let mut wrong = Vec::new();
    for vendor in vendors.filter(|vendor| vendor.id != "demo") {
        for case in CASES {
            let name = format!("{} {}", vendor.id, case.name);
            let told = tokio::time::timeout(Duration::from_secs(500), story(&vendor, case)).await;
            match told {
                Ok(Ok(())) => {}
                Ok(Err(why)) => wrong.push(format!("{name}: {why}")),
                Err(_) => wrong.push(format!("{name}: never ended")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn story(vendor: &Vendor, case: &Case) -> Result<(), String> {
    let provider = Provider::start((case.scripts)(vendor)).await;
    let base = format!("http://{}/v1", provider.address);
    let mut target = (*target_at(&vendor.id, &base, deadlines())).clone();
    // of a family that the vendor has
    target.model = ModelId::from(if vendor.wire == Wire::Gemini { "gemini-3-pro" } else { "m" });
    let mut rig = Rig::new();
    let start = Instant::now();
    let answer = rig.start(STREAM, Plan::of(vec![target.into()])).await;
    let kind = answer.as_ref().err().map(|error| error.kind);
    let body = match answer {
        Ok(response) => rest(response.into_body()).await,
        Err(_) => String::new(),
    };
    let waited = start.elapsed().as_secs();
    let (usages, attempts) = rig.events().await;
    let usage = &usages[0];
    let errors: Vec<AttemptError> = attempts.iter().map(|attempt| attempt.error).collect();
    let got = (errors.as_slice(), kind, usage.outcome, waited);
    if got != (case.attempts, case.kind, case.outcome, case.waited) {
        return Err(format!("{got:?} {body}"));
    }
    if kind.is_none() && !body.contains("hello wo") {
        return Err(format!("no content: {body}"));
    }
    let ends = match case.outcome {
        Outcome::Completed => body.ends_with("data: [DONE]\n\n"),
        Outcome::Truncated => body.contains("\"code\":\"truncated\""),
        _ => true,
    };
    if !ends {
        return Err(format!("it ends wrong: {body}"));
    }
    if let Some(charged) = case.charged {
        let quantities = usage.charges.iter().flat_map(|charge| &charge.quantities);
        let units = |meter| {
            quantities.clone().filter(|one| one.meter == meter).map(|one| one.units).sum::<i64>()
        };
        let got = (units(Meter::Input), units(Meter::Output));
        if got != charged {
            return Err(format!("charged {got:?}"));
        }
    }
    Ok(())
}
