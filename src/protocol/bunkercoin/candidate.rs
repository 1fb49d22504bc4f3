//! A chain that a peer is telling, as far as it has come and was checked; and who may have one. Knows no rule and no
//! socket.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

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
    pub shared: usize,
    /// What follows them, all of it checked.
    pub blocks: VecDeque<Arc<Checked>>,
    /// Bytes of their text.
    pub text: usize,
    /// Bytes it has us hold that nobody else had us hold before.
    pub brought: usize,
    /// Our own chain has changed within what was shared: it is worth nothing any more.
    pub is_stale: bool,
    /// How long it has had us wait, and since when it has us wait now.
    waited: Duration,
    waits_since: Option<Instant>,
}

/// Who has a place for a chain under check, and who waits for one.
#[derive(Debug, Default)]
pub struct Seats {
    taken: Vec<Token>,
    waiting: VecDeque<Token>,
}

impl Candidate {
    /// How many blocks it has.
    pub fn height(&self) -> usize {
        self.shared + self.blocks.len()
    }

    /// Its last block, if it is not one of ours.
    pub fn tip(&self) -> Option<Link> {
        self.blocks.back().map(|block| block.link())
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
        if self.taken.contains(&peer) {
            return true;
        }
        if self.taken.len() < SEATS {
            self.waiting.retain(|waiting| *waiting != peer);
            self.taken.push(peer);
            return true;
        }
        if !self.waiting.contains(&peer) {
            self.waiting.push_back(peer);
        }
        false
    }

    /// This peer needs none.
    pub fn leave(&mut self, peer: Token) {
        self.taken.retain(|taken| *taken != peer);
        self.waiting.retain(|waiting| *waiting != peer);
    }

    /// Who may take a place that is free. It waits no longer.
    pub fn next(&mut self) -> Option<Token> {
        if self.taken.len() < SEATS { self.waiting.pop_front() } else { None }
    }

    /// Those who have one, if anybody waits for it.
    pub fn wanted(&self) -> Vec<Token> {
        if self.waiting.is_empty() { Vec::new() } else { self.taken.clone() }
    }
}
