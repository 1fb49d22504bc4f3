//! What a server is spoken to in: how a message is published and delivered, and what is said besides. Knows bytes;
//! knows no socket, and of a message no more than its length.
//!
//! ```text
//!            ┌─ Frames: the relay's own; everybody sends and receives, and a stream that is odd is searched
//!   Codec ───┼─ Lines: the relay's too, on a listener of their own; whatever is odd ends with its line
//!            └─ Foreign: redis, nats, mqtt; who sends does not receive, and a stream is a row of items
//! ```
//!
//! In all of them a delivery is the same bytes for everybody who speaks it: these are kept, and compared with what
//! comes.

mod foreign;
mod frames;
mod items;
mod mqtt;
mod nats;
mod redis;

use std::fmt;
use std::str::FromStr;

use bytes::{Bytes, BytesMut};
use memchr::memchr;

pub use foreign::{Extent, Foreign, Meaning, quoted};
pub use frames::Frames;
pub use items::{Items, Next};

use crate::wire::Header;
use crate::wire::frame::MAX_PAYLOAD;

/// Bytes from which a message can be told from all others, in whatever it is spoken: more than what comes before
/// its payload, and whose it is.
pub const HEAD_MOST: usize = 80;

/// What is spoken, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Frames: what a relay speaks.
    Frames,
    /// Lines: what it speaks where it listens for them. There a line is a message.
    Lines,
    /// Publish and subscribe of Redis, in RESP2.
    Redis,
    /// The client protocol of NATS.
    Nats,
    /// MQTT 3.1.1 at QoS 0.
    Mqtt,
}

/// What a peer is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It receives, and may send: in a room all do.
    Both,
    /// It publishes.
    Sender,
    /// It subscribes.
    Receiver,
}

/// When a peer asks the server for a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// When it has come.
    Arrival,
    /// When it has sent and received everything.
    Farewell,
}

/// What begins like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// Perhaps a message of this run: more must come.
    Part,
    /// Perhaps a message of this run: here its payload begins.
    Payload(usize),
    /// Something else.
    Other,
}

/// How a run speaks.
#[derive(Clone, Debug)]
pub enum Codec {
    /// As a relay does.
    Frames(Frames),
    /// As a relay does with line peers.
    Lines,
    /// As another server does.
    Foreign(Foreign),
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Frames, Self::Lines, Self::Redis, Self::Nats, Self::Mqtt];

    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Frames => "frames",
            Self::Lines => "lines",
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Mqtt => "mqtt",
        }
    }

    /// What speaks it, in a word.
    pub const fn server(self) -> &'static str {
        match self {
            Self::Frames | Self::Lines => "relay",
            Self::Redis | Self::Nats | Self::Mqtt => "server",
        }
    }

    /// Where a server that speaks it listens by default; a relay's is its network's.
    pub const fn port(self) -> Option<u16> {
        match self {
            Self::Frames | Self::Lines => None,
            Self::Redis => Some(6379),
            Self::Nats => Some(4222),
            Self::Mqtt => Some(1883),
        }
    }

    /// Most bytes of a payload that a message can say it has.
    pub const fn largest_payload(self) -> u32 {
        match self {
            Self::Frames | Self::Lines | Self::Redis | Self::Nats => MAX_PAYLOAD,
            Self::Mqtt => mqtt::LARGEST_PAYLOAD,
        }
    }

    /// What a peer is there for, when so many send.
    pub const fn role(self, peer: u32, senders: u32) -> Role {
        match self {
            Self::Frames | Self::Lines => Role::Both,
            Self::Redis | Self::Nats | Self::Mqtt if peer < senders => Role::Sender,
            Self::Redis | Self::Nats | Self::Mqtt => Role::Receiver,
        }
    }

    /// How many get each message.
    pub const fn receivers(self, peers: u32, senders: u32) -> u32 {
        match self {
            Self::Frames | Self::Lines => peers.saturating_sub(1),
            Self::Redis | Self::Nats | Self::Mqtt => peers.saturating_sub(senders),
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Dialect {
    type Err = &'static str;

    /// One that a server is spoken to in from the first peer to the last: lines may stand beside frames, and are
    /// asked for otherwise.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let all = Self::ALL.into_iter().filter(|dialect| *dialect != Self::Lines);
        let found = all.into_iter().find(|dialect| dialect.name() == name);
        found.ok_or("need frames, redis, nats or mqtt")
    }
}

impl Codec {
    /// A message of so many bytes is delivered with these before its payload.
    pub fn open(&self, length: u32, to: &mut BytesMut) {
        match self {
            Self::Frames(_) => Frames::open(to),
            Self::Lines => {}
            Self::Foreign(foreign) => foreign.open(length, to),
        }
    }

    /// The payload of the message that begins there is whole: what comes behind it, or has waited for it.
    pub fn close(&self, begin: usize, to: &mut BytesMut) {
        match self {
            Self::Frames(frames) => frames.close(&mut to[begin..]),
            Self::Lines => to.extend_from_slice(b"\n"),
            Self::Foreign(foreign) => foreign.close(to),
        }
    }

    /// What a sender says so that these messages are delivered: they lie back to back in `delivered`.
    pub fn published<'m>(&self, delivered: &Bytes, messages: impl Iterator<Item = &'m [u8]>) -> Bytes {
        match self {
            Self::Frames(_) | Self::Lines => delivered.clone(),
            Self::Foreign(foreign) => foreign.published(delivered, messages),
        }
    }

    /// Bytes by which a message is shorter as it is published.
    pub fn shorter(&self) -> usize {
        match self {
            Self::Frames(_) | Self::Lines => 0,
            Self::Foreign(foreign) => foreign.shorter(),
        }
    }

    /// What begins like this. Before [`HEAD_MOST`] bytes it is known.
    pub fn front(&self, front: &[u8]) -> Front {
        match self {
            Self::Frames(_) => Front::Payload(Header::LEN),
            Self::Lines => Front::Payload(0),
            Self::Foreign(foreign) => foreign.front(front),
        }
    }

    /// Whether something lies there whole that is shorter than any message: what comes behind it is none of its head.
    pub fn is_whole(&self, front: &[u8]) -> bool {
        match self {
            Self::Frames(_) => false,
            Self::Lines => memchr(b'\n', front).is_some(),
            Self::Foreign(foreign) => foreign.is_whole(front),
        }
    }

    /// What a peer says when it wants a sign; a line is never answered. No two answers are alike, where a server
    /// leaves that to us.
    pub fn question(&self, occasion: Occasion, role: Role, peer: u32) -> Option<Bytes> {
        match self {
            Self::Frames(frames) => Some(Bytes::copy_from_slice(&frames.ping(occasion, peer))),
            Self::Lines => None,
            Self::Foreign(foreign) => Some(foreign.question(occasion, role, peer)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialect_is_named_as_it_is_written() {
        for dialect in Dialect::ALL.into_iter().filter(|dialect| *dialect != Dialect::Lines) {
            assert_eq!(dialect.name().parse(), Ok(dialect));
        }
        assert!("lines".parse::<Dialect>().is_err(), "an option of its own");
        assert_eq!("Redis".parse::<Dialect>(), Err("need frames, redis, nats or mqtt"));
    }

    #[test]
    fn in_a_room_all_receive_and_elsewhere_whoever_does_not_send() {
        for (dialect, deliveries) in Dialect::ALL.into_iter().zip([9, 9, 7, 7, 7]) {
            assert_eq!(dialect.receivers(10, 3), deliveries, "{dialect}");
            let receiving = (0..10).filter(|&peer| dialect.role(peer, 3) != Role::Sender).count();
            assert_eq!(receiving, if deliveries == 9 { 10 } else { 7 }, "{dialect}");
        }
    }
}
