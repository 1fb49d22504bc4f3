//! What a peer is asked and answered, and when. Knows the words; knows no rule of a block.

use super::Bunkercoin;
use super::candidate::SEAT_PATIENCE;
use super::cost::{self, Cost};
use crate::protocol::{Dialect, TextOutbox, Token};
use crate::time::Instant;

/// Bytes of a question, about.
const QUESTION: usize = "\"GetMempool\"\n".len();

impl Bunkercoin {
    /// Both sides ask for all the other has; from now on it is told what is new. That it is asked now keeps nobody from
    /// asking it when its next block does not fit.
    pub(super) fn greet(&mut self, out: &mut impl TextOutbox, peer: Token) {
        out.listen(peer);
        ask_for_all(out, peer);
    }

    /// Asks a peer for its chain and its transactions, now or when it may be asked again.
    pub(super) fn ask(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return };
        if neighbour.may_be_asked(now) {
            ask_for_all(out, peer);
        }
    }

    /// A peer asks for the chain. What it says next is heard whether it is answered now or later.
    pub(super) fn asked_for_chain(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) -> Cost {
        match self.neighbours.get_mut(&peer) {
            Some(neighbour) if out.count_message(peer, QUESTION) => neighbour.chain.is_open = true,
            _ => return cost::STEP,
        }
        self.answer(now, out, peer)
    }

    /// A peer asks for the transactions that wait.
    pub(super) fn asked_for_mempool(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) -> Cost {
        match self.neighbours.get_mut(&peer) {
            Some(neighbour) if out.count_message(peer, QUESTION) => neighbour.mempool.is_open = true,
            _ => return cost::STEP,
        }
        self.answer(now, out, peer)
    }

    /// One of the answers that are due, unless the peer has not taken yet what it was sent before: what is stored is
    /// not counted among what waits for it, and who reads nothing would have us hold one state of the store after
    /// another.
    fn answer(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) -> Cost {
        if out.is_behind(peer) {
            return cost::STEP;
        }
        self.answer_anyway(now, out, peer)
    }

    /// The same whatever it has taken: it asked with its last line.
    pub(super) fn answer_anyway(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) -> Cost {
        match self.neighbours.get(&peer) {
            Some(neighbour) if neighbour.chain.is_due(now) => self.answer_chain(now, out, peer),
            Some(neighbour) if neighbour.mempool.is_due(now) => self.answer_mempool(now, out, peer),
            Some(_) | None => cost::STEP,
        }
    }

    fn answer_chain(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) -> Cost {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return cost::STEP };
        let items = self.store.chain().items();
        neighbour.chain.answered(now, items.len());
        // what may still grow is copied, and so counts among what waits for the peer
        let tail = [items.tail(), b"]}\n"].concat();
        out.answer_stored(peer, b"{\"Chain\":[", items.pieces(), &tail);
        cost::of_copying(tail.len()).saturating_add(cost::of_lending(items.pieces().count()))
    }

    fn answer_mempool(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) -> Cost {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return cost::STEP };
        let (cost, items) = self.store.mempool_items();
        neighbour.mempool.answered(now, items.len());
        let stored = Some(&items).filter(|items| !items.is_empty());
        out.answer_stored(peer, b"{\"Mempool\":[", stored.into_iter(), b"]}\n");
        cost
    }

    /// A block that follows the last one is told to everybody but the one it came from.
    pub(super) fn announce_block(&self, out: &mut impl TextOutbox, from: Option<Token>, text: &[u8]) {
        out.announce(from, Dialect::Chain, &[b"{\"NewBlock\":", text, b"}\n"].concat());
    }

    /// So is a transaction.
    pub(super) fn announce_transaction(&self, out: &mut impl TextOutbox, from: Option<Token>, text: &[u8]) {
        out.announce(from, Dialect::Chain, &[b"{\"NewTransaction\":", text, b"}\n"].concat());
    }

    /// A peer's time has come. What that is about is work like any other, in its turn.
    pub(super) fn woken(&mut self, peer: Token) {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return };
        neighbour.wake.came();
        neighbour.is_woken = true;
        self.enqueue(peer);
    }

    /// A peer has taken all that it was sent: if it waits for an answer, it may have it.
    pub fn caught_up(&mut self, peer: Token) {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return };
        if neighbour.chain.is_open || neighbour.mempool.is_open {
            neighbour.is_woken = true;
            self.enqueue(peer);
        }
    }

    /// What waited for its time: to ask the peer, to answer it, or to have it give up its place.
    pub(super) fn look_after(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) -> Cost {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return cost::STEP };
        if neighbour.ask_at.is_some_and(|when| when <= now) {
            self.ask(now, out, peer);
        }
        self.look_at_seat(now, out, peer);
        self.answer(now, out, peer)
    }

    /// Others wait for places: whoever has one and has them all wait gives it up.
    fn look_at_seat(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) {
        if !self.seats.wanted().contains(&peer) {
            return;
        }
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return };
        if neighbour.candidate.as_ref().is_some_and(|candidate| candidate.is_too_slow(now)) {
            return self.let_go(now, out, peer);
        }
        self.deadlines.by(peer, &mut neighbour.wake, now + SEAT_PATIENCE);
    }
}

fn ask_for_all(out: &mut impl TextOutbox, peer: Token) {
    out.answer(peer, b"\"GetChain\"\n");
    out.answer(peer, b"\"GetMempool\"\n");
}
