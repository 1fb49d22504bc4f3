//! What has passed and can be asked for, and what is never passed on again. Knows items; knows no message and no peer.

use std::time::Duration;

use super::chain::Chain;
use super::hash::Hash;
use super::item::{Block, Reasons, Transaction};
use super::listing::{Listing, Payload};
use super::pool::Pool;
use super::questions;
use super::reply;
use crate::protocol::seen::Seen;
use crate::time::Instant;

/// Most hashes that are remembered of items passed on, and as many of transactions in blocks, whether they are still
/// held or not; at least half of that. A repeat of one that has been forgotten is passed on once more.
pub const SEEN_MAX: usize = 100_000;

/// Why a repeat is rejected.
const KNOWN: &str = "known already";

/// Everything of theirs that is held; its bounds are those of its parts.
#[derive(Debug)]
pub(super) struct Store {
    pub pool: Pool,
    pub chain: Chain,
    passed: Seen,
    /// The transactions of blocks: apart, or one large block would have the others forgotten.
    mined: Seen,
    pool_listing: Listing,
    blocks_listing: Listing,
}

impl Store {
    /// Nothing has passed.
    pub fn new() -> Self {
        let seen = || Seen::new(Duration::MAX, SEEN_MAX);
        Self {
            pool: Pool::default(),
            chain: Chain::default(),
            passed: seen(),
            mined: seen(),
            pool_listing: Listing::default(),
            blocks_listing: Listing::default(),
        }
    }

    /// What is wrong with a transaction, or that it is none the less known.
    pub fn check_transaction(&self, now: Instant, text: &str) -> Result<Transaction, Reasons> {
        let transaction = Transaction::parse(text)?;
        let name = transaction.name;
        let is_known = self.passed.contains(now, name.0) || self.mined.contains(now, name.0);
        if is_known || self.pool.get(name).is_some() {
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
        self.passed.insert(now, transaction.name.0);
        self.pool.add(transaction);
        self.pool_listing.change();
        Ok(())
    }

    /// A new block is there from now on, and its transactions have left the pool.
    ///
    /// # Errors
    /// Why it is not.
    pub fn add_block(&mut self, now: Instant, text: &str) -> Result<(), Reasons> {
        let block = Block::parse(text)?;
        if self.passed.contains(now, block.hash.0) || self.chain.get(block.hash).is_some() {
            return Err(vec![KNOWN.into()]);
        }
        self.passed.insert(now, block.hash.0);
        for &transaction in &block.transactions {
            self.mined.insert(now, transaction.0);
            self.pool.remove(transaction);
        }
        self.chain.add(block);
        self.pool_listing.change();
        self.blocks_listing.change();
        Ok(())
    }

    /// All transactions of the pool, as they are answered.
    pub fn list_pool(&mut self) -> Payload {
        let pool = &self.pool;
        self.pool_listing.payload(|| reply::array(pool.texts()))
    }

    /// All blocks of the longest chain, as they are answered.
    pub fn list_blocks(&mut self) -> Payload {
        let chain = &self.chain;
        self.blocks_listing.payload(|| questions::texts(&chain.longest()))
    }

    /// A transaction of the pool or of a block.
    pub fn transaction(&self, name: Hash) -> Option<&str> {
        self.pool.get(name).or_else(|| self.chain.transaction(name))
    }
}
