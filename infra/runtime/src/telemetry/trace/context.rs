//! Where a call stands in a trace: W3C Trace Context.

use std::fmt;

use schemas::ids::CallId;

/// A `traceparent` header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceParent {
    /// The trace; not zero.
    pub trace: [u8; 16],
    /// The span that called; not zero.
    pub span: [u8; 8],
    /// Whether the caller records.
    pub sampled: bool,
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10), // capitals are not allowed
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

impl TraceParent {
    /// Reads the header; `None` when it is not valid, and then it must be ignored.
    pub fn parse(header: &str) -> Option<Self> {
        let mut parts = header.trim().splitn(5, '-');
        let [version] = hex::<1>(parts.next()?)?;
        let trace = hex::<16>(parts.next()?)?;
        let span = hex::<8>(parts.next()?)?;
        let [flags] = hex::<1>(parts.next()?)?;
        // a later version may say more behind the flags
        let more = parts.next().is_some();
        let valid = version != 0xff && (version > 0 || !more) && trace != [0; 16] && span != [0; 8];
        valid.then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trace = u128::from_be_bytes(self.trace);
        let span = u64::from_be_bytes(self.span);
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", u8::from(self.sampled))
    }
}

/// The spans of one call. All of their ids follow from the call's id, so that nothing needs to be
/// kept while the call runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Context {
    trace: [u8; 16],
    parent: Option<[u8; 8]>,
    seed: u64,
    sampled: bool,
}

impl Context {
    /// The spans of a call. A caller that records is followed, and one that does not as well;
    /// without a caller this share of the calls is recorded.
    pub(super) fn new(call: CallId, parent: Option<TraceParent>, ratio: f64) -> Self {
        let [.., a, b, c, d, e, f, g, h] = call.0;
        // the lower half of a UUID v7: 62 random bits
        let seed = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
        match parent {
            Some(TraceParent { trace, span, sampled }) => {
                Self { trace, parent: Some(span), seed, sampled }
            }
            None => Self { trace: call.0, parent: None, seed, sampled: is_chosen(seed, ratio) },
        }
    }

    /// Whether the spans are recorded.
    pub const fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// Whether a caller's span is above it.
    pub const fn has_caller(&self) -> bool {
        self.parent.is_some()
    }

    /// The `traceparent` for the upstream request of an attempt, from 1.
    pub fn upstream(&self, attempt: u32) -> TraceParent {
        TraceParent { trace: self.trace, span: self.attempt(attempt), sampled: self.sampled }
    }

    pub(super) const fn trace(&self) -> [u8; 16] {
        self.trace
    }

    pub(super) const fn parent(&self) -> Option<[u8; 8]> {
        self.parent
    }

    /// The span of the call itself.
    pub(super) fn root(&self) -> [u8; 8] {
        self.attempt(0)
    }

    /// The span of an attempt, from 1.
    pub(super) fn attempt(&self, number: u32) -> [u8; 8] {
        mixed(self.seed.wrapping_add(u64::from(number))).max(1).to_be_bytes()
    }
}

/// Spreads neighbours over all numbers, one to one (the finaliser of splitmix64).
const fn mixed(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Whether a call with these random bits is in the share.
fn is_chosen(seed: u64, ratio: f64) -> bool {
    // 53 bits are what a float holds exactly
    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    let place = (mixed(!seed) >> 11) as f64 / (1_u64 << 53) as f64;
    place < ratio
}
