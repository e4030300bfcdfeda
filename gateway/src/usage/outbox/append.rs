//! What the request path writes: each step encodes first, then takes the append lock for a seq,
//! a CRC and a copy.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use schemas::event::Usage;
use schemas::ids::Seq;
use schemas::money::Nano;
use schemas::partition::partition_of;
use schemas::price::PriceBook;

use super::error::{Error, Full};
use super::record::{self, Head, Kind, Position};
use super::space::Place;
use super::{Live, Outbox, Places, Promise, State};
use crate::admission::Hold;
use crate::usage::event::{self, Flight, MAX_ATTEMPTS};
use crate::usage::{Admission, AttemptReport, Ticket};

/// Where the seq stands in a framed event: behind the frame and the ids before it. It is encoded
/// as zero, one byte, and written in the lock.
pub(super) const USAGE_SEQ: usize = 5 + 16 + 16;
pub(super) const ATTEMPT_SEQ: usize = 5 + 16;

/// What each attempt may append.
pub(in crate::usage) const ATTEMPT_ROOM: usize =
    record::size(event::SUBJECT, event::ATTEMPT) + record::size(0, Flight::MOST);

impl Outbox {
    /// Admits a call: writes who asks for what, and promises room for everything that may follow.
    ///
    /// # Errors
    /// [`Full`]: the call could not be accounted for and must be refused. The hold is then given
    /// back.
    pub fn admit(
        self: &Arc<Self>,
        admission: Admission,
        hold: Option<Hold>,
        prices: Arc<PriceBook>,
    ) -> Result<Ticket, Full> {
        let admitted_at = self.now();
        let input_estimate = admission.input_estimate;
        let usage = event::admitted(admission, self.origin, admitted_at);
        let payload = self.options.codec.to_vec(&usage);
        let payload = payload.map_err(|error| Full::Broken(error.to_string()))?;
        let key = input_estimate.to_le_bytes();

        let len = record::size(key.len(), payload.len());
        let account = usage.account.as_str().len();
        let settled = record::size(account, payload.len() + event::SETTLED_MORE);
        if settled > record::MOST {
            return Err(Full::TooLarge { found: settled, most: record::MOST });
        }
        let promise =
            Promise { attempts: (MAX_ATTEMPTS * ATTEMPT_ROOM) as u64, settled: settled as u64 };
        let promised = promise.attempts + promise.settled;
        let head = Head {
            kind: Kind::Admitted,
            call: usage.call,
            word: 0,
            source: None,
            partition: 0,
            number: 0,
        };

        let mut state = self.state();
        if let Err(full) = state.space.reserve(len as u64 + promised) {
            let news = !std::mem::replace(&mut state.full, true);
            drop(state);
            if news {
                tracing::error!(%full, "calls are refused until there is room in the outbox");
            }
            return Err(full);
        }
        let again = std::mem::take(&mut state.full);
        let place = state.space.append(&head, &key, &[&payload]);
        state.space.release(len as u64);
        let place = place.map_err(|error| {
            state.space.release(promised);
            Full::Broken(error.to_string())
        })?;
        state.space.publish();
        let live = Arc::new(Live {
            call: usage.call,
            admitted_at,
            number: state.next_live,
            progress: AtomicI64::new(0),
            places: Mutex::new(Places { admitted: place, sent: None }),
        });
        state.next_live += 1;
        state.live.insert(live.number, Arc::clone(&live));
        drop(state);
        if again {
            tracing::info!("there is room in the outbox: calls are taken again");
        }
        self.ring();
        let outbox = Arc::clone(self);
        Ok(Ticket::new(outbox, usage, input_estimate, promise, hold, prices, live))
    }

    /// Notes the target that a live call goes to in its attempt of this number.
    pub(in crate::usage) fn sent(
        &self,
        live: &Live,
        flight: &Flight,
        number: usize,
        promise: &mut Promise,
    ) {
        let payload = flight.to_bytes();
        let head = Head {
            kind: Kind::Sent,
            call: live.call,
            word: 0,
            source: None,
            partition: 0,
            number: u16::try_from(number).unwrap_or(u16::MAX),
        };
        let mut state = self.state();
        if !state.take(promise, record::size(0, payload.len())) {
            tracing::warn!(call = %live.call, "no room in the outbox to note the target of another attempt");
            return;
        }
        let place = state.space.append(&head, &[], &[&payload]);
        state.space.publish();
        match place {
            Ok(place) => live.places().sent = Some(place),
            Err(error) => {
                tracing::error!(%error, call = %live.call, "the target of a call can't be noted")
            }
        }
    }

    /// Notes how much output a live call gave.
    pub(in crate::usage) fn progress(&self, live: &Live, output_units: i64) {
        let places = live.places();
        if output_units <= live.progress.fetch_max(output_units, Ordering::Relaxed) {
            return;
        }
        let place = &places.admitted;
        if let Err(error) = place.segment.set_count(place.offset, output_units.cast_unsigned()) {
            tracing::error!(%error, call = %live.call, "the progress of a call can't be noted");
        }
    }

    /// Writes the event of an attempt.
    pub(in crate::usage) fn attempt(
        &self,
        live: &Live,
        report: &AttemptReport,
        number: usize,
        promise: &mut Promise,
    ) {
        let attempt = event::attempt(report, live.call, number, self.origin);
        let payload = match self.options.codec.to_vec(&attempt) {
            Ok(payload) => payload,
            Err(error) => {
                tracing::error!(%error, call = %live.call, "the event of an attempt can't be encoded");
                return;
            }
        };
        let key = event::cut(&report.target.credential_subject.0, event::SUBJECT);
        let partition = partition_of(key.as_bytes(), self.options.partitions.attempts);
        let head = Head {
            kind: Kind::Attempt,
            call: live.call,
            word: 0,
            source: None,
            partition,
            number: u16::try_from(number).unwrap_or(u16::MAX),
        };
        let mut state = self.state();
        if !state.take(promise, record::size(key.len(), payload.len() + 9)) {
            tracing::warn!(call = %live.call, number, "no room in the outbox for another attempt of a call");
            return;
        }
        let place = state.append_event(head, key.as_bytes(), &payload);
        state.space.publish();
        // it may be trimmed before the call ends; its `Sent` record moves with the call
        let sent = live.places().sent.clone();
        let ended = sent.map_or(Ok(()), |sent| {
            sent.segment.set_count(sent.offset, u64::try_from(number).unwrap_or(u64::MAX))
        });
        drop(state);
        if let Err(error) = ended {
            tracing::error!(%error, call = %live.call, "the end of an attempt can't be noted");
        }
        if let Err(error) = place {
            tracing::error!(%error, call = %live.call, "the event of an attempt can't be written");
        }
        self.ring();
    }

    /// Writes the usage event of a live call, which is then no longer live. The spend is entered
    /// before the shipper can see the event, and the hold let go with it.
    pub(in crate::usage) fn settle(
        &self,
        live: &Live,
        usage: &Usage,
        promise: Promise,
        spend: Option<(Hold, Nano)>,
    ) -> Option<Position> {
        let payload = self.options.codec.to_vec(usage);
        let key = usage.account.as_str().as_bytes();
        let head = Head {
            kind: Kind::Settled,
            call: live.call,
            word: 0,
            source: None,
            partition: partition_of(key, self.options.partitions.usage),
            number: 0,
        };
        let mut state = self.state();
        let written = match &payload {
            Ok(payload) => {
                state.append_event(head, key, payload).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        };
        if let (Ok((_, seq)), Some((hold, cost))) = (&written, spend) {
            hold.settle(self.origin, *seq, cost);
        }
        state.space.publish();
        state.space.release(promise.attempts + promise.settled);
        if written.is_ok() {
            state.live.remove(&live.number);
        }
        let tail = state.space.tail();
        drop(state);
        self.ring();
        match written {
            Ok(_) => Some(tail),
            Err(error) => {
                // its admitted record stays live: the next process settles the call as lost
                tracing::error!(%error, call = %live.call, "the usage event of a call can't be written");
                None
            }
        }
    }
}

impl State {
    /// Takes `len` bytes of what was promised for attempts, or else of what nobody was promised.
    fn take(&mut self, promise: &mut Promise, len: usize) -> bool {
        let len = len as u64;
        if promise.attempts >= len {
            promise.attempts -= len;
            self.space.release(len);
            return true;
        }
        self.space.has_spare(len)
    }

    /// Appends an event with the next seq of its topic partition.
    pub(super) fn append_event(
        &mut self,
        mut head: Head,
        key: &[u8],
        payload: &[u8],
    ) -> Result<(Place, Seq), Error> {
        let (seqs, at) = match head.kind {
            Kind::Settled => (&mut self.usage_seqs, USAGE_SEQ),
            _ => (&mut self.attempt_seqs, ATTEMPT_SEQ),
        };
        let index = head.partition as usize;
        if seqs.len() <= index {
            seqs.resize(index + 1, 0);
        }
        let seq = seqs.get(index).map_or(1, |seq| seq + 1);
        head.word = seq;
        let (before, after) = payload.split_at(at.min(payload.len()));
        let mut varint = [0; 10];
        let varint = zigzag(seq, &mut varint);
        let parts = [before, varint, after.get(1..).unwrap_or_default()];
        let place = self.space.append(&head, key, &parts)?;
        if let Some(last) = seqs.get_mut(index) {
            *last = seq;
        }
        self.counts.appended += 1;
        Ok((place, seq))
    }
}

/// A `long` as Avro writes it.
fn zigzag(seq: Seq, out: &mut [u8; 10]) -> &[u8] {
    let mut rest = seq << 1;
    let mut len = 0;
    for byte in out.iter_mut() {
        len += 1;
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            *byte = low & 0x7f;
            break;
        }
        *byte = low | 0x80;
    }
    out.get(..len).unwrap_or_default()
}
