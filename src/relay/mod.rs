//! The peers and the law. Knows no socket, no file and no calendar; time is an argument.
//!
//! A [`Relay`] is told what happened (`accepted`, `received`, `ended`, `sent`, `closed`, `expired`) and is
//! then asked what to do about it ([`Relay::poll`]). A turn is: inputs, `poll` until it says `None`, then
//! `closed` and `accepted`. What was received in a turn lies in one log; the first `poll` closes it and from
//! there on each peer is due the log without its own part.

mod address;
mod audience;
mod ban_list;
mod dedup;
mod dial;
mod dials;
mod ending;
mod events;
mod intake;
mod judging;
mod lent;
mod limits;
mod lines;
mod misbehavior;
mod neighbours;
mod peer;
mod rates;
mod reason;
mod room;
mod stats;
mod text;
mod turn;

use std::io;
use std::net::SocketAddr;

pub use address::AddressKey;
pub use ban_list::{Ban, BanList};
pub use dial::{DIAL_TIMEOUT, RETRY_FIRST, RETRY_MOST};
pub use ending::{LONGEST_GOODBYE, SLOWEST_READER};
pub use events::{EVENTS_PER_SECOND, Event, Kind, Who};
pub use limits::{EXPIRED_BANS_PER_TURN, Limits, REPLIES_WAITING_MAX};
pub use misbehavior::{Law, NotAllowed, allowed};
pub use reason::{Reason, Refusal};
pub use stats::{Stats, Traffic, Undelivered};

use crate::protocol::{DialId, Dialect, Newcomer, Offence, Origin, Protocol, Token};
use crate::time::Instant;
use crate::wire::{Frame, Part};
use lines::Decoded;
use room::Room;

/// Everybody connected, and what a protocol makes of them.
#[derive(Debug)]
pub struct Relay<P> {
    protocol: P,
    room: Room,
}

/// What is to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write what [`Relay::unsent`] has for the peer, in one go.
    Flush(Token),
    /// The peer may be read again.
    Read(Token),
    /// End the connection, and say [`Relay::closed`] once it is gone. The peer is mute until then.
    Disconnect(Token, Reason),
    /// Begin a connection to one that is kept up, and say [`Relay::dialed`] or [`Relay::undialed`].
    Dial(DialId, SocketAddr),
    /// End an attempt that has taken too long, or that nobody wants any more. It is not to be spoken of again.
    GiveUp(DialId),
}

/// What a peer's next bytes belong to. A frame, or a line, comes to the log when it is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arriving {
    /// A frame that will lie in the log with others, or a line, of which nobody knows how long it will be.
    Short {
        /// Bytes of it that have come; none of a line that is so long already that it will be a chunk of its own.
        begun: usize,
    },
    /// A frame so long that it will be a chunk of its own.
    Long {
        /// Bytes of it that are still to come.
        lacks: usize,
    },
}

impl<P: Protocol> Relay<P> {
    /// An empty room.
    ///
    /// # Panics
    /// If larger payloads are allowed than [`MAX_PAYLOAD`](crate::wire::frame::MAX_PAYLOAD).
    pub fn new(protocol: P, law: Law, limits: Limits) -> Self {
        Self { protocol, room: Room::new(law, limits) }
    }

    // Inputs: what happened. `now` never goes back.

    /// A connection has come, which speaks so: the door in for whoever comes. Comes last in a turn.
    ///
    /// # Panics
    /// If it speaks lines, and larger payloads are allowed than [`MAX_PAYLOAD`](crate::wire::lines::MAX_PAYLOAD) there.
    pub fn accepted(
        &mut self,
        now: Instant,
        address: SocketAddr,
        dialect: Dialect,
    ) -> Result<Token, Refusal> {
        self.room.set_now(now);
        let token = self.room.admit(address, dialect)?;
        if dialect.is_text() {
            self.protocol.joined(now, token, &Newcomer { dialect, address, origin: Origin::Accepted });
        }
        Ok(token)
    }

    /// Somebody is to be there for ever: dialled from the next turn on, and again whenever the connection ends. It is
    /// at one of these addresses, of which there may be none yet, and speaks so. The seed says how the waits between
    /// attempts vary.
    pub fn keep_up(
        &mut self,
        now: Instant,
        addresses: Vec<SocketAddr>,
        dialect: Dialect,
        seed: u64,
    ) -> DialId {
        self.room.set_now(now);
        self.room.keep_up(addresses, dialect, seed)
    }

    /// Where one that is kept up may be: as [`unresolved`](Self::unresolved) has asked, or sooner.
    pub fn resolved(&mut self, now: Instant, dial: DialId, addresses: Vec<SocketAddr>) {
        self.room.set_now(now);
        self.room.resolved(dial, addresses);
    }

    /// A connection that was asked for has come about: the other door in. Comes last in a turn.
    pub fn dialed(&mut self, now: Instant, dial: DialId, at: SocketAddr) -> Token {
        self.room.set_now(now);
        let token = self.room.dialed(dial, at);
        let dialect = self.room.dialect(token);
        if dialect.is_text() {
            let newcomer = Newcomer { dialect, address: at, origin: Origin::Dialed(dial) };
            self.protocol.joined(now, token, &newcomer);
        }
        token
    }

    /// A connection that was asked for has not come about. Comes last in a turn.
    pub fn undialed(&mut self, now: Instant, dial: DialId, why: io::ErrorKind) {
        self.room.set_now(now);
        self.room.undialed(dial, why);
    }

    /// A peer has sent bytes. Those of a peer that is ending or mute are ignored.
    pub fn received(&mut self, now: Instant, from: Token, bytes: &[u8]) {
        self.room.set_now(now);
        self.room.begin_read(from, bytes);
        match self.room.dialect(from) {
            Dialect::Frames => self.received_frames(from, bytes),
            Dialect::Lines => self.received_lines(from, bytes),
            dialect @ (Dialect::Json | Dialect::Chain | Dialect::Http) => {
                self.received_text(from, dialect, bytes);
            }
        }
        self.room.end_read(from);
    }

    /// A peer will send no more. What it sent whole is relayed, an unfinished frame is dropped; a last line is whole
    /// without its newline.
    pub fn ended(&mut self, now: Instant, from: Token) {
        self.room.set_now(now);
        if let Some(last) = self.room.last_line(from) {
            self.line(from, last);
        }
        let dialect = self.room.dialect(from);
        if dialect.is_text() && self.room.is_heard(from) {
            self.protocol.ended(now, &mut self.room, from, dialect);
        }
        self.room.begin_ending(from, Reason::Eof);
    }

    /// A peer will send no more than is on its way already. Read soon, that makes no difference; whoever may
    /// not be read, for its rate or its own replies, has the drain time for the rest.
    pub fn hung_up(&mut self, now: Instant, from: Token) {
        self.room.set_now(now);
        self.room.hung_up(from);
    }

    /// `len` bytes of [`unsent`](Self::unsent) are sent.
    ///
    /// # Panics
    /// If there were not so many.
    pub fn sent(&mut self, now: Instant, to: Token, len: usize) {
        self.room.set_now(now);
        let was_behind = self.room.is_behind(to);
        self.room.sent(to, len);
        if was_behind && !self.room.is_behind(to) {
            self.protocol.caught_up(now, to, self.room.dialect(to));
        }
    }

    /// A connection is gone: the only door out.
    ///
    /// # Panics
    /// If there is no such connection, or a turn is being polled.
    pub fn closed(&mut self, now: Instant, peer: Token, cause: Reason) {
        self.room.set_now(now);
        let dialect = self.room.dialect(peer);
        self.room.remove(peer, cause);
        if dialect.is_text() {
            self.protocol.left(now, peer, dialect);
        }
    }

    /// Time has passed: deadlines that have come are acted upon, and the protocol does some of the work that waits. The
    /// last of a turn's inputs.
    pub fn expired(&mut self, now: Instant) {
        self.room.set_now(now);
        self.room.expire();
        for dial in self.room.forgotten() {
            self.protocol.forgotten(now, dial);
        }
        self.protocol.expired(now, &mut self.room);
    }

    /// Everybody is to go: each peer may take what is queued for it, until the drain time is over.
    pub fn shut_down(&mut self, now: Instant) {
        self.room.set_now(now);
        self.room.shut_down();
    }

    /// A ban from before the start. It lasts `until`, but not longer from now than a new one would.
    pub fn restore_ban(&mut self, now: Instant, address: AddressKey, ban: Ban) {
        self.room.set_now(now);
        self.room.restore_ban(address, ban);
    }

    // Questions: what to do about it. Asked only after the turn's last input.

    /// The next thing to do. The first call closes the turn's log, `None` ends the turn.
    pub fn poll(&mut self) -> Option<Output> {
        self.room.poll()
    }

    /// What a peer is still to be sent, in order: queued before this turn, its replies of this turn, the
    /// turn's log in its dialect, without its own part.
    pub fn unsent(&self, to: Token) -> impl Iterator<Item = Part<'_>> {
        self.room.unsent(to)
    }

    /// How many bytes may be read of a peer now; with 0, [`Output::Read`] says when there are some again.
    pub fn read_limit(&self, from: Token) -> usize {
        self.room.read_limit(from)
    }

    /// What a peer's next bytes belong to.
    pub fn arriving(&self, from: Token) -> Arriving {
        self.room.arriving(from)
    }

    /// Who is to be dialled again, and may be elsewhere by then. Each is said once.
    pub fn unresolved(&mut self) -> impl Iterator<Item = DialId> {
        self.room.unresolved()
    }

    /// When [`expired`](Self::expired) has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        [self.room.next_deadline(), self.protocol.next_deadline()].into_iter().flatten().min()
    }

    /// Bytes in the log of the turn: the longest one, where several dialects have one.
    pub fn log_len(&self) -> usize {
        self.room.log_len()
    }

    /// How many connections there are.
    pub fn peers(&self) -> usize {
        self.room.peers()
    }

    /// How many connections there is room for before memory is moved to make more.
    pub fn places(&self) -> usize {
        self.room.places()
    }

    /// Bytes that all strangers together make us hold, counted as [`Limits::retained_max_bytes`] is.
    pub fn retained_bytes(&self) -> usize {
        self.room.retained()
    }

    /// What messages mean.
    pub fn protocol(&self) -> &P {
        &self.protocol
    }

    /// What messages mean, for what is its own.
    pub fn protocol_mut(&mut self) -> &mut P {
        &mut self.protocol
    }

    /// What has happened since the start.
    pub fn stats(&self) -> &Stats {
        self.room.stats()
    }

    /// Who is shut out.
    pub fn bans(&self) -> &BanList {
        self.room.bans()
    }

    /// What an operator is to be told, since the last call.
    pub fn events(&mut self) -> impl Iterator<Item = Event> {
        self.room.events()
    }

    fn received_frames(&mut self, from: Token, mut bytes: &[u8]) {
        while let Some(decoded) = self.room.decode(from, &mut bytes) {
            match decoded {
                Ok(frame) => self.frame(from, frame),
                Err(error) => self.room.misframed(from, &error),
            }
        }
    }

    fn received_lines(&mut self, from: Token, mut bytes: &[u8]) {
        while let Some(decoded) = self.room.decode_line(from, &mut bytes) {
            self.line(from, decoded);
        }
    }

    fn received_text(&mut self, from: Token, dialect: Dialect, bytes: &[u8]) {
        if self.room.is_heard(from) {
            let now = self.room.now();
            self.protocol.heard(now, &mut self.room, from, dialect, bytes);
        }
    }

    fn frame(&mut self, from: Token, frame: Frame<'_>) {
        if self.room.count_message(from, frame.as_bytes().len()) {
            self.heard(from, frame);
        }
    }

    fn line(&mut self, from: Token, decoded: Decoded<'_>) {
        match decoded {
            Ok(line) => {
                if let Some(frame) = self.room.frame_of_line(from, &line) {
                    self.heard(from, frame);
                }
            }
            Err(error) => self.room.line_too_long(from, &error),
        }
    }

    /// A frame within its sender's rate, whatever it came as.
    fn heard(&mut self, from: Token, frame: Frame<'_>) {
        if let Err(breach) = self.protocol.received(&mut self.room, from, frame) {
            self.room.offended(from, Offence::Protocol, breach);
        }
    }
}

/// Small limits for the unit tests of this layer.
#[cfg(test)]
fn test_limits() -> Limits {
    let mut limits = Limits::new(crate::wire::Network::PRIVATE.magic);
    limits.decoder.max_payload = 1000;
    limits
}
