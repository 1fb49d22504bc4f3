//! What an operator is told. Knows what happened, not how it is written down.
//!
//! Strangers cause these, so they are bounded at the source: of each kind at most ten a second are kept,
//! and then it is said how many more there were.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::address::AddressKey;
use super::reason::{Reason, Refusal};
use super::stats::Traffic;
use crate::protocol::{DialId, Offence, PeerId};
use crate::time::Instant;
use crate::wire::Opener;

/// Events of one kind kept in one second.
pub const EVENTS_PER_SECOND: u32 = 10;

/// Events kept at most until they are asked for.
const WAITING_MAX: usize = 1024;

/// Something an operator wants to know.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// A peer has come.
    Connected {
        /// Who.
        who: Who,
        /// How many there are now.
        peers: usize,
    },
    /// A peer has gone.
    Closed {
        /// Who.
        who: Who,
        /// Why.
        reason: Reason,
        /// How long it was here.
        after: Duration,
        /// What it sent.
        incoming: Traffic,
        /// What it was sent.
        outgoing: Traffic,
        /// Bytes of its that were no frame.
        skipped: u64,
        /// Bytes its queue pinned when it was cut off.
        queued: usize,
    },
    /// A peer broke a rule and its address is shut out.
    Banned {
        /// Who.
        who: Who,
        /// What is shut out.
        address: AddressKey,
        /// The first moment at which it is admitted again.
        until: Instant,
        /// Which rule.
        offence: Offence,
        /// How, for a person.
        detail: String,
    },
    /// A peer broke a rule that costs the connection, or is never banned.
    Disconnected {
        /// Who.
        who: Who,
        /// Which rule.
        offence: Offence,
        /// How, for a person.
        detail: String,
    },
    /// A peer broke a rule that costs the frame.
    Dropped {
        /// Who.
        who: Who,
        /// Which rule.
        offence: Offence,
        /// How, for a person.
        detail: String,
    },
    /// A peer is over its rate for the first time and is not read for a while.
    Paused {
        /// Who.
        who: Who,
    },
    /// The sliding window has passed over a peer's bytes for the first time.
    Skipped {
        /// Who.
        who: Who,
        /// How many so far.
        bytes: u64,
    },
    /// A connection was not begun.
    Refused {
        /// From where.
        address: IpAddr,
        /// Why.
        refusal: Refusal,
        /// When all places are taken: who holds most of them, and how many.
        busiest: Option<(AddressKey, usize)>,
    },
    /// A connection's first bytes were another protocol's.
    Opener {
        /// From where.
        address: SocketAddr,
        /// Whose.
        opener: Opener,
    },
    /// Somebody who is kept up is there.
    Dialed {
        /// Which of them.
        dial: DialId,
        /// As which peer.
        who: Who,
        /// How many there are now.
        peers: usize,
    },
    /// Somebody who is kept up has gone, as `Closed` has told.
    Lost {
        /// Which of them.
        dial: DialId,
        /// Which peer it was.
        who: Who,
        /// Why.
        reason: Reason,
        /// When it is dialled again.
        retry_in: Duration,
    },
    /// Somebody who is kept up cannot be reached, at none of its addresses. Told once, until it was there.
    Undialed {
        /// Which of them.
        dial: DialId,
        /// Where it was tried last.
        at: SocketAddr,
        /// How that failed.
        why: io::ErrorKind,
    },
    /// Somebody a peer has told of has stayed away too long, or is banned, and is not dialled any more.
    LetGo {
        /// Which of them.
        dial: DialId,
        /// Where it was to be.
        at: SocketAddr,
    },
    /// More is relayed than can be known for as long as it should be: see [`Limits::dedup_max`](super::Limits::dedup_max).
    Forgot {
        /// How long what was forgotten was known at least.
        after: Duration,
        /// How many may be known at once.
        most: usize,
    },
    /// There were more events of a kind than are told.
    More {
        /// Which kind.
        kind: Kind,
        /// How many.
        count: u64,
    },
}

/// A peer, as an operator knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who {
    /// Its serial number.
    pub peer: PeerId,
    /// Where it comes from.
    pub address: SocketAddr,
}

/// Kinds of events, each with a bound of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Event::Connected`]
    Connected,
    /// [`Event::Closed`], the peer's own doing
    Closed,
    /// [`Event::Closed`], too slow or too greedy
    CutOff,
    /// [`Event::Banned`]
    Banned,
    /// [`Event::Disconnected`]
    Disconnected,
    /// [`Event::Dropped`]
    Dropped,
    /// [`Event::Paused`]
    Paused,
    /// [`Event::Skipped`]
    Skipped,
    /// [`Event::Refused`]
    Refused,
    /// [`Event::Opener`]
    Opener,
    /// [`Event::Dialed`], [`Event::Lost`], [`Event::Undialed`]: no stranger causes these, and all are kept
    Dial,
    /// The same of somebody whom a peer has told of, and [`Event::LetGo`]: these strangers cause
    Added,
    /// [`Event::Forgot`]
    Forgot,
}

/// The events not yet told.
#[derive(Debug, Default)]
pub struct Events {
    waiting: Vec<Event>,
    quotas: [Quota; Kind::ALL.len()],
}

#[derive(Clone, Copy, Debug, Default)]
struct Quota {
    /// When the second began in which `kept` and `withheld` are counted.
    since: Option<Instant>,
    kept: u32,
    withheld: u64,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::Connected,
        Self::Closed,
        Self::CutOff,
        Self::Banned,
        Self::Disconnected,
        Self::Dropped,
        Self::Paused,
        Self::Skipped,
        Self::Refused,
        Self::Opener,
        Self::Dial,
        Self::Added,
        Self::Forgot,
    ];

    /// For a person: "… and 4,312 more" of these.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Closed => "closed",
            Self::CutOff => "cut off",
            Self::Banned => "banned",
            Self::Disconnected => "disconnected",
            Self::Dropped => "dropped",
            Self::Paused => "paused",
            Self::Skipped => "skipped",
            Self::Refused => "refused",
            Self::Opener => "closed before a frame",
            Self::Dial => "connected, lost or out of reach",
            Self::Added => "connected, lost or out of reach, of those that were added",
            Self::Forgot => "times forgotten early",
        }
    }
}

impl Events {
    /// Keeps what `event` makes, if the second still has room for its kind.
    pub fn push(&mut self, now: Instant, kind: Kind, event: impl FnOnce() -> Event) {
        self.tell_more_of(now, kind);
        let quota = &mut self.quotas[kind as usize];
        quota.since.get_or_insert(now);
        let is_allowed = kind == Kind::Dial || quota.kept < EVENTS_PER_SECOND;
        if is_allowed && self.waiting.len() < WAITING_MAX {
            quota.kept += 1;
            self.waiting.push(event());
        } else {
            quota.withheld += 1;
        }
    }

    /// Says how many more there were, once a second is over.
    pub fn expire(&mut self, now: Instant) {
        for kind in Kind::ALL {
            self.tell_more_of(now, kind);
        }
    }

    /// When there is something to say again.
    pub fn next_deadline(&self) -> Option<Instant> {
        let waiting = self.quotas.iter().filter(|quota| quota.withheld > 0);
        waiting.filter_map(Quota::end).min()
    }

    /// What has not been told yet, oldest first.
    pub fn drain(&mut self) -> impl Iterator<Item = Event> {
        self.waiting.drain(..)
    }

    fn tell_more_of(&mut self, now: Instant, kind: Kind) {
        let quota = &mut self.quotas[kind as usize];
        if quota.end().is_some_and(|end| end <= now) {
            let over = std::mem::take(quota);
            if over.withheld > 0 && self.waiting.len() < WAITING_MAX {
                self.waiting.push(Event::More { kind, count: over.withheld });
            }
        }
    }
}

impl Quota {
    fn end(&self) -> Option<Instant> {
        self.since.map(|since| since + Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn paused() -> Event {
        Event::Paused { who: Who { peer: PeerId(1), address: ([192, 0, 2, 1], 1).into() } }
    }

    #[test]
    fn ten_of_a_kind_a_second_and_then_how_many_more() {
        let mut events = Events::default();
        for _ in 0..4322 {
            events.push(Instant::START, Kind::Paused, paused);
        }
        events.push(Instant::START, Kind::Skipped, paused);
        assert_eq!(events.drain().count(), 11, "another kind has a bound of its own");
        let second = Instant::START + Duration::from_secs(1);
        assert_eq!(events.next_deadline(), Some(second));
        events.expire(second);
        let told: Vec<Event> = events.drain().collect();
        assert_eq!(told, [Event::More { kind: Kind::Paused, count: 4312 }]);
        assert_eq!(events.next_deadline(), None);
        events.push(second, Kind::Paused, paused);
        assert_eq!(events.drain().count(), 1, "a new second");
    }

    #[test]
    fn what_nobody_asks_for_is_bounded() {
        let mut events = Events::default();
        for second in 0..20 {
            for kind in Kind::ALL {
                for _ in 0..=EVENTS_PER_SECOND {
                    events.push(Instant::START + Duration::from_secs(second), kind, paused);
                }
            }
        }
        assert_eq!(events.drain().count(), WAITING_MAX);
    }

    #[test]
    fn each_kind_is_called_by_a_name_of_its_own() {
        let names: BTreeSet<&str> = Kind::ALL.map(Kind::name).into();
        assert_eq!((names.len(), names.contains("")), (Kind::ALL.len(), false));
    }
}
