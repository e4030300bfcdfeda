//! Blocks: the records of one partition that were committed together, as one row.
//!
//! A body is a CRC32 (4 bytes, little endian) and then record after record. The CRC covers the
//! partition and the offsets of the row too, so that a body under the wrong row is noticed. A
//! record is a run of LEB128 numbers and bytes: offset gap, time since the record before (zigzag),
//! key, value (length + 1; 0 is a tombstone), headers.

use bytes::Bytes;

use crate::clock::Micros;
use crate::log::{Header, Offset, Record};

const CRC_BYTES: usize = 4;

/// A row of the block table.
#[derive(Clone, Debug)]
pub(super) struct Block {
    /// Offsets from here …
    pub(super) first: Offset,
    /// … up to before here belong to it; they need not all be there.
    pub(super) next: Offset,
    /// When its newest record was taken.
    pub(super) newest: Micros,
    /// How many records it holds.
    pub(super) records: u32,
    /// CRC and records.
    pub(super) body: Bytes,
}

/// A block as it grows.
#[derive(Debug)]
pub(super) struct Builder {
    first: Offset,
    next: Offset,
    at: Micros,
    records: u32,
    body: Vec<u8>,
}

impl Builder {
    /// A block whose range of offsets begins with `first`.
    pub(super) fn new(first: Offset) -> Self {
        Self { first, next: first, at: Micros(0), records: 0, body: vec![0; CRC_BYTES] }
    }

    pub(super) fn bytes(&self) -> usize {
        self.body.len()
    }

    pub(super) const fn records(&self) -> u32 {
        self.records
    }

    /// Adds a record that is being written.
    pub(super) fn push(
        &mut self,
        offset: Offset,
        at: Micros,
        key: &[u8],
        value: Option<&[u8]>,
        headers: &[Header],
    ) {
        self.open(offset, at, key, value, headers.len());
        for header in headers {
            put_bytes(&mut self.body, header.name.as_bytes());
            put_bytes(&mut self.body, &header.value);
        }
    }

    /// Adds a record that was read before, as compaction does.
    pub(super) fn copy(&mut self, record: &Record) {
        let headers = &record.headers;
        let value = record.value.as_deref();
        self.open(record.offset, record.at, &record.key, value, headers.len());
        for (name, value) in headers {
            put_bytes(&mut self.body, name.as_bytes());
            put_bytes(&mut self.body, value);
        }
    }

    fn open(
        &mut self,
        offset: Offset,
        at: Micros,
        key: &[u8],
        value: Option<&[u8]>,
        headers: usize,
    ) {
        put(&mut self.body, offset.saturating_sub(self.next));
        put(&mut self.body, zigzag(at.0.wrapping_sub(self.at.0)));
        put_bytes(&mut self.body, key);
        match value {
            None => put(&mut self.body, 0),
            Some(value) => {
                put(&mut self.body, value.len() as u64 + 1);
                self.body.extend_from_slice(value);
            }
        }
        put(&mut self.body, headers as u64);
        self.next = offset + 1;
        self.at = at;
        self.records += 1;
    }

    /// The row for partition `part`, which covers the offsets up to before `next`.
    pub(super) fn finish(mut self, part: u32, next: Offset) -> Block {
        let next = next.max(self.next);
        let crc = checksum(part, self.first, next, &self.body);
        if let Some(head) = self.body.first_chunk_mut::<CRC_BYTES>() {
            *head = crc.to_le_bytes();
        }
        Block {
            first: self.first,
            next,
            newest: self.at,
            records: self.records,
            body: self.body.into(),
        }
    }
}

/// The CRC of a body under its row.
fn checksum(part: u32, first: Offset, next: Offset, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&part.to_le_bytes());
    hasher.update(&first.to_le_bytes());
    hasher.update(&next.to_le_bytes());
    hasher.update(body.get(CRC_BYTES..).unwrap_or_default());
    hasher.finalize()
}

impl Block {
    /// Whether the body is what was written for this row.
    pub(super) fn intact(&self, part: u32) -> bool {
        let stored = self.body.first_chunk::<CRC_BYTES>().map(|crc| u32::from_le_bytes(*crc));
        stored == Some(checksum(part, self.first, self.next, &self.body))
    }
}

/// Takes the records out of a block one by one, without copying keys and values.
#[derive(Debug)]
pub(super) struct Cursor {
    body: Bytes,
    place: usize,
    offset: Offset,
    at: Micros,
    end: Offset,
}

/// The body ended early or holds what no writer wrote.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Torn {
    /// The record that could not be read, or one before it.
    pub(super) offset: Offset,
}

impl Cursor {
    pub(super) fn new(block: &Block) -> Self {
        Self {
            body: block.body.clone(),
            place: CRC_BYTES,
            offset: block.first,
            at: Micros(0),
            end: block.next,
        }
    }

    /// Where the partition goes on after this block.
    pub(super) const fn end(&self) -> Offset {
        self.end
    }

    /// The next record at or after `from`.
    pub(super) fn next(&mut self, from: Offset) -> Result<Option<Record>, Torn> {
        while self.place < self.body.len() {
            let torn = Torn { offset: self.offset };
            match self.read(from) {
                None => return Err(torn),
                Some(None) => {}
                Some(Some(record)) => return Ok(Some(record)),
            }
        }
        Ok(None)
    }

    /// Reads one record; the inner `None` is one before `from`.
    #[expect(clippy::option_option, reason = "torn, skipped and read are three things")]
    fn read(&mut self, from: Offset) -> Option<Option<Record>> {
        let offset = self.offset.checked_add(self.take()?)?;
        let at = Micros(self.at.0.wrapping_add(unzigzag(self.take()?)));
        let key = self.span()?;
        let value = match self.take()? {
            0 => None,
            length => Some(self.cut(length - 1)?),
        };
        let count = usize::try_from(self.take()?).ok()?;
        let wanted = offset >= from;
        let mut headers = Vec::with_capacity(if wanted { count.min(16) } else { 0 });
        for _ in 0..count {
            let (name, value) = (self.span()?, self.span()?);
            if wanted {
                let name = std::str::from_utf8(self.body.get(name.0..name.1)?).ok()?.to_owned();
                headers.push((name, self.body.slice(value.0..value.1)));
            }
        }
        (self.offset, self.at) = (offset + 1, at);
        Some(wanted.then(|| Record {
            offset,
            at,
            key: self.body.slice(key.0..key.1),
            value: value.map(|value| self.body.slice(value.0..value.1)),
            headers,
        }))
    }

    /// The place of the next length-prefixed bytes.
    fn span(&mut self) -> Option<(usize, usize)> {
        let length = self.take()?;
        self.cut(length)
    }

    fn cut(&mut self, length: u64) -> Option<(usize, usize)> {
        let end = self.place.checked_add(usize::try_from(length).ok()?)?;
        if end > self.body.len() {
            return None;
        }
        let span = (self.place, end);
        self.place = end;
        Some(span)
    }

    fn take(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.body.get(self.place)?;
            self.place += 1;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }
}

fn put_bytes(body: &mut Vec<u8>, bytes: &[u8]) {
    put(body, bytes.len() as u64);
    body.extend_from_slice(bytes);
}

fn put(body: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        body.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    body.push(number as u8);
}

const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Given = (u64, i64, Vec<u8>, Option<Vec<u8>>, Vec<Vec<u8>>);

    fn given() -> impl Strategy<Value = Vec<Given>> {
        let bytes = || prop::collection::vec(any::<u8>(), 0..200);
        let headers = prop::collection::vec(bytes(), 0..4);
        let record = (0..3_u64, any::<i64>(), bytes(), prop::option::of(bytes()), headers);
        prop::collection::vec(record, 1..20)
    }

    fn build(first: Offset, given: &[Given]) -> (Block, Vec<Record>) {
        let mut builder = Builder::new(first);
        let mut offset = first;
        let mut records = Vec::new();
        for (gap, at, key, value, headers) in given {
            offset += gap;
            let header = |value: &Vec<u8>| Header { name: "n", value: value.clone().into() };
            let headers: Vec<_> = headers.iter().map(header).collect();
            builder.push(offset, Micros(*at), key, value.as_deref(), &headers);
            records.push(Record {
                offset,
                at: Micros(*at),
                key: key.clone().into(),
                value: value.clone().map(Bytes::from),
                headers: headers.into_iter().map(|h| (h.name.to_owned(), h.value)).collect(),
            });
            offset += 1;
        }
        (builder.finish(3, offset + 5), records)
    }

    fn decode(block: &Block, from: Offset) -> Result<Vec<Record>, Torn> {
        let mut cursor = Cursor::new(block);
        let mut records = Vec::new();
        while let Some(record) = cursor.next(from)? {
            records.push(record);
        }
        Ok(records)
    }

    proptest! {
        #[test]
        fn gives_back_what_it_took(given in given(), first in 0..1_u64 << 46, skip in 0..30_u64) {
            let (block, records) = build(first, &given);
            prop_assert!(block.intact(3));
            prop_assert_eq!(block.records as usize, records.len());
            prop_assert_eq!(&decode(&block, 0).unwrap(), &records);
            let rest: Vec<_> =
                records.iter().filter(|r| r.offset >= first + skip).cloned().collect();
            prop_assert_eq!(decode(&block, first + skip).unwrap(), rest);
            let mut copy = Builder::new(first);
            records.iter().for_each(|record| copy.copy(record));
            prop_assert_eq!(copy.finish(3, block.next).body, block.body);
        }

        #[test]
        fn notices_any_change(given in given(), place in any::<prop::sample::Index>(), bit in 0..8_u8) {
            let (block, _) = build(7, &given);
            let mut body = block.body.to_vec();
            body[place.index(block.body.len())] ^= 1_u8 << bit;
            let flipped = Block { body: body.into(), ..block.clone() };
            prop_assert!(!flipped.intact(3));
            // and even if the CRC were right by chance, decoding ends by itself
            drop(decode(&flipped, 0));
            let cut = block.body.slice(..place.index(block.body.len()));
            let short = Block { body: cut, ..block.clone() };
            prop_assert!(!short.intact(3));
            drop(decode(&short, 0));
            let moved = Block { first: 8, ..block.clone() };
            prop_assert!(!moved.intact(3) && !block.intact(4));
        }
    }
}
