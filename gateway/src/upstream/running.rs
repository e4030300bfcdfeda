//! A call between admission and settlement.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use runtime::clock::Micros;
use schemas::event::{AttemptError, Charge, Meter, Operation, Outcome, Quantity};
use schemas::ids::CallId;
use tokio::time::Instant;

use super::Client;
use crate::call::{Call, Shape};
use crate::reply::Tally;
use crate::routing::{Flight, Planned, Target};
use crate::trace::Trace;
use crate::usage::{AttemptReport, Settled, Settlement, Ticket, counted_in};

/// Holds the ticket of a call. Dropped before it is settled, which happens when the client leaves,
/// it settles the call as cancelled with nothing delivered; in a panic the ticket says abandoned.
#[derive(Debug)]
pub(crate) struct Running {
    ticket: Option<Ticket>,
    client: Client,
    operation: Operation,
    /// Whether its answer is a stream, or bytes as they come.
    streams: bool,
    /// An estimate of the input, in what the operation is counted in.
    input: i64,
    current: Option<Current>,
    /// The target that was tried last.
    target: Option<Arc<Target>>,
    attempts: usize,
    ttft: Option<Duration>,
    trace: Option<Box<Trace>>,
}

/// The attempt that runs.
#[derive(Debug)]
struct Current {
    flight: Flight,
    started_at: Micros,
    started: Instant,
    status: u16,
    ttft: Option<Duration>,
}

/// How a call ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) outcome: Outcome,
    /// Stable code of what went wrong.
    pub(crate) error: Option<&'static str>,
    /// Status given to the client; 0 for none.
    pub(crate) status: u16,
    /// How the attempt ends that still runs.
    pub(crate) attempt: AttemptError,
}

impl Running {
    pub(super) fn new(client: &Client, call: &mut Call, ticket: Ticket) -> Self {
        Self {
            ticket: Some(ticket),
            client: client.clone(),
            operation: call.operation,
            streams: call.shape() != Shape::Whole,
            input: call.estimate(),
            current: None,
            target: None,
            attempts: 0,
            ttft: None,
            trace: call.trace.take(),
        }
    }

    pub(super) fn call(&self) -> CallId {
        self.ticket.as_ref().map(Ticket::call).unwrap_or_default()
    }

    pub(super) const fn attempts(&self) -> usize {
        self.attempts
    }

    /// Tells the provider of the trace that the running attempt is a part of.
    pub(super) fn tell(&self, headers: &mut HeaderMap) {
        if let Some(trace) = &self.trace {
            trace.tell(self.attempts, headers);
        }
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, planned: &Planned) {
        let target = &planned.target;
        self.attempts += 1;
        if let Some(ticket) = &mut self.ticket {
            ticket.sent(target);
        }
        self.target = Some(Arc::clone(target));
        let options = &self.client.0.options;
        let now = options.clock.now();
        self.current = Some(Current {
            flight: options.local.begin(target, planned.keys, self.streams, now),
            started_at: now,
            started: Instant::now(),
            status: 0,
            ttft: None,
        });
    }

    /// The running attempt was answered with this status.
    pub(super) fn answered(&mut self, status: u16) {
        if let Some(current) = &mut self.current {
            current.status = status;
        }
    }

    /// The running attempt gave its first content.
    pub(super) fn content(&mut self) {
        if let Some(current) = &mut self.current {
            current.ttft.get_or_insert_with(|| current.started.elapsed());
            current.flight.answered(self.client.0.options.clock.now());
        }
    }

    /// The running attempt ended.
    pub(super) fn end_attempt(&mut self, error: AttemptError, retry_after: Option<Duration>) {
        let (Some(current), Some(target)) = (self.current.take(), &self.target) else {
            return;
        };
        let duration = current.started.elapsed();
        current.flight.ended(error, retry_after, self.client.0.options.clock.now());
        self.client.counts(&target.endpoint).attempted(error, duration);
        let report = AttemptReport {
            target: Arc::clone(target),
            status: current.status,
            error,
            retry_after,
            started_at: current.started_at,
            ttft: current.ttft,
            duration,
        };
        if let Some(trace) = &mut self.trace {
            trace.attempted(self.attempts, &report);
        }
        if let Some(ticket) = &mut self.ticket {
            ticket.attempt(report);
        }
    }

    /// Content goes to the client: `tally` says how much until now.
    pub(crate) fn delivered(&mut self, tally: &Tally) {
        if let Some(ticket) = &self.ticket {
            if self.ttft.is_none() {
                self.ttft = Some(self.client.0.options.clock.now().since(ticket.admitted_at()));
            }
            ticket.progress(tally.estimated_output());
        }
    }

    /// Ends the call: the attempt that still runs, then the ticket.
    pub(crate) fn settle(&mut self, end: End, tally: &Tally) -> Option<Settled> {
        self.end_attempt(end.attempt, None);
        let ticket = self.ticket.take()?;
        let owed = match end.outcome {
            Outcome::Completed => true,
            _ => tally.reported || self.ttft.is_some(),
        };
        let target = self.target.as_ref();
        let charges = target.filter(|_| owed).map(|target| self.charge(target, tally));
        let charges: Vec<Charge> = charges.into_iter().collect();
        let times = (ticket.admitted_at(), self.client.0.options.clock.now());
        if let Some(target) = target {
            let counts = self.client.counts(&target.endpoint);
            let duration = times.1.since(times.0);
            counts.settled(self.operation, end.outcome, duration, self.ttft);
            for quantity in charges.iter().flat_map(|charge| &charge.quantities) {
                counts.used(quantity.meter, quantity.units);
            }
        }
        let settlement = Settlement {
            outcome: end.outcome,
            error: end.error,
            status: end.status,
            charges,
            ttft: self.ttft,
        };
        if let Some(trace) = self.trace.take() {
            trace.finish(self.target.as_deref(), &settlement, times);
        }
        Some(ticket.settle(settlement))
    }

    /// What is owed to the target: as it said, or else estimated.
    fn charge(&self, target: &Target, tally: &Tally) -> Charge {
        let mut quantities = tally.quantities.clone();
        let meter = counted_in(self.operation);
        let tokens = meter == Meter::Input;
        // a provider that says nothing, or that no token was read, which can't be
        let estimated = !tally.reported || (tokens && tally.input() == 0);
        let mut add = |meter, units| {
            if units > 0 {
                quantities.push(Quantity { meter, units });
            }
        };
        // what was answered may tell more of it than what was asked
        if estimated && tally.units(meter) == 0 {
            add(meter, self.input);
        }
        if tokens && !tally.reported {
            add(Meter::Output, tally.estimated_output());
        }
        Charge {
            provider: target.provider.clone(),
            credential: target.credential.clone(),
            model: target.model.clone(),
            quantities,
            estimated,
            reported_nano: tally.reported_nano,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let end = End {
            outcome: Outcome::Cancelled,
            error: Some("client_left"),
            status: 0,
            attempt: AttemptError::Cancelled,
        };
        self.settle(end, &Tally::default());
    }
}
