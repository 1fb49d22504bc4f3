//! The chain we hold: blocks that follow each other, as text. Knows what each block is known by; knows no rule, no peer
//! and no file.

use super::hash::Hash;
use super::rules::{Checked, INTERVAL, Link};
use super::text::{Items, Text};

/// Most blocks: over a month of them.
pub const MAX_BLOCKS: usize = 100_000;
/// Most bytes of their JSON.
pub const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Rows copied or freed in one step.
const ROWS_PER_STEP: usize = 4_000;

/// Blocks, one behind the other.
#[derive(Debug)]
pub struct Chain {
    max_blocks: usize,
    rows: Vec<Row>,
    /// Of the first block.
    begins: u64,
    items: Items,
}

/// One block.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    hash: Hash,
    /// Where its text ends.
    end: usize,
}

/// What is to stand instead of a chain, while it is being put together.
#[derive(Debug)]
pub struct Branch {
    /// How many blocks stay.
    fork: usize,
    /// Of all its blocks, as far as it has come.
    rows: Vec<Row>,
    begins: u64,
    items: Items,
}

/// What was cut off: text and rows of the blocks, lowest first.
#[derive(Debug, Default)]
pub struct Cut {
    items: Items,
    rows: Vec<Row>,
    next: usize,
    start: usize,
}

impl Chain {
    /// None yet, and never more than so many.
    pub fn new(max_blocks: usize) -> Self {
        Self { max_blocks, rows: Vec::new(), begins: 0, items: Items::default() }
    }

    /// How many blocks there may be.
    pub fn max_blocks(&self) -> usize {
        self.max_blocks
    }

    /// How many blocks.
    pub fn height(&self) -> usize {
        self.rows.len()
    }

    /// Bytes of text.
    pub fn bytes(&self) -> usize {
        self.items.len()
    }

    /// The last block.
    pub fn tip(&self) -> Option<Link> {
        self.link(self.height().checked_sub(1)?)
    }

    /// What is said of the block at this place, from 0.
    pub fn link(&self, at: usize) -> Option<Link> {
        let row = self.rows.get(at)?;
        Some(Link { hash: row.hash, timestamp: self.begins + at as u64 * INTERVAL })
    }

    /// What the block at this place has to follow.
    pub fn before(&self, at: usize) -> Option<Link> {
        self.link(at.checked_sub(1)?)
    }

    /// Whether a block is in here: its timestamp says where it would be.
    pub fn holds(&self, block: Link) -> bool {
        let at = block.timestamp.checked_sub(self.begins).map(|since| since / INTERVAL);
        let at = at.and_then(|at| usize::try_from(at).ok());
        at.and_then(|at| self.link(at)) == Some(block)
    }

    /// Our text of the block at this place.
    pub fn block(&self, at: usize) -> Option<&[u8]> {
        let end = self.rows.get(at)?.end;
        Some(self.items.slice(start_behind(self.end_before(at)), end))
    }

    /// Whether one block more, of so many bytes, has room.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.height() < self.max_blocks && self.bytes() + 1 + bytes <= MAX_BYTES
    }

    /// One more, which follows the tip.
    pub fn push(&mut self, block: &Checked) {
        if self.rows.is_empty() {
            self.begins = block.timestamp;
        }
        let end = self.items.push(&block.text);
        self.rows.push(Row { hash: block.hash, end });
    }

    /// Begins a branch behind the first `fork` blocks, which will have so many more; and how many bytes that copied.
    pub fn branch(&self, fork: usize, more: usize) -> (Branch, usize) {
        let items = self.items.cut_at(self.end_before(fork));
        let copied = items.tail().len();
        (Branch { fork, rows: Vec::with_capacity(fork + more), begins: self.begins, items }, copied)
    }

    /// The branch stands from now on. What is given up for it.
    pub fn adopt(&mut self, branch: Branch) -> Cut {
        assert!(branch.is_based(), "a branch stands on the blocks that stay");
        let start = start_behind(self.end_before(branch.fork));
        self.begins = branch.begins;
        let rows = std::mem::replace(&mut self.rows, branch.rows);
        let items = std::mem::replace(&mut self.items, branch.items);
        Cut { items, rows, next: branch.fork, start }
    }

    /// The blocks as a JSON array.
    pub fn text(&mut self) -> Text {
        self.items.array()
    }

    /// Their text, for whoever puts something else around it.
    pub fn items(&self) -> &Items {
        &self.items
    }

    /// Where the text of the blocks before this place ends.
    pub fn end_before(&self, at: usize) -> usize {
        at.checked_sub(1).map_or(0, |before| self.rows[before].end)
    }
}

impl Branch {
    /// Whether it has the rows of all blocks that stay.
    pub fn is_based(&self) -> bool {
        self.rows.len() >= self.fork
    }

    /// Takes some more of them over.
    pub fn take_over(&mut self, from: &Chain) {
        let end = self.fork.min(self.rows.len() + ROWS_PER_STEP);
        self.rows.extend_from_slice(&from.rows[self.rows.len()..end]);
    }

    /// One more block of it.
    pub fn push(&mut self, block: &Checked) {
        if self.rows.is_empty() {
            self.begins = block.timestamp;
        }
        let end = self.items.push(&block.text);
        self.rows.push(Row { hash: block.hash, end });
    }

    /// How many blocks stay as they are.
    pub fn fork(&self) -> usize {
        self.fork
    }
}

impl Cut {
    /// The text of the next block.
    pub fn next(&mut self) -> Option<&[u8]> {
        let row = self.rows.get(self.next)?;
        let start = std::mem::replace(&mut self.start, row.end + 1);
        self.next += 1;
        Some(self.items.slice(start, row.end))
    }

    /// Frees some of it. False when nothing is left.
    pub fn free_some(&mut self) -> bool {
        let length = self.rows.len().saturating_sub(ROWS_PER_STEP);
        self.rows.truncate(length);
        self.rows.shrink_to(length);
        self.items.free_some() || length > 0
    }
}

/// Behind what ends here there is a comma, unless there is nothing.
fn start_behind(end: usize) -> usize {
    if end == 0 { 0 } else { end + 1 }
}
