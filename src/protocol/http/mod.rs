//! HTTP beside Bunkercoin's nodes: the chain, what waits for it and what is new, for whoever has `curl`. Knows requests
//! and replies; asks a [`Store`] for what they are about, and acts through an [`TextOutbox`].
//!
//! A connection is one of many, known by its [`Token`]; what of a request has come lies in its
//! [`Reader`](reader::Reader), bounded and never read twice. What a `POST` brings is checked elsewhere, in slices: until
//! the verdict is there the connection is busy and what it has sent behind it waits, so replies come in the order of
//! the requests. What waits is worked off a request of each in turn, a [`SLICE`] a turn of the loop. A reader of `/events` is a listener like any other.

mod connection;
mod cost;
pub mod events;
pub mod fault;
pub mod head;
mod lending;
pub mod limits;
mod of_chain;
pub mod reader;
pub mod reply;
pub mod route;
mod serving;
pub mod store;
mod work;

use std::collections::{BTreeMap, VecDeque};

use crate::deadlines::Deadlines;
use crate::protocol::{TextOutbox, Token};
use crate::time::Instant;

use connection::{Connection, Phase};
pub use cost::{Cost, SLICE};
use events::Readers;
pub use fault::Fault;
use lending::Lent;
pub use limits::{IDLE_TIME, KEEPALIVE_TIME, MAX_HEAD_BYTES, MAX_HEADERS, MAX_LENT_BYTES, MAX_LENT_PIECES};
pub use limits::{MAX_SAID_BYTES, MIN_LENT_BYTES, REQUEST_TIME};
pub use store::{News, Store, Ticket, Verdict};

/// All that is spoken at `--listen-http`.
#[derive(Debug)]
pub struct Http {
    /// Longest body, bytes.
    max_body: usize,
    connections: BTreeMap<Token, Connection>,
    /// Who waits for which verdict.
    tickets: BTreeMap<Ticket, Token>,
    /// Who has said something, each once, and the serial number of its connection.
    queue: VecDeque<(Token, u64)>,
    /// Who has been answered enough in this turn.
    paused: VecDeque<(Token, u64)>,
    turn: u64,
    arrivals: u64,
    longest_slice: Cost,
    lent: Lent,
    deadlines: Deadlines<Token>,
    readers: Readers,
}

impl Http {
    /// Nobody yet. A body may have `max_message` bytes.
    pub fn new(max_message: usize) -> Self {
        Self {
            max_body: max_message,
            connections: BTreeMap::new(),
            tickets: BTreeMap::new(),
            queue: VecDeque::new(),
            paused: VecDeque::new(),
            turn: 0,
            arrivals: 0,
            longest_slice: 0,
            lent: Lent::default(),
            deadlines: Deadlines::new(),
            readers: Readers::default(),
        }
    }

    /// A client is there.
    pub fn joined(&mut self, now: Instant, peer: Token) {
        self.arrivals += 1;
        let new = || Connection::new(now, self.arrivals, self.max_body);
        let connection = self.connections.entry(peer).or_insert_with(new);
        if let Some(due) = connection.due() {
            self.deadlines.by(peer, &mut connection.wake, due);
        }
    }

    /// It has sent bytes. What they ask for is looked at when everybody has been heard.
    pub fn heard(&mut self, now: Instant, out: &mut impl TextOutbox, from: Token, bytes: &[u8]) {
        self.attend(now, out, from, |out, connection, _| connection.heard(out, from, bytes));
        self.enqueue(from);
    }

    /// It sends no more.
    pub fn ended(&mut self, now: Instant, out: &mut impl TextOutbox, from: Token) {
        self.attend(now, out, from, |out, connection, _| connection.ended(out, from));
    }

    /// It is gone, and nobody waits for what it brought.
    pub fn left(&mut self, store: &mut impl Store, peer: Token) {
        let Some(mut connection) = self.connections.remove(&peer) else { return };
        self.deadlines.cancel(peer, &mut connection.wake);
        match connection.phase {
            Phase::Listening => self.readers.went(),
            Phase::Checking(checking) => {
                self.tickets.remove(&checking.ticket);
                store.withdraw(checking.ticket);
            }
            Phase::Reading | Phase::Over => {}
        }
    }

    /// Once a turn, after the store has done its work of the turn: verdicts, news, and whoever's time has come.
    pub fn expired(&mut self, now: Instant, out: &mut impl TextOutbox, store: &mut impl Store) {
        while let Some((ticket, verdict)) = store.take_verdict() {
            self.decided(now, out, ticket, verdict);
        }
        self.work(now, out, store);
        while let Some(news) = store.take_news() {
            self.readers.tell(now, out, &news);
        }
        while let Some(peer) = self.deadlines.pop(now) {
            self.woken(now, out, peer);
        }
        self.readers.expired(now, out);
    }

    /// When [`expired`](Self::expired) has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        let at_once = (!self.queue.is_empty()).then_some(Instant::START);
        [at_once, self.deadlines.next(), self.readers.next_deadline()].into_iter().flatten().min()
    }

    /// How many clients there are.
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    fn decided(&mut self, now: Instant, out: &mut impl TextOutbox, ticket: Ticket, verdict: Verdict) {
        let Some(peer) = self.tickets.remove(&ticket) else { return };
        self.attend(now, out, peer, |out, connection, _| connection.decided(now, out, peer, verdict));
        self.enqueue(peer);
    }

    fn woken(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) {
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.wake.came();
        }
        self.attend(now, out, peer, |out, connection, _| connection.expired(now, out, peer));
    }

    /// Has something done to a connection, and notes what has become of it.
    fn attend<O: TextOutbox>(
        &mut self,
        now: Instant,
        out: &mut O,
        peer: Token,
        act: impl FnOnce(&mut O, &mut Connection, &mut Lent),
    ) {
        let Some(connection) = self.connections.get_mut(&peer) else { return };
        let was_listening = connection.phase == Phase::Listening;
        act(out, connection, &mut self.lent);
        match (was_listening, connection.phase == Phase::Listening) {
            (false, true) => self.readers.came(now),
            (true, false) => self.readers.went(),
            (true, true) | (false, false) => {}
        }
        if let Phase::Checking(checking) = connection.phase {
            self.tickets.insert(checking.ticket, peer);
        }
        if let Some(due) = connection.due() {
            self.deadlines.by(peer, &mut connection.wake, due);
        }
        out.note_stream(peer, connection.stream());
    }
}
