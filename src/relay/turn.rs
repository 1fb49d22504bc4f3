//! The end of a turn: who is written to, and who keeps what he could not take. Knows no protocol.
//!
//! ```text
//!   Inputs ── first poll closes the logs ─→ Flushing ── each peer once ─→ Outputs ── None ─→ Inputs
//!                                                    └─ what is still owed goes into the queues
//! ```

use std::collections::{BTreeMap, VecDeque};

use super::Output;
use super::audience::Audience;
use super::peer::State;
use super::reason::Reason;
use super::room::Room;
use crate::protocol::{Dialect, Token};
use crate::wire::Part;
use crate::wire::turn_log::{Due, Mark};
use crate::wire::write_queue::chunk_cost;

/// Where a turn is, and whom it concerns.
#[derive(Debug, Default)]
pub(super) struct Turn {
    phase: Phase,
    /// Whom that concerns while peers are written to.
    told: Dialect,
    /// Peers with replies of this turn.
    pub replied: Vec<Token>,
    /// Peers that began to end in this turn.
    pub ending: Vec<Token>,
    /// How far the log reached then: all of it that they are due.
    pub marks: BTreeMap<Token, Mark>,
    pub outputs: VecDeque<Output>,
    /// What the peer being written to now is due of the log.
    flushed: Option<Share>,
    /// What those did not take who did not take all of it.
    behind: Vec<Share>,
}

/// What a peer is due of the turn's log in its dialect. There is one only while that log is being flushed.
#[derive(Clone, Copy, Debug)]
struct Share {
    of: Token,
    dialect: Dialect,
    due: Due,
    /// Bytes of it that are sent.
    sent: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Inputs,
    /// Peers of one dialect are written to, in the order of their roster from `next` on.
    Flushing {
        next: usize,
    },
    Outputs,
}

impl Turn {
    /// Whether nothing of a turn is left to be polled.
    pub fn is_over(&self) -> bool {
        let is_empty = self.replied.is_empty() && self.ending.is_empty() && self.outputs.is_empty();
        self.is_at_inputs() && is_empty
    }

    /// Whether polling has not begun, or has come to its `None`.
    pub fn is_at_inputs(&self) -> bool {
        self.phase == Phase::Inputs
    }

    /// How far the share of a peer in that state reaches: for one that ends, to where the log stood; from the next
    /// turn on, nowhere.
    fn upto(&self, token: Token, state: State) -> Mark {
        match state {
            State::Open { .. } => Mark::END,
            State::Ending { .. } => self.marks.get(&token).copied().unwrap_or(Mark::START),
            State::Gone { .. } => Mark::START,
        }
    }

    /// A peer was sent so many bytes of the log.
    fn sent(&mut self, to: Token, len: usize) {
        if len == 0 {
            return;
        }
        let share = self.flushed.as_mut().filter(|share| share.of == to && len <= share.due.len - share.sent);
        share.expect("the stack sent more than it was given").sent += len;
    }
}

impl Room {
    pub fn poll(&mut self) -> Option<Output> {
        if self.turn.phase == Phase::Inputs {
            self.close_logs();
        }
        if let Phase::Flushing { .. } = self.turn.phase {
            if let Some(token) = self.next_to_flush() {
                return Some(Output::Flush(token));
            }
            self.keep_what_is_owed();
            self.release_ending();
            self.count_stale();
            self.enforce_memory();
            self.turn.phase = Phase::Outputs;
        }
        let output = self.turn.outputs.pop_front();
        if output.is_none() {
            self.turn.phase = Phase::Inputs;
        }
        output
    }

    /// Bytes were written to a peer.
    pub fn sent(&mut self, to: Token, len: usize) {
        let peer = &mut self.peers[to.index()];
        peer.outgoing.bytes += len as u64;
        self.stats.outgoing.bytes += len as u64;
        if peer.queue.is_empty() {
            self.turn.sent(to, len); // the usual path: nothing but the log
        } else {
            self.sent_of_queue(to, len);
        }
        // whoever ends in this very turn has its share of the log still to come
        if self.turn.phase == Phase::Inputs && self.upto(to) == Mark::START {
            self.leave_if_done(to);
        }
    }

    /// What a peer is still to be sent, in order.
    pub fn unsent(&self, to: Token) -> impl Iterator<Item = Part<'_>> {
        let share = self.turn.flushed.as_ref().filter(|share| share.of == to && share.due.len > 0);
        let of_log = share.map(|share| self.audiences.of(share.dialect).log.parts(&share.due, share.sent));
        self.peers[to.index()].queue.parts().chain(of_log.into_iter().flatten())
    }

    fn sent_of_queue(&mut self, to: Token, len: usize) {
        let peer = &mut self.peers[to.index()];
        let released = peer.queue.sent(len);
        peer.outgoing.frames += released.frames;
        if peer.queue.held() <= self.limits.queue_soft_bytes {
            peer.note_under_soft();
        }
        self.turn.sent(to, released.beyond);
        self.stats.outgoing.frames += released.frames;
        self.retained -= released.freed;
        self.account(to);
        self.resume_if_possible(to);
    }

    /// A peer that was not read is read again, once what it was stopped for is over.
    pub(super) fn resume_if_possible(&mut self, token: Token) {
        let now = self.now;
        let peer = &mut self.peers[token.index()];
        if !peer.is_open() || !peer.may_resume() {
            return;
        }
        let stop = peer.stop;
        peer.stop = peer.cause_to_stop();
        if peer.stop.is_none() {
            peer.resume(now, stop);
            self.turn.outputs.push_back(Output::Read(token));
        }
        self.schedule(token);
    }

    /// No more messages this turn; its replies take their place before its logs.
    fn close_logs(&mut self) {
        for audience in self.audiences.each_mut() {
            if !audience.log.is_empty() {
                audience.log.close();
            }
        }
        let replied = std::mem::take(&mut self.turn.replied);
        for &token in &replied {
            if let Some(peer) = self.peers.get_mut(token.index()) {
                peer.queue.seal_replies();
                self.account(token);
            }
        }
        self.turn.replied = replied;
        self.turn.told = Dialect::Frames;
        self.turn.phase = Phase::Flushing { next: 0 };
    }

    /// The next peer with something to be sent: dialect after dialect, those to whom messages are frames first.
    fn next_to_flush(&mut self) -> Option<Token> {
        if let Some(share) = self.turn.flushed.take() {
            self.settle(share);
        }
        let Phase::Flushing { mut next } = self.turn.phase else { unreachable!("the caller looked") };
        loop {
            let found = self.next_of(self.turn.told, next);
            if found.is_some() {
                return found;
            }
            self.turn.told = *Dialect::ALL.get(self.turn.told.index() + 1)?;
            next = 0;
        }
    }

    /// The next one of a dialect. With nothing in their log that can only be one that is replied to; whoever has an
    /// old backlog is written to when its socket takes more.
    #[inline]
    fn next_of(&mut self, dialect: Dialect, mut next: usize) -> Option<Token> {
        let Audience { roster, log } = self.audiences.of(dialect);
        if log.is_empty() {
            return self.next_replied(dialect, next);
        }
        while let Some(&token) = roster.get(next) {
            next += 1;
            let Some(peer) = self.peers.get(token.index()) else { continue };
            let is_told = !dialect.is_text() || peer.is_listening;
            let upto = if is_told { self.turn.upto(token, peer.state) } else { Mark::START };
            let due = log.due(token, upto);
            if due.len > 0 || !peer.queue.is_empty() {
                self.turn.phase = Phase::Flushing { next };
                self.turn.flushed = Some(Share { of: token, dialect, due, sent: 0 });
                return Some(token);
            }
        }
        None
    }

    /// The next one of a dialect that is replied to and due nothing else.
    fn next_replied(&mut self, dialect: Dialect, next: usize) -> Option<Token> {
        if self.audiences.of(dialect).is_empty() {
            return None;
        }
        let is_next = |token: &Token| {
            let peer = self.peers.get(token.index());
            peer.is_some_and(|peer| peer.dialect() == dialect && !peer.queue.is_empty())
        };
        let at = next + self.turn.replied.get(next..)?.iter().position(is_next)?;
        let token = self.turn.replied[at];
        let due = self.audiences.of(dialect).log.due(token, Mark::START);
        self.turn.phase = Phase::Flushing { next: at + 1 };
        self.turn.flushed = Some(Share { of: token, dialect, due, sent: 0 });
        Some(token)
    }

    /// A peer has been written to: did it take all?
    fn settle(&mut self, share: Share) {
        if share.due.len == 0 {
            return self.leave_if_done(share.of); // it may have ended turns ago, and has taken its backlog now
        }
        if share.sent < share.due.len {
            self.turn.behind.push(share);
            return;
        }
        self.peer(share.of).outgoing.frames += share.due.frames;
        self.stats.outgoing.frames += share.due.frames;
    }

    /// Whoever could not take all of its log keeps the rest of it: in chunks that all of them share.
    fn keep_what_is_owed(&mut self) {
        let mut behind = std::mem::take(&mut self.turn.behind);
        let mut shrunk = None;
        for share in &behind {
            // they stand in the order they were written to, dialect after dialect
            if shrunk.replace(share.dialect) != Some(share.dialect) {
                self.audiences.of_mut(share.dialect).log.shrink();
            }
        }
        for share in behind.drain(..) {
            self.queue_rest(share);
            self.enforce_queue(share.of);
        }
        self.turn.behind = behind; // its memory is used again
        let retained = &mut self.retained;
        for audience in self.audiences.each_mut().filter(|audience| !audience.log.is_empty()) {
            audience.log.clear(|len| *retained += chunk_cost(len));
        }
        self.enforce_replied();
    }

    fn queue_rest(&mut self, Share { of, dialect, due, sent }: Share) {
        let peer = &mut self.peers[of.index()];
        let mut left = due.len - sent;
        for (chunk, from, to) in self.audiences.of(dialect).log.chunks(&due, sent) {
            left -= to - from;
            let completed = if left == 0 { due.frames as u32 } else { 0 }; // frames are fewer than bytes
            peer.queue.push(chunk, from, to, completed);
        }
        self.account(of);
    }

    /// Replies not taken count against the limits as the log does.
    fn enforce_replied(&mut self) {
        let mut replied = std::mem::take(&mut self.turn.replied);
        for token in replied.drain(..) {
            if self.peers.contains(token.index()) {
                self.enforce_queue(token);
            }
        }
        self.turn.replied = replied;
    }

    /// A queue has grown: is it too long, or too long for too long?
    fn enforce_queue(&mut self, token: Token) {
        let now = self.now;
        let peer = &mut self.peers[token.index()];
        if peer.queue.held() > self.limits.queue_hard_bytes {
            self.leave(token, Reason::QueueHard);
        } else if peer.queue.held() > self.limits.queue_soft_bytes && peer.note_over_soft(now) {
            self.account(token);
            self.schedule(token);
        }
    }

    /// Whoever is ending has what it is due; with nothing left to take it goes at once.
    fn release_ending(&mut self) {
        self.turn.marks.clear();
        let mut ending = std::mem::take(&mut self.turn.ending);
        for token in ending.drain(..) {
            if self.peers.contains(token.index()) {
                self.leave_if_done(token);
            }
        }
        self.turn.ending = ending;
    }

    fn upto(&self, token: Token) -> Mark {
        self.turn.upto(token, self.peers[token.index()].state)
    }
}
