//! What a file tells is believed as little as what a peer tells: it is checked by the same rules, only not in slices.
//! Knows records; knows no file.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use super::Bunkercoin;
use super::journal::Record;
use super::lookup::{Fault, Found, read_transaction};
use super::rules::{Checked, Flaw, follows};
use super::store::Fit;

/// A branch, as far as it has come.
#[derive(Debug)]
pub(super) struct Branching {
    fork: usize,
    blocks: VecDeque<Arc<Checked>>,
}

/// A record that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// It breaks a rule.
    #[error("{0}")]
    Broken(String),
    /// A branch from nowhere, or a block where it does not belong.
    #[error("it does not follow what is before it")]
    Misplaced,
    /// More than the chain may have.
    #[error("the chain is full")]
    TooLong,
}

impl Bunkercoin {
    /// The next record of a file.
    ///
    /// # Errors
    /// When what it says is not right. Nothing has changed then.
    pub fn restore(&mut self, record: Record<'_>) -> Result<(), Unfit> {
        match record {
            Record::Branch(fork) => self.restore_branch(fork),
            Record::Block(text) => self.restore_block(text),
            Record::Transaction(text) => self.restore_transaction(text),
        }
    }

    /// Whether a branch has begun that is not the chain yet.
    pub fn is_branching(&self) -> bool {
        self.restored.is_some()
    }

    fn restore_branch(&mut self, fork: usize) -> Result<(), Unfit> {
        if fork >= self.height() {
            return Err(Unfit::Misplaced);
        }
        self.restored = Some(Branching { fork, blocks: VecDeque::new() });
        Ok(())
    }

    fn restore_block(&mut self, text: &[u8]) -> Result<(), Unfit> {
        let block = self.check_at_once(text)?;
        let Some(mut branch) = self.restored.take() else {
            return match self.store.append(&block) {
                Fit::Follows => Ok(()),
                Fit::NoRoom => Err(Unfit::TooLong),
                Fit::Known | Fit::Elsewhere | Fit::Wrong(_) => Err(Unfit::Misplaced),
            };
        };
        let before = branch.blocks.back().map(|block| block.link());
        let before = before.or_else(|| self.store.chain().before(branch.fork));
        if follows(block.link(), block.prev_hash, before).is_err() {
            self.restored = Some(branch);
            return Err(Unfit::Misplaced);
        }
        branch.blocks.push_back(block);
        if branch.fork + branch.blocks.len() <= self.height() {
            self.restored = Some(branch);
            return Ok(());
        }
        self.store.adopt(branch.fork, branch.blocks);
        while self.store.has_work() {
            self.store.step();
        }
        Ok(())
    }

    fn restore_transaction(&mut self, text: &[u8]) -> Result<(), Unfit> {
        let transaction = read_transaction(text)?;
        if !transaction.is_signed() {
            return Err(Fault::from(Flaw::Signature).into());
        }
        // one that is in the chain by now, or that a full pool has no room for, is nothing to complain of
        self.store.add_transaction(transaction.hash(), Bytes::from(transaction.to_json()));
        Ok(())
    }

    fn check_at_once(&mut self, text: &[u8]) -> Result<Arc<Checked>, Unfit> {
        let wait = match self.store.look_up(text).1? {
            Found::Checked(block) => return Ok(block),
            Found::Waiting(wait) => wait,
        };
        let outcome = loop {
            if let Some(outcome) = self.store.checks.step(&wait).1 {
                break outcome;
            }
        };
        self.store.checks.leave(wait);
        outcome.map_err(|flaw| Fault::from(flaw).into())
    }
}

impl From<Fault> for Unfit {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault.to_string())
    }
}
