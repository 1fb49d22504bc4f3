//! One peer: its read buffer, its write queue, its deadlines. Knows no other peer.

use std::net::SocketAddr;

use super::events::Who;
use super::limits::{Limits, REPLIES_WAITING_MAX};
use super::rates::Rates;
use super::reason::Reason;
use super::stats::Traffic;
use crate::deadlines::Wake;
use crate::protocol::{PeerId, Penalty};
use crate::time::Instant;
use crate::wire::opener::{self, Guess};
use crate::wire::turn_log::Mark;
use crate::wire::{Decoder, Magic, Opener, WriteQueue};

/// A connection as the rules see it.
#[derive(Debug)]
pub(super) struct Peer {
    pub id: PeerId,
    pub address: SocketAddr,
    /// Where it stands in the roster.
    pub place: usize,
    pub state: State,
    pub decoder: Decoder,
    pub queue: WriteQueue,
    /// Its share of the turn's log. Only while the log is being flushed, but for `upto`.
    pub share: Share,
    pub rates: Option<Box<Rates>>,
    pub opening: Opening,
    /// Replies of this turn.
    pub replies: u32,
    /// Why it is not read until a `Read` says so.
    pub stop: Option<Stop>,
    /// Whether it has been told of that it was over its rate.
    pub was_paused: bool,
    /// Bytes its queue pinned when it was told to go.
    pub cut_off_at: usize,
    pub accepted: Instant,
    pub last_received: Instant,
    /// When it was heard that it will send no more than is on its way.
    pub hung_up: Option<Instant>,
    /// When the first byte of the unfinished frame came.
    pub frame_since: Option<Instant>,
    /// Since when its queue is over the soft limit.
    pub over_soft_since: Option<Instant>,
    pub wake: Wake,
    pub incoming: Traffic,
    pub outgoing: Traffic,
    /// Its own memory as last counted among what is retained.
    pub counted: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It is heard, and everything is queued for it.
    Open,
    /// It is not heard and nothing new is queued; it may take what is queued until then.
    Ending { reason: Reason, until: Instant },
    /// `Disconnect` has been said. Mute until it is closed.
    Gone,
}

/// Why a peer is not read. It holds up nobody but itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// Its own replies wait to be sent.
    Replies,
    /// It is over its rate.
    Rate,
}

/// What a peer is due of the turn's log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    /// How far it reaches: for a peer that ends, to where the log stood; from the next turn on, nowhere.
    pub upto: Mark,
    /// Bytes it is due.
    pub due: usize,
    /// Bytes of these that are sent.
    pub sent: usize,
}

/// The first bytes of the stream: are they another protocol's?
#[derive(Debug)]
pub(super) enum Opening {
    /// Nothing has come.
    Silent,
    /// Too little to say.
    Undecided(Box<[u8]>),
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

impl Share {
    /// Nothing due so far, and then as far as that.
    pub const fn upto(mark: Mark) -> Self {
        Self { upto: mark, due: 0, sent: 0 }
    }
}

impl Peer {
    pub fn new(now: Instant, who: Who, place: usize, limits: &Limits, over_rate: Penalty) -> Self {
        Self {
            id: who.peer,
            address: who.address,
            place,
            state: State::Open,
            decoder: Decoder::new(limits.decoder),
            queue: WriteQueue::default(),
            share: Share::upto(Mark::END),
            rates: Rates::new(now, limits, over_rate),
            opening: Opening::Silent,
            replies: 0,
            stop: None,
            was_paused: false,
            cut_off_at: 0,
            accepted: now,
            last_received: now,
            hung_up: None,
            frame_since: None,
            over_soft_since: None,
            wake: Wake::default(),
            incoming: Traffic::default(),
            outgoing: Traffic::default(),
            counted: 0,
        }
    }

    pub fn who(&self) -> Who {
        Who { peer: self.id, address: self.address }
    }

    pub fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Bytes not yet sent to it.
    pub fn unsent(&self) -> usize {
        self.queue.unsent() + self.share.due - self.share.sent
    }

    /// Memory that only this peer makes us hold, bytes.
    pub fn memory(&self) -> usize {
        self.decoder.memory() + self.queue.memory()
    }

    /// Memory that cutting this peer off could free, bytes: its own, and the chunks it pins with others.
    pub fn holds(&self) -> usize {
        self.memory() + self.queue.pinned()
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
        (self.allowed_by_rate() == 0).then_some(Stop::Rate)
    }

    /// Whether what it was stopped for may be over: only then is it asked whether there is a cause to stop.
    pub fn may_resume(&self) -> bool {
        match self.stop {
            None => false,
            Some(Stop::Replies) => self.queue.replies_waiting() == 0,
            Some(Stop::Rate) => true, // its buckets are as empty as they were until they are refilled
        }
    }

    /// Whether the stream so far is another protocol's opener.
    pub fn opener_in(&mut self, bytes: &[u8], ours: Magic) -> Option<Opener> {
        let mut first = match &self.opening {
            Opening::Decided => return None,
            Opening::Silent => Vec::new(),
            Opening::Undecided(first) => first.to_vec(),
        };
        first.extend_from_slice(&bytes[..bytes.len().min(opener::LONGEST - first.len())]);
        match opener::guess(&first, ours) {
            Guess::Undecided => self.opening = Opening::Undecided(first.into()),
            Guess::None => self.opening = Opening::Decided,
            Guess::Opener(opener) => {
                self.opening = Opening::Decided;
                return Some(opener);
            }
        }
        None
    }

    /// Whether the stream so far is too short to say that it is no opener.
    pub fn may_be_opening(&self) -> bool {
        matches!(self.opening, Opening::Undecided(_))
    }

    /// Bytes have been decoded at `now`: when did the frame now arriving begin?
    pub fn note_unfinished(&mut self, now: Instant) {
        if !self.decoder.is_unfinished() {
            self.frame_since = None;
        } else {
            self.frame_since.get_or_insert(now);
        }
    }

    /// Reading goes on after a stop that was our doing: the time it took is not held against the peer.
    pub fn resume(&mut self, now: Instant) {
        self.last_received = now;
        if self.frame_since.is_some() {
            self.frame_since = Some(now);
        }
    }

    /// Its next deadline, and what it is about.
    pub fn deadline(&self, limits: &Limits) -> Option<(Instant, Alarm)> {
        let soft = self.over_soft_since.map(|since| (since + limits.queue_soft_time, Alarm::QueueSoft));
        match self.state {
            State::Gone => None,
            State::Ending { until, .. } => Some((until, Alarm::Drain)),
            // that a frame is not finished while we do not listen is our doing
            State::Open if self.stop.is_some() => {
                let rates = self.rates.as_ref().filter(|_| self.stop == Some(Stop::Rate));
                let resume = rates.map(|rates| (rates.ready_at(), Alarm::Resume));
                let hung_up = self.hung_up.map(|since| (since + limits.drain, Alarm::HungUp));
                // whoever does not take its replies is as good as silent
                let idle = self.idle_alarm(limits).filter(|_| self.stop == Some(Stop::Replies));
                soonest([soft, resume, hung_up, idle])
            }
            State::Open => {
                let frame = self.frame_since.map(|since| (since + limits.frame_timeout, Alarm::Frame));
                soonest([soft, frame, self.idle_alarm(limits)])
            }
        }
    }

    fn idle_alarm(&self, limits: &Limits) -> Option<(Instant, Alarm)> {
        limits.idle_timeout.map(|silence| (self.last_received + silence, Alarm::Idle))
    }

    fn allowed_by_rate(&self) -> usize {
        self.rates.as_ref().map_or(usize::MAX, |rates| rates.read_limit(self.decoder.wants()))
    }
}

fn soonest<const N: usize>(alarms: [Option<(Instant, Alarm)>; N]) -> Option<(Instant, Alarm)> {
    alarms.into_iter().flatten().min_by_key(|&(when, _)| when)
}
