//! What billing knows when it takes a partition over.

use runtime::log::{self, Log, Span};
use schemas::event::{Balance, Hash};
use schemas::ids::CallId;
use schemas::topics::Topic;

use super::{Billing, Books, Calls};
use crate::Deps;
use crate::pipeline::{Error, Held, Loaded, header};

/// Loads accounts from the balances, commands from the state items, and the remembered calls
/// from the tail of the journal.
pub(super) async fn load(
    deps: &Deps,
    partition: u32,
    books: Books,
    held: Held,
) -> Result<Loaded<Billing>, Error> {
    let log = &*deps.log;
    let calls = remembered(log, partition, Calls::default()).await?;
    let partitions = log.partitions(Topic::Usage);
    let mut fold = Billing::new(partition, partitions, books).with_calls(calls);
    for record in log.latest(Topic::Balances.at(partition)).await?.records {
        let value = record.value.unwrap_or_default();
        fold.restore_account(deps.codec.decode::<Balance>(&value)?);
    }
    for (key, state) in held.items {
        let digest: [u8; 32] =
            state.digest.try_into().map_err(|_| Error::Damaged(format!("billing/{key}")))?;
        fold.restore_command(key, Hash(digest));
    }
    Ok(Loaded { fold, marks: held.marks, positions: held.positions })
}

/// The calls of the newest charges, as the headers of their entries name them.
async fn remembered(log: &dyn Log, partition: u32, mut calls: Calls) -> log::Result<Calls> {
    let ledger = Topic::Ledger.at(partition);
    let ends = log.ends(ledger).await?;
    let mut back = u64::try_from(calls.limit()).unwrap_or(u64::MAX);
    loop {
        // entries without a call and transaction markers take offsets too: go back further then
        back = back.saturating_mul(2);
        let from = ends.end.saturating_sub(back).max(ends.start);
        let settled = settled_calls(log, partition, from, ends.end).await?;
        if settled.len() >= calls.limit() || from == ends.start {
            settled.into_iter().for_each(|call| calls.add(call));
            return Ok(calls);
        }
    }
}

async fn settled_calls(
    log: &dyn Log,
    partition: u32,
    from: u64,
    end: u64,
) -> log::Result<Vec<CallId>> {
    let mut span = Span::open(log, Topic::Ledger.at(partition), from, end).await?;
    let mut calls = Vec::new();
    while let Some(records) = span.page().await? {
        let settled = records.iter().filter_map(|record| header(record, "call"));
        calls.extend(settled.filter_map(|call| call.try_into().ok()).map(CallId));
    }
    Ok(calls)
}
