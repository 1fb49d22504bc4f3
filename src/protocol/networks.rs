//! Everything that is spoken at the ports of one relay, each with what it means there. Decides nothing but whose turn it
//! is.
//!
//! Frames and lines are one room; Clarke Coin's nodes are another; Bunkercoin's share a store with those who ask for it
//! over HTTP.

use super::bunkercoin::{Bunkercoin, MAX_ELEMENT};
use super::clarke::{self, Clarke};
use super::http::Http;
use super::{
    Breach, DialId, Dialect, Flood, Newcomer, Offence, Outbox, Penalty, Protocol, TextOutbox, Token,
};
use crate::time::Instant;
use crate::wire::Frame;

/// Frames and lines in their one room, and the networks that speak text in theirs.
#[derive(Debug)]
pub struct Networks {
    flood: Flood,
    clarke: Clarke,
    chain: Bunkercoin,
    http: Http,
}

impl Networks {
    /// Nobody is there, and nothing is known.
    pub fn new(setup: clarke::Setup) -> Self {
        Self {
            flood: Flood,
            clarke: Clarke::new(setup),
            chain: Bunkercoin::new(),
            http: Http::new(MAX_ELEMENT),
        }
    }

    /// Bunkercoin's chain, and what waits for it.
    pub fn chain(&self) -> &Bunkercoin {
        &self.chain
    }

    /// The same, for whoever keeps it on a disk.
    pub fn chain_mut(&mut self) -> &mut Bunkercoin {
        &mut self.chain
    }
}

impl Protocol for Networks {
    const NAME: &'static str = Flood::NAME;

    fn default_penalty(offence: Offence) -> Penalty {
        Flood::default_penalty(offence)
    }

    fn received(&mut self, out: &mut impl Outbox, from: Token, frame: Frame<'_>) -> Result<(), Breach> {
        self.flood.received(out, from, frame)
    }

    fn joined(&mut self, now: Instant, peer: Token, newcomer: &Newcomer) {
        match newcomer.dialect {
            Dialect::Frames | Dialect::Lines => {}
            Dialect::Json => self.clarke.joined(now, peer, newcomer),
            Dialect::Chain => self.chain.joined(now, peer),
            Dialect::Http => self.http.joined(now, peer),
        }
    }

    fn heard(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        from: Token,
        dialect: Dialect,
        bytes: &[u8],
    ) {
        match dialect {
            Dialect::Frames | Dialect::Lines => {}
            Dialect::Json => self.clarke.heard(now, out, from, bytes),
            Dialect::Chain => self.chain.heard(now, out, from, bytes),
            Dialect::Http => self.http.heard(now, out, from, bytes),
        }
    }

    fn ended(&mut self, now: Instant, out: &mut impl TextOutbox, from: Token, dialect: Dialect) {
        match dialect {
            Dialect::Frames | Dialect::Lines => {}
            Dialect::Json => self.clarke.ended(now, out, from),
            Dialect::Chain => self.chain.ended(now, out, from),
            Dialect::Http => self.http.ended(now, out, from),
        }
    }

    fn left(&mut self, now: Instant, peer: Token, dialect: Dialect) {
        match dialect {
            Dialect::Frames | Dialect::Lines => {}
            Dialect::Json => self.clarke.left(now, peer),
            Dialect::Chain => self.chain.left(peer),
            Dialect::Http => self.http.left(&mut self.chain, peer),
        }
    }

    fn caught_up(&mut self, now: Instant, peer: Token, dialect: Dialect) {
        match dialect {
            Dialect::Frames | Dialect::Lines => {}
            Dialect::Json => self.clarke.caught_up(now, peer),
            Dialect::Chain => self.chain.caught_up(peer),
            Dialect::Http => self.http.caught_up(now, peer),
        }
    }

    /// Only Clarke Coin's nodes tell of others.
    fn forgotten(&mut self, now: Instant, dial: DialId) {
        self.clarke.forgotten(now, dial);
    }

    /// The chain before those who ask for it: what was checked in a turn is answered in it.
    fn expired(&mut self, now: Instant, out: &mut impl TextOutbox) {
        self.clarke.expired(now, out);
        self.chain.expired(now, out);
        self.http.expired(now, out, &mut self.chain);
    }

    fn next_deadline(&self) -> Option<Instant> {
        let deadlines = [self.clarke.next_deadline(), self.chain.next_deadline(), self.http.next_deadline()];
        deadlines.into_iter().flatten().min()
    }
}
