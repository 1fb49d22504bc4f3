//! A chain that a peer is telling, as far as it has come and was checked; and who may have one. Knows no rule and no
//! socket.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::chain::Chain;
use super::rules::{Checked, Link};
use crate::protocol::Token;
use crate::time::Instant;

/// Most chains under check at once. Whoever else tells one that is not ours waits, unread.
pub const SEATS: usize = 8;
/// How long a chain that is under check may have us wait for its bytes, in all, while others wait for its place.
pub const SEAT_PATIENCE: Duration = Duration::from_secs(10);

/// A chain that a peer is telling.
#[derive(Debug, Default)]
pub struct Candidate {
    /// So many blocks at its beginning are ours.
    shared: usize,
    /// The last of them.
    shared_tip: Option<Link>,
    /// What follows them, all of it checked.
    pub blocks: VecDeque<Arc<Checked>>,
    /// Bytes of their text.
    pub text: usize,
    /// Bytes it has us hold that nobody else had us hold before.
    pub brought: usize,
    /// How long it has had us wait, and since when it has us wait now.
    waited: Duration,
    waits_since: Option<Instant>,
}

/// Who has a place for a chain under check, and who waits for one.
#[derive(Debug, Default)]
pub struct Seats {
    taken: Vec<Token>,
    /// Who waits, by when it began to.
    waiting: BTreeMap<u64, Token>,
    /// Where each of them stands.
    places: BTreeMap<Token, u64>,
    next: u64,
}

impl Candidate {
    /// How many blocks it has.
    pub fn height(&self) -> usize {
        self.shared + self.blocks.len()
    }

    /// How many blocks at its beginning are ours.
    pub fn shared(&self) -> usize {
        self.shared
    }

    /// One more of them.
    pub fn share(&mut self, tip: Option<Link>) {
        self.shared += 1;
        self.shared_tip = tip;
    }

    /// Whether our own chain has changed within what was shared: then it is worth nothing any more.
    pub fn is_stale(&self, ours: &Chain) -> bool {
        ours.before(self.shared) != self.shared_tip
    }

    /// Its last block.
    pub fn tip(&self) -> Option<Link> {
        self.blocks.back().map(|block| block.link()).or(self.shared_tip)
    }

    /// One more block, which follows.
    pub fn push(&mut self, block: Arc<Checked>, brought: usize) {
        self.text += block.text.len() + 1;
        self.brought += brought;
        self.blocks.push_back(block);
    }

    /// All that has come of it was looked at.
    pub fn waits(&mut self, now: Instant) {
        self.waits_since.get_or_insert(now);
    }

    /// More has come.
    pub fn goes_on(&mut self, now: Instant) {
        if let Some(since) = self.waits_since.take() {
            self.waited += now.since(since);
        }
    }

    /// Whether it has had us wait for too long.
    pub fn is_too_slow(&self, now: Instant) -> bool {
        self.waited + self.waits_since.map_or(Duration::ZERO, |since| now.since(since)) > SEAT_PATIENCE
    }
}

impl Seats {
    /// Whether this peer has a place, or has one now. If not, it waits.
    pub fn take(&mut self, peer: Token) -> bool {
        if self.has(peer) {
            return true;
        }
        if self.taken.len() < SEATS && self.waiting.is_empty() {
            self.taken.push(peer);
            return true;
        }
        if !self.places.contains_key(&peer) {
            self.places.insert(peer, self.next);
            self.waiting.insert(self.next, peer);
            self.next += 1;
        }
        false
    }

    /// Whether this peer has a place.
    pub fn has(&self, peer: Token) -> bool {
        self.taken.contains(&peer)
    }

    /// This peer needs none.
    pub fn leave(&mut self, peer: Token) {
        self.taken.retain(|taken| *taken != peer);
        if let Some(place) = self.places.remove(&peer) {
            self.waiting.remove(&place);
        }
    }

    /// Gives a place that is free to whoever has waited longest: nobody who comes meanwhile can have it.
    pub fn next(&mut self) -> Option<Token> {
        if self.taken.len() >= SEATS {
            return None;
        }
        let (_, peer) = self.waiting.pop_first()?;
        self.places.remove(&peer);
        self.taken.push(peer);
        Some(peer)
    }

    /// Those who have one, if anybody waits for it.
    pub fn wanted(&self) -> Vec<Token> {
        if self.waiting.is_empty() { Vec::new() } else { self.taken.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_free_is_his_who_has_waited_longest_and_no_newcomers() {
        let mut seats = Seats::default();
        let all = SEATS as u32;
        assert!((0..all).all(|peer| seats.take(Token(peer))));
        assert!((all..all + 5).all(|peer| !seats.take(Token(peer))));
        seats.leave(Token(all + 1));
        seats.leave(Token(3));
        assert!(!seats.take(Token(99)), "others have waited longer");
        assert_eq!((seats.next(), seats.next()), (Some(Token(all)), None));
        assert!(!seats.take(Token(99)) && seats.take(Token(all)));
        seats.leave(Token(4));
        assert_eq!((seats.next(), seats.next()), (Some(Token(all + 2)), None), "who has left waits no more");
        assert_eq!(seats.wanted().len(), SEATS);
    }
}
