//! What messages mean. Knows frames; knows no socket, no clock and no queue: it acts through an [`Outbox`].

pub mod bunkercoin;
mod flood;

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

pub use flood::Flood;

use crate::wire::{Frame, Header};

/// A connection's place in the slab. Reused once the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u32);

/// A peer's serial number, from 1. Never reused: it is what logs and reports speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// A way to break the rules. DESIGN's table; judged in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Offence {
    /// More junk than the sliding window may pass.
    Magic,
    /// A header claims more than the largest payload.
    Oversize,
    /// A command that is not printable and NUL-padded.
    Command,
    /// A payload that is not what its header says.
    Checksum,
    /// More messages or bytes a second than allowed.
    Flood,
    /// The protocol's own rules.
    Protocol,
}

/// What an offence costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Penalty {
    /// The frame.
    Drop,
    /// The peer is not read for a while.
    Pause,
    /// The connection.
    Disconnect,
    /// The connection, and the address is shut out for the ban time.
    Ban,
}

/// A protocol's own rule, broken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Breach(pub String);

/// What frames mean on a network.
pub trait Protocol {
    /// As given to `--protocol`.
    const NAME: &'static str;

    /// What an offence costs here unless the operator says otherwise.
    fn default_penalty(offence: Offence) -> Penalty;

    /// A peer sent a valid frame within its rate.
    fn received(&mut self, out: &mut impl Outbox, from: Token, frame: Frame<'_>) -> Result<(), Breach>;
}

/// What a protocol can do about a frame.
pub trait Outbox {
    /// To every other peer, bit for bit, in the order of the calls.
    fn relay(&mut self, from: Token, frame: Frame<'_>);

    /// To one peer alone, before the frames relayed in the same turn.
    fn reply(&mut self, to: Token, header: Header, payload: &[u8]);
}

impl Offence {
    /// In the order they are judged.
    pub const ALL: [Self; 6] =
        [Self::Magic, Self::Oversize, Self::Command, Self::Checksum, Self::Flood, Self::Protocol];

    /// As given to `--penalty`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Magic => "magic",
            Self::Oversize => "oversize",
            Self::Command => "command",
            Self::Checksum => "checksum",
            Self::Flood => "flood",
            Self::Protocol => "protocol",
        }
    }
}

impl Penalty {
    /// Mildest first.
    pub const ALL: [Self; 4] = [Self::Drop, Self::Pause, Self::Disconnect, Self::Ban];

    /// As given to `--penalty`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Drop => "drop",
            Self::Pause => "pause",
            Self::Disconnect => "disconnect",
            Self::Ban => "ban",
        }
    }
}

/// Not the name of an offence or a penalty.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UnknownName {
    /// Not in [`Offence::ALL`].
    #[error("no such offence; there are magic, oversize, command, checksum, flood and protocol")]
    Offence,
    /// Not in [`Penalty::ALL`].
    #[error("no such penalty; there are drop, pause, disconnect and ban")]
    Penalty,
}

impl FromStr for Offence {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|offence| offence.name() == name).ok_or(UnknownName::Offence)
    }
}

impl FromStr for Penalty {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|penalty| penalty.name() == name).ok_or(UnknownName::Penalty)
    }
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Penalty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Token {
    /// The place as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_what_it_names() {
        for offence in Offence::ALL {
            assert_eq!(offence.name().parse(), Ok(offence));
        }
        for penalty in Penalty::ALL {
            assert_eq!(penalty.name().parse(), Ok(penalty));
        }
        assert_eq!("".parse::<Offence>(), Err(UnknownName::Offence));
        assert_eq!("Ban".parse::<Penalty>(), Err(UnknownName::Penalty), "as written, not nearly so");
    }

    #[test]
    fn a_peer_is_shown_as_its_number() {
        assert_eq!(format!("peer={}", PeerId(4312)), "peer=4312");
    }
}
