//! ClickHouse's compressed blocks: a CityHash128 (version 1.0.2) checksum, one byte of method, both sizes, data.

use std::io::{self, Read};

const CHECKSUM: usize = 16;
const HEADER: usize = 9;
const NONE: u8 = 0x02;
const LZ4: u8 = 0x82;
const ZSTD: u8 = 0x90;
/// ClickHouse's own bound is 1 GiB; no client in use sends blocks above a few MiB.
const MOST: usize = 128 << 20;
/// What one block of an answer holds at most, before compression.
const PIECE: usize = 1 << 20;

/// Compresses with LZ4.
pub(super) fn encode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() / 2 + CHECKSUM + HEADER);
    for piece in data.chunks(PIECE) {
        let compressed = lz4_flex::block::compress(piece);
        let mut block = Vec::with_capacity(HEADER + compressed.len());
        block.push(LZ4);
        block.extend(u32::try_from(HEADER + compressed.len()).unwrap_or(u32::MAX).to_le_bytes());
        block.extend(u32::try_from(piece.len()).unwrap_or(u32::MAX).to_le_bytes());
        block.extend(compressed);
        out.extend(checksum(&block));
        out.extend(block);
    }
    out
}

/// Two little-endian words, the low one first.
fn checksum(block: &[u8]) -> [u8; CHECKSUM] {
    cityhash_rs::cityhash_102_128(block).rotate_right(64).to_le_bytes()
}

/// Reads blocks and gives their data.
pub(super) struct Decoder<R> {
    inner: R,
    data: Vec<u8>,
    at: usize,
}

impl<R: Read> Decoder<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, data: Vec::new(), at: 0 }
    }

    /// Reads one block; false at the end of the body.
    fn next(&mut self) -> io::Result<bool> {
        let mut head = [0_u8; CHECKSUM + HEADER];
        let got = read_full(&mut self.inner, &mut head)?;
        if got == 0 {
            return Ok(false);
        }
        if got < head.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let [.., method, c0, c1, c2, c3, d0, d1, d2, d3] = head;
        let compressed = u32::from_le_bytes([c0, c1, c2, c3]) as usize;
        let size = u32::from_le_bytes([d0, d1, d2, d3]) as usize;
        if !(HEADER..=MOST).contains(&compressed) || size > MOST {
            return Err(invalid(format!(
                "a block of {compressed} bytes for {size} is out of bounds"
            )));
        }
        let mut block = vec![0; compressed];
        let (start, rest) = block.split_at_mut(HEADER);
        start.copy_from_slice(head.get(CHECKSUM..).unwrap_or_default());
        self.inner.read_exact(rest)?;
        if checksum(&block)[..] != head[..CHECKSUM] {
            return Err(invalid("the checksum of a compressed block does not match"));
        }
        let payload = block.get(HEADER..).unwrap_or_default();
        self.data = match method {
            NONE => payload.to_vec(),
            LZ4 => lz4_flex::block::decompress(payload, size).map_err(invalid)?,
            ZSTD => zstd::bulk::decompress(payload, size)?,
            other => {
                return Err(invalid(format!(
                    "compression method {other:#04x} of a block is unknown"
                )));
            }
        };
        if self.data.len() != size {
            return Err(invalid(format!(
                "a block holds {} bytes, its header says {size}",
                self.data.len()
            )));
        }
        self.at = 0;
        Ok(true)
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.data.len() {
            if !self.next()? {
                return Ok(0);
            }
        }
        let mut left = self.data.get(self.at..).unwrap_or_default();
        let read = left.read(out)?;
        self.at += read;
        Ok(read)
    }
}

fn read_full(inner: &mut impl Read, out: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = out.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match inner.read(rest) {
            Ok(0) => break,
            Ok(read) => got += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

fn invalid(reason: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_or_a_cut_is_seen() {
        let block = encode(b"some data, some data, some data");
        for at in 0..block.len() {
            let mut bad = block.clone();
            bad[at] ^= 1;
            assert!(Decoder::new(&bad[..]).read_to_end(&mut Vec::new()).is_err(), "byte {at}");
            if at > 0 {
                assert!(
                    Decoder::new(&block[..at]).read_to_end(&mut Vec::new()).is_err(),
                    "cut at {at}"
                );
            }
        }
        let mut out = Vec::new();
        Decoder::new(&block[..]).read_to_end(&mut out).unwrap();
        assert_eq!(out, b"some data, some data, some data");
    }
}
