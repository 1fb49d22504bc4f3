//! What a run is to be, and why it may not come to be. Knows no socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use thiserror::Error;

use super::dialect::{Codec, Dialect, Foreign, Frames, Role};
use super::maker::Codecs;
use super::pace::Pace;
use super::rendering::Track;
use crate::wire::{Command, Magic};

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the relay is, or another server.
    pub to: SocketAddr,
    /// What is spoken with it.
    pub dialect: Dialect,
    /// Beside frames: where every second peer connects, from number 1 on, and speaks lines.
    pub lines_at: Option<SocketAddr>,
    /// What frames begin with.
    pub magic: Magic,
    /// What frames that are messages are called.
    pub command: Command,
    /// How many connect. At least two; at least one of them must receive.
    pub peers: u32,
    /// How many of these send: with frames they receive as well, else they do not. At least one.
    pub senders: u32,
    /// Bytes of a payload, drawn from here; at least [`SMALLEST_PAYLOAD`](super::SMALLEST_PAYLOAD).
    pub sizes: RangeInclusive<u32>,
    /// How fast.
    pub pace: Pace,
    /// How long before anything is measured.
    pub warmup: Duration,
    /// How long is measured.
    pub duration: Duration,
    /// Bytes delivered in the measured time that end it early.
    pub max_bytes: u64,
    /// How long nothing may come while something is under way.
    pub patience: Duration,
    /// What the messages are drawn from.
    pub seed: u64,
}

/// Why there was no run.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The stack's own.
    #[error("cannot wait for connections: {0}")]
    Wait(io::Error),
    /// A connection could not be made.
    #[error("peer {peer} of {peers} cannot connect to {to}: {error}")]
    Connect {
        /// What was to be spoken.
        dialect: Dialect,
        /// Which one, from 0, as everywhere.
        peer: u32,
        /// Of how many.
        peers: u32,
        /// Where to.
        to: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// It could, and the server did not want it.
    #[error("{to} closed the connection of peer {peer} of {peers} at once: {}; its log says which", unwanted(*.dialect, .from))]
    NotAdmitted {
        /// What was spoken.
        dialect: Dialect,
        /// Which one, from 0, as everywhere.
        peer: u32,
        /// Of how many.
        peers: u32,
        /// Where to.
        to: SocketAddr,
        /// Where from.
        from: String,
    },
    /// It was in the room, and was cut off before everybody was.
    #[error("{to} cut peer {peer} of {peers} off when {joined} were in the room; its log says why")]
    CutOff {
        /// Which one, from 0, as everywhere.
        peer: u32,
        /// Of how many.
        peers: u32,
        /// Where.
        to: SocketAddr,
        /// How many were in.
        joined: u32,
    },
    /// It could, and the server has answered otherwise than it should.
    #[error("{to} {what} (to peer {peer} of {peers})")]
    Refused {
        /// Which one, from 0, as everywhere.
        peer: u32,
        /// Of how many.
        peers: u32,
        /// Where.
        to: SocketAddr,
        /// What it did.
        what: String,
    },
    /// It could, and there is no answer.
    #[error("{to} has {} peers, and none for {} s more: {}", answered(*.dialect, *.joined, *.peers), .patience.as_secs(), doubt(*.dialect))]
    NoAnswer {
        /// What was spoken.
        dialect: Dialect,
        /// Where.
        to: SocketAddr,
        /// How many were answered.
        joined: u32,
        /// Of how many.
        peers: u32,
        /// How long nothing came.
        patience: Duration,
    },
}

impl Plan {
    /// Where a peer connects from: on the loopback network each from its own address, so that the ports of one
    /// do not run out and a ban of one is not a ban of all.
    pub fn source(&self, peer: u32) -> Option<IpAddr> {
        match self.address(peer).ip() {
            IpAddr::V4(v4) if v4.is_loopback() => {
                let first = u32::from(Ipv4Addr::new(127, 1, 0, 1));
                Some(Ipv4Addr::from(first + peer).into())
            }
            _ => None,
        }
    }

    /// The same for a person.
    pub fn source_name(&self, peer: u32) -> String {
        self.source(peer).map_or_else(|| "this host's address".into(), |ip| ip.to_string())
    }

    /// Where a peer connects to.
    pub fn address(&self, peer: u32) -> SocketAddr {
        self.lines_at.filter(|_| self.track(peer) == Track::Second).unwrap_or(self.to)
    }

    /// What a peer speaks.
    pub fn spoken(&self, peer: u32) -> Dialect {
        match self.track(peer) {
            Track::First => self.dialect,
            Track::Second => Dialect::Lines,
        }
    }

    /// How many of the peers speak lines.
    pub fn line_peers(&self) -> u32 {
        match (self.dialect, self.lines_at) {
            (Dialect::Lines, _) => self.peers,
            (_, Some(_)) => self.peers / 2,
            (_, None) => 0,
        }
    }

    /// On which track of the tape its deliveries lie.
    pub(super) fn track(&self, peer: u32) -> Track {
        if self.lines_at.is_some() && peer % 2 == 1 { Track::Second } else { Track::First }
    }

    /// How this run is to speak, on each track.
    pub(super) fn codecs(&self) -> Codecs {
        let first = match (self.dialect, Foreign::new(self.dialect, self.seed)) {
            (_, Some(foreign)) => Codec::Foreign(foreign),
            (Dialect::Lines, _) => Codec::Lines,
            _ => Codec::Frames(Frames::new(self.seed, self.magic, self.command, *self.sizes.end())),
        };
        [first].into_iter().chain(self.lines_at.map(|_| Codec::Lines)).collect()
    }

    /// Deliveries that one message makes.
    pub fn receivers(&self) -> u32 {
        self.dialect.receivers(self.peers, self.senders)
    }

    /// What a peer is there for.
    pub fn role(&self, peer: u32) -> Role {
        self.dialect.role(peer, self.senders)
    }
}

/// Why a server may not have wanted a peer from there.
fn unwanted(dialect: Dialect, from: &str) -> String {
    match dialect {
        Dialect::Frames => {
            format!("it is full, or has banned {from}, or speaks another network's magic")
        }
        Dialect::Lines => format!("it is full, or has banned {from}, or takes no lines there"),
        Dialect::Redis | Dialect::Nats | Dialect::Mqtt => {
            format!("it is full, or does not want {from}, or does not speak {dialect}")
        }
    }
}

fn answered(dialect: Dialect, joined: u32, peers: u32) -> String {
    match dialect {
        Dialect::Frames => format!("answered the pings of {joined} of {peers}"),
        Dialect::Lines => format!("passed our lines on to {joined} of {peers}"),
        Dialect::Redis | Dialect::Nats | Dialect::Mqtt => format!("answered {joined} of {peers}"),
    }
}

fn doubt(dialect: Dialect) -> String {
    match dialect {
        Dialect::Frames => "is that a relay?".into(),
        Dialect::Lines => "is that where a relay takes lines?".into(),
        Dialect::Redis | Dialect::Nats | Dialect::Mqtt => format!("does it speak {dialect}?"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Network;
    use std::num::NonZeroU64;

    #[test]
    fn on_the_loopback_network_everybody_has_an_address_of_his_own() {
        let mut plan = plan();
        assert_eq!(plan.source_name(0), "127.1.0.1");
        assert_eq!(plan.source_name(19_999), "127.1.78.32");
        plan.lines_at = Some("192.0.2.1:7334".parse().unwrap());
        assert_eq!(plan.source(3), None, "the line peers go elsewhere");
        for elsewhere in ["[::1]:7333", "192.0.2.1:7333"] {
            plan.to = elsewhere.parse().unwrap();
            assert_eq!(plan.source(2), None);
        }
    }

    #[test]
    fn every_second_peer_is_a_line_peer_or_all_or_none() {
        let (framed, other) = (plan(), "127.0.0.1:7334".parse().unwrap());
        let mixed = Plan { lines_at: Some(other), ..plan() };
        let lines = Plan { dialect: Dialect::Lines, ..plan() };
        for (plan, line_peers) in [(&framed, 0), (&mixed, 10_000), (&lines, 20_000)] {
            let counted = (0..plan.peers).filter(|&peer| plan.spoken(peer) == Dialect::Lines);
            assert_eq!((plan.line_peers(), counted.count()), (line_peers, line_peers as usize));
        }
        assert_eq!([0, 1, 2, 3].map(|peer| mixed.address(peer).port()), [7333, 7334, 7333, 7334]);
        assert_eq!(lines.address(1).port(), 7333);
        assert_eq!([framed, mixed, lines].map(|plan| plan.codecs().len()), [1, 2, 1]);
    }

    fn plan() -> Plan {
        Plan {
            to: "127.0.0.1:7333".parse().unwrap(),
            dialect: Dialect::Frames,
            lines_at: None,
            magic: Network::PRIVATE.magic,
            command: "msg".parse().unwrap(),
            peers: 20_000,
            senders: 1,
            sizes: 16..=16,
            pace: Pace::Window(NonZeroU64::MIN),
            warmup: Duration::ZERO,
            duration: Duration::ZERO,
            max_bytes: u64::MAX,
            patience: Duration::ZERO,
            seed: 0,
        }
    }

    #[test]
    fn another_server_is_spoken_of_as_what_it_should_be() {
        let to = "127.0.0.1:6379".parse().unwrap();
        let (dialect, peers, patience) = (Dialect::Redis, 5, Duration::from_secs(10));
        let from = "127.1.0.3".into();
        assert_eq!(
            LoadError::NotAdmitted { dialect, peer: 2, peers, to, from }.to_string(),
            "127.0.0.1:6379 closed the connection of peer 2 of 5 at once: it is full, or does not want \
             127.1.0.3, or does not speak redis; its log says which"
        );
        assert_eq!(
            LoadError::NoAnswer { dialect, to, joined: 2, peers, patience }.to_string(),
            "127.0.0.1:6379 has answered 2 of 5 peers, and none for 10 s more: does it speak redis?"
        );
    }
}
