//! Clarke Coin: JSON messages with a type and a payload. Knows its peers' words, its items' hashes and its neighbours;
//! no socket and no clock.
//!
//! ```text
//!   bytes → Stream: messages ─→ Conversation: the style, the order ─→ Desk: what a message means ─→ Store, Peers
//! ```
//!
//! How messages are told apart is said in `stream.rs`, the two styles of a connection in `conversation.rs`, what is
//! asked and by which names in `message.rs`, what is answered in `desk.rs` and `reply.rs`, what a transaction and a
//! block must be in `item.rs`, what heights are in `chain.rs`, and how peers are added in `peers.rs`.
//!
//! Transactions and blocks that are new and right are kept, within bounds, and go once to everybody who listens, as the
//! message that came. Whoever has one already is not asked: a repeat is rejected, as far back as the memory of
//! [`SEEN_MAX`] hashes reaches. Everything that is held for all together is bounded by constants; what is held
//! for one connection is a message of at most `max_message` bytes and [`REPLY_MARGIN`], and one read's rest.

mod chain;
mod conversation;
mod desk;
mod hash;
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

use std::collections::BTreeMap;
use std::net::SocketAddr;

pub use chain::{BLOCKS_BYTES, BLOCKS_MAX};
pub use conversation::{ANSWERS_IN_A_TURN, REPLY_MARGIN, STYLE_GRACE};
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
    /// Who has said more than is answered in a turn, and may have caught up.
    waiting: Vec<Token>,
    /// Who has been answered in this one.
    answered: Vec<Token>,
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
            waiting: Vec::new(),
            answered: Vec::new(),
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
        self.conversations.insert(peer, Conversation::new(speaker, dialed));
    }

    /// See [`Protocol::heard`](super::Protocol::heard).
    pub fn heard(&mut self, now: Instant, out: &mut impl TextOutbox, from: Token, bytes: &[u8]) {
        let Some(conversation) = self.conversations.get_mut(&from) else { return };
        conversation.heard(now, out, &mut self.desk, bytes);
        self.look_after(from);
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
        if self.conversations.get(&peer).is_some_and(Conversation::is_waiting) {
            self.waiting.push(peer);
        }
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
        let answered = std::mem::take(&mut self.answered);
        for peer in std::mem::take(&mut self.waiting).into_iter().chain(answered) {
            self.go_on(now, out, peer);
        }
        while let Some(peer) = self.graces.pop(now) {
            if let Some(conversation) = self.conversations.get_mut(&peer) {
                conversation.wake.came();
                if conversation.deadline().is_some_and(|when| when <= now) {
                    conversation.waited(now, out, &mut self.desk);
                }
                self.look_after(peer);
            }
        }
    }

    /// See [`Protocol::next_deadline`](super::Protocol::next_deadline).
    pub fn next_deadline(&self) -> Option<Instant> {
        let is_due = !self.newcomers.is_empty() || !self.waiting.is_empty() || !self.gone.is_empty();
        if is_due { Some(Instant::START) } else { self.graces.next() }
    }

    /// Another turn. Who has not taken what it was answered is answered no more until it has caught up.
    fn go_on(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) {
        let Some(conversation) = self.conversations.get_mut(&peer) else { return };
        if conversation.is_waiting() && out.is_behind(peer) {
            return conversation.begin_turn();
        }
        conversation.go_on(now, out, &mut self.desk);
        self.look_after(peer);
    }

    /// What a connection waits for now.
    fn look_after(&mut self, peer: Token) {
        let Some(conversation) = self.conversations.get_mut(&peer) else { return };
        match conversation.deadline() {
            Some(when) => self.graces.by(peer, &mut conversation.wake, when),
            None => self.graces.cancel(peer, &mut conversation.wake),
        }
        if conversation.is_waiting() {
            self.waiting.push(peer);
        } else if conversation.is_answered() {
            self.answered.push(peer);
        }
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
