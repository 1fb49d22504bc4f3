//! One end of a connection in a host's hands: what has come, what may be sent, what is to be said of it. Knows no
//! other end.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use bytes::{Buf, Bytes};

use crate::protocol::Token;
use crate::server::Readiness;

/// An end.
#[derive(Debug)]
pub(super) struct End {
    /// Where the other end is.
    pub remote: SocketAddr,
    inbox: VecDeque<Bytes>,
    inbox_len: usize,
    /// The other side has ended, behind what is in the inbox.
    pub has_ended: bool,
    pub error: Option<io::ErrorKind>,
    /// We have ended.
    pub is_shut: bool,
    pub is_open: bool,
    /// Bytes on their way or unread at the other end, as far as we know.
    pub unread: usize,
    /// As many as that may be.
    pub room: usize,
    /// A write was refused or cut short: it is told when there is room.
    is_starved: bool,
    /// Bytes taken out of the inbox that the other side has not been told of.
    untold: usize,
    pub told: Told,
}

/// What is to be said of an end, once it has a token.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub token: Option<Token>,
    pub is_readable: bool,
    pub has_ended: bool,
    pub is_writable: bool,
    /// It was said to have ended: a short read brings no further word.
    is_silent: bool,
    /// It stands among those of whom something is to be said.
    pub is_listed: bool,
    /// Its end, or its failure, was read.
    pub is_read_out: bool,
}

impl End {
    pub fn new(remote: SocketAddr, room: usize) -> Self {
        Self {
            remote,
            inbox: VecDeque::new(),
            inbox_len: 0,
            has_ended: false,
            error: None,
            is_shut: false,
            is_open: false,
            unread: 0,
            room,
            is_starved: false,
            untold: 0,
            told: Told::default(),
        }
    }

    /// Bytes to be read.
    pub fn inbox_len(&self) -> usize {
        self.inbox_len
    }

    /// Whether a read would say something it has not said.
    pub fn has_something(&self) -> bool {
        self.inbox_len > 0 || (self.is_over() && !self.told.is_read_out)
    }

    /// Bytes that a write would take.
    pub fn free(&self) -> usize {
        if self.is_open { self.room.saturating_sub(self.unread) } else { 0 }
    }

    /// What is said of it is said under this token: all there is to say, also what was said under another.
    pub fn registered(&mut self, token: Token) {
        let (is_over, has_something) = (self.is_over(), self.has_something());
        let told = &mut self.told;
        told.token = Some(token);
        told.is_readable |= has_something;
        told.has_ended |= is_over;
        told.is_silent = false;
        told.is_writable |= self.is_open;
    }

    /// The connection is there.
    pub fn opened(&mut self) {
        self.is_open = true;
        self.told.is_writable = true;
    }

    /// Bytes came. After a failure nobody wants them.
    pub fn came(&mut self, bytes: Bytes) {
        if self.error.is_none() && !bytes.is_empty() {
            self.inbox_len += bytes.len();
            self.inbox.push_back(bytes);
            self.told.is_readable = true;
        }
    }

    /// The other side has ended.
    pub fn ended(&mut self) {
        self.has_ended = true;
        self.told.has_ended = true;
    }

    /// The connection has failed: what was not read is lost.
    pub fn fail(&mut self, kind: io::ErrorKind) {
        if self.error.is_none() {
            self.error = Some(kind);
            self.inbox.clear();
            self.inbox_len = 0;
            self.told.has_ended = true;
            self.told.is_writable = true;
        }
    }

    /// The other side has taken so many bytes.
    pub fn taken(&mut self, count: usize) {
        self.unread -= count;
        if std::mem::take(&mut self.is_starved) {
            self.told.is_writable = true;
        }
    }

    /// At most so many bytes out of the inbox. Says how many the other side is to be told of.
    pub fn take(&mut self, into: &mut [u8]) -> usize {
        let mut len = 0;
        while len < into.len()
            && let Some(first) = self.inbox.front_mut()
        {
            let here = first.len().min(into.len() - len);
            first.copy_to_slice(&mut into[len..len + here]);
            len += here;
            if first.is_empty() {
                self.inbox.pop_front();
            }
        }
        self.inbox_len -= len;
        self.untold += len;
        // in large steps, as TCP's window moves; a starved writer waits until nothing is left at the latest
        let is_worth_it = self.untold * 4 >= self.room || self.inbox_len == 0 && self.untold * 8 >= self.room;
        if is_worth_it { std::mem::take(&mut self.untold) } else { 0 }
    }

    /// A write found too little room.
    pub fn starve(&mut self) {
        self.is_starved = true;
    }

    /// Whatever can be read is to be said again.
    pub fn say_again(&mut self) {
        if self.is_over() {
            self.told.has_ended = true;
        } else {
            self.told.is_readable = true;
        }
    }

    /// A read left something: that is said again, unless the end was.
    pub fn left_something(&mut self) {
        if !self.told.is_silent {
            self.told.is_readable = true;
        }
    }

    fn is_over(&self) -> bool {
        self.has_ended || self.error.is_some()
    }
}

impl Told {
    /// Whether there is something to say.
    pub fn is_news(&self) -> bool {
        self.token.is_some() && (self.is_readable || self.has_ended || self.is_writable)
    }

    /// Says it.
    pub fn say(&mut self, ready: &mut Vec<Readiness>) {
        let Some(token) = self.token else { return };
        let is_readable = std::mem::take(&mut self.is_readable);
        if std::mem::take(&mut self.has_ended) {
            self.is_silent = true;
            ready.push(Readiness::Ended(token));
        } else if is_readable {
            ready.push(Readiness::Readable(token));
        }
        if std::mem::take(&mut self.is_writable) {
            ready.push(Readiness::Writable(token));
        }
    }
}
