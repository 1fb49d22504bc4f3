//! The transactions that have passed and are in no block yet. Knows their names and texts; knows no peer.

use std::collections::BTreeMap;

use super::hash::Hash;
use super::item::Transaction;

/// Most transactions that are held.
pub const POOL_MAX: usize = 10_000;
/// Most bytes of them: all of them fit into an answer.
pub const POOL_BYTES: usize = 900_000;

/// Transactions, the oldest dropped for the newest.
#[derive(Debug, Default)]
pub(super) struct Pool {
    /// In order of arrival.
    texts: BTreeMap<u64, Transaction>,
    places: BTreeMap<Hash, u64>,
    next: u64,
    bytes: usize,
}

impl Pool {
    /// One more, which is not there yet. One that is larger than all may be together is not held.
    pub fn add(&mut self, transaction: Transaction) {
        let cost = transaction.text.len();
        if cost > POOL_BYTES {
            return;
        }
        while self.texts.len() >= POOL_MAX || self.bytes + cost > POOL_BYTES {
            self.drop_oldest();
        }
        self.bytes += cost;
        self.places.insert(transaction.name, self.next);
        self.texts.insert(self.next, transaction);
        self.next += 1;
    }

    /// It is in a block.
    pub fn remove(&mut self, name: Hash) {
        let removed = self.places.remove(&name).and_then(|place| self.texts.remove(&place));
        self.bytes -= removed.map_or(0, |transaction| transaction.text.len());
    }

    /// The transaction of this name.
    pub fn get(&self, name: Hash) -> Option<&str> {
        self.places.get(&name).and_then(|place| self.texts.get(place)).map(|found| found.text.as_str())
    }

    /// All of them, the oldest first.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.values().map(|transaction| transaction.text.as_str())
    }

    fn drop_oldest(&mut self) {
        if let Some((_, oldest)) = self.texts.pop_first() {
            self.places.remove(&oldest.name);
            self.bytes -= oldest.text.len();
        }
    }
}
