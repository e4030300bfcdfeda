//! A call as OpenTelemetry spans. Names are those of the semantic conventions for generative AI
//! (`gen_ai.…`), HTTP and errors; what they have no name for is under `hub.…`.

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags, Status};
use schemas::event::AttemptError;

use super::{Attempt, Call, Context};
use crate::clock::Micros;

/// Texts that a caller chose are cut here, at a character.
const LONGEST: usize = 256;

/// The spans of a call: its own, and one per attempt.
pub(super) fn of(context: &Context, call: &Call) -> Vec<Span> {
    let mut spans = Vec::with_capacity(1 + call.attempts.len());
    spans.push(call_span(context, call));
    spans.extend(call.attempts.iter().map(|attempt| attempt_span(context, call, attempt)));
    spans
}

fn call_span(context: &Context, call: &Call) -> Span {
    let mut to = Attributes::default();
    to.text("gen_ai.operation.name", call.operation.as_str());
    if let Some(provider) = &call.provider {
        to.text("gen_ai.provider.name", provider_name(provider));
    }
    to.text("gen_ai.request.model", &call.request_model);
    for (name, count) in [
        ("gen_ai.usage.input_tokens", call.tokens.input),
        ("gen_ai.usage.output_tokens", call.tokens.output),
        ("gen_ai.usage.cache_read.input_tokens", call.tokens.cache_read),
        ("gen_ai.usage.cache_creation.input_tokens", call.tokens.cache_write),
    ] {
        if count > 0 {
            to.number(name, count);
        }
    }
    to.status(call.status);
    to.ttft(call.ttft);
    to.text("hub.call.id", &call.call.to_string());
    to.text("hub.outcome", call.outcome.as_str());
    to.0.push(attribute("hub.streamed", Value::BoolValue(call.streamed)));
    if let Some(error) = call.error {
        to.text("error.type", error);
    }
    Span {
        span_id: context.root().to_vec(),
        parent_span_id: context.parent().map(Vec::from).unwrap_or_default(),
        flags: flags(context, context.parent().is_some()),
        kind: SpanKind::Server.into(),
        status: Some(status(call.error.is_some())),
        ..span(context, call, &call.request_model, (call.started, call.ended), to)
    }
}

fn attempt_span(context: &Context, call: &Call, attempt: &Attempt) -> Span {
    let mut to = Attributes::default();
    to.text("gen_ai.operation.name", call.operation.as_str());
    to.text("gen_ai.provider.name", provider_name(&attempt.provider));
    to.text("gen_ai.request.model", &attempt.model);
    to.text("server.address", &attempt.server_address);
    to.number("server.port", attempt.server_port.into());
    to.status(attempt.status);
    to.ttft(attempt.ttft);
    if attempt.number > 1 {
        to.number("http.request.resend_count", i64::from(attempt.number) - 1);
    }
    let failed = attempt.error != AttemptError::None;
    if failed {
        to.text("error.type", attempt.error.as_str());
    }
    Span {
        span_id: context.attempt(attempt.number).to_vec(),
        parent_span_id: context.root().to_vec(),
        flags: flags(context, false),
        kind: SpanKind::Client.into(),
        status: Some(status(failed)),
        ..span(context, call, &attempt.model, (attempt.started, attempt.ended), to)
    }
}

fn span(
    context: &Context,
    call: &Call,
    model: &str,
    (started, ended): (Micros, Micros),
    attributes: Attributes,
) -> Span {
    let nanos = |at: Micros| u64::try_from(at.0).unwrap_or(0).saturating_mul(1000);
    Span {
        trace_id: context.trace().to_vec(),
        name: format!("{} {}", call.operation, cut(model)),
        start_time_unix_nano: nanos(started),
        end_time_unix_nano: nanos(ended.max(started)),
        attributes: attributes.0,
        ..Span::default()
    }
}

/// The W3C flags, and that it is known whether the parent is in another process.
fn flags(context: &Context, remote: bool) -> u32 {
    let known = SpanFlags::ContextHasIsRemoteMask.cast() | u32::from(context.is_sampled());
    known | if remote { SpanFlags::ContextIsRemoteMask.cast() } else { 0 }
}

trait Cast {
    fn cast(self) -> u32;
}

impl Cast for SpanFlags {
    fn cast(self) -> u32 {
        i32::from(self).cast_unsigned()
    }
}

fn status(failed: bool) -> Status {
    let code = if failed { StatusCode::Error } else { StatusCode::Unset };
    Status { code: code.into(), ..Status::default() }
}

/// A vendor's name in the conventions; others stand for themselves.
fn provider_name(vendor: &str) -> &str {
    match vendor {
        "gemini" | "google" => "gcp.gemini",
        "vertex" => "gcp.vertex_ai",
        "bedrock" => "aws.bedrock",
        "azure" => "azure.ai.openai",
        "xai" => "x_ai",
        "mistral" => "mistral_ai",
        other => other,
    }
}

fn cut(text: &str) -> &str {
    let mut ends = (0..=LONGEST.min(text.len())).rev();
    let end = ends.find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

fn attribute(name: &str, value: Value) -> KeyValue {
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

/// A text attribute.
pub(super) fn text(name: &str, value: &str) -> KeyValue {
    attribute(name, Value::StringValue(cut(value).to_owned()))
}

#[derive(Default)]
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn text(&mut self, name: &str, value: &str) {
        self.0.push(text(name, value));
    }

    fn number(&mut self, name: &str, value: i64) {
        self.0.push(attribute(name, Value::IntValue(value)));
    }

    fn status(&mut self, status: u16) {
        if status > 0 {
            self.number("http.response.status_code", status.into());
        }
    }

    fn ttft(&mut self, ttft: Option<Duration>) {
        if let Some(ttft) = ttft {
            let seconds = Value::DoubleValue(ttft.as_secs_f64());
            self.0.push(attribute("hub.time_to_first_token", seconds));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_at_a_character() {
        assert_eq!(cut("short"), "short");
        assert_eq!(cut(&"x".repeat(300)).len(), 256);
        assert_eq!(cut(&format!("{}ä", "x".repeat(255))).len(), 255);
        assert_eq!(cut(""), "");
    }
}
