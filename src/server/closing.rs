//! The turn's end: connections that are over are closed, and new ones are let in. In that order, so that a place
//! is free only once nothing of the turn can mean whoever had it.

use super::link::{Link, Mode};
use super::{LINGER, Server, Stack};
use crate::protocol::{Protocol, Token};
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
        while let Some(&(when, token)) = self.lingerers.front()
            && when <= self.now
        {
            self.lingerers.pop_front();
            if let Some(link) = self.links.get_mut(token)
                && let Mode::Lingering { reason, until } = link.mode
                && until == when
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
        let until = self.now + LINGER;
        link.mode = Mode::Lingering { reason, until };
        link.is_readable = true;
        self.lingerers.push_back((until, token));
        self.queue_reader(token);
    }

    fn release(&mut self, token: Token, reason: Reason) {
        let Some(link) = self.links.remove(token) else { return };
        if reason.is_abrupt() {
            self.stack.abort(link.stream);
        } else {
            self.stack.close(link.stream);
        }
        self.relay.closed(self.now, token, reason);
    }

    pub(super) fn accept(&mut self) {
        for _ in 0..self.accepting.budget(self.now) {
            match self.stack.accept() {
                Ok((stream, address)) => {
                    self.accepting.note_success();
                    match self.relay.accepted(self.now, address) {
                        Ok(token) => self.welcome(stream, token),
                        Err(_) => self.stack.abort(stream), // counted and told by the relay
                    }
                }
                Err(error) => {
                    if !self.accepting.note_failure(self.now, &error) {
                        return;
                    }
                }
            }
        }
    }

    fn welcome(&mut self, mut stream: S::Stream, token: Token) {
        if let Err(error) = self.stack.register(&mut stream, token) {
            self.accepting.note_failure(self.now, &error); // ours, for lack of something: told once
            self.stack.abort(stream);
            self.relay.closed(self.now, token, Reason::Lost(error.kind()));
            return;
        }
        self.links.insert(token, Link::new(stream));
    }
}
