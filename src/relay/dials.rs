//! The addresses that are kept up: which are to be dialled, when, and which are there. Knows no socket, no name and
//! nothing of what is said on a connection.
//!
//! ```text
//!   Waiting ── its time has come ─→ Dialing ── dialed ─→ Up
//!      ▲  ▲                            │                  │
//!      │  └─ no address left: retry ── undialed, too late │
//!      └───────────────── retry ───────────────────── closed
//! ```
//!
//! Those that the operator has named are there for ever; those that a peer has told of are forgotten when they stay away.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::deadlines::Wake;
use crate::protocol::{DialId, Dialect, Token};
use crate::rng::Rng;
use crate::time::Instant;

/// How long a connection may take to come about.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long after a failure it is tried again; after each further one twice as long. Up to a quarter less, by chance:
/// relays that have lost each other at the same moment do not meet at the same moment for ever.
pub const RETRY_FIRST: Duration = Duration::from_secs(1);
/// It is never longer than that, and a connection that has lasted so long is as good as the first.
pub const RETRY_MOST: Duration = Duration::from_secs(30);

/// Everybody who is kept up.
#[derive(Debug, Default)]
pub(super) struct Dials {
    /// By number; nobody where one was forgotten.
    dials: Vec<Option<Dial>>,
    /// Those that are there.
    up: BTreeMap<Token, DialId>,
    /// Those whose addresses may have changed since they were told.
    unresolved: Vec<DialId>,
    /// Those that have stayed away too long, while that is not told.
    forgotten: Vec<DialId>,
}

/// One of them.
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

/// Whether somebody is still to be told that one is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    Told,
    Untold,
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

impl Dials {
    /// From now on one more is kept up; `None` when there are as many as have numbers. One with patience is forgotten
    /// when it stays away for so long.
    pub fn add(
        &mut self,
        now: Instant,
        addresses: Vec<SocketAddr>,
        dialect: Dialect,
        patience: Option<Duration>,
        seed: u64,
    ) -> Option<DialId> {
        let free = (0..self.dials.len()).find(|&nth| self.is_free(nth));
        let nth = free.unwrap_or(self.dials.len());
        let id = DialId(u16::try_from(nth).ok()?);
        if nth == self.dials.len() {
            self.dials.push(None);
        }
        self.dials[nth] = Some(Dial {
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
        });
        Some(id)
    }

    /// One that is kept up: whoever has a number was told it, and has not been told that it is forgotten.
    pub fn get_mut(&mut self, id: DialId) -> &mut Dial {
        self.dials[usize::from(id.0)].as_mut().expect("its number is not free")
    }

    /// The same, of somebody who may have been forgotten just now.
    pub fn find_mut(&mut self, id: DialId) -> Option<&mut Dial> {
        self.dials.get_mut(usize::from(id.0))?.as_mut()
    }

    /// How many are not there: each has a place that nobody else gets.
    pub fn absent(&self) -> usize {
        self.dials.iter().flatten().count() - self.up.len()
    }

    /// Whether somebody whom the operator has named may be at this address.
    pub fn has(&self, ip: IpAddr) -> bool {
        let named = self.dials.iter().flatten().filter(|dial| dial.is_named());
        named.flat_map(|dial| &dial.addresses).any(|at| at.ip().to_canonical() == ip)
    }

    /// Whether it is somebody whom the operator has named.
    pub fn is_named(&self, token: Token) -> bool {
        let dial = self.up.get(&token).and_then(|id| self.dials[usize::from(id.0)].as_ref());
        dial.is_some_and(Dial::is_named)
    }

    /// One is not kept up any more. Its number is free once that is told to whoever asked for it.
    pub fn remove(&mut self, id: DialId, parting: Parting) {
        self.dials[usize::from(id.0)] = None;
        self.unresolved.retain(|&other| other != id);
        if parting == Parting::Untold {
            self.forgotten.push(id);
        }
    }

    /// Those that have been forgotten since the last call.
    pub fn forgotten(&mut self) -> Vec<DialId> {
        std::mem::take(&mut self.forgotten)
    }

    /// Whether somebody has been forgotten since that was asked.
    pub fn has_forgotten(&self) -> bool {
        !self.forgotten.is_empty()
    }

    /// As whom somebody is there.
    pub fn token_of(&self, id: DialId) -> Option<Token> {
        self.up.iter().find(|&(_, &other)| other == id).map(|(&token, _)| token)
    }

    fn is_free(&self, nth: usize) -> bool {
        self.dials[nth].is_none() && !self.forgotten.iter().any(|id| usize::from(id.0) == nth)
    }

    /// A connection is there.
    pub fn note_up(&mut self, now: Instant, id: DialId, token: Token) {
        self.get_mut(id).state = State::Up { since: now };
        self.up.insert(token, id);
    }

    /// Whose connection it was, if it was of one that is kept up.
    pub fn take(&mut self, token: Token) -> Option<DialId> {
        self.up.remove(&token)
    }

    /// Its addresses may have changed.
    pub fn wants_resolving(&mut self, id: DialId) {
        if self.get_mut(id).is_named() && !self.unresolved.contains(&id) {
            self.unresolved.push(id);
        }
    }

    /// Those whose addresses may have changed since the last call.
    pub fn unresolved(&mut self) -> impl Iterator<Item = DialId> {
        self.unresolved.drain(..)
    }

    /// Nobody is dialled any more. Those that were being.
    pub fn stop(&mut self) -> Vec<DialId> {
        let mut under_way = Vec::new();
        for (id, dial) in (0..).map(DialId).zip(&mut self.dials) {
            if dial.as_mut().is_some_and(Dial::stop) {
                under_way.push(id);
            }
        }
        under_way
    }
}

impl Dial {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn addresses(count: u8) -> Vec<SocketAddr> {
        (1..=count).map(|nth| ([192, 0, 2, nth], 7333).into()).collect()
    }

    fn one(addresses: Vec<SocketAddr>) -> Dials {
        let mut dials = Dials::default();
        dials.add(at(0), addresses, Dialect::Frames, None, 7);
        dials
    }

    /// Fails as often, and how long it waited each time.
    fn waits(dial: &mut Dial, times: usize) -> Vec<Duration> {
        let fails = |_| {
            let now = dial.deadline().unwrap();
            assert!(matches!(dial.ring(now), Due::Dial(_)));
            dial.failed(now).unwrap()
        };
        (0..times).map(fails).collect()
    }

    #[test]
    fn each_failure_doubles_the_wait_up_to_half_a_minute_less_a_quarter_at_most() {
        let mut dials = one(addresses(1));
        let waits = waits(dials.get_mut(DialId(0)), 9);
        for (wait, full) in waits.iter().zip([1, 2, 4, 8, 16, 30, 30, 30, 30]) {
            let full = Duration::from_secs(full);
            assert!(*wait > full / 4 * 3 && *wait <= full, "{waits:?}");
        }
        assert!(waits[5..].iter().any(|wait| *wait != waits[5]), "by chance");
    }

    #[test]
    fn two_that_fail_together_do_not_try_again_together() {
        let mut dials = one(addresses(1));
        dials.add(at(0), addresses(1), Dialect::Frames, None, 8);
        let [first, second] = [0, 1].map(|id| waits(dials.get_mut(DialId(id)), 5));
        assert!(first.iter().zip(&second).all(|(a, b)| a != b), "{first:?} {second:?}");
    }

    #[test]
    fn a_name_with_several_addresses_is_tried_at_all_of_them_before_it_waits() {
        let mut dials = one(addresses(3));
        let dial = dials.get_mut(DialId(0));
        for (nth, to) in addresses(3).into_iter().enumerate() {
            assert_eq!(dial.ring(at(0)), Due::Dial(to));
            assert_eq!(dial.dialing_at(), Some(to));
            assert_eq!(dial.failed(at(0)).is_some(), nth == 2);
        }
        let again = dial.deadline().unwrap();
        assert_eq!(dial.ring(again), Due::Dial(addresses(1)[0]), "from the first on");
    }

    #[test]
    fn that_nobody_is_there_is_told_once_until_somebody_was() {
        let mut dials = one(addresses(1));
        for is_news in [true, false, false] {
            let dial = dials.get_mut(DialId(0));
            let now = dial.deadline().unwrap();
            dial.ring(now);
            dial.failed(now);
            assert_eq!(dial.is_news(), is_news);
        }
        dials.note_up(at(20_000), DialId(0), Token(3));
        assert_eq!((dials.take(Token(3)), dials.take(Token(3))), (Some(DialId(0)), None));
        let dial = dials.get_mut(DialId(0));
        dial.lost(at(21_000));
        let now = dial.deadline().unwrap();
        dial.ring(now);
        dial.failed(now);
        assert!(dial.is_news());
    }

    #[test]
    fn a_connection_that_lasted_begins_the_waits_anew_and_one_that_did_not_goes_on_with_them() {
        let second = Duration::from_secs(1);
        for (lasted, longest) in [(29_999, 8 * second), (30_000, second)] {
            let mut dials = one(addresses(1));
            waits(dials.get_mut(DialId(0)), 3);
            dials.note_up(at(20_000), DialId(0), Token(3));
            let wait = dials.get_mut(DialId(0)).lost(at(20_000 + lasted)).unwrap();
            assert!(wait > longest / 2 && wait <= longest, "{wait:?} after {lasted} ms");
        }
    }

    #[test]
    fn an_attempt_has_ten_seconds() {
        let mut dials = one(addresses(1));
        let dial = dials.get_mut(DialId(0));
        assert!(matches!(dial.ring(at(5)), Due::Dial(_)));
        assert_eq!((dial.deadline(), dial.ring(at(10_004))), (Some(at(10_005)), Due::Nothing));
        assert_eq!(dial.ring(at(10_005)), Due::GiveUp(addresses(1)[0]));
    }

    #[test]
    fn one_without_an_address_goes_there_as_soon_as_there_is_one() {
        let mut dials = one(Vec::new());
        let dial = dials.get_mut(DialId(0));
        assert_eq!(dial.ring(at(0)), Due::Nowhere);
        assert!(dial.failed(at(0)).is_some());
        assert_eq!(dial.ring(at(1)), Due::Nothing);
        dial.set_addresses(at(2), addresses(1));
        assert_eq!((dial.deadline(), dial.ring(at(2))), (Some(at(2)), Due::Dial(addresses(1)[0])));
        dial.set_addresses(at(3), addresses(2));
        assert_eq!(dial.dialing_at(), Some(addresses(1)[0]), "what is under way goes on");
        let wait = dial.failed(at(3)).expect("the new ones are for the next round");
        assert!(wait <= RETRY_FIRST, "to wait for an address was no failure");
        let again = dial.deadline().unwrap();
        dial.ring(again);
        assert!(dial.failed(again).is_none(), "there are two now");
    }

    #[test]
    fn new_addresses_shorten_no_wait() {
        let mut dials = one(addresses(1));
        let until = {
            waits(dials.get_mut(DialId(0)), 1);
            dials.get_mut(DialId(0)).deadline()
        };
        dials.get_mut(DialId(0)).set_addresses(at(0), addresses(2));
        assert_eq!(dials.get_mut(DialId(0)).deadline(), until);
    }

    #[test]
    fn who_is_kept_up_is_known_by_its_addresses_however_they_are_written() {
        let mut dials =
            one(vec!["[::ffff:192.0.2.1]:1".parse().unwrap(), "[2001:db8::1]:1".parse().unwrap()]);
        assert!(dials.has([192, 0, 2, 1].into()) && dials.has("2001:db8::1".parse().unwrap()));
        assert!(!dials.has([192, 0, 2, 2].into()));
        assert_eq!(dials.absent(), 1);
        dials.note_up(at(0), DialId(0), Token(1));
        assert_eq!((dials.absent(), dials.get_mut(DialId(0)).deadline()), (0, None));
    }

    #[test]
    fn after_the_end_nobody_is_dialled() {
        let mut dials = one(addresses(1));
        dials.add(at(0), addresses(1), Dialect::Frames, None, 8);
        dials.get_mut(DialId(1)).ring(at(0));
        assert_eq!(dials.stop(), [DialId(1)]);
        for id in [0, 1].map(DialId) {
            let dial = dials.get_mut(id);
            assert_eq!(
                (dial.deadline(), dial.ring(at(99_999)), dial.lost(at(99_999))),
                (None, Due::Nothing, None)
            );
        }
    }
}
