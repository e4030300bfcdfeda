//! A file mapped into memory, seen as 64-bit words.
//!
//! All access is by relaxed atomic loads and stores of whole words, so readers and writers of the
//! same bytes can't race in the language's sense; who may read what when is ordered by the
//! published ends of the segments.
#![expect(unsafe_code, reason = "a mapped file is memory that the compiler does not own")]

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw, UncheckedAdvice};

/// Size of a word in bytes.
pub(super) const WORD: usize = 8;
/// A page; larger real pages only make the advice a no-op.
const PAGE: usize = 4096;

/// A mapped file of whole words.
#[derive(Debug)]
pub(super) struct Map {
    raw: MmapRaw,
    words: usize,
}

impl Map {
    /// Maps the first `len` bytes of `file`, which must be that long and stay so: the folder is
    /// locked by this process, and nothing in it shortens a segment.
    pub(super) fn new(file: &File, len: usize) -> io::Result<Self> {
        if file.metadata()?.len() < len as u64 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "file is shorter than its map",
            ));
        }
        let raw = MmapOptions::new().len(len).map_raw(file)?;
        Ok(Self { raw, words: len / WORD })
    }

    fn words(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page-aligned, hence aligned for `AtomicU64`, and at least
        // `words * 8` bytes long; it lives as long as `self`, and so does the borrow. All access
        // to it in this process goes through these atomics; the folder's exclusive lock keeps
        // other processes of ours from writing to the file.
        unsafe { std::slice::from_raw_parts(self.raw.as_mut_ptr().cast::<AtomicU64>(), self.words) }
    }

    /// The word at byte `at`, a multiple of eight.
    pub(super) fn word(&self, at: usize) -> Option<&AtomicU64> {
        debug_assert_eq!(at % WORD, 0);
        self.words().get(at / WORD)
    }

    /// Copies `bytes`, whole words, to `at`, a multiple of eight.
    pub(super) fn write(&self, at: usize, bytes: &[u8]) -> io::Result<()> {
        let (words, rest) = bytes.as_chunks::<WORD>();
        debug_assert!(rest.is_empty() && at.is_multiple_of(WORD));
        let first = at / WORD;
        let target = self.words().get(first..first + words.len());
        let target = target.ok_or(io::ErrorKind::InvalidInput)?;
        for (to, from) in target.iter().zip(words) {
            to.store(u64::from_ne_bytes(*from), Ordering::Relaxed);
        }
        Ok(())
    }

    /// Appends `len` bytes, whole words, from `at`, a multiple of eight, to `out`.
    pub(super) fn read(&self, at: usize, len: usize, out: &mut Vec<u8>) -> io::Result<()> {
        debug_assert!(len.is_multiple_of(WORD) && at.is_multiple_of(WORD));
        let first = at / WORD;
        let source = self.words().get(first..first + len / WORD);
        let source = source.ok_or(io::ErrorKind::UnexpectedEof)?;
        out.reserve(len);
        for from in source {
            out.extend_from_slice(&from.load(Ordering::Relaxed).to_ne_bytes());
        }
        Ok(())
    }

    /// Waits until the range is on disk.
    pub(super) fn sync(&self, at: usize, len: usize) -> io::Result<()> {
        self.raw.flush_range(at, len)
    }

    /// Lets go of the memory of whole pages in the range; the file keeps them.
    pub(super) fn forget(&self, from: usize, to: usize) -> io::Result<()> {
        let (from, to) = (from.next_multiple_of(PAGE), to - to % PAGE);
        if from >= to {
            return Ok(());
        }
        // SAFETY: the map is shared and of a file: dropped pages are read back from the page
        // cache, with what was stored in them, at the next access.
        unsafe { self.raw.unchecked_advise_range(UncheckedAdvice::DontNeed, from, to - from) }
    }

    /// Makes the pages of the range dirty again, so that the next sync writes them: after a failed
    /// sync the system may count pages as clean that never reached the disk.
    pub(super) fn redirty(&self, at: usize, len: usize) {
        let mut page = at - at % PAGE;
        while page < at + len {
            if let Some(word) = self.word(page) {
                word.fetch_or(0, Ordering::Relaxed);
            }
            page += PAGE;
        }
    }
}
