//! Clarke Coin's messages from bytes. Knows lines and JSON's syntax; knows no message's meaning, no peer and no clock.
//!
//! - A message is one JSON value. It ends at the newline behind it; `\r\n` is a newline too. A value that is not
//!   complete at a newline goes on in the next line, up to a blank one: a line of nothing but whitespace.
//! - The last message may end with the stream.
//! - What is no JSON, or too deeply nested, or followed by anything else in its line, is malformed. The rest of its
//!   line passes unseen. Where the fault shows only in a later line, the lines before are one malformed message, and
//!   that line begins anew as a message of its own: no byte is scanned more than twice.
//! - A message, its newlines and whitespace counted but the one that ends it not, has at most `max` bytes, malformed
//!   or not. No more is held of it than that.

mod tests;

use bytes::Buf;
use memchr::memchr;
use thiserror::Error;

use super::compact::compact;
use crate::wire::JsonScanner;
use crate::wire::json_scanner::{JsonError, Mark};

/// One stream among its messages. Between them no memory is held but what `size_of` says.
#[derive(Debug, Default)]
pub(super) struct Stream {
    scanner: JsonScanner,
    /// The message now arriving; nothing once it is malformed.
    held: Vec<u8>,
    /// How many bytes of it have come.
    len: usize,
    /// Where in it the line now arriving begins.
    line: usize,
    state: State,
    /// How many bytes the last event was of.
    passed: usize,
}

/// What has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A message, valid JSON, on one line: as it came, unless it came on several; then without whitespace.
    Message(String),
    /// No message, and its line is over.
    Malformed(Fault),
    /// A blank line behind a message, or with nothing before it.
    Blank,
    /// More than a message's bytes have come. The rest of the line will pass unseen.
    Oversize,
}

/// Why something is no message, and at which byte of it that shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(super) enum Fault {
    #[error("{error} at byte {at}")]
    Json { error: JsonError, at: usize },
    #[error("something behind the message in its line, at byte {at}")]
    Behind { at: usize },
    #[error("the message is not complete")]
    Incomplete,
    #[error("not UTF-8")]
    NotUtf8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// A value is due, or arriving.
    #[default]
    Value,
    /// It is complete; its newline is due.
    Behind,
    /// The rest of a line that is malformed.
    Passing(Fault),
    /// The rest of one that is too long, of which that has been said.
    Lost,
}

impl Stream {
    /// What comes next in what has arrived, or `None` once `input` is used up.
    pub fn next(&mut self, max: usize, input: &mut &[u8]) -> Option<Event> {
        while let Some(&first) = input.first() {
            if first == b'\n' {
                match self.end_line(max) {
                    // the newline is looked at again, behind a line begun anew or none
                    Ended::Before(event) => return Some(event),
                    Ended::With(event) => {
                        input.advance(1);
                        return Some(event);
                    }
                    Ended::Silently => input.advance(1),
                }
            } else if let Some(event) = self.go_on(max, input) {
                return Some(event);
            }
        }
        None
    }

    /// The stream has ended: what its last bytes are, when no newline ended them.
    pub fn finish(&mut self) -> Option<Event> {
        let event = match self.state {
            State::Behind => Some(self.message()),
            State::Passing(fault) => Some(Event::Malformed(fault)),
            State::Value if self.scanner.ends_here() => Some(self.message()),
            State::Value if self.scanner.is_within() => Some(Event::Malformed(Fault::Incomplete)),
            State::Value | State::Lost => None,
        };
        *self = Self { passed: self.len, ..Self::default() };
        event
    }

    /// How many bytes the last message, or what was none, had.
    pub fn passed(&self) -> usize {
        self.passed
    }

    /// Bytes that have come since the last message or blank line ended.
    pub fn begun(&self) -> usize {
        self.len
    }

    /// Whether any of them is more than whitespace.
    pub fn is_within(&self) -> bool {
        self.state != State::Value || self.scanner.is_within()
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        self.held.capacity()
    }

    /// Within a line.
    fn go_on(&mut self, max: usize, input: &mut &[u8]) -> Option<Event> {
        let line = &input[..memchr(b'\n', input).unwrap_or(input.len())];
        let room = max.saturating_sub(self.len);
        if self.state == State::Lost {
            input.advance(line.len());
            None
        } else if room > 0 {
            let here = &line[..line.len().min(room)];
            input.advance(here.len());
            self.take(max, here)
        } else if line == b"\r" && self.len == max {
            self.len += 1; // it may be the end's
            input.advance(1);
            None
        } else {
            *self = Self { state: State::Lost, ..Self::default() };
            Some(Event::Oversize)
        }
    }

    /// More of a line, within the bound.
    fn take(&mut self, max: usize, here: &[u8]) -> Option<Event> {
        self.len += here.len();
        if matches!(self.state, State::Passing(_)) {
            return None;
        }
        let scanned = self.held.len();
        self.hold(max, here);
        let fault = self.scan(scanned).err()?;
        if self.line == 0 {
            self.pass(fault);
            return None;
        }
        self.begin_line_anew();
        Some(Event::Malformed(fault))
    }

    /// Scans what is held from here on, none of it a newline.
    fn scan(&mut self, from: usize) -> Result<(), Fault> {
        let mut input = &self.held[from..];
        if self.state == State::Value {
            match self.scanner.scan(0, &mut input) {
                Ok(None) => {}
                Ok(Some(_)) => self.state = State::Behind,
                Err(error) => return Err(Fault::Json { error, at: self.held.len() - input.len() }),
            }
        }
        match input.iter().position(|byte| !is_space(*byte)) {
            Some(place) => Err(Fault::Behind { at: self.held.len() - input.len() + place }),
            None => Ok(()),
        }
    }

    fn end_line(&mut self, max: usize) -> Ended {
        match self.state {
            State::Behind => Ended::With(self.complete()),
            State::Passing(fault) => Ended::With(self.reset(Event::Malformed(fault))),
            State::Lost => {
                *self = Self::default();
                Ended::Silently
            }
            State::Value => self.end_line_within(max),
        }
    }

    /// A newline where the value is not known to be complete.
    fn end_line_within(&mut self, max: usize) -> Ended {
        let is_blank = self.held[self.line..].iter().all(|byte| is_space(*byte));
        match self.scanner.scan(0, &mut b"\n".as_slice()) {
            Ok(Some(Mark::Value(_))) => Ended::With(self.complete()), // a number
            Ok(_) if !self.scanner.is_within() => Ended::With(self.reset(Event::Blank)),
            Ok(_) if is_blank => Ended::Before(self.reset(Event::Malformed(Fault::Incomplete))),
            Ok(_) if self.len >= max => Ended::With(self.reset(Event::Oversize)),
            Ok(_) => {
                self.hold(max, b"\n");
                self.len += 1;
                self.line = self.held.len();
                Ended::Silently
            }
            Err(error) => {
                let fault = Event::Malformed(Fault::Json { error, at: self.held.len() });
                if self.line == 0 {
                    return Ended::With(self.reset(fault));
                }
                self.begin_line_anew();
                Ended::Before(fault)
            }
        }
    }

    /// The lines before are done with; what has come of this one is a message's beginning, or malformed.
    fn begin_line_anew(&mut self) {
        let line = self.held.split_off(self.line);
        let passed = self.len - line.len();
        *self = Self { len: line.len(), held: line, passed, ..Self::default() };
        if let Err(fault) = self.scan(0) {
            self.pass(fault);
        }
    }

    fn pass(&mut self, fault: Fault) {
        self.state = State::Passing(fault);
        self.held = Vec::new();
    }

    fn complete(&mut self) -> Event {
        let message = self.message();
        self.reset(message)
    }

    fn reset(&mut self, event: Event) -> Event {
        *self = Self { passed: self.len, ..Self::default() };
        event
    }

    fn message(&mut self) -> Event {
        let Ok(text) = String::from_utf8(std::mem::take(&mut self.held)) else {
            return Event::Malformed(Fault::NotUtf8);
        };
        Event::Message(on_one_line(text.trim_matches(|c| c == ' ' || c == '\t' || c == '\r' || c == '\n')))
    }

    /// Doubles as bytes arrive, never past the longest message.
    fn hold(&mut self, max: usize, here: &[u8]) {
        let needed = self.held.len() + here.len();
        if needed > self.held.capacity() {
            let doubled = (2 * self.held.capacity()).min(max);
            self.held.reserve_exact(needed.max(doubled) - self.held.len());
        }
        self.held.extend_from_slice(here);
    }
}

/// What a newline means.
enum Ended {
    /// This, and the newline is still to be looked at.
    Before(Event),
    With(Event),
    /// The message goes on in the next line.
    Silently,
}

/// JSON's whitespace, but for the newline.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r')
}

/// As it is, when it is on one line; else without the whitespace between its tokens.
fn on_one_line(text: &str) -> String {
    if !text.contains(['\n', '\r']) {
        return text.into();
    }
    compact(text).into_owned()
}
