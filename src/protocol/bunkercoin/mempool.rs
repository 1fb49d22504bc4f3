//! Transactions that wait for a block. Knows their hashes and their text; knows no chain and no peer.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::hash::Hash;
use super::text::Text;
use crate::wire::turn_log::Chunk;

/// Most transactions: 34 blocks full of them, and at most 1.4 MB of JSON.
pub const MAX_TRANSACTIONS: usize = 2_048;

/// Transactions by their hash, the order in which a block must have them.
///
/// When it is full, those with the smallest hashes stay. Whoever came first would let a flood keep everybody else out,
/// and whoever came last would let it wash everybody else away and, in a circle of relays, go round; so all relays that
/// have heard the same end up with the same.
#[derive(Debug, Default)]
pub struct Mempool {
    transactions: BTreeMap<Hash, Bytes>,
    /// All of them, with commas, as long as they have not changed.
    shared: Option<Chunk>,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// It is in.
    New,
    /// It was in.
    Known,
    /// There is no room for one with such a hash.
    NoRoom,
}

impl Mempool {
    /// One more, whose signature is good.
    pub fn add(&mut self, hash: Hash, text: Bytes) -> Entry {
        if self.holds(&hash) {
            return Entry::Known;
        }
        if self.is_full() {
            if self.transactions.last_key_value().is_some_and(|(last, _)| *last < hash) {
                return Entry::NoRoom;
            }
            self.transactions.pop_last();
        }
        self.transactions.insert(hash, text);
        self.shared = None;
        Entry::New
    }

    /// A block has it.
    pub fn remove(&mut self, hash: &Hash) {
        if self.transactions.remove(hash).is_some() {
            self.shared = None;
        }
    }

    /// Whether it is in.
    pub fn holds(&self, hash: &Hash) -> bool {
        self.transactions.contains_key(hash)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.transactions.len()
    }

    /// The text of each.
    pub fn texts(&self) -> impl Iterator<Item = &Bytes> {
        self.transactions.values()
    }

    /// The transactions as a JSON array.
    pub fn text(&mut self) -> Text {
        let mut text = Text::opened(b"[");
        let items = self.items();
        if !items.is_empty() {
            text.push(items);
        }
        text.closed(b"]")
    }

    /// Bytes to be copied before it can be shared.
    pub fn unjoined(&self) -> usize {
        if self.shared.is_some() { 0 } else { self.transactions.values().map(|text| text.len() + 1).sum() }
    }

    /// The same without the brackets.
    pub fn items(&mut self) -> Chunk {
        let join = || {
            let mut all = Vec::with_capacity(self.transactions.values().map(|text| text.len() + 1).sum());
            for text in self.transactions.values() {
                if !all.is_empty() {
                    all.push(b',');
                }
                all.extend_from_slice(text);
            }
            Arc::new(Bytes::from(all))
        };
        Arc::clone(self.shared.get_or_insert_with(join))
    }

    fn is_full(&self) -> bool {
        self.len() >= MAX_TRANSACTIONS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(number: usize) -> (Hash, Bytes) {
        let text = number.to_string();
        (Hash::of(text.as_bytes()), Bytes::from(text))
    }

    fn add(pool: &mut Mempool, transaction: usize) -> Entry {
        let (hash, text) = number(transaction);
        pool.add(hash, text)
    }

    #[test]
    fn a_full_pool_holds_the_smallest_hashes_whatever_order_they_came_in() {
        let all = MAX_TRANSACTIONS * 2;
        let (mut one, mut other) = (Mempool::default(), Mempool::default());
        for it in 0..all {
            add(&mut one, it);
            add(&mut other, all - 1 - it);
        }
        assert_eq!((one.len(), one.items()), (MAX_TRANSACTIONS, other.items()));
        let mut hashes: Vec<Hash> = (0..all).map(|it| number(it).0).collect();
        hashes.sort();
        assert!(one.transactions.keys().eq(&hashes[..MAX_TRANSACTIONS]));
    }

    #[test]
    fn what_was_thrown_out_does_not_come_in_again() {
        let mut pool = Mempool::default();
        let mut entered = 0;
        for _ in 0..3 {
            (0..MAX_TRANSACTIONS + 500)
                .for_each(|it| entered += usize::from(add(&mut pool, it) == Entry::New));
        }
        assert!(entered < MAX_TRANSACTIONS + 501, "{entered}: nothing may go round");
    }

    #[test]
    fn the_text_is_an_array_and_shared_until_it_changes() {
        let mut pool = Mempool::default();
        assert_eq!((pool.text().len(), pool.len()), (2, 0));
        assert_eq!((add(&mut pool, 1), add(&mut pool, 1)), (Entry::New, Entry::Known));
        assert_eq!(pool.items().as_ref().as_ref(), b"1");
        assert!(Arc::ptr_eq(&pool.items(), &pool.items()));
        pool.remove(&number(1).0);
        assert!(pool.items().is_empty());
    }
}
