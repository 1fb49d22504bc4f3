//! Frames and lines in the same loop: what somebody of a relay's room says and hears there. Knows both framings; knows
//! nothing of the networks beside it.

use std::collections::BTreeSet;

use crate::protocol::Dialect;
use crate::sim::broken::{Broken, Promise};
use crate::wire::decoder::DecoderLimits;
use crate::wire::{Decoder, Frame, LineDecoder};

/// One connection's ear.
#[derive(Debug)]
pub enum Ear {
    /// Of somebody who speaks frames.
    Frames(Decoder),
    /// Of somebody who speaks lines.
    Lines(LineDecoder),
    /// Of whoever has nothing to do with the room.
    Deaf,
}

/// What somebody has heard of the room on its connection, by numbers.
#[derive(Debug, Default)]
pub struct Heard(BTreeSet<u32>);

impl Ear {
    /// At the beginning of a stream.
    pub fn new(dialect: Dialect, limits: DecoderLimits, max_line: usize) -> Self {
        match dialect {
            Dialect::Frames => Self::Frames(Decoder::new(limits)),
            Dialect::Lines => Self::Lines(LineDecoder::new(max_line)),
            Dialect::Json | Dialect::Chain | Dialect::Http => Self::Deaf,
        }
    }

    /// The messages in what has come.
    pub fn hear(&mut self, mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, Broken> {
        let wrong = |what: String| Promise::Delivery.broken(format!("the room heard {what}"));
        let mut messages = Vec::new();
        match self {
            Self::Frames(decoder) => {
                while let Some(frame) =
                    decoder.decode(&mut bytes).map_err(|error| wrong(error.to_string()))?
                {
                    messages.push(frame.payload().to_vec());
                }
            }
            Self::Lines(decoder) => {
                while let Some(line) = decoder.decode(&mut bytes).map_err(|error| wrong(error.to_string()))? {
                    messages.push(line.into_owned());
                }
            }
            Self::Deaf => {}
        }
        Ok(messages)
    }

    /// A message as it is said.
    pub fn say(&self, limits: DecoderLimits, message: &str) -> Vec<u8> {
        match self {
            Self::Frames(_) => {
                let command = "msg".parse().expect("a command");
                Frame::encode(limits.magic, command, message.as_bytes()).as_bytes().to_vec()
            }
            Self::Lines(_) => format!("{message}\n").into_bytes(),
            Self::Deaf => Vec::new(),
        }
    }
}

/// A message of this number, and who said it at which relay.
pub fn message(number: usize, by: usize, relay: usize) -> String {
    format!("message {number} of {by} at relay {relay}")
}

/// Who said a message where, and its number.
fn parse(message: &[u8]) -> Option<[usize; 3]> {
    let text = std::str::from_utf8(message).ok()?;
    let rest = text.strip_prefix("message ")?;
    let (number, rest) = rest.split_once(" of ")?;
    let (by, relay) = rest.split_once(" at relay ")?;
    Some([number.parse().ok()?, by.parse().ok()?, relay.parse().ok()?])
}

impl Heard {
    /// Somebody at this relay has heard this.
    pub fn note(&mut self, who: usize, relay: usize, message: &[u8]) -> Result<(), Broken> {
        let shown = || message.escape_ascii().to_string();
        let Some([number, by, at]) = parse(message) else {
            return Err(Promise::Delivery.broken(format!("the room heard {}", shown())));
        };
        if by == who || at != relay {
            return Err(Promise::Echo.broken(format!("{who} at relay {relay} heard {}", shown())));
        }
        if !self.0.insert(number as u32) {
            return Err(Promise::Once.broken(format!("{who} heard {} twice", shown())));
        }
        Ok(())
    }

    /// Whether it has heard this number.
    pub fn has(&self, number: u32) -> bool {
        self.0.contains(&number)
    }
}
