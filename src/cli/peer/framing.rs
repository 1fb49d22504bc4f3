//! A message on the wire: a frame, or a line. Knows what each framing forgives.

use std::borrow::Cow;

use crate::relay::Limits;
use crate::wire::{Command, DecodeError, Decoder, Frame, LineDecoder, Magic};

/// Largest payload of a frame, bytes: as a relay that is given no options allows.
pub const MAX_PAYLOAD: u32 = 4_000_000;

/// What to look at when nothing is understood.
const WHICH: &str = "(--lines, --network or --magic?)";

/// How messages are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Each is a frame, called so.
    Frames {
        /// What every frame begins with.
        magic: Magic,
        /// What ours are called.
        command: Command,
    },
    /// Each is a line.
    Lines,
}

/// The other side's messages, as they come.
#[derive(Debug)]
pub enum Inbound {
    Frames(Box<Decoder>),
    Lines(LineDecoder),
}

/// One message of the other side's.
#[derive(Debug)]
pub enum Message<'i> {
    Frame(Frame<'i>),
    Line(Cow<'i, [u8]>),
}

/// What is wrong with what came.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// One message, and what comes behind it is in step.
    PassedOver(String),
    /// Everything from here on.
    OutOfStep(String),
}

impl Framing {
    /// Appends a message.
    pub fn encode(self, line: &[u8], into: &mut Vec<u8>) {
        match self {
            Self::Frames { magic, command } => {
                into.extend_from_slice(Frame::encode(magic, command, line).as_bytes());
            }
            Self::Lines => {
                into.extend_from_slice(line);
                // a `\r` of the line's own would pass for its end's
                into.extend_from_slice(if line.ends_with(b"\r") { b"\r\n" } else { b"\n" });
            }
        }
    }

    /// What reads this framing.
    pub fn inbound(self, max_line: usize) -> Inbound {
        match self {
            Self::Frames { magic, .. } => Inbound::Frames(Box::new(Decoder::new(Limits::new(magic).decoder))),
            Self::Lines => Inbound::Lines(LineDecoder::new(max_line)),
        }
    }
}

impl Inbound {
    /// The next message in what has arrived.
    pub fn next<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Message<'i>>, Fault> {
        match self {
            Self::Frames(decoder) => match decoder.decode(input) {
                Ok(frame) => Ok(frame.map(Message::Frame)),
                Err(error) => Err(fault(error)),
            },
            Self::Lines(decoder) => match decoder.decode(input) {
                Ok(line) => Ok(line.map(Message::Line)),
                Err(error) => Err(Fault::PassedOver(error.to_string())),
            },
        }
    }

    /// The other side has ended: what was left of it. A last line needs no end; a frame does.
    pub fn finish(&mut self) -> Result<Option<Message<'static>>, Fault> {
        match self {
            Self::Frames(decoder) if decoder.is_unfinished() => {
                decoder.abandon();
                let hint = if decoder.passed() == 0 { format!(" {WHICH}") } else { String::new() };
                Err(Fault::OutOfStep(format!("ended in mid-frame{hint}")))
            }
            Self::Frames(_) => Ok(None),
            Self::Lines(decoder) => match decoder.finish() {
                Ok(line) => Ok(line.map(|line| Message::Line(line.into()))),
                Err(error) => Err(Fault::PassedOver(error.to_string())),
            },
        }
    }

    /// Bytes between frames that were no frame.
    pub fn skipped(&self) -> u64 {
        match self {
            Self::Frames(decoder) => decoder.skipped(),
            Self::Lines(_) => 0,
        }
    }
}

impl Message<'_> {
    /// What it says.
    pub fn text(&self) -> &[u8] {
        match self {
            Self::Frame(frame) => frame.payload(),
            Self::Line(line) => line,
        }
    }

    /// What it is called, when that is not how ours are.
    pub fn other_name(&self, framing: Framing) -> Option<Command> {
        match (self, framing) {
            (Self::Frame(frame), Framing::Frames { command, .. }) => {
                Some(frame.command()).filter(|&name| name != command)
            }
            _ => None,
        }
    }
}

fn fault(error: DecodeError) -> Fault {
    match error {
        // the payload of one that is too large is passed over too: between peers a claim is kept
        DecodeError::Command { .. } | DecodeError::Checksum { .. } | DecodeError::Oversize { .. } => {
            Fault::PassedOver(format!("a frame: {error}"))
        }
        DecodeError::Magic { .. } => {
            Fault::OutOfStep(format!("does not speak this framing: {error} {WHICH}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Network;

    #[test]
    fn the_largest_payload_is_a_relays() {
        assert_eq!(Limits::new(Network::PRIVATE.magic).decoder.max_payload, MAX_PAYLOAD);
    }
}
