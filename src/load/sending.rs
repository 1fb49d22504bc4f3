//! What goes out: who is to send how much, and when. Knows the pace and the tape.

use std::collections::VecDeque;

use bytes::BytesMut;

use super::maker::MessageId;
use super::plan::Plan;
use super::tape::Recorded;
use super::{Load, Phase};
use crate::server::Stack;
use crate::time::Instant;

/// Bytes that a sender may have waiting for its socket before it makes no more: enough to keep it busy.
const OUTBOX_BYTES: usize = 256 * 1024;
/// Bytes that are made at once: one chunk for one write.
const CHUNK_BYTES: usize = 64 * 1024;

/// Who is to send how much.
#[derive(Debug)]
pub struct Sending {
    start: Instant,
    /// Messages given out to senders so far; in an open loop the schedule goes by it.
    assigned: u64,
    /// For each sender the messages that it has been given and has not made.
    owed: Vec<u64>,
    owed_in_all: u64,
    /// Senders that owe something.
    owing: VecDeque<u32>,
    /// Whose turn is next.
    next: u32,
    /// Peers that have gone.
    gone: u32,
    /// Messages that were due and never made.
    never_sent: u64,
}

impl Sending {
    /// Nobody has sent anything.
    pub fn new(senders: u32) -> Self {
        Self {
            start: Instant::START,
            assigned: 0,
            owed: vec![0; senders as usize],
            owed_in_all: 0,
            owing: VecDeque::new(),
            next: 0,
            gone: 0,
            never_sent: 0,
        }
    }

    /// The schedule begins.
    pub fn begin(&mut self, now: Instant) {
        self.start = now;
    }

    /// When it began.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// Messages that were due and were never made, because the relay did not take what came before.
    pub fn never_sent(&self) -> u64 {
        self.never_sent
    }

    /// When something is to be done next, if nothing comes.
    pub fn wake_up(&self, plan: &Plan, phase: Phase) -> Option<Instant> {
        let end_of_phase = match phase {
            Phase::WarmingUp => self.start + plan.warmup,
            _ => self.start + plan.warmup + plan.duration,
        };
        Some(plan.pace.due(self.start, self.assigned).map_or(end_of_phase, |due| due.min(end_of_phase)))
    }

    /// One receiver fewer.
    pub fn one_has_gone(&mut self) {
        self.gone += 1;
    }

    /// How many have gone.
    pub fn gone(&self) -> u32 {
        self.gone
    }

    fn assign_to(&mut self, sender: u32) {
        let owed = &mut self.owed[sender as usize];
        if *owed == 0 {
            self.owing.push_back(sender);
        }
        *owed += 1;
        self.owed_in_all += 1;
        self.assigned += 1;
    }

    fn is_made(&mut self, sender: u32, count: u64) {
        self.owed[sender as usize] -= count;
        self.owed_in_all -= count;
    }

    fn pass_turn(&mut self) -> u32 {
        let sender = self.next;
        self.next = (sender + 1) % self.owed.len() as u32; // no more senders than a u32 can say
        sender
    }
}

impl<S: Stack> Load<S> {
    /// Gives out what is due, and has it made and sent.
    pub(super) fn send(&mut self) {
        if matches!(self.phase, Phase::WarmingUp | Phase::Measuring) {
            self.assign();
            for _ in 0..self.sending.owing.len() {
                let Some(sender) = self.sending.owing.pop_front() else { return };
                self.make(sender);
                if self.sending.owed[sender as usize] > 0 {
                    self.sending.owing.push_back(sender);
                }
            }
        }
    }

    /// In an open loop senders take turns whatever becomes of them; in a closed loop those that can send.
    fn assign(&mut self) {
        let under_way = self.run.tape.under_way() + self.sending.owed_in_all;
        let Sending { start, assigned, .. } = self.sending;
        let mut allowance = self.plan.pace.allowance(start, self.now, assigned, under_way);
        let is_open = self.plan.pace.due(start, 0).is_some();
        let mut passed_over = 0;
        while allowance > 0 && passed_over < self.plan.senders {
            let sender = self.sending.pass_turn();
            if is_open || self.can_send(sender) {
                self.sending.assign_to(sender);
                allowance -= 1;
                passed_over = 0;
            } else {
                passed_over += 1;
            }
        }
    }

    fn can_send(&self, sender: u32) -> bool {
        let link = &self.links[sender as usize];
        link.is_talking() && link.unsent() < OUTBOX_BYTES
    }

    /// Makes what a sender owes, as far as its socket is not far behind.
    fn make(&mut self, sender: u32) {
        while self.sending.owed[sender as usize] > 0 && self.can_send(sender) {
            self.make_chunk(sender);
            self.flush(sender);
        }
    }

    fn make_chunk(&mut self, sender: u32) {
        let first = self.run.tape.made(sender);
        let owed = self.sending.owed[sender as usize];
        let mut bytes = BytesMut::new();
        let mut messages = Vec::new();
        while bytes.len() < CHUNK_BYTES && (messages.len() as u64) < owed {
            let id = MessageId { sender, number: first + messages.len() as u64 };
            self.run.maker.append(id, &mut bytes);
            messages.push(Recorded { due: self.due(id), end: bytes.len() });
        }
        self.sending.is_made(sender, messages.len() as u64);
        if self.run.tape.under_way() == 0 {
            self.last_news = self.now; // whoever has nothing to wait for was not kept waiting
        }
        let bytes = bytes.freeze();
        self.links[sender as usize].queue(bytes.clone());
        // the sender is there, and somebody else: else the run is hopeless, and nothing is made
        self.run.tape.record(sender, bytes, messages, self.plan.receivers() - self.sending.gone);
    }

    /// When a message should have been sent: by the schedule, in which senders take turns; else now.
    fn due(&self, id: MessageId) -> Instant {
        let before = id.number * u64::from(self.plan.senders) + u64::from(id.sender);
        self.plan.pace.due(self.sending.start, before).unwrap_or(self.now)
    }

    /// Sends what a peer's socket takes. If that fails the peer is gone: it will be read, and that says so too.
    pub(super) fn flush(&mut self, peer: u32) {
        let link = &mut self.links[peer as usize];
        if link.flush(&mut self.stack).is_err() {
            link.is_read_to_the_end = true;
            link.is_readable = true;
            self.queue_reader(peer);
        }
    }

    /// Nothing more is made; but what was due and has waited until now has waited so long at least.
    pub(super) fn charge_what_was_never_sent(&mut self) {
        let receivers = u64::from(self.plan.receivers().saturating_sub(self.sending.gone));
        for sender in 0..self.plan.senders {
            let first = self.run.tape.made(sender);
            let owed = std::mem::take(&mut self.sending.owed[sender as usize]);
            let is_open = self.plan.pace.due(self.sending.start, 0).is_some();
            if is_open {
                self.sending.never_sent += owed;
                for number in first..first + owed {
                    let due = self.due(MessageId { sender, number });
                    self.run.figures.waited(due, self.now, receivers);
                }
            }
        }
        self.sending.owed_in_all = 0;
        self.sending.owing.clear();
    }
}
