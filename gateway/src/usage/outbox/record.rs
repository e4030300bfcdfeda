//! How a record lies in a segment.
//!
//! ```text
//!  0  magic u16, kind u8, 0, length u32 (whole record, a multiple of 8)
//!  8  generation of the segment
//! 16  call
//! 32  seq, big-endian; in a record that counts, the one word that changes: of an admitted call
//!     its progress, of a sent one the number of its attempts that have ended
//! 40  generation and
//! 48  offset u32 of the record that this one replaces, zero if none; partition u32
//! 56  key length u16, attempt number u16, payload length u32
//! 64  key, payload, zeros up to a multiple of 8
//! -8  CRC-32, length u32 again
//! ```
//!
//! Little-endian but for the seq, which is shipped as it stands. The CRC covers the offset and all
//! of the record but a word that changes; the generation lies within, so what an older use of the
//! file left behind never passes for a record of this one.

use schemas::ids::CallId;

/// Bytes before the key.
pub(super) const HEAD: usize = 64;
/// Bytes of a record beside key and payload, padding left out.
pub(super) const OVERHEAD: usize = HEAD + TRAILER;
/// Where the word of the seq or the count stands.
pub(super) const WORD_AT: usize = 32;
/// No record is larger.
pub(super) const MOST: usize = 16 * 1024;

const TRAILER: usize = 8;
const MAGIC: u16 = 0x4842;

/// What a record says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The segment is full and its last byte is known: what follows is in the next one.
    End,
    /// A call may go upstream. Payload: the framed usage event as far as it is known.
    Admitted,
    /// The call is in flight at a target. Payload: the target.
    Sent,
    /// The framed usage event.
    Settled,
    /// The framed attempt event.
    Attempt,
}

impl Kind {
    const fn code(self) -> u8 {
        match self {
            Self::End => 1,
            Self::Admitted => 2,
            Self::Sent => 3,
            Self::Settled => 4,
            Self::Attempt => 5,
        }
    }

    const fn of(code: u8) -> Option<Self> {
        Some(match code {
            1 => Self::End,
            2 => Self::Admitted,
            3 => Self::Sent,
            4 => Self::Settled,
            5 => Self::Attempt,
            _ => return None,
        })
    }

    /// Whether it goes to the log.
    pub(super) const fn ships(self) -> bool {
        matches!(self, Self::Settled | Self::Attempt)
    }

    /// Whether its word changes while it stands.
    const fn counts(self) -> bool {
        matches!(self, Self::Admitted | Self::Sent)
    }
}

/// A place in the outbox: segments are ordered by generation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position {
    /// Generation of the segment.
    pub generation: u64,
    /// Byte in the segment.
    pub offset: u32,
}

/// The fixed part of a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) call: CallId,
    /// The seq, or what a record counts.
    pub(super) word: u64,
    /// The record that this one replaces.
    pub(super) source: Option<Position>,
    pub(super) partition: u32,
    /// The attempt's number.
    pub(super) number: u16,
}

/// Size of a record.
pub(super) const fn size(key: usize, payload: usize) -> usize {
    (OVERHEAD + key + payload).next_multiple_of(8)
}

/// Size of the mark that ends a segment.
pub(super) const END: usize = size(0, 0);

/// Writes the record into `out` for its place. `payload` comes in parts.
pub(super) fn compose(out: &mut Vec<u8>, at: Position, head: &Head, key: &[u8], payload: &[&[u8]]) {
    let payload_len: usize = payload.iter().map(|part| part.len()).sum();
    let len = size(key.len(), payload_len);
    debug_assert!(len <= MOST);
    let source = head.source.unwrap_or_default();
    out.clear();
    out.reserve(len);
    out.extend_from_slice(&MAGIC.to_le_bytes());
    out.extend_from_slice(&[head.kind.code(), 0]);
    out.extend_from_slice(&low(len).to_le_bytes());
    out.extend_from_slice(&at.generation.to_le_bytes());
    out.extend_from_slice(&head.call.0);
    out.extend_from_slice(&word_bytes(head));
    out.extend_from_slice(&source.generation.to_le_bytes());
    out.extend_from_slice(&source.offset.to_le_bytes());
    out.extend_from_slice(&head.partition.to_le_bytes());
    out.extend_from_slice(&u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(&head.number.to_le_bytes());
    out.extend_from_slice(&low(payload_len).to_le_bytes());
    out.extend_from_slice(key);
    payload.iter().for_each(|part| out.extend_from_slice(part));
    out.resize(len - TRAILER, 0);
    let crc = checksum(at.offset, head.kind, out);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&low(len).to_le_bytes());
}

/// Makes a copied record belong to another place.
pub(super) fn rebind(record: &mut Vec<u8>, kind: Kind, at: Position) {
    let len = record.len();
    if let Some(generation) = record.get_mut(8..16) {
        generation.copy_from_slice(&at.generation.to_le_bytes());
    }
    record.truncate(len.saturating_sub(TRAILER));
    let crc = checksum(at.offset, kind, record);
    record.extend_from_slice(&crc.to_le_bytes());
    record.extend_from_slice(&low(len).to_le_bytes());
}

/// A record as it lies in a segment, its CRC checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) head: Head,
    /// Length of the whole record.
    pub(super) len: usize,
    /// Where the key starts, from the start of the record.
    pub(super) key: &'a [u8],
    pub(super) payload: &'a [u8],
}

/// The length of the record that starts with these bytes, if one of this generation may start
/// there. Cheap: no checksum.
pub(super) fn peek(bytes: &[u8], generation: u64) -> Option<usize> {
    let (start, rest) = bytes.split_first_chunk::<8>()?;
    let [m0, m1, kind, 0, l0, l1, l2, l3] = *start else {
        return None;
    };
    let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let fits = (OVERHEAD..=MOST).contains(&len) && len.is_multiple_of(8);
    let named = u16::from_le_bytes([m0, m1]) == MAGIC && Kind::of(kind).is_some();
    let ours = u64::from_le_bytes(*rest.first_chunk::<8>()?) == generation;
    (fits && named && ours).then_some(len)
}

impl<'a> View<'a> {
    /// The record that starts `bytes`, if it is whole and belongs to this place.
    pub(super) fn parse(bytes: &'a [u8], at: Position) -> Option<Self> {
        let len = peek(bytes, at.generation)?;
        let (body, trailer) = bytes.get(..len)?.split_last_chunk::<TRAILER>()?;
        let [c0, c1, c2, c3, l0, l1, l2, l3] = *trailer;
        let kind = Kind::of(*body.get(2)?)?;
        let whole = u32::from_le_bytes([l0, l1, l2, l3]) as usize == len
            && u32::from_le_bytes([c0, c1, c2, c3]) == checksum(at.offset, kind, body);
        if !whole {
            return None;
        }
        let u16_at = |at: usize| Some(u16::from_le_bytes(*body.get(at..)?.first_chunk()?));
        let u32_at = |at: usize| Some(u32::from_le_bytes(*body.get(at..)?.first_chunk()?));
        let word = *body.get(WORD_AT..)?.first_chunk::<8>()?;
        let source = Position {
            generation: u64::from_le_bytes(*body.get(40..)?.first_chunk()?),
            offset: u32_at(48)?,
        };
        let key_len = usize::from(u16_at(56)?);
        let (key, rest) = body.get(HEAD..)?.split_at_checked(key_len)?;
        Some(Self {
            head: Head {
                kind,
                call: CallId(*body.get(16..)?.first_chunk()?),
                word: if kind.counts() {
                    u64::from_le_bytes(word)
                } else {
                    u64::from_be_bytes(word)
                },
                source: (source != Position::default()).then_some(source),
                partition: u32_at(52)?,
                number: u16_at(58)?,
            },
            len,
            key,
            payload: rest.get(..u32_at(60)? as usize)?,
        })
    }
}

fn word_bytes(head: &Head) -> [u8; 8] {
    if head.kind.counts() { head.word.to_le_bytes() } else { head.word.to_be_bytes() }
}

fn checksum(offset: u32, kind: Kind, body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&offset.to_le_bytes());
    if kind.counts() {
        crc.update(body.get(..WORD_AT).unwrap_or_default());
        crc.update(body.get(WORD_AT + 8..).unwrap_or_default());
    } else {
        crc.update(body);
    }
    crc.finalize()
}

/// Lengths within a record are at most [`MOST`].
fn low(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Position = Position { generation: 7, offset: 4096 };

    fn head(kind: Kind) -> Head {
        Head {
            kind,
            call: CallId([9; 16]),
            word: 0x0102_0304,
            source: Some(Position { generation: 3, offset: 72 }),
            partition: 5,
            number: 2,
        }
    }

    #[test]
    fn reads_what_was_composed() {
        for kind in [Kind::Admitted, Kind::Sent, Kind::Settled, Kind::Attempt] {
            let mut bytes = Vec::new();
            compose(&mut bytes, AT, &head(kind), b"account", &[b"pay", b"", b"load"]);
            assert_eq!(bytes.len(), size(7, 7));
            let view = View::parse(&bytes, AT).unwrap();
            assert_eq!((view.head, view.len), (head(kind), bytes.len()));
            assert_eq!((view.key, view.payload), (&b"account"[..], &b"payload"[..]));
        }
    }

    /// Invariant 4: a reused segment must not revive old calls.
    #[test]
    fn a_record_belongs_to_its_generation_and_place() {
        let mut bytes = Vec::new();
        compose(&mut bytes, AT, &head(Kind::Settled), b"k", &[b"v"]);
        for other in [Position { generation: 8, ..AT }, Position { offset: 4104, ..AT }] {
            assert!(View::parse(&bytes, other).is_none());
            let mut moved = bytes.clone();
            rebind(&mut moved, Kind::Settled, other);
            assert!(View::parse(&moved, other).is_some());
            assert!(View::parse(&moved, AT).is_none());
        }
    }

    #[test]
    fn any_changed_bit_shows_but_for_the_progress_counter() {
        for kind in [Kind::Admitted, Kind::Settled] {
            let mut bytes = Vec::new();
            compose(&mut bytes, AT, &head(kind), b"key", &[b"payload"]);
            for bit in 0..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                let counter = (WORD_AT..WORD_AT + 8).contains(&(bit / 8));
                let same = View::parse(&changed, AT).is_some();
                assert_eq!(same, counter && kind == Kind::Admitted, "{kind:?} bit {bit}");
            }
        }
    }
}
