//! Anthropic's usage object to disjoint meters, once.

use schemas::event::{Meter, Quantity};

use super::wire::Usage;
use crate::reply::Tally;

/// What was used so far.
#[derive(Default)]
pub(super) struct Count {
    used: Usage,
    /// The last usage came: until then the output is not known, only that it began.
    is_final: bool,
}

impl Count {
    /// Takes what the provider says: a field that is there replaces what was said before.
    pub(super) fn take(&mut self, said: Usage, is_final: bool, tally: &mut Tally) {
        let used = &mut self.used;
        used.input_tokens = said.input_tokens.or(used.input_tokens);
        used.cache_read_input_tokens =
            said.cache_read_input_tokens.or(used.cache_read_input_tokens);
        used.cache_creation_input_tokens =
            said.cache_creation_input_tokens.or(used.cache_creation_input_tokens);
        used.cache_creation = said.cache_creation.or(used.cache_creation.take());
        used.output_tokens = said.output_tokens.or(used.output_tokens);
        used.output_tokens_details =
            said.output_tokens_details.or(used.output_tokens_details.take());
        used.server_tool_use = said.server_tool_use.or(used.server_tool_use.take());
        self.is_final |= is_final && said.output_tokens.is_some();
        self.enter(tally);
    }

    /// Content was given. A stream that breaks never says what its output was: what was given
    /// until then is estimated.
    pub(super) fn grew(&self, tally: &mut Tally) {
        if self.is_final || !tally.reported {
            return;
        }
        let units = self.output(tally);
        match tally.quantities.iter_mut().find(|quantity| quantity.meter == Meter::Output) {
            Some(quantity) => quantity.units = units,
            None if units > 0 => {
                tally.quantities.push(Quantity { meter: Meter::Output, units });
            }
            None => {}
        }
    }

    fn output(&self, tally: &Tally) -> i64 {
        let said = self.used.output_tokens.unwrap_or(0).max(0);
        if self.is_final { said } else { said.max(tally.estimated_output()) }
    }

    fn enter(&self, tally: &mut Tally) {
        let used = &self.used;
        let tokens = |tokens: Option<i64>| tokens.unwrap_or(0).max(0);
        let by_time = used.cache_creation.as_ref();
        let long = tokens(by_time.and_then(|written| written.ephemeral_1h_input_tokens));
        let short = tokens(by_time.and_then(|written| written.ephemeral_5m_input_tokens));
        // the total counts, where both are said
        let written = match used.cache_creation_input_tokens {
            Some(total) => total.max(0),
            None => long.saturating_add(short),
        };
        let long = long.min(written);
        let output = self.output(tally);
        let details = used.output_tokens_details.as_ref();
        let thinking = tokens(details.and_then(|details| details.thinking_tokens)).min(output);
        let searches = used.server_tool_use.as_ref();
        tally.quantities.clear();
        let all = [
            (Meter::Input, tokens(used.input_tokens)),
            (Meter::InputCached, tokens(used.cache_read_input_tokens)),
            (Meter::CacheWrite, written - long),
            (Meter::CacheWriteLong, long),
            (Meter::OutputReasoning, thinking),
            (Meter::Output, output - thinking),
            (Meter::Search, tokens(searches.and_then(|used| used.web_search_requests))),
        ];
        let some = all.into_iter().filter(|(_, units)| *units > 0);
        tally.quantities.extend(some.map(|(meter, units)| Quantity { meter, units }));
        tally.reported = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(json: &str) -> Usage {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn what_a_broken_stream_gave_is_counted() {
        let (mut count, mut tally) = (Count::default(), Tally::default());
        count.take(usage(r#"{"input_tokens":20,"output_tokens":1}"#), false, &mut tally);
        assert_eq!((tally.units(Meter::Input), tally.output()), (20, 1));
        tally.content_bytes = 41;
        count.grew(&mut tally);
        assert_eq!((tally.units(Meter::Input), tally.output()), (20, 11));
        count.take(usage(r#"{"output_tokens":7}"#), true, &mut tally);
        tally.content_bytes = 80;
        count.grew(&mut tally);
        assert_eq!((tally.units(Meter::Input), tally.output()), (20, 7));
    }

    #[test]
    fn a_total_of_cache_writes_counts() {
        use Meter::{CacheWrite, CacheWriteLong};
        for (said, short, long) in [
            (r#"{"cache_creation_input_tokens":9}"#, 9, 0),
            (
                r#"{"cache_creation_input_tokens":9,"cache_creation":{"ephemeral_1h_input_tokens":4,"ephemeral_5m_input_tokens":5}}"#,
                5,
                4,
            ),
            (
                r#"{"cache_creation":{"ephemeral_1h_input_tokens":4,"ephemeral_5m_input_tokens":5}}"#,
                5,
                4,
            ),
            (
                r#"{"cache_creation_input_tokens":3,"cache_creation":{"ephemeral_1h_input_tokens":4}}"#,
                0,
                3,
            ),
            (r#"{"cache_creation_input_tokens":-3}"#, 0, 0),
        ] {
            let (mut count, mut tally) = (Count::default(), Tally::default());
            count.take(usage(said), true, &mut tally);
            assert_eq!(
                (tally.units(CacheWrite), tally.units(CacheWriteLong)),
                (short, long),
                "{said}"
            );
        }
    }
}
