//! What a node of Bunkercoin's network gets behind a short-wave link: the real relay at one end, a node at the other, and
//! a way of one rate between them. Knows how long things took; judges nothing.

use std::time::Duration;

use super::agenda::Agenda;
use super::faults::{Chances, Faults};
use super::link::Link;
use super::packet::{Conn, Packet, What};
use super::profile::Profile;
use super::stack::{SimStack, SimStream};
use super::town::coin::{self, Block, Coin, INTERVAL};
use crate::protocol::bunkercoin::Record;
use crate::protocol::{Dialect, Networks, Token, clarke};
use crate::relay::{Law, Limits, Relay};
use crate::server::{Readiness, Server, Stack};
use crate::time::Instant;
use crate::wire::{Network, Part};

/// Where the relay listens for the node.
const RELAY: ([u8; 4], u16) = ([10, 0, 0, 1], 7000);
/// Where the node is.
const NODE: [u8; 4] = [10, 2, 0, 1];
/// Hosts: the relay's and the node's.
const HOSTS: u32 = 2;
/// Nobody waits longer.
const PATIENCE: Duration = Duration::from_secs(24 * 3600);
/// Seeds that a figure is the middle one of: fades come when they come.
const SEEDS: u64 = 9;
/// The first block's time.
const FIRST: u64 = 1_700_000_010 / INTERVAL * INTERVAL;

/// What is carried.
#[derive(Clone, Debug)]
pub struct Cargo {
    /// A chain, first block first.
    pub blocks: Vec<Block>,
}

/// How long something takes over the air, the middle one of several runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AirTime {
    /// As the network says it.
    pub json: Duration,
    /// Were it said in bincode.
    pub binary: Duration,
}

impl Cargo {
    /// The largest block there may be: as many transactions as fit.
    pub fn largest_block() -> Self {
        const MOST_BYTES: usize = 10 * 1024;
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let pay =
            |nonce: u64| Coin::signed(&key, coin::hash(&nonce.to_le_bytes()), 1 + nonce, u64::MAX - nonce);
        let (mut coins, mut size) = (Vec::new(), Block::mined([0; 32], FIRST, Vec::new()).encode().len());
        loop {
            let next = pay(coins.len() as u64);
            let mut encoded = Vec::new();
            next.encode(&mut encoded);
            size += encoded.len();
            if size > MOST_BYTES {
                return Self { blocks: vec![Block::mined([0; 32], FIRST, coins)] };
            }
            coins.push(next);
        }
    }

    /// So many blocks without transactions.
    pub fn empty_blocks(count: usize) -> Self {
        let mut blocks: Vec<Block> = Vec::new();
        for nth in 0..count as u64 {
            let before = blocks.last().map_or([0; 32], Block::hash);
            blocks.push(Block::mined(before, FIRST + nth * INTERVAL, Vec::new()));
        }
        Self { blocks }
    }

    /// Bytes of the answer that tells it, as JSON.
    pub fn json_len(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(|block| block.json().len() + 1).sum();
        blocks - 1 + r#"{"Chain":[]}"#.len() + 1
    }

    /// The same in bincode, behind a length of eight bytes.
    pub fn binary_len(&self) -> usize {
        8 + self.blocks.iter().map(|block| block.encode().len()).sum::<usize>()
    }

    /// How long a node waits for it, from its question to the answer's last byte, at so many bits a second.
    pub fn air_time(&self, rate: u64) -> AirTime {
        AirTime {
            json: middle(|seed| Air::new(self, rate, seed).run()),
            binary: middle(|seed| self.carried(rate, seed)),
        }
    }

    /// The binary bytes alone, over the same link: the question there, the answer back.
    fn carried(&self, rate: u64, seed: u64) -> Duration {
        let [mut there, mut back] = links(rate, seed);
        let mut at = there.carry(Instant::START, 1);
        let asked = at;
        let mut left = self.binary_len();
        while left > 0 {
            let segment = left.min(back.segment());
            at = back.carry(asked, segment);
            left -= segment;
        }
        at.since(Instant::START)
    }
}

/// A relay that has a chain, and a node that asks for it.
struct Air {
    now: Instant,
    server: Server<SimStack, Networks>,
    /// When the server has its next turn.
    server_at: Option<Instant>,
    node: SimStack,
    stream: SimStream,
    links: [Link; 2],
    agenda: Agenda<(usize, Packet)>,
    /// What has come.
    begun: Vec<u8>,
    asked: Option<Instant>,
}

impl Air {
    fn new(load: &Cargo, rate: u64, seed: u64) -> Self {
        let mut stack = SimStack::new(0, HOSTS, Faults::new(0, Chances::default()));
        stack.listen(RELAY.into(), Dialect::Chain);
        let limits = Limits::new(Network::PRIVATE.magic);
        let mut networks = Networks::new(clarke::Setup {
            max_message: limits.max_line,
            max_peers: 0,
            listening: Vec::new(),
            seed,
        });
        for block in &load.blocks {
            let text = block.json();
            networks.chain_mut().restore(Record::Block(text.as_bytes())).expect("a right block");
        }
        let relay = Relay::new(networks, Law::of::<Networks>(), limits);
        let mut node = SimStack::new(1, HOSTS, Faults::new(0, Chances::default()));
        let mut stream = node.connect(RELAY.into(), Some(NODE.into())).expect("a way there");
        node.register(&mut stream, Token(0)).expect("a place");
        Self {
            now: Instant::START,
            server: Server::new(stack, relay),
            server_at: None,
            node,
            stream,
            links: links(rate, seed),
            agenda: Agenda::new(),
            begun: Vec::new(),
            asked: None,
        }
    }

    /// Until the chain is there: how long since it was asked for.
    ///
    /// # Panics
    /// If it never comes.
    fn run(mut self) -> Duration {
        self.ship();
        loop {
            let next = self.server_at.into_iter().chain(self.agenda.next()).min().expect("something happens");
            self.now = self.now.max(next);
            assert!(self.now.since(Instant::START) < PATIENCE, "the chain never came");
            match self.agenda.pop(self.now) {
                Some((0, packet)) => {
                    self.server.stack_mut().arrive(packet, self.links[1].buffer());
                    self.server_at = Some(self.now);
                }
                Some((_, packet)) => {
                    self.node.arrive(packet, 0);
                    self.turn_node();
                }
                None => self.turn_server(),
            }
            self.ship();
            if let Some(asked) = self.asked.filter(|_| self.has_come()) {
                return self.now.since(asked);
            }
        }
    }

    fn has_come(&self) -> bool {
        let mut lines = self.begun.split_inclusive(|&byte| byte == b'\n');
        lines.any(|line| line.starts_with(b"{\"Chain\":[{") && line.ends_with(b"]}\n"))
    }

    fn turn_server(&mut self) {
        self.server.stack_mut().begin_turn(self.now);
        self.server.turn(None).expect("this stack never fails");
        self.server.events().for_each(drop);
        let soon = self.now + Duration::from_micros(1);
        let is_awake = self.server.stack().has_news();
        let wake_up = self.server.wake_up().map(|at| at.max(soon));
        self.server_at = if is_awake { Some(soon) } else { wake_up };
    }

    /// The node asks once its connection is there, and reads.
    fn turn_node(&mut self) {
        self.node.begin_turn(self.now);
        let mut ready: Vec<Readiness> = Vec::new();
        let _ = self.node.wait(&mut ready, None); // says what there is
        if self.asked.is_none() && self.node.connected(&mut self.stream).is_ok() {
            let room = self.links[0].buffer();
            self.node.set_room(self.stream.conn(), room);
            let question = bytes::Bytes::from_static(b"\"GetChain\"\n");
            let part = Part::new(&question, 0, question.len());
            self.node.write(&mut self.stream, &[part]).expect("there is room");
            self.asked = Some(self.now);
        }
        let mut scratch = [0; 4096];
        while let Ok(len) = self.node.read(&mut self.stream, &mut scratch) {
            self.begun.extend_from_slice(&scratch[..len]);
        }
    }

    /// What has left a host goes over the air, a segment at a time.
    fn ship(&mut self) {
        let mut outbox = Vec::new();
        self.node.drain_outbox(&mut outbox);
        outbox.drain(..).for_each(|packet| carry(&mut self.agenda, &mut self.links[0], self.now, 0, packet));
        self.server.stack_mut().drain_outbox(&mut outbox);
        outbox.drain(..).for_each(|packet| carry(&mut self.agenda, &mut self.links[1], self.now, 1, packet));
    }
}

fn carry(agenda: &mut Agenda<(usize, Packet)>, link: &mut Link, now: Instant, to: usize, packet: Packet) {
    let conn: Conn = packet.conn;
    let What::Data(mut bytes) = packet.what else {
        return agenda.plan(link.carry(now, 0), (to, packet));
    };
    while !bytes.is_empty() {
        let segment = bytes.split_to(bytes.len().min(link.segment()));
        agenda.plan(link.carry(now, segment.len()), (to, Packet { conn, what: What::Data(segment) }));
    }
}

/// There and back, at one rate.
fn links(rate: u64, seed: u64) -> [Link; 2] {
    let mut figures = Profile::HfRadio.figures();
    figures.rate = Some(rate..rate + 1);
    [2 * seed, 2 * seed + 1].map(|seed| Link::of(figures.clone(), seed))
}

/// The middle one of several runs.
fn middle(run: impl Fn(u64) -> Duration) -> Duration {
    let mut all: Vec<Duration> = (0..SEEDS).map(run).collect();
    all.sort_unstable();
    all[all.len() / 2]
}
