//! Clarke Coin: JSON messages with a type and a payload. Knows its peers' words, its items' hashes and its neighbours;
//! no socket and no clock.
//!
//! ```text
//!   bytes → Stream: messages ─→ Conversation: the style, the order ─→ Desk: what a message means ─→ Store, Peers
//! ```
//!
//! What is said waits until everybody has been heard, and is then worked off a message of each in turn, a
//! [`SLICE`] a turn of the loop: however many ask however much, others wait no longer than a slice and its last step,
//! [`DEAREST`] at most.
//!
//! How messages are told apart is said in `stream.rs`, the two styles of a connection in `conversation.rs`, what is
//! asked and by which names in `message.rs`, what is answered in `desk.rs` and `reply.rs`, what a transaction and a
//! block must be in `item.rs`, what heights are in `chain.rs`, and how peers are added in `peers.rs`.
//!
//! Transactions and blocks that are new and right are kept, within bounds, and go once to everybody who listens, as the
//! message that came. Whoever has one already is not asked: a repeat, to the letter but for whitespace, is rejected, as
//! far back as the memory of [`SEEN_MAX`] of them reaches. Everything that is held for all together is bounded by constants; what is held
//! for one connection is a message of at most `max_message` bytes and [`REPLY_MARGIN`], and one read's rest.

mod chain;
mod compact;
mod conversation;
mod cost;
mod desk;
mod hash;
mod heights;
mod item;
mod listing;
mod message;
mod neighbours;
mod peers;
mod pool;
mod questions;
mod reply;
mod store;
mod stream;
mod work;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

pub use chain::{BLOCKS_BYTES, BLOCKS_MAX};
pub use conversation::{ANSWERS_IN_A_TURN, REPLY_MARGIN, STYLE_GRACE};
pub use cost::{Cost, DEAREST, SLICE};
pub use desk::{CHAT_WINDOW, CHATS_MAX, FORGET_AFTER};
pub use neighbours::{SILENCE, WAITING_BYTES, WAITING_MAX};
pub use pool::{POOL_BYTES, POOL_MAX};
pub use store::SEEN_MAX;

use conversation::{Conversation, Dialed};
use desk::{Desk, Speaker};
use neighbours::Manner;
use peers::Peers;

use super::{DialId, Newcomer, Origin, TextOutbox, Token};
use crate::deadlines::Deadlines;
use crate::time::Instant;

/// Most bytes that what has passed, what was passed on and its lists hold in all, neighbours' waiting messages apart:
/// those are [`WAITING_BYTES`] for each. Twice the texts of pool and chain, for they are listed; 512 bytes for each
/// transaction and 1,024 for each block beside its text, in the maps that find it; 64 for each hash that is remembered.
/// Lists that have changed and that somebody still has to take are counted with what strangers make us hold.
pub const STORE_BYTES: usize =
    2 * (POOL_BYTES + BLOCKS_BYTES) + 512 * POOL_MAX + 1024 * BLOCKS_MAX + 64 * (SEEN_MAX + CHATS_MAX);

/// What it is told at its making.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Longest message that is answered or passed on, bytes.
    pub max_message: usize,
    /// Most neighbours that are dialled because somebody has added them.
    pub max_peers: usize,
    /// Where we listen ourselves: that is not dialled.
    pub listening: Vec<SocketAddr>,
    /// For the words by which we know ourselves.
    pub seed: u64,
}

/// All its connections, and what they share.
#[derive(Debug)]
pub struct Clarke {
    conversations: BTreeMap<Token, Conversation>,
    desk: Desk,
    graces: Deadlines<Token>,
    /// Whoever was dialled and is to be greeted.
    newcomers: Vec<Token>,
    /// Whose connection is gone: it may be dialled for the next message.
    gone: Vec<DialId>,
    /// Who has said something, each once, and the serial number of its connection.
    queue: VecDeque<(Token, u64)>,
    /// Who has been answered enough in this turn.
    paused: VecDeque<(Token, u64)>,
    turn: u64,
    arrivals: u64,
    longest_slice: Cost,
}

impl Clarke {
    /// Nobody is there.
    pub fn new(setup: Setup) -> Self {
        let Setup { max_message, max_peers, listening, seed } = setup;
        Self {
            conversations: BTreeMap::new(),
            desk: Desk::new(Peers::new(max_peers, listening), max_message, seed),
            graces: Deadlines::new(),
            newcomers: Vec::new(),
            gone: Vec::new(),
            queue: VecDeque::new(),
            paused: VecDeque::new(),
            turn: 0,
            arrivals: 0,
            longest_slice: 0,
        }
    }

    /// See [`Protocol::joined`](super::Protocol::joined).
    pub fn joined(&mut self, _now: Instant, peer: Token, newcomer: &Newcomer) {
        let speaker = Speaker { token: peer, address: newcomer.address };
        let dialed = match newcomer.origin {
            Origin::Accepted => None,
            Origin::Dialed(dial) => {
                self.newcomers.push(peer);
                self.desk.neighbours.join(dial, peer);
                Some(Dialed { dial, nonce: None, silent_until: None })
            }
        };
        self.arrivals += 1;
        self.conversations.insert(peer, Conversation::new(self.arrivals, speaker, dialed));
    }

    /// See [`Protocol::heard`](super::Protocol::heard). What it means is looked at when everybody has been heard.
    pub fn heard(&mut self, _now: Instant, out: &mut impl TextOutbox, from: Token, bytes: &[u8]) {
        let Some(conversation) = self.conversations.get_mut(&from) else { return };
        conversation.heard(out, bytes);
        self.enqueue(from);
    }

    /// See [`Protocol::ended`](super::Protocol::ended).
    pub fn ended(&mut self, now: Instant, out: &mut impl TextOutbox, from: Token) {
        let Some(conversation) = self.conversations.get_mut(&from) else { return };
        conversation.ended(now, out, &mut self.desk);
        self.look_after(from);
    }

    /// See [`Protocol::left`](super::Protocol::left).
    pub fn left(&mut self, _now: Instant, peer: Token) {
        let Some(mut conversation) = self.conversations.remove(&peer) else { return };
        self.graces.cancel(peer, &mut conversation.wake);
        if let Some(Dialed { dial, nonce, .. }) = conversation.dialed {
            nonce.iter().for_each(|nonce| self.desk.take_leave(nonce));
            self.desk.neighbours.leave(dial);
            self.gone.push(dial);
        }
    }

    /// See [`Protocol::caught_up`](super::Protocol::caught_up).
    pub fn caught_up(&mut self, _now: Instant, peer: Token) {
        self.enqueue(peer);
    }

    /// See [`Protocol::forgotten`](super::Protocol::forgotten).
    pub fn forgotten(&mut self, _now: Instant, dial: DialId) {
        self.desk.forgotten(dial);
    }

    /// See [`Protocol::expired`](super::Protocol::expired).
    pub fn expired(&mut self, now: Instant, out: &mut impl TextOutbox) {
        for peer in std::mem::take(&mut self.newcomers) {
            self.greet(now, out, peer);
        }
        for dial in std::mem::take(&mut self.gone) {
            self.desk.neighbours.hurry(out, dial);
        }
        self.work(now, out);
    }

    /// See [`Protocol::next_deadline`](super::Protocol::next_deadline).
    pub fn next_deadline(&self) -> Option<Instant> {
        let is_due = !self.newcomers.is_empty() || self.has_work() || !self.gone.is_empty();
        if is_due { Some(Instant::START) } else { self.graces.next() }
    }

    /// The first that somebody dialled is told, in its manner.
    fn greet(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) {
        let Some(conversation) = self.conversations.get_mut(&peer) else { return };
        let Some(dialed) = &mut conversation.dialed else { return };
        let manner = self.desk.neighbours.manner(dialed.dial);
        if manner == Manner::Single
            && let Some(text) = self.desk.neighbours.next(dialed.dial)
        {
            return out.answer(peer, format!("{text}\n\n").as_bytes());
        }
        let (ping, nonce) = self.desk.greet(dialed.dial, conversation.speaker.address);
        dialed.nonce = Some(nonce);
        match manner {
            Manner::Unknown => dialed.silent_until = Some(now + SILENCE),
            Manner::Kept => out.listen(peer),
            Manner::Single => {}
        }
        let end = if manner == Manner::Single { "\n\n" } else { "\n" };
        out.answer(peer, format!("{ping}{end}").as_bytes());
        self.look_after(peer);
    }
}
