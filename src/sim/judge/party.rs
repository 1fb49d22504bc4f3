//! One connection as the judge knows it. Knows what it sent and what it is due; knows nothing of the relay's own
//! books.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use super::audit::Held;
use super::rates::Rates;
use super::reader::Reader;
use super::streams::{Cursor, Replies, Streams};
use crate::protocol::{Offence, Token};
use crate::relay::{AddressKey, Limits, REPLIES_WAITING_MAX};
use crate::time::Instant;
use crate::wire::Framing;

/// A pause ends with a turn, and turns take time on a slow host.
const PAUSE_GRACE: Duration = Duration::from_millis(10);

/// A connection that was let in.
#[derive(Debug)]
pub struct Party {
    pub token: Token,
    pub ip: IpAddr,
    pub framing: Framing,
    pub key: AddressKey,
    pub state: State,
    pub reader: Reader,
    /// The first bytes of its stream, as long as they may be another protocol's.
    pub opening: Option<Vec<u8>>,
    pub replies: Replies,
    /// How far the relay has written.
    pub written: Cursor,
    /// How far that has come.
    pub came: Cursor,
    /// Its other side has read the end, or was reset.
    pub is_over: bool,
    /// Bytes of the streams before it was let in.
    from_bytes: u64,
    /// Bytes of the streams that are its own.
    pub own_bytes: u64,
    /// Where what it is due ends: a place, and the bytes before it.
    upto: Option<(u64, u64)>,
    pub admitted: Instant,
    pub last_read: Instant,
    pub unfinished_since: Option<Instant>,
    /// The stack has said that it failed.
    pub has_failed: bool,
    /// It has so many answers waiting that it is not read.
    pub is_held_back: bool,
    /// When it was heard that it will send no more than is on its way.
    pub hung_up: Option<Instant>,
    /// Why we have sent our end, if we have.
    pub lingers_for: Option<Cause>,
    /// It has read its end.
    pub is_drained: bool,
    /// What it may say.
    pub rates: Rates,
    /// It is over its rate until then.
    pub paused_until: Option<Instant>,
    /// Turns since it could be written to and was not, and the turn it was in last.
    pub unwritten_turns: u64,
    pub written_in: u64,
    /// Most bytes of answers in one turn.
    pub reply_batch: u64,
    /// Valid frames.
    pub frames: u64,
    /// Turns since it could be read and was not.
    pub unread_turns: u64,
    /// The turn it was read in last.
    pub read_in: u64,
    /// Bytes written to it before this turn.
    pub written_before: u64,
    /// Since when its queue may be over the soft limit.
    pub maybe_over_soft: Option<Instant>,
    /// What was queued for it when that was last looked at.
    pub held: Held,
    /// Since when it is over the soft limit.
    pub over_soft: Option<Instant>,
}

/// Who has come to the door.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    pub ip: IpAddr,
    pub framing: Framing,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is heard, and due everything.
    Heard,
    /// It is not heard; it may take what it is due until then.
    Ending(Cause, Instant),
    /// It is to be gone within the turn.
    Gone(Cause),
    /// We have sent our end, then.
    Lingering(Instant),
}

/// Why it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Eof,
    Offence(Offence),
    Banned(Offence),
    AddressBanned,
    Opener,
    FrameTimeout,
    IdleTimeout,
    Failed,
    Shutdown,
    Slow,
    Memory,
}

impl Party {
    pub fn new(now: Instant, token: Token, guest: Guest, streams: &Streams, limits: &Limits) -> Self {
        let Guest { ip, framing } = guest;
        let cursor = Cursor::at(streams.of(framing).end());
        Self {
            token,
            ip,
            framing,
            key: AddressKey::of(ip),
            state: State::Heard,
            reader: Reader::new(framing, limits),
            opening: Some(Vec::new()),
            replies: Replies::default(),
            written: cursor,
            came: cursor,
            is_over: false,
            from_bytes: streams.of(framing).bytes(),
            own_bytes: 0,
            upto: None,
            admitted: now,
            last_read: now,
            unfinished_since: None,
            has_failed: false,
            is_held_back: false,
            hung_up: None,
            lingers_for: None,
            is_drained: false,
            rates: Rates::new(now, limits),
            paused_until: None,
            unwritten_turns: 0,
            written_in: 0,
            reply_batch: 0,
            frames: 0,
            unread_turns: 0,
            read_in: 0,
            written_before: 0,
            maybe_over_soft: None,
            held: Held::default(),
            over_soft: None,
        }
    }

    /// It is heard no more, and is due no more than there is now.
    pub fn end(&mut self, cause: Cause, now: Instant, streams: &Streams) {
        if self.state == State::Heard {
            self.state = State::Ending(cause, now);
            let mine = streams.of(self.framing);
            self.upto = Some((mine.end(), mine.bytes()));
        }
    }

    /// It is to be gone.
    pub fn cast_out(&mut self, cause: Cause) {
        if !matches!(self.state, State::Lingering(_)) {
            self.state = State::Gone(cause);
        }
    }

    /// The place where what it is due ends.
    pub fn upto(&self) -> u64 {
        self.upto.map_or(u64::MAX, |(place, _)| place)
    }

    /// Bytes it is due, since it was let in.
    pub fn due(&self, streams: &Streams) -> u64 {
        let bytes = self.upto.map_or(streams.of(self.framing).bytes(), |(_, bytes)| bytes);
        (bytes + self.replies.bytes).saturating_sub(self.from_bytes + self.own_bytes)
    }

    /// Bytes of these that are still to be written.
    pub fn waiting(&self, streams: &Streams) -> u64 {
        self.due(streams).saturating_sub(self.written.bytes)
    }

    /// Bytes of answers still to be written.
    pub fn replies_waiting(&self) -> u64 {
        self.replies.bytes.saturating_sub(self.written.reply_bytes)
    }

    /// Bytes its queue may pin at most, by whole turns.
    pub fn pins_at_most(&self, streams: &Streams) -> u64 {
        streams.of(self.framing).bytes_from_turn_of(&self.written) + self.replies_waiting()
    }

    /// It was read: has it too many answers waiting to be read on?
    pub fn note_answers(&mut self) {
        self.is_held_back = self.replies_waiting() > REPLIES_WAITING_MAX as u64;
    }

    /// It took answers: it is read again once none waits.
    pub fn note_taken(&mut self, now: Instant) {
        if self.is_held_back && self.replies_waiting() == 0 {
            self.is_held_back = false;
            self.last_read = now;
            self.unfinished_since = self.unfinished_since.map(|_| now);
        }
    }

    /// Whether it is to be read whenever it has sent something.
    pub fn is_to_be_read(&self, now: Instant) -> bool {
        match self.state {
            State::Heard => {
                !self.is_held_back && self.paused_until.is_none_or(|until| now > until + PAUSE_GRACE)
            }
            State::Lingering(_) => !self.is_drained,
            State::Ending(..) | State::Gone(_) => false,
        }
    }

    /// Bytes that sending it away could free at most: entries and buffers are generously counted.
    pub fn holds_at_most(&self, streams: &Streams) -> u64 {
        3 * self.pins_at_most(streams) + 3 * self.reader.unfinished() as u64
    }

    /// Why its time is up, if it is.
    pub fn timed_out(&self, now: Instant, limits: &Limits) -> Option<Cause> {
        if self.state != State::Heard {
            return None;
        }
        // whoever has gone while it is not read is not waited for long
        let gone = self.hung_up.map(|since| since + limits.drain).filter(|&end| end <= now);
        let is_paused = |end: Instant| self.paused_until.is_some_and(|until| end < until);
        if gone.is_some_and(|end| self.is_held_back || is_paused(end)) {
            return Some(Cause::Eof);
        }
        if has_rates(limits) {
            return None;
        }
        // that a frame is not finished while nobody listens is not its fault; that it takes no answer is silence
        if !self.is_held_back
            && self.unfinished_since.is_some_and(|since| now >= since + limits.frame_timeout)
        {
            return Some(Cause::FrameTimeout);
        }
        let is_silent = limits.idle_timeout.is_some_and(|silence| now >= self.last_read + silence);
        is_silent.then_some(Cause::IdleTimeout)
    }

    /// The first of the streams' entries that somebody still wants for it.
    pub fn wants_from(&self) -> u64 {
        self.came.place().min(self.written.place())
    }
}

/// Whether somebody may not be read for its rate.
pub fn has_rates(limits: &Limits) -> bool {
    limits.rate_messages.is_some() || limits.rate_bytes.is_some()
}

impl Cause {
    /// What the relay may call it.
    pub const fn reasons(self) -> &'static [&'static str] {
        match self {
            Self::Eof => &["eof"],
            Self::Offence(_) => &["offence"],
            Self::Banned(_) => &["banned", "address-banned"],
            Self::AddressBanned => &["address-banned"],
            Self::Opener => &["other-protocol"],
            Self::FrameTimeout | Self::IdleTimeout => &["frame-timeout", "idle-timeout"],
            Self::Shutdown => &["shutdown", "eof", "idle-timeout"],
            Self::Failed | Self::Slow | Self::Memory => &["eof", "idle-timeout"],
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Eof => f.write_str("its end"),
            Self::Offence(offence) | Self::Banned(offence) => write!(f, "the offence {offence}"),
            Self::AddressBanned => f.write_str("its address's ban"),
            Self::Opener => f.write_str("another protocol's opener"),
            Self::FrameTimeout => f.write_str("the frame timeout"),
            Self::IdleTimeout => f.write_str("the idle timeout"),
            Self::Failed => f.write_str("its failure"),
            Self::Shutdown => f.write_str("the shutdown"),
            Self::Slow => f.write_str("its slowness"),
            Self::Memory => f.write_str("memory"),
        }
    }
}
