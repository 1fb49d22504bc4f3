//! One dialect, its peers, and a clock that stands until it is moved.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use peer_relay::protocol::bunkercoin::{Block, Bunkercoin, Transaction};
use peer_relay::protocol::{DialId, Dialect, Offence, Stream, TextOutbox, Token};
use peer_relay::time::Instant;
use peer_relay::wire::turn_log::Chunk;

pub const MAX_MESSAGE: usize = 64_000;

/// What both sides say first.
pub const GREETING: &str = "\"GetChain\"\n\"GetMempool\"\n";

/// What an offence costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    Disconnect,
    Drop,
}

/// Everybody's sockets, as it were.
#[derive(Debug)]
pub struct Desk {
    law: Law,
    open: BTreeSet<Token>,
    listeners: BTreeSet<Token>,
    pub said: BTreeMap<Token, Vec<u8>>,
    pub streams: BTreeMap<Token, Stream>,
    pub offences: Vec<(Token, Offence, String)>,
    /// Messages and bytes that count against somebody's rate.
    pub messages: usize,
    pub bytes: usize,
    /// So many are within the rate; what is over it is ignored.
    pub rate: usize,
    /// Who has not taken what it was sent.
    pub behind: BTreeSet<Token>,
}

impl TextOutbox for Desk {
    fn answer(&mut self, to: Token, text: &[u8]) {
        if self.is_open(to) {
            self.said.entry(to).or_default().extend_from_slice(text);
        }
    }

    fn answer_stored<'c>(
        &mut self,
        to: Token,
        head: &[u8],
        stored: impl Iterator<Item = &'c Chunk>,
        tail: &[u8],
    ) {
        self.answer(to, head);
        stored.for_each(|chunk| self.answer(to, chunk));
        self.answer(to, tail);
    }

    fn announce(&mut self, from: Option<Token>, to: Dialect, text: &[u8]) {
        assert_eq!(to, Dialect::Chain);
        for listener in self.listeners.clone() {
            if Some(listener) != from {
                self.answer(listener, text);
            }
        }
    }

    fn listen(&mut self, peer: Token) {
        self.listeners.insert(peer);
    }

    fn finish(&mut self, peer: Token) {
        self.open.remove(&peer);
    }

    fn count_message(&mut self, from: Token, len: usize) -> bool {
        assert!(self.is_open(from));
        self.messages += 1;
        self.bytes += len;
        self.messages <= self.rate
    }

    fn offended(&mut self, from: Token, offence: Offence, detail: impl Display) {
        assert!(self.is_open(from));
        self.offences.push((from, offence, detail.to_string()));
        if self.law == Law::Disconnect {
            self.open.remove(&from);
        }
    }

    fn is_open(&self, peer: Token) -> bool {
        self.open.contains(&peer)
    }

    fn note_stream(&mut self, of: Token, stream: Stream) {
        self.streams.insert(of, stream);
    }

    fn keep_up(&mut self, _: SocketAddr, _: Dialect, _: Duration) -> Option<DialId> {
        unreachable!("nobody is dialled")
    }

    fn hurry(&mut self, _: DialId) {
        unreachable!("nobody is dialled")
    }

    fn is_behind(&self, peer: Token) -> bool {
        self.behind.contains(&peer)
    }

    fn vouch_for(&mut self, _: DialId) {
        unreachable!("nobody is dialled")
    }

    fn forget(&mut self, _: DialId) {
        unreachable!("nobody is dialled")
    }
}

/// The dialect and all that is around it.
#[derive(Debug)]
pub struct House {
    pub chain: Bunkercoin,
    pub desk: Desk,
    pub now: Instant,
    pub turns: usize,
}

impl House {
    pub fn new() -> Self {
        Self::with_law(Law::Disconnect)
    }

    pub fn with_law(law: Law) -> Self {
        let desk = Desk {
            law,
            open: BTreeSet::new(),
            listeners: BTreeSet::new(),
            said: BTreeMap::new(),
            streams: BTreeMap::new(),
            offences: Vec::new(),
            messages: 0,
            bytes: 0,
            rate: usize::MAX,
            behind: BTreeSet::new(),
        };
        Self {
            chain: Bunkercoin::new(MAX_MESSAGE),
            desk,
            now: Instant::START + Duration::from_secs(1),
            turns: 0,
        }
    }

    /// One with these blocks, told by a peer that has gone.
    pub fn holding(blocks: &[Block]) -> Self {
        let mut house = Self::new();
        let founder = house.join(999);
        house.say(founder, &chain_message(blocks));
        house.leave(founder);
        assert_eq!(house.chain.height(), blocks.len());
        while house.chain.take_news().is_some() {}
        house
    }

    /// A new peer, which has been greeted.
    pub fn join(&mut self, number: u32) -> Token {
        let peer = Token(number);
        self.enter(peer);
        self.settle();
        assert_eq!(self.heard_by(peer), GREETING);
        peer
    }

    /// A new peer.
    pub fn enter(&mut self, peer: Token) {
        self.desk.open.insert(peer);
        self.chain.joined(self.now, peer);
    }

    pub fn leave(&mut self, peer: Token) {
        self.chain.left(peer);
        self.desk.open.remove(&peer);
        self.desk.listeners.remove(&peer);
        self.desk.said.remove(&peer);
    }

    /// It takes nothing of what it is sent, until it has caught up.
    pub fn fall_behind(&mut self, peer: Token) {
        self.desk.behind.insert(peer);
    }

    pub fn catch_up(&mut self, peer: Token) {
        self.desk.behind.remove(&peer);
        self.chain.caught_up(peer);
    }

    /// One turn of the loop.
    pub fn turn(&mut self) {
        self.chain.expired(self.now, &mut self.desk);
        self.turns += 1;
    }

    /// Turns until there is nothing to do now.
    pub fn settle(&mut self) {
        while self.chain.next_deadline().is_some_and(|when| when <= self.now) {
            self.turn();
        }
    }

    /// Time passes.
    pub fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(when) = self.chain.next_deadline().filter(|when| *when <= until) {
            self.now = self.now.max(when);
            self.turn();
        }
        self.now = until;
    }

    /// Bytes come from a peer as long as it is read; what it waits for is waited for.
    pub fn say_in_pieces(&mut self, peer: Token, bytes: &[u8], piece: usize) {
        for piece in bytes.chunks(piece) {
            while self.is_busy(peer) {
                match self.chain.next_deadline() {
                    Some(when) if when > self.now => self.now = when,
                    Some(_) => {}
                    None => panic!("nobody works and nobody is read"),
                }
                self.turn();
            }
            if !self.desk.is_open(peer) {
                return;
            }
            self.chain.heard(self.now, &mut self.desk, peer, piece);
        }
    }

    /// The same, all that can be read at once, and all that it comes to.
    pub fn say(&mut self, peer: Token, bytes: &[u8]) {
        self.say_in_pieces(peer, bytes, 64 * 1024);
        self.settle();
    }

    /// It sends no more: it is heard no more, and gets what it is due.
    pub fn end(&mut self, peer: Token) {
        self.chain.ended(self.now, &mut self.desk, peer);
        self.desk.open.remove(&peer);
        self.desk.listeners.remove(&peer);
    }

    pub fn is_busy(&self, peer: Token) -> bool {
        self.desk.is_open(peer) && self.desk.streams.get(&peer).is_some_and(|stream| stream.is_busy)
    }

    /// What a peer was told since this was asked last.
    pub fn heard_by(&mut self, peer: Token) -> String {
        String::from_utf8(self.desk.said.remove(&peer).unwrap_or_default()).unwrap()
    }

    /// The one offence there was, and nobody's else.
    pub fn offence_of(&mut self, peer: Token) -> (Offence, String) {
        assert_eq!(self.desk.offences.len(), 1, "{:?}", self.desk.offences);
        let (who, offence, detail) = self.desk.offences.remove(0);
        assert_eq!(who, peer);
        (offence, detail)
    }

    pub fn chain_text(&mut self) -> String {
        flat(self.chain.chain_text())
    }

    pub fn mempool_text(&mut self) -> String {
        flat(self.chain.mempool_text())
    }
}

pub fn flat(text: peer_relay::protocol::bunkercoin::Text) -> String {
    let bytes: Vec<u8> = text.chunks().iter().flat_map(|chunk| chunk.to_vec()).collect();
    assert_eq!(bytes.len(), text.len());
    String::from_utf8(bytes).unwrap()
}

pub fn text(block: &Block) -> String {
    String::from_utf8(block.to_json()).unwrap()
}

pub fn array(blocks: &[Block]) -> String {
    format!("[{}]", blocks.iter().map(text).collect::<Vec<_>>().join(","))
}

pub fn chain_message(blocks: &[Block]) -> Vec<u8> {
    format!("{{\"Chain\":{}}}\n", array(blocks)).into_bytes()
}

pub fn block_message(block: &Block) -> Vec<u8> {
    format!("{{\"NewBlock\":{}}}\n", text(block)).into_bytes()
}

pub fn transaction_message(transaction: &Transaction) -> Vec<u8> {
    let text = String::from_utf8(transaction.to_json()).unwrap();
    format!("{{\"NewTransaction\":{text}}}\n").into_bytes()
}

/// As bytes are shown in a failure.
pub fn shown(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}
