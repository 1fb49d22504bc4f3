//! Whoever is no relay, all on one host: each with at most one connection. Knows connections and bytes; knows nothing of
//! what is said.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::{Buf, Bytes};

use crate::protocol::Token;
use crate::server::{Readiness, Stack};
use crate::sim::packet::Conn;
use crate::sim::stack::{SimStack, SimStream};
use crate::time::Instant;
use crate::wire::Part;

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// All of them.
#[derive(Debug)]
pub struct Folk {
    stack: SimStack,
    people: Vec<Person>,
    ready: Vec<Readiness>,
    scratch: Box<[u8]>,
    news: Vec<(usize, News)>,
}

/// What somebody's connection has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// It is there.
    Opened,
    /// Bytes have come.
    Came(Bytes),
    /// There will be no more.
    Over(End),
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order, by the relay.
    Closed,
    /// It was refused or reset.
    Failed,
}

#[derive(Debug, Default)]
struct Person {
    stream: Option<SimStream>,
    is_open: bool,
    outbox: VecDeque<Bytes>,
}

impl Folk {
    /// So many, none of them connected.
    pub fn new(stack: SimStack, people: usize) -> Self {
        Self {
            stack,
            people: (0..people).map(|_| Person::default()).collect(),
            ready: Vec::new(),
            scratch: vec![0; READ_BYTES].into(),
            news: Vec::new(),
        }
    }

    /// The stack, for the world.
    pub fn stack(&mut self) -> &mut SimStack {
        &mut self.stack
    }

    /// Whether there is an end of a connection.
    pub fn has(&self, conn: Conn) -> bool {
        self.stack.has(conn)
    }

    /// Somebody's connection, once it is there.
    pub fn conn(&self, who: usize) -> Option<Conn> {
        let person = &self.people[who];
        person.stream.as_ref().filter(|_| person.is_open).map(SimStream::conn)
    }

    /// Somebody connects, unless connected. An attempt that came to nothing is left.
    pub fn join(&mut self, now: Instant, who: usize, to: SocketAddr, from: IpAddr) {
        if self.conn(who).is_some() {
            return;
        }
        self.leave(now, who, Stack::abort);
        let Ok(mut stream) = self.stack.connect(to, Some(from)) else { return };
        if self.stack.register(&mut stream, Token(who as u32)).is_ok() {
            self.people[who].stream = Some(stream);
        }
    }

    /// Somebody says something, if connected.
    pub fn say(&mut self, now: Instant, who: usize, what: impl Into<Bytes>) {
        self.stack.begin_turn(now);
        if self.people[who].is_open {
            self.people[who].outbox.push_back(what.into());
            self.flush(who);
        }
    }

    /// Somebody leaves: in order, or not.
    pub fn leave(&mut self, now: Instant, who: usize, how: fn(&mut SimStack, SimStream)) {
        self.stack.begin_turn(now);
        if let Some(stream) = std::mem::take(&mut self.people[who]).stream {
            how(&mut self.stack, stream);
        }
    }

    /// Something has come for somebody.
    pub fn turn(&mut self, now: Instant) {
        self.stack.begin_turn(now);
        let mut ready = std::mem::take(&mut self.ready);
        // their stack says what it has to say and never fails
        let _ = self.stack.wait(&mut ready, None);
        for readiness in ready.drain(..) {
            match readiness {
                Readiness::Readable(Token(who)) | Readiness::Ended(Token(who)) => self.read(who as usize),
                Readiness::Writable(Token(who)) => self.writable(who as usize),
                Readiness::Acceptable | Readiness::Urgent(_) | Readiness::Woken => {}
            }
        }
        self.ready = ready;
    }

    /// What happened since the last call, and to whom.
    pub fn take_news(&mut self) -> Vec<(usize, News)> {
        std::mem::take(&mut self.news)
    }

    fn writable(&mut self, who: usize) {
        self.open(who);
        self.flush(who);
    }

    fn open(&mut self, who: usize) {
        let person = &mut self.people[who];
        if let Some(stream) = &mut person.stream
            && !person.is_open
            && self.stack.connected(stream).is_ok()
        {
            person.is_open = true;
            self.news.push((who, News::Opened));
        }
    }

    fn flush(&mut self, who: usize) {
        let person = &mut self.people[who];
        let Some(stream) = &mut person.stream else { return };
        while let Some(first) = person.outbox.front_mut() {
            match self.stack.write(stream, &[Part::new(first, 0, first.len())]) {
                Ok(len) => first.advance(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return person.outbox.clear(), // reading says why
            }
            if first.is_empty() {
                person.outbox.pop_front();
            }
        }
    }

    fn read(&mut self, who: usize) {
        self.open(who); // what has come may be told of first
        loop {
            let Some(stream) = &mut self.people[who].stream else { return };
            match self.stack.read(stream, &mut self.scratch) {
                Ok(0) => return self.part(who, Stack::close, End::Closed),
                Ok(len) => {
                    let came = Bytes::copy_from_slice(&self.scratch[..len]);
                    self.news.push((who, News::Came(came)));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.part(who, Stack::abort, End::Failed),
            }
        }
    }

    fn part(&mut self, who: usize, how: fn(&mut SimStack, SimStream), end: End) {
        if let Some(stream) = std::mem::take(&mut self.people[who]).stream {
            how(&mut self.stack, stream);
        }
        self.news.push((who, News::Over(end)));
    }
}
