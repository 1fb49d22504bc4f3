#![cfg(test)]

//! Relays that are broken on purpose where they have to do with other relays. Each must be caught within a few seeds,
//! or the suite fails; those of a single relay stand beside the other worlds. Nothing of this is in the program.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use super::builder::Builder;
use super::outcome::MeshOutcome;
use super::setup::MeshSetup;
use super::world::Mesh;
use crate::protocol::{Breach, Dialect, Flood, Offence, Outbox, Penalty, Protocol, Token};
use crate::relay::{Law, Limits, Relay};
use crate::server::{FIRST_DIAL, Readiness, Server, Stack};
use crate::sim::broken::Promise;
use crate::sim::canaries::{SEEDS, is_caught};
use crate::sim::packet::Conn;
use crate::sim::stack::{SimStack, SimStream};
use crate::sim::subject::Subject;
use crate::sim::trace::Trace;
use crate::time::Instant;
use crate::wire::{Frame, Part};

/// How a relay is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Canary {
    /// Not at all: the cage alone changes nothing.
    Healthy,
    /// It relays again what it should still know.
    ForgetsEarly,
    /// The same, and its judge believes it is to: only the ledger can tell.
    MayForgetEarly,
    /// It knows nothing at all, likewise.
    MayKnowNothing,
    DialsTwice,
    /// Nobody is dialled as long as somebody else does not answer.
    HoldsUpOthers,
    GivesUpForGood,
    /// Whoever comes late finds the door open and nobody there.
    StopsAccepting,
    EchoesOverALink,
    /// What it had accepted for a neighbour that was there again is taken for written, and is not.
    LosesAFrameAtAReconnect,
}

/// Which tokens are those of connections it began.
type LinkTokens = Rc<RefCell<BTreeSet<Token>>>;

/// A protocol that does what it should not.
#[derive(Debug)]
struct Bent {
    canary: Canary,
    frames: u64,
    links: LinkTokens,
}

/// A stack that does.
#[derive(Debug)]
struct Warped {
    stack: SimStack,
    canary: Canary,
    links: LinkTokens,
    calls: u64,
    accepts: u64,
    /// Connections that are being made, by the tokens of the attempts.
    attempts: BTreeMap<Conn, Token>,
    /// How often one came about, by the same.
    came_up: BTreeMap<Token, u32>,
    /// Those that came about again, and were written nothing yet.
    fresh: BTreeSet<Conn>,
}

/// The whole of it.
struct Caged(Server<Warped, Bent>);

impl Protocol for Bent {
    const NAME: &'static str = Flood::NAME;

    fn default_penalty(offence: Offence) -> Penalty {
        Flood::default_penalty(offence)
    }

    fn received(&mut self, out: &mut impl Outbox, from: Token, frame: Frame<'_>) -> Result<(), Breach> {
        self.frames += 1;
        let is_of_link = self.links.borrow().contains(&from);
        if self.canary == Canary::EchoesOverALink && is_of_link && self.frames.is_multiple_of(10) {
            return Flood.received(out, Token(u32::MAX), frame);
        }
        Flood.received(out, from, frame)
    }
}

impl Stack for Warped {
    type Stream = SimStream;

    fn wait(&mut self, ready: &mut Vec<Readiness>, until: Option<Instant>) -> io::Result<Instant> {
        self.stack.wait(ready, until)
    }

    fn now(&self) -> Instant {
        self.stack.now()
    }

    fn accept(&mut self) -> io::Result<(SimStream, SocketAddr, Dialect)> {
        self.accepts += 1;
        if self.canary == Canary::StopsAccepting && self.accepts > 5 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.stack.accept()
    }

    fn stop_listening(&mut self) {
        self.stack.stop_listening();
    }

    fn connect(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<SimStream> {
        self.calls += 1;
        let is_silent = match self.canary {
            Canary::HoldsUpOthers => !self.attempts.is_empty(),
            Canary::GivesUpForGood => self.calls > 8,
            _ => false,
        };
        if is_silent {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        if self.canary == Canary::DialsTwice && self.calls.is_multiple_of(3) {
            self.stack.connect(to, from)?;
        }
        self.stack.connect(to, from)
    }

    fn connected(&mut self, stream: &mut SimStream) -> io::Result<()> {
        self.stack.connected(stream)
    }

    fn register(&mut self, stream: &mut SimStream, token: Token) -> io::Result<()> {
        if token.0 >= FIRST_DIAL {
            self.attempts.insert(stream.conn(), token);
        } else if let Some(attempt) = self.attempts.remove(&stream.conn()) {
            self.links.borrow_mut().insert(token);
            let times = self.came_up.entry(attempt).or_default();
            *times += 1;
            if *times > 1 {
                self.fresh.insert(stream.conn());
            }
        } else {
            self.links.borrow_mut().remove(&token);
        }
        self.stack.register(stream, token)
    }

    fn read(&mut self, stream: &mut SimStream, into: &mut [u8]) -> io::Result<usize> {
        self.stack.read(stream, into)
    }

    fn write(&mut self, stream: &mut SimStream, parts: &[Part<'_>]) -> io::Result<usize> {
        let is_first = self.fresh.remove(&stream.conn());
        let offered: usize = parts.iter().map(Part::len).sum();
        match self.canary {
            Canary::LosesAFrameAtAReconnect if is_first => Ok(offered),
            _ => self.stack.write(stream, parts),
        }
    }

    fn shutdown(&mut self, stream: &mut SimStream) -> io::Result<()> {
        self.stack.shutdown(stream)
    }

    fn close(&mut self, stream: SimStream) {
        self.attempts.remove(&stream.conn());
        self.stack.close(stream);
    }

    fn abort(&mut self, stream: SimStream) {
        self.attempts.remove(&stream.conn());
        self.stack.abort(stream);
    }
}

impl Canary {
    /// What the relay takes for its limits.
    fn believed(self, limits: &Limits) -> Limits {
        let dedup = match self {
            Self::ForgetsEarly | Self::MayForgetEarly => Some(Duration::from_millis(50)),
            Self::MayKnowNothing => None,
            _ => limits.dedup,
        };
        Limits { dedup, ..limits.clone() }
    }
}

impl Builder for Canary {
    type Subject = Caged;

    fn build(&self, stack: SimStack, limits: &Limits, dials: &[Vec<SocketAddr>], seed: u64) -> Caged {
        let (canary, links) = (*self, LinkTokens::default());
        let bent = Bent { canary, frames: 0, links: Rc::clone(&links) };
        let relay = Relay::new(bent, Law::of::<Flood>(), canary.believed(limits));
        let stack = Warped {
            stack,
            canary,
            links,
            calls: 0,
            accepts: 0,
            attempts: BTreeMap::new(),
            came_up: BTreeMap::new(),
            fresh: BTreeSet::new(),
        };
        let mut server = Server::new(stack, relay);
        for (nth, addresses) in (0..).zip(dials) {
            server.keep_up(addresses.clone(), Dialect::Frames, seed ^ nth);
        }
        Caged(server)
    }

    fn judged_by(&self, limits: &Limits) -> Limits {
        match self {
            Self::MayForgetEarly | Self::MayKnowNothing => self.believed(limits),
            _ => limits.clone(),
        }
    }
}

impl Subject for Caged {
    type Protocol = Bent;

    fn turn(&mut self) -> io::Result<Instant> {
        self.0.turn(None)
    }

    fn wake_up(&self) -> Option<Instant> {
        self.0.wake_up()
    }

    fn shut_down(&mut self) {
        self.0.shut_down();
    }

    fn forget_events(&mut self) {
        self.0.events().for_each(drop);
    }

    fn relay(&self) -> &Relay<Bent> {
        self.0.relay()
    }

    fn stack(&self) -> &SimStack {
        &self.0.stack().stack
    }

    fn stack_mut(&mut self) -> &mut SimStack {
        &mut self.0.stack_mut().stack
    }
}

fn run(canary: Canary, seed: u64) -> MeshOutcome {
    Mesh::with(MeshSetup::draw(seed), Trace::new(), canary).run()
}

macro_rules! canaries {
    ($($name:ident: $canary:ident breaks $($promise:ident)|+;)+) => {$(
        #[test]
        fn $name() {
            let canary = Canary::$canary;
            is_caught(canary, &[$(Promise::$promise),+], |seed| run(canary, seed).broken);
        }
    )+};
}

canaries! {
    one_that_forgets_what_it_relayed_is_caught: ForgetsEarly breaks Delivery | Echo;
    one_that_forgets_what_it_relayed_is_caught_by_who_hears_it: MayForgetEarly breaks Once;
    one_that_knows_nothing_of_what_it_relayed_is_caught_by_who_hears_it: MayKnowNothing breaks Once | Echo;
    one_that_dials_twice_is_caught: DialsTwice breaks Dials;
    one_that_has_an_address_wait_for_another_is_caught: HoldsUpOthers breaks Dials;
    one_that_gives_an_address_up_for_good_is_caught: GivesUpForGood breaks Dials;
    one_that_accepts_nobody_any_more_is_caught: StopsAccepting breaks Convergence;
    one_that_echoes_over_a_link_is_caught: EchoesOverALink breaks Echo;
    one_that_loses_a_frame_at_a_reconnect_is_caught: LosesAFrameAtAReconnect breaks Delivery | Accounts;
}

#[test]
fn the_cage_alone_changes_nothing() {
    for seed in 0..SEEDS {
        let caged = run(Canary::Healthy, seed);
        assert_eq!(caged.broken, None, "seed {seed}");
        assert_eq!(caged.hash, Mesh::new(MeshSetup::draw(seed), Trace::new()).run().hash, "seed {seed}");
    }
}
