//! The comparison: what the vendor saw against what was settled.

use std::collections::{BTreeMap, BTreeSet};

use runtime::log::{Log, Span};
use schemas::event::{Meter, Outcome, Usage};
use schemas::topics::Topic;
use schemas::wire::Codec;

use crate::fake_provider::{Ended, Entry};

/// What the vendor saw of one call, over all of its requests.
#[derive(Clone, Debug, Default)]
pub struct Served {
    /// Requests.
    pub requests: u32,
    /// How the newest ended; none while it is open.
    pub ended: Option<Ended>,
    /// Status of the newest.
    pub status: u16,
    /// Tokens that the newest was billed.
    pub prompt: u32,
    /// Tokens that the newest was billed.
    pub completion: u32,
}

/// What the vendor saw, by call.
pub fn served(entries: &[Entry]) -> BTreeMap<String, Served> {
    let mut calls: BTreeMap<String, Served> = BTreeMap::new();
    let mut by_number = BTreeMap::new();
    for entry in entries {
        match entry {
            Entry::Arrival(arrival) => {
                let id = arrival.call.clone().unwrap_or_default();
                let call = calls.entry(id.clone()).or_default();
                call.requests += 1;
                call.ended = None;
                by_number.insert(arrival.number, (id, call.requests));
            }
            Entry::End(end) => {
                let Some((id, number)) = by_number.get(&end.number) else {
                    continue;
                };
                if let Some(call) = calls.get_mut(id).filter(|call| call.requests == *number) {
                    call.ended = Some(end.ended);
                    call.status = end.status;
                    call.prompt = end.prompt;
                    call.completion = end.completion;
                }
            }
        }
    }
    calls
}

/// The usage events of a log with their partitions, in order per partition.
///
/// # Errors
/// The log can't be read.
pub async fn settled(log: &dyn Log, codec: &Codec) -> anyhow::Result<Vec<(u32, Usage)>> {
    let mut events = Vec::new();
    for partition in 0..log.partitions(Topic::Usage) {
        let at = Topic::Usage.at(partition);
        let mut span = Span::whole(log, at).await?;
        while let Some(records) = span.page().await? {
            for value in records.iter().filter_map(|record| record.value.as_deref()) {
                events.push((partition, codec.decode(value)?));
            }
        }
    }
    Ok(events)
}

/// What does not fit.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// In words; empty when all is well.
    pub wrong: Vec<String>,
    /// Events by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Calls that the vendor saw.
    pub served: u64,
    /// Distinct (origin, seq) in the log.
    pub distinct: u64,
    /// Calls that power loss took, each of which lay in pages that were rolled back.
    pub excused: u64,
}

impl Findings {
    fn wrong(&mut self, what: &str, call: &str, more: impl std::fmt::Debug) {
        self.wrong.push(format!("{what}: call {call}: {more:?}"));
    }
}

/// Holds each call that the vendor saw against the log. `whole` are the calls that clients saw to
/// their good end; `lost` are those that power loss may have taken.
pub fn compare(
    served: &BTreeMap<String, Served>,
    events: &[(u32, Usage)],
    whole: &[String],
    lost: &BTreeSet<String>,
) -> Findings {
    let mut found = Findings::default();
    let mut by_call: BTreeMap<String, Vec<&Usage>> = BTreeMap::new();
    let mut seqs = BTreeMap::new();
    for (partition, event) in events {
        *found.outcomes.entry(event.outcome.as_str()).or_default() += 1;
        by_call.entry(event.call.to_string()).or_default().push(event);
        // the same record may lie in the log twice (shipped again after a crash); another may not
        // have its number
        let first = seqs.entry((event.origin, *partition, event.seq)).or_insert(event.call);
        if *first != event.call {
            found.wrong("two calls have one origin and seq", &event.call.to_string(), first);
        }
    }
    found.distinct = u64::try_from(seqs.len()).unwrap_or(u64::MAX);
    found.served = u64::try_from(served.len()).unwrap_or(u64::MAX);
    for (id, seen) in served {
        match by_call.get(id).map(Vec::as_slice) {
            Some([first, again @ ..]) => {
                if again.iter().any(|other| other != first) {
                    found.wrong("settled more than once", id, again.len() + 1);
                }
                fits(&mut found, id, seen, first);
            }
            _ if lost.contains(id) => found.excused += 1,
            _ => found.wrong("never settled", id, seen),
        }
    }
    for (id, events) in &by_call {
        let owes = events.iter().any(|event| !event.charges.is_empty());
        if owes && !served.contains_key(id) {
            found.wrong("charged, but the vendor never saw it", id, events);
        }
    }
    for id in whole {
        let completed = |event: &&Usage| event.outcome == Outcome::Completed;
        if !by_call.get(id).is_some_and(|events| events.iter().all(completed)) && !lost.contains(id)
        {
            found.wrong("seen whole by its client, but not completed", id, by_call.get(id));
        }
    }
    found
}

/// Whether one event says what the vendor would bill.
fn fits(found: &mut Findings, id: &str, seen: &Served, event: &Usage) {
    let answered = seen.ended == Some(Ended::Answered) && seen.status == 200;
    if event.outcome == Outcome::Completed && !answered {
        found.wrong("completed, but the vendor did not answer", id, seen);
    }
    if event.outcome != Outcome::Completed {
        return;
    }
    let units = |meters: &[Meter]| -> i64 {
        let quantities = event.charges.iter().flat_map(|charge| &charge.quantities);
        quantities
            .filter(|quantity| meters.contains(&quantity.meter))
            .map(|quantity| quantity.units)
            .sum()
    };
    let input = units(&[Meter::Input, Meter::InputCached]);
    let output = units(&[Meter::Output, Meter::OutputReasoning]);
    if (input, output) != (i64::from(seen.prompt), i64::from(seen.completion)) {
        found.wrong("charged otherwise than the vendor bills", id, (input, output, seen));
    }
}

#[cfg(test)]
mod tests {
    use schemas::event::{Charge, Operation, Quantity};
    use schemas::ids::{CallId, Origin};

    use super::*;

    fn event(call: u8, seq: i64) -> Usage {
        let quantity = |meter, units| Quantity { meter, units };
        Usage {
            call: CallId([call; 16]),
            origin: Origin([1; 16]),
            seq,
            account: "a".into(),
            project: "p".into(),
            key: "k".into(),
            user: None,
            client: None,
            tags: BTreeMap::new(),
            operation: Operation::Chat,
            dialect: "openai.chat".into(),
            streamed: false,
            model: "m".into(),
            outcome: Outcome::Completed,
            error: None,
            status: 200,
            attempts: 1,
            charges: vec![Charge {
                provider: "one".into(),
                credential: "main".into(),
                model: "m".into(),
                quantities: vec![quantity(Meter::Input, 7), quantity(Meter::Output, 3)],
                estimated: false,
                reported_nano: None,
            }],
            price_version: "v".into(),
            admitted_at: 0,
            ttft_us: None,
            duration_us: 1,
        }
    }

    fn id(call: u8) -> String {
        CallId([call; 16]).to_string()
    }

    fn vendor(calls: &[u8]) -> BTreeMap<String, Served> {
        let seen = Served {
            requests: 1,
            ended: Some(Ended::Answered),
            status: 200,
            prompt: 7,
            completion: 3,
        };
        calls.iter().map(|call| (id(*call), seen.clone())).collect()
    }

    fn wrong(served: &[u8], events: &[(u32, Usage)], whole: &[String]) -> Vec<String> {
        compare(&vendor(served), events, whole, &BTreeSet::new()).wrong
    }

    #[test]
    fn what_fits_is_not_complained_of() {
        let events = [(0, event(1, 1)), (0, event(2, 2)), (1, event(3, 1))];
        assert!(wrong(&[1, 2, 3], &events, &[id(1)]).is_empty());
        // shipped again after a crash, unchanged
        let twice = [(0, event(1, 1)), (0, event(1, 1))];
        let found = compare(&vendor(&[1]), &twice, &[], &BTreeSet::new());
        assert_eq!((found.wrong.len(), found.distinct), (0, 1));
    }

    #[test]
    fn each_breach_is_found() {
        let breach = |wrong: Vec<String>, what: &str| {
            assert_eq!(wrong.len(), 1, "{wrong:?}");
            assert!(wrong[0].starts_with(what), "{wrong:?}");
        };
        breach(wrong(&[1, 2], &[(0, event(1, 1))], &[]), "never settled");
        let again = [(0, event(1, 1)), (0, event(1, 2))];
        breach(wrong(&[1], &again, &[]), "settled more than once");
        let same = [(0, event(1, 1)), (0, event(2, 1))];
        breach(wrong(&[1, 2], &same, &[]), "two calls have one origin");
        breach(wrong(&[], &[(0, event(1, 1))], &[]), "charged, but the vendor never saw it");
        let mut dear = event(1, 1);
        dear.charges[0].quantities[1].units = 4;
        breach(wrong(&[1], &[(0, dear)], &[]), "charged otherwise");
        let mut lost = event(1, 1);
        lost.outcome = Outcome::Lost;
        breach(wrong(&[1], &[(0, lost)], &[id(1)]), "seen whole by its client");
        let excused = BTreeSet::from([id(1)]);
        let found = compare(&vendor(&[1]), &[], &[], &excused);
        assert_eq!((found.wrong.len(), found.excused), (0, 1));
    }
}
