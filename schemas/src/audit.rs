//! The seal of an audit record: the SHA-256 over its Avro body with the field `hash` zero.
//!
//! The hash is the last field of every version of the schema, so that a record is sealed and
//! checked as the bytes that it is, whatever the version that it was written in. The frame is not
//! hashed: a registry may give the schema another id. `prev_hash` is a part of the body.

use sha2::{Digest as _, Sha256};

use crate::event::Hash;
use crate::wire::HEADER;

/// Bytes of the hash.
const LEN: usize = 32;

/// Seals a framed record whose hash is zero, and returns the hash.
pub fn seal(framed: &mut [u8]) -> Hash {
    let hash = digest(framed);
    if let Some(place) = framed.last_chunk_mut::<LEN>() {
        *place = hash.0;
    }
    hash
}

/// Whether a framed record is as it was sealed.
pub fn is_sealed(framed: &[u8]) -> bool {
    framed.last_chunk::<LEN>() == Some(&digest(framed).0)
}

fn digest(framed: &[u8]) -> Hash {
    let content = framed.len().saturating_sub(LEN);
    let body = framed.get(HEADER..content).unwrap_or_default();
    Hash(Sha256::new().chain_update(body).chain_update([0; LEN]).finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Audit;
    use crate::ids::Origin;
    use crate::wire::Codec;

    fn record() -> Audit {
        Audit {
            origin: Origin([1; 16]),
            seq: 2,
            at: 3,
            action: "config.export".into(),
            entity: "config".into(),
            actor: "key:owner".into(),
            address: None,
            request: None,
            allowed: true,
            before: None,
            after: Some(b"{}".to_vec()),
            prev_hash: Hash([7; 32]),
            hash: Hash::default(),
        }
    }

    #[test]
    fn the_hash_is_over_the_body_with_this_field_zero_and_any_other_bit_breaks_it() {
        let codec = Codec::fixed();
        let mut framed = codec.to_vec(&record()).unwrap();
        let zero = framed.clone();
        let hash = seal(&mut framed);
        assert_eq!(hash.0[..], Sha256::digest(&zero[HEADER..])[..]);
        assert_eq!(codec.decode::<Audit>(&framed).unwrap(), Audit { hash, ..record() });
        assert!(is_sealed(&framed) && !is_sealed(&zero));
        for at in HEADER..framed.len() {
            let mut altered = framed.clone();
            altered[at] ^= 1;
            assert!(!is_sealed(&altered), "byte {at}");
        }
        for end in 0..framed.len() {
            assert!(!is_sealed(&framed[..end]), "cut at {end}");
        }
    }
}
