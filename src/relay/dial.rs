//! One address that is kept up: whether it is there, and when it is to be dialled. Knows no socket, no name and nothing
//! of what is said on a connection.
//!
//! ```text
//!   Waiting ── its time has come ─→ Dialing ── dialed ─→ Up
//!      ▲  ▲                            │                  │
//!      │  └─ no address left: retry ── undialed, too late │
//!      └───────────────── retry ───────────────────── closed
//! ```

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::deadlines::Wake;
use crate::protocol::Dialect;
use crate::rng::Rng;
use crate::time::Instant;

/// How long a connection may take to come about.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long after a failure it is tried again; after each further one twice as long. Up to a quarter less, by chance:
/// relays that have lost each other at the same moment do not meet at the same moment for ever.
pub const RETRY_FIRST: Duration = Duration::from_secs(1);
/// It is never longer than that, and a connection that has lasted so long is as good as the first.
pub const RETRY_MOST: Duration = Duration::from_secs(30);

/// Somebody who is kept up.
#[derive(Debug)]
pub(super) struct Dial {
    /// What is spoken there.
    pub dialect: Dialect,
    /// How long it may stay away; for ever, where the operator has named it.
    patience: Option<Duration>,
    /// Since when it has not been there, but for connections that did not last.
    away_since: Instant,
    /// When it was dialled last.
    tried: Option<Instant>,
    state: State,
    /// All the addresses it may be at; none while its name is not resolved.
    addresses: Vec<SocketAddr>,
    /// Where it may be from the next round on.
    renewed: Option<Vec<SocketAddr>>,
    /// Which of them is next.
    next: usize,
    /// Before the next round of addresses, as long as nothing comes about.
    retry: Duration,
    rng: Rng,
    pub wake: Wake,
    /// That it is not there has been said, since it was lost.
    is_told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting {
        until: Instant,
    },
    Dialing {
        at: SocketAddr,
        until: Instant,
    },
    Up {
        since: Instant,
    },
    /// We are going, or do not want it any more.
    Stopped,
}

/// What is to be done about one whose time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Dial(SocketAddr),
    /// It has taken too long.
    GiveUp(SocketAddr),
    /// There is no address to dial.
    Nowhere,
    /// Not yet.
    Nothing,
}

impl Dial {
    /// Not there, and to be dialled at once. With patience it is forgotten when it stays away for so long.
    pub fn new(
        now: Instant,
        addresses: Vec<SocketAddr>,
        dialect: Dialect,
        patience: Option<Duration>,
        seed: u64,
    ) -> Self {
        Self {
            dialect,
            patience,
            away_since: now,
            tried: None,
            state: State::Waiting { until: now },
            addresses,
            renewed: None,
            next: 0,
            retry: RETRY_FIRST,
            rng: Rng::new(seed),
            wake: Wake::default(),
            is_told: false,
        }
    }

    /// A connection is there.
    pub fn note_up(&mut self, now: Instant) {
        self.state = State::Up { since: now };
    }

    /// All the addresses it may be at.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether the operator has named it: it is not at the mercy of strangers.
    pub fn is_named(&self) -> bool {
        self.patience.is_none()
    }

    /// It is not dialled any more. True when it was being.
    pub fn stop(&mut self) -> bool {
        let state = std::mem::replace(&mut self.state, State::Stopped);
        matches!(state, State::Dialing { .. })
    }

    /// Where it may be, of several addresses the last.
    pub fn last_address(&self) -> Option<SocketAddr> {
        self.addresses.last().copied()
    }

    /// Whether it is not to be dialled any more.
    pub fn is_stopped(&self) -> bool {
        self.state == State::Stopped
    }

    /// Whether it has been away for too long.
    pub fn is_given_up(&self, now: Instant) -> bool {
        let is_away = matches!(self.state, State::Waiting { .. } | State::Dialing { .. });
        is_away && self.patience.is_some_and(|patience| now.since(self.away_since) >= patience)
    }

    /// Where it may be from the next round on. One that waited for an address waits no longer, and for nothing it did.
    pub fn set_addresses(&mut self, now: Instant, addresses: Vec<SocketAddr>) {
        if self.addresses.is_empty() && !addresses.is_empty() {
            self.addresses = addresses;
            self.retry = RETRY_FIRST;
            if let State::Waiting { until } = &mut self.state {
                *until = (*until).min(now);
            }
        } else if self.next == 0 && self.dialing_at().is_none() {
            self.addresses = addresses;
        } else {
            self.renewed = Some(addresses);
        }
    }

    /// It waits no longer than for a second behind the last attempt.
    pub fn hurry(&mut self, now: Instant) {
        if let State::Waiting { until } = &mut self.state {
            let soonest = self.tried.map_or(now, |tried| now.max(tried + RETRY_FIRST));
            *until = (*until).min(soonest);
        }
    }

    /// It is what it should be: however short its connections are, it has not been away.
    pub fn note_well(&mut self, now: Instant) {
        self.away_since = now;
    }

    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } | State::Dialing { until, .. } => Some(until),
            State::Up { .. } | State::Stopped => None,
        }
    }

    /// Its time may have come.
    pub fn ring(&mut self, now: Instant) -> Due {
        match self.state {
            State::Waiting { until } if until <= now => match self.addresses.get(self.next).copied() {
                Some(at) => {
                    self.tried = Some(now);
                    self.state = State::Dialing { at, until: now + DIAL_TIMEOUT };
                    Due::Dial(at)
                }
                None => Due::Nowhere,
            },
            State::Dialing { at, until } if until <= now => Due::GiveUp(at),
            State::Waiting { .. } | State::Dialing { .. } | State::Up { .. } | State::Stopped => Due::Nothing,
        }
    }

    /// Where it is being dialled, if it is.
    pub fn dialing_at(&self) -> Option<SocketAddr> {
        match self.state {
            State::Dialing { at, .. } => Some(at),
            State::Waiting { .. } | State::Up { .. } | State::Stopped => None,
        }
    }

    /// An attempt has failed: the next address at once (`None`), and after the last one in a while.
    pub fn failed(&mut self, now: Instant) -> Option<Duration> {
        self.next += 1;
        if self.next < self.addresses.len() {
            self.state = State::Waiting { until: now };
            return None;
        }
        Some(self.wait(now))
    }

    /// Whether it is still to be told that it is not there. It is asked only to be told.
    pub fn is_news(&mut self) -> bool {
        !std::mem::replace(&mut self.is_told, true)
    }

    /// A connection that was there is gone. How long until it is tried again; `None` when it is not.
    pub fn lost(&mut self, now: Instant) -> Option<Duration> {
        let State::Up { since } = self.state else { return None };
        if now.since(since) >= RETRY_MOST {
            self.retry = RETRY_FIRST;
            self.away_since = now;
        }
        self.is_told = false;
        Some(self.wait(now))
    }

    /// Waits, the next time twice as long.
    fn wait(&mut self, now: Instant) -> Duration {
        let most = self.retry.as_micros() as u64; // it is a matter of seconds
        let wait = Duration::from_micros(most - self.rng.below(most / 4));
        self.retry = (self.retry * 2).min(RETRY_MOST);
        self.next = 0;
        if let Some(renewed) = self.renewed.take() {
            self.addresses = renewed;
        }
        self.state = State::Waiting { until: now + wait };
        wait
    }
}

/// An attempt that has taken too long has failed like this.
pub(super) const TOO_LATE: io::ErrorKind = io::ErrorKind::TimedOut;
