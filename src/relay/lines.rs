//! Peers whose messages are lines: what they send becomes frames called `msg`, which the protocol then treats like
//! anybody's. Knows no log and no queue.

use std::borrow::Cow;

use super::intake::Intake;
use super::room::Room;
use crate::protocol::{Offence, Token};
use crate::wire::{Command, Frame, LineTooLong, opener};

/// A line, or that it is too long.
pub(super) type Decoded<'i> = Result<Cow<'i, [u8]>, LineTooLong>;

impl Room {
    /// The next line in a peer's bytes; `None` when they are used up or it is not heard.
    pub fn decode_line<'i>(&mut self, from: Token, input: &mut &'i [u8]) -> Option<Decoded<'i>> {
        let max_line = self.limits.max_line;
        let peer = self.peer(from);
        if !peer.is_open() {
            return None;
        }
        let Intake::Lines(scanner) = &mut peer.intake else { return None };
        let decoded = scanner.decode(max_line, input).transpose();
        if decoded.is_some() {
            peer.note_passed();
        }
        decoded
    }

    /// What a peer that sends no more has sent behind its last newline: a line as well.
    pub fn last_line(&mut self, from: Token) -> Option<Decoded<'static>> {
        let max_line = self.limits.max_line;
        let peer = self.peer(from);
        if !peer.is_open() {
            return None;
        }
        let Intake::Lines(scanner) = &mut peer.intake else { return None };
        scanner.finish(max_line).transpose().map(|last| last.map(Cow::Owned))
    }

    /// A line has come: counts it against the peer's rate, with one byte for its end, and makes a frame of it. `None`
    /// when it is to be ignored.
    pub fn frame_of_line(&mut self, from: Token, line: &[u8]) -> Option<Frame<'static>> {
        if self.peer(from).incoming.frames == 0
            && let Some(opener) = opener::of_first_line(line)
        {
            self.turn_away(from, opener);
            return None;
        }
        let magic = self.limits.decoder.magic;
        self.count_message(from, line.len() + 1).then(|| Frame::encode(magic, Command::MSG, line))
    }

    /// A line has more bytes than it may: where it ends does not matter any more.
    pub fn line_too_long(&mut self, from: Token, error: &LineTooLong) {
        self.offended(from, Offence::Oversize, error);
    }
}
