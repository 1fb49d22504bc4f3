//! What a peer has said, and what is done about it. Knows the six messages.

use std::fmt::Display;

use bytes::Bytes;

use super::Bunkercoin;
use super::checks::Wait;
use super::cost::{self, Cost};
use super::lookup::{Fault, Found, read_transaction};
use super::mempool::Entry;
use super::neighbour::Doing;
use super::reader::Item;
use super::rules::{Checked, Flaw};
use super::store::Fit;
use super::submitting::{Asker, Work};
use crate::protocol::{Offence, TextOutbox, Token};
use crate::time::Instant;

impl Bunkercoin {
    /// Whatever it is, a step is done about it.
    pub(super) fn act(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token, item: Item) -> Cost {
        match item {
            Item::Nothing | Item::Empty => cost::STEP,
            Item::GetChain => self.asked_for_chain(now, out, peer),
            Item::GetMempool => self.asked_for_mempool(now, out, peer),
            Item::ChainBegins => self.begin_chain(peer),
            Item::ChainBlock(text) => self.chain_block(now, out, peer, text),
            Item::ChainEnds(len) => self.end_chain(now, out, peer, len),
            Item::NewBlock(text) => self.new_block(now, out, peer, &text),
            // a list of transactions need never end: each of them counts as soon as it is told
            Item::NewTransaction(text) | Item::PoolTransaction(text) => {
                if !out.count_message(peer, text.len()) {
                    return cost::STEP;
                }
                self.transaction(out, peer, &text)
            }
            Item::MempoolEnds(len) => {
                out.count_message(peer, len);
                cost::STEP
            }
        }
    }

    /// A rule is broken. Whoever may stay is heard from its next line on.
    pub(super) fn offended(
        &mut self,
        out: &mut impl TextOutbox,
        peer: Token,
        offence: Offence,
        detail: impl Display,
    ) {
        self.drop_candidate(peer);
        if let Some(neighbour) = self.neighbours.get_mut(&peer) {
            neighbour.reader.skip_line();
        }
        out.offended(peer, offence, detail);
        if !out.is_open(peer) {
            self.forget_work(peer);
        }
    }

    fn new_block(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token, text: &[u8]) -> Cost {
        if !out.count_message(peer, text.len()) {
            return cost::STEP;
        }
        let chain = self.store.chain();
        if chain.height().checked_sub(1).and_then(|last| chain.block(last)) == Some(text) {
            return cost::of_copying(text.len()); // everybody tells of a new block
        }
        let (cost, found) = self.store.look_up(text);
        match found {
            Err(fault) => self.offended(out, peer, Offence::Protocol, fault),
            Ok(Found::Checked(block)) => self.placed(now, out, peer, &block),
            Ok(Found::Waiting(wait)) => self.begin_new_block(now, out, peer, wait),
        }
        cost
    }

    /// Only what would follow our last block is worth checking.
    fn begin_new_block(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token, wait: Wait) {
        let (link, prev_hash) = self.store.checks.link(&wait);
        match (self.store.fit(link, prev_hash), self.neighbours.get_mut(&peer)) {
            (Fit::Follows, Some(neighbour)) => neighbour.doing = Doing::NewBlock(wait),
            (fit, _) => {
                self.store.checks.leave(wait);
                self.note_fit(now, out, peer, fit);
            }
        }
    }

    /// A step of the check of a block that follows ours.
    pub(super) fn check_new_block(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        peer: Token,
        wait: Wait,
    ) -> Cost {
        let (cost, outcome) = self.store.checks.step(&wait);
        let Some(outcome) = outcome else {
            if let Some(neighbour) = self.neighbours.get_mut(&peer) {
                neighbour.doing = Doing::NewBlock(wait);
            }
            return cost;
        };
        self.store.checks.leave(wait);
        match outcome {
            Err(flaw) => self.offended(out, peer, Offence::Protocol, flaw),
            Ok(block) => self.placed(now, out, peer, &block),
        }
        cost
    }

    fn placed(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token, block: &Checked) {
        let fit = self.place(out, Some(peer), block);
        self.note_fit(now, out, peer, fit);
    }

    /// What its sender has to do with where a block belongs.
    fn note_fit(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token, fit: Fit) {
        match fit {
            Fit::Follows | Fit::Known => {}
            Fit::NoRoom => self.counts.too_long += 1,
            Fit::Elsewhere => self.ask(now, out, peer),
            Fit::Wrong(flaw) => self.offended(out, peer, Offence::Protocol, flaw),
        }
    }

    /// A checked block: stored and told, if it follows our last one.
    pub(super) fn place(&mut self, out: &mut impl TextOutbox, from: Option<Token>, block: &Checked) -> Fit {
        let fit = self.store.append(block);
        if fit == Fit::Follows {
            self.announce_block(out, from, &block.text);
        }
        fit
    }

    fn transaction(&mut self, out: &mut impl TextOutbox, peer: Token, text: &[u8]) -> Cost {
        let (cost, entry) = self.take_transaction(out, Some(peer), text);
        if let Err(fault) = entry {
            self.offended(out, peer, Offence::Protocol, fault);
        }
        cost
    }

    /// A transaction: checked, stored and told, if it is new.
    pub(super) fn take_transaction(
        &mut self,
        out: &mut impl TextOutbox,
        from: Option<Token>,
        text: &[u8],
    ) -> (Cost, Result<Entry, Fault>) {
        let cost = cost::of_parsing(text.len());
        let transaction = match read_transaction(text) {
            Err(fault) => return (cost, Err(fault)),
            Ok(transaction) => transaction,
        };
        let hash = transaction.hash();
        if self.store.knows_transaction(&hash) {
            return (cost, Ok(Entry::Known));
        }
        let cost = cost.saturating_add(cost::SIGNATURE);
        if !transaction.is_signed() {
            return (cost, Err(Flaw::Signature.into()));
        }
        let text = Bytes::from(transaction.to_json());
        let entry = self.store.add_transaction(hash, text.clone());
        if entry == Entry::New {
            self.announce_transaction(out, from, &text);
        }
        (cost, Ok(entry))
    }

    /// A peer sends no more. What it asked in the end is answered at once; what it told is worked off without it.
    pub fn ended(&mut self, now: Instant, out: &mut impl TextOutbox, from: Token) {
        let Some(neighbour) = self.neighbours.get_mut(&from) else { return };
        // only what its last line told of is left: it was not read while there was more
        if !neighbour.is_busy() {
            neighbour.reader.end();
            neighbour.chain.from = now;
            neighbour.mempool.from = now;
            self.end_last_line(now, out, from);
            self.answer_anyway(now, out, from);
            self.answer_anyway(now, out, from);
        }
        self.forget_work(from);
    }

    /// Nothing is changed here: a chain may be under adoption, and this is no slice.
    fn end_last_line(&mut self, now: Instant, out: &mut impl TextOutbox, from: Token) {
        while let Some(neighbour) = self.neighbours.get_mut(&from).filter(|it| it.reader.has_more()) {
            match neighbour.reader.step(self.max_message).1 {
                Ok(Item::NewBlock(text)) => self.hand_in(out, from, text.len(), Work::Block(text)),
                Ok(Item::NewTransaction(text)) => {
                    self.hand_in(out, from, text.len(), Work::Transaction(text));
                }
                Ok(Item::ChainEnds(len)) => {
                    if let Some(candidate) = self.take_candidate(from) {
                        self.hand_in(out, from, len, Work::Chain(candidate));
                    }
                }
                Ok(item @ (Item::GetChain | Item::GetMempool)) => drop(self.act(now, out, from, item)),
                Ok(
                    Item::Nothing
                    | Item::Empty
                    | Item::ChainBegins
                    | Item::ChainBlock(_)
                    | Item::PoolTransaction(_)
                    | Item::MempoolEnds(_),
                ) => {}
                Err(fault) => self.offended(out, from, fault.offence(), fault),
            }
        }
    }

    /// What a peer has said last is worked off in its turn, when the peer may be gone.
    fn hand_in(&mut self, out: &mut impl TextOutbox, from: Token, len: usize, work: Work) {
        if out.count_message(from, len) {
            self.submit(work, Asker::Nobody);
        } else if let Work::Chain(candidate) = work {
            self.store.discard(candidate.blocks);
        }
    }
}
