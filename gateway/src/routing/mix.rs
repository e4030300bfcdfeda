//! Chance that is the same for the same numbers.

/// Mixes two numbers into one that looks random: the finalizer of SplitMix64 (Steele, Lea and
/// Flood, 2014).
pub(super) const fn mix(a: u64, b: u64) -> u64 {
    let mut z = a.rotate_left(32) ^ b ^ 0x9e37_79b9_7f4a_7c15;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A number above 0 and at most 1.
pub(super) fn unit(random: u64) -> f64 {
    ((random >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

/// Some bytes as a number.
pub(super) fn of_bytes(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(bytes.len() as u64, |sum, chunk| {
        let word = chunk.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        mix(sum, word)
    })
}
