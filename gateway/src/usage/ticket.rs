//! The ticket of an admitted call.

use std::sync::Arc;

use runtime::clock::Micros;
use schemas::event::{Outcome, Usage};
use schemas::ids::CallId;
use schemas::money::{Amount, Nano};
use schemas::price::PriceBook;

use super::outbox::{Durability, Outbox, Position};
use super::outbox::{Live, Promise};
use super::{AttemptReport, Settlement, event};
use crate::admission::Hold;
use crate::limits::Reserved;
use crate::routing::Target;

/// The right to call upstream, and the duty to say how it ended. It leaves by
/// [`Ticket::settle`]; when it is dropped, also by a panic, the call is settled as abandoned at
/// what its progress counter says.
#[must_use = "a dropped ticket settles its call as abandoned"]
#[derive(Debug)]
pub struct Ticket {
    /// `None` once settled.
    open: Option<Box<Open>>,
    live: Arc<Live>,
}

/// What an unsettled ticket holds.
#[derive(Debug)]
struct Open {
    outbox: Arc<Outbox>,
    /// The event as far as it is known.
    usage: Usage,
    input_estimate: i64,
    promise: Promise,
    hold: Option<Hold>,
    reserved: Option<Reserved>,
    prices: Arc<PriceBook>,
    flight: Option<event::Flight>,
    attempts: usize,
}

impl Ticket {
    pub(super) fn new(
        outbox: Arc<Outbox>,
        usage: Usage,
        input_estimate: i64,
        promise: Promise,
        hold: Option<Hold>,
        prices: Arc<PriceBook>,
        live: Arc<Live>,
    ) -> Self {
        let open = Open {
            outbox,
            usage,
            input_estimate,
            promise,
            hold,
            reserved: None,
            prices,
            flight: None,
            attempts: 0,
        };
        Self { open: Some(Box::new(open)), live }
    }

    /// Keeps what the call has taken of its bounds until it is settled.
    pub fn keep(&mut self, reserved: Reserved) {
        if let Some(open) = &mut self.open {
            open.reserved = Some(reserved);
        }
    }

    /// The call.
    pub fn call(&self) -> CallId {
        self.live.call
    }

    /// When the call was admitted.
    pub fn admitted_at(&self) -> Micros {
        self.live.admitted_at
    }

    /// Upstream attempts reported so far.
    pub fn attempts(&self) -> usize {
        self.open.as_ref().map_or(0, |open| open.attempts)
    }

    /// Says which target the call goes to now, before its first byte is sent: if this process
    /// dies, what was delivered is owed for that target.
    pub fn sent(&mut self, target: &Arc<Target>) {
        if let Some(open) = &mut self.open {
            let flight = event::Flight::of(target, open.outbox.now());
            open.outbox.sent(&self.live, &flight, open.attempts + 1, &mut open.promise);
            open.flight = Some(flight);
        }
    }

    /// Says how many output units the caller was given so far. One store into the mapped file
    /// under a lock that is free but while the record moves.
    pub fn progress(&self, output_units: i64) {
        if let Some(open) = &self.open {
            open.outbox.progress(&self.live, output_units);
        }
    }

    /// Records how an upstream attempt ended.
    pub fn attempt(&mut self, report: AttemptReport) {
        if let Some(open) = &mut self.open {
            open.attempts += 1;
            open.outbox.attempt(&self.live, &report, open.attempts, &mut open.promise);
        }
    }

    /// Settles the call: its one usage event is in the outbox when this returns. Call it before
    /// the client gets the last byte.
    pub fn settle(mut self, settlement: Settlement) -> Settled {
        let open = self.open.take();
        open.map_or(Settled { wait: None }, |open| open.settle(settlement, &self.live))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some(open) = self.open.take() else {
            return;
        };
        let output = self.live.progress();
        let settlement = Settlement {
            outcome: Outcome::Abandoned,
            error: Some("abandoned"),
            status: 0,
            charges: event::estimate(
                open.usage.operation,
                open.flight.as_ref(),
                open.input_estimate,
                output,
            ),
            ttft: None,
        };
        open.settle(settlement, &self.live);
    }
}

impl Open {
    fn settle(self, settlement: Settlement, live: &Live) -> Settled {
        let Self { outbox, mut usage, promise, hold, reserved, prices, attempts, .. } = self;
        let micros = |duration: std::time::Duration| i64::try_from(duration.as_micros()).ok();
        usage.outcome = settlement.outcome;
        usage.error = settlement.error.map(event::code);
        usage.status = i32::from(settlement.status);
        usage.attempts = i32::try_from(attempts).unwrap_or(i32::MAX);
        usage.charges = event::charges(settlement.charges);
        usage.ttft_us = settlement.ttft.and_then(micros);
        usage.duration_us = micros(outbox.now().since(live.admitted_at)).unwrap_or(i64::MAX);
        let cost = match hold.is_some() || reserved.is_some() {
            true => cost(&usage, &prices),
            false => None,
        };
        let spend = hold.map(|hold| {
            let cost = cost.unwrap_or(hold.nano());
            (hold, cost)
        });
        let at = outbox.settle(live, &usage, promise, spend);
        if let Some(reserved) = reserved {
            reserved.settle(tokens(&usage), cost);
        }
        let wait = (outbox.durability() == Durability::Host).then_some(at).flatten();
        Settled { wait: wait.map(|at| (outbox, at)) }
    }
}

/// The tokens that the call used, of input and output.
fn tokens(usage: &Usage) -> i64 {
    let quantities = usage.charges.iter().flat_map(|charge| &charge.quantities);
    let tokens = quantities.filter(|quantity| quantity.meter.is_tokens());
    tokens.fold(0, |sum, quantity| sum.saturating_add(quantity.units))
}

/// What the call costs, rounded up; `None` when that can't be known here: the hold then stands
/// for it until billing has put it to suspense and the balance includes it.
fn cost(usage: &Usage, prices: &PriceBook) -> Option<Nano> {
    let mut sum = Amount::ZERO;
    for charge in &usage.charges {
        let cost = prices.cost(charge, usage.admitted_at).ok()?;
        sum = sum.checked_add(cost).ok()?;
    }
    sum.to_nano_up().ok()
}

/// A settled call.
#[derive(Debug)]
pub struct Settled {
    wait: Option<(Arc<Outbox>, Position)>,
}

impl Settled {
    /// Whether [`Settled::durable`] has to wait at all.
    pub const fn is_durable(&self) -> bool {
        self.wait.is_none()
    }

    /// Waits until the event survives what the policy says: under [`Durability::Process`] it does
    /// already; under [`Durability::Host`] it is on disk when this returns, which is not before the
    /// disk works.
    pub async fn durable(self) {
        if let Some((outbox, at)) = self.wait {
            outbox.synced(at).await;
        }
    }
}
