//! What HTTP asks of whoever keeps the chain, answered by Bunkercoin's dialect. Decides nothing.

use super::store::{News, Store, Ticket, Verdict};
use crate::protocol::bunkercoin::{self, Bunkercoin};
use crate::wire::turn_log::Chunk;

impl Store for Bunkercoin {
    fn height(&self) -> usize {
        self.height()
    }

    fn latest_hash(&self) -> Option<[u8; 32]> {
        self.tip().map(|hash| hash.0)
    }

    fn chain_text(&mut self) -> Vec<Chunk> {
        self.chain_text().chunks().to_vec()
    }

    fn mempool_text(&mut self) -> Vec<Chunk> {
        self.mempool_text().chunks().to_vec()
    }

    fn submit_block(&mut self, json: &[u8]) -> Ticket {
        self.submit_block(json)
    }

    fn submit_transaction(&mut self, json: &[u8]) -> Ticket {
        self.submit_transaction(json)
    }

    fn withdraw(&mut self, ticket: Ticket) {
        self.withdraw(ticket);
    }

    fn take_verdict(&mut self) -> Option<(Ticket, Verdict)> {
        self.take_verdict()
    }

    fn take_news(&mut self) -> Option<News> {
        Some(match self.take_news()? {
            bunkercoin::News::Block { text, .. } => News::Block(text),
            bunkercoin::News::Transaction { text, .. } => News::Transaction(text),
            bunkercoin::News::Replaced { height, hash } => News::Replaced { height, hash: hash.0 },
        })
    }
}
