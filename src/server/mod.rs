//! One turn of the loop: wait → read → decide → write → close → accept and dial, never backwards. Knows the relay and
//! some [`Stack`]; knows no rule and no kernel.
//!
//! Close comes after write and accept comes last, so that a place freed in a turn is never taken by a
//! connection that a stale event of the same turn could mean.

mod accepting;
mod batch;
mod closing;
mod dialing;
mod lingering;
mod link;
mod reading;
mod stack;
mod writing;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

pub use accepting::{ACCEPTS_PER_TURN, RETRY_AFTER};
pub use batch::{LOG_ENOUGH_BYTES, PEERS_PER_LOOK, READ_ENOUGH_BYTES, SEGMENT_BYTES};
pub use dialing::FIRST_DIAL;
pub use stack::{Readiness, Stack};

use crate::protocol::{DialId, Dialect, Protocol, Token};
use crate::relay::{Event, Reason, Relay};
use crate::time::Instant;
use accepting::Accepting;
use batch::Batch;
use dialing::Dialing;
use lingering::Lingerers;
use link::{Links, Mode};

/// Bytes read from one peer at a time, and the one buffer they are read into.
pub const READ_BYTES: usize = SEGMENT_BYTES;
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
    /// Who was shut down, by the time it is closed: LINGER is the same for all. Nobody where it is closed already.
    lingerers: Lingerers,
    accepting: Accepting,
    dialing: Dialing<S::Stream>,
    scratch: Box<[u8]>,
    /// What has been read in this turn.
    batch: Batch,
    now: Instant,
    /// The relay was told something between turns, and what comes of it has not been asked yet.
    has_news: bool,
}

impl<S: Stack, P: Protocol> Server<S, P> {
    /// A server that will accept what `stack` listens to.
    pub fn new(stack: S, relay: Relay<P>) -> Self {
        Self {
            stack,
            links: Links::with_room_for(relay.places()),
            relay,
            ready: Vec::new(),
            readers: VecDeque::new(),
            writers: Vec::new(),
            leavers: Vec::new(),
            lingerers: Lingerers::default(),
            accepting: Accepting::default(),
            dialing: Dialing::new(),
            scratch: vec![0; READ_BYTES].into(),
            batch: Batch::new(),
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
        self.wait(self.waits_until(until))?;
        self.read()?;
        // after reading, which takes time: no deadline up to the moment this turn returns is left for the next
        self.relay.expired(self.now);
        self.write();
        self.close();
        self.accept();
        self.dial();
        Ok(self.now)
    }

    /// Accepts nobody any more and lets everybody go. The turns that follow do it.
    pub fn shut_down(&mut self) {
        self.stack.stop_listening();
        self.accepting.stop();
        self.relay.shut_down(self.now);
        self.has_news = true;
    }

    /// Somebody is to be there for ever, see [`Relay::keep_up`].
    pub fn keep_up(&mut self, addresses: Vec<SocketAddr>, dialect: Dialect, seed: u64) -> DialId {
        self.relay.keep_up(self.now, addresses, dialect, seed)
    }

    /// Where somebody who is kept up may be, see [`Relay::resolved`].
    pub fn resolved(&mut self, dial: DialId, addresses: Vec<SocketAddr>) {
        self.relay.resolved(self.now, dial, addresses);
    }

    /// Who is to be dialled again and may be elsewhere by then, see [`Relay::unresolved`].
    pub fn unresolved(&mut self) -> impl Iterator<Item = DialId> {
        self.relay.unresolved()
    }

    /// The rules and what they know.
    pub fn relay(&self) -> &Relay<P> {
        &self.relay
    }

    /// What messages mean, for what is its own.
    pub fn protocol_mut(&mut self) -> &mut P {
        self.relay.protocol_mut()
    }

    /// What an operator is to be told, since the last call.
    pub fn events(&mut self) -> impl Iterator<Item = Event> {
        self.relay.events()
    }

    /// When it wants a turn even if nothing happens: never, or at once if that is past.
    pub fn wake_up(&self) -> Option<Instant> {
        self.waits_until(None)
    }

    /// The connections' provider.
    pub fn stack(&self) -> &S {
        &self.stack
    }

    /// The connections' provider.
    pub fn stack_mut(&mut self) -> &mut S {
        &mut self.stack
    }

    // wait

    /// Until when a turn may wait; a moment long past when there is something to do already.
    fn waits_until(&self, until: Option<Instant>) -> Option<Instant> {
        let has_work = !self.readers.is_empty() || !self.writers.is_empty();
        if has_work || self.has_news || self.accepting.is_due(self.now) {
            return Some(Instant::START);
        }
        let wishes = [until, self.relay.next_deadline(), self.lingerers.next(), self.accepting.retry_at()];
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
            Readiness::Ended(token) | Readiness::Writable(token) if token.0 >= FIRST_DIAL => {
                self.dialing.note_ready(token);
            }
            Readiness::Ended(token) => {
                self.note_short_reads(token);
                self.note_hung_up(token);
            }
            Readiness::Urgent(token) => self.note_short_reads(token),
            Readiness::Writable(token) => {
                if let Some(link) = self.links.get_mut(token) {
                    link.is_writable = true;
                    self.queue_writer(token);
                }
            }
            Readiness::Woken => {}
        }
    }

    fn note_short_reads(&mut self, token: Token) {
        if let Some(link) = self.links.get_mut(token) {
            link.is_read_to_the_end = true;
        }
        self.note_readable(token);
    }

    /// Whoever is not read, for its rate or its replies, and has gone meanwhile does not keep its place for long.
    fn note_hung_up(&mut self, token: Token) {
        if self.links.get(token).is_some_and(|link| link.mode == Mode::Talking) {
            self.relay.hung_up(self.now, token);
        }
    }

    fn note_readable(&mut self, token: Token) {
        if let Some(link) = self.links.get_mut(token) {
            link.is_readable = true;
            self.queue_reader(token);
        }
    }
}
