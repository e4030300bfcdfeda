//! Journal entries: double-entry postings under a hash chain.

use schemas::event::{Hash, Ledger, Posting};
use schemas::money::Amount;
use schemas::wire::{Codec, Error, HEADER};
use sha2::{Digest as _, Sha256};

/// Two postings that sum to zero: `amount` to the customer, its counterpart from `other`.
pub(super) fn postings(other: &str, amount: Amount) -> Vec<Posting> {
    vec![
        Posting { ledger_account: "customer".to_owned(), amount },
        Posting { ledger_account: other.to_owned(), amount: amount.negated() },
    ]
}

/// Encodes the entry, seals it with the hash over its Avro body, and returns the framed bytes.
/// The frame is not hashed: a registry may give the schema another id.
///
/// # Errors
/// The entry does not fit its schema.
pub(super) fn seal(codec: &Codec, entry: &mut Ledger) -> Result<Vec<u8>, Error> {
    entry.hash = Hash::default();
    let mut bytes = codec.to_vec(entry)?;
    let hash = digest(&bytes);
    entry.hash = hash;
    // the hash is of fixed size: writing it in place spares the second encoding
    match bytes.get_mut(hash_place(entry)) {
        Some(place) if place == [0; 32] => place.copy_from_slice(&hash.0),
        Some(_) | None => bytes = codec.to_vec(entry)?,
    }
    Ok(bytes)
}

/// Whether the entry's hash is the hash of its content.
///
/// # Errors
/// The entry does not fit its schema.
pub fn is_sealed(codec: &Codec, entry: &Ledger) -> Result<bool, Error> {
    let mut copy = Ledger { hash: Hash::default(), ..entry.clone() };
    seal(codec, &mut copy)?;
    Ok(copy.hash == entry.hash)
}

fn digest(framed: &[u8]) -> Hash {
    Hash(Sha256::digest(framed.get(HEADER..).unwrap_or_default()).into())
}

/// Where the hash stands in the framed bytes: behind account, account_seq and prev_hash.
fn hash_place(entry: &Ledger) -> std::ops::Range<usize> {
    let account = entry.account.as_str().len();
    let before = [
        HEADER,
        varint(i64::try_from(account).unwrap_or(i64::MAX)),
        account,
        varint(entry.account_seq),
        entry.prev_hash.0.len(),
    ];
    let from = before.into_iter().fold(0, usize::saturating_add);
    from..from.saturating_add(entry.hash.0.len())
}

/// Bytes of a number in Avro: zigzag, seven bits a byte.
const fn varint(number: i64) -> usize {
    let zigzag = (number << 1) ^ (number >> 63);
    let bits = 64_u32.saturating_sub(zigzag.leading_zeros());
    if bits == 0 { 1 } else { bits.div_ceil(7) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemas::event::EntryKind;

    fn entry(account: &str, account_seq: i64) -> Ledger {
        Ledger {
            account: account.into(),
            account_seq,
            prev_hash: Hash([7; 32]),
            hash: Hash([9; 32]),
            cause_topic: "hub.usage.v1".to_owned(),
            cause_partition: 1,
            cause_offset: 2,
            kind: EntryKind::Usage,
            call: None,
            command: None,
            at: 3,
            price_version: None,
            lines: Vec::new(),
            postings: postings("revenue", Amount::from_units(-5).unwrap()),
            balance: Amount::ZERO,
        }
    }

    #[test]
    fn the_hash_is_over_the_entry_with_this_field_zero() {
        let codec = Codec::fixed();
        for (account, seq) in
            [("", 1), ("a", 63), ("b", 64), (&"x".repeat(200), 8191), ("c", 8192), ("d", i64::MAX)]
        {
            let mut sealed = entry(account, seq);
            let bytes = seal(&codec, &mut sealed).unwrap();
            assert_eq!(codec.decode::<Ledger>(&bytes).unwrap(), sealed);
            let zeroed = Ledger { hash: Hash::default(), ..sealed.clone() };
            let datum = codec.to_vec(&zeroed).unwrap();
            assert_eq!(sealed.hash.0[..], Sha256::digest(&datum[HEADER..])[..], "{account} {seq}");
            assert!(is_sealed(&codec, &sealed).unwrap());
            let forged = Ledger { cause_offset: 3, ..sealed };
            assert!(!is_sealed(&codec, &forged).unwrap());
        }
    }

    #[test]
    fn postings_sum_to_zero() {
        for units in [0, 1, -1, 10_i128.pow(37)] {
            let amount = Amount::from_units(units).unwrap();
            let sum =
                postings("revenue", amount).iter().map(|posting| posting.amount.units()).sum();
            assert_eq!(0_i128, sum);
        }
    }
}
