//! What a run is to be, and why it may not come to be. Knows no socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use thiserror::Error;

use super::pace::Pace;
use crate::wire::{Command, Magic};

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the relay is.
    pub to: SocketAddr,
    /// What frames begin with.
    pub magic: Magic,
    /// What messages are called.
    pub command: Command,
    /// How many connect; all of them receive. At least two.
    pub peers: u32,
    /// How many of these send as well. At least one.
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
        /// Which one, from 1.
        peer: u32,
        /// Of how many.
        peers: u32,
        /// Where to.
        to: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// It could, and the relay did not want it.
    #[error(
        "{to} closed the connection of peer {peer} of {peers} at once: it is full, or has banned {from}, or \
         speaks another network's magic; its log says which"
    )]
    NotAdmitted {
        /// Which one, from 1.
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
        /// Which one, from 1.
        peer: u32,
        /// Of how many.
        peers: u32,
        /// Where.
        to: SocketAddr,
        /// How many were in.
        joined: u32,
    },
    /// It could, and there is no answer.
    #[error("{to} has answered the pings of {joined} of {peers} peers, and none for {} s more: is that a relay?", .patience.as_secs())]
    NoAnswer {
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
        match self.to.ip() {
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

    /// Deliveries that one message makes.
    pub fn receivers(&self) -> u32 {
        self.peers - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Network;
    use std::num::NonZeroU64;

    #[test]
    fn on_the_loopback_network_everybody_has_an_address_of_his_own() {
        let mut plan = Plan {
            to: "127.0.0.1:7333".parse().unwrap(),
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
        };
        assert_eq!(plan.source_name(0), "127.1.0.1");
        assert_eq!(plan.source_name(19_999), "127.1.78.32");
        for elsewhere in ["[::1]:7333", "192.0.2.1:7333"] {
            plan.to = elsewhere.parse().unwrap();
            assert_eq!(plan.source(3), None);
        }
    }
}
