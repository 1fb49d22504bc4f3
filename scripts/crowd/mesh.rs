//! The mesh: relays that know each other, with leaves at each. One of them is killed and started again. Knows what must
//! hold; what the leaves have heard stands elsewhere.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use peer_relay::relay::RETRY_MOST;

use crate::leaves::Leaves;
use crate::relay::Relay;
use crate::shape::{LEAVES, Shape};
use crate::{PATIENCE, tell};

/// Frames that each says in a talk, as fast as it can.
const FRAMES: usize = 100;
/// How often each speaks while something is waited for.
const EVERY: Duration = Duration::from_millis(20);
/// Two lines of figures are that far apart, and for so long at least nothing came when they agree.
const FIGURES_EVERY: &str = "--stats-every=100ms";

/// What it comes to.
#[derive(Debug, Default)]
struct Times {
    whole: Duration,
    /// None where nobody is left.
    carries: Option<Duration>,
    whole_again: Duration,
    deliveries: u64,
}

/// The relays of a shape, and everybody at them.
struct Mesh {
    shape: Shape,
    places: Vec<SocketAddr>,
    /// None while it is down.
    relays: Vec<Option<Relay>>,
    leaves: Leaves,
}

/// Runs them, one after the other; an error is what did not hold.
pub fn run(shapes: &[Shape]) -> Result<(), String> {
    tell(&format!(
        "mesh: {LEAVES} leaves at each relay; one relay is killed, and started again\n\
         {:<8} {:>6} {:>6} {:>12} {:>14} {:>12} {:>25}",
        "", "relays", "dialed", "whole after", "carries again", "whole again", "deliveries, each once"
    ))?;
    for &shape in shapes {
        let name = shape.name();
        let Times { whole, carries, whole_again, deliveries } =
            trial(shape).map_err(|fault| format!("{name}, {fault}"))?;
        let (relays, dialed) =
            (shape.relays(), (0..shape.relays()).map(|at| shape.dials(at).len()).sum::<usize>());
        let seconds = |span: Duration| format!("{:.2} s", span.as_secs_f64());
        tell(&format!(
            "{name:<8} {relays:>6} {dialed:>6} {:>12} {:>14} {:>12} {deliveries:>25}",
            seconds(whole),
            carries.map_or("-".into(), |span| format!("{:.1} ms", span.as_secs_f64() * 1e3)),
            seconds(whole_again),
        ))?;
    }
    tell("mesh: everybody heard everything once")
}

fn trial(shape: Shape) -> Result<Times, String> {
    let during = |phase: &'static str| move |fault: String| format!("{phase}: {fault}");
    let mut times = Times::default();
    let began = Instant::now();
    let mut mesh = Mesh::start(shape)?;
    times.whole = mesh.gather(began).map_err(during("at first"))?;
    times.deliveries += mesh.talk().map_err(during("once it was whole"))?;
    let (carries, deliveries) = mesh.kill().map_err(during("when one was killed"))?;
    times.carries = carries;
    times.deliveries += deliveries;
    let began = Instant::now();
    mesh.start_again().map_err(during("when it was started again"))?;
    times.whole_again = mesh.gather(began).map_err(during("when it was started again"))?;
    times.deliveries += mesh.talk().map_err(during("once it was whole again"))?;
    mesh.end().map_err(during("at the end"))?;
    Ok(times)
}

impl Mesh {
    /// Their leaves are in; whether the relays have found each other is another matter.
    fn start(shape: Shape) -> Result<Self, String> {
        let places = places(shape.relays())?;
        let relays = places.iter().map(|_| None).collect();
        let mut mesh = Self { shape, places, relays, leaves: Leaves::new(shape.relays() * LEAVES) };
        for relay in 0..shape.relays() {
            mesh.start_relay(relay)?;
        }
        mesh.leaves.ping()?;
        Ok(mesh)
    }

    fn start_relay(&mut self, relay: usize) -> Result<(), String> {
        let dialed =
            self.shape.dials(relay).into_iter().map(|other| format!("--connect={}", self.places[other]));
        let options: Vec<String> = dialed.chain([FIGURES_EVERY.into()]).collect();
        let options: Vec<&str> = options.iter().map(String::as_str).collect();
        self.relays[relay] = Some(Relay::start(self.places[relay], &options)?);
        for leaf in Shape::leaves_at(relay) {
            self.leaves.connect(leaf, self.places[relay])?;
        }
        Ok(())
    }

    /// All talk until everybody who is dialled is there and everybody hears everybody. How long that took.
    fn gather(&mut self, began: Instant) -> Result<Duration, String> {
        self.leaves.begin(BTreeSet::new()); // what is said before they have found each other is lost, and owed to nobody
        let everybody = self.shape.owed(None);
        let is_whole = |mesh: &Self| {
            let is_linked = |at: usize| mesh.links(at) == mesh.shape.dials(at).len();
            (0..mesh.relays.len()).all(is_linked) && mesh.leaves.have_heard(everybody.iter().copied())
        };
        let whole = self.talk_until(began, RETRY_MOST, is_whole)?;
        self.fall_silent()?;
        self.leaves.close()?;
        whole.ok_or_else(|| format!("not whole within {} s", RETRY_MOST.as_secs()))
    }

    /// Everybody owes everybody everything. How much that was.
    fn talk(&mut self) -> Result<u64, String> {
        self.leaves.begin(self.shape.owed(None));
        for _ in 0..FRAMES {
            self.leaves.say();
            self.leaves.turn()?;
        }
        self.conclude()
    }

    /// One is killed while all are talking. The others miss nothing of each other, where there is a way for it: how long
    /// until something said afterwards has gone all these ways, and how much was due.
    fn kill(&mut self) -> Result<(Option<Duration>, u64), String> {
        let (shape, victim) = (self.shape, self.shape.victim());
        let owed = shape.owed(Some(victim));
        self.leaves.begin(owed.clone());
        let in_full_flow = |mesh: &Self| mesh.leaves.have_heard(owed.iter().copied());
        self.talk_until(Instant::now(), PATIENCE, in_full_flow)?.ok_or("nothing is heard before")?;
        let killed = Instant::now();
        if let Some(relay) = self.relays[victim].take() {
            relay.kill();
        }
        self.leaves.lose(&Shape::leaves_at(victim).collect::<Vec<_>>())?;
        self.leaves.mark();
        let has_noticed = |mesh: &Self, at: usize| {
            mesh.links(at) == shape.dials(at).into_iter().filter(|dialed| *dialed != victim).count()
        };
        let carry = |mesh: &Self| {
            let mut others = (0..mesh.relays.len()).filter(|at| *at != victim);
            others.all(|at| has_noticed(mesh, at)) && mesh.leaves.have_heard(owed.iter().copied())
        };
        let carries = self.talk_until(killed, PATIENCE, carry)?;
        let carries =
            carries.ok_or_else(|| format!("the rest does not carry within {} s", PATIENCE.as_secs()))?;
        let is_anybody_left = !owed.is_empty();
        Ok((is_anybody_left.then_some(carries), self.conclude()?))
    }

    /// At the same place, with the same leaves.
    fn start_again(&mut self) -> Result<(), String> {
        self.start_relay(self.shape.victim())?;
        self.leaves.ping()
    }

    /// All that is due has come, and nothing comes after it.
    fn conclude(&mut self) -> Result<u64, String> {
        self.leaves.turn_until(Leaves::have_all)?; // else the book says what is missing
        self.fall_silent()?;
        self.leaves.close()
    }

    /// Everybody who is there says a frame now and then, until it is done. How long after that beginning it was, if
    /// it was within the bound.
    fn talk_until(
        &mut self,
        began: Instant,
        bound: Duration,
        is_done: impl Fn(&Self) -> bool,
    ) -> Result<Option<Duration>, String> {
        let mut speaks_at = Instant::now();
        while !is_done(self) {
            if began.elapsed() > bound {
                return Ok(None);
            }
            if Instant::now() >= speaks_at {
                self.leaves.say();
                speaks_at = Instant::now() + EVERY;
            }
            self.leaves.turn()?;
        }
        Ok(Some(began.elapsed()))
    }

    /// Until the relays' own figures say that nothing has come to them but their leaves' pings: a frame that goes round
    /// and round would be counted. Figures are told when they have changed, hence the pings.
    fn fall_silent(&mut self) -> Result<(), String> {
        let began = Instant::now();
        let mut before = self.frames();
        loop {
            self.leaves.ping()?;
            let pings =
                |frames: &Vec<u64>| frames.iter().map(|&count| count + LEAVES as u64).collect::<Vec<_>>();
            let expected = pings(&before);
            let are_told = |now: &[u64]| now.iter().zip(&expected).all(|(now, expected)| now >= expected);
            while !are_told(&self.frames()) && began.elapsed() <= PATIENCE {
                self.leaves.turn()?;
            }
            before = self.frames();
            if before == expected {
                return self.leaves.ping();
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("the relays do not fall silent: they count {before:?} frames"));
            }
        }
    }

    /// What came to each relay that is there, by its figures.
    fn frames(&self) -> Vec<u64> {
        self.relays.iter().flatten().map(Relay::frames).collect()
    }

    fn links(&self, at: usize) -> usize {
        self.relays[at].as_ref().map_or(0, Relay::links)
    }

    /// In order.
    fn end(mut self) -> Result<(), String> {
        self.leaves.leave()?;
        self.relays.iter().flatten().try_for_each(Relay::terminate)?;
        self.relays.iter().flatten().try_for_each(Relay::finish)
    }
}

/// A free port each, which the others can be told before it is listened at. The addresses are nobody else's: on 127.0.0.1
/// another connection could take the port of a relay that is down.
fn places(count: usize) -> Result<Vec<SocketAddr>, String> {
    let place = |nth: usize| TcpListener::bind((Ipv4Addr::new(127, 0, 78, nth as u8 + 1), 0))?.local_addr();
    let places: Result<_, std::io::Error> = (0..count).map(place).collect();
    places.map_err(|error| format!("no free port: {error}"))
}
