//! One peer of a run: its connection, what it has still to send, and what it receives. Knows the stack's readiness;
//! knows nothing of the other peers.

use std::io;
use std::sync::Arc;

use arrayvec::ArrayVec;
use bytes::Bytes;

use super::dialect::Items;
use super::receiver::Receiver;
use crate::server::{Stack, WRITE_PARTS};
use crate::wire::{Decoder, LineDecoder, Part, WriteQueue};

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
    outbox: WriteQueue,
}

/// How far a peer has come.
#[derive(Debug)]
pub enum Stage {
    /// Not there yet.
    Connecting,
    /// There, and asking the relay whether it is in the room.
    Greeting(Box<Decoder>),
    /// There, with no ping: it waits until it hears a line.
    Listening(LineDecoder),
    /// The same where the server is no relay.
    Introducing(Items),
    /// In the room.
    Talking,
    /// Out again.
    Gone,
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
            outbox: WriteQueue::default(),
        }
    }

    /// The socket takes bytes again.
    pub fn note_writable(&mut self) {
        self.is_writable = true;
    }

    /// Bytes that have not been sent.
    pub fn unsent(&self) -> usize {
        self.outbox.unsent()
    }

    /// Bytes are to go out behind those that wait.
    pub fn queue(&mut self, bytes: Bytes) {
        let len = bytes.len();
        self.outbox.push(&Arc::new(bytes), 0, len, 1);
    }

    /// Whether it is in the room.
    pub fn is_talking(&self) -> bool {
        matches!(self.stage, Stage::Talking)
    }

    /// Sends what the socket takes. How much.
    pub fn flush<S: Stack<Stream = T>>(&mut self, stack: &mut S) -> io::Result<usize> {
        let mut sent = 0;
        while self.is_writable && !self.outbox.is_empty() {
            let Some(stream) = &mut self.stream else { break };
            let parts: ArrayVec<Part<'_>, WRITE_PARTS> = self.outbox.parts().take(WRITE_PARTS).collect();
            let offered: usize = parts.iter().map(Part::len).sum();
            let written = stack.write(stream, &parts);
            drop(parts);
            match written {
                Ok(len) => {
                    self.is_writable = len == offered;
                    assert_eq!(self.outbox.sent(len).beyond, 0, "the stack sent more than it was given");
                    sent += len;
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::WouldBlock => self.is_writable = false,
                    io::ErrorKind::Interrupted => {}
                    _ => return Err(error),
                },
            }
        }
        Ok(sent)
    }

    /// Nothing more goes out. How many bytes that leaves unsent.
    pub fn drop_unsent(&mut self) -> usize {
        std::mem::take(&mut self.outbox).unsent()
    }
}
