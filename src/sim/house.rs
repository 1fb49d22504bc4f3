//! One relay's host: what runs there, who watches it, and what is left when it is killed. Knows one relay; knows no way.

use std::time::Duration;

use super::broken::{Broken, Promise};
use super::faults::Faults;
use super::journal::Journal;
use super::packet::{Conn, Packet};
use super::stack::SimStack;
use super::subject::Subject;
use super::ways::Manner;
use crate::protocol::Protocol;
use crate::relay::Relay;
use crate::time::Instant;

/// Turns in a row, within a millisecond each, in which nothing may be done.
const IDLE_TURNS_MOST: u32 = 1000;

/// Who looks at every turn of one relay.
pub trait Watch {
    /// It has had a turn, and did this.
    fn turn<P: Protocol>(
        &mut self,
        journal: &Journal,
        relay: &Relay<P>,
        stack: &SimStack,
    ) -> Result<(), Broken>;

    /// It has nothing to do until its time comes or something happens.
    fn asleep(&self, stack: &SimStack) -> Result<(), Broken>;

    /// It was told to let everybody go.
    fn shuts_down(&mut self);

    /// Everybody is gone, and nothing is left.
    fn all_gone<P: Protocol>(&self, relay: &Relay<P>, stack: &SimStack) -> Result<(), Broken>;
}

/// A host.
pub struct House<S, W> {
    relay: usize,
    life: Life<S, W>,
    /// When the relay has its next turn.
    pub turn_at: Option<Instant>,
    /// Turns in a row in which nothing was done, and when the last turn was.
    idle_turns: u32,
    turned_at: Instant,
    /// The relay was told to end.
    pub is_ending: bool,
}

enum Life<S, W> {
    Up(Box<Alive<S, W>>),
    /// Who comes there is refused, or hears nothing.
    Down(Box<SimStack>, Manner),
}

/// A relay that runs.
pub struct Alive<S, W> {
    pub subject: S,
    pub judge: W,
}

impl<S: Subject, W: Watch> House<S, W> {
    /// A host on which nothing runs yet.
    pub fn new(relay: usize, stack: SimStack) -> Self {
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
    pub fn alive(&self) -> Option<&Alive<S, W>> {
        match &self.life {
            Life::Up(alive) => Some(alive),
            Life::Down(..) => None,
        }
    }

    /// The relay, if it runs.
    pub fn alive_mut(&mut self) -> Option<&mut Alive<S, W>> {
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

    /// A relay is started, unless one runs: made of the stack as it is after the last one.
    pub fn start(&mut self, now: Instant, make: impl FnOnce(&SimStack) -> Alive<S, W>) {
        let Life::Down(heir, _) = &self.life else { return };
        self.life = Life::Up(Box::new(make(heir)));
        (self.turn_at, self.idle_turns) = (Some(now), 0);
    }

    /// The relay is killed. Says what was left of it, if it ran.
    pub fn kill(&mut self, manner: Manner) -> Option<Box<Alive<S, W>>> {
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
