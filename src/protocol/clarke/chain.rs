//! The blocks that have passed, and the longest chain among them. Knows blocks whose hashes are right; knows no peer.
//!
//! A block's height is one more than its parent's; where the parent has never been here, one. So heights count from
//! the first block of a chain that passed, which need not be the chain's first, and stay when that is dropped. A
//! parent that comes later than its child lifts all that stand on it. The latest block is the highest; of several as
//! high, the one that was so first.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::hash::Hash;
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
    blocks: BTreeMap<Hash, Held>,
    /// Parent and child, whether the parent is here or not.
    children: BTreeSet<(Hash, Hash)>,
    arrivals: VecDeque<Hash>,
    bytes: usize,
    latest: Option<Hash>,
}

#[derive(Debug)]
struct Held {
    block: Block,
    height: u64,
}

impl Chain {
    /// One more, which is not there yet. One that is larger than all may be together is not held.
    pub fn add(&mut self, block: Block) {
        let cost = cost(&block);
        if cost > BLOCKS_BYTES {
            return;
        }
        while self.blocks.len() >= BLOCKS_MAX || self.bytes + cost > BLOCKS_BYTES {
            self.drop_oldest();
        }
        let (hash, parent) = (block.hash, block.parent);
        self.bytes += cost;
        self.arrivals.push_back(hash);
        self.children.insert((parent, hash));
        let height = self.height_of(parent) + 1;
        self.blocks.insert(hash, Held { block, height });
        self.lift(hash);
    }

    /// The block of this hash.
    pub fn get(&self, hash: Hash) -> Option<&Block> {
        self.blocks.get(&hash).map(|held| &held.block)
    }

    /// The highest block.
    pub fn latest(&self) -> Option<&Block> {
        self.get(self.latest?)
    }

    /// How high that is; 0 when there is none.
    pub fn height(&self) -> u64 {
        self.latest.map_or(0, |latest| self.height_of(latest))
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

    /// A transaction of a block.
    pub fn transaction(&self, name: Hash) -> Option<&str> {
        self.blocks.values().find_map(|held| held.block.transaction(name))
    }

    fn height_of(&self, hash: Hash) -> u64 {
        self.blocks.get(&hash).map_or(0, |held| held.height)
    }

    /// A block has its height: so have all that stand on it.
    fn lift(&mut self, hash: Hash) {
        let mut due = vec![hash];
        while let Some(hash) = due.pop() {
            let height = self.height_of(hash);
            if height > self.height() {
                self.latest = Some(hash);
            }
            let children = self.children.range((hash, Hash([0; 32]))..=(hash, Hash([0xff; 32])));
            for &(_, child) in children {
                if let Some(held) = self.blocks.get_mut(&child) {
                    held.height = height + 1;
                    due.push(child);
                }
            }
        }
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.arrivals.pop_front() else { return };
        let Some(held) = self.blocks.remove(&oldest) else { return };
        self.bytes -= cost(&held.block);
        self.children.remove(&(held.block.parent, oldest));
        if self.latest == Some(oldest) {
            let highest = self.blocks.values().map(|held| held.height).max();
            let mut arrivals = self.arrivals.iter();
            self.latest = arrivals.find(|hash| Some(self.height_of(**hash)) == highest).copied();
        }
    }
}

fn cost(block: &Block) -> usize {
    block.text.len() + block.transactions.len() * TRANSACTION_BYTES
}
