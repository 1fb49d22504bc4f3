//! Peers that speak text: their protocol tells messages apart and says what is to be sent. Knows no dialect.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use super::reason::Reason;
use super::room::Room;
use crate::protocol::{DialId, Dialect, Offence, Penalty, Stream, TextOutbox, Token};
use crate::time::Instant;
use crate::wire::turn_log::Chunk;

/// Who has said what nobody has sent: it is due to everybody. No slab reaches so far.
const NOBODY: Token = Token(u32::MAX);

impl TextOutbox for Room {
    fn answer(&mut self, to: Token, text: &[u8]) {
        if self.is_heard(to) {
            self.peer(to).queue.reply().extend_from_slice(text);
            self.note_replied(to);
        }
    }

    fn answer_stored<'c>(
        &mut self,
        to: Token,
        head: &[u8],
        stored: impl Iterator<Item = &'c Chunk>,
        tail: &[u8],
    ) {
        if self.is_heard(to) {
            let lent = &mut self.lent;
            let queue = &mut self.peers[to.index()].queue;
            queue.reply_stored(head, stored.map(|chunk| lent.lend(chunk)), tail);
            self.note_replied(to);
        }
    }

    fn announce(&mut self, from: Option<Token>, to: Dialect, text: &[u8]) {
        let audience = self.audiences.of_mut(to);
        if !audience.is_empty() {
            audience.log.append(from.unwrap_or(NOBODY), Cow::Borrowed(text));
        }
    }

    fn listen(&mut self, peer: Token) {
        if self.is_heard(peer) {
            self.peer(peer).is_listening = true;
        }
    }

    fn finish(&mut self, peer: Token) {
        if self.is_heard(peer) {
            self.begin_ending(peer, Reason::Served);
        }
    }

    fn count_message(&mut self, from: Token, len: usize) -> bool {
        self.peer(from).note_passed();
        self.count_message(from, len)
    }

    /// Whose first bytes may still turn out to be another protocol's is not banned for them.
    fn offended(&mut self, from: Token, offence: Offence, detail: impl Display) {
        if !self.is_heard(from) {
            return;
        }
        if self.law.penalty(offence) == Penalty::Ban && self.peer(from).may_be_opening() {
            return self.disconnect(from, offence, detail);
        }
        self.offended(from, offence, detail);
    }

    fn is_open(&self, peer: Token) -> bool {
        self.is_heard(peer)
    }

    fn note_stream(&mut self, of: Token, stream: Stream) {
        if !self.is_heard(of) {
            return;
        }
        let now = self.now;
        let peer = self.peer(of);
        peer.note_stream(now, stream);
        self.account(of);
        self.schedule(of);
        self.resume_if_possible(of);
    }

    fn is_behind(&self, peer: Token) -> bool {
        self.is_behind(peer)
    }

    fn keep_up(&mut self, to: SocketAddr, dialect: Dialect, patience: Duration) -> Option<DialId> {
        self.try_to_keep_up(to, dialect, patience)
    }

    fn vouch_for(&mut self, dial: DialId) {
        let now = self.now;
        if let Some(found) = self.dials.find_mut(dial) {
            found.note_well(now);
        }
    }

    fn hurry(&mut self, dial: DialId) {
        let now = self.now;
        if let Some(found) = self.dials.find_mut(dial) {
            found.hurry(now);
            self.schedule_dial(dial);
        }
    }

    fn forget(&mut self, dial: DialId) {
        self.let_go(dial);
    }
}

impl Room {
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Whether a peer is there and heard.
    pub fn is_heard(&self, peer: Token) -> bool {
        self.peers.get(peer.index()).is_some_and(|peer| peer.is_open())
    }

    /// Who has been forgotten, of those that peers have told of.
    pub fn forgotten(&mut self) -> Vec<DialId> {
        self.dials.forgotten()
    }

    /// Whether a peer of text has something still to take.
    pub fn is_behind(&self, peer: Token) -> bool {
        let found = self.peers.get(peer.index());
        found.is_some_and(|peer| !peer.queue.is_empty() && peer.dialect().is_text())
    }

    /// What only peers hold any more of what a store has lent them is counted anew.
    pub(super) fn count_stale(&mut self) {
        if self.lent.is_empty() {
            return;
        }
        let stale = self.lent.stale();
        self.retained = self.retained - self.stale + stale;
        self.stale = stale;
    }

    fn note_replied(&mut self, to: Token) {
        if self.turn.replied.last() != Some(&to) {
            self.turn.replied.push(to);
        }
    }
}
