//! One peer: its read buffer, its write queue, its deadlines. Knows no other peer.

use std::net::IpAddr;

use arrayvec::ArrayVec;

use super::address::Origin;
use super::events::Who;
use super::intake::Intake;
use super::limits::{Limits, REPLIES_WAITING_MAX};
use super::rates::Rates;
use super::reason::Reason;
use super::stats::Traffic;
use crate::deadlines::Wake;
use crate::protocol::{Dialect, PeerId, Penalty, Stream};
use crate::time::Instant;
use crate::wire::opener::{self, Guess};
use crate::wire::{Magic, Opener, WriteQueue};

/// A connection as the rules see it. Most of them are idle, and there are many: what few have is kept aside.
///
/// In this order: a flush goes from peer to peer and touches what comes first, reading what comes next.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Peer {
    pub state: State,
    pub queue: WriteQueue,
    pub outgoing: Traffic,
    pub incoming: Traffic,
    pub last_received: Instant,
    pub intake: Intake,
    pub rates: Option<Box<Rates>>,
    /// Its own memory as last counted among what is retained.
    pub counted: usize,
    pub wake: Wake,
    rarities: Option<Box<Rarities>>,
    pub accepted: Instant,
    pub id: PeerId,
    origin: Origin,
    /// Where it stands in the roster of its dialect.
    pub place: u32,
    opening: Opening,
    /// Why it is not read until a `Read` says so.
    pub stop: Option<Stop>,
    /// Whether it has been told of that it was over its rate.
    pub was_paused: bool,
    /// Whether it gets what is told to everybody: of those that speak text not all do.
    pub is_listening: bool,
}

/// A place in the roster of a dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub dialect: Dialect,
    pub nth: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is heard, and everything is queued for it.
    Open {
        /// When the first byte of the unfinished frame or line came.
        frame_since: Option<Instant>,
    },
    /// It is not heard and nothing new is queued; it may take what is queued until then.
    Ending { reason: Reason, until: Instant },
    /// `Disconnect` has been said. Mute until it is closed.
    Gone {
        /// Bytes its queue pinned when it was told to go.
        cut_off_at: usize,
    },
}

/// What nearly no peer has.
#[derive(Debug, Default)]
struct Rarities {
    /// Its first bytes, while they are too few to say whether they are another protocol's.
    first: ArrayVec<u8, { opener::LONGEST }>,
    /// When it was heard that it will send no more than is on its way.
    hung_up: Option<Instant>,
    /// Since when its queue is over the soft limit.
    over_soft_since: Option<Instant>,
}

/// Why a peer is not read. It holds up nobody but itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its own replies wait to be sent.
    Replies,
    /// It is over its rate.
    Rate,
    /// What it sent is to be worked off first.
    Busy,
}

/// The first bytes of the stream: are they another protocol's?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opening {
    /// Nothing has come, or too little to say.
    Undecided,
    Decided,
}

/// What a peer's deadline is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Alarm {
    Frame,
    Idle,
    QueueSoft,
    Drain,
    /// It has gone, and what it sent could not be read in time.
    HungUp,
    /// Its rate allows reading again.
    Resume,
}

impl Peer {
    pub fn new(now: Instant, who: Who, at: Place, limits: &Limits, over_rate: Penalty) -> Self {
        Self {
            state: State::Open { frame_since: None },
            queue: WriteQueue::default(),
            outgoing: Traffic::default(),
            incoming: Traffic::default(),
            last_received: now,
            intake: Intake::of(at.dialect),
            rates: Rates::new(now, limits, over_rate),
            counted: 0,
            wake: Wake::default(),
            rarities: None,
            accepted: now,
            id: who.peer,
            origin: who.address.into(),
            place: at.nth,
            opening: match at.dialect {
                Dialect::Frames | Dialect::Lines | Dialect::Json | Dialect::Chain => Opening::Undecided,
                Dialect::Http => Opening::Decided, // whatever comes, HTTP has an answer to it
            },
            stop: None,
            was_paused: false,
            is_listening: !at.dialect.is_text(),
        }
    }

    pub fn who(&self) -> Who {
        Who { peer: self.id, address: self.origin.into() }
    }

    pub fn ip(&self) -> IpAddr {
        self.who().address.ip()
    }

    pub fn dialect(&self) -> Dialect {
        self.intake.dialect()
    }

    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open { .. })
    }

    pub fn is_gone(&self) -> bool {
        matches!(self.state, State::Gone { .. })
    }

    /// Bytes its queue pinned when it was told to go; none of whoever was not told.
    pub fn cut_off_at(&self) -> usize {
        match self.state {
            State::Gone { cut_off_at } => cut_off_at,
            State::Open { .. } | State::Ending { .. } => 0,
        }
    }

    /// Memory that only this peer makes us hold, bytes.
    pub fn memory(&self) -> usize {
        let aside = self.rarities.as_ref().map_or(0, |_| size_of::<Rarities>());
        self.intake.memory() + self.queue.memory() + aside
    }

    /// Memory that cutting this peer off could free, bytes: its own, and the chunks it pins with others.
    pub fn holds(&self) -> usize {
        self.memory() + self.queue.pinned() + self.queue.stored()
    }

    /// How many bytes may be read of it now.
    pub fn read_limit(&self) -> usize {
        if self.is_open() && self.stop.is_none() { self.allowed_by_rate() } else { 0 }
    }

    /// Why it may not be read on, if so.
    pub fn cause_to_stop(&self) -> Option<Stop> {
        if self.queue.replies_waiting() > REPLIES_WAITING_MAX {
            return Some(Stop::Replies);
        }
        if self.intake.is_busy() {
            return Some(Stop::Busy);
        }
        (self.allowed_by_rate() == 0).then_some(Stop::Rate)
    }

    /// Whether what it was stopped for may be over: only then is it asked whether there is a cause to stop.
    pub fn may_resume(&self) -> bool {
        match self.stop {
            None => false,
            Some(Stop::Replies) => self.queue.replies_waiting() == 0,
            Some(Stop::Busy) => !self.intake.is_busy(),
            Some(Stop::Rate) => true, // its buckets are as empty as they were until they are refilled
        }
    }

    /// Whether the stream so far is another protocol's opener.
    pub fn opener_in(&mut self, bytes: &[u8], ours: Magic) -> Option<Opener> {
        if self.opening == Opening::Decided {
            return None;
        }
        let mut first = self.rarities.as_ref().map(|rare| rare.first.clone()).unwrap_or_default();
        first.extend(bytes.iter().copied().take(first.remaining_capacity()));
        let guess = match self.dialect() {
            Dialect::Frames => opener::guess(&first, ours),
            Dialect::Lines => opener::guess_among_lines(&first, ours),
            Dialect::Json | Dialect::Http => opener::guess_before_json(&first, ours, Opener::Json),
            Dialect::Chain => opener::guess_before_json(&first, ours, Opener::Chain),
        };
        if guess == Guess::Undecided {
            self.rarities.get_or_insert_default().first = first;
            return None;
        }
        self.opening = Opening::Decided;
        self.forget(|rare| rare.first.clear());
        match guess {
            Guess::Opener(opener) => Some(opener),
            Guess::Undecided | Guess::None => None,
        }
    }

    /// Whether the stream so far is too short to say that it is no opener.
    pub fn may_be_opening(&self) -> bool {
        self.opening == Opening::Undecided
    }

    /// It will send no more than is on its way.
    pub fn note_hung_up(&mut self, now: Instant) {
        self.rarities.get_or_insert_default().hung_up.get_or_insert(now);
    }

    /// Its queue is over the soft limit. True when it was not before.
    pub fn note_over_soft(&mut self, now: Instant) -> bool {
        let since = &mut self.rarities.get_or_insert_default().over_soft_since;
        let is_new = since.is_none();
        since.get_or_insert(now);
        is_new
    }

    /// Its queue is not over the soft limit any more.
    pub fn note_under_soft(&mut self) {
        self.forget(|rare| rare.over_soft_since = None);
    }

    /// It is heard no more: forgets the unfinished frame or line, and what matters only as long as it is heard. What
    /// its protocol has of its text is there until it is gone.
    pub fn hush(&mut self) {
        self.intake.hush();
        self.rarities = None;
    }

    /// It goes: what it has sent counts for nothing any more.
    pub fn abandon(&mut self) {
        self.intake.abandon();
        self.rarities = None;
    }

    /// A frame or line has passed to its last byte: what comes now is another.
    pub fn note_passed(&mut self) {
        if let State::Open { frame_since } = &mut self.state {
            *frame_since = None;
        }
    }

    /// Bytes have been decoded at `now`: when did the one now arriving begin?
    pub fn note_unfinished(&mut self, now: Instant) {
        if let State::Open { frame_since } = &mut self.state {
            *frame_since = self.intake.is_unfinished().then(|| frame_since.unwrap_or(now));
        }
    }

    /// What its stream of text is at. The time that its work took is not held against what arrives now.
    pub fn note_stream(&mut self, now: Instant, stream: Stream) {
        let Intake::Text(text) = &mut self.intake else { return };
        let worked = text.note(now, stream);
        if let State::Open { frame_since: Some(since) } = &mut self.state {
            *since = (*since + worked).min(now);
        }
        self.note_unfinished(now);
    }

    /// Reading goes on after a stop that was our doing: the time it took is not held against the peer.
    pub fn resume(&mut self, now: Instant, after: Option<Stop>) {
        self.last_received = now;
        if let State::Open { frame_since: Some(since) } = &mut self.state
            && after != Some(Stop::Busy)
        {
            *since = now;
        }
    }

    /// Its next deadline, and what it is about.
    pub fn deadline(&self, limits: &Limits) -> Option<(Instant, Alarm)> {
        let soft = self.rare(|rare| rare.over_soft_since);
        let soft = soft.map(|since| (since + limits.queue_soft_time, Alarm::QueueSoft));
        match self.state {
            State::Gone { .. } => None,
            State::Ending { until, .. } => Some((until, Alarm::Drain)),
            // that a frame is not finished while we do not listen is our doing
            State::Open { .. } if self.stop.is_some() => {
                let rates = self.rates.as_ref().filter(|_| self.stop == Some(Stop::Rate));
                let resume = rates.map(|rates| (rates.ready_at(), Alarm::Resume));
                let hung_up = self.rare(|rare| rare.hung_up);
                // what was sent before is being worked off, and that takes as long as it takes
                let hung_up = hung_up.filter(|_| self.stop != Some(Stop::Busy));
                let hung_up = hung_up.map(|since| (since + limits.drain, Alarm::HungUp));
                // whoever does not take its replies is as good as silent
                let idle = self.idle_alarm(limits).filter(|_| self.stop == Some(Stop::Replies));
                soonest([soft, resume, hung_up, idle])
            }
            State::Open { frame_since } => {
                let frame = frame_since.map(|since| (since + limits.frame_timeout, Alarm::Frame));
                soonest([soft, frame, self.idle_alarm(limits)])
            }
        }
    }

    /// What it has of what few have.
    fn rare<T>(&self, what: impl FnOnce(&Rarities) -> Option<T>) -> Option<T> {
        self.rarities.as_deref().and_then(what)
    }

    /// It has something less of what few have, and perhaps nothing.
    fn forget(&mut self, what: impl FnOnce(&mut Rarities)) {
        if let Some(rare) = &mut self.rarities {
            what(rare);
            if rare.is_empty() {
                self.rarities = None;
            }
        }
    }

    fn idle_alarm(&self, limits: &Limits) -> Option<(Instant, Alarm)> {
        limits.idle_timeout.map(|silence| (self.last_received + silence, Alarm::Idle))
    }

    fn allowed_by_rate(&self) -> usize {
        self.rates
            .as_ref()
            .map_or(usize::MAX, |rates| rates.read_limit(self.intake.wants(), self.intake.shortest()))
    }
}

impl Rarities {
    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.hung_up.is_none() && self.over_soft_since.is_none()
    }
}

fn soonest<const N: usize>(alarms: [Option<(Instant, Alarm)>; N]) -> Option<(Instant, Alarm)> {
    alarms.into_iter().flatten().min_by_key(|&(when, _)| when)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::test_limits;

    fn peer() -> Peer {
        let who = Who { peer: PeerId(1), address: "192.0.2.1:5000".parse().unwrap() };
        let at = Place { dialect: Dialect::Frames, nth: 0 };
        Peer::new(Instant::START, who, at, &test_limits(), Penalty::Ban)
    }

    #[test]
    fn an_idle_peer_is_176_bytes() {
        // state 16, queue 8, traffic both ways 32, last received 8, intake 32, rates, counted, wake, rarities,
        // accepted and id 8 each, origin 24, place 4, and four bytes that say how it is
        assert_eq!(size_of::<Peer>(), 176);
        assert_eq!(size_of::<Option<Peer>>(), 176, "a place where nobody is can be told");
        assert_eq!(peer().memory(), 0);
    }

    #[test]
    fn what_few_have_is_counted_as_long_as_there_is_any() {
        let mut peer = peer();
        let ours = test_limits().decoder.magic;
        assert_eq!((peer.opener_in(b"GE", ours), peer.may_be_opening()), (None, true));
        assert_eq!(peer.memory(), size_of::<Rarities>());
        assert_eq!((peer.opener_in(b"nuine", ours), peer.may_be_opening()), (None, false));
        assert_eq!(peer.memory(), 0);

        assert!(peer.note_over_soft(Instant::START) && !peer.note_over_soft(Instant::START));
        peer.note_hung_up(Instant::START);
        peer.note_under_soft();
        assert_eq!(peer.memory(), size_of::<Rarities>(), "it still has hung up");
        peer.abandon();
        assert_eq!(peer.memory(), 0);
    }
}
