//! Compression of bodies: HTTP's content codings, and ClickHouse's own blocks (`compress=1`, `decompress=1`).

use std::io::{self, BufRead as _, BufReader, Read, Write};

use flate2::write::{GzEncoder, ZlibEncoder};
use lz4_flex::frame::{FrameDecoder, FrameEncoder};

use super::super::exception::{Code, Exception};
use super::native_block;

/// A content coding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Coding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
    Lz4,
}

impl Coding {
    /// The coding that a `Content-Encoding` header names; `Ok(None)` for none.
    pub(crate) fn of_request(name: &str) -> Result<Option<Self>, Exception> {
        match name.trim() {
            "" | "identity" => Ok(None),
            "gzip" | "x-gzip" => Ok(Some(Self::Gzip)),
            "deflate" => Ok(Some(Self::Deflate)),
            "br" => Ok(Some(Self::Brotli)),
            "zstd" => Ok(Some(Self::Zstd)),
            "lz4" => Ok(Some(Self::Lz4)),
            other => Err(Exception::new(
                Code::NotImplemented,
                format_args!(
                    "Content-Encoding '{other}' is not supported, use gzip, deflate, br, zstd or lz4"
                ),
            )),
        }
    }

    /// The first coding of an `Accept-Encoding` header that answers can have.
    pub(crate) fn of_response(accepted: &str) -> Option<Self> {
        accepted.split(',').find_map(|item| {
            let (name, weight) = item.split_once(';').unwrap_or((item, ""));
            if weight.trim() == "q=0" {
                return None;
            }
            match name.trim() {
                "gzip" => Some(Self::Gzip),
                "deflate" => Some(Self::Deflate),
                "zstd" => Some(Self::Zstd),
                "lz4" => Some(Self::Lz4),
                _ => None,
            }
        })
    }

    /// Its name in headers.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }
}

/// The decoded body: the coding first, then ClickHouse's blocks if the body is made of them.
pub(crate) fn decoder<'r>(
    body: impl Read + Send + 'r,
    coding: Option<Coding>,
    blocks: bool,
) -> io::Result<Box<dyn Read + Send + 'r>> {
    let body: Box<dyn Read + Send + 'r> = match coding {
        None => Box::new(body),
        Some(Coding::Gzip) => Box::new(flate2::read::MultiGzDecoder::new(body)),
        Some(Coding::Deflate) => Box::new(flate2::read::ZlibDecoder::new(body)),
        Some(Coding::Brotli) => Box::new(brotli_decompressor::Decompressor::new(body, 64 * 1024)),
        Some(Coding::Zstd) => {
            let mut decoder = zstd::stream::read::Decoder::new(body)?;
            // 8 MiB of window at most: a hostile frame may ask for gigabytes.
            decoder.window_log_max(23)?;
            Box::new(decoder)
        }
        Some(Coding::Lz4) => Box::new(Lz4Frames(FrameDecoder::new(BufReader::new(body)))),
    };
    Ok(if blocks { Box::new(native_block::Decoder::new(body)) } else { body })
}

/// All frames of a body: the library's decoder stops after one, and clickhouse-connect sends one per block.
struct Lz4Frames<R: Read>(FrameDecoder<BufReader<R>>);

impl<R: Read> Read for Lz4Frames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.0.read(out)?;
            if read > 0 || out.is_empty() || self.0.get_mut().fill_buf()?.is_empty() {
                return Ok(read);
            }
        }
    }
}

/// Encodes an answer piece by piece; every piece can be decoded when it arrives.
pub(crate) enum Encoder {
    Plain,
    Blocks,
    Gzip(GzEncoder<Vec<u8>>),
    Deflate(ZlibEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Lz4(Box<FrameEncoder<Vec<u8>>>),
}

impl Encoder {
    pub(crate) fn new(coding: Option<Coding>, blocks: bool) -> io::Result<Self> {
        Ok(match coding {
            _ if blocks => Self::Blocks,
            None | Some(Coding::Brotli) => Self::Plain,
            Some(Coding::Gzip) => {
                Self::Gzip(GzEncoder::new(Vec::new(), flate2::Compression::fast()))
            }
            Some(Coding::Deflate) => {
                Self::Deflate(ZlibEncoder::new(Vec::new(), flate2::Compression::fast()))
            }
            Some(Coding::Zstd) => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 1)?),
            Some(Coding::Lz4) => Self::Lz4(Box::new(FrameEncoder::new(Vec::new()))),
        })
    }

    /// Encodes one piece.
    pub(crate) fn push(&mut self, piece: &[u8]) -> io::Result<Vec<u8>> {
        fn write<W: Write>(writer: &mut W, piece: &[u8]) -> io::Result<()> {
            writer.write_all(piece)?;
            writer.flush()
        }
        match self {
            Self::Plain => Ok(piece.to_vec()),
            Self::Blocks => Ok(native_block::encode(piece)),
            Self::Gzip(encoder) => {
                write(encoder, piece).map(|()| std::mem::take(encoder.get_mut()))
            }
            Self::Deflate(encoder) => {
                write(encoder, piece).map(|()| std::mem::take(encoder.get_mut()))
            }
            Self::Zstd(encoder) => {
                write(encoder, piece).map(|()| std::mem::take(encoder.get_mut()))
            }
            Self::Lz4(encoder) => write(encoder, piece).map(|()| std::mem::take(encoder.get_mut())),
        }
    }

    /// The coding's trailer.
    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain | Self::Blocks => Ok(Vec::new()),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Deflate(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
            Self::Lz4(encoder) => encoder.finish().map_err(io::Error::other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_in_every_coding() {
        let pieces: [&[u8]; 3] = [b"hello ", &[7; 300_000], b"end"];
        for (coding, blocks) in [
            (None, false),
            (None, true),
            (Some(Coding::Gzip), false),
            (Some(Coding::Deflate), false),
            (Some(Coding::Zstd), false),
            (Some(Coding::Lz4), false),
        ] {
            let mut encoder = Encoder::new(coding, blocks).unwrap();
            let mut body = Vec::new();
            for piece in pieces {
                body.extend(encoder.push(piece).unwrap());
            }
            body.extend(encoder.finish().unwrap());
            let mut out = Vec::new();
            decoder(&body[..], coding, blocks).unwrap().read_to_end(&mut out).unwrap();
            assert_eq!(out, pieces.concat(), "{coding:?} {blocks}");
        }
    }

    #[test]
    fn bodies_of_several_frames_are_read_to_their_end() {
        for coding in [Coding::Gzip, Coding::Zstd, Coding::Lz4] {
            let mut body = Vec::new();
            for piece in [&b"one "[..], b"", b"two"] {
                let mut encoder = Encoder::new(Some(coding), false).unwrap();
                body.extend(encoder.push(piece).unwrap());
                body.extend(encoder.finish().unwrap());
            }
            let mut out = Vec::new();
            decoder(&body[..], Some(coding), false).unwrap().read_to_end(&mut out).unwrap();
            assert_eq!(out, b"one two", "{coding:?}");
            // Within the last block: LZ4's end mark may be missing for this decoder, HTTP's own framing sees that cut.
            let cut = body.len() - 6;
            assert!(
                decoder(&body[..cut], Some(coding), false).unwrap().read_to_end(&mut out).is_err(),
                "{coding:?}"
            );
        }
    }

    #[test]
    fn accepts_the_first_known_coding() {
        assert_eq!(Coding::of_response("br, lz4;q=0, zstd, gzip"), Some(Coding::Zstd));
        assert_eq!(Coding::of_response("br"), None);
        assert_eq!(Coding::of_response(""), None);
        assert!(Coding::of_request("snappy").is_err());
    }
}
