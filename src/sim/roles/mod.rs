//! Who comes to the relay, and what each does there. Knows frames and numbers; knows no stack: a script says what is
//! to be done next, somebody else does it.

mod forge;
mod hoarders;
mod honest;
mod hostile;
mod restless;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::rng::Rng;
use crate::wire::{Framing, Magic};

/// What somebody is up to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Says something now and then, hears everything.
    Chatter,
    /// Hears everything.
    Subscriber,
    /// Reads a little at a time.
    SlowReader,
    /// Does not read.
    StoppedReader,
    /// Is there.
    Silent,
    /// Sends junk.
    Babbler,
    /// Sends frames byte by byte.
    DripFeeder,
    /// Claims more than is allowed.
    Oversizer,
    /// Gets the checksum wrong.
    Liar,
    /// Sends commands that are none.
    Commander,
    /// Speaks another protocol.
    Stranger,
    /// Sends as much as it can.
    Firehose,
    /// Comes and goes.
    Flapper,
    /// Ends its side and reads on.
    HalfCloser,
    /// Resets in the middle of a frame.
    Resetter,
    /// Offends, and comes back while it is banned and after.
    Returner,
    /// One of many from one address.
    Twin,
    /// Claims a large frame and sends its beginning.
    Claimer,
    /// Sends a large frame but for its last byte.
    Withholder,
    /// Sends most of what everybody gets, and does not read the rest.
    Pinner,
    /// Asks for answers it does not read.
    Pinger,
}

/// What is known to all scripts of a world.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// What frames begin with.
    pub magic: Magic,
    /// As the relay has it, bytes.
    pub max_payload: u32,
    /// The same of a line.
    pub max_line: u32,
    /// How often a chatter says something.
    pub talk_every: Duration,
    /// How long offenders are shut out.
    pub ban_time: Duration,
}

/// How far a world is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Everybody does what he likes.
    Open,
    /// Whoever is not honest has left.
    Calm,
    /// Nobody says anything any more.
    Quiet,
    /// Everybody leaves.
    Leaving,
}

/// What a script may look at.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// How far the world is.
    pub act: Act,
    /// It has a connection, or waits for one.
    pub is_connected: bool,
    /// Bytes it has said that have found no room yet.
    pub unsent: usize,
}

/// Something to be done.
#[derive(Clone, Debug)]
pub enum Move {
    /// Wants a connection.
    Connect,
    /// Wants one with a port where nobody listens.
    Knock,
    /// Says this.
    Say(Bytes),
    /// Will say no more.
    Finish,
    /// Gives the connection up.
    Close,
    /// Resets it.
    Reset,
    /// Reads so many bytes of what there is, and from now on nothing more until told to.
    Read(usize),
}

/// What to do now, and when to ask again.
#[derive(Clone, Debug, Default)]
pub struct Cue {
    /// In order.
    pub moves: Vec<Move>,
    /// After so long; never if there is nothing more to do.
    pub next: Option<Duration>,
}

/// One actor's part.
#[derive(Clone, Debug)]
pub struct Script {
    role: Role,
    /// What it speaks.
    framing: Framing,
    terms: Terms,
    rng: Rng,
    /// How often it was asked since it connected.
    step: u32,
    /// What it is in the middle of sending.
    rest: Bytes,
}

impl Role {
    /// Everybody.
    pub const ALL: [Self; 21] = [
        Self::Chatter,
        Self::Subscriber,
        Self::SlowReader,
        Self::StoppedReader,
        Self::Silent,
        Self::Babbler,
        Self::DripFeeder,
        Self::Oversizer,
        Self::Liar,
        Self::Commander,
        Self::Stranger,
        Self::Firehose,
        Self::Flapper,
        Self::HalfCloser,
        Self::Resetter,
        Self::Returner,
        Self::Twin,
        Self::Claimer,
        Self::Withholder,
        Self::Pinner,
        Self::Pinger,
    ];

    /// For a person.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chatter => "chatter",
            Self::Subscriber => "subscriber",
            Self::SlowReader => "slow reader",
            Self::StoppedReader => "stopped reader",
            Self::Silent => "silent",
            Self::Babbler => "babbler",
            Self::DripFeeder => "drip-feeder",
            Self::Oversizer => "oversizer",
            Self::Liar => "liar",
            Self::Commander => "commander",
            Self::Stranger => "stranger",
            Self::Firehose => "firehose",
            Self::Flapper => "flapper",
            Self::HalfCloser => "half-closer",
            Self::Resetter => "resetter",
            Self::Returner => "returner",
            Self::Twin => "twin",
            Self::Claimer => "claimer",
            Self::Withholder => "withholder",
            Self::Pinner => "pinner",
            Self::Pinger => "pinger",
        }
    }

    /// Whether it keeps every rule and reads what comes: the relay owes it everything.
    pub const fn is_honest(self) -> bool {
        matches!(self, Self::Chatter | Self::Subscriber)
    }

    /// Whether it can do what it does with lines as well.
    pub const fn may_speak_lines(self) -> bool {
        match self {
            Self::Chatter | Self::Subscriber | Self::SlowReader | Self::StoppedReader | Self::Silent => true,
            Self::DripFeeder | Self::Oversizer | Self::Stranger | Self::Firehose | Self::Flapper => true,
            Self::HalfCloser | Self::Resetter | Self::Returner | Self::Twin | Self::Withholder => true,
            Self::Babbler | Self::Liar | Self::Commander => false,
            Self::Claimer | Self::Pinner | Self::Pinger => false,
        }
    }

    /// Whether it does something many times a second.
    pub const fn is_busy(self) -> bool {
        matches!(self, Self::Firehose | Self::Pinger | Self::Pinner | Self::DripFeeder | Self::Flapper)
    }

    /// Whether what it says is relayed: others hear it.
    pub const fn is_heard(self) -> bool {
        match self {
            Self::Chatter | Self::DripFeeder | Self::Firehose | Self::HalfCloser | Self::Twin => true,
            Self::Returner | Self::Pinner | Self::Liar | Self::Babbler | Self::Oversizer => true,
            Self::Commander | Self::Flapper => true,
            Self::Subscriber | Self::SlowReader | Self::StoppedReader | Self::Silent => false,
            Self::Stranger | Self::Resetter | Self::Claimer | Self::Withholder | Self::Pinger => false,
        }
    }
}

impl Script {
    /// A part, not yet begun.
    pub fn new(role: Role, framing: Framing, terms: Terms, seed: u64) -> Self {
        Self { role, framing, terms, rng: Rng::new(seed), step: 0, rest: Bytes::new() }
    }

    /// Whose part it is.
    pub fn role(&self) -> Role {
        self.role
    }

    /// What it speaks.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// What to do now.
    pub fn next(&mut self, scene: &Scene) -> Cue {
        let stays = match scene.act {
            Act::Open => true,
            Act::Calm | Act::Quiet => self.role.is_honest(),
            Act::Leaving => false,
        };
        if !stays {
            return Cue {
                moves: scene.is_connected.then_some(Move::Close).into_iter().collect(),
                next: None,
            };
        }
        if !scene.is_connected {
            self.step = 0;
            self.rest = Bytes::new();
            return self.come();
        }
        self.step += 1;
        match self.role {
            Role::Chatter => self.chat(scene),
            Role::Subscriber | Role::Silent => self.stay(),
            Role::SlowReader => self.read_slowly(),
            Role::StoppedReader => self.read_nothing(),
            Role::Babbler => self.babble(scene),
            Role::DripFeeder => self.drip(),
            Role::Oversizer => self.claim_too_much(),
            Role::Liar => self.lie(),
            Role::Commander => self.command(),
            Role::Stranger => self.speak_otherwise(),
            Role::Firehose => self.pour(scene),
            Role::Flapper => self.flap(),
            Role::HalfCloser => self.close_half(),
            Role::Resetter => self.reset(),
            Role::Returner => self.offend_again(),
            Role::Twin => self.be_one_of_many(),
            Role::Claimer => self.claim(),
            Role::Withholder => self.withhold(),
            Role::Pinner => self.pin(scene),
            Role::Pinger => self.ping(scene),
        }
    }

    /// Not connected, or not any more: comes, after a while.
    fn come(&mut self) -> Cue {
        let moves = if self.role == Role::Flapper && self.rng.below(8) == 0 {
            vec![Move::Knock]
        } else {
            vec![Move::Connect]
        };
        Cue { moves, next: Some(self.millis(20, 400)) }
    }

    fn cue(&mut self, moves: Vec<Move>, least: u64, most: u64) -> Cue {
        Cue { moves, next: Some(self.millis(least, most)) }
    }

    /// Between so many milliseconds.
    fn millis(&mut self, least: u64, most: u64) -> Duration {
        Duration::from_micros(least * 1000 + self.rng.below((most - least) * 1000 + 1))
    }

    /// A chance of one in so many.
    fn is_one_in(&mut self, many: u64) -> bool {
        self.rng.below(many) == 0
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
