//! A whole world on one seed: one clock, one agenda, hosts that are turned when something comes or their time does,
//! and a judge that looks at every turn. Knows the server as it is; knows no kernel and no clock but its own.
//!
//! ```text
//!   agenda ─ packet arrives, somebody's cue, the next act ─→ a host's stack ─→ its turn ─→ packets ─ Link ─→ agenda
//!                                                                └─ the server's journal ─→ Judge
//! ```

mod carrying;
mod course;

use std::collections::BTreeMap;
use std::time::Duration;

use super::agenda::Agenda;
use super::broken::{Broken, Promise};
use super::crowd::Crowd;
use super::faults::{Chances, Faults};
use super::figures::Figures;
use super::journal::Journal;
use super::judge::Judge;
use super::link::Troubles;
use super::outcome::Outcome;
use super::packet::{Conn, Packet};
use super::roles::{Role, Script, Terms};
use super::setup::{LoadPart, Setup};
use super::stack::SimStack;
use super::subject::Subject;
use super::trace::Trace;
use crate::load::{Dialect, Load, Pace, Phase, Plan};
use crate::protocol::Flood;
use crate::relay::Relay;
use crate::rng::Rng;
use crate::server::Server;
use crate::time::Instant;
use crate::wire::Framing;
use carrying::Way;
use course::Course;

/// Where the relay listens, in a world of its own.
const RELAY: ([u8; 4], u16) = ([127, 0, 0, 1], 7333);
/// The same for those who speak lines. Its neighbours are nobody's port.
const FOR_LINES: ([u8; 4], u16) = ([127, 0, 0, 1], 7336);
/// Who has a stack: the numbers of their connections tell them apart.
const HOSTS: u32 = 3;
/// How often somebody looks whether the server sleeps too long, and whether the act is over.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Looks after which ways that nobody goes any more are forgotten.
const FORGET_EVERY: u64 = 64;
/// Most microseconds between a readiness and the turn it brings.
const LAG: u64 = 60;
/// Turns in a row, within a millisecond each, in which nothing may be done.
const IDLE_TURNS_MOST: u32 = 1000;

/// A world, with whatever is tried in it.
pub struct World<S> {
    setup: Setup,
    now: Instant,
    rng: Rng,
    subject: S,
    /// When the server has its next turn.
    server_at: Option<Instant>,
    judge: Judge,
    crowd: Crowd,
    crowd_at: Option<Instant>,
    load: Option<Load<SimStack>>,
    load_at: Option<Instant>,
    agenda: Agenda<Event>,
    /// The last cue that each actor was given.
    cues: Vec<u32>,
    ways: BTreeMap<Conn, Way>,
    troubles: Troubles,
    knocks: u64,
    course: Course,
    figures: Figures,
    trace: Trace,
    /// Packets that leave a host in a turn.
    outbox: Vec<Packet>,
    /// Turns in a row in which nothing was done, and when the last turn was.
    idle_turns: u32,
    turned_at: Instant,
    looks: u64,
    load_report: Option<crate::load::Report>,
}

/// A stack's place in the world, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    Server = 0,
    Crowd = 1,
    Load = 2,
}

#[derive(Debug)]
enum Event {
    Arrival(Host, Packet),
    /// An actor's, if it has not been given another since.
    Cue(usize, u32),
    Look,
}

impl World<Server<SimStack, Flood>> {
    /// The world of a setup, with the relay as it is.
    pub fn new(setup: Setup, trace: Trace) -> Self {
        let relay = Relay::new(Flood, setup.penalties.law(), setup.limits.clone());
        Self::with(setup, trace, |stack| Server::new(stack, relay))
    }
}

impl<S: Subject> World<S> {
    /// The world of a setup, with whatever is to be tried.
    pub(super) fn with(setup: Setup, trace: Trace, subject: impl FnOnce(SimStack) -> S) -> Self {
        let mut rng = Rng::new(setup.seed ^ 0x5eed);
        let mut stack =
            SimStack::new(Host::Server as u32, HOSTS, Faults::new(rng.next(), setup.faults.clone()));
        stack.listen(RELAY.into(), Framing::Frames.into());
        stack.listen(FOR_LINES.into(), Framing::Lines.into());
        stack.keep_journal();
        let mut world = Self {
            now: Instant::START,
            subject: subject(stack),
            server_at: Some(Instant::START),
            judge: Judge::new(setup.penalties, setup.limits.clone()),
            crowd: Crowd::new(client(Host::Crowd), RELAY.into(), FOR_LINES.into()),
            crowd_at: None,
            load: setup.load.as_ref().map(|part| load(part, &setup)),
            load_at: setup.load.as_ref().map(|_| Instant::START),
            agenda: Agenda::new(),
            cues: Vec::new(),
            ways: BTreeMap::new(),
            troubles: Troubles::default(),
            knocks: 0,
            course: Course::new(&setup),
            figures: Figures::new(),
            trace,
            outbox: Vec::new(),
            idle_turns: 0,
            turned_at: Instant::START,
            looks: 0,
            load_report: None,
            rng,
            setup,
        };
        world.cast();
        world.agenda.plan(Instant::START + LOOK_EVERY, Event::Look);
        world
    }

    /// Lets some of it happen: so many turns and events. True once it is over.
    pub fn go_on(&mut self, steps: u32) -> bool {
        for _ in 0..steps {
            if self.course.is_over() {
                return true;
            }
            if let Err(broken) = self.step() {
                self.course.break_off(broken);
            }
        }
        self.course.is_over()
    }

    /// To its end.
    pub fn run(mut self) -> Outcome {
        while !self.go_on(u32::MAX) {}
        self.outcome()
    }

    /// What time it is there.
    pub fn now(&self) -> Instant {
        self.now
    }

    /// What happened since the last call, in lines.
    pub fn take_lines(&mut self) -> String {
        self.trace.take_lines()
    }

    /// What came of it.
    pub fn outcome(mut self) -> Outcome {
        let stats = self.subject.relay().stats().clone();
        let mut roles: BTreeMap<Role, (u64, u64)> = BTreeMap::new();
        self.setup.cast.iter().for_each(|part| roles.entry(part.role).or_default().0 += 1);
        self.crowd.moves().filter(|&(_, moves)| moves > 0).for_each(|(role, moves)| {
            roles.entry(role).or_default().1 += moves;
        });
        self.ways.values().for_each(|way| self.troubles.add(way.troubles()));
        let load = self.ask_load();
        Outcome {
            seed: self.setup.seed,
            broken: self.course.broken().map(|broken| (self.now, broken)),
            lasted: self.now.since(Instant::START),
            figures: self.figures,
            accepted: stats.accepted,
            closed: stats.closed,
            refused: stats.refused,
            bans: stats.bans,
            faults: self.subject.stack_mut().faults().counts().filter(|&(_, count)| count > 0).collect(),
            roles,
            troubles: self.troubles,
            mixed: self.judge.mixed(),
            knocks: self.knocks,
            load,
            hash: self.trace.hash(),
        }
    }

    /// The next thing that happens.
    fn step(&mut self) -> Result<(), Broken> {
        let due = [self.agenda.next(), self.crowd_at, self.load_at, self.server_at];
        let next = due.into_iter().flatten().min();
        let Some(next) = next else {
            return Err(Promise::Service.broken("nothing will ever happen any more"));
        };
        self.now = self.now.max(next);
        if let Some(event) = self.agenda.pop(self.now) {
            return self.happen(event);
        }
        if self.crowd_at.take_if(|at| *at <= self.now).is_some() {
            self.crowd.turn(self.now);
            self.ship_from_crowd();
            return Ok(());
        }
        if self.load_at.take_if(|at| *at <= self.now).is_some() {
            return self.turn_load();
        }
        self.turn_server()
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Arrival(Host::Server, packet) => {
                self.arrive_at_server(packet);
                Ok(())
            }
            Event::Arrival(host, packet) => self.arrive_at_client(host, packet),
            Event::Cue(actor, cue) => {
                if self.cues[actor] == cue {
                    self.prompt(actor);
                }
                Ok(())
            }
            Event::Look => {
                self.agenda.plan(self.now + LOOK_EVERY, Event::Look);
                self.looks += 1;
                if self.looks.is_multiple_of(FORGET_EVERY) {
                    self.forget_ways();
                }
                self.judge.overslept(self.now)?;
                self.proceed()
            }
        }
    }

    // turns

    fn turn_server(&mut self) -> Result<(), Broken> {
        self.subject.stack_mut().begin_turn(self.now);
        if let Err(error) = self.subject.turn() {
            return Err(Promise::Service.broken(format!("the server's turn failed: {error}")));
        }
        let journal = self.subject.stack_mut().take_journal();
        journal.deeds().iter().for_each(|deed| self.trace.deed(self.now, deed));
        self.look_for_circles(&journal)?;
        self.judge.turn(&journal, self.subject.relay(), self.subject.stack())?;
        if !journal.is_idle() {
            self.figures.queued(self.now, self.judge.waiting());
            self.figures.under_way(self.now, self.judge.under_way());
        }
        self.subject.forget_events();
        self.ship_from_server();
        self.plan_server_turn()
    }

    /// Turns that follow each other at once, with nothing done in them, are a loop that spins.
    fn look_for_circles(&mut self, journal: &Journal) -> Result<(), Broken> {
        let is_soon = self.now.since(self.turned_at) < Duration::from_millis(1);
        self.turned_at = self.now;
        self.idle_turns = if journal.is_idle() && is_soon { self.idle_turns + 1 } else { 0 };
        if self.idle_turns > IDLE_TURNS_MOST {
            return Err(
                Promise::Service.broken(format!("{IDLE_TURNS_MOST} turns at once, and nothing is done"))
            );
        }
        Ok(())
    }

    fn plan_server_turn(&mut self) -> Result<(), Broken> {
        let soon = self.subject.stack().now_there() + Duration::from_micros(1);
        let wake_up = self.subject.wake_up();
        let is_awake = self.subject.stack().has_news() || wake_up.is_some_and(|at| at < soon);
        self.server_at = if is_awake { Some(soon) } else { wake_up };
        if is_awake { Ok(()) } else { self.judge.asleep(self.subject.stack()) }
    }

    /// The server has something to do by then.
    fn turn_server_by(&mut self, at: Instant) {
        let at = at.max(self.subject.stack().now_there());
        self.server_at = Some(self.server_at.map_or(at, |planned| planned.min(at)));
    }

    fn turn_load(&mut self) -> Result<(), Broken> {
        let Some(load) = &mut self.load else { return Ok(()) };
        load.stack_mut().begin_turn(self.now);
        let phase = load.turn(None).map_err(|error| Promise::Load.broken(error.to_string()))?;
        self.load_at = match load.wake_up() {
            _ if phase == Phase::Over => None,
            Some(at) => Some(at.max(self.now + Duration::from_micros(1))),
            None => None,
        };
        self.ship_from_load();
        Ok(())
    }

    // the course of things

    fn cast(&mut self) {
        let terms = Terms {
            magic: self.setup.limits.decoder.magic,
            max_payload: self.setup.limits.decoder.max_payload,
            max_line: self.setup.limits.max_line as u32, // no more than a payload
            talk_every: self.setup.talk_every,
            ban_time: self.setup.limits.ban_time,
        };
        for part in self.setup.cast.clone() {
            let script = Script::new(part.role, part.framing, terms, self.rng.next());
            let actor = self.crowd.join(script, part.from, part.profile);
            let comes = Duration::from_micros(self.rng.below(1_000_000));
            self.cues.push(0);
            self.cue(actor, comes);
        }
    }

    /// Everybody is asked again, as soon as he would be anyway or now.
    fn cue_everybody(&mut self) {
        for actor in 0..self.crowd.len() {
            let soon = Duration::from_micros(self.rng.below(50_000));
            self.cue(actor, soon);
        }
    }

    /// An actor is asked after so long, and not before.
    fn cue(&mut self, actor: usize, after: Duration) {
        self.cues[actor] += 1;
        self.agenda.plan(self.now + after, Event::Cue(actor, self.cues[actor]));
    }

    fn prompt(&mut self, actor: usize) {
        if let Some(next) = self.crowd.prompt(self.now, actor) {
            self.cue(actor, next);
        }
        self.ship_from_crowd();
    }

    /// Nothing goes wrong any more, on no way and no host.
    fn calm(&mut self) {
        self.subject.stack_mut().faults().stop();
        self.ways.values_mut().for_each(Way::calm);
    }
}

fn client(host: Host) -> SimStack {
    SimStack::new(host as u32, HOSTS, Faults::new(0, Chances::default()))
}

fn load(part: &LoadPart, setup: &Setup) -> Load<SimStack> {
    let plan = Plan {
        to: RELAY.into(),
        dialect: Dialect::Frames,
        lines_at: None,
        magic: setup.limits.decoder.magic,
        command: "msg".parse().expect("a command"),
        peers: part.peers,
        senders: part.senders,
        sizes: part.sizes.clone(),
        pace: Pace::Every(part.every),
        warmup: Duration::ZERO,
        duration: part.duration,
        max_bytes: u64::MAX,
        patience: setup.convergence(),
        seed: setup.seed,
    };
    Load::new(client(Host::Load), plan)
}
