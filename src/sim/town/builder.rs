//! What runs on a town's hosts: the real server, or, in this crate's own tests, one that is broken on purpose.

use std::net::SocketAddr;

use super::setup::TownSetup;
use crate::protocol::{Dialect, Networks, clarke};
use crate::relay::{Law, Limits, Relay};
use crate::server::Server;
use crate::sim::stack::SimStack;
use crate::sim::subject::Subject;

/// Starts relays.
pub trait TownBuilder {
    /// What it starts.
    type Subject: Subject;

    /// The relay of this number, that keeps up these.
    fn build(
        &self,
        stack: SimStack,
        relay: usize,
        limits: &Limits,
        dials: &[(SocketAddr, Dialect)],
        seed: u64,
    ) -> Self::Subject;
}

/// The relay as it is.
#[derive(Clone, Copy, Debug)]
pub struct RealTown;

impl TownBuilder for RealTown {
    type Subject = Server<SimStack, Networks>;

    fn build(
        &self,
        stack: SimStack,
        relay: usize,
        limits: &Limits,
        dials: &[(SocketAddr, Dialect)],
        seed: u64,
    ) -> Self::Subject {
        let relay = Relay::new(networks(relay, limits, seed), Law::of::<Networks>(), limits.clone());
        let mut server = Server::new(stack, relay);
        for (nth, &(to, dialect)) in (0..).zip(dials) {
            server.keep_up(vec![to], dialect, seed ^ nth);
        }
        server
    }
}

/// All dialects, as the program has them.
pub(super) fn networks(relay: usize, limits: &Limits, seed: u64) -> Networks {
    Networks::new(clarke::Setup {
        max_message: limits.max_line,
        max_peers: MOST_ADDED,
        listening: vec![TownSetup::address(relay, Dialect::Json)],
        seed,
    })
}

/// As `--max-json-peers` has it.
const MOST_ADDED: usize = 64;
