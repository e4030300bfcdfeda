//! Checksums and lengths of Amazon's event stream, put right: else nothing gets past them.

/// Length of the frame, of its headers, and the checksum of both; a checksum of all ends the frame.
const PRELUDE: usize = 12;
const SUM: usize = 4;

/// The bytes as frames: lengths that can't be are made so, checksums are reckoned anew.
pub(crate) fn mend(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut rest = &mut bytes[..];
    while rest.len() >= PRELUDE + SUM {
        let said = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        let length = if (PRELUDE + SUM..=rest.len()).contains(&said) { said } else { rest.len() };
        let (frame, after) = rest.split_at_mut(length);
        frame[..4].copy_from_slice(&(length as u32).to_be_bytes());
        let headers = u32::from_be_bytes(frame[4..8].try_into().unwrap()) as usize;
        let headers = headers.min(length - PRELUDE - SUM);
        frame[4..8].copy_from_slice(&(headers as u32).to_be_bytes());
        let sum = crc32fast::hash(&frame[..8]);
        frame[8..PRELUDE].copy_from_slice(&sum.to_be_bytes());
        let (summed, last) = frame.split_at_mut(length - SUM);
        last.copy_from_slice(&crc32fast::hash(summed).to_be_bytes());
        rest = after;
    }
    bytes
}
