//! Chunks of a store that peers are sent: what of them the store holds no more counts among what strangers make us hold.
//! Knows chunks; knows no store and no peer.
//!
//! Many peers are sent the same chunk while the store has it, and that costs nothing. Once the store has something else
//! instead, whoever has not taken it yet is why it is still there.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;

use crate::wire::turn_log::Chunk;
use crate::wire::write_queue::chunk_cost;

/// What is on its way to peers, each chunk once.
#[derive(Debug, Default)]
pub(super) struct Lent {
    /// By where the store's chunk is; as long as it stands here nothing else comes to be there.
    chunks: BTreeMap<usize, Loan>,
}

#[derive(Debug)]
struct Loan {
    /// The store's handle.
    of: Weak<Bytes>,
    /// The one that queues have.
    to: Weak<Bytes>,
    cost: usize,
}

impl Lent {
    /// The same bytes under a handle that only queues have.
    pub fn lend(&mut self, chunk: &Chunk) -> Chunk {
        let at = Arc::as_ptr(chunk) as usize;
        if let Some(handle) = self.chunks.get(&at).and_then(|loan| loan.to.upgrade()) {
            return handle;
        }
        let handle = Arc::new(Bytes::clone(chunk));
        let cost = chunk_cost(chunk.len());
        self.chunks.insert(at, Loan { of: Arc::downgrade(chunk), to: Arc::downgrade(&handle), cost });
        handle
    }

    /// Nothing is on its way.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// What only peers hold any more, counted as chunks are. Forgets what they have taken.
    pub fn stale(&mut self) -> usize {
        self.chunks.retain(|_, loan| loan.to.strong_count() > 0);
        let is_stale = |loan: &&Loan| loan.of.strong_count() == 0;
        self.chunks.values().filter(is_stale).map(|loan| loan.cost).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_store_has_let_go_of_counts_and_only_while_somebody_has_it() {
        let mut lent = Lent::default();
        let stored: Chunk = Arc::new(Bytes::from(vec![1; 1000]));
        let (one, other) = (lent.lend(&stored), lent.lend(&stored));
        assert!(Arc::ptr_eq(&one, &other), "for all of them it is one");
        assert_eq!((one.as_ptr(), lent.stale()), (stored.as_ptr(), 0), "not copied");
        drop(stored);
        assert_eq!(lent.stale(), chunk_cost(1000));
        drop(one);
        assert_eq!(lent.stale(), chunk_cost(1000));
        drop(other);
        assert_eq!((lent.stale(), lent.is_empty()), (0, true));
    }
}
