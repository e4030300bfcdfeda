//! Where the sink goes on: what the table holds, against what the log says was about to be
//! inserted.

use runtime::log::{LogId, Offset, Span};
use schemas::topics::TopicPartition;

use super::fold::{Sink, name, written_key};
use super::rows::Kind;
use super::store::{Resume, Store};
use crate::Deps;
use crate::pipeline::{Error, Folding, Held, Loaded, Taken, output};

/// Loads a partition from its table, and redoes the last insert if it did not land.
///
/// The last step named the batch behind `written` and up to its own position, and its insert may
/// be there, not be there, or still be on its way. If the rows end before the batch, just this
/// batch is inserted again: under the same token, so that of two that are on their way one lands.
pub(super) async fn load<K: Kind, S: Store<K>>(
    deps: &Deps,
    store: &S,
    partition: u32,
    held: Held,
    limit: usize,
) -> Result<Loaded<Sink<K>>, Error> {
    let (log, input) = (&*deps.log, K::TOPIC.at(partition));
    let log_id = log.id(K::TOPIC);
    let table = store.resume(partition).await.map_err(effect)?;
    if let Some(other) = table.log_ids.iter().find(|kept| **kept != log_id.0) {
        let kept = LogId(other.clone());
        return Err(Error::OtherLog { topic: K::TOPIC, kept, found: log_id });
    }
    let position = held.positions.get(&input).copied().unwrap_or(0);
    let named = held.items.get(&written_key::<K>()).map_or(0, |state| state.offset);
    let named = Offset::try_from(named).map_err(|_| Error::Damaged(written_key::<K>()))?;
    if table.written > position {
        return Err(Error::Disagree {
            processor: name::<K>(),
            partition,
            committed: format!("{input}:{position}"),
            recorded: format!("table {}:{}", K::TABLE.name(), table.written),
        });
    }
    let start = log.ends(input).await?.start;
    let Resume { written, marks, .. } = table;
    let fold = Sink::new(partition, log_id, written, limit);
    let out = output(deps, &name::<K>(), partition);
    let folding = Folding::new(&name::<K>(), partition, fold, marks, out).buried(held.positions);
    let (folding, next) = if written > named || position <= start {
        // it landed, or there is nothing to land
        (folding, position)
    } else if written == named {
        (redo(deps, store, folding, input, named.max(start), position).await?, position)
    } else {
        tracing::warn!(
            table = K::TABLE.name(),
            partition,
            rows_end = written,
            rows_ended = named,
            "the table lost rows; they are filled in from the log"
        );
        (folding, written)
    };
    let (fold, marks) = folding.into_parts();
    Ok(Loaded { fold, marks, positions: [(input, next.max(start))].into() })
}

/// Folds the records of the batch again, and inserts it.
async fn redo<K: Kind, S: Store<K>>(
    deps: &Deps,
    store: &S,
    mut folding: Folding<Sink<K>>,
    input: TopicPartition,
    from: Offset,
    end: Offset,
) -> Result<Folding<Sink<K>>, Error> {
    let mut span = Span::open(&*deps.log, input, from, end).await?;
    while let Some(records) = span.page().await? {
        for record in records {
            match folding.take(input, &record)? {
                Taken::Done => {}
                Taken::Cut | Taken::Wait(_) => {
                    let what = format!("{}: the batch behind {from} up to {end}", name::<K>());
                    return Err(Error::Damaged(what));
                }
            }
        }
    }
    folding.close(|topic| deps.log.id(topic))?;
    if !folding.fold().batch().is_empty() {
        store.insert(folding.fold().batch()).await.map_err(effect)?;
        folding.fold_mut().landed();
    }
    Ok(folding)
}

/// What the store says, as what stops a processor.
pub(super) fn effect(fault: super::fault::Fault) -> Error {
    Error::Effect(fault.to_string())
}
