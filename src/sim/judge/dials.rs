//! Addresses that are kept up, as the judge sees it: one connection each at most, tried again in time and not before.
//! Knows the README's figures; knows no heap and no chance.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::relay::{DIAL_TIMEOUT, RETRY_FIRST, RETRY_MOST};
use crate::sim::broken::{Broken, Promise};
use crate::sim::packet::Conn;
use crate::time::Instant;

/// Time passes within a turn on a slow host, and between a deadline and the turn it brings: nobody is late by less.
const GRACE: Duration = Duration::from_millis(20);

/// All of them, by the order they were given in.
#[derive(Debug, Default)]
pub struct Dials {
    dials: Vec<Dial>,
    of: BTreeMap<Conn, usize>,
    is_over: bool,
    counts: DialCounts,
}

/// What became of attempts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DialCounts {
    /// Connections begun.
    pub begun: u64,
    /// Those that came about and were let in.
    pub up: u64,
    /// Those that were told to have failed: refused, reset, or no way there.
    pub failed: u64,
    /// Those that took too long.
    pub timed_out: u64,
}

#[derive(Debug)]
struct Dial {
    addresses: Vec<SocketAddr>,
    /// Which of them is next.
    next: usize,
    state: State,
    /// Before the next round, as long as nothing lasts.
    retry: Duration,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// It is to be tried within these moments.
    Waiting(Instant, Instant),
    Dialing {
        conn: Conn,
        since: Instant,
        has_failed: bool,
    },
    Up {
        conn: Conn,
        since: Instant,
    },
}

impl Dials {
    /// These are kept up from now on, each at one of its addresses.
    pub fn keep_up(&mut self, now: Instant, dials: &[Vec<SocketAddr>]) {
        let dial = |addresses: &Vec<SocketAddr>| Dial {
            addresses: addresses.clone(),
            next: 0,
            state: State::Waiting(Instant::START, now + GRACE),
            retry: RETRY_FIRST,
        };
        self.dials.extend(dials.iter().map(dial));
    }

    /// Nobody is dialled any more.
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// What became of attempts so far.
    pub fn counts(&self) -> DialCounts {
        self.counts
    }

    /// Whether a connection is being made.
    pub fn is_dialing(&self, conn: Conn) -> bool {
        self.of.get(&conn).is_some_and(|&nth| matches!(self.dials[nth].state, State::Dialing { .. }))
    }

    /// Whether a connection is one of these that came about.
    pub fn is_up(&self, conn: Conn) -> bool {
        self.of.get(&conn).is_some_and(|&nth| matches!(self.dials[nth].state, State::Up { .. }))
    }

    /// The connection that one of them has.
    pub fn up(&self, nth: usize) -> Option<Conn> {
        match self.dials.get(nth)?.state {
            State::Up { conn, .. } => Some(conn),
            State::Waiting(..) | State::Dialing { .. } => None,
        }
    }

    /// Connections that are being made.
    pub fn dialing(&self) -> impl Iterator<Item = Conn> {
        self.dials.iter().filter_map(|dial| match dial.state {
            State::Dialing { conn, .. } => Some(conn),
            State::Waiting(..) | State::Up { .. } => None,
        })
    }

    /// How many have no connection: the places they have all the same.
    pub fn absent(&self) -> usize {
        let is_up = |dial: &&Dial| matches!(dial.state, State::Up { .. });
        if self.is_over { 0 } else { self.dials.len() - self.dials.iter().filter(is_up).count() }
    }

    /// Whether one of them may be there: then that address is never shut out.
    pub fn may_be_at(&self, ip: IpAddr) -> bool {
        self.dials.iter().flat_map(|dial| &dial.addresses).any(|at| at.ip() == ip)
    }

    /// Where a connection was made to.
    pub fn address_of(&self, conn: Conn) -> Option<SocketAddr> {
        let dial = &self.dials[*self.of.get(&conn)?];
        dial.addresses.get(dial.next).copied()
    }

    /// A connection is being made.
    pub fn begun(&mut self, now: Instant, conn: Conn, to: SocketAddr) -> Result<(), Broken> {
        let nth = self.expected(now, to)?;
        self.dials[nth].state = State::Dialing { conn, since: now, has_failed: false };
        self.of.insert(conn, nth);
        self.counts.begun += 1;
        Ok(())
    }

    /// One was to be made, and there is no way there.
    pub fn found_no_route(&mut self, now: Instant, to: SocketAddr) -> Result<(), Broken> {
        let nth = self.expected(now, to)?;
        self.counts.failed += 1;
        self.dials[nth].failed(now);
        Ok(())
    }

    /// The stack has said that it failed.
    pub fn note_failed(&mut self, conn: Conn) {
        if let Some(&nth) = self.of.get(&conn)
            && let State::Dialing { has_failed, .. } = &mut self.dials[nth].state
        {
            *has_failed = true;
        }
    }

    /// One that was being made was given up.
    pub fn given_up(&mut self, now: Instant, conn: Conn) -> Result<(), Broken> {
        let Some(nth) = self.of.remove(&conn) else { return Ok(()) };
        let dial = &mut self.dials[nth];
        let State::Dialing { since, has_failed, .. } = dial.state else { return Ok(()) };
        let is_late = now.since(since) >= DIAL_TIMEOUT;
        if !has_failed && !is_late && !self.is_over {
            return Err(Promise::Cause.broken(format!("{conn:?} is given up, and was being made")));
        }
        (self.counts.failed, self.counts.timed_out) = (
            self.counts.failed + u64::from(has_failed),
            self.counts.timed_out + u64::from(is_late && !has_failed),
        );
        dial.failed(now);
        Ok(())
    }

    /// One that was being made is there and let in.
    pub fn came_up(&mut self, now: Instant, conn: Conn) {
        if let Some(&nth) = self.of.get(&conn) {
            self.dials[nth].state = State::Up { conn, since: now };
            self.counts.up += 1;
        }
    }

    /// One that was there is gone.
    pub fn lost(&mut self, now: Instant, conn: Conn) {
        let Some(nth) = self.of.remove(&conn) else { return };
        let dial = &mut self.dials[nth];
        if let State::Up { since, .. } = dial.state
            && now.since(since) >= RETRY_MOST
        {
            dial.retry = RETRY_FIRST;
        }
        dial.wait(now);
    }

    /// Whether one should have been tried, or given up, by now.
    pub fn overslept(&self, now: Instant) -> Result<(), Broken> {
        let late = self.dials.iter().filter(|_| !self.is_over).find_map(|dial| match dial.state {
            State::Waiting(_, until) if now > until + GRACE => Some((dial, "is not tried again")),
            State::Dialing { since, .. } if now > since + DIAL_TIMEOUT + GRACE => {
                Some((dial, "is not given up"))
            }
            State::Waiting(..) | State::Dialing { .. } | State::Up { .. } => None,
        });
        late.map_or(Ok(()), |(dial, how)| {
            Err(Promise::Dials.broken(format!("{:?} {how} in time", dial.addresses)))
        })
    }

    /// Whose address is to be dialled now.
    fn expected(&self, now: Instant, to: SocketAddr) -> Result<usize, Broken> {
        let is_its = |dial: &Dial| dial.addresses.contains(&to);
        let Some(nth) = self.dials.iter().position(is_its) else {
            return Err(Promise::Dials.broken(format!("{to} is dialled, and nobody asked for it")));
        };
        let dial = &self.dials[nth];
        match dial.state {
            _ if self.is_over => Err(Promise::Dials.broken(format!("{to} is dialled after the end"))),
            State::Dialing { conn, .. } | State::Up { conn, .. } => {
                Err(Promise::Dials.broken(format!("{to} is dialled a second time, beside {conn:?}")))
            }
            State::Waiting(from, _) if now < from => {
                Err(Promise::Dials.broken(format!("{to} is dialled before its time")))
            }
            State::Waiting(_, until) if now > until + GRACE => {
                Err(Promise::Dials.broken(format!("{to} is dialled too late")))
            }
            State::Waiting(..) if dial.addresses.get(dial.next) != Some(&to) => {
                Err(Promise::Dials.broken(format!("{to} is dialled out of its turn")))
            }
            State::Waiting(..) => Ok(nth),
        }
    }
}

impl Dial {
    /// The next address at once, and after the last one a while.
    fn failed(&mut self, now: Instant) {
        self.next += 1;
        if self.next < self.addresses.len() {
            self.state = State::Waiting(now, now + GRACE);
        } else {
            self.wait(now);
        }
    }

    /// A wait, or up to a quarter less; the next one is twice as long.
    fn wait(&mut self, now: Instant) {
        self.next = 0;
        self.state = State::Waiting(now + self.retry / 4 * 3, now + self.retry);
        self.retry = (self.retry * 2).min(RETRY_MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn address(nth: u8) -> SocketAddr {
        ([10, 0, 0, nth], 1).into()
    }

    /// One address is kept up.
    fn one() -> Dials {
        let mut dials = Dials::default();
        dials.keep_up(at(0), &[vec![address(1)]]);
        dials
    }

    fn promise(result: Result<(), Broken>) -> Option<Promise> {
        result.err().map(|broken| broken.promise)
    }

    #[test]
    fn a_second_connection_is_found() {
        let mut dials = one();
        assert_eq!(dials.begun(at(0), Conn(1), address(1)), Ok(()));
        assert_eq!(promise(dials.begun(at(1), Conn(2), address(1))), Some(Promise::Dials));
        dials.came_up(at(2), Conn(1));
        assert_eq!(promise(dials.begun(at(3), Conn(2), address(1))), Some(Promise::Dials));
        assert_eq!(
            promise(dials.begun(at(3), Conn(2), address(2))),
            Some(Promise::Dials),
            "nobody asked for it"
        );
    }

    #[test]
    fn whoever_is_tried_too_soon_or_too_late_is_found() {
        for (again, is_wrong) in [(749, true), (750, false), (1000, false), (1021, true)] {
            let mut dials = one();
            assert_eq!(dials.begun(at(0), Conn(1), address(1)), Ok(()));
            dials.note_failed(Conn(1));
            assert_eq!(dials.given_up(at(0), Conn(1)), Ok(()));
            assert_eq!(dials.begun(at(again), Conn(2), address(1)).is_err(), is_wrong, "after {again} ms");
            let mut dials = one();
            assert_eq!(dials.found_no_route(at(0), address(1)), Ok(()));
            assert_eq!(dials.overslept(at(again)).is_err(), again > 1020, "after {again} ms");
        }
    }

    #[test]
    fn waits_double_and_begin_anew_after_a_connection_that_lasted() {
        let mut dials = one();
        let mut now = at(0);
        for (conn, seconds) in [1, 2, 4, 8, 16, 30, 30].into_iter().enumerate() {
            assert_eq!(dials.found_no_route(now, address(1)), Ok(()), "{conn}");
            now = now + Duration::from_secs(seconds);
            assert_eq!(dials.overslept(now), Ok(()));
            assert!(dials.overslept(now + GRACE * 2).is_err());
        }
        assert_eq!(dials.begun(now, Conn(1), address(1)), Ok(()));
        dials.came_up(now, Conn(1));
        now = now + RETRY_MOST;
        dials.lost(now, Conn(1));
        assert!(dials.overslept(now + RETRY_FIRST + GRACE * 2).is_err());
    }

    #[test]
    fn an_attempt_is_given_up_for_a_cause_and_in_time() {
        let mut dials = one();
        assert_eq!(dials.begun(at(0), Conn(1), address(1)), Ok(()));
        assert_eq!(dials.overslept(at(10_000)), Ok(()));
        assert_eq!(promise(dials.overslept(at(10_021))), Some(Promise::Dials));
        assert_eq!(promise(dials.given_up(at(9_999), Conn(1))), Some(Promise::Cause));
        let mut dials = one();
        assert_eq!(dials.begun(at(0), Conn(1), address(1)), Ok(()));
        assert_eq!(dials.given_up(at(10_000), Conn(1)), Ok(()));
        assert_eq!(dials.counts(), DialCounts { begun: 1, timed_out: 1, ..DialCounts::default() });
    }

    #[test]
    fn the_next_address_is_tried_at_once() {
        let mut dials = Dials::default();
        dials.keep_up(at(0), &[vec![address(1), address(2)]]);
        assert_eq!(dials.found_no_route(at(0), address(1)), Ok(()));
        assert!(dials.overslept(at(41)).is_err());
        assert_eq!(dials.begun(at(0), Conn(1), address(2)), Ok(()));
        dials.came_up(at(1), Conn(1));
        assert_eq!((dials.up(0), dials.absent()), (Some(Conn(1)), 0));
        dials.lost(at(2), Conn(1));
        assert_eq!(
            promise(dials.begun(at(1002), Conn(2), address(2))),
            Some(Promise::Dials),
            "from the first on"
        );
    }
}
