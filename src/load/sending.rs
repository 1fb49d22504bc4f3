//! What goes out: who is to send how much, and when. Knows the pace and the tape.

use std::collections::VecDeque;

use super::maker::MessageId;
use super::pace::{Pace, share};
use super::plan::Plan;
use super::rendering::{Rendering, Renderings};
use super::{Load, Phase};
use crate::server::Stack;
use crate::time::Instant;

/// Bytes that a sender may have waiting for its socket before it makes no more: enough to keep it busy.
pub(super) const OUTBOX_BYTES: usize = 256 * 1024;
/// Bytes that are made at once: one chunk for one write.
const CHUNK_BYTES: usize = 64 * 1024;
/// Steps in which messages that were never sent are charged: of many that were due one after the other the same
/// time is taken.
const CHARGES: u64 = 10_000;

/// Who is to send.
#[derive(Debug)]
pub struct Sending {
    start: Instant,
    /// Open loop: messages that were due when it was last looked.
    due: u64,
    /// Open loop: senders that have not made all they should have.
    lagging: VecDeque<u32>,
    /// Open loop: whether a sender is among these.
    is_lagging: Vec<bool>,
    /// Closed loop: whose turn is next.
    next: u32,
    /// Receivers that have gone.
    gone: u32,
    /// Messages that were due and never made.
    never_sent: u64,
}

impl Sending {
    /// Nobody has sent anything.
    pub fn new(senders: u32) -> Self {
        Self {
            start: Instant::START,
            due: 0,
            lagging: VecDeque::new(),
            is_lagging: vec![false; senders as usize],
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

    /// Messages that were due and were never made, because the server did not take what came before.
    pub fn never_sent(&self) -> u64 {
        self.never_sent
    }

    /// So many messages have waited to the end, and will not be sent.
    pub fn were_never_sent(&mut self, count: u64) {
        self.never_sent = self.never_sent.saturating_add(count);
    }

    /// When something is to be done next, if nothing comes.
    pub fn wake_up(&self, plan: &Plan, phase: Phase) -> Option<Instant> {
        let end_of_phase = match phase {
            Phase::WarmingUp => self.start + plan.warmup,
            _ => self.start + plan.warmup + plan.duration,
        };
        Some(plan.pace.due(self.start, self.due).map_or(end_of_phase, |due| due.min(end_of_phase)))
    }

    /// One receiver fewer.
    pub fn one_has_gone(&mut self) {
        self.gone += 1;
    }

    /// How many have gone.
    pub fn gone(&self) -> u32 {
        self.gone
    }

    /// So many messages are due by now: their senders lag behind until they have made them.
    fn note_due(&mut self, due: u64) {
        let senders = self.is_lagging.len() as u64;
        for nth in self.due..due.min(self.due + senders) {
            let sender = (nth % senders) as u32; // no more senders than a u32 can say
            if !std::mem::replace(&mut self.is_lagging[sender as usize], true) {
                self.lagging.push_back(sender);
            }
        }
        self.due = due;
    }
}

impl<S: Stack> Load<S> {
    /// Makes and sends what is due.
    pub(super) fn send(&mut self) {
        if !matches!(self.phase, Phase::WarmingUp | Phase::Measuring) {
            return;
        }
        match self.plan.pace {
            Pace::Rate(_) | Pace::Every(_) => self.catch_up(self.now),
            Pace::Window(_) => self.fill_window(),
        }
    }

    /// Open loop: every sender makes what was due until then, as far as its socket is not far behind.
    fn catch_up(&mut self, until: Instant) {
        let due = self.plan.pace.due_by(self.sending.start, until);
        self.sending.note_due(due);
        for _ in 0..self.sending.lagging.len() {
            let Some(sender) = self.sending.lagging.pop_front() else { return };
            self.make(sender, self.owed(sender));
            if self.owed(sender) > 0 {
                self.sending.lagging.push_back(sender);
            } else {
                self.sending.is_lagging[sender as usize] = false;
            }
        }
    }

    /// Closed loop: whoever can send takes turns, a fair part of what is allowed at a time.
    fn fill_window(&mut self) {
        let mut passed_over = 0;
        while passed_over < self.plan.senders {
            let allowance = self.plan.pace.allowance(self.run.tape.under_way());
            if allowance == 0 {
                return;
            }
            let sender = self.sending.next;
            self.sending.next = (sender + 1) % self.plan.senders;
            let made = self.make(sender, allowance.div_ceil(self.plan.senders.into()));
            passed_over = if made > 0 { 0 } else { passed_over + 1 };
        }
    }

    /// What a sender should have made by now and has not.
    fn owed(&self, sender: u32) -> u64 {
        share(self.sending.due, sender, self.plan.senders).saturating_sub(self.run.tape.made(sender))
    }

    fn can_send(&self, sender: u32) -> bool {
        let link = &self.links[sender as usize];
        link.is_talking() && link.unsent() < OUTBOX_BYTES && self.sending.gone < self.plan.receivers()
    }

    /// Makes at most so many messages, as far as the sender's socket is not far behind. How many.
    fn make(&mut self, sender: u32, most: u64) -> u64 {
        let mut made = 0;
        while made < most && self.can_send(sender) {
            made += self.make_chunk(sender, most - made);
            self.flush(sender);
        }
        made
    }

    fn make_chunk(&mut self, sender: u32, most: u64) -> u64 {
        let first = MessageId { sender, number: self.run.tape.made(sender) };
        let tracks = self.render(first, most);
        let made = tracks[0].count();
        let dues = (first.number..first.number + made).map(|number| self.due(MessageId { sender, number }));
        let dues: Vec<Instant> = dues.collect();
        dues.iter().for_each(|due| self.run.figures.made(*due, self.now));
        if self.run.tape.under_way() == 0 {
            self.last_news = self.now; // whoever has nothing to wait for was not kept waiting
        }
        let track = self.plan.track(sender);
        self.links[sender as usize].queue(self.run.maker.published(track, &tracks[track as usize]));
        self.run.tape.record(sender, dues, tracks, self.plan.receivers() - self.sending.gone);
        made
    }

    /// At most so many messages, a chunk's, as they are delivered on each track.
    fn render(&self, first: MessageId, most: u64) -> Renderings {
        let maker = &self.run.maker;
        let mut tracks = Renderings::new();
        for track in maker.tracks() {
            let (most, enough) =
                tracks.first().map_or((most, CHUNK_BYTES), |one: &Rendering| (one.count(), usize::MAX));
            tracks.push(maker.render(track, first, most, enough));
        }
        tracks
    }

    /// When a message should have been sent: by the schedule, in which senders take turns; else now.
    fn due(&self, id: MessageId) -> Instant {
        let before = id.number.saturating_mul(self.plan.senders.into()).saturating_add(id.sender.into());
        self.plan.pace.due(self.sending.start, before).unwrap_or(self.now)
    }

    /// Sends what a peer's socket takes. If that fails the peer is gone: it will be read, and that says so too.
    pub(super) fn flush(&mut self, peer: u32) {
        let link = &mut self.links[peer as usize];
        match link.flush(&mut self.stack) {
            Ok(0) => {}
            Ok(_) => self.last_news = self.now,
            Err(_) => {
                link.is_read_to_the_end = true;
                link.is_readable = true;
                self.queue_reader(peer);
            }
        }
    }

    /// What was due before `end` is the last that is made. What sockets have no room for has waited until now, so
    /// long at least. A sender that is gone is not waited for.
    pub(super) fn end_schedule(&mut self, end: Instant) {
        if matches!(self.plan.pace, Pace::Window(_)) {
            return;
        }
        self.catch_up(Instant::from_micros(end.as_micros().saturating_sub(1)));
        let receivers = u64::from(self.plan.receivers().saturating_sub(self.sending.gone));
        for sender in (0..self.plan.senders).filter(|&sender| self.links[sender as usize].is_talking()) {
            let (first, owed) = (self.run.tape.made(sender), self.owed(sender));
            self.sending.were_never_sent(owed);
            let step = owed.div_ceil(CHARGES).max(1);
            for number in (first..first + owed).step_by(usize::try_from(step).unwrap_or(usize::MAX)) {
                let due = self.due(MessageId { sender, number });
                let count = step.min(first + owed - number);
                self.run.figures.waited(due, self.now, receivers.saturating_mul(count));
            }
        }
    }
}
