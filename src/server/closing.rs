//! The turn's end: connections that are over are closed, and new ones are let in. In that order, so that a place
//! is free only once nothing of the turn can mean whoever had it.

use std::io;
use std::net::SocketAddr;

use super::link::{Link, Mode};
use super::{Server, Stack};
use crate::protocol::{Dialect, Protocol, Token};
use crate::relay::Reason;

impl<S: Stack, P: Protocol> Server<S, P> {
    pub(super) fn close(&mut self) {
        self.end_lingering();
        if self.leavers.is_empty() {
            return;
        }
        for (token, reason) in std::mem::take(&mut self.leavers) {
            self.part_with(token, reason);
        }
        // nothing of this turn may mean whoever takes the freed places
        self.readers.retain(|&token| self.links.get(token).is_some());
        self.writers.retain(|&token| self.links.get(token).is_some());
    }

    /// Whoever has lingered long enough leaves.
    fn end_lingering(&mut self) {
        while let Some(token) = self.lingerers.pop(self.now) {
            if let Some(link) = self.links.get_mut(token)
                && let Mode::Lingering { reason } = link.mode
            {
                self.leavers.push((token, reason));
            }
        }
    }

    /// Ends a connection in order where the peer has not ended it and is owed as much; else at once.
    fn part_with(&mut self, token: Token, reason: Reason) {
        let Some(link) = self.links.get_mut(token) else { return };
        let has_said_all = link.is_drained || link.mode != Mode::Talking;
        if reason.is_abrupt() || has_said_all || self.stack.shutdown(&mut link.stream).is_err() {
            return self.release(token, reason);
        }
        link.mode = Mode::Lingering { reason };
        link.is_readable = true;
        self.lingerers.begin(self.now, token);
        self.queue_reader(token);
    }

    fn release(&mut self, token: Token, reason: Reason) {
        let Some(link) = self.links.remove(token) else { return };
        self.lingerers.forget(token);
        if reason.is_abrupt() {
            self.stack.abort(link.stream);
        } else {
            self.stack.close(link.stream);
        }
        self.relay.closed(self.now, token, reason);
    }

    pub(super) fn accept(&mut self) {
        for _ in 0..self.accepting.budget(self.now) {
            let accepted = self.stack.accept();
            let admitted = accepted.and_then(|(stream, from, dialect)| self.admit(stream, from, dialect));
            if let Err(error) = admitted {
                if !self.accepting.note_failure(self.now, &error) {
                    return;
                }
            } else {
                self.accepting.note_success();
            }
        }
    }

    /// Lets a connection in, if the relay does. An error is ours, for lack of something.
    fn admit(&mut self, mut stream: S::Stream, address: SocketAddr, dialect: Dialect) -> io::Result<()> {
        let Ok(token) = self.relay.accepted(self.now, address, dialect) else {
            self.stack.abort(stream); // counted and told by the relay
            return Ok(());
        };
        if let Err(error) = self.stack.register(&mut stream, token) {
            self.stack.abort(stream);
            self.relay.closed(self.now, token, Reason::Lost(error.kind()));
            return Err(error);
        }
        self.links.insert(token, Link::new(stream));
        Ok(())
    }
}
