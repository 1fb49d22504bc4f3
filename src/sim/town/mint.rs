//! What is right and was said: every transaction and block that somebody honest made. Whatever else is given out is a
//! lie that was believed. Knows the forge; knows no relay.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use ed25519_dalek::SigningKey;

use super::coin::{self, Block, Coin, Hash, INTERVAL};
use crate::rng::Rng;

/// Who pays.
const KEYS: usize = 3;
/// When the first blocks may have been made: multiples of the interval.
const FIRST: u64 = 1_700_000_010 / INTERVAL * INTERVAL;

/// Everything that is right.
#[derive(Debug)]
pub struct Mint {
    rng: Rng,
    keys: Vec<SigningKey>,
    coins: Vec<(Coin, Bytes)>,
    blocks: Vec<Mined>,
    /// By the hash of their JSON.
    known: BTreeMap<Hash, Item>,
}

/// Something that was said, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// A transaction.
    Coin(u32),
    /// A block.
    Block(u32),
    /// Something that was said at a JSON port.
    Word(u32),
}

/// A block.
#[derive(Clone, Debug)]
pub struct Mined {
    /// Compact JSON.
    pub text: Bytes,
    /// What it is known by.
    pub hash: Hash,
    /// The one before.
    pub before: Option<u32>,
    /// How many there are with it.
    pub height: u32,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Its transactions.
    pub coins: Vec<u32>,
}

impl Mint {
    /// Nothing was said.
    pub fn new(seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let keys = (0..KEYS).map(|_| {
            let mut secret = [0; 32];
            rng.fill(&mut secret);
            SigningKey::from_bytes(&secret)
        });
        let keys = keys.collect();
        Self { keys, rng, coins: Vec::new(), blocks: Vec::new(), known: BTreeMap::new() }
    }

    /// A transaction that nobody has said; small numbers and the largest.
    pub fn pay(&mut self) -> u32 {
        let coin = self.unsaid_coin();
        let number = self.coins.len() as u32; // far fewer
        let text = Bytes::from(coin.json());
        self.known.insert(coin::hash(&text), Item::Coin(number));
        self.coins.push((coin, text));
        number
    }

    /// A right one that stays nobody's.
    pub fn unsaid_coin(&mut self) -> Coin {
        let payer = self.rng.below(KEYS as u64) as usize;
        let mut recipient = [0; 32];
        self.rng.fill(&mut recipient);
        let amount = if self.rng.below(4) == 0 { u64::MAX - self.rng.below(3) } else { self.rng.below(1000) };
        Coin::signed(&self.keys[payer], recipient, amount, self.rng.next())
    }

    /// A block behind another, or the first one, with these transactions. Whoever makes the same a second time has made
    /// the first again: nothing about a block is its maker's.
    pub fn mine(&mut self, before: Option<u32>, coins: Vec<u32>) -> u32 {
        let block = self.unsaid_block(before, coins.iter().map(|&coin| self.coin(coin).clone()).collect());
        let number = self.blocks.len() as u32; // far fewer
        let text = Bytes::from(block.json());
        if let Some(&Item::Block(known)) = self.known.get(&coin::hash(&text)) {
            return known;
        }
        self.known.insert(coin::hash(&text), Item::Block(number));
        let (hash, timestamp) = (block.hash(), block.timestamp);
        let height = before.map_or(1, |before| self.block(before).height + 1);
        self.blocks.push(Mined { text, hash, before, height, timestamp, coins });
        number
    }

    /// A right one that stays nobody's.
    pub fn unsaid_block(&mut self, before: Option<u32>, coins: Vec<Coin>) -> Block {
        match before {
            Some(before) => {
                let before = self.block(before);
                Block::mined(before.hash, before.timestamp + INTERVAL, coins)
            }
            None => Block::mined([0; 32], FIRST + self.rng.below(1000) * INTERVAL, coins),
        }
    }

    /// A transaction.
    pub fn coin(&self, number: u32) -> &Coin {
        &self.coins[number as usize].0
    }

    /// A transaction's JSON.
    pub fn coin_text(&self, number: u32) -> &Bytes {
        &self.coins[number as usize].1
    }

    /// A block.
    pub fn block(&self, number: u32) -> &Mined {
        &self.blocks[number as usize]
    }

    /// A block's JSON.
    pub fn block_text(&self, number: u32) -> &str {
        text_of(&self.block(number).text)
    }

    /// How many there are.
    pub fn count_blocks(&self) -> u32 {
        self.blocks.len() as u32 // far fewer
    }

    /// How high the highest is.
    pub fn highest(&self) -> u32 {
        self.blocks.iter().map(|block| block.height).max().unwrap_or(0)
    }

    /// Whether there is another block in the same place.
    pub fn has_rival(&self, number: u32) -> bool {
        let before = self.block(number).before;
        self.blocks.iter().filter(|block| block.before == before).count() > 1
    }

    /// What somebody says, if it is something right that was said.
    pub fn read(&self, text: &[u8]) -> Option<Item> {
        self.known.get(&coin::hash(text)).copied()
    }

    /// How high a chain with this last block is.
    pub fn height(&self, tip: Option<u32>) -> u32 {
        tip.map_or(0, |tip| self.block(tip).height)
    }

    /// The chain that ends with a block, its first block first.
    pub fn chain(&self, tip: Option<u32>) -> Vec<u32> {
        let mut chain: Vec<u32> = std::iter::successors(tip, |&block| self.block(block).before).collect();
        chain.reverse();
        chain
    }

    /// Whether a chain has a block.
    pub fn has(&self, tip: Option<u32>, block: u32) -> bool {
        let height = self.block(block).height;
        let mut at = tip;
        while let Some(here) = at.filter(|&here| self.block(here).height > height) {
            at = self.block(here).before;
        }
        at == Some(block)
    }

    /// The transactions of a chain.
    pub fn spent(&self, tip: Option<u32>) -> BTreeSet<u32> {
        let blocks = self.chain(tip);
        blocks.into_iter().flat_map(|block| self.block(block).coins.iter().copied()).collect()
    }

    /// A chain as it is said.
    pub fn chain_text(&self, tip: Option<u32>) -> String {
        let blocks = self.chain(tip);
        let texts: Vec<&str> = blocks.iter().map(|&block| text_of(&self.block(block).text)).collect();
        texts.join(",")
    }

    /// Transactions as they are said.
    pub fn pool_text(&self, coins: impl Iterator<Item = u32>) -> String {
        let texts: Vec<&str> = coins.map(|coin| text_of(self.coin_text(coin))).collect();
        texts.join(",")
    }
}

fn text_of(json: &[u8]) -> &str {
    std::str::from_utf8(json).expect("JSON of ours is text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_is_known_by_its_text_alone() {
        let mut mint = Mint::new(1);
        let coin = mint.pay();
        let first = mint.mine(None, vec![]);
        let second = mint.mine(Some(first), vec![coin]);
        assert_eq!(mint.read(&mint.block(second).text), Some(Item::Block(second)));
        let unsaid = mint.unsaid_coin().json();
        assert_eq!(mint.read(unsaid.as_bytes()), None);
        assert_eq!((mint.height(Some(second)), mint.chain(Some(second))), (2, vec![first, second]));
        let rival = mint.mine(Some(first), vec![]);
        assert!(mint.has(Some(second), first) && !mint.has(Some(second), rival) && !mint.has(None, first));
        assert_eq!(mint.spent(Some(second)), BTreeSet::from([coin]));
        assert!(mint.spent(Some(rival)).is_empty());
    }
}
