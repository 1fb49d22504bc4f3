//! Transactions that wait for a block. Knows their hashes and their text; knows no chain and no peer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::hash::Hash;
use super::text::Text;
use super::transaction::Transaction;
use crate::time::Instant;
use crate::wire::turn_log::Chunk;

/// Most transactions: 34 blocks full of them, and at most 1.3 MB of JSON.
pub const MAX_TRANSACTIONS: usize = 2_048;

/// Most bytes of their JSON, with commas.
pub const MAX_BYTES: usize = MAX_TRANSACTIONS * (Transaction::MAX_JSON + 1);

/// How long a transaction waits for a block: then it leaves. Whoever fills the pool with small hashes, which anybody can
/// look for, fills it for so long and no longer.
pub const MEMPOOL_AGE: Duration = Duration::from_secs(24 * 3600);

/// Transactions by their hash, the order in which a block must have them.
///
/// When it is full, those with the smallest hashes stay. Whoever came first would let a flood keep everybody else out,
/// and whoever came last would let it wash everybody else away and, in a circle of relays, go round; so all relays that
/// have heard the same end up with the same.
#[derive(Debug, Default)]
pub struct Mempool {
    transactions: BTreeMap<Hash, Waiting>,
    /// Since when each waits.
    ages: BTreeSet<(Instant, Hash)>,
    /// All of them, with commas, as long as they have not changed.
    shared: Option<Chunk>,
}

#[derive(Debug)]
struct Waiting {
    text: Bytes,
    since: Instant,
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
    pub fn add(&mut self, now: Instant, hash: Hash, text: Bytes) -> Entry {
        if self.holds(&hash) {
            return Entry::Known;
        }
        if !self.has_room_for(&hash) {
            return Entry::NoRoom;
        }
        if self.is_full()
            && let Some((last, Waiting { since, .. })) = self.transactions.pop_last()
        {
            self.ages.remove(&(since, last));
        }
        self.transactions.insert(hash, Waiting { text, since: now });
        self.ages.insert((now, hash));
        self.shared = None;
        Entry::New
    }

    /// A block has it.
    pub fn remove(&mut self, hash: &Hash) {
        if let Some(Waiting { since, .. }) = self.transactions.remove(hash) {
            self.ages.remove(&(since, *hash));
            self.shared = None;
        }
    }

    /// One that has waited too long leaves.
    pub fn expire(&mut self, now: Instant) -> Option<Hash> {
        let (_, hash) = *self.ages.first().filter(|(since, _)| *since + MEMPOOL_AGE <= now)?;
        self.remove(&hash);
        Some(hash)
    }

    /// When the next one will have waited too long.
    pub fn next_expiry(&self) -> Option<Instant> {
        self.ages.first().map(|(since, _)| *since + MEMPOOL_AGE)
    }

    /// Whether one with this hash may come in.
    pub fn has_room_for(&self, hash: &Hash) -> bool {
        !self.is_full() || self.transactions.last_key_value().is_some_and(|(last, _)| hash < last)
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
        self.transactions.values().map(|waiting| &waiting.text)
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
        if self.shared.is_some() { 0 } else { self.texts().map(|text| text.len() + 1).sum() }
    }

    /// The same without the brackets.
    pub fn items(&mut self) -> Chunk {
        if let Some(shared) = &self.shared {
            return Arc::clone(shared);
        }
        let joined: Chunk = Arc::new(Bytes::from(self.join()));
        self.shared = Some(Arc::clone(&joined));
        joined
    }

    fn join(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.unjoined());
        for text in self.texts() {
            if !all.is_empty() {
                all.push(b',');
            }
            all.extend_from_slice(text);
        }
        all
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
        pool.add(Instant::START, hash, text)
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
    fn whatever_has_waited_for_a_day_leaves_to_the_microsecond() {
        let mut pool = Mempool::default();
        let at = |hour: u64| Instant::START + Duration::from_secs(3600 * hour);
        for hour in 0..4 {
            let (hash, text) = number(hour as usize);
            pool.add(at(hour), hash, text);
        }
        pool.remove(&number(1).0);
        assert_eq!(pool.next_expiry(), Some(at(24)));
        assert_eq!(pool.expire(Instant::from_micros(24 * 3_600_000_000 - 1)), None);
        assert_eq!((pool.expire(at(24)), pool.expire(at(25))), (Some(number(0).0), None));
        assert_eq!((pool.expire(at(26)), pool.len()), (Some(number(2).0), 1));
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
