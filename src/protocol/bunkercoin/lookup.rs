//! A block's or a transaction's JSON, as it was said, found or begun to be checked. Knows the pool and the checks; knows
//! no peer.

use std::sync::Arc;

use thiserror::Error;

use super::block::Block;
use super::checks::Wait;
use super::cost::{self, Cost};
use super::hash::Hash;
use super::rules::{Check, Checked, Flaw};
use super::store::Store;
use super::transaction::Transaction;

/// What is to be thought of a block at first sight.
#[derive(Debug)]
pub enum Found {
    /// It was checked for somebody else.
    Checked(Arc<Checked>),
    /// It is being checked.
    Waiting(Wait),
}

/// Why something is neither stored nor sent on.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// It is not the JSON of one.
    #[error("{0}")]
    Malformed(String),
    /// It breaks a rule.
    #[error(transparent)]
    Flaw(#[from] Flaw),
}

impl Store {
    /// The block with this JSON, wherever it is, or the beginning of its check; and what finding it cost.
    pub fn look_up(&mut self, text: &[u8]) -> (Cost, Result<Found, Fault>) {
        let hash = Hash::of(text);
        if let Some(found) = self.find(hash) {
            return (cost::of_copying(text.len()), Ok(found));
        }
        (cost::of_parsing(text.len()), self.read(text, hash))
    }

    fn read(&mut self, text: &[u8], hash: Hash) -> Result<Found, Fault> {
        let block: Block = serde_json::from_slice(text).map_err(|error| malformed("block", &error))?;
        let ours = block.to_json();
        let hash = if ours == text { hash } else { Hash::of(&ours) };
        match self.find(hash) {
            Some(found) => Ok(found),
            None => Ok(Found::Waiting(self.checks.begin(hash, Check::begin(block, ours, hash)?))),
        }
    }

    fn find(&mut self, text: Hash) -> Option<Found> {
        let checked = self.pool.find(&text).map(Found::Checked);
        checked.or_else(|| self.checks.join(text).map(Found::Waiting))
    }
}

/// The transaction with this JSON.
pub fn read_transaction(text: &[u8]) -> Result<Transaction, Fault> {
    serde_json::from_slice(text).map_err(|error| malformed("transaction", &error))
}

/// What serde says, without its place: that is ours, in a text that nobody else sees so.
fn malformed(what: &str, error: &serde_json::Error) -> Fault {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    Fault::Malformed(format!("no {what}: {}", text.strip_suffix(&place).unwrap_or(&text)))
}
