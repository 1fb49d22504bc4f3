//! The work that waits, a slice a turn and a step for each in turn. Knows who waits; knows nothing of what it is about.

use super::Bunkercoin;
use super::cost::{self, Cost};
use super::neighbour::Doing;
use super::store::Changed;
use super::submitting::Ticket;
use crate::protocol::{Stream, TextOutbox, Token};
use crate::time::Instant;

/// For whom there is work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Peer(Token),
    Ticket(Ticket),
}

impl Bunkercoin {
    /// Whether something waits to be done.
    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty() || self.store.has_work()
    }

    /// A slice.
    pub(super) fn work(&mut self, now: Instant, out: &mut impl TextOutbox) {
        let mut spent: Cost = 0;
        while spent < cost::SLICE && self.has_work() {
            spent = spent.saturating_add(self.step(now, out));
        }
        self.counts.longest_slice = self.counts.longest_slice.max(spent);
    }

    /// While a chain is being adopted nothing else may change. What nobody needs any more is freed when all else is
    /// done, or a step for a step.
    fn step(&mut self, now: Instant, out: &mut impl TextOutbox) -> Cost {
        if self.store.is_adopting() {
            return self.step_store(out);
        }
        let freed = if self.store.has_work() { self.step_store(out) } else { 0 };
        let cost = match self.queue.pop_front() {
            None => 0,
            Some(Source::Ticket(ticket)) => self.step_ticket(out, ticket),
            Some(Source::Peer(peer)) => self.step_peer(now, out, peer),
        };
        freed.saturating_add(cost)
    }

    fn step_store(&mut self, out: &mut impl TextOutbox) -> Cost {
        let (cost, changed) = self.store.step();
        match changed {
            Changed::Nothing => {}
            Changed::Replaced => self.adopted(out),
            Changed::Returned(transactions) => self.tell_returned(out, &transactions),
        }
        cost
    }

    fn step_peer(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) -> Cost {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return cost::STEP };
        neighbour.is_queued = false;
        if !out.is_open(peer) {
            self.forget_work(peer);
            return cost::STEP;
        }
        let cost = if std::mem::take(&mut neighbour.is_woken) {
            self.look_after(now, out, peer)
        } else if neighbour.is_greeted {
            let doing = std::mem::take(&mut neighbour.doing);
            self.go_on(now, out, peer, doing)
        } else {
            neighbour.is_greeted = true;
            self.greet(out, peer);
            cost::STEP
        };
        self.settle(now, out, peer);
        cost
    }

    fn go_on(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token, doing: Doing) -> Cost {
        match doing {
            Doing::Waiting(block) | Doing::Seated(block) => self.chain_block(now, out, peer, block),
            Doing::ChainBlock(wait) => self.check_chain_block(now, out, peer, wait),
            Doing::NewBlock(wait) => self.check_new_block(now, out, peer, wait),
            Doing::Nothing => self.read(now, out, peer),
        }
    }

    /// It looks at some of what a peer has said.
    fn read(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) -> Cost {
        let max_message = self.max_message;
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return cost::STEP };
        let (looked, item) = neighbour.reader.step(max_message);
        let cost = match item {
            Ok(item) => self.act(now, out, peer, item),
            Err(fault) => {
                self.offended(out, peer, fault.offence(), fault);
                cost::STEP
            }
        };
        cost.saturating_add(cost::of_scanning(looked))
    }

    /// What a peer is at now: in the queue or waiting for its time, read or not.
    pub(super) fn settle(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return };
        if let Some(when) = neighbour.deadline(now) {
            self.deadlines.by(peer, &mut neighbour.wake, when);
        }
        if neighbour.has_work() {
            self.enqueue(peer);
        } else if let Some(candidate) = neighbour.candidate.as_mut().filter(|_| !neighbour.reader.has_more())
        {
            candidate.waits(now);
        }
        self.note(out, peer);
    }

    pub(super) fn enqueue(&mut self, peer: Token) {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return };
        if !neighbour.is_queued && neighbour.has_work() {
            neighbour.is_queued = true;
            self.queue.push_back(Source::Peer(peer));
        }
    }

    /// Tells how much a peer has us hold, and whether it is to be read.
    pub(super) fn note(&self, out: &mut impl TextOutbox, peer: Token) {
        let Some(neighbour) = self.neighbours.get(&peer) else { return };
        let stream = Stream {
            begun: neighbour.reader.begun(),
            memory: neighbour.memory(),
            is_busy: neighbour.is_busy(),
        };
        out.note_stream(peer, stream);
    }
}
