//! The newest blocks in memory: several processors read what was just committed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::log::{Limit, Offset};

use super::block::Block;

/// The tails of all partitions.
#[derive(Debug)]
pub(super) struct Tails {
    budget: usize,
    parts: Vec<Mutex<Tail>>,
}

#[derive(Debug, Default)]
struct Tail {
    bytes: usize,
    blocks: VecDeque<Block>,
}

impl Tails {
    /// Keeps up to `budget` bytes for each of the partitions with rows below `parts`.
    pub(super) fn new(parts: u32, budget: usize) -> Self {
        Self { budget, parts: (0..parts).map(|_| Mutex::default()).collect() }
    }

    /// Adds a committed block; one that does not follow the last (another process wrote in
    /// between) starts the tail anew.
    pub(super) fn push(&self, part: u32, block: Block) {
        let Some(tail) = self.parts.get(part as usize) else {
            return;
        };
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.blocks.back().is_some_and(|last| last.next != block.first) {
            tail.blocks.clear();
            tail.bytes = 0;
        }
        tail.bytes += block.body.len();
        tail.blocks.push_back(block);
        while tail.bytes > self.budget {
            let Some(oldest) = tail.blocks.pop_front() else {
                break;
            };
            tail.bytes -= oldest.body.len();
        }
    }

    /// The blocks from the one that holds `from`; empty when the tail does not reach back so far.
    pub(super) fn read(&self, part: u32, from: Offset, limit: Limit) -> Vec<Block> {
        let Some(tail) = self.parts.get(part as usize) else {
            return Vec::new();
        };
        let tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = tail.blocks.partition_point(|block| block.next <= from);
        if tail.blocks.get(begins).is_none_or(|block| block.first > from) {
            return Vec::new();
        }
        let mut room = Room::new(limit);
        tail.blocks.range(begins..).take_while(|block| room.take(block)).cloned().collect()
    }
}

/// How much of a [`Limit`] is left while blocks are collected.
#[derive(Debug)]
pub(super) struct Room {
    records: usize,
    bytes: usize,
}

impl Room {
    pub(super) fn new(limit: Limit) -> Self {
        // one record is always given
        Self { records: limit.records.max(1), bytes: limit.bytes.max(1) }
    }

    pub(super) const fn left(&self) -> bool {
        self.records > 0 && self.bytes > 0
    }

    /// Whether there was room; takes it.
    pub(super) fn take(&mut self, block: &Block) -> bool {
        let left = self.left();
        self.records = self.records.saturating_sub(block.records as usize);
        self.bytes = self.bytes.saturating_sub(block.body.len());
        left
    }
}
