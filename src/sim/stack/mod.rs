//! TCP as one host has it, in a world where nothing else is: packets in, packets out, and in between what
//! [`Stack`](crate::server::Stack) promises. Knows its own ends of connections; knows no link, no other host and no time but what it is
//! told.
//!
//! It is as unkind as the contract allows, as often as its [`Faults`] say.

mod calls;
mod end;

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use super::faults::{Fault, Faults};
use super::journal::{Deed, Journal};
use super::packet::{Conn, Packet, What};
use crate::protocol::{Dialect, Token};
use crate::server::Readiness;
use crate::time::Instant;
use end::End;

/// Connections that wait to be accepted.
const BACKLOG: usize = 4096;

/// One host's TCP.
#[derive(Debug)]
pub struct SimStack {
    now: Instant,
    /// It was waited for in this turn already.
    has_waited: bool,
    ends: Vec<Option<Box<End>>>,
    alive: usize,
    /// Where its own connections come from, unless whoever makes one says otherwise.
    home: Option<IpAddr>,
    /// Where no way leads: connecting fails at once.
    no_routes: Vec<SocketAddr>,
    listeners: Vec<(SocketAddr, Dialect)>,
    backlog: VecDeque<(Conn, Dialect)>,
    /// Somebody has come since that was last said.
    is_visited: bool,
    /// Of whom something is to be said.
    news: Vec<Conn>,
    outbox: Vec<Packet>,
    /// Numbers for its own connections: from here in steps, so that no two hosts give the same.
    next_conn: u32,
    conn_step: u32,
    ports: u32,
    /// Bytes that ends may have under way until the world says otherwise.
    room: usize,
    /// Tokens given so far: the highest.
    last_token: u32,
    /// The same of those of connections that are being made.
    last_dial: Option<u32>,
    faults: Faults,
    journal: Option<Journal>,
}

/// An end in the hands of whoever uses the stack.
#[derive(Debug, PartialEq, Eq)]
pub struct SimStream(Conn);

impl SimStream {
    /// Which connection's end it is.
    pub fn conn(&self) -> Conn {
        self.0
    }
}

impl SimStack {
    /// The `host`-th of `hosts` in a world.
    pub fn new(host: u32, hosts: u32, faults: Faults) -> Self {
        Self {
            now: Instant::START,
            has_waited: false,
            ends: Vec::new(),
            alive: 0,
            home: None,
            no_routes: Vec::new(),
            listeners: Vec::new(),
            backlog: VecDeque::new(),
            is_visited: false,
            news: Vec::new(),
            outbox: Vec::new(),
            next_conn: host,
            conn_step: hosts,
            ports: 0,
            room: 64 * 1024,
            last_token: 0,
            last_dial: None,
            faults,
            journal: None,
        }
    }

    /// Whoever comes there is taken up, and speaks so.
    pub fn listen(&mut self, at: SocketAddr, dialect: Dialect) {
        self.listeners.push((at, dialect));
    }

    /// Its own connections come from there.
    pub fn live_at(&mut self, home: IpAddr) {
        self.home = Some(home);
    }

    /// From here no way leads there.
    pub fn lose_route(&mut self, to: SocketAddr) {
        self.no_routes.push(to);
    }

    /// The same host after it was switched off and on: it knows of no connection, and nobody listens. No number is
    /// given a second time.
    pub fn restarted(&self, faults: Faults) -> Self {
        let mut stack = Self::new(self.next_conn, self.conn_step, faults);
        (stack.now, stack.ports, stack.home) = (self.now, self.ports, self.home);
        stack.no_routes.clone_from(&self.no_routes);
        stack
    }

    /// From now on it keeps a journal.
    pub fn keep_journal(&mut self) {
        self.journal = Some(Journal::default());
    }

    /// What was done since the last call.
    pub fn take_journal(&mut self) -> Journal {
        self.journal.as_mut().map(std::mem::take).unwrap_or_default()
    }

    // The world's side.

    /// A turn begins, at that time or later if the last one took longer.
    pub fn begin_turn(&mut self, now: Instant) {
        self.now = self.now.max(now);
        self.has_waited = false;
    }

    /// What time it is at this host: later than in the world, if its last turn took long.
    pub fn now_there(&self) -> Instant {
        self.now
    }

    /// Whether a wait would say something.
    pub fn has_news(&self) -> bool {
        self.is_visited || !self.news.is_empty()
    }

    /// What has left since the last call goes there.
    pub fn drain_outbox(&mut self, to: &mut Vec<Packet>) {
        to.append(&mut self.outbox);
    }

    /// Bytes that a connection may have under way from here.
    pub fn set_room(&mut self, conn: Conn, room: usize) {
        if let Some(end) = self.end_mut(conn) {
            end.room = room;
        }
    }

    /// A packet has come, for an end that has so much room to answer.
    pub fn arrive(&mut self, packet: Packet, room: usize) {
        let conn = packet.conn;
        if let What::Open { from, to } = packet.what {
            return self.visited(conn, from, to, room);
        }
        let Some(end) = self.ends.get_mut(conn.0 as usize).and_then(Option::as_deref_mut) else {
            if let What::Data(_) = packet.what {
                self.send(conn, What::Reset); // the answer to bytes for nobody
            }
            return;
        };
        match packet.what {
            What::Opened => end.opened(),
            What::Refused => end.fail(io::ErrorKind::ConnectionRefused),
            What::Data(bytes) => end.came(bytes),
            What::End => end.ended(),
            What::Reset => end.fail(io::ErrorKind::ConnectionReset),
            What::Taken(count) => end.taken(count),
            What::Open { .. } => unreachable!("seen above"),
        }
        self.list(conn);
    }

    /// The faults, to stop or to count them.
    pub fn faults(&mut self) -> &mut Faults {
        &mut self.faults
    }

    // What the judge may know.

    /// Bytes that wait to be read of a connection.
    pub fn inbox_len(&self, conn: Conn) -> usize {
        self.end(conn).map_or(0, End::inbox_len)
    }

    /// Whether a read would say something, and whoever reads was told so.
    pub fn is_known_readable(&self, conn: Conn) -> bool {
        self.end(conn).is_some_and(|end| !end.told.is_listed && end.has_something())
    }

    /// Whether a write would take something, and whoever writes was told so.
    pub fn is_known_writable(&self, conn: Conn) -> bool {
        self.end(conn).is_some_and(|end| !end.told.is_listed && end.error.is_none() && end.free() > 0)
    }

    /// Whether it has an end of this connection.
    pub fn has(&self, conn: Conn) -> bool {
        self.end(conn).is_some()
    }

    /// Whether a connection that is being made is there, and whoever makes it was told so.
    pub fn is_known_open(&self, conn: Conn) -> bool {
        self.end(conn).is_some_and(|end| !end.told.is_listed && end.is_open)
    }

    /// The connections it has an end of.
    pub fn conns(&self) -> impl Iterator<Item = Conn> {
        let ends = (0..).map(Conn).zip(&self.ends);
        ends.filter(|(_, end)| end.is_some()).map(|(conn, _)| conn)
    }

    /// Ends in somebody's hands, or waiting to be accepted.
    pub fn alive(&self) -> usize {
        self.alive
    }

    fn visited(&mut self, conn: Conn, from: SocketAddr, to: SocketAddr, room: usize) {
        let listener = self.listeners.iter().find(|(at, _)| *at == to);
        let Some(&(_, dialect)) = listener.filter(|_| self.backlog.len() < BACKLOG) else {
            return self.send(conn, What::Refused);
        };
        let mut end = End::new(from, room);
        end.opened();
        self.place(conn, end);
        self.backlog.push_back((conn, dialect));
        self.is_visited = true;
        self.send(conn, What::Opened);
    }

    fn place(&mut self, conn: Conn, end: End) {
        let at = conn.0 as usize;
        if self.ends.len() <= at {
            self.ends.resize_with(at + 1, || None);
        }
        self.ends[at] = Some(Box::new(end));
        self.alive += 1;
    }

    fn remove(&mut self, conn: Conn) {
        let end = self.ends[conn.0 as usize].take();
        self.alive -= usize::from(end.is_some());
    }

    fn end(&self, conn: Conn) -> Option<&End> {
        self.ends.get(conn.0 as usize)?.as_deref()
    }

    fn end_mut(&mut self, conn: Conn) -> Option<&mut End> {
        self.ends.get_mut(conn.0 as usize)?.as_deref_mut()
    }

    /// An end that somebody holds: it is there until it is given back.
    fn held(&mut self, stream: &SimStream) -> &mut End {
        self.end_mut(stream.0).expect("a stream is held until it is closed")
    }

    fn send(&mut self, conn: Conn, what: What) {
        self.outbox.push(Packet { conn, what });
    }

    fn note(&mut self, deed: Deed) {
        if let Some(journal) = &mut self.journal {
            journal.note(deed);
        }
    }

    /// Something may be to be said of it.
    fn list(&mut self, conn: Conn) {
        if let Some(end) = self.end_mut(conn)
            && end.told.is_news()
            && !std::mem::replace(&mut end.told.is_listed, true)
        {
            self.news.push(conn);
        }
    }

    fn say(&mut self, ready: &mut Vec<Readiness>) {
        if std::mem::take(&mut self.is_visited) {
            ready.push(Readiness::Acceptable);
        }
        for conn in std::mem::take(&mut self.news) {
            let Some(end) = self.end_mut(conn) else { continue };
            end.told.is_listed = false;
            let ends = end.told.has_ended;
            end.told.say(ready);
            if ends {
                self.note(Deed::HungUp(conn));
            }
        }
    }

    /// Says things twice, of nobody, or in several pieces.
    fn make_noise(&mut self, ready: &mut Vec<Readiness>) {
        if !ready.is_empty() && self.faults.strikes(Fault::Twice) {
            ready.push(ready[self.faults.below(ready.len())]);
        }
        if self.faults.strikes(Fault::Spurious) {
            let token = Token(self.faults.below(self.last_token as usize + 2) as u32);
            ready.push([Readiness::Readable(token), Readiness::Writable(token)][self.faults.below(2)]);
            if let Some(dial) = self.last_dial {
                ready.push(
                    [Readiness::Ended(Token(dial)), Readiness::Writable(Token(dial))][self.faults.below(2)],
                );
            }
        }
        if !ready.is_empty() && self.faults.strikes(Fault::Several) {
            let at = self.faults.below(ready.len());
            if let Readiness::Readable(token) | Readiness::Writable(token) = ready[at] {
                let beside =
                    [Readiness::Urgent(token), Readiness::Writable(token), Readiness::Readable(token)];
                ready.extend(beside);
            }
            ready.push(Readiness::Woken);
        }
        if !ready.is_empty() {
            let first = self.faults.below(ready.len());
            ready.rotate_left(first);
        }
    }
}
