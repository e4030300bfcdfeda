//! What earlier processes left: found once, written down once.
//!
//! Per origin, what is whole up to the first bad place is shipped as it stands. What is whole past
//! it (power loss: a page in the middle never reached the disk) was never shipped, since nothing
//! is shipped before everything ahead of it is on disk; it is written again under the new origin,
//! citing where it stood. A call that was admitted and has no usage event anywhere is settled as
//! lost, and the attempt that it was in the middle of as cancelled. A later start finds those
//! records and does nothing a second time; the old segments stay until their replacements are
//! shipped.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use schemas::event::{Attempt, Outcome, Usage};
use schemas::ids::{CallId, Origin};
use schemas::partition::partition_of;
use schemas::wire::{self, Codec};

use super::error::Error;
use super::record::{Head, Kind, Position, View};
use super::scan::scan;
use super::segment::{HEADER, Segment};
use super::{Partitions, Recovered, State};
use crate::usage::event::{self, Flight};

/// What the old segments hold that needs something done.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// Admitted, no usage event seen.
    open: HashMap<CallId, Open>,
    /// Whole records past a bad place, by the place where each stood first; of several copies the
    /// newest.
    past: HashMap<Position, Stray>,
    /// First places of records that have a copy which is shipped as it stands.
    replaced: HashSet<Position>,
    /// Origins of which a part is missing.
    broken: HashSet<Origin>,
    /// What was counted on the way.
    pub(super) counts: Recovered,
}

#[derive(Debug)]
struct Open {
    usage: Vec<u8>,
    input_estimate: i64,
    progress: i64,
    flight: Option<Flight>,
    /// The last attempt that ended, and the last that began.
    attempts: u16,
    begun: u16,
}

#[derive(Debug)]
struct Stray {
    at: Position,
    head: Head,
    key: Vec<u8>,
    payload: Vec<u8>,
}

impl Recovery {
    /// Reads a segment, older ones first, and sets its end to what is shipped as it stands.
    /// Returns whether it holds anything at all. What stands before `shipped` is in the log.
    pub(super) fn read(&mut self, segment: &Segment, shipped: Position) -> std::io::Result<bool> {
        let broken = segment.origin.is_none_or(|origin| self.broken.contains(&origin));
        let mut any = false;
        let ended = scan(segment, |view, at, past| {
            any = true;
            self.record(view, at, past || broken, shipped);
        })?;
        if let (false, Some(origin)) = (ended.closed, segment.origin) {
            // its last segment is never closed, but then no later one follows
            self.broken.insert(origin);
        }
        segment.publish(if broken { HEADER.min(segment.size) } else { ended.end });
        Ok(any)
    }

    fn record(&mut self, view: &View<'_>, at: Position, past: bool, shipped: Position) {
        let head = view.head;
        match head.kind {
            Kind::End => {}
            Kind::Admitted => self.admitted(view),
            Kind::Sent => {
                if let Some(open) = self.open.get_mut(&head.call) {
                    open.flight = Flight::from_bytes(view.payload);
                    open.begun = open.begun.max(head.number);
                    let ended = u16::try_from(head.word).unwrap_or(u16::MAX);
                    open.attempts = open.attempts.max(ended);
                }
            }
            Kind::Attempt => {
                if let Some(open) = self.open.get_mut(&head.call) {
                    open.attempts = open.attempts.max(head.number);
                }
            }
            Kind::Settled => {
                self.open.remove(&head.call);
            }
        }
        if !head.kind.ships() {
            return;
        }
        if past {
            if at >= shipped {
                let (key, payload) = (view.key.to_vec(), view.payload.to_vec());
                self.past.insert(head.source.unwrap_or(at), Stray { at, head, key, payload });
            }
        } else {
            self.replaced.extend(head.source);
            self.counts.unshipped += u64::from(at >= shipped);
        }
    }

    /// A moved record is there twice for a while: the greater counter holds.
    fn admitted(&mut self, view: &View<'_>) {
        let progress = view.head.word.cast_signed();
        if let Some(open) = self.open.get_mut(&view.head.call) {
            open.progress = open.progress.max(progress);
            return;
        }
        let open = Open {
            usage: view.payload.to_vec(),
            input_estimate: view.key.first_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes)),
            progress,
            flight: None,
            attempts: 0,
            begun: 0,
        };
        self.open.insert(view.head.call, open);
    }

    /// Writes what is missing under the new origin.
    pub(super) fn write(
        mut self,
        state: &mut State,
        codec: &Codec,
        origin: Origin,
        partitions: Partitions,
        folder: &Path,
    ) -> Result<Recovered, Error> {
        let mut strays: Vec<_> = self.past.drain().collect();
        strays.retain(|(first, _)| !self.replaced.contains(first));
        strays.sort_by_key(|(_, stray)| stray.at);
        for (first, stray) in strays {
            let payload = match stray.head.kind {
                Kind::Settled => rewrite::<Usage>(codec, &stray.payload, |usage| {
                    usage.origin = origin;
                    usage.seq = 0;
                }),
                _ => rewrite::<Attempt>(codec, &stray.payload, |attempt| {
                    attempt.origin = origin;
                    attempt.seq = 0;
                }),
            };
            let partition = match stray.head.kind {
                Kind::Settled => partition_of(&stray.key, partitions.usage),
                _ => partition_of(&stray.key, partitions.attempts),
            };
            let payload = payload.map_err(|error| unreadable(&error, folder, stray.at))?;
            let head = Head { source: Some(first), partition, ..stray.head };
            state.append_event(head, &stray.key, &payload)?;
            self.counts.reemitted += 1;
        }
        let mut open: Vec<_> = self.open.into_iter().collect();
        open.sort_by_key(|(call, _)| *call);
        for (call, open) in open {
            let attempts = open.attempts.max(open.begun);
            if let Some(flight) = open.flight.as_ref().filter(|_| open.begun > open.attempts) {
                let attempt = flight.unfinished(call, attempts.into(), origin);
                let payload = codec
                    .to_vec(&attempt)
                    .map_err(|error| unreadable(&error, folder, Position::default()))?;
                let subject = flight.subject();
                let key = event::cut(&subject.0, event::SUBJECT);
                let partition = partition_of(key.as_bytes(), partitions.attempts);
                let head = Head {
                    kind: Kind::Attempt,
                    call,
                    word: 0,
                    source: None,
                    partition,
                    number: attempts,
                };
                state.append_event(head, key.as_bytes(), &payload)?;
                self.counts.cut_off += 1;
            }
            let mut account = String::new();
            let payload = rewrite::<Usage>(codec, &open.usage, |usage| {
                usage.origin = origin;
                usage.seq = 0;
                usage.outcome = Outcome::Lost;
                usage.error = Some("gateway_died".into());
                usage.attempts = attempts.into();
                usage.charges = event::estimate(
                    usage.operation,
                    open.flight.as_ref(),
                    open.input_estimate,
                    open.progress,
                );
                account.push_str(usage.account.as_str());
            });
            let payload =
                payload.map_err(|error| unreadable(&error, folder, Position::default()))?;
            let partition = partition_of(account.as_bytes(), partitions.usage);
            let head =
                Head { kind: Kind::Settled, call, word: 0, source: None, partition, number: 0 };
            state.append_event(head, account.as_bytes(), &payload)?;
            self.counts.lost += 1;
        }
        Ok(self.counts)
    }
}

/// Decodes, changes and encodes again.
fn rewrite<E: wire::Event>(
    codec: &Codec,
    payload: &[u8],
    change: impl FnOnce(&mut E),
) -> Result<Vec<u8>, wire::Error> {
    let mut event = codec.decode::<E>(payload)?;
    change(&mut event);
    codec.to_vec(&event)
}

/// Its CRC is right, so this program or a newer one wrote it: going on would lose it.
fn unreadable(error: &wire::Error, folder: &Path, at: Position) -> Error {
    let found = format!("a record of segment {:016x} at {}: {error}", at.generation, at.offset);
    Error::Newer { path: folder.into(), found }
}
