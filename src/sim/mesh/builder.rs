//! What runs on a mesh's hosts: the real server, or, in this crate's own tests, one that is broken on purpose.

use std::net::SocketAddr;

use crate::protocol::{Dialect, Flood};
use crate::relay::{Law, Limits, Relay};
use crate::server::Server;
use crate::sim::stack::SimStack;
use crate::sim::subject::Subject;

/// Starts relays.
pub trait Builder {
    /// What it starts.
    type Subject: Subject;

    /// One that keeps up these, each at one of its addresses.
    fn build(&self, stack: SimStack, limits: &Limits, dials: &[Vec<SocketAddr>], seed: u64) -> Self::Subject;

    /// The limits that its judge holds it to.
    fn judged_by(&self, limits: &Limits) -> Limits {
        limits.clone()
    }
}

/// The relay as it is.
#[derive(Clone, Copy, Debug)]
pub struct Real;

impl Builder for Real {
    type Subject = Server<SimStack, Flood>;

    fn build(&self, stack: SimStack, limits: &Limits, dials: &[Vec<SocketAddr>], seed: u64) -> Self::Subject {
        let mut server = Server::new(stack, Relay::new(Flood, Law::of::<Flood>(), limits.clone()));
        for (nth, addresses) in (0..).zip(dials) {
            server.keep_up(addresses.clone(), Dialect::Frames, seed ^ nth);
        }
        server
    }
}
