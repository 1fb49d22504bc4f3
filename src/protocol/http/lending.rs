//! What of the store is on its way to clients. Knows pieces and how long they are; knows no client.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::fault::Fault;
use super::limits::MAX_LENT_BYTES;
use crate::wire::turn_log::Chunk;

/// Pieces of a store that somebody may still hold. No client's queue counts them, for the store holds them anyway; but
/// it goes on, and whoever takes its reply slowly keeps what the store has long let go. So they are counted here, each
/// once however many have it.
#[derive(Debug, Default)]
pub struct Lent {
    /// By where they lie: nothing else comes to lie there before they are forgotten here.
    pieces: BTreeMap<usize, (Weak<Bytes>, usize)>,
}

impl Lent {
    /// These are to be sent to somebody.
    ///
    /// # Errors
    /// When that would be too much.
    pub fn lend(&mut self, pieces: &[Chunk]) -> Result<(), Fault> {
        if pieces.is_empty() {
            return Ok(());
        }
        self.pieces.retain(|_, (piece, _)| piece.strong_count() > 0);
        let more: usize = pieces.iter().filter(|piece| !self.has(piece)).map(|piece| piece.len()).sum();
        if self.bytes() + more > MAX_LENT_BYTES {
            return Err(Fault::Busy);
        }
        let entry = |piece: &Chunk| (place(piece), (Arc::downgrade(piece), piece.len()));
        self.pieces.extend(pieces.iter().map(entry));
        Ok(())
    }

    /// Bytes of all that may still be held.
    fn bytes(&self) -> usize {
        self.pieces.values().map(|(_, len)| len).sum()
    }

    fn has(&self, piece: &Chunk) -> bool {
        self.pieces.contains_key(&place(piece))
    }
}

fn place(piece: &Chunk) -> usize {
    Arc::as_ptr(piece).addr()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(len: usize) -> Chunk {
        Arc::new(Bytes::from(vec![0; len]))
    }

    #[test]
    fn a_piece_counts_once_for_as_long_as_anybody_holds_it() {
        let mut lent = Lent::default();
        let half = piece(MAX_LENT_BYTES / 2);
        for _ in 0..3 {
            assert_eq!(lent.lend(&[Arc::clone(&half)]), Ok(()));
        }
        let other = piece(MAX_LENT_BYTES / 2);
        assert_eq!(lent.lend(&[Arc::clone(&half), Arc::clone(&other)]), Ok(()));
        assert_eq!(lent.lend(&[piece(1)]), Err(Fault::Busy));
        assert_eq!(lent.lend(&[half]), Ok(()), "it is on its way already, and goes now");
        assert_eq!(lent.lend(&[piece(MAX_LENT_BYTES / 2)]), Ok(()));
        assert_eq!(lent.lend(&[piece(MAX_LENT_BYTES / 2 + 1)]), Err(Fault::Busy));
        drop(other);
        assert_eq!(lent.lend(&[piece(MAX_LENT_BYTES)]), Ok(()));
    }
}
