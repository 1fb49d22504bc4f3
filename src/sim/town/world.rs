//! A town on one seed: one clock, one agenda, relays that are turned when something comes or their time does, and people
//! who talk to them. Knows the server as it is; knows no kernel and no clock but its own.

use std::collections::BTreeMap;
use std::time::Duration;

use super::builder::{Estate, Plan, RealTown, TownBuilder};
use super::clarke::Gossip;
use super::course::Course;
use super::folk::{Folk, News};
use super::lies::Lie;
use super::mint::Mint;
use super::outcome::{Chance, TownOutcome};
use super::person::{Due, Person};
use super::setup::TownSetup;
use super::warden::Warden;
use crate::protocol::Dialect;
use crate::rng::Rng;
use crate::sim::agenda::Agenda;
use crate::sim::broken::{Broken, Promise};
use crate::sim::faults::{Chances, Faults};
use crate::sim::house::{Alive, House};
use crate::sim::packet::{Conn, Packet};
use crate::sim::stack::SimStack;
use crate::sim::trace::Trace;
use crate::sim::ways::{Arrival, HOSTS, LEAVES_HOST, Ways};
use crate::time::Instant;

/// How often somebody looks whether the act is over.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Looks after which connections that nobody has are forgotten.
const FORGET_EVERY: u64 = 32;

/// A town, with whatever is tried in it.
pub struct Town<B: TownBuilder> {
    pub(super) setup: TownSetup,
    builder: B,
    pub(super) now: Instant,
    pub(super) rng: Rng,
    pub(super) houses: Vec<House<B::Subject, Warden>>,
    pub(super) folk: Folk,
    pub(super) folk_at: Option<Instant>,
    pub(super) people: Vec<Person>,
    pub(super) mint: Mint,
    pub(super) gossip: Gossip,
    /// What outlives each relay.
    estates: Vec<Estate>,
    /// What everybody is to be told.
    pub(super) dues: Vec<Due>,
    pub(super) agenda: Agenda<Event>,
    pub(super) ways: Ways,
    pub(super) course: Course,
    happened: BTreeMap<Chance, u64>,
    pub(super) lies: BTreeMap<Lie, u64>,
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
    /// Somebody connects, unless connected; says something. Unless there was another cue since.
    Join(usize, u32),
    Speak(usize, u32),
    /// Somebody types the next byte.
    Type(usize),
    /// One of the blocks that are made one by one.
    Mine,
    /// One of the setup's.
    Trouble(usize),
    Heal((usize, usize)),
    ShutDown(usize),
    Leave(usize),
    Look,
}

impl Town<RealTown> {
    /// The town of a setup, with the relay as it is.
    pub fn new(setup: TownSetup, trace: Trace) -> Self {
        Self::with(setup, trace, RealTown)
    }
}

impl<B: TownBuilder> Town<B> {
    /// The town of a setup, with whatever is to be tried.
    pub(super) fn with(setup: TownSetup, trace: Trace, builder: B) -> Self {
        let mut rng = Rng::new(setup.seed ^ 0x5eed_746f);
        let stack = SimStack::new(LEAVES_HOST as u32, HOSTS, Faults::new(0, Chances::default()));
        let mut town = Self {
            now: Instant::START,
            houses: (0..setup.relays()).map(|relay| House::new(relay, host(relay))).collect(),
            folk: Folk::new(stack, setup.people.len()),
            folk_at: None,
            people: setup.people.iter().map(|part| Person::new(*part, &setup.limits)).collect(),
            mint: Mint::new(rng.next()),
            gossip: Gossip::default(),
            estates: vec![Estate::default(); setup.relays()],
            dues: Vec::new(),
            agenda: Agenda::new(),
            ways: Ways::new(rng.next()),
            course: Course::new(),
            happened: BTreeMap::new(),
            lies: BTreeMap::new(),
            trace,
            outbox: Vec::new(),
            looks: 0,
            builder,
            rng,
            setup,
        };
        town.cast();
        town
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
    pub fn run(mut self) -> TownOutcome {
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
    pub fn outcome(mut self) -> TownOutcome {
        (0..self.houses.len()).for_each(|relay| self.count_bans(relay));
        let mut people = BTreeMap::new();
        for person in &self.people {
            let (came, moves): &mut (u64, u64) = people.entry(person.part.role).or_default();
            (*came, *moves) = (*came + 1, *moves + person.moves);
        }
        TownOutcome {
            seed: self.setup.seed,
            broken: self.course.broken().map(|broken| (self.now, broken)),
            lasted: self.now.since(Instant::START),
            people,
            lies: self.lies,
            happened: self.happened,
            hash: self.trace.hash(),
        }
    }

    pub(super) fn happens(&mut self, what: Chance) {
        self.happens_often(what, 1);
    }

    pub(super) fn happens_often(&mut self, what: Chance, count: u64) {
        *self.happened.entry(what).or_default() += count;
    }

    /// What one relay's warden has counted, before it is forgotten.
    pub(super) fn count_bans(&mut self, relay: usize) {
        let bans = self.houses[relay].alive().map_or(0, |alive| alive.judge.bans());
        self.happens_often(Chance::Banned, bans);
    }

    /// The next thing that happens.
    fn step(&mut self) -> Result<(), Broken> {
        let turns = self.houses.iter().filter_map(|house| house.turn_at);
        let Some(next) = turns.chain(self.agenda.next()).chain(self.folk_at).min() else {
            return Err(Promise::Service.broken("nothing will ever happen any more"));
        };
        self.now = self.now.max(next);
        if let Some(event) = self.agenda.pop(self.now) {
            return self.happen(event);
        }
        if self.folk_at.take_if(|at| *at <= self.now).is_some() {
            return self.turn_folk();
        }
        let now = self.now;
        let due = self.houses.iter().position(|house| house.turn_at.is_some_and(|at| at <= now));
        due.map_or(Ok(()), |relay| self.turn_relay(relay))
    }

    fn happen(&mut self, event: Event) -> Result<(), Broken> {
        match event {
            Event::Arrival(arrival) => self.arrive(arrival),
            Event::Sever(conn, which) => self.sever(conn, which),
            Event::Start(relay) => self.start(relay),
            Event::Join(who, cue) if self.people[who].join_cue == cue => self.join(who),
            Event::Speak(who, cue) if self.people[who].speak_cue == cue => self.speak(who),
            Event::Join(..) | Event::Speak(..) => {}
            Event::Type(who) => self.type_on(who),
            Event::Mine => self.mine_in_turn(),
            Event::Trouble(nth) => self.trouble(nth),
            Event::Heal(between) => self.heal(between),
            Event::ShutDown(relay) => return self.shut_down(relay),
            Event::Leave(who) => self.leave(who),
            Event::Look => return self.look(),
        }
        self.ship_from(LEAVES_HOST);
        Ok(())
    }

    fn look(&mut self) -> Result<(), Broken> {
        self.agenda.plan(self.now + LOOK_EVERY, Event::Look);
        self.looks += 1;
        if self.looks.is_multiple_of(FORGET_EVERY) {
            let (houses, folk) = (&self.houses, &self.folk);
            self.ways.forget(self.now, |host, conn| match houses.get(host) {
                Some(house) => house.has(conn),
                None => folk.has(conn),
            });
        }
        self.look_at_liars()?;
        self.proceed()?;
        self.ship_from(LEAVES_HOST);
        Ok(())
    }

    pub(super) fn turn_relay(&mut self, relay: usize) -> Result<(), Broken> {
        let house = &mut self.houses[relay];
        house.turn_at = None;
        let journal = house.turn(self.now)?;
        if let Some(alive) = house.alive_mut() {
            self.builder.save(&mut alive.subject, &mut self.estates[relay]);
        }
        self.trace.is_about(relay);
        journal.deeds().iter().for_each(|deed| self.trace.deed(self.now, deed));
        self.ship_from(relay);
        Ok(())
    }

    fn turn_folk(&mut self) -> Result<(), Broken> {
        self.folk.turn(self.now);
        for (who, news) in self.folk.take_news() {
            match news {
                News::Opened => self.opened(who),
                News::Came(bytes) => self.came(who, &bytes)?,
                News::Over(end) => self.over(who, end)?,
            }
        }
        self.ship_from(LEAVES_HOST);
        Ok(())
    }

    fn cast(&mut self) {
        for relay in 0..self.houses.len() {
            let starts = Duration::from_millis(self.rng.below(1_000));
            self.agenda.plan(Instant::START + starts, Event::Start(relay));
        }
        for who in 0..self.people.len() {
            if self.people[who].part.role.comes_first() {
                let comes = Duration::from_millis(500 + self.rng.below(2_000));
                self.cue_join(who, comes);
            }
        }
        self.agenda.plan(Instant::START + LOOK_EVERY, Event::Look);
        let (relays, people) = (self.houses.len(), self.people.len());
        self.trace.befell(Instant::START, &format!("a town of its own: {relays} relays, {people} people"));
    }

    fn start(&mut self, relay: usize) {
        if self.course.is_leaving() || self.houses[relay].alive().is_some() {
            return;
        }
        if self.course.has_gathered() {
            self.trace.befell(self.now, &format!("relay {} started again", relay + 1));
            self.inherit(relay);
        }
        let (now, setup, builder, seed) = (self.now, &self.setup, &self.builder, self.rng.next());
        let estate = &self.estates[relay];
        self.houses[relay].start(now, |heir| {
            let mut stack = heir.restarted(Faults::new(seed, setup.faults.clone()));
            for dialect in [Dialect::Frames, Dialect::Lines, Dialect::Json, Dialect::Chain, Dialect::Http] {
                stack.listen(TownSetup::address(relay, dialect), dialect);
            }
            stack.keep_journal();
            let dials = setup.kept_up(relay);
            let judge = Warden::new(setup.suspects(), setup.limits.retained_max_bytes);
            let plan = Plan { relay, limits: &setup.limits, dials: &dials, estate, seed };
            Alive { subject: builder.build(stack, &plan), judge }
        });
        if self.course.is_calm() {
            self.houses[relay].calm();
        }
    }

    /// A relay finds what the last one has written down, or nothing.
    fn inherit(&mut self, relay: usize) {
        if self.rng.below(2) == 0 {
            self.estates[relay] = Estate::default();
        }
        let is_heir = !self.estates[relay].is_empty();
        self.happens(if is_heir { Chance::Inherited } else { Chance::Restarted });
    }

    /// A relay is told to end, as a signal does it: that wakes it first.
    fn shut_down(&mut self, relay: usize) -> Result<(), Broken> {
        self.turn_relay(relay)?;
        self.houses[relay].shut_down(self.now);
        Ok(())
    }
}

/// A relay's host, on which nothing runs yet.
fn host(relay: usize) -> SimStack {
    let mut stack = SimStack::new(relay as u32, HOSTS, Faults::new(0, Chances::default()));
    stack.live_at(TownSetup::address(relay, Dialect::Frames).ip());
    stack
}
