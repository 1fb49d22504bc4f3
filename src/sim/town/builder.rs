//! What runs on a town's hosts: the real server, or, in this crate's own tests, one that is broken on purpose.

use std::net::SocketAddr;

use super::setup::TownSetup;
use crate::protocol::bunkercoin::{Bunkercoin, Record};
use crate::protocol::{Dialect, Networks, Protocol, clarke};
use crate::relay::{Law, Limits, Relay};
use crate::server::Server;
use crate::sim::stack::SimStack;
use crate::sim::subject::Subject;

/// As `--max-json-peers` has it.
const MOST_ADDED: usize = 64;

/// Starts relays.
pub trait TownBuilder {
    /// What it starts.
    type Subject: Subject;

    /// The relay of this number, that keeps up these, and remembers that.
    fn build(&self, stack: SimStack, plan: &Plan<'_>) -> Self::Subject;

    /// What has changed is written down, as between two turns.
    fn save(&self, subject: &mut Self::Subject, estate: &mut Estate);
}

/// What a relay is started with.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// Which it is.
    pub relay: usize,
    /// Its limits.
    pub limits: &'a Limits,
    /// Whom it keeps up, and what is spoken there.
    pub dials: &'a [(SocketAddr, Dialect)],
    /// What was written down before.
    pub estate: &'a Estate,
    /// For its chances.
    pub seed: u64,
}

/// What outlives a relay: the records of its chain's file, without the file.
#[derive(Clone, Debug, Default)]
pub struct Estate(Vec<Kept>);

#[derive(Clone, Debug)]
enum Kept {
    Block(Vec<u8>),
    Branch(usize),
    Transaction(Vec<u8>),
}

impl Estate {
    /// Whether nothing was ever written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What has changed since the last time.
    pub fn write(&mut self, chain: &mut Bunkercoin) {
        let records = &mut self.0;
        let keep = |record: Record<'_>| match record {
            Record::Block(text) => Kept::Block(text.to_vec()),
            Record::Branch(fork) => Kept::Branch(fork),
            Record::Transaction(text) => Kept::Transaction(text.to_vec()),
        };
        while chain.next_record(|record| records.push(keep(record))) {}
    }

    /// All of it goes into an empty chain, which from now on tells what changes.
    ///
    /// # Panics
    /// If a chain does not take what one like it has written.
    pub fn read(&self, chain: &mut Bunkercoin) {
        for kept in &self.0 {
            let record = match kept {
                Kept::Block(text) => Record::Block(text),
                Kept::Branch(fork) => Record::Branch(*fork),
                Kept::Transaction(text) => Record::Transaction(text),
            };
            chain.restore(record).expect("what was written was right");
        }
        chain.keep_journal();
    }
}

/// The relay as it is.
#[derive(Clone, Copy, Debug)]
pub struct RealTown;

impl TownBuilder for RealTown {
    type Subject = Server<SimStack, Networks>;

    fn build(&self, stack: SimStack, plan: &Plan<'_>) -> Self::Subject {
        let relay = Relay::new(networks(plan), Law::of::<Networks>(), plan.limits.clone());
        start(Server::new(stack, relay), plan)
    }

    fn save(&self, subject: &mut Self::Subject, estate: &mut Estate) {
        estate.write(subject.protocol_mut().chain_mut());
    }
}

/// A server keeps up whom it is to.
pub(super) fn start<P: Protocol>(mut server: Server<SimStack, P>, plan: &Plan<'_>) -> Server<SimStack, P> {
    for (nth, &(to, dialect)) in (0..).zip(plan.dials) {
        server.keep_up(vec![to], dialect, plan.seed ^ nth);
    }
    server
}

/// All dialects, as the program has them.
pub(super) fn networks(plan: &Plan<'_>) -> Networks {
    let mut networks = Networks::new(clarke::Setup {
        max_message: plan.limits.max_line,
        max_peers: MOST_ADDED,
        listening: vec![TownSetup::address(plan.relay, Dialect::Json)],
        seed: plan.seed,
    });
    plan.estate.read(networks.chain_mut());
    networks
}
