//! A store that believes what it reads. Knows how to be asked, and no rule of a chain.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use peer_relay::protocol::http::{News, Store, Ticket, Verdict};
use peer_relay::wire::turn_log::Chunk;

/// The chain and what waits, as they were put down.
#[derive(Debug, Default)]
pub struct Paper {
    pub height: usize,
    pub hash: Option<[u8; 32]>,
    pub chain: Vec<Chunk>,
    pub mempool: Vec<Chunk>,
    /// What was handed in and is not decided: the path it came by, and what it was.
    pub pending: VecDeque<(Ticket, &'static str, String)>,
    pub withdrawn: Vec<Ticket>,
    pub news: VecDeque<News>,
    verdicts: VecDeque<(Ticket, Verdict)>,
    tickets: u64,
}

/// Bytes that many may share.
pub fn chunk(text: &str) -> Chunk {
    Arc::new(Bytes::copy_from_slice(text.as_bytes()))
}

impl Paper {
    /// No block and no transaction.
    pub fn empty() -> Self {
        Self { chain: vec![chunk("[]")], mempool: vec![chunk("[]")], ..Self::default() }
    }

    /// Decides about the oldest, by what it says of itself.
    pub fn decide(&mut self) {
        let Some((ticket, _, text)) = self.pending.pop_front() else { return };
        let verdict = match text.as_str() {
            "good" => Verdict::Taken,
            "known" => Verdict::Known,
            "full" => Verdict::NoRoom,
            "elsewhere" => Verdict::DoesNotFit,
            "bad" => Verdict::Invalid("it is \"bad\"".into()),
            other => Verdict::Malformed(format!("{} bytes that are nothing", other.len())),
        };
        self.verdicts.push_back((ticket, verdict));
    }

    fn submit(&mut self, path: &'static str, json: &[u8]) -> Ticket {
        self.tickets += 1;
        let text = String::from_utf8_lossy(json).into_owned();
        self.pending.push_back((Ticket(self.tickets), path, text));
        Ticket(self.tickets)
    }
}

impl Store for Paper {
    fn height(&self) -> usize {
        self.height
    }

    fn latest_hash(&self) -> Option<[u8; 32]> {
        self.hash
    }

    fn chain_text(&mut self) -> Vec<Chunk> {
        self.chain.clone()
    }

    fn mempool_text(&mut self) -> Vec<Chunk> {
        self.mempool.clone()
    }

    fn submit_block(&mut self, json: &[u8]) -> Ticket {
        self.submit("/broadcast", json)
    }

    fn submit_transaction(&mut self, json: &[u8]) -> Ticket {
        self.submit("/tx", json)
    }

    fn withdraw(&mut self, ticket: Ticket) {
        self.pending.retain(|(other, ..)| *other != ticket);
        self.withdrawn.push(ticket);
    }

    fn take_verdict(&mut self) -> Option<(Ticket, Verdict)> {
        self.verdicts.pop_front()
    }

    fn take_news(&mut self) -> Option<News> {
        self.news.pop_front()
    }
}
