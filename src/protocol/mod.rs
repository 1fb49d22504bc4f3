//! What messages mean. Knows frames; knows no socket, no clock and no queue: it acts through an [`Outbox`].

pub mod bunkercoin;
pub mod clarke;
mod dialect;
mod flood;
pub mod http;
mod networks;
mod seen;
mod waiting;

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

pub use dialect::Dialect;
pub use flood::Flood;
pub use networks::Networks;

use crate::time::Instant;
use crate::wire::turn_log::Chunk;
use crate::wire::{Frame, Header};

/// A connection's place in the slab. Reused once the connection is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u32);

/// A peer's serial number, from 1. Never reused: it is what logs and reports speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// Which of the addresses that are kept up. Reused once that one is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DialId(pub u16);

/// Which of the two began a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The peer.
    Accepted,
    /// We, to somebody who is kept up.
    Dialed(DialId),
}

/// A peer of text that is there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Newcomer {
    /// What it speaks.
    pub dialect: Dialect,
    /// Where it is.
    pub address: SocketAddr,
    /// Which of the two began.
    pub origin: Origin,
}

/// What a stream of text is at: the protocol reads it, and says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stream {
    /// Bytes of the message now arriving that have come.
    pub begun: usize,
    /// Bytes allocated for this stream, unfinished message and undone work.
    pub memory: usize,
    /// Whether its work is to be done before more is read of it.
    pub is_busy: bool,
}

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

/// What messages mean on a network: frames, and what becomes one, come whole; of text the protocol is given the bytes and
/// tells messages apart itself. Where nobody speaks text, nothing is to be done about it.
pub trait Protocol {
    /// As given to `--protocol`.
    const NAME: &'static str;

    /// What an offence costs here unless the operator says otherwise.
    fn default_penalty(offence: Offence) -> Penalty;

    /// A peer sent a valid frame within its rate.
    fn received(&mut self, out: &mut impl Outbox, from: Token, frame: Frame<'_>) -> Result<(), Breach>;

    /// A peer of text is there. What is to be said to it is said when next [`expired`](Self::expired) is called.
    fn joined(&mut self, _now: Instant, _peer: Token, _newcomer: &Newcomer) {}

    /// A peer of text has sent bytes.
    fn heard(
        &mut self,
        _now: Instant,
        _out: &mut impl TextOutbox,
        _from: Token,
        _dialect: Dialect,
        _bytes: &[u8],
    ) {
    }

    /// A peer of text sends no more. What it is answered now is still sent to it, and then it is closed.
    fn ended(&mut self, _now: Instant, _out: &mut impl TextOutbox, _from: Token, _dialect: Dialect) {}

    /// A peer of text has taken all that it was to be sent.
    fn caught_up(&mut self, _now: Instant, _peer: Token, _dialect: Dialect) {}

    /// A peer of text is gone; its token may be somebody else's from now on.
    fn left(&mut self, _now: Instant, _peer: Token, _dialect: Dialect) {}

    /// Somebody whom [`TextOutbox::keep_up`] asked for has been away too long and is not dialled any more.
    fn forgotten(&mut self, _now: Instant, _dial: DialId) {}

    /// Once a turn, when everything in it has been heard: deadlines that have come, and some of the work that waits.
    fn expired(&mut self, _now: Instant, _out: &mut impl TextOutbox) {}

    /// When [`expired`](Self::expired) has something to do; a moment that is past when there is work.
    fn next_deadline(&self) -> Option<Instant> {
        None
    }
}

/// What a protocol can do about a frame.
pub trait Outbox {
    /// To every other peer, bit for bit, in the order of the calls.
    fn relay(&mut self, from: Token, frame: Frame<'_>);

    /// To one peer alone, before the frames relayed in the same turn.
    fn reply(&mut self, to: Token, header: Header, payload: &[u8]);
}

/// What a protocol can do about text.
pub trait TextOutbox {
    /// One message of text to one peer alone, before what is announced in the same turn. Not to one that is not open.
    fn answer(&mut self, to: Token, text: &[u8]);

    /// One message of text whose middle lies in a store: that is not copied, and not counted against the peer's queue
    /// limits, nor at all while the store has it.
    fn answer_stored<'c>(
        &mut self,
        to: Token,
        head: &[u8],
        stored: impl Iterator<Item = &'c Chunk>,
        tail: &[u8],
    );

    /// One message of text to everybody of a dialect who listens, but for the one it is from; in the order of the calls.
    fn announce(&mut self, from: Option<Token>, to: Dialect, text: &[u8]);

    /// From now on a peer of text gets what is announced.
    fn listen(&mut self, peer: Token);

    /// A peer of text is heard no more, may take what it is due, and is then closed.
    fn finish(&mut self, peer: Token);

    /// A message of text of so many bytes has come: counts it against its sender's rate. False when it is to be ignored.
    fn count_message(&mut self, from: Token, len: usize) -> bool;

    /// A peer broke a rule. What that costs says the law; it may be open still.
    fn offended(&mut self, from: Token, offence: Offence, detail: impl fmt::Display);

    /// Whether a peer is still heard.
    fn is_open(&self, peer: Token) -> bool;

    /// Whether a peer has not taken all yet that it was sent before, or is to be sent in this turn:
    /// [`Protocol::caught_up`] says when it has.
    fn is_behind(&self, peer: Token) -> bool;

    /// What a peer's stream is at: said whenever that changes. A message that takes longer than the frame timeout ends
    /// it, and its memory counts among what strangers make us hold.
    fn note_stream(&mut self, of: Token, stream: Stream);

    /// One more is to be dialled and kept up, but forgotten once it has been away for so long. `None` when there are
    /// too many.
    fn keep_up(&mut self, to: SocketAddr, dialect: Dialect, patience: Duration) -> Option<DialId>;

    /// There is something to say to somebody who is kept up: if it waits to be dialled again, it waits no longer than
    /// for a second behind the last attempt.
    fn hurry(&mut self, dial: DialId);

    /// Somebody who is kept up has shown that it is what it should be: it counts as having been there until now,
    /// however short its connections are.
    fn vouch_for(&mut self, dial: DialId);

    /// Somebody is not to be kept up any more; nothing more is said of it.
    fn forget(&mut self, dial: DialId);
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
