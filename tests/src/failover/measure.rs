//! What is read off a run.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::load::Call;
use super::states::Transition;
use super::way::PROVIDERS;

/// What came of one way to fail.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Calls from the onset to the end, and those that failed.
    pub calls: usize,
    /// See [`calls`](Self::calls).
    pub failed: usize,
    /// From the onset until no more than a tenth of a second's calls met the sick upstream.
    pub shifted: Option<Duration>,
    /// From the onset until a gateway knew from the log that the sick one is out.
    pub ejected: Option<Duration>,
    /// From the repair until the upstream had half of its share of a second's calls.
    pub recovered: Option<Duration>,
    /// The longest time between two gateways knowing of the same change.
    pub apart: Option<Duration>,
    /// Changes that only one gateway was seen to know; the next one came before it was looked.
    pub unseen: usize,
}

impl Measured {
    /// Reads it off.
    pub fn of(
        calls: &[Call],
        states: &BTreeMap<Transition, Vec<Option<Instant>>>,
        (onset, repair, end): (Instant, Instant, Instant),
    ) -> Self {
        let first = PROVIDERS[0];
        let since: Vec<&Call> = calls.iter().filter(|call| call.at >= onset).collect();
        let second = |from: Instant| {
            let within = from..from + Duration::from_secs(1);
            since.iter().filter(move |call| within.contains(&call.at))
        };
        let moment = |from: Instant,
                      to: Instant,
                      holds: &dyn Fn(usize, usize) -> bool,
                      counts: &dyn Fn(&Call) -> bool| {
            let steps = (0..).map(|step| from + step * Duration::from_millis(100));
            let mut steps = steps.take_while(|at| *at + Duration::from_secs(1) <= to);
            steps.find(|at| {
                let all = second(*at).count();
                all > 0 && holds(second(*at).filter(|call| counts(call)).count(), all)
            })
        };
        let met = |call: &Call| call.provider == first || call.attempts > 1;
        let shifted = moment(onset, repair, &|sick, all| sick * 10 <= all, &met);
        let answered = |call: &Call| call.provider == first;
        let recovered = moment(repair, end, &|own, all| own * 6 >= all, &answered);
        let out = |state: &str| matches!(state, "ejected" | "disabled");
        let ejected = states
            .iter()
            .filter(|((subject, state, _), _)| {
                out(state) && subject.starts_with(&format!("{first}/"))
            })
            .flat_map(|(_, times)| times.iter().flatten())
            .filter(|at| **at >= onset)
            .min();
        let new = states.values().filter(|times| times.iter().flatten().any(|at| *at >= onset));
        let mut apart = None;
        let mut unseen = 0;
        for times in new.filter(|times| times.len() > 1) {
            let known: Vec<Instant> = times.iter().flatten().copied().collect();
            match (known.iter().min(), known.iter().max()) {
                (Some(first), Some(last)) if known.len() == times.len() => {
                    apart = apart.max(Some(last.duration_since(*first)));
                }
                _ => unseen += 1,
            }
        }
        Self {
            calls: since.len(),
            failed: since.iter().filter(|call| !call.answered).count(),
            shifted: shifted.map(|at| at.duration_since(onset)),
            ejected: ejected.map(|at| at.duration_since(onset)),
            recovered: recovered.map(|at| at.duration_since(repair)),
            apart,
            unseen,
        }
    }

    /// A line of a table.
    pub fn line(&self, way: &str) -> String {
        let seconds = |time: Option<Duration>| {
            time.map_or("–".to_owned(), |time| format!("{:.1}", time.as_secs_f64()))
        };
        let share = 100.0 * self.failed as f64 / self.calls.max(1) as f64;
        format!(
            "| {way} | {} | {} ({share:.2} %) | {} | {} | {} | {} |",
            self.calls,
            self.failed,
            seconds(self.shifted),
            seconds(self.ejected),
            seconds(self.recovered),
            seconds(self.apart),
        )
    }
}
