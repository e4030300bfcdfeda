//! Reading a piece of a partition, from an offset up to an end that is known.

use std::time::Duration;

use schemas::topics::TopicPartition;

use super::{Error, Limit, Log, Offset, Reader, Record, Result};

/// Much, but no more than can be held; and how long the next record may keep us waiting although
/// it must be there: longer than an open transaction may hold it up.
const PAGE: Limit = Limit { records: 5_000, bytes: 4 << 20, wait: Duration::from_secs(60) };

/// What is left to read of a piece of a partition.
#[derive(Debug)]
pub struct Span {
    at: TopicPartition,
    reader: Box<dyn Reader>,
    next: Offset,
    end: Offset,
}

impl Span {
    /// From `from` up to before `end`, which lies at or before the partition's end.
    ///
    /// # Errors
    /// As [`Log::reader`].
    pub async fn open(
        log: &dyn Log,
        at: TopicPartition,
        from: Offset,
        end: Offset,
    ) -> Result<Self> {
        let reader = log.reader(at, from).await?;
        Ok(Self { at, reader, next: from, end })
    }

    /// Everything that is in the partition now.
    ///
    /// # Errors
    /// As [`Log::ends`] and [`Log::reader`].
    pub async fn whole(log: &dyn Log, at: TopicPartition) -> Result<Self> {
        let ends = log.ends(at).await?;
        Self::open(log, at, ends.start, ends.end).await
    }

    /// Where reading goes on: once [`Span::page`] gave `None`, what follows the span.
    pub const fn next(&self) -> Offset {
        self.next
    }

    /// The next records before the end, at least one; `None` when there are no more. What lies
    /// behind the end and came with them is left out, and not given later.
    ///
    /// # Errors
    /// As [`Reader::next`]; [`Error::Unavailable`] when what must be there does not come.
    pub async fn page(&mut self) -> Result<Option<Vec<Record>>> {
        while self.next < self.end {
            let page = self.reader.next(PAGE).await?;
            if page.next == self.next {
                let (at, next, end) = (self.at, self.next, self.end);
                return Err(Error::Unavailable(format!(
                    "{at}: nothing comes behind {next}, and it ends at {end}"
                )));
            }
            self.next = page.next;
            let mut records = page.records;
            records.truncate(records.partition_point(|record| record.offset < self.end));
            if !records.is_empty() {
                return Ok(Some(records));
            }
        }
        Ok(None)
    }
}
