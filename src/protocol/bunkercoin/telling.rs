//! A chain as a peer tells it, block by block, until it is ours or is not. Knows candidates; knows no rule of its own.

use std::sync::Arc;

use bytes::Bytes;

use super::Bunkercoin;
use super::candidate::Candidate;
use super::chain::{MAX_BLOCKS, MAX_BYTES};
use super::checks::Wait;
use super::cost::{self, Cost};
use super::hash::Hash;
use super::lookup::Found;
use super::neighbour::Doing;
use super::rules::{Checked, Flaw, Link, follows};
use crate::protocol::{Offence, TextOutbox, Token};
use crate::time::Instant;

impl Bunkercoin {
    pub(super) fn begin_chain(&mut self, peer: Token) -> Cost {
        if let Some(neighbour) = self.neighbours.get_mut(&peer) {
            neighbour.candidate = Some(Candidate::default());
        }
        cost::STEP
    }

    /// The next block of a chain: ours as well, or one to be checked.
    pub(super) fn chain_block(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        peer: Token,
        text: Vec<u8>,
    ) -> Cost {
        let neighbour = self.neighbours.get_mut(&peer);
        let Some(candidate) = neighbour.and_then(|it| it.candidate.as_mut()) else { return cost::STEP };
        let ours = self.store.chain();
        if candidate.is_stale(ours) {
            self.let_go(now, out, peer);
            return cost::STEP;
        }
        let next = candidate.shared();
        if candidate.blocks.is_empty() && ours.block(next) == Some(&text) {
            candidate.share(ours.link(next));
            if self.seats.has(peer) {
                self.leave_seat(peer); // what it waited for has become ours meanwhile
            }
            return cost::of_copying(text.len());
        }
        if candidate.height() >= MAX_BLOCKS || self.text_with(peer, text.len()) > MAX_BYTES {
            self.counts.too_long += 1;
            self.drop_candidate(peer);
            self.skip(peer);
            return cost::STEP;
        }
        if !self.seats.take(peer) {
            if let Some(neighbour) = self.neighbours.get_mut(&peer) {
                neighbour.doing = Doing::Waiting(text);
            }
            self.watch_seats(now);
            return cost::STEP;
        }
        let (cost, found) = self.store.look_up(&text);
        match found {
            Err(fault) => self.offended(out, peer, Offence::Protocol, fault),
            Ok(Found::Checked(block)) => self.go_on_with(now, out, peer, block),
            Ok(Found::Waiting(wait)) => self.begin_chain_block(out, peer, wait),
        }
        cost
    }

    /// A block that does not follow the one before it is not worth checking.
    fn begin_chain_block(&mut self, out: &mut impl TextOutbox, peer: Token, wait: Wait) {
        let (link, prev_hash) = self.store.checks.link(&wait);
        match (self.follows_candidate(peer, link, prev_hash), self.neighbours.get_mut(&peer)) {
            (Ok(()), Some(neighbour)) => neighbour.doing = Doing::ChainBlock(wait),
            (Ok(()), None) => self.store.checks.leave(wait),
            (Err(flaw), _) => {
                self.store.checks.leave(wait);
                self.offended(out, peer, Offence::Protocol, flaw);
            }
        }
    }

    /// A step of the check of a chain's block.
    pub(super) fn check_chain_block(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        peer: Token,
        wait: Wait,
    ) -> Cost {
        let (cost, outcome) = self.store.checks.step(&wait);
        let Some(outcome) = outcome else {
            if let Some(neighbour) = self.neighbours.get_mut(&peer) {
                neighbour.doing = Doing::ChainBlock(wait);
            }
            return cost;
        };
        self.store.checks.leave(wait);
        match outcome {
            Err(flaw) => self.offended(out, peer, Offence::Protocol, flaw),
            Ok(block) => self.go_on_with(now, out, peer, block),
        }
        cost
    }

    /// A checked block goes to its candidate, if it follows what that has and there is room.
    fn go_on_with(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token, block: Arc<Checked>) {
        let candidate = self.neighbours.get(&peer).and_then(|neighbour| neighbour.candidate.as_ref());
        if candidate.is_some_and(|candidate| candidate.is_stale(self.store.chain())) {
            return self.let_go(now, out, peer);
        }
        if let Err(flaw) = self.follows_candidate(peer, block.link(), block.prev_hash) {
            return self.offended(out, peer, Offence::Protocol, flaw);
        }
        let Some((block, brought)) = self.store.pool.add(block) else {
            return self.let_go(now, out, peer);
        };
        match self.candidate(peer) {
            Some(candidate) => candidate.push(block, brought),
            None => self.store.pool.release(block),
        }
    }

    fn follows_candidate(&self, peer: Token, block: Link, prev_hash: Hash) -> Result<(), Flaw> {
        let candidate = self.neighbours.get(&peer).and_then(|neighbour| neighbour.candidate.as_ref());
        let Some(candidate) = candidate else { return Ok(()) };
        follows(block, prev_hash, candidate.tip())
    }

    /// The whole chain has been told: is it ours from now on?
    pub(super) fn end_chain(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        peer: Token,
        len: usize,
    ) -> Cost {
        let is_heard = out.count_message(peer, len);
        let Some(candidate) = self.take_candidate(peer) else { return cost::STEP };
        if candidate.is_stale(self.store.chain()) {
            self.ask_later(now, peer);
        }
        if !is_heard {
            self.store.discard(candidate.blocks);
            return cost::STEP;
        }
        self.consider(Some(peer), candidate)
    }

    /// A chain that was told to its end, perhaps by a peer that is gone: ours from now on, if it is longer.
    pub(super) fn consider(&mut self, from: Option<Token>, candidate: Candidate) -> Cost {
        if candidate.is_stale(self.store.chain()) || candidate.height() <= self.height() {
            self.store.discard(candidate.blocks);
            return cost::STEP;
        }
        self.adopted_from = from;
        self.store.adopt(candidate.shared(), candidate.blocks)
    }

    /// A longer chain is ours.
    pub(super) fn adopted(&mut self, out: &mut impl TextOutbox) {
        self.counts.adopted += 1;
        let from = self.adopted_from;
        let chain = self.store.chain();
        if let Some(text) = chain.height().checked_sub(1).and_then(|last| chain.block(last)) {
            self.announce_block(out, from, text);
        }
    }

    /// Transactions of blocks that were given up wait again. Whoever told the longer chain may never have heard of them,
    /// for when it asked what waits they were in our chain. All others have heard of them, or will from it.
    pub(super) fn tell_returned(&self, out: &mut impl TextOutbox, transactions: &[Bytes]) {
        let Some(peer) = self.adopted_from else { return };
        for text in transactions {
            out.answer(peer, &[b"{\"NewTransaction\":", text.as_ref(), b"}\n"].concat());
        }
    }

    /// Its chain cannot be heard to its end now, which is nobody's fault: it is asked again later.
    pub(super) fn let_go(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) {
        self.counts.let_go += 1;
        self.drop_candidate(peer);
        self.skip(peer);
        self.ask_later(now, peer);
        self.note(out, peer);
    }

    fn ask_later(&mut self, now: Instant, peer: Token) {
        if let Some(neighbour) = self.neighbours.get_mut(&peer) {
            neighbour.ask_later(now);
        }
    }

    fn skip(&mut self, peer: Token) {
        if let Some(neighbour) = self.neighbours.get_mut(&peer) {
            neighbour.reader.skip_line();
        }
    }

    /// What a peer has told of a chain is forgotten, and its place is free.
    pub(super) fn drop_candidate(&mut self, peer: Token) {
        if let Some(candidate) = self.take_candidate(peer) {
            self.store.discard(candidate.blocks);
        }
    }

    /// The same, for whoever does something with it.
    pub(super) fn take_candidate(&mut self, peer: Token) -> Option<Candidate> {
        self.leave_seat(peer);
        self.neighbours.get_mut(&peer)?.candidate.take()
    }

    /// All that a peer has said and that was not done is forgotten.
    pub(super) fn forget_work(&mut self, peer: Token) {
        self.drop_candidate(peer);
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return };
        match std::mem::take(&mut neighbour.doing) {
            Doing::ChainBlock(wait) | Doing::NewBlock(wait) => self.store.checks.leave(wait),
            Doing::Waiting(_) | Doing::Seated(_) | Doing::Nothing => {}
        }
        neighbour.reader = Default::default();
        neighbour.ask_at = None;
        (neighbour.chain.is_open, neighbour.mempool.is_open) = (false, false);
    }

    fn leave_seat(&mut self, peer: Token) {
        self.seats.leave(peer);
        self.offer_seats();
    }

    /// Where places are free, those who have waited longest go on.
    fn offer_seats(&mut self) {
        while let Some(next) = self.seats.next() {
            let Some(neighbour) = self.neighbours.get_mut(&next) else { continue };
            if let Doing::Waiting(block) = &mut neighbour.doing {
                neighbour.doing = Doing::Seated(std::mem::take(block));
            }
            self.enqueue(next);
        }
    }

    /// Somebody waits for a place: those who have one are looked at now and then.
    fn watch_seats(&mut self, now: Instant) {
        for peer in self.seats.wanted() {
            if let Some(neighbour) = self.neighbours.get_mut(&peer) {
                self.deadlines.by(peer, &mut neighbour.wake, now + super::SEAT_PATIENCE);
            }
        }
    }

    fn candidate(&mut self, peer: Token) -> Option<&mut Candidate> {
        self.neighbours.get_mut(&peer)?.candidate.as_mut()
    }

    /// Bytes of the whole chain, with one more block of so many.
    fn text_with(&self, peer: Token, more: usize) -> usize {
        let candidate = self.neighbours.get(&peer).and_then(|neighbour| neighbour.candidate.as_ref());
        candidate.map_or(0, |it| self.store.chain().end_before(it.shared()) + it.text) + 1 + more
    }
}
