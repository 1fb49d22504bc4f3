//! Who has to go, when, and how: in order, at once, by a deadline, for lack of memory. Knows no rule.
//!
//! ```text
//!   Open ──begin_ending── Ending: takes what is queued ──nothing left, or time over── leave ─→ Gone
//!     └──────────────────────── bans, slow readers, memory ──────────────────────────┘
//! ```

use std::time::Duration;

use super::Output;
use super::limits::EXPIRED_BANS_PER_TURN;
use super::peer::{Alarm, State};
use super::reason::Reason;
use super::room::Room;
use crate::protocol::{DialId, Token};
use crate::time::Instant;

/// Who is woken when its time comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sleeper {
    Peer(Token),
    Dial(DialId),
}

/// Bytes a second that whoever was answered must take of its answer at least, when that is longer than the drain time
/// allows: 256 bit/s, less than the slowest modem.
pub const SLOWEST_READER: usize = 32;
/// But it has never longer than this.
pub const LONGEST_GOODBYE: Duration = Duration::from_secs(3600);
/// The least there is between two looks at a deadline.
const TICK: Duration = Duration::from_micros(1);

impl Room {
    /// A peer is heard no more, and gets no more than it is due now.
    pub fn begin_ending(&mut self, token: Token, reason: Reason) {
        let until = self.now + self.time_to_take(token, reason).max(TICK);
        let dialect = self.dialect(token);
        let end = self.audiences.of_mut(dialect).log.mark();
        let peer = self.peer(token);
        if !peer.is_open() {
            return;
        }
        peer.state = State::Ending { reason, until };
        peer.hush();
        self.turn.ending.push(token);
        self.turn.marks.insert(token, end);
        self.account(token);
        self.schedule(token);
    }

    /// How long a peer may take for what is queued for it. Who asked for something and was answered may be at the end
    /// of a radio link, and the answer long.
    fn time_to_take(&self, token: Token, reason: Reason) -> Duration {
        let (peer, drain) = (&self.peers[token.index()], self.limits.drain);
        match reason {
            Reason::Served | Reason::Eof if peer.dialect().is_text() => {
                let seconds = peer.queue.unsent() / SLOWEST_READER;
                drain.max(Duration::from_secs(seconds as u64).min(LONGEST_GOODBYE))
            }
            _ => drain,
        }
    }

    /// A peer will send no more than is on its way already.
    pub fn hung_up(&mut self, from: Token) {
        let now = self.now;
        let peer = self.peer(from);
        if !peer.is_open() {
            return;
        }
        peer.note_hung_up(now);
        self.account(from);
        self.schedule(from);
    }

    /// A peer that is ending and has nothing left to take goes.
    pub(super) fn leave_if_done(&mut self, token: Token) {
        let peer = self.peer(token);
        if let State::Ending { reason, .. } = peer.state
            && peer.queue.unsent() == 0
        {
            self.leave(token, reason);
        }
    }

    /// A peer goes now. What it holds is freed at once, its place when it is closed.
    pub(super) fn leave(&mut self, token: Token, reason: Reason) {
        let peer = &mut self.peers[token.index()];
        if peer.is_gone() {
            return;
        }
        let unsent = peer.queue.unsent();
        let cut_off_at = if reason == Reason::Memory { peer.holds() } else { peer.queue.held() };
        peer.state = State::Gone { cut_off_at };
        peer.abandon();
        let freed = peer.queue.clear().freed;
        self.deadlines.cancel(Sleeper::Peer(token), &mut peer.wake);
        self.retained -= freed;
        self.account(token);
        self.note_undelivered(unsent);
        self.turn.outputs.push_back(Output::Disconnect(token, reason));
    }

    /// Everybody goes, in order.
    pub fn shut_down(&mut self) {
        self.is_shutting_down = true;
        self.stop_dialing();
        for token in self.audiences.everybody().collect::<Vec<_>>() {
            self.begin_ending(token, Reason::Shutdown);
        }
    }

    /// Deadlines that have come.
    pub fn expire(&mut self) {
        self.events.expire(self.now);
        self.bans.expire(self.now, EXPIRED_BANS_PER_TURN);
        while let Some(sleeper) = self.deadlines.pop(self.now) {
            match sleeper {
                Sleeper::Peer(token) => self.wake(token),
                Sleeper::Dial(id) => self.ring_dial(id),
            }
        }
    }

    /// A peer's time may have come.
    fn wake(&mut self, token: Token) {
        let peer = &mut self.peers[token.index()];
        peer.wake.came();
        if self.turn.marks.contains_key(&token) && !self.is_shutting_down {
            // whoever ends in this very turn may take what it is due of it, even with no drain time at all; at a
            // shutdown all end between turns
            return self.deadlines.by(Sleeper::Peer(token), &mut peer.wake, self.now + TICK);
        }
        if let Some((_, alarm)) = peer.deadline(&self.limits).filter(|&(when, _)| when <= self.now) {
            self.ring(token, alarm);
        }
        self.schedule(token);
    }

    pub fn next_deadline(&self) -> Option<Instant> {
        let untold = self.dials.has_forgotten().then_some(self.now);
        let deadlines = [self.deadlines.next(), self.bans.next_end(), self.events.next_deadline(), untold];
        deadlines.into_iter().flatten().min()
    }

    /// All strangers together hold too much: those that hold most go until it is below 7/8.
    pub(super) fn enforce_memory(&mut self) {
        let max = self.limits.retained_max_bytes;
        if self.retained <= max {
            return;
        }
        self.count_stale();
        if self.retained <= max {
            return;
        }
        let holds = |token: Token| (self.peers[token.index()].holds(), token);
        let mut holders: Vec<(usize, Token)> =
            self.audiences.everybody().map(holds).filter(|&(held, _)| held > 0).collect();
        holders.sort_unstable();
        while self.retained > max / 8 * 7
            && let Some((_, token)) = holders.pop()
        {
            self.leave(token, Reason::Memory);
            self.count_stale();
        }
    }

    /// Bytes that a peer will not get; told at the end when we are the ones who go.
    pub(super) fn note_undelivered(&mut self, bytes: usize) {
        if self.is_shutting_down && bytes > 0 {
            self.stats.undelivered.peers += 1;
            self.stats.undelivered.bytes += bytes as u64;
        }
    }

    fn ring(&mut self, token: Token, alarm: Alarm) {
        match alarm {
            Alarm::Frame => self.begin_ending(token, Reason::FrameTimeout),
            Alarm::Idle => self.begin_ending(token, Reason::IdleTimeout),
            Alarm::HungUp => self.begin_ending(token, Reason::Eof),
            Alarm::QueueSoft => self.leave(token, Reason::QueueSoft),
            Alarm::Drain => self.leave(token, Reason::Drain),
            Alarm::Resume => {
                let now = self.now;
                self.peer(token).rates.iter_mut().for_each(|rates| rates.refill(now));
                self.resume_if_possible(token);
            }
        }
    }
}
