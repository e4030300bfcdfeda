//! Traces over OTLP (HTTP, protobuf), with the semantic conventions for generative AI.
//!
//! One server span per call and below it one client span per upstream attempt. A call is handed
//! over whole when it has ended: [`Traces::finish`] is one `try_send`, and nothing at all while
//! traces are off. A full queue drops the call's spans and counts them.
//!
//! Attributes are the model, the provider, counts of tokens, times and stable codes; never what
//! was said.

mod context;
mod export;
mod settings;
mod spans;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use schemas::event::{AttemptError, Meter, Operation, Outcome, Quantity};
use schemas::ids::CallId;
use tokio::sync::mpsc;

use super::metrics;
use crate::clock::Micros;
use crate::task::Tasks;

pub use context::{Context, TraceParent};
pub use settings::{Error, Settings};

/// Calls that wait for the exporter; more are dropped.
const QUEUE: usize = 4096;

/// A call that has ended.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its id.
    pub call: CallId,
    /// What it was for.
    pub operation: Operation,
    /// The provider that answered last, as its vendor is called here.
    pub provider: Option<Arc<str>>,
    /// Model as the caller asked for it.
    pub request_model: Arc<str>,
    /// Whether the answer was a stream.
    pub streamed: bool,
    /// What was used.
    pub tokens: Tokens,
    /// How it ended.
    pub outcome: Outcome,
    /// Stable code of what went wrong.
    pub error: Option<&'static str>,
    /// HTTP status given to the client; 0 when none was.
    pub status: u16,
    /// Admission.
    pub started: Micros,
    /// The end.
    pub ended: Micros,
    /// Admission to the first content.
    pub ttft: Option<Duration>,
    /// What was tried, in order.
    pub attempts: Vec<Attempt>,
}

/// An upstream attempt that has ended.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// 1 for the first of its call.
    pub number: u32,
    /// The provider, as its vendor is called here.
    pub provider: Arc<str>,
    /// Model as the provider was asked for it.
    pub model: Arc<str>,
    /// Host of the provider.
    pub server_address: Arc<str>,
    /// Its port.
    pub server_port: u16,
    /// HTTP status of the answer; 0 when none came.
    pub status: u16,
    /// What went wrong.
    pub error: AttemptError,
    /// The start.
    pub started: Micros,
    /// The end.
    pub ended: Micros,
    /// Start to the first content.
    pub ttft: Option<Duration>,
}

/// Tokens as the conventions count them: cached ones are part of the input, reasoning of the
/// output.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tokens {
    /// All input tokens.
    pub input: i64,
    /// Those of them that were read from a cache.
    pub cache_read: i64,
    /// Those of them that were written to a cache.
    pub cache_write: i64,
    /// All output tokens.
    pub output: i64,
}

impl Tokens {
    /// The sum of disjoint meters.
    pub fn of(quantities: &[Quantity]) -> Self {
        let mut tokens = Self::default();
        for Quantity { meter, units } in quantities {
            let sums: &mut [&mut i64] = match meter {
                Meter::Input | Meter::InputAudio | Meter::InputImage => &mut [&mut tokens.input],
                Meter::InputCached => &mut [&mut tokens.input, &mut tokens.cache_read],
                Meter::CacheWrite | Meter::CacheWriteLong => {
                    &mut [&mut tokens.input, &mut tokens.cache_write]
                }
                Meter::Output
                | Meter::OutputReasoning
                | Meter::OutputAudio
                | Meter::OutputImage => &mut [&mut tokens.output],
                Meter::Other
                | Meter::Request
                | Meter::Image
                | Meter::Search
                | Meter::Second
                | Meter::Character => &mut [],
            };
            for sum in sums {
                **sum = sum.saturating_add(*units);
            }
        }
        tokens
    }
}

/// Where ended calls go. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Traces(Option<Arc<Live>>);

#[derive(Debug)]
struct Live {
    queue: mpsc::Sender<(Context, Box<Call>)>,
    ratio: f64,
    counts: metrics::Traces,
}

impl Traces {
    /// No traces: every method does nothing.
    pub const fn off() -> Self {
        Self(None)
    }

    /// Starts the exporter as one of `tasks`; when they are stopped it sends what it has.
    ///
    /// # Errors
    /// [`Error::Client`] when there can be no HTTP client.
    pub fn start(
        settings: Settings,
        tasks: &Tasks,
        counts: metrics::Traces,
    ) -> Result<Self, Error> {
        let (queue, calls) = mpsc::channel(QUEUE);
        let ratio = settings.ratio;
        let exporter = export::Exporter::new(settings, counts.clone(), tasks.token())?;
        tasks.spawn("traces", exporter.run(calls));
        Ok(Self(Some(Arc::new(Live { queue, ratio, counts }))))
    }

    /// Whether anything is recorded.
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// The place of a call in a trace: below the caller's span when its `traceparent` is valid,
    /// else at the root of a trace whose id is the call's. `None` while traces are off.
    pub fn begin(&self, call: CallId, traceparent: Option<&str>) -> Option<Context> {
        let live = self.0.as_ref()?;
        Some(Context::new(call, traceparent.and_then(TraceParent::parse), live.ratio))
    }

    /// Hands over a call that has ended. `call` is not asked when the trace is not sampled.
    pub fn finish(&self, context: &Context, call: impl FnOnce() -> Call) {
        let Some(live) = self.0.as_ref().filter(|_| context.is_sampled()) else {
            return;
        };
        if live.queue.try_send((*context, Box::new(call()))).is_err() {
            live.counts.dropped.inc();
        }
    }
}
