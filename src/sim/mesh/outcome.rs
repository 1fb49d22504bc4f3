//! What is told of a mesh when it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use super::topology::Topology;
use crate::sim::broken::Broken;
use crate::time::Instant;

/// A mesh that is over.
#[derive(Clone, Debug)]
pub struct MeshOutcome {
    /// Which one.
    pub seed: u64,
    /// The promise that was not kept, and when; then everything else is as far as it came.
    pub broken: Option<(Instant, Broken)>,
    /// How long it lasted, in its own time.
    pub lasted: Duration,
    /// How its relays were joined.
    pub topology: Topology,
    /// What happened there, and how often.
    pub happened: BTreeMap<Happened, u64>,
    /// What tells this run from every other; the same for two runs of a seed.
    pub hash: u64,
}

/// Something that happens in a mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happened {
    /// A leaf said something.
    Said,
    /// A leaf said it again, so late that it is heard again.
    SaidAgain,
    /// A leaf heard it.
    Heard,
    /// A relay did not relay a frame again.
    Swallowed,
    /// A connection to an address that is kept up came about.
    Joined,
    /// One was refused.
    Refused,
    /// One took too long.
    TimedOut,
    /// To one there was no way.
    NoRoute,
    /// A way was cut.
    Cut,
    /// A way was healed.
    Healed,
    /// A relay was killed.
    Killed,
    /// A relay was started again.
    Restarted,
    /// A relay was told to end while it was dialling.
    ShutWhileDialing,
    /// All were, in the middle of everything.
    BrokenOff,
}

impl Happened {
    /// Everything.
    pub const ALL: [Self; 14] = [
        Self::Said,
        Self::SaidAgain,
        Self::Heard,
        Self::Swallowed,
        Self::Joined,
        Self::Refused,
        Self::TimedOut,
        Self::NoRoute,
        Self::Cut,
        Self::Healed,
        Self::Killed,
        Self::Restarted,
        Self::ShutWhileDialing,
        Self::BrokenOff,
    ];

    /// For a person.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Said => "said",
            Self::SaidAgain => "said again",
            Self::Heard => "heard",
            Self::Swallowed => "swallowed",
            Self::Joined => "dialled",
            Self::Refused => "dials refused",
            Self::TimedOut => "dials timed out",
            Self::NoRoute => "dials with no way",
            Self::Cut => "ways cut",
            Self::Healed => "ways healed",
            Self::Killed => "relays killed",
            Self::Restarted => "relays restarted",
            Self::ShutWhileDialing => "shut while dialling",
            Self::BrokenOff => "shut in the middle",
        }
    }
}
