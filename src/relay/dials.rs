//! The addresses that are kept up: which are to be dialled, when, and which are there. Knows no socket, no name and
//! nothing of what is said on a connection.
//!
//! Those that the operator has named are there for ever; those that a peer has told of are forgotten when they stay away.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::dial::Dial;
use crate::protocol::{DialId, Dialect, Token};
use crate::time::Instant;

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

/// Whether somebody is still to be told that one is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parting {
    Told,
    Untold,
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
        self.dials[nth] = Some(Dial::new(now, addresses, dialect, patience, seed));
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
        named.flat_map(Dial::addresses).any(|at| at.ip().to_canonical() == ip)
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
        self.get_mut(id).note_up(now);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::dial::{Due, RETRY_FIRST};

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
