//! The trace of a call while it runs. There is none while traces are off.

use http::{HeaderMap, HeaderName, HeaderValue};
use runtime::clock::Micros;
use runtime::telemetry::trace::{Attempt, Call as Ended, Context, Tokens, Traces};
use schemas::event::Operation;
use schemas::ids::{CallId, ModelId};

use crate::call::Call;
use crate::routing::Target;
use crate::usage::{AttemptReport, Settlement};

const PARENT: HeaderName = HeaderName::from_static("traceparent");
const STATE: HeaderName = HeaderName::from_static("tracestate");

/// Where a call stands in a trace, and what was tried for it so far.
#[derive(Clone, Debug)]
pub struct Trace {
    traces: Traces,
    context: Context,
    /// The caller's, passed on as it came.
    state: Vec<HeaderValue>,
    call: CallId,
    operation: Operation,
    model: ModelId,
    streamed: bool,
    attempts: Vec<Attempt>,
}

impl Trace {
    /// The trace of a call: the caller's, when its headers name one. `None` while traces are off.
    pub fn begin(
        traces: &Traces,
        id: CallId,
        call: &Call,
        headers: &HeaderMap,
    ) -> Option<Box<Self>> {
        if !traces.is_on() {
            return None;
        }
        let parent = headers.get(PARENT).and_then(|value| value.to_str().ok());
        let context = traces.begin(id, parent)?;
        // it says nothing without its parent
        let state = match context.has_caller() {
            true => headers.get_all(STATE).iter().cloned().collect(),
            false => Vec::new(),
        };
        Some(Box::new(Self {
            traces: traces.clone(),
            context,
            state,
            call: id,
            operation: call.operation,
            model: call.model.clone(),
            streamed: call.stream,
            attempts: Vec::new(),
        }))
    }

    /// Tells the provider of the trace; `attempt` counts from 1.
    pub(crate) fn tell(&self, attempt: usize, headers: &mut HeaderMap) {
        let parent = self.context.upstream(number(attempt)).to_string();
        if let Ok(parent) = HeaderValue::try_from(parent) {
            headers.insert(PARENT, parent);
        }
        for state in &self.state {
            headers.append(STATE, state.clone());
        }
    }

    /// An attempt ended.
    pub(crate) fn attempted(&mut self, attempt: usize, report: &AttemptReport) {
        if !self.context.is_sampled() {
            return;
        }
        let endpoint = &report.target.endpoint;
        let micros = i64::try_from(report.duration.as_micros()).unwrap_or(i64::MAX);
        self.attempts.push(Attempt {
            number: number(attempt),
            provider: endpoint.vendor.id.as_str().into(),
            model: report.target.model.0.clone(),
            server_address: endpoint.base_url.host_str().unwrap_or_default().into(),
            server_port: endpoint.base_url.port_or_known_default().unwrap_or(0),
            status: report.status,
            error: report.error,
            started: report.started_at,
            ended: Micros(report.started_at.0.saturating_add(micros)),
            ttft: report.ttft,
        });
    }

    /// The call ended; `target` was tried last.
    pub(crate) fn finish(
        self,
        target: Option<&Target>,
        settlement: &Settlement,
        (started, ended): (Micros, Micros),
    ) {
        let Self { traces, context, call, operation, model, streamed, attempts, .. } = self;
        let charge = settlement.charges.first();
        traces.finish(&context, || Ended {
            call,
            operation,
            provider: target.map(|target| target.endpoint.vendor.id.as_str().into()),
            request_model: model.0,
            streamed,
            tokens: charge.map_or_else(Tokens::default, |charge| Tokens::of(&charge.quantities)),
            outcome: settlement.outcome,
            error: settlement.error,
            status: settlement.status,
            started,
            ended,
            ttft: settlement.ttft,
            attempts,
        });
    }
}

fn number(attempt: usize) -> u32 {
    u32::try_from(attempt).unwrap_or(u32::MAX)
}
