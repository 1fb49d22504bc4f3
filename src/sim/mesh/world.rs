//! A mesh on one seed: one clock, one agenda, hosts that are turned when something comes or their time does, a judge
//! for each relay and a ledger above them. Knows the server as it is; knows no kernel and no clock but its own.

use std::collections::BTreeMap;
use std::time::Duration;

use super::builder::{Builder, Real};
use super::course::Course;
use super::leaves::Leaves;
use super::ledger::{Ledger, Order};
use super::outcome::{Happened, MeshOutcome};
use super::setup::MeshSetup;
use crate::protocol::Dialect;
use crate::rng::Rng;
use crate::sim::agenda::Agenda;
use crate::sim::broken::{Broken, Promise};
use crate::sim::faults::{Chances, Faults};
use crate::sim::house::{Alive, House};
use crate::sim::journal::Deed;
use crate::sim::judge::Judge;
use crate::sim::packet::{Conn, Packet};
use crate::sim::setup::Penalties;
use crate::sim::stack::SimStack;
use crate::sim::trace::Trace;
use crate::sim::ways::{Arrival, HOSTS, LEAVES_HOST, Ways};
use crate::time::Instant;

/// How often somebody looks whether a relay sleeps too long, and whether the act is over.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Looks after which connections that nobody has are forgotten.
const FORGET_EVERY: u64 = 64;
/// How long a leaf waits for its connection before it tries again.
const JOIN_AGAIN: Duration = Duration::from_secs(3);

/// A mesh, with whatever is tried in it.
pub struct Mesh<B: Builder> {
    pub(super) setup: MeshSetup,
    builder: B,
    pub(super) now: Instant,
    pub(super) rng: Rng,
    pub(super) houses: Vec<House<B::Subject, Judge>>,
    pub(super) leaves: Leaves,
    pub(super) leaves_at: Option<Instant>,
    /// The last cue that each leaf was given, to connect and to say something.
    join_cues: Vec<u32>,
    speak_cues: Vec<u32>,
    pub(super) agenda: Agenda<Event>,
    pub(super) ways: Ways,
    pub(super) ledger: Ledger,
    pub(super) course: Course,
    happened: BTreeMap<Happened, u64>,
    pub(super) trace: Trace,
    /// Packets that leave a host in a turn.
    pub(super) outbox: Vec<Packet>,
    looks: u64,
}

#[derive(Debug)]
pub(super) enum Event {
    Arrival(Arrival),
    /// An end of a connection hears that it goes nowhere any more.
    Sever(Conn, usize),
    Start(usize),
    /// A leaf connects, unless it is connected; it says something. Where it has not been given another cue since.
    Join(usize, u32),
    Speak(usize, u32),
    /// One of the setup's.
    Trouble(usize),
    Heal((usize, usize)),
    ShutDown(usize),
    Leave(usize),
    Look,
}

impl Mesh<Real> {
    /// The mesh of a setup, with the relay as it is.
    pub fn new(setup: MeshSetup, trace: Trace) -> Self {
        Self::with(setup, trace, Real)
    }
}

impl<B: Builder> Mesh<B> {
    /// The mesh of a setup, with whatever is to be tried.
    pub(super) fn with(setup: MeshSetup, trace: Trace, builder: B) -> Self {
        let mut rng = Rng::new(setup.seed ^ 0x5eed_6d65);
        let stack = SimStack::new(LEAVES_HOST as u32, HOSTS, Faults::new(0, Chances::default()));
        let order = if setup.is_tree() { Order::Kept } else { Order::KeptWithinReach };
        let mut mesh = Self {
            now: Instant::START,
            houses: (0..setup.relays.len()).map(|relay| House::new(relay, host(relay))).collect(),
            leaves: Leaves::new(stack, &setup.leaves, setup.limits.decoder),
            leaves_at: None,
            join_cues: vec![0; setup.leaves.len()],
            speak_cues: vec![0; setup.leaves.len()],
            agenda: Agenda::new(),
            ways: Ways::new(rng.next()),
            ledger: Ledger::new(setup.seed, setup.leaves.len(), order),
            course: Course::new(),
            happened: BTreeMap::new(),
            trace,
            outbox: Vec::new(),
            looks: 0,
            builder,
            rng,
            setup,
        };
        mesh.cast();
        mesh
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
    pub fn run(mut self) -> MeshOutcome {
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
    pub fn outcome(mut self) -> MeshOutcome {
        for relay in 0..self.houses.len() {
            self.count_judged(relay);
        }
        let (said, heard) = self.ledger.counts();
        self.happens_often(Happened::Said, said);
        self.happens_often(Happened::Heard, heard);
        MeshOutcome {
            seed: self.setup.seed,
            broken: self.course.broken().map(|broken| (self.now, broken)),
            lasted: self.now.since(Instant::START),
            topology: self.setup.topology,
            happened: self.happened,
            hash: self.trace.hash(),
        }
    }

    pub(super) fn happens(&mut self, what: Happened) {
        self.happens_often(what, 1);
    }

    fn happens_often(&mut self, what: Happened, count: u64) {
        *self.happened.entry(what).or_default() += count;
    }

    /// What one relay's judge has counted, before it is forgotten.
    pub(super) fn count_judged(&mut self, relay: usize) {
        let Some(alive) = self.houses[relay].alive() else { return };
        let (dials, swallowed) = (alive.judge.dial_counts(), alive.judge.swallowed());
        self.happens_often(Happened::Joined, dials.up);
        self.happens_often(Happened::TimedOut, dials.timed_out);
        self.happens_often(Happened::Swallowed, swallowed);
    }

    /// The next thing that happens.
    fn step(&mut self) -> Result<(), Broken> {
        let turns = self.houses.iter().filter_map(|house| house.turn_at);
        let next = turns.chain(self.agenda.next()).chain(self.leaves_at).min();
        let Some(next) = next else {
            return Err(Promise::Service.broken("nothing will ever happen any more"));
        };
        self.now = self.now.max(next);
        if let Some(event) = self.agenda.pop(self.now) {
            return self.happen(event);
        }
        if self.leaves_at.take_if(|at| *at <= self.now).is_some() {
            return self.turn_leaves();
        }
        let now = self.now;
        match self.houses.iter().position(|house| house.turn_at.is_some_and(|at| at <= now)) {
            Some(relay) => self.turn_relay(relay),
            None => Ok(()),
        }
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Arrival(arrival) => return self.arrive(arrival),
            Event::Sever(conn, which) => return self.sever(conn, which),
            Event::Start(relay) => self.start(relay),
            Event::Join(leaf, cue) if self.join_cues[leaf] == cue => return self.join(leaf),
            Event::Speak(leaf, cue) if self.speak_cues[leaf] == cue => return self.speak(leaf),
            Event::Join(..) | Event::Speak(..) => {}
            Event::Trouble(nth) => return self.trouble(nth),
            Event::Heal(between) => self.heal(between),
            Event::ShutDown(relay) => return self.shut_down(relay),
            Event::Leave(leaf) => {
                self.leaves.leave(self.now, leaf);
                return self.ship_from(LEAVES_HOST);
            }
            Event::Look => return self.look(),
        }
        Ok(())
    }

    fn look(&mut self) -> Result<(), Broken> {
        self.agenda.plan(self.now + LOOK_EVERY, Event::Look);
        self.looks += 1;
        if self.looks.is_multiple_of(FORGET_EVERY) {
            let (houses, leaves) = (&self.houses, &self.leaves);
            self.ways.forget(self.now, |host, conn| match houses.get(host) {
                Some(house) => house.has(conn),
                None => leaves.has(conn),
            });
        }
        for house in &self.houses {
            house.alive().map_or(Ok(()), |alive| alive.judge.overslept(self.now))?;
        }
        self.proceed()
    }

    // turns

    fn turn_relay(&mut self, relay: usize) -> Result<(), Broken> {
        let house = &mut self.houses[relay];
        house.turn_at = None;
        let journal = house.turn(self.now)?;
        self.trace.is_about(relay);
        for deed in journal.deeds() {
            self.trace.deed(self.now, deed);
            if let Deed::NoRoute(_) = deed {
                *self.happened.entry(Happened::NoRoute).or_default() += 1;
            }
        }
        self.ship_from(relay)
    }

    fn turn_leaves(&mut self) -> Result<(), Broken> {
        self.leaves.turn(self.now)?;
        for (leaf, frame) in self.leaves.take_heard() {
            self.ledger.heard(self.now, leaf, &frame)?;
        }
        for leaf in self.leaves.take_lost() {
            let after = Duration::from_millis(200 + self.rng.below(1_000));
            self.cue_join(leaf, after);
        }
        self.ship_from(LEAVES_HOST)
    }

    fn join(&mut self, leaf: usize) -> Result<(), Broken> {
        if self.leaves.conn(leaf).is_some() || self.course.is_leaving() {
            return Ok(());
        }
        self.leaves.join(self.now, leaf);
        self.cue_join(leaf, JOIN_AGAIN);
        self.ship_from(LEAVES_HOST)
    }

    /// A leaf is to connect after so long, and not before.
    fn cue_join(&mut self, leaf: usize, after: Duration) {
        self.join_cues[leaf] += 1;
        self.agenda.plan(self.now + after, Event::Join(leaf, self.join_cues[leaf]));
    }

    /// A leaf is to say something after so long, and not before.
    pub(super) fn cue_speak(&mut self, leaf: usize, after: Duration) {
        self.speak_cues[leaf] += 1;
        self.agenda.plan(self.now + after, Event::Speak(leaf, self.speak_cues[leaf]));
    }

    /// A relay is told to end, as a signal does it: that wakes it first.
    fn shut_down(&mut self, relay: usize) -> Result<(), Broken> {
        self.turn_relay(relay)?;
        if self.houses[relay].alive().is_some_and(|alive| alive.judge.is_dialing()) {
            self.happens(Happened::ShutWhileDialing);
        }
        self.houses[relay].shut_down(self.now);
        Ok(())
    }

    // the course of things

    fn cast(&mut self) {
        for relay in 0..self.houses.len() {
            self.agenda.plan(Instant::START + self.setup.relays[relay].starts, Event::Start(relay));
        }
        for leaf in 0..self.setup.leaves.len() {
            let comes = Duration::from_millis(500 + self.rng.below(1_000));
            self.cue_join(leaf, comes);
        }
        self.agenda.plan(Instant::START + LOOK_EVERY, Event::Look);
        let (what, relays) = (self.setup.topology, self.houses.len());
        self.trace.befell(Instant::START, &format!("a mesh of its own: {what}, {relays} relays"));
    }

    pub(super) fn start(&mut self, relay: usize) {
        if self.course.is_leaving() {
            return;
        }
        if self.course.has_gathered() {
            self.happens(Happened::Restarted);
            self.trace.befell(self.now, &format!("relay {} started again", relay + 1));
        }
        let (now, setup, builder, seed) = (self.now, &self.setup, &self.builder, self.rng.next());
        self.houses[relay].start(now, |heir| {
            let mut stack = heir.restarted(Faults::new(seed, setup.faults.clone()));
            stack.listen(MeshSetup::address(relay), Dialect::Frames);
            stack.keep_journal();
            let dials: Vec<_> = setup.relays[relay].dials.iter().map(|dial| dial.addresses.clone()).collect();
            let mut judge = Judge::new(Penalties::USUAL, builder.judged_by(&setup.limits));
            judge.keeps_up(now, &dials);
            Alive { subject: builder.build(stack, &setup.limits, &dials, seed), judge }
        });
        if self.course.is_calm() {
            self.houses[relay].calm();
        }
    }
}

/// A relay's host, on which nothing runs yet.
fn host(relay: usize) -> SimStack {
    let mut stack = SimStack::new(relay as u32, HOSTS, Faults::new(0, Chances::default()));
    stack.live_at(MeshSetup::address(relay).ip());
    stack.lose_route(MeshSetup::no_route());
    stack
}
