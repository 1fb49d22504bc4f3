//! How a town goes: it gathers; everybody does what he likes, and something befalls it or nothing does; once it is whole
//! again blocks are made one by one, and everybody is to be told of everything; then nobody says anything, and nothing
//! may be said; then inspectors come and find the same everywhere; then everybody leaves. Knows the acts and when they
//! end.

use std::time::Duration;

use super::builder::TownBuilder;
use super::carrying::KEEPALIVE;
use super::outcome::Chance;
use super::roles::Citizen;
use super::setup::{TownEnding, TownSetup};
use super::world::{Event, Town};
use crate::relay::{DIAL_TIMEOUT, RETRY_MOST};
use crate::sim::broken::{Broken, Promise};
use crate::sim::mesh::Trouble;
use crate::sim::packet::Conn;
use crate::time::Instant;

/// With connections aborted as they are accepted some take several waits to come about.
const GATHERING: Duration = Duration::from_secs(900);
/// Once everybody is there: what a relay asks a neighbour again only after a while has been asked, and answered.
const SETTLES: Duration = Duration::from_secs(30);
/// From one block to the next, where all are to be told of each: a relay that has another one as high asks for the
/// chain, and may have to wait with that.
const BLOCK_EVERY: Duration = Duration::from_secs(25);
/// How long nothing may be said.
const SILENCE: Duration = Duration::from_secs(15);
/// Within so much time an inspector has come and is answered.
const INSPECTION: Duration = Duration::from_secs(30);
/// How long some part of everything may take beside what is told.
const SLACK: Duration = Duration::from_secs(5);
/// Within so many milliseconds of its beginning everybody has left.
const LEAVES_WITHIN: u64 = 3_000;

/// Which act it is, and until when it may last.
#[derive(Debug)]
pub struct Course {
    act: Act,
    began: Instant,
    until: Instant,
    /// Since when nobody is missing.
    whole_since: Option<Instant>,
    is_over: bool,
    is_calm: bool,
    broken: Option<Broken>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Act {
    /// Relays are started and find each other.
    Gathering,
    /// Everybody does what he likes, ways are cut, relays killed.
    Free,
    /// They find each other again.
    Settling,
    /// Everybody is to be told of everything.
    Orderly,
    /// Nobody says anything.
    Quiet,
    /// Inspectors look at each relay.
    Inspecting,
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
            whole_since: None,
            is_over: false,
            is_calm: false,
            broken: None,
        }
    }

    /// Whether there is nothing more to come.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether faults have stopped.
    pub fn is_calm(&self) -> bool {
        self.is_calm
    }

    /// Whether everybody was there once.
    pub fn has_gathered(&self) -> bool {
        self.act > Act::Gathering
    }

    /// Whether everybody does what he likes.
    pub fn is_free(&self) -> bool {
        self.act == Act::Free
    }

    /// Whether everybody is to be told of everything.
    pub fn is_orderly(&self) -> bool {
        self.act == Act::Orderly
    }

    /// Whether anybody says anything.
    pub fn is_time_to_speak(&self) -> bool {
        matches!(self.act, Act::Free | Act::Orderly)
    }

    /// Whether nobody honest may lose its connection.
    pub fn forbids_losses(&self) -> bool {
        matches!(self.act, Act::Orderly | Act::Quiet | Act::Inspecting)
    }

    /// Whether everybody goes.
    pub fn is_leaving(&self) -> bool {
        self.act == Act::Leaving
    }

    /// A promise was broken: that is the end.
    pub fn break_off(&mut self, broken: Broken) {
        self.broken.get_or_insert(broken);
        self.is_over = true;
    }

    /// The promise that was broken.
    pub fn broken(&self) -> Option<Broken> {
        self.broken.clone()
    }

    /// Whether nobody may say anything.
    pub fn is_silent(&self, now: Instant) -> bool {
        self.act == Act::Quiet && now > self.began + SETTLES
    }

    /// A relay says something all the same.
    pub fn break_silence(&mut self, relay: usize, conn: Conn) {
        let how = format!("relay {} sends something on {conn:?}, and nobody has said anything", relay + 1);
        self.break_off(Promise::Silence.broken(how));
    }
}

impl<B: TownBuilder> Town<B> {
    /// Goes on to the next act when it is time.
    pub(super) fn proceed(&mut self) -> Result<(), Broken> {
        let is_time = self.now >= self.course.until;
        match self.course.act {
            Act::Gathering | Act::Settling => match self.lacks() {
                Some(what) if is_time => return Err(Promise::Convergence.broken(what)),
                Some(_) => self.course.whole_since = None,
                None if self.course.act == Act::Gathering => self.be_free(),
                None => {
                    let since = *self.course.whole_since.get_or_insert(self.now);
                    if self.now.since(since) > SETTLES {
                        self.be_orderly();
                    }
                }
            },
            Act::Free if is_time && self.setup.ending == TownEnding::InTheMiddle => {
                self.happens(Chance::BrokenOff);
                self.leave_all();
            }
            Act::Free if is_time => self.settle(),
            Act::Orderly if is_time => self.be_quiet(),
            Act::Quiet if is_time => {
                self.missing().map_or(Ok(()), Err)?;
                self.inspect();
            }
            Act::Inspecting => match self.uninspected() {
                None => {
                    self.agree()?;
                    self.happens(Chance::Agreed);
                    self.leave_all();
                }
                Some(broken) if is_time => return Err(broken),
                Some(_) => {}
            },
            Act::Leaving => match self.houses.iter().try_for_each(|house| house.is_over()) {
                Ok(()) => self.course.is_over = true,
                Err(left) if is_time => return Err(left),
                Err(_) => {}
            },
            Act::Free | Act::Orderly | Act::Quiet => {}
        }
        Ok(())
    }

    fn enter(&mut self, act: Act, lasts: Duration) {
        (self.course.act, self.course.began, self.course.until) = (act, self.now, self.now + lasts);
        if self.course.is_time_to_speak() {
            (0..self.people.len()).for_each(|who| self.cue_speak(who));
        }
    }

    fn be_free(&mut self) {
        let mut lasts = self.setup.free;
        for (nth, &(at, trouble)) in self.setup.troubles.iter().enumerate() {
            self.agenda.plan(self.now + at, Event::Trouble(nth));
            let (Trouble::Cut { lasts: long, .. } | Trouble::Kill { lasts: long, .. }) = trouble;
            lasts = lasts.max(at + long);
        }
        if self.setup.ending == TownEnding::InTheMiddle {
            lasts = lasts / 3 * 2;
        }
        for who in 0..self.people.len() {
            if self.people[who].part.role == Citizen::LateComer {
                let comes = Duration::from_millis(2_000 + self.rng.below(20_000));
                self.cue_join(who, comes);
            }
        }
        self.enter(Act::Free, lasts);
    }

    /// Everything is healed, and goes well from now on: an end may still have to hear of it, an attempt that was begun
    /// before takes as long as it takes, and then there is the longest wait.
    fn settle(&mut self) {
        self.course.is_calm = true;
        self.houses.iter_mut().for_each(|house| house.calm());
        let lasts = Duration::from_millis(KEEPALIVE) + DIAL_TIMEOUT * 2 + RETRY_MOST + SETTLES * 2 + SLACK;
        self.enter(Act::Settling, lasts);
    }

    fn be_orderly(&mut self) {
        for nth in 0..self.setup.blocks {
            self.agenda.plan(self.now + SLACK + BLOCK_EVERY * nth, Event::Mine);
        }
        self.enter(Act::Orderly, SLACK + BLOCK_EVERY * self.setup.blocks);
    }

    fn be_quiet(&mut self) {
        for who in 0..self.people.len() {
            if !self.people[who].part.role.stays() {
                self.leave(who);
            }
        }
        self.enter(Act::Quiet, SETTLES + SILENCE);
    }

    fn inspect(&mut self) {
        self.enter(Act::Inspecting, INSPECTION);
        for who in 0..self.people.len() {
            if self.people[who].part.role == Citizen::Inspector {
                self.cue_join(who, Duration::ZERO);
            }
        }
    }

    fn leave_all(&mut self) {
        for relay in 0..self.houses.len() {
            let soon = Duration::from_millis(self.rng.below(LEAVES_WITHIN));
            self.agenda.plan(self.now + soon, Event::ShutDown(relay));
        }
        for who in 0..self.people.len() {
            if self.rng.below(2) == 0 {
                let soon = Duration::from_millis(self.rng.below(LEAVES_WITHIN));
                self.agenda.plan(self.now + soon, Event::Leave(who));
            }
        }
        let lasts = Duration::from_millis(LEAVES_WITHIN) + self.setup.limits.drain + RETRY_MOST + SLACK;
        self.enter(Act::Leaving, lasts);
    }

    /// What is not as it is to be: somebody, or a relay that is kept up, has no connection.
    fn lacks(&self) -> Option<String> {
        for (who, person) in self.people.iter().enumerate() {
            let role = person.part.role;
            let is_expected = match role {
                Citizen::Liar | Citizen::Asker | Citizen::Smuggler | Citizen::Inspector => false,
                Citizen::LateComer => self.course.has_gathered(),
                _ => true,
            };
            if is_expected && (person.since.is_none() || self.folk.conn(who).is_none()) {
                return Some(format!("{role} {who} has no place at relay {}", person.part.relay + 1));
            }
        }
        for (relay, house) in self.houses.iter().enumerate() {
            let Some(alive) = house.alive() else { return Some(format!("relay {} is down", relay + 1)) };
            for &(to, dialect) in &self.setup.dials[relay] {
                if !alive.judge.is_up(TownSetup::address(to, dialect)) {
                    return Some(format!("relay {} has no {dialect:?} link to {}", relay + 1, to + 1));
                }
            }
        }
        None
    }
}
