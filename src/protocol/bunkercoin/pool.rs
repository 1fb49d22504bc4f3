//! Checked blocks that no chain of ours holds yet, each once, whoever sent it. Knows what it holds in all; knows no peer.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::hash::Hash;
use super::rules::Checked;

/// Most bytes held: one and a half of the longest chain there may be.
pub const MAX_BYTES: usize = 96 * 1024 * 1024;
/// What a block costs beside what it says itself: its place in the tree.
const OVERHEAD: usize = 128;

/// Blocks by the hash of their text.
#[derive(Debug, Default)]
pub struct Pool {
    blocks: BTreeMap<Hash, Arc<Checked>>,
    bytes: usize,
}

impl Pool {
    /// One that is here.
    pub fn find(&self, text: &Hash) -> Option<Arc<Checked>> {
        self.blocks.get(text).cloned()
    }

    /// A block just checked, and the bytes that it brought; none when it is here already. `None`: there is no room.
    pub fn add(&mut self, block: Arc<Checked>) -> Option<(Arc<Checked>, usize)> {
        let text = Hash::of(&block.text);
        if let Some(held) = self.find(&text) {
            return Some((held, 0));
        }
        let bytes = block.memory() + OVERHEAD;
        if self.bytes + bytes > MAX_BYTES {
            return None;
        }
        self.bytes += bytes;
        self.blocks.insert(text, Arc::clone(&block));
        Some((block, bytes))
    }

    /// Somebody needs it no longer: whoever was the last lets it go.
    pub fn release(&mut self, block: Arc<Checked>) {
        if Arc::strong_count(&block) > 2 {
            return; // the pool, the one that was given, and others
        }
        if let Some(held) = self.blocks.remove(&Hash::of(&block.text)) {
            self.bytes -= held.memory() + OVERHEAD;
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
