//! What a peer is asked and answered, and when. Knows the words; knows no rule of a block.

use super::Bunkercoin;
use super::candidate::SEAT_PATIENCE;
use super::cost::{self, Cost};
use super::neighbour::{Doing, pause_behind};
use super::reader::Item;
use crate::protocol::{Dialect, TextOutbox, Token};
use crate::time::Instant;

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

    /// Answers with the chain, now or when it may be answered again.
    pub(super) fn answer_chain(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) -> Cost {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return cost::STEP };
        if neighbour.chain_from > now {
            neighbour.doing = Doing::Waiting(Item::GetChain);
            return cost::STEP;
        }
        let items = self.store.chain().items();
        neighbour.chain_from = now + pause_behind(items.len());
        // what may still grow is copied, and so counts among what waits for the peer
        let tail = [items.tail(), b"]}\n"].concat();
        out.answer_stored(peer, b"{\"Chain\":[", items.pieces(), &tail);
        cost::of_copying(tail.len())
    }

    /// Answers with the transactions, now or when it may be answered again.
    pub(super) fn answer_mempool(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) -> Cost {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return cost::STEP };
        if neighbour.mempool_from > now {
            neighbour.doing = Doing::Waiting(Item::GetMempool);
            return cost::STEP;
        }
        let items = self.store.mempool_items();
        neighbour.mempool_from = now + pause_behind(items.len());
        let stored = Some(&items).filter(|items| !items.is_empty());
        out.answer_stored(peer, b"{\"Mempool\":[", stored.into_iter(), b"]}\n");
        cost::of_copying(items.len())
    }

    /// A block that follows the last one is told to everybody but the one it came from.
    pub(super) fn announce_block(&self, out: &mut impl TextOutbox, from: Option<Token>, text: &[u8]) {
        out.announce(from, Dialect::Chain, &[b"{\"NewBlock\":", text, b"}\n"].concat());
    }

    /// So is a transaction.
    pub(super) fn announce_transaction(&self, out: &mut impl TextOutbox, from: Option<Token>, text: &[u8]) {
        out.announce(from, Dialect::Chain, &[b"{\"NewTransaction\":", text, b"}\n"].concat());
    }

    /// A peer's time has come: to be asked, to be answered, or to give up its place.
    pub(super) fn woken(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return };
        neighbour.wake.came();
        if neighbour.ask_at.is_some_and(|when| when <= now) {
            self.ask(now, out, peer);
        }
        self.retry(now, out, peer);
        self.look_at_seat(now, out, peer);
        self.settle(now, out, peer);
    }

    /// What waited for its time is acted on, if that has come.
    fn retry(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) {
        let Some(neighbour) = self.neighbours.get_mut(&peer) else { return };
        match std::mem::take(&mut neighbour.doing) {
            Doing::Waiting(item @ (Item::GetChain | Item::GetMempool)) => {
                self.act(now, out, peer, item);
            }
            doing => neighbour.doing = doing,
        }
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
