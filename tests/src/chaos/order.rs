//! The order in which events came into the log.

use std::collections::BTreeMap;

use runtime::log::{Log, Record, Span};
use schemas::topics::Topic;

/// A partition's events by what they say of themselves: whose, and which number.
type Origin = Vec<u8>;

/// Looks whether the events of each origin stand in the log in the order in which it made them: a
/// record that was seen before may come again, one that is new is the next one. Gives what is out
/// of order.
///
/// # Errors
/// The log can't be read.
pub async fn broken(log: &dyn Log) -> anyhow::Result<Vec<String>> {
    let mut wrong = Vec::new();
    for topic in [Topic::Usage, Topic::Attempts] {
        for partition in 0..log.partitions(topic) {
            let at = topic.at(partition);
            let mut newest = BTreeMap::new();
            let mut span = Span::whole(log, at).await?;
            while let Some(records) = span.page().await? {
                for record in &records {
                    let gap =
                        numbered(record).and_then(|(origin, seq)| gap(&mut newest, origin, seq));
                    wrong.extend(gap.map(|gap| format!("{at}, offset {}: {gap}", record.offset)));
                }
            }
        }
    }
    Ok(wrong)
}

/// Notes that an origin's event was seen. Gives what is missing before it.
fn gap(newest: &mut BTreeMap<Origin, u64>, origin: Origin, seq: u64) -> Option<String> {
    let newest = newest.entry(origin).or_default();
    let gap = (seq > *newest + 1).then(|| format!("seq {seq} comes after {newest}"));
    *newest = seq.max(*newest);
    gap
}

fn numbered(record: &Record) -> Option<(Origin, u64)> {
    let header = |name| record.headers.iter().find(|(known, _)| known == name);
    let (_, origin) = header("origin")?;
    let (_, seq) = header("seq")?;
    Some((origin.to_vec(), u64::from_be_bytes(*seq.first_chunk()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(seen: &[(u8, u64)]) -> usize {
        let mut newest = BTreeMap::new();
        seen.iter().filter_map(|(origin, seq)| gap(&mut newest, vec![*origin], *seq)).count()
    }

    #[test]
    fn a_new_event_is_the_next_one_of_its_origin() {
        assert_eq!(gaps(&[(1, 1), (2, 1), (1, 2), (2, 2), (1, 3)]), 0);
        assert_eq!(gaps(&[(1, 1), (1, 2), (1, 1), (1, 2), (1, 3)]), 0, "sent again");
        assert_eq!(gaps(&[(1, 1), (1, 3), (1, 2), (1, 4)]), 1, "another order");
        assert_eq!(gaps(&[(1, 2)]), 1, "the first is missing");
    }
}
