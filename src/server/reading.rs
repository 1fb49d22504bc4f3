//! The turn's first half: rounds of reading, each peer within its budget. Decides nothing about what comes.

use std::io;

use super::link::Mode;
use super::{LOG_ENOUGH_BYTES, READ_BYTES, READ_ENOUGH_BYTES, READ_ROUNDS, READ_ROUNDS_TIME, Server, Stack};
use crate::protocol::{Protocol, Token};
use crate::relay::Reason;
use crate::time::Instant;

impl<S: Stack, P: Protocol> Server<S, P> {
    /// Rounds of reading, one read of each who has something a round, while the log is short.
    pub(super) fn read(&mut self) -> io::Result<()> {
        let began = self.now;
        self.read_this_turn = 0;
        for round in 1.. {
            self.read_round();
            let is_late = round == READ_ROUNDS || self.now.since(began) >= READ_ROUNDS_TIME;
            if is_late || self.has_read_enough() || self.readers.is_empty() {
                break;
            }
            self.wait(Some(Instant::START))?;
        }
        Ok(())
    }

    fn has_read_enough(&self) -> bool {
        self.relay.log_len() >= LOG_ENOUGH_BYTES || self.read_this_turn >= READ_ENOUGH_BYTES
    }

    /// Whoever there is no more room for is first in the next turn.
    fn read_round(&mut self) {
        for _ in 0..self.readers.len() {
            if self.has_read_enough() {
                return;
            }
            if let Some(token) = self.readers.pop_front() {
                self.read_from(token);
            }
        }
    }

    fn read_from(&mut self, token: Token) {
        let Some(link) = self.links.get_mut(token) else { return };
        link.is_queued_reader = false;
        let limit = match link.mode {
            Mode::Talking => self.relay.read_limit(token).min(READ_BYTES),
            Mode::Lingering { .. } => READ_BYTES,
        };
        if limit == 0 {
            return; // the relay says Read when it wants it again
        }
        match self.stack.read(&mut link.stream, &mut self.scratch[..limit]) {
            Ok(0) => self.end_of_input(token),
            Ok(len) => {
                link.is_readable = len == limit || link.is_read_to_the_end;
                self.read_this_turn += len;
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
