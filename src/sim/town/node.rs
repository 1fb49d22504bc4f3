//! What a full node of the network believes: the longest chain it was told, and every transaction. Knows what was said
//! to it, all of which is right; sends nothing by itself.

use std::collections::BTreeSet;

use super::chain::Line;
use super::mint::{Item, Mint};

/// A node.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// The last block of the longest chain it knows; of equally long ones the first it was told.
    pub tip: Option<u32>,
    coins: BTreeSet<u32>,
}

/// What it wants said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Nothing,
    /// It is asked for its chain.
    TellChain,
    /// It is asked for its transactions.
    TellPool,
    /// A block does not fit: what is there else?
    Ask,
}

impl Node {
    /// It was told something.
    pub fn learn(&mut self, line: &Line, mint: &Mint) -> Wish {
        match line {
            Line::GetChain => Wish::TellChain,
            Line::GetMempool => Wish::TellPool,
            Line::Chain(blocks) => {
                if blocks.len() > mint.height(self.tip) as usize {
                    self.tip = blocks.last().copied();
                }
                Wish::Nothing
            }
            Line::Mempool(coins) => {
                self.coins.extend(coins);
                Wish::Nothing
            }
            &Line::New(Item::Coin(coin)) => {
                self.coins.insert(coin);
                Wish::Nothing
            }
            &Line::New(Item::Block(block)) => self.hear_block(block, mint),
            Line::New(Item::Word(_)) => Wish::Nothing,
        }
    }

    /// It has made something itself.
    pub fn note(&mut self, item: Item) {
        match item {
            Item::Coin(coin) => drop(self.coins.insert(coin)),
            Item::Block(block) => self.tip = Some(block),
            Item::Word(_) => {}
        }
    }

    /// Transactions that are in no block of its chain.
    pub fn pool(&self, mint: &Mint) -> BTreeSet<u32> {
        self.coins.difference(&mint.spent(self.tip)).copied().collect()
    }

    fn hear_block(&mut self, block: u32, mint: &Mint) -> Wish {
        if mint.block(block).before == self.tip {
            self.tip = Some(block);
            return Wish::Nothing;
        }
        if mint.has(self.tip, block) { Wish::Nothing } else { Wish::Ask }
    }
}
