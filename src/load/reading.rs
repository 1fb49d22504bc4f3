//! What the stack says and what comes: noted, read, and given to whom it came to.

use std::io;

use super::dialect::Role;
use super::link::Stage;
use super::plan::LoadError;
use super::sending::OUTBOX_BYTES;
use super::{Load, Phase, READS_PER_TURN};
use crate::protocol::Token;
use crate::server::{Readiness, Stack};

impl<S: Stack> Load<S> {
    /// An event sets a flag; only a `WouldBlock` or something short takes it back.
    pub(super) fn note(&mut self, readiness: Readiness) {
        match readiness {
            Readiness::Readable(token) => self.note_readable(token),
            Readiness::Ended(token) | Readiness::Urgent(token) => {
                if let Some(link) = self.links.get_mut(token.index()) {
                    link.is_read_to_the_end = true;
                }
                self.note_readable(token);
            }
            Readiness::Writable(token) => self.note_writable(token),
            Readiness::Acceptable | Readiness::Woken => {}
        }
    }

    fn note_readable(&mut self, token: Token) {
        if let Some(link) = self.links.get_mut(token.index()) {
            link.is_readable = true;
            self.queue_reader(token.0);
        }
    }

    /// A connection that can be written to is there, unless it has failed: then it has ended too, and that is read
    /// before anything is written.
    fn note_writable(&mut self, token: Token) {
        let Some(link) = self.links.get_mut(token.index()) else { return };
        link.note_writable();
        if matches!(link.stage, Stage::Connecting) && !link.is_read_to_the_end {
            self.greet(token.0);
        }
        self.flush(token.0);
    }

    pub(super) fn queue_reader(&mut self, peer: u32) {
        let link = &mut self.links[peer as usize];
        if link.is_readable && !link.is_queued && link.stream.is_some() {
            link.is_queued = true;
            self.readers.push_back(peer);
        }
    }

    /// Reads whoever has waited longest, one read each.
    pub(super) fn read(&mut self) -> Result<(), LoadError> {
        for _ in 0..READS_PER_TURN {
            let Some(peer) = self.readers.pop_front() else { return Ok(()) };
            self.links[peer as usize].is_queued = false;
            self.read_once(peer)?;
            self.queue_reader(peer);
        }
        Ok(())
    }

    fn read_once(&mut self, peer: u32) -> Result<(), LoadError> {
        let link = &mut self.links[peer as usize];
        let Some(stream) = &mut link.stream else { return Ok(()) };
        match self.stack.read(stream, &mut self.scratch) {
            Ok(0) => self.over(peer, None),
            Ok(len) => {
                link.is_readable = link.is_read_to_the_end || len == self.scratch.len();
                self.received(peer, len)
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => {
                    link.is_readable = false;
                    Ok(())
                }
                io::ErrorKind::Interrupted => Ok(()),
                _ => self.over(peer, Some(error)),
            },
        }
    }

    fn received(&mut self, peer: u32, len: usize) -> Result<(), LoadError> {
        self.now = self.stack.now();
        let scratch = std::mem::take(&mut self.scratch);
        let mut bytes = &scratch[..len];
        if !self.links[peer as usize].is_talking() {
            bytes = self.answered(peer, bytes)?;
        }
        let right = self.run.figures.right_bytes();
        self.links[peer as usize].receiver.received(self.now, bytes, &mut self.run);
        if self.run.figures.right_bytes() > right {
            self.last_news = self.now; // what is wrong is none: it could go on for ever
        }
        self.scratch = scratch;
        if let Some(replies) = self.run.asides.take_replies() {
            self.reply(peer, replies);
        }
        Ok(())
    }

    /// The server has asked for something. One that asks on and on, and does not take the answers, gets no more.
    fn reply(&mut self, peer: u32, bytes: Vec<u8>) {
        let link = &mut self.links[peer as usize];
        if link.unsent() < OUTBOX_BYTES {
            link.queue(bytes.into());
            self.flush(peer);
        }
    }

    /// A connection is over. Before everybody is in that is the end of the run; afterwards it is one receiver less.
    pub(super) fn over(&mut self, peer: u32, error: Option<io::Error>) -> Result<(), LoadError> {
        if self.joining.took().is_none() {
            return Err(self.turned_away(peer, error));
        }
        self.leave(peer);
        Ok(())
    }

    /// Nothing more comes to this one, nor from it: nobody need wait for that.
    fn leave(&mut self, peer: u32) {
        let link = &mut self.links[peer as usize];
        let Some(stream) = link.stream.take() else { return };
        self.stack.close(stream);
        link.stage = Stage::Gone;
        if peer < self.plan.senders {
            let track = self.plan.track(peer);
            let shorter = self.run.maker.codec(track).shorter();
            self.run.tape.retract(peer, track, link.drop_unsent(), shorter);
        }
        let made: Vec<u64> = (0..self.plan.senders).map(|sender| self.run.tape.made(sender)).collect();
        link.receiver.leave((0..).zip(made), &mut self.run);
        match self.plan.role(peer) {
            Role::Both | Role::Receiver => self.sending.one_has_gone(),
            Role::Sender => {}
        }
        if self.phase == Phase::Parting {
            self.links.iter_mut().for_each(|link| _ = link.receiver.waits_no_longer_for(peer));
        }
    }
}
