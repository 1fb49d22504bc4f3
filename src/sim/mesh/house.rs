//! One relay's host: what runs there, its judge, and what is left when it is killed. Knows one relay; knows no way.

use std::time::Duration;

use super::builder::Builder;
use super::setup::{Manner, MeshSetup};
use super::ways::HOSTS;
use crate::protocol::Dialect;
use crate::sim::broken::{Broken, Promise};
use crate::sim::faults::Faults;
use crate::sim::journal::Journal;
use crate::sim::judge::Judge;
use crate::sim::packet::{Conn, Packet};
use crate::sim::setup::Penalties;
use crate::sim::stack::SimStack;
use crate::sim::subject::Subject;
use crate::time::Instant;

/// Turns in a row, within a millisecond each, in which nothing may be done.
const IDLE_TURNS_MOST: u32 = 1000;

/// A host.
pub struct House<S> {
    relay: usize,
    life: Life<S>,
    /// When the relay has its next turn.
    pub turn_at: Option<Instant>,
    /// Turns in a row in which nothing was done, and when the last turn was.
    idle_turns: u32,
    turned_at: Instant,
    /// The relay was told to end.
    pub is_ending: bool,
}

enum Life<S> {
    Up(Box<Alive<S>>),
    /// Who comes there is refused, or hears nothing.
    Down(Box<SimStack>, Manner),
}

/// A relay that runs.
pub struct Alive<S> {
    pub subject: S,
    pub judge: Judge,
}

impl<S: Subject> House<S> {
    /// A host on which nothing runs yet.
    pub fn new(relay: usize) -> Self {
        let mut stack = SimStack::new(relay as u32, HOSTS, Faults::new(0, Default::default()));
        stack.live_at(MeshSetup::address(relay).ip());
        stack.lose_route(MeshSetup::no_route());
        Self {
            relay,
            life: Life::Down(Box::new(stack), Manner::Reset),
            turn_at: None,
            idle_turns: 0,
            turned_at: Instant::START,
            is_ending: false,
        }
    }

    /// The relay, if it runs.
    pub fn alive(&self) -> Option<&Alive<S>> {
        match &self.life {
            Life::Up(alive) => Some(alive),
            Life::Down(..) => None,
        }
    }

    /// The relay, if it runs.
    pub fn alive_mut(&mut self) -> Option<&mut Alive<S>> {
        match &mut self.life {
            Life::Up(alive) => Some(alive),
            Life::Down(..) => None,
        }
    }

    /// Whatever there is of TCP.
    pub fn stack(&self) -> &SimStack {
        match &self.life {
            Life::Up(alive) => alive.subject.stack(),
            Life::Down(stack, _) => stack,
        }
    }

    /// Whatever there is of TCP.
    pub fn stack_mut(&mut self) -> &mut SimStack {
        match &mut self.life {
            Life::Up(alive) => alive.subject.stack_mut(),
            Life::Down(stack, _) => stack,
        }
    }

    /// A relay is started, with faults of this seed.
    pub fn start<B: Builder<Subject = S>>(
        &mut self,
        now: Instant,
        setup: &MeshSetup,
        builder: &B,
        seed: u64,
    ) {
        let Life::Down(heir, _) = &self.life else { return };
        let mut stack = heir.restarted(Faults::new(seed, setup.faults.clone()));
        stack.listen(MeshSetup::address(self.relay), Dialect::Frames);
        stack.keep_journal();
        let part = &setup.relays[self.relay];
        let dials: Vec<_> = part.dials.iter().map(|dial| dial.addresses.clone()).collect();
        let mut judge = Judge::new(Penalties::USUAL, builder.judged_by(&setup.limits));
        judge.keeps_up(now, &dials);
        let subject = builder.build(stack, &setup.limits, &dials, seed);
        self.life = Life::Up(Box::new(Alive { subject, judge }));
        (self.turn_at, self.idle_turns) = (Some(now), 0);
    }

    /// The relay is killed. Says what was left of it, if it ran.
    pub fn kill(&mut self, manner: Manner) -> Option<Box<Alive<S>>> {
        let heir = Box::new(self.alive()?.subject.stack().restarted(Faults::new(0, Default::default())));
        self.turn_at = None;
        match std::mem::replace(&mut self.life, Life::Down(heir, manner)) {
            Life::Up(alive) => Some(alive),
            Life::Down(..) => None,
        }
    }

    /// Whether what comes there comes to anybody.
    pub fn answers(&self) -> bool {
        !matches!(self.life, Life::Down(_, Manner::Silence))
    }

    /// A packet has come, for an end that has so much room to answer.
    pub fn arrive(&mut self, now: Instant, packet: Packet, room: usize, lag: Duration) {
        let stack = self.stack_mut();
        stack.arrive(packet, room);
        let has_news = stack.has_news();
        if has_news && self.alive().is_some() {
            self.turn_by(now + lag);
        }
    }

    /// The relay has something to do by then.
    pub fn turn_by(&mut self, at: Instant) {
        let at = at.max(self.stack().now_there());
        self.turn_at = Some(self.turn_at.map_or(at, |planned| planned.min(at)));
    }

    /// The relay's turn. Says what it did.
    pub fn turn(&mut self, now: Instant) -> Result<Journal, Broken> {
        let Life::Up(alive) = &mut self.life else { return Ok(Journal::default()) };
        alive.subject.stack_mut().begin_turn(now);
        if let Err(error) = alive.subject.turn() {
            return Err(Promise::Service.broken(format!("the server's turn failed: {error}")));
        }
        let journal = alive.subject.stack_mut().take_journal();
        alive.judge.turn(&journal, alive.subject.relay(), alive.subject.stack())?;
        alive.judge.deliveries().for_each(drop);
        alive.subject.forget_events();
        self.look_for_circles(now, &journal)?;
        self.plan_turn()?;
        Ok(journal)
    }

    /// It is told to end, if it runs.
    pub fn shut_down(&mut self, now: Instant) {
        let Life::Up(alive) = &mut self.life else { return };
        alive.subject.shut_down();
        alive.judge.shuts_down();
        self.is_ending = true;
        self.turn_by(now);
    }

    /// Everybody whom it had is gone, and nothing is left.
    pub fn is_over(&self) -> Result<(), Broken> {
        let Some(alive) = self.alive() else { return Ok(()) };
        if !self.is_ending {
            return Err(Promise::Zero.broken(format!("relay {} goes on", self.relay + 1)));
        }
        alive.judge.all_gone(alive.subject.relay(), alive.subject.stack())
    }

    /// Nothing goes wrong any more at this host.
    pub fn calm(&mut self) {
        self.stack_mut().faults().stop();
    }

    /// Whether it has an end of a connection.
    pub fn has(&self, conn: Conn) -> bool {
        self.stack().has(conn)
    }

    /// Turns that follow each other at once, with nothing done in them, are a loop that spins.
    fn look_for_circles(&mut self, now: Instant, journal: &Journal) -> Result<(), Broken> {
        let is_soon = now.since(self.turned_at) < Duration::from_millis(1);
        self.turned_at = now;
        self.idle_turns = if journal.is_idle() && is_soon { self.idle_turns + 1 } else { 0 };
        if self.idle_turns > IDLE_TURNS_MOST {
            let how = format!("{IDLE_TURNS_MOST} turns at once, and nothing is done");
            return Err(Promise::Service.broken(how));
        }
        Ok(())
    }

    fn plan_turn(&mut self) -> Result<(), Broken> {
        let Life::Up(alive) = &mut self.life else { return Ok(()) };
        let stack = alive.subject.stack();
        let soon = stack.now_there() + Duration::from_micros(1);
        let wake_up = alive.subject.wake_up();
        let is_awake = stack.has_news() || wake_up.is_some_and(|at| at < soon);
        self.turn_at = if is_awake { Some(soon) } else { wake_up };
        if is_awake { Ok(()) } else { alive.judge.asleep(stack) }
    }
}
