//! What is asked of whoever keeps the chain. Knows texts and verdicts; knows no rule of a block.

use bytes::Bytes;

pub use crate::protocol::bunkercoin::{Ticket, Verdict};
use crate::wire::turn_log::Chunk;

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// One more block, as JSON on one line.
    Block(Bytes),
    /// One more transaction that waits, the same.
    Transaction(Bytes),
    /// A longer chain is held instead.
    Replaced {
        /// How many blocks it has.
        height: usize,
        /// The last one's.
        hash: [u8; 32],
    },
}

/// The chain and what waits for it.
pub trait Store {
    /// How many blocks there are.
    fn height(&self) -> usize;

    /// The last one's hash, unless there is none.
    fn latest_hash(&self) -> Option<[u8; 32]>;

    /// All blocks, as one JSON array in pieces.
    fn chain_text(&mut self) -> Vec<Chunk>;

    /// All transactions that wait, the same.
    fn mempool_text(&mut self) -> Vec<Chunk>;

    /// Has a block checked, in its turn.
    fn submit_block(&mut self, json: &[u8]) -> Ticket;

    /// Has a transaction checked, in its turn.
    fn submit_transaction(&mut self, json: &[u8]) -> Ticket;

    /// Nobody waits for that verdict any more.
    fn withdraw(&mut self, ticket: Ticket);

    /// The next verdict that is there.
    fn take_verdict(&mut self) -> Option<(Ticket, Verdict)>;

    /// The next news that nobody has taken.
    fn take_news(&mut self) -> Option<News>;
}
