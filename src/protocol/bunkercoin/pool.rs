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
    blocks: BTreeMap<Hash, Held>,
    bytes: usize,
}

/// A block, and how many have it in their chains. Others may hold on to it for a while; that is not counted.
#[derive(Debug)]
struct Held {
    block: Arc<Checked>,
    users: usize,
}

impl Pool {
    /// One that is here.
    pub fn find(&self, text: &Hash) -> Option<Arc<Checked>> {
        self.blocks.get(text).map(|held| Arc::clone(&held.block))
    }

    /// Somebody needs a checked block, until it is [released](Self::release): the block, and the bytes that it brought;
    /// none when it is here already. `None`: there is no room.
    pub fn add(&mut self, block: Arc<Checked>) -> Option<(Arc<Checked>, usize)> {
        if let Some(held) = self.blocks.get_mut(&block.text_hash) {
            held.users += 1;
            return Some((Arc::clone(&held.block), 0));
        }
        let bytes = block.memory() + OVERHEAD;
        if self.bytes + bytes > MAX_BYTES {
            return None;
        }
        self.bytes += bytes;
        self.blocks.insert(block.text_hash, Held { block: Arc::clone(&block), users: 1 });
        Some((block, bytes))
    }

    /// Somebody needs it no longer: whoever was the last lets it go.
    pub fn release(&mut self, block: &Checked) {
        let Some(held) = self.blocks.get_mut(&block.text_hash) else { return };
        held.users -= 1;
        if held.users == 0 {
            self.bytes -= held.block.memory() + OVERHEAD;
            self.blocks.remove(&block.text_hash);
        }
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
