//! What the control topic held, as one hash: the trail seals it, so that a change of the
//! configuration that is altered or removed later is found.

use runtime::log::{Log, Offset, Record, Result, Span};
use schemas::event::{Audit, Hash};
use schemas::topics::Topic;
use schemas::wire::Codec;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::SEEN;
use crate::key::{from_hex, to_hex};

/// Audit records that are looked at for the last hash, so that a start does not read everything.
const BACK: u64 = 10_000;

/// What a record of the trail says of the control topic.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Told {
    /// Which making of the topic.
    pub(super) log: String,
    /// The offset behind the last record.
    pub(super) end: Offset,
    /// Over everything before it, in hex.
    hash: String,
}

impl Told {
    /// Of an audit record that tells it.
    pub(super) fn of(audit: &Audit) -> Option<Self> {
        let after = audit.after.as_deref().filter(|_| audit.action == SEEN)?;
        serde_json::from_slice(after).ok()
    }

    pub(super) fn hash(&self) -> Option<Hash> {
        from_hex(&self.hash).map(Hash)
    }
}

/// The hash over a topic up to and with a record, from that of the records before.
pub(super) fn extend(before: Hash, record: &Record) -> Hash {
    let mut hash = Sha256::new();
    hash.update(before.0);
    hash.update(record.offset.to_be_bytes());
    hash.update(record.at.0.to_be_bytes());
    let none: &[u8] = &[];
    let value = record.value.as_deref();
    for (there, part) in [(true, &*record.key), (value.is_some(), value.unwrap_or(none))] {
        hash.update([u8::from(there)]);
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    Hash(hash.finalize().into())
}

/// How far the control topic was read.
#[derive(Debug, Default)]
pub(super) struct Seen {
    resumed: bool,
    next: Offset,
    hash: Hash,
}

impl Seen {
    /// Reads on; what is to be told, if the topic went on.
    pub(super) async fn go_on(&mut self, log: &dyn Log, codec: &Codec) -> Result<Option<Told>> {
        let at = Topic::Control.at(0);
        if !self.resumed {
            self.resume(log, codec).await?;
        }
        let (from, end) = (self.next, log.ends(at).await?.end);
        let mut span = Span::open(log, at, from, end).await?;
        while let Some(records) = span.page().await? {
            for record in records {
                self.hash = extend(self.hash, &record);
                self.next = record.offset.saturating_add(1);
            }
        }
        let told =
            || Told { log: log.id(Topic::Control).0, end: self.next, hash: to_hex(&self.hash.0) };
        Ok((self.next > from).then(told))
    }

    /// Goes on behind the last that any process told.
    async fn resume(&mut self, log: &dyn Log, codec: &Codec) -> Result<()> {
        let (at, id) = (Topic::Audit.at(0), log.id(Topic::Control).0);
        let ends = log.ends(at).await?;
        let from = ends.end.saturating_sub(BACK).max(ends.start);
        let control = log.ends(Topic::Control.at(0)).await?.end;
        let mut span = Span::open(log, at, from, ends.end).await?;
        while let Some(records) = span.page().await? {
            for value in records.into_iter().filter_map(|record| record.value) {
                let audit = codec.decode::<Audit>(&value).ok();
                let told = audit.as_ref().and_then(Told::of);
                let told = told.filter(|told| told.log == id && told.end <= control);
                if let Some((end, hash)) = told.and_then(|told| Some((told.end, told.hash()?)))
                    && end > self.next
                {
                    (self.next, self.hash) = (end, hash);
                }
            }
        }
        self.resumed = true;
        Ok(())
    }
}
