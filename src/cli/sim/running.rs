//! Lets worlds happen, one after the other, until one breaks a promise or somebody wants no more.

use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant as SystemInstant};

use super::options::Plan;
use super::progress::Progress;
use super::tally::Tally;
use crate::cli::signals::Stop;
use crate::protocol::Flood;
use crate::server::Server;
use crate::sim::{Broken, Mesh, MeshOutcome, MeshSetup, Outcome, Real, Setup, SimStack, Trace, World};
use crate::sim::{RealTown, Town, TownOutcome, TownSetup};
use crate::time::Instant;

/// Turns and events at a time: a fraction of a millisecond in most worlds.
const STEPS: u32 = 1000;

/// Something that happens bit by bit: a world of one relay, a mesh of several, or a town.
trait Happening {
    /// So many turns and events. True once it is over.
    fn go_on(&mut self, steps: u32) -> bool;
    fn now(&self) -> Instant;
    /// What happened since the last call.
    fn take_lines(&mut self) -> String;
}

impl Happening for World<Server<SimStack, Flood>> {
    fn go_on(&mut self, steps: u32) -> bool {
        World::go_on(self, steps)
    }

    fn now(&self) -> Instant {
        World::now(self)
    }

    fn take_lines(&mut self) -> String {
        World::take_lines(self)
    }
}

impl Happening for Mesh<Real> {
    fn go_on(&mut self, steps: u32) -> bool {
        Mesh::go_on(self, steps)
    }

    fn now(&self) -> Instant {
        Mesh::now(self)
    }

    fn take_lines(&mut self) -> String {
        Mesh::take_lines(self)
    }
}

impl Happening for Town<RealTown> {
    fn go_on(&mut self, steps: u32) -> bool {
        Town::go_on(self, steps)
    }

    fn now(&self) -> Instant {
        Town::now(self)
    }

    fn take_lines(&mut self) -> String {
        Town::take_lines(self)
    }
}

/// Worlds that were run.
#[derive(Debug)]
pub struct Ran {
    /// All of them, the last one as far as it came.
    pub tally: Tally,
    /// The last one.
    pub last: Option<Outcome>,
    pub ending: Ending,
    /// In our time.
    pub took: Duration,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Every promise was kept to the end.
    Whole,
    /// A signal came, in this world at that moment.
    Stopped { seed: u64, at: Instant },
    /// Something was not as promised.
    Broken { seed: u64, at: Instant, promise: String, how: String },
}

/// How a world ended.
enum Life {
    Over,
    Stopped,
    /// The relay, or the world, went to pieces.
    Panicked(String),
}

/// Runs them. What is to be seen of each step goes out meanwhile.
pub fn run(plan: &Plan, stop: &Stop, out: &mut impl Write) -> io::Result<Ran> {
    let began = SystemInstant::now();
    let progress = Progress::begin(plan);
    let mut ran = Ran { tally: Tally::new(), last: None, ending: Ending::Whole, took: Duration::ZERO };
    for seed in plan.seeds() {
        let setup = Setup::draw(seed, &plan.wishes);
        progress.begins(&setup, ran.tally.worlds);
        let mut world = World::new(setup, trace(plan));
        let life = live(&mut world, stop, &progress, out)?;
        ran.end(seed, world, life, |ran, world| ran.add(world.outcome()));
        if ran.ending == Ending::Whole && plan.has_meshes() {
            let mut mesh = Mesh::new(MeshSetup::draw(seed), trace(plan));
            let life = live(&mut mesh, stop, &progress, out)?;
            ran.end(seed, mesh, life, |ran, mesh| ran.add_mesh(mesh.outcome()));
        }
        if ran.ending == Ending::Whole && plan.has_meshes() {
            let mut town = Town::new(TownSetup::draw(seed), trace(plan));
            let life = live(&mut town, stop, &progress, out)?;
            ran.end(seed, town, life, |ran, town| ran.add_town(town.outcome()));
        }
        if ran.ending != Ending::Whole {
            break;
        }
    }
    ran.took = began.elapsed();
    Ok(ran)
}

impl Ran {
    /// One is over, or left.
    fn end<W: Happening>(&mut self, seed: u64, world: W, life: Life, add: impl FnOnce(&mut Self, W)) {
        let at = world.now();
        match life {
            Life::Over => add(self, world),
            Life::Stopped => {
                add(self, world);
                self.ending = Ending::Stopped { seed, at };
            }
            Life::Panicked(how) => {
                let promise = "neither the relay nor its world goes to pieces".into();
                self.ending = Ending::Broken { seed, at, promise, how };
            }
        }
    }

    /// One more; broken, it is the last.
    fn add(&mut self, outcome: Outcome) {
        self.tally.add(&outcome);
        self.note_broken(outcome.seed, outcome.broken.as_ref());
        self.last = Some(outcome);
    }

    /// One mesh more; the same.
    fn add_mesh(&mut self, outcome: MeshOutcome) {
        self.tally.add_mesh(&outcome);
        self.note_broken(outcome.seed, outcome.broken.as_ref());
    }

    /// One town more; the same.
    fn add_town(&mut self, outcome: TownOutcome) {
        self.tally.add_town(&outcome);
        self.note_broken(outcome.seed, outcome.broken.as_ref());
    }

    fn note_broken(&mut self, seed: u64, broken: Option<&(Instant, Broken)>) {
        if let Some((at, broken)) = broken {
            let (promise, how) = (broken.promise.text().into(), broken.how.clone());
            self.ending = Ending::Broken { seed, at: *at, promise, how };
        }
    }
}

fn trace(plan: &Plan) -> Trace {
    if plan.trace { Trace::in_lines() } else { Trace::new() }
}

/// Until the world's end, or ours.
fn live(
    world: &mut impl Happening,
    stop: &Stop,
    progress: &Progress,
    out: &mut impl Write,
) -> io::Result<Life> {
    loop {
        let went = caught(|| world.go_on(STEPS));
        out.write_all(world.take_lines().as_bytes())?;
        progress.tell(world.now().since(Instant::START));
        match went {
            Err(how) => return Ok(Life::Panicked(how)),
            Ok(true) => return Ok(Life::Over),
            Ok(false) if stop.is_wanted() => return Ok(Life::Stopped),
            Ok(false) => {}
        }
    }
}

/// A panic is a promise broken too: its world is left, and told of as any other. What it said, where it says
/// anything, has gone to stderr with its place.
fn caught<T>(happens: impl FnOnce() -> T) -> Result<T, String> {
    panic::catch_unwind(AssertUnwindSafe(happens)).map_err(|said| {
        let text = said.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| said.downcast_ref::<&str>().copied());
        format!("panicked: {}", text.unwrap_or("without a word"))
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::sim::{Promise, Wishes};

    /// A world of nothing that breaks a promise, behind one that does not.
    pub fn broken() -> Ran {
        let mut ran =
            Ran { tally: Tally::new(), last: None, ending: Ending::Whole, took: Duration::from_millis(1500) };
        let wishes = Wishes { duration: Some(Duration::from_millis(1)), ..Wishes::default() };
        let mut outcome = World::new(Setup::draw(4710, &wishes), Trace::new()).outcome();
        ran.add(outcome.clone());
        assert_eq!(ran.ending, Ending::Whole);
        outcome.seed = 4711;
        outcome.broken = Some((Instant::from_micros(12_345_678), Promise::Echo.broken("#7 got its own")));
        ran.add(outcome);
        ran
    }

    #[test]
    fn a_broken_promise_is_the_end_and_a_panic_is_one() {
        let Ending::Broken { seed, promise, .. } = broken().ending else { panic!("it is broken") };
        assert_eq!((seed, promise.as_str()), (4711, "nobody gets its own frame"));
        assert_eq!(caught(|| 5), Ok(5));
        let said = caught(|| panic!("{} too many", 3));
        assert_eq!(said, Err::<(), _>("panicked: 3 too many".into()));
    }
}
