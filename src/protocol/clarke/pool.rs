//! The transactions that have passed and are in no block yet. Knows their names and texts; knows no peer.

use std::collections::BTreeMap;

use super::cost::{self, Cost};
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
    /// By what they say.
    places: BTreeMap<Hash, u64>,
    /// By what they call themselves: of several the first.
    names: BTreeMap<Hash, u64>,
    next: u64,
    bytes: usize,
}

impl Pool {
    /// One more, which is not there yet. One that is larger than all may be together is not held. What it cost.
    pub fn add(&mut self, transaction: Transaction) -> Cost {
        let len = transaction.text.len();
        if len > POOL_BYTES {
            return cost::STEP;
        }
        let mut dropped = 0;
        while self.texts.len() >= POOL_MAX || self.bytes + len > POOL_BYTES {
            self.drop_oldest();
            dropped += 1;
        }
        self.bytes += len;
        self.places.insert(transaction.content, self.next);
        self.names.entry(transaction.name).or_insert(self.next);
        self.texts.insert(self.next, transaction);
        self.next += 1;
        cost::STEP + cost::of_finding(3 * dropped)
    }

    /// What says this is in a block.
    pub fn remove(&mut self, content: Hash) {
        if let Some(place) = self.places.get(&content) {
            self.drop_at(*place);
        }
    }

    /// Whether one that says this is there.
    pub fn has(&self, content: Hash) -> bool {
        self.places.contains_key(&content)
    }

    /// The transaction of this name.
    pub fn get(&self, name: Hash) -> Option<&str> {
        self.names.get(&name).and_then(|place| self.texts.get(place)).map(|found| found.text.as_str())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// All of them, the oldest first.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.values().map(|transaction| transaction.text.as_str())
    }

    fn drop_oldest(&mut self) {
        if let Some((oldest, _)) = self.texts.first_key_value() {
            self.drop_at(*oldest);
        }
    }

    fn drop_at(&mut self, place: u64) {
        let Some(transaction) = self.texts.remove(&place) else { return };
        self.bytes -= transaction.text.len();
        self.places.remove(&transaction.content);
        if self.names.get(&transaction.name) == Some(&place) {
            self.names.remove(&transaction.name);
        }
    }
}
