//! What is told of a town when it is over.

use std::collections::BTreeMap;
use std::time::Duration;

use super::lies::Lie;
use super::roles::Citizen;
use crate::sim::broken::Broken;
use crate::time::Instant;

/// A town that is over.
#[derive(Clone, Debug)]
pub struct TownOutcome {
    /// Which one.
    pub seed: u64,
    /// The promise that was not kept, and when; then everything else is as far as it came.
    pub broken: Option<(Instant, Broken)>,
    /// How long it lasted, in its own time.
    pub lasted: Duration,
    /// How many of each kind there were, and how often they did something.
    pub people: BTreeMap<Citizen, (u64, u64)>,
    /// How often each lie was told.
    pub lies: BTreeMap<Lie, u64>,
    /// What happened there, and how often.
    pub happened: BTreeMap<Chance, u64>,
    /// What tells this run from every other; the same for two runs of a seed.
    pub hash: u64,
}

macro_rules! chances {
    ($($(#[$doc:meta])* $name:ident: $text:literal,)+) => {
        /// Something that happens in a town.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Chance {
            $($(#[$doc])* $name,)+
        }

        impl Chance {
            /// Everything.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// For a person.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

chances! {
    /// A transaction was said.
    Paid: "transactions",
    /// A block was made.
    Mined: "blocks",
    /// Somebody had another block than the one that was made last.
    Forked: "forks",
    /// A full node gave up blocks for a longer chain.
    Reorganised: "reorganisations",
    /// Somebody came with a longer chain of its own.
    Brought: "longer chains brought",
    /// Something new was told on a connection.
    Told: "told",
    /// A relay was asked and answered.
    Answered: "answers",
    /// Something was handed in, or said, at a JSON port.
    Submitted: "handed in",
    /// A question there was answered.
    Replied: "replies",
    /// A request was answered over HTTP.
    Served: "responses",
    /// Something known was said again.
    SaidAgain: "said again",
    /// A liar was sent away.
    Caught: "liars sent away",
    /// Somebody was shut out.
    Banned: "bans",
    /// A frame or a line was heard by its room.
    Heard: "frames and lines heard",
    /// A way was cut.
    Cut: "ways cut",
    /// A way was healed.
    Healed: "ways healed",
    /// A relay was killed.
    Killed: "relays killed",
    /// A relay was started again with nothing.
    Restarted: "relays restarted empty",
    /// The same, with all that was written down.
    Inherited: "relays restarted with a file",
    /// All relays were found to have the same.
    Agreed: "agreements",
    /// All were told to end in the middle of everything.
    BrokenOff: "shut in the middle",
}
