//! How a world goes: everybody does what he likes, then faults and foes stop, then nobody says anything and
//! everything must arrive, then everybody leaves and nothing must be left. Knows the acts and when they end.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use super::World;
use crate::load::{Load, Phase, Report};
use crate::sim::broken::{Broken, Promise};
use crate::sim::roles::Act;
use crate::sim::setup::{Ending, Setup};
use crate::sim::subject::Subject;
use crate::time::Instant;

/// Which act it is, and until when it may last.
#[derive(Debug)]
pub struct Course {
    act: Act,
    /// The act ends then, or must have come to its end by then.
    until: Instant,
    is_over: bool,
    is_calm: bool,
    broken: Option<Broken>,
    /// Honest peers that were there and had everything, since nobody says anything.
    served: BTreeSet<IpAddr>,
}

impl Course {
    /// The first act of a world.
    pub fn new(setup: &Setup) -> Self {
        Self {
            act: Act::Open,
            until: Instant::START + setup.open,
            is_over: false,
            is_calm: false,
            broken: None,
            served: BTreeSet::new(),
        }
    }

    /// Whether there is nothing more to come.
    pub fn is_over(&self) -> bool {
        self.is_over
    }

    /// Whether faults have stopped, on every way there is and will be.
    pub fn is_calm(&self) -> bool {
        self.is_calm
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
}

impl<S: Subject> World<S> {
    /// Goes on to the next act when it is time.
    pub(super) fn proceed(&mut self) -> Result<(), Broken> {
        let is_time = self.now >= self.course.until;
        match self.course.act {
            Act::Open if is_time && self.setup.ending == Ending::InTheMiddle => {
                self.shut_down();
                self.course.act = Act::Leaving;
                self.course.until = self.now + self.limit_of_leaving();
            }
            Act::Open if is_time => {
                let has_cast = !self.setup.cast.is_empty();
                if has_cast {
                    self.course.is_calm = true;
                    self.calm();
                }
                self.enter(Act::Calm, self.setup.calm);
            }
            Act::Calm if is_time => self.enter(Act::Quiet, self.limit_of_quiet()),
            Act::Quiet => match self.unserved() {
                None => self.leave()?,
                Some(who) if is_time => return Err(Promise::Convergence.broken(who)),
                Some(_) => {}
            },
            Act::Leaving => match self.judge.all_gone(self.subject.relay(), self.subject.stack()) {
                Ok(()) => self.course.is_over = true,
                Err(left) if is_time => return Err(left),
                Err(_) => {}
            },
            Act::Open | Act::Calm => {}
        }
        Ok(())
    }

    fn enter(&mut self, act: Act, lasts: Duration) {
        self.course.act = act;
        self.course.until = self.now + lasts;
        self.crowd.enter(act);
        self.cue_everybody();
    }

    /// The load tester measures as long as it was told to, and then waits for what is under way.
    fn limit_of_quiet(&self) -> Duration {
        let measures = self.setup.load.as_ref().map_or(Duration::ZERO, |load| load.duration);
        measures + self.setup.convergence() * 3
    }

    /// Somebody honest who has not been there, or has not got everything.
    fn unserved(&mut self) -> Option<String> {
        if let Some(load) = &self.load
            && load.phase() < Phase::Over
        {
            return Some(format!("the load tester is still {:?}", load.phase()));
        }
        for (role, from, conn) in self.crowd.honest() {
            let owed = conn.and_then(|conn| self.judge.owed(conn));
            match owed {
                Some((due, said)) if due > 0 || said > 0 => {
                    return Some(format!(
                        "{role} from {from} is due {due} bytes more, and {said} of its own were not read"
                    ));
                }
                Some(_) => {
                    self.course.served.insert(from);
                }
                // sent away for its silence, say, and on its way back
                None if self.course.served.contains(&from) => {}
                None => return Some(format!("{role} from {from} is not in the room")),
            }
        }
        None
    }

    /// What the load tester says; should the world have ended before it, of what there is.
    pub(super) fn ask_load(&mut self) -> Option<Report> {
        let Some(mut load) = self.load.take() else { return self.load_report.take() };
        load.stop();
        for _ in [Phase::Draining, Phase::Over] {
            load.stack_mut().begin_turn(self.now);
            let _ = load.turn(None); // whoever could not come in has been told of
        }
        Some(load.report())
    }

    /// Everybody has everything: the world ends.
    fn leave(&mut self) -> Result<(), Broken> {
        if let Some(mut load) = self.load.take() {
            load.stack_mut().begin_turn(self.now);
            load.hang_up();
            self.load = Some(load);
            self.ship_from_load();
            let report = self.load.take().map(Load::report);
            self.load_report = report;
        }
        let is_wrong = self.load_report.as_ref().filter(|report| !report.is_right());
        if let Some(report) = is_wrong {
            let how = format!(
                "{:?}, given up: {:?}, first faults: {:?}",
                report.total(),
                report.gave_up,
                report.faults
            );
            return Err(Promise::Load.broken(how));
        }
        if self.setup.ending == Ending::Shutdown {
            self.shut_down();
        }
        self.enter(Act::Leaving, self.limit_of_leaving());
        Ok(())
    }

    fn shut_down(&mut self) {
        self.subject.shut_down();
        self.judge.shuts_down();
        self.turn_server_by(self.now);
    }

    fn limit_of_leaving(&self) -> Duration {
        let limits = &self.setup.limits;
        self.setup.convergence() + limits.drain + limits.ban_time + Duration::from_secs(30)
    }
}
