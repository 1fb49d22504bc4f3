//! One peer of a run: its connection, what it has still to send, and what it receives. Knows the stack's readiness;
//! knows nothing of the other peers.

use std::collections::VecDeque;
use std::io;

use arrayvec::ArrayVec;
use bytes::Bytes;

use super::receiver::Receiver;
use crate::server::{Stack, WRITE_PARTS};
use crate::wire::{Decoder, Part};

/// A peer.
#[derive(Debug)]
pub struct Link<T> {
    /// There from connecting until it is over.
    pub stream: Option<T>,
    /// How far it has come.
    pub stage: Stage,
    /// What it gets, once it is in the room.
    pub receiver: Receiver,
    /// Whether a read may bring something.
    pub is_readable: bool,
    /// A short read says nothing any more: the end, or an error, is behind it.
    pub is_read_to_the_end: bool,
    /// It waits for its turn to be read.
    pub is_queued: bool,
    is_writable: bool,
    outbox: VecDeque<Bytes>,
    /// Bytes of the first in the outbox that are sent.
    sent_of_first: usize,
    unsent: usize,
}

/// How far a peer has come.
#[derive(Debug)]
pub enum Stage {
    /// Not there yet.
    Connecting,
    /// There, and asking whether it is in the room.
    Greeting(Box<Decoder>),
    /// In the room.
    Talking,
    /// Out again, with so much made by all senders but itself until then.
    Gone(u64),
}

impl<T> Link<T> {
    /// A connection that has begun.
    pub fn new(stream: T, receiver: Receiver) -> Self {
        Self {
            stream: Some(stream),
            stage: Stage::Connecting,
            receiver,
            is_readable: false,
            is_read_to_the_end: false,
            is_queued: false,
            is_writable: false,
            outbox: VecDeque::new(),
            sent_of_first: 0,
            unsent: 0,
        }
    }

    /// The socket takes bytes again.
    pub fn note_writable(&mut self) {
        self.is_writable = true;
    }

    /// Bytes that have not been sent.
    pub fn unsent(&self) -> usize {
        self.unsent
    }

    /// Bytes are to go out behind those that wait.
    pub fn queue(&mut self, bytes: Bytes) {
        self.unsent += bytes.len();
        self.outbox.push_back(bytes);
    }

    /// Whether it is in the room.
    pub fn is_talking(&self) -> bool {
        matches!(self.stage, Stage::Talking)
    }

    /// Sends what the socket takes.
    pub fn flush<S: Stack<Stream = T>>(&mut self, stack: &mut S) -> io::Result<()> {
        while self.is_writable && self.unsent > 0 {
            let Some(stream) = &mut self.stream else { return Ok(()) };
            let mut from = self.sent_of_first;
            let parts: ArrayVec<Part<'_>, WRITE_PARTS> = (self.outbox.iter().take(WRITE_PARTS))
                .map(|bytes| Part::new(bytes, std::mem::take(&mut from), bytes.len()))
                .collect();
            let offered: usize = parts.iter().map(Part::len).sum();
            let written = stack.write(stream, &parts);
            drop(parts);
            match written {
                Ok(len) => {
                    self.is_writable = len == offered;
                    self.sent(len);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn sent(&mut self, len: usize) {
        assert!(len <= self.unsent, "the stack sent more than it was given");
        self.unsent -= len;
        self.sent_of_first += len;
        while self.outbox.front().is_some_and(|first| self.sent_of_first >= first.len()) {
            self.sent_of_first -= self.outbox.pop_front().map_or(0, |first| first.len());
        }
    }
}
