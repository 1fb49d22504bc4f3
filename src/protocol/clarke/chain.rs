//! The blocks that have passed, and the longest chain among them. Knows blocks whose hashes are right; knows no peer.
//!
//! A block's height is one more than its parent's; where the parent has never been here, one. So heights count from
//! the first block of a chain that passed, which need not be the chain's first, and stay when that is dropped. A
//! parent that comes later than its child lifts all that stand on it. The latest block is the highest; of several as
//! high, the one that was so first. Of several blocks of one hash the first is held: the hash is not of all that a
//! block says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::cost::{self, Cost};
use super::hash::Hash;
use super::heights::Heights;
use super::item::Block;

/// Most blocks that are held.
pub const BLOCKS_MAX: usize = 1000;
/// Most bytes of them: all of them fit into an answer.
pub const BLOCKS_BYTES: usize = 900_000;
/// What a transaction of a block costs beside its text.
const TRANSACTION_BYTES: usize = size_of::<Hash>();

/// Blocks, the oldest dropped for the newest.
#[derive(Debug, Default)]
pub(super) struct Chain {
    blocks: BTreeMap<Hash, Block>,
    /// Parent and child, whether the parent is here or not.
    children: BTreeSet<(Hash, Hash)>,
    heights: Heights,
    arrivals: VecDeque<Hash>,
    bytes: usize,
    transactions: usize,
}

impl Chain {
    /// One more, unless one of its hash is there. One that is larger than all may be together is not held. What it
    /// cost.
    pub fn add(&mut self, block: Block) -> Cost {
        let bytes = bytes(&block);
        if bytes > BLOCKS_BYTES || self.blocks.contains_key(&block.hash) {
            return cost::STEP;
        }
        let mut dropped = 0;
        while self.blocks.len() >= BLOCKS_MAX || self.bytes + bytes > BLOCKS_BYTES {
            self.drop_oldest();
            dropped += 1;
        }
        let (hash, parent) = (block.hash, block.parent);
        self.bytes += bytes;
        self.transactions += block.transactions.len();
        self.arrivals.push_back(hash);
        self.children.insert((parent, hash));
        self.blocks.insert(hash, block);
        let children = self.children.range((hash, Hash([0; 32]))..=(hash, Hash([0xff; 32])));
        let moved = self.heights.add(hash, parent, children.map(|(_, child)| *child));
        cost::STEP + cost::of_finding(2 * (dropped + moved))
    }

    /// The block of this hash.
    pub fn get(&self, hash: Hash) -> Option<&Block> {
        self.blocks.get(&hash)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// How many transactions are in them.
    pub fn transactions(&self) -> usize {
        self.transactions
    }

    /// The highest block.
    pub fn latest(&self) -> Option<&Block> {
        self.get(self.heights.highest()?)
    }

    /// How high that is; 0 when there is none.
    pub fn height(&self) -> i64 {
        self.heights.highest().map_or(0, |latest| self.heights.height(latest))
    }

    /// What of the longest chain is held without a gap, from its oldest block to the latest.
    pub fn longest(&self) -> Vec<&Block> {
        let mut blocks: Vec<&Block> =
            std::iter::successors(self.latest(), |block| self.get(block.parent)).collect();
        blocks.reverse();
        blocks
    }

    /// What of it stands on the block of this hash; nothing, where that is not of it.
    pub fn since(&self, hash: Hash) -> Vec<&Block> {
        let blocks = self.longest();
        let place = blocks.iter().position(|block| block.hash == hash);
        place.map_or(Vec::new(), |place| blocks[place + 1..].to_vec())
    }

    /// A block that has such a transaction.
    pub fn block_with(&self, transaction: Hash) -> Option<&Block> {
        self.blocks.values().find(|block| block.transactions.contains(&transaction))
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.arrivals.pop_front() else { return };
        let Some(block) = self.blocks.remove(&oldest) else { return };
        self.bytes -= bytes(&block);
        self.transactions -= block.transactions.len();
        self.children.remove(&(block.parent, oldest));
        self.heights.remove(oldest);
    }
}

fn bytes(block: &Block) -> usize {
    block.text.len() + block.transactions.len() * TRANSACTION_BYTES
}
