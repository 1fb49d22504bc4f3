//! What everybody is due: all that was accepted, in order, and where in it each receiver stands. Knows messages and
//! their senders; knows no queue, no chunk and no turn's log.
//!
//! What is sent to whoever speaks frames and to whoever speaks lines are two streams.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::sim::packet::Conn;
use crate::time::Instant;
use crate::wire::Framing;

/// Everything that was accepted to be relayed, in each framing.
#[derive(Debug, Default)]
pub struct Streams {
    frames: Stream,
    lines: Stream,
}

/// Everything that was accepted to be relayed in one framing.
#[derive(Debug, Default)]
pub struct Stream {
    entries: VecDeque<Entry>,
    /// How many stood before the first.
    first: u64,
    /// Bytes of all there ever were.
    bytes: u64,
    /// Entries and bytes there were when the turn began.
    turn_begins: (u64, u64),
}

/// A message.
#[derive(Debug)]
pub struct Entry {
    /// Who sent it.
    pub from: Conn,
    /// As what he sent it.
    pub spoken: Framing,
    bytes: Bytes,
    /// When it left its sender.
    pub sent: Instant,
    /// Bytes before those of the turn it was accepted in.
    turn_begins: u64,
}

/// What one receiver alone is due.
#[derive(Debug, Default)]
pub struct Replies {
    /// The place in the streams before which it stands, and what it is.
    list: VecDeque<(u64, Bytes)>,
    first: usize,
    /// Bytes of all there ever were.
    pub bytes: u64,
}

/// How far a receiver has come.
#[derive(Clone, Copy, Debug)]
pub struct Cursor {
    at: u64,
    /// Bytes of the entry, or of the reply, that have come.
    offset: usize,
    replies: usize,
    /// Bytes that have come in all.
    pub bytes: u64,
    /// Of these, bytes of replies.
    pub reply_bytes: u64,
}

/// What came instead of what was due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// More than there is.
    Beyond,
    /// Its own frame.
    Own,
    /// Something else.
    Else,
}

impl Streams {
    /// What is due to whoever speaks so.
    pub fn of(&self, framing: Framing) -> &Stream {
        match framing {
            Framing::Frames => &self.frames,
            Framing::Lines => &self.lines,
        }
    }

    /// The same.
    pub fn of_mut(&mut self, framing: Framing) -> &mut Stream {
        match framing {
            Framing::Frames => &mut self.frames,
            Framing::Lines => &mut self.lines,
        }
    }

    /// A turn begins.
    pub fn begin_turn(&mut self) {
        for stream in [&mut self.frames, &mut self.lines] {
            stream.turn_begins = (stream.end(), stream.bytes());
        }
    }

    /// Bytes that were accepted in this turn, in both framings.
    pub fn bytes_of_turn(&self) -> u64 {
        [&self.frames, &self.lines].map(|stream| stream.bytes - stream.turn_begins.1).iter().sum()
    }
}

impl Stream {
    /// A message was accepted, that was sent so and left its sender then.
    pub fn append(&mut self, from: Conn, spoken: Framing, bytes: Bytes, sent: Instant) {
        self.bytes += bytes.len() as u64;
        self.entries.push_back(Entry { from, spoken, bytes, sent, turn_begins: self.turn_begins.1 });
    }

    /// How many there were when the turn began.
    pub fn turn_begins(&self) -> u64 {
        self.turn_begins.0
    }

    /// How many there were.
    pub fn end(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// Their bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes of the turns from the one a receiver's next frame was accepted in: what a queue that pins whole turns
    /// may pin at most.
    pub fn bytes_from_turn_of(&self, cursor: &Cursor) -> u64 {
        self.get(cursor.at).map_or(0, |entry| self.bytes - entry.turn_begins)
    }

    /// Forgets what everybody is past.
    pub fn forget(&mut self, upto: u64) {
        while self.first < upto && self.entries.pop_front().is_some() {
            self.first += 1;
        }
    }

    /// A receiver got bytes: are they what it was due, up to that place? `whole` is told of every frame that is
    /// whole now.
    pub fn follow(
        &self,
        me: Conn,
        replies: &Replies,
        cursor: &mut Cursor,
        upto: u64,
        mut bytes: &[u8],
        mut whole: impl FnMut(&Entry),
    ) -> Result<(), Mismatch> {
        while !bytes.is_empty() {
            self.pass_own(me, replies, cursor);
            let reply = replies.at(cursor);
            let entry = self.get(cursor.at).filter(|_| cursor.at < upto);
            let due = match (reply, entry) {
                (Some(reply), _) => reply,
                (None, Some(entry)) => &entry.bytes,
                (None, None) => return Err(self.blame(me, bytes, Mismatch::Beyond)),
            };
            let rest = &due[cursor.offset..];
            let here = rest.len().min(bytes.len());
            if rest[..here] != bytes[..here] {
                return Err(self.blame(me, bytes, Mismatch::Else));
            }
            let is_whole = here == rest.len();
            cursor.offset = if is_whole { 0 } else { cursor.offset + here };
            cursor.bytes += here as u64;
            if reply.is_some() {
                cursor.reply_bytes += here as u64;
                cursor.replies += usize::from(is_whole);
            } else if is_whole {
                entry.into_iter().for_each(&mut whole);
                cursor.at += 1;
            }
            bytes = &bytes[here..];
        }
        Ok(())
    }

    fn get(&self, at: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(at.checked_sub(self.first)?).ok()?)
    }

    /// Its own frames are not for it. A reply stands at its place all the same.
    fn pass_own(&self, me: Conn, replies: &Replies, cursor: &mut Cursor) {
        while cursor.offset == 0
            && replies.at(cursor).is_none()
            && self.get(cursor.at).is_some_and(|entry| entry.from == me)
        {
            cursor.at += 1;
        }
    }

    /// What is it that came instead?
    fn blame(&self, me: Conn, bytes: &[u8], otherwise: Mismatch) -> Mismatch {
        let begins = |entry: &&Entry| {
            let len = entry.bytes.len().min(bytes.len());
            len >= 8 && entry.bytes[..len] == bytes[..len]
        };
        match self.entries.iter().rev().find(begins) {
            Some(entry) if entry.from == me => Mismatch::Own,
            _ => otherwise,
        }
    }
}

impl Replies {
    /// A reply, before whatever was accepted from that place on.
    pub fn push(&mut self, at: u64, bytes: Bytes) {
        self.bytes += bytes.len() as u64;
        self.list.push_back((at, bytes));
    }

    /// Forgets what was passed.
    pub fn forget(&mut self, cursor: &Cursor) {
        while self.first < cursor.replies && self.list.pop_front().is_some() {
            self.first += 1;
        }
    }

    /// The reply that is due where a cursor stands.
    fn at(&self, cursor: &Cursor) -> Option<&Bytes> {
        let (at, bytes) = self.list.get(cursor.replies - self.first)?;
        (*at <= cursor.at).then_some(bytes)
    }
}

impl Cursor {
    /// Where a receiver stands that is admitted now.
    pub fn at(place: u64) -> Self {
        Self { at: place, offset: 0, replies: 0, bytes: 0, reply_bytes: 0 }
    }

    /// The first place it has not passed.
    pub fn place(&self) -> u64 {
        self.at
    }
}
