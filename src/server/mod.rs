//! One turn of the loop: wait → read → decide → write → close → accept, never backwards. Knows the relay and
//! some [`Stack`]; knows no rule and no kernel.
//!
//! Close comes after write and accept comes last, so that a place freed in a turn is never taken by a
//! connection that a stale event of the same turn could mean.

mod accepting;
mod link;
mod stack;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use arrayvec::ArrayVec;

pub use stack::{Readiness, Stack};

use crate::protocol::{Protocol, Token};
use crate::relay::{Event, Output, Reason, Relay};
use crate::time::Instant;
use crate::wire::Part;
use accepting::Accepting;
use link::{Link, Links, Mode};

/// Bytes read from one peer at a time, and the one buffer they are read into.
pub const READ_BYTES: usize = 64 * 1024;
/// Log bytes of one turn beyond which nobody is read before everybody is written to.
pub const LOG_ENOUGH_BYTES: usize = 256 * 1024;
/// Rounds of reading in one turn, while there is input and the log is short: the longer the log, the more
/// frames share one write.
pub const READ_ROUNDS: usize = 8;
/// Time after which no further round of reading begins.
pub const READ_ROUNDS_TIME: Duration = Duration::from_micros(500);
/// Parts handed to one gathering write.
pub const WRITE_PARTS: usize = 64;
/// How long a connection that we have shut down may go on sending before it is closed. A close with unread
/// input would destroy what was sent last.
pub const LINGER: Duration = Duration::from_secs(2);

/// A relay and the connections it speaks through.
pub struct Server<S: Stack, P> {
    stack: S,
    relay: Relay<P>,
    links: Links<S::Stream>,
    ready: Vec<Readiness>,
    /// Who is to be read; longest waiting first.
    readers: VecDeque<Token>,
    /// Who is to be written to because its socket takes bytes again, or because the last write was full.
    writers: Vec<Token>,
    /// Who is to be closed at the end of the turn, and why.
    leavers: Vec<(Token, Reason)>,
    /// Who was shut down, by the time it is closed: LINGER is the same for all.
    lingerers: VecDeque<(Instant, Token)>,
    accepting: Accepting,
    scratch: Box<[u8]>,
    now: Instant,
    /// The relay was told something between turns, and what comes of it has not been asked yet.
    has_news: bool,
}

impl<S: Stack, P: Protocol> Server<S, P> {
    /// A server that will accept what `stack` listens to.
    pub fn new(stack: S, relay: Relay<P>) -> Self {
        Self {
            stack,
            relay,
            links: Links::default(),
            ready: Vec::new(),
            readers: VecDeque::new(),
            writers: Vec::new(),
            leavers: Vec::new(),
            lingerers: VecDeque::new(),
            accepting: Accepting::default(),
            scratch: vec![0; READ_BYTES].into(),
            now: Instant::START,
            has_news: false,
        }
    }

    /// One turn. Waits until there is something to do, or until `until` at the latest. Says what time it was
    /// when the turn began to write.
    ///
    /// # Errors
    /// Only the stack's own: no peer can cause one.
    pub fn turn(&mut self, until: Option<Instant>) -> io::Result<Instant> {
        self.wait(self.wake_up(until))?;
        self.read()?;
        // after reading, which takes time: no deadline up to the moment this turn returns is left for the next
        self.relay.expired(self.now);
        self.write();
        self.close();
        self.accept();
        Ok(self.now)
    }

    /// Accepts nobody any more and lets everybody go. The turns that follow do it.
    pub fn shut_down(&mut self) {
        self.stack.stop_listening();
        self.accepting.stop();
        self.relay.shut_down(self.now);
        self.has_news = true;
    }

    /// The rules and what they know.
    pub fn relay(&self) -> &Relay<P> {
        &self.relay
    }

    /// What an operator is to be told, since the last call.
    pub fn events(&mut self) -> impl Iterator<Item = Event> {
        self.relay.events()
    }

    /// The connections' provider.
    pub fn stack_mut(&mut self) -> &mut S {
        &mut self.stack
    }

    // wait

    /// Until when a turn may wait; a moment long past when there is something to do already.
    fn wake_up(&self, until: Option<Instant>) -> Option<Instant> {
        let has_work = !self.readers.is_empty() || !self.writers.is_empty();
        if has_work || self.has_news || self.accepting.is_due(self.now) {
            return Some(Instant::START);
        }
        let lingering = self.lingerers.front().map(|&(when, _)| when);
        let wishes = [until, self.relay.next_deadline(), lingering, self.accepting.retry_at()];
        wishes.into_iter().flatten().min()
    }

    fn wait(&mut self, until: Option<Instant>) -> io::Result<()> {
        let mut ready = std::mem::take(&mut self.ready);
        self.now = self.stack.wait(&mut ready, until)?;
        for readiness in ready.drain(..) {
            self.note(readiness);
        }
        self.ready = ready;
        Ok(())
    }

    /// An event sets a flag; only a `WouldBlock` or something short takes it back.
    fn note(&mut self, readiness: Readiness) {
        match readiness {
            Readiness::Acceptable => self.accepting.note_ready(),
            Readiness::Readable(token) => self.note_readable(token),
            Readiness::Ended(token) => {
                if let Some(link) = self.links.get_mut(token) {
                    link.has_ended = true;
                }
                self.note_readable(token);
            }
            Readiness::Writable(token) => {
                if let Some(link) = self.links.get_mut(token) {
                    link.is_writable = true;
                    if link.is_behind {
                        self.writers.push(token);
                    }
                }
            }
            Readiness::Woken => {}
        }
    }

    fn note_readable(&mut self, token: Token) {
        if let Some(link) = self.links.get_mut(token) {
            link.is_readable = true;
            self.queue_reader(token);
        }
    }

    // read

    /// Rounds of reading, one read of each who has something a round, while the log is short.
    fn read(&mut self) -> io::Result<()> {
        let began = self.now;
        for round in 1.. {
            self.read_round();
            let is_enough = round == READ_ROUNDS
                || self.relay.log_len() >= LOG_ENOUGH_BYTES
                || self.now.since(began) >= READ_ROUNDS_TIME;
            if is_enough || self.readers.is_empty() {
                break;
            }
            self.wait(Some(Instant::START))?;
        }
        Ok(())
    }

    /// Whoever the log has no room for is first in the next turn.
    fn read_round(&mut self) {
        for _ in 0..self.readers.len() {
            if self.relay.log_len() >= LOG_ENOUGH_BYTES {
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
                link.is_readable = len == limit || link.has_ended;
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
            Mode::Lingering { reason } => self.leavers.push((token, reason)),
        }
    }

    /// A connection failed; what the relay thinks of it is told at the end of the turn.
    fn fail(&mut self, token: Token, kind: io::ErrorKind) {
        let Some(link) = self.links.get_mut(token) else { return };
        link.is_readable = false;
        link.is_writable = false;
        let reason = match link.mode {
            Mode::Talking => Reason::Lost(kind),
            Mode::Lingering { reason } => reason,
        };
        self.leavers.push((token, reason));
    }

    fn queue_reader(&mut self, token: Token) {
        if let Some(link) = self.links.get_mut(token)
            && link.is_readable
            && !link.is_queued_reader
        {
            link.is_queued_reader = true;
            self.readers.push_back(token);
        }
    }

    // decide and write

    fn write(&mut self) {
        self.has_news = false;
        self.do_what_the_relay_says();
        if self.writers.is_empty() {
            return;
        }
        for token in std::mem::take(&mut self.writers) {
            if self.links.get_mut(token).is_some_and(|link| link.is_behind) {
                self.flush(token);
            }
        }
        self.do_what_the_relay_says();
    }

    fn do_what_the_relay_says(&mut self) {
        while let Some(output) = self.relay.poll() {
            match output {
                Output::Flush(token) => self.flush(token),
                Output::Read(token) => self.queue_reader(token),
                Output::Disconnect(token, reason) => self.leavers.push((token, reason)),
            }
        }
    }

    /// One gathering write of what a peer is to be sent.
    fn flush(&mut self, token: Token) {
        let Some(link) = self.links.get_mut(token) else { return };
        if !link.is_writable {
            link.is_behind = true;
            return;
        }
        let mut unsent = self.relay.unsent(token);
        let parts: ArrayVec<Part<'_>, WRITE_PARTS> = unsent.by_ref().take(WRITE_PARTS).collect();
        let offered: usize = parts.iter().map(Part::len).sum();
        let are_all = unsent.next().is_none();
        drop(unsent);
        let written = if offered == 0 { Ok(0) } else { self.stack.write(&mut link.stream, &parts) };
        drop(parts);
        match written {
            Ok(len) => {
                link.is_writable = len == offered;
                link.is_behind = !(link.is_writable && are_all);
                self.relay.sent(self.now, token, len);
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => (link.is_writable, link.is_behind) = (false, true),
                io::ErrorKind::Interrupted => link.is_behind = true,
                kind => return self.fail(token, kind),
            },
        }
        if link.is_behind && link.is_writable {
            self.writers.push(token); // stopped by a budget, not by the kernel
        }
    }

    // close

    fn close(&mut self) {
        while let Some(&(when, token)) = self.lingerers.front()
            && when <= self.now
        {
            self.lingerers.pop_front();
            if let Some(link) = self.links.get_mut(token)
                && link.linger_until == Some(when)
                && let Mode::Lingering { reason } = link.mode
            {
                self.release(token, reason);
            }
        }
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

    /// Ends a connection in order where the peer has not ended it and is owed as much; else at once.
    fn part_with(&mut self, token: Token, reason: Reason) {
        let Some(link) = self.links.get_mut(token) else { return };
        let is_at_once = reason.is_abrupt() || link.is_drained || link.mode != Mode::Talking;
        if is_at_once || self.stack.shutdown(&mut link.stream).is_err() {
            return self.release(token, reason);
        }
        let until = self.now + LINGER;
        link.mode = Mode::Lingering { reason };
        link.linger_until = Some(until);
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

    // accept

    fn accept(&mut self) {
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
            log::error!("cannot watch a connection: {error}; closing it");
            self.stack.abort(stream);
            self.relay.closed(self.now, token, Reason::Lost(error.kind()));
            return;
        }
        self.links.insert(token, Link::new(stream));
    }
}
