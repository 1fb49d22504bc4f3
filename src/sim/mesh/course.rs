//! How a mesh goes: it gathers; something befalls it, or nothing does; once it is whole again everybody talks and must
//! be heard, once; then nobody says anything, and nothing may be said; then everybody leaves and nothing must be left.
//! Knows the acts and when they end.

use std::time::Duration;

use super::builder::Builder;
use super::ledger::Due;
use super::outcome::Happened;
use super::setup::{MeshEnding, Trouble};
use super::troubles::KEEPALIVE;
use super::world::{Event, Mesh};
use crate::relay::{DIAL_TIMEOUT, RETRY_MOST};
use crate::sim::broken::{Broken, Promise};
use crate::sim::packet::Conn;
use crate::sim::ways::LEAVES_HOST;
use crate::time::Instant;
use crate::wire::{Command, Frame};

/// With connections aborted as they are accepted, every third at worst, some take several waits to come about.
const GATHERING: Duration = Duration::from_secs(900);
/// What is under way then has come, on the longest way there is.
const SETTLES: Duration = Duration::from_secs(6);
/// So long before its time is over a frame is surely known to the relay that had it first, and so long after it no
/// relay knows it any more.
const KNOWN_FOR_SURE: Duration = Duration::from_secs(1);
const FORGOTTEN_FOR_SURE: Duration = Duration::from_secs(3);
/// How long some part of everything may take beside what is told.
const SLACK: Duration = Duration::from_secs(5);
/// Within so much time of its beginning everybody has left.
const LEAVES_WITHIN: u64 = 3_000;

/// Which act it is, and until when it may last.
#[derive(Debug)]
pub struct Course {
    act: Act,
    began: Instant,
    until: Instant,
    is_over: bool,
    /// Faults have stopped, on hosts that are there and that will be.
    is_calm: bool,
    broken: Option<Broken>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    /// Relays are started and find each other.
    Gathering,
    /// Ways are cut, relays killed.
    Troubled,
    /// They find each other again.
    Settling,
    /// Everybody is heard by all.
    Talking,
    /// Nobody says anything.
    Quiet,
    /// Everybody goes.
    Leaving,
}

impl Course {
    /// The first act.
    pub fn new() -> Self {
        Self {
            act: Act::Gathering,
            began: Instant::START,
            until: Instant::START + GATHERING,
            is_over: false,
            is_calm: false,
            broken: None,
        }
    }

    /// Whether there is nothing more to come.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether faults have stopped, on hosts that are there and that will be.
    pub fn is_calm(&self) -> bool {
        self.is_calm
    }

    /// Whether everybody was there once.
    pub fn has_gathered(&self) -> bool {
        self.act > Act::Gathering
    }

    /// Whether everybody goes.
    pub fn is_leaving(&self) -> bool {
        self.act == Act::Leaving
    }

    /// A promise was broken: that is the end.
    pub fn break_off(&mut self, broken: Broken) {
        self.broken = Some(broken);
        self.is_over = true;
    }

    /// The promise that was broken.
    pub fn broken(&self) -> Option<Broken> {
        self.broken.clone()
    }

    /// A relay sends something: may it?
    pub fn broke_silence(&self, now: Instant, host: usize, conn: Conn) -> Result<(), Broken> {
        if self.act == Act::Quiet && now > self.began + SETTLES {
            let how = format!("relay {} sends something on {conn:?}, and nobody has said anything", host + 1);
            return Err(Promise::Silence.broken(how));
        }
        Ok(())
    }

    fn has_settled(&self, now: Instant) -> bool {
        now > self.began + SETTLES
    }
}

impl<B: Builder> Mesh<B> {
    /// Goes on to the next act when it is time.
    pub(super) fn proceed(&mut self) -> Result<(), Broken> {
        let is_time = self.now >= self.course.until;
        match self.course.act {
            Act::Gathering | Act::Settling => match self.lacks() {
                Some(what) if is_time => return Err(Promise::Convergence.broken(what)),
                Some(_) => {}
                None if self.course.act == Act::Gathering && self.setup.has_troubles() => {
                    self.trouble_everybody()
                }
                None => self.enter(Act::Talking, self.setup.talk),
            },
            Act::Troubled if is_time && self.setup.ending == MeshEnding::InTheMiddle => {
                self.happens(Happened::BrokenOff);
                self.leave();
            }
            Act::Troubled if is_time => self.settle(),
            Act::Talking if is_time => {
                let window = self.setup.limits.dedup.unwrap_or_default();
                self.enter(Act::Quiet, SETTLES + window * 2);
            }
            Act::Quiet if self.course.has_settled(self.now) => {
                self.ledger.missing().map_or(Ok(()), Err)?;
                if is_time {
                    self.leave();
                }
            }
            Act::Leaving => match self.houses.iter().try_for_each(|house| house.is_over()) {
                Ok(()) => self.course.is_over = true,
                Err(left) if is_time => return Err(left),
                Err(_) => {}
            },
            Act::Troubled | Act::Talking | Act::Quiet => {}
        }
        Ok(())
    }

    /// A leaf says something, if it is the time for it.
    pub(super) fn speak(&mut self, leaf: usize) -> Result<(), Broken> {
        let due = match self.course.act {
            Act::Troubled => Due::WithinReach,
            Act::Talking => Due::ToAll,
            Act::Gathering | Act::Settling | Act::Quiet | Act::Leaving => return Ok(()),
        };
        self.speak_soon(leaf);
        if self.leaves.conn(leaf).is_none() {
            return Ok(());
        }
        let magic = self.setup.limits.decoder.magic;
        if self.rng.below(8) == 0 {
            self.leaves.say(self.now, leaf, &Frame::encode(magic, Command::PING, b"are you"));
        }
        let number = match self.repeat(leaf, due)? {
            Some(number) => number,
            None => self.ledger.say(self.now, leaf, due, &mut self.rng),
        };
        self.leaves.say(self.now, leaf, &self.ledger.frame(magic, number));
        self.ship_from(LEAVES_HOST)
    }

    /// Something that is said again: soon, and nobody is to hear it; or so late that everybody is. Not where a relay
    /// may have forgotten it early.
    fn repeat(&mut self, leaf: usize, due: Due) -> Result<Option<u32>, Broken> {
        let window = self.setup.limits.dedup.unwrap_or_default();
        if due != Due::ToAll || self.setup.has_troubles() || self.rng.below(3) > 0 {
            return Ok(None);
        }
        match self.ledger.said_before(self.now, leaf, &mut self.rng) {
            Some((number, age)) if age + KNOWN_FOR_SURE < window => Ok(Some(number)),
            Some((number, age)) if age > window + FORGOTTEN_FOR_SURE => {
                self.ledger.say_again(self.now, number)?;
                self.happens(Happened::SaidAgain);
                Ok(Some(number))
            }
            Some(_) | None => Ok(None),
        }
    }

    fn enter(&mut self, act: Act, lasts: Duration) {
        (self.course.act, self.course.began, self.course.until) = (act, self.now, self.now + lasts);
        if matches!(act, Act::Troubled | Act::Talking) {
            (0..self.setup.leaves.len()).for_each(|leaf| self.speak_soon(leaf));
        }
    }

    /// Less is said as long as something befalls everybody: that takes its time.
    fn speak_soon(&mut self, leaf: usize) {
        let patience = if self.course.act == Act::Troubled { 4 } else { 1 };
        let most = self.setup.talk_every.as_micros() as u64 * patience; // seconds
        let soon = Duration::from_micros(self.rng.below(most));
        self.cue_speak(leaf, soon);
    }

    fn trouble_everybody(&mut self) {
        let mut lasts = Duration::ZERO;
        for (nth, (at, trouble)) in self.setup.troubles.iter().enumerate() {
            self.agenda.plan(self.now + *at, Event::Trouble(nth));
            let (Trouble::Cut { lasts: long, .. } | Trouble::Kill { lasts: long, .. }) = trouble;
            lasts = lasts.max(*at + *long);
        }
        if self.setup.ending == MeshEnding::InTheMiddle {
            lasts = lasts / 3 * 2;
        }
        self.enter(Act::Troubled, lasts);
    }

    /// Everything is healed, and goes well from now on: an end may still have to hear of it, an attempt that was begun
    /// before takes as long as it takes, and then there is the longest wait.
    fn settle(&mut self) {
        self.course.is_calm = true;
        self.houses.iter_mut().for_each(|house| house.calm());
        self.enter(Act::Settling, KEEPALIVE + DIAL_TIMEOUT * 2 + RETRY_MOST + SLACK);
    }

    fn leave(&mut self) {
        self.leaves.end();
        for relay in 0..self.houses.len() {
            let soon = Duration::from_millis(self.rng.below(LEAVES_WITHIN));
            self.agenda.plan(self.now + soon, Event::ShutDown(relay));
        }
        for leaf in 0..self.setup.leaves.len() {
            if self.rng.below(2) == 0 {
                let soon = Duration::from_millis(self.rng.below(LEAVES_WITHIN));
                self.agenda.plan(self.now + soon, Event::Leave(leaf));
            }
        }
        let lasts = Duration::from_millis(LEAVES_WITHIN) + self.setup.limits.drain + RETRY_MOST + SLACK;
        self.enter(Act::Leaving, lasts);
    }

    /// What is not as it is to be: a relay that is down, a leaf or an address kept up that has no connection.
    fn lacks(&self) -> Option<String> {
        let is_heard = |host: usize, conn| {
            let alive = self.houses.get(host).and_then(|house| house.alive());
            alive.is_some_and(|alive| alive.judge.is_heard(conn))
        };
        for (leaf, part) in self.setup.leaves.iter().enumerate() {
            if !self.leaves.conn(leaf).is_some_and(|conn| is_heard(part.relay, conn)) {
                return Some(format!("leaf {leaf} has no place at relay {}", part.relay + 1));
            }
        }
        for (relay, part) in self.setup.relays.iter().enumerate() {
            for (nth, to) in part.dials.iter().enumerate().filter_map(|(nth, dial)| Some((nth, dial.to?))) {
                let alive = self.houses[relay].alive();
                let conn = alive.and_then(|alive| alive.judge.dialed_conn(nth));
                let far = conn.filter(|&conn| is_heard(relay, conn)).and_then(|conn| self.ways.end(conn, 1));
                if !far.is_some_and(|(host, conn)| is_heard(host, conn)) {
                    return Some(format!("relay {} has no connection to relay {}", relay + 1, to + 1));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_when_nobody_has_said_anything_breaks_the_silence() {
        let mut course = Course::new();
        let at = |seconds| Instant::START + Duration::from_secs(seconds);
        course.act = Act::Quiet;
        assert_eq!(course.broke_silence(at(5), 0, Conn(7)), Ok(()), "that was under way");
        let broken = course.broke_silence(at(7), 0, Conn(7)).unwrap_err();
        assert_eq!(broken.promise, Promise::Silence);
        course.act = Act::Leaving;
        assert_eq!(course.broke_silence(at(7), 0, Conn(7)), Ok(()));
    }
}
