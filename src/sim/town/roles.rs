//! Who comes to a town. Knows names and what each speaks; does nothing.

use std::fmt;

use crate::protocol::Dialect;

/// A kind of person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Citizen {
    /// A full node that makes blocks.
    Miner,
    /// A full node that pays.
    Payer,
    /// Listens, and asks no more than once.
    Watcher,
    /// Says again what it was told.
    Parrot,
    /// A full node that comes when others have talked for a while, some with a longer chain of their own.
    LateComer,
    /// Says what is wrong.
    Liar,
    /// Looks at a relay when all is quiet.
    Inspector,
    /// Asks one thing of the JSON port, and is gone.
    Asker,
    /// Asks there again and again, on one connection.
    Regular,
    /// Says words there.
    Chatter,
    /// Hands transactions and blocks in there, right ones and wrong ones.
    Submitter,
    /// Hands in again what it was told.
    Gossip,
    /// Says what is no message, and something that is.
    Mumbler,
    /// Asks a byte at a time.
    Typist,
    /// Has the relay dial somebody: nobody, itself, whoever says so.
    Introducer,
    /// Looks at the HTTP port.
    Browser,
    /// Posts transactions there, right ones and wrong ones.
    Poster,
    /// Reads events there.
    Reader,
    /// Says there what can be read in two ways.
    Smuggler,
    /// Speaks frames in the same loop.
    Framer,
    /// Speaks lines.
    Liner,
}

impl Citizen {
    /// Every one.
    pub const ALL: [Self; 21] = [
        Self::Miner,
        Self::Payer,
        Self::Watcher,
        Self::Parrot,
        Self::LateComer,
        Self::Liar,
        Self::Inspector,
        Self::Asker,
        Self::Regular,
        Self::Chatter,
        Self::Submitter,
        Self::Gossip,
        Self::Mumbler,
        Self::Typist,
        Self::Introducer,
        Self::Browser,
        Self::Poster,
        Self::Reader,
        Self::Smuggler,
        Self::Framer,
        Self::Liner,
    ];

    /// How many of each there are in a town at least, and how many more there may be; an inspector for each relay.
    pub const PRESENCE: &[(Self, u64, u64)] = &[
        (Self::Miner, 1, 2),
        (Self::Payer, 1, 1),
        (Self::Watcher, 1, 2),
        (Self::Parrot, 0, 1),
        (Self::LateComer, 0, 2),
        (Self::Liar, 0, 3),
        (Self::Asker, 0, 2),
        (Self::Regular, 0, 2),
        (Self::Chatter, 0, 1),
        (Self::Submitter, 1, 1),
        (Self::Gossip, 0, 1),
        (Self::Mumbler, 0, 1),
        (Self::Typist, 0, 1),
        (Self::Introducer, 0, 1),
        (Self::Browser, 0, 1),
        (Self::Poster, 0, 1),
        (Self::Reader, 0, 1),
        (Self::Smuggler, 0, 1),
        (Self::Framer, 0, 2),
        (Self::Liner, 0, 2),
    ];

    /// For a person.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Miner => "miner",
            Self::Payer => "payer",
            Self::Watcher => "watcher",
            Self::Parrot => "parrot",
            Self::LateComer => "late comer",
            Self::Liar => "liar",
            Self::Inspector => "inspector",
            Self::Asker => "asker",
            Self::Regular => "regular",
            Self::Chatter => "chatter",
            Self::Submitter => "submitter",
            Self::Gossip => "gossip",
            Self::Mumbler => "mumbler",
            Self::Typist => "typist",
            Self::Introducer => "introducer",
            Self::Browser => "browser",
            Self::Poster => "poster",
            Self::Reader => "reader",
            Self::Smuggler => "smuggler",
            Self::Framer => "framer",
            Self::Liner => "liner",
        }
    }

    /// What it speaks.
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Miner
            | Self::Payer
            | Self::Watcher
            | Self::Parrot
            | Self::LateComer
            | Self::Liar
            | Self::Inspector => Dialect::Chain,
            Self::Asker
            | Self::Regular
            | Self::Chatter
            | Self::Submitter
            | Self::Gossip
            | Self::Mumbler
            | Self::Typist
            | Self::Introducer => Dialect::Json,
            Self::Browser | Self::Poster | Self::Reader | Self::Smuggler => Dialect::Http,
            Self::Framer => Dialect::Frames,
            Self::Liner => Dialect::Lines,
        }
    }

    /// Whether the law may have it shut out.
    pub const fn may_be_banned(self) -> bool {
        matches!(self, Self::Liar)
    }

    /// Whether it tells others what it has.
    pub const fn is_node(self) -> bool {
        matches!(self, Self::Miner | Self::Payer | Self::LateComer)
    }

    /// Whether it is in the room of frames and lines.
    pub const fn is_of_room(self) -> bool {
        matches!(self, Self::Framer | Self::Liner)
    }

    /// Whether the relay may end its connection when nothing is asked for long.
    pub const fn may_be_idle(self) -> bool {
        matches!(self, Self::Browser | Self::Poster | Self::Smuggler)
    }

    /// Whether it is there all the time, or as soon as it has come.
    pub const fn stays(self) -> bool {
        !matches!(self, Self::Liar | Self::Asker | Self::Smuggler)
    }

    /// Whether it comes at the beginning.
    pub const fn comes_first(self) -> bool {
        !matches!(self, Self::LateComer | Self::Inspector)
    }
}

impl fmt::Display for Citizen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
