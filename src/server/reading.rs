//! The turn's first half: rounds of reading, each peer within its budget. Decides nothing about what comes.

use std::io;

use super::link::Mode;
use super::{READ_BYTES, Server, Stack};
use crate::protocol::{Protocol, Token};
use crate::relay::{Arriving, Reason};
use crate::time::Instant;

impl<S: Stack, P: Protocol> Server<S, P> {
    /// Rounds of reading, one read of each who has something a round, while there is more and the log is not full.
    pub(super) fn read(&mut self) -> io::Result<()> {
        self.batch.begin(self.now, self.relay.peers());
        loop {
            self.read_round();
            if self.batch.has_enough() || self.batch.is_late(self.now) {
                return Ok(());
            }
            let is_look = self.readers.is_empty();
            if is_look && !self.batch.looks_again(self.relay.log_len()) {
                return Ok(());
            }
            self.wait(Some(Instant::START))?;
            if is_look && !self.readers.is_empty() {
                self.batch.note_found();
            }
        }
    }

    /// Whoever there is no more room for is first in the next turn.
    fn read_round(&mut self) {
        for _ in 0..self.readers.len() {
            if let Some(token) = self.readers.pop_front() {
                self.read_from(token);
            }
            if self.batch.has_enough() {
                return;
            }
        }
    }

    fn read_from(&mut self, token: Token) {
        let Some(link) = self.links.get_mut(token) else { return };
        link.is_queued_reader = false;
        let allowed = match link.mode {
            Mode::Talking => self.relay.read_limit(token),
            Mode::Lingering { .. } => READ_BYTES,
        };
        if allowed == 0 {
            return; // the relay says Read when it wants it again
        }
        let room = match self.relay.arriving(token) {
            Arriving::Short { begun } => self.batch.room(self.relay.log_len(), begun),
            Arriving::Long { lacks } => lacks,
        };
        if room == 0 {
            link.is_queued_reader = true;
            return self.readers.push_front(token);
        }
        let limit = allowed.min(room).min(READ_BYTES);
        match self.stack.read(&mut link.stream, &mut self.scratch[..limit]) {
            Ok(0) => self.end_of_input(token),
            Ok(len) => {
                link.is_readable = len == limit || link.is_read_to_the_end;
                self.batch.note_read(len);
                if link.mode == Mode::Talking {
                    self.relay.received(self.now, token, &self.scratch[..len]);
                }
                self.queue_reader(token);
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => link.is_readable = false,
                io::ErrorKind::Interrupted => self.queue_reader(token),
                kind => self.fail(token, kind),
            },
        }
    }

    fn end_of_input(&mut self, token: Token) {
        let Some(link) = self.links.get_mut(token) else { return };
        link.is_readable = false;
        link.is_drained = true;
        match link.mode {
            Mode::Talking => self.relay.ended(self.now, token),
            Mode::Lingering { reason, .. } => self.leavers.push((token, reason)),
        }
    }

    /// A connection failed; what the relay thinks of it is told at the end of the turn.
    pub(super) fn fail(&mut self, token: Token, kind: io::ErrorKind) {
        let Some(link) = self.links.get_mut(token) else { return };
        link.is_readable = false;
        link.is_writable = false;
        let reason = match link.mode {
            Mode::Talking => Reason::Lost(kind),
            Mode::Lingering { reason, .. } => reason,
        };
        self.leavers.push((token, reason));
    }

    pub(super) fn queue_reader(&mut self, token: Token) {
        if let Some(link) = self.links.get_mut(token)
            && link.is_readable
            && !link.is_queued_reader
        {
            link.is_queued_reader = true;
            self.readers.push_back(token);
        }
    }
}
