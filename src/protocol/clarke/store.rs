//! What has passed and can be asked for, and what is never passed on again. Knows items; knows no message and no peer.
//!
//! An item is a repeat when all that it says has been said before. What it calls itself decides nothing: anybody could
//! have others' items taken for repeats of his own, or of what he has a block of his mention.

use std::time::Duration;

use super::chain::Chain;
use super::cost::{self, Cost};
use super::hash::Hash;
use super::item::{Block, Reasons, Transaction};
use super::listing::{Listing, Payload};
use super::pool::Pool;
use super::questions;
use super::reply;
use crate::protocol::seen::Seen;
use crate::time::Instant;

/// Most items that are remembered as passed on, whether they are still held or not; at least half of that. A repeat of
/// one that has been forgotten is passed on once more.
pub const SEEN_MAX: usize = 100_000;

/// Why a repeat is rejected.
const KNOWN: &str = "known already";

/// Everything of theirs that is held; its bounds are those of its parts.
#[derive(Debug)]
pub(super) struct Store {
    pub pool: Pool,
    pub chain: Chain,
    passed: Seen,
    pool_listing: Listing,
    blocks_listing: Listing,
    /// What was done since it was last asked.
    spent: Cost,
}

impl Store {
    /// Nothing has passed.
    pub fn new() -> Self {
        Self {
            pool: Pool::default(),
            chain: Chain::default(),
            passed: Seen::new(Duration::MAX, SEEN_MAX),
            pool_listing: Listing::default(),
            blocks_listing: Listing::default(),
            spent: 0,
        }
    }

    /// What is wrong with a transaction, or that it is none the less known.
    pub fn check_transaction(&self, now: Instant, text: &str) -> Result<Transaction, Reasons> {
        let transaction = Transaction::parse(text)?;
        if self.passed.contains(now, transaction.content.0) || self.pool.has(transaction.content) {
            return Err(vec![KNOWN.into()]);
        }
        Ok(transaction)
    }

    /// A new transaction is in the pool from now on.
    ///
    /// # Errors
    /// Why it is not.
    pub fn add_transaction(&mut self, now: Instant, text: &str) -> Result<(), Reasons> {
        let transaction = self.check_transaction(now, text)?;
        self.passed.insert(now, transaction.content.0);
        let cost = self.pool.add(transaction);
        self.spend(cost);
        self.pool_listing.change();
        Ok(())
    }

    /// A new block is there from now on, and its transactions have left the pool.
    ///
    /// # Errors
    /// Why it is not.
    pub fn add_block(&mut self, now: Instant, text: &str) -> Result<(), Reasons> {
        let mut block = Block::parse(text)?;
        let contents = std::mem::take(&mut block.contents);
        self.spend(cost::of_entering(contents.len()));
        let is_held = self.chain.get(block.hash).is_some_and(|held| held.content == block.content);
        if is_held || self.passed.contains(now, block.content.0) {
            return Err(vec![KNOWN.into()]);
        }
        self.passed.insert(now, block.content.0);
        contents.into_iter().for_each(|content| self.pool.remove(content));
        let cost = self.chain.add(block);
        self.spend(cost);
        self.pool_listing.change();
        self.blocks_listing.change();
        Ok(())
    }

    /// All transactions of the pool, as they are answered.
    pub fn list_pool(&mut self) -> Payload {
        let (pool, spent) = (&self.pool, &mut self.spent);
        self.pool_listing.payload(|| made(spent, pool.len(), reply::array(pool.texts())))
    }

    /// All blocks of the longest chain, as they are answered.
    pub fn list_blocks(&mut self) -> Payload {
        let (chain, spent) = (&self.chain, &mut self.spent);
        self.blocks_listing.payload(|| made(spent, chain.len(), questions::texts(&chain.longest())))
    }

    /// A transaction of the pool or of a block.
    pub fn transaction(&mut self, name: Hash) -> Option<&str> {
        let looked = cost::of_finding(self.chain.len()) + cost::of_passing(self.chain.transactions());
        self.spend(looked);
        if let Some(text) = self.pool.get(name) {
            return Some(text);
        }
        let block = self.chain.block_with(name)?;
        self.spent = self.spent.saturating_add(cost::of_parsing(block.text.len()));
        block.transaction(name)
    }

    /// Something was done.
    pub fn spend(&mut self, cost: Cost) {
        self.spent = self.spent.saturating_add(cost);
    }

    /// What was done since this was last asked.
    pub fn take_spent(&mut self) -> Cost {
        std::mem::take(&mut self.spent)
    }
}

/// A list of so many has been made.
fn made(spent: &mut Cost, entries: usize, text: String) -> String {
    *spent = spent.saturating_add(cost::of_finding(entries) + cost::of_copying(text.len()));
    text
}
