//! The long way through a stream in which something odd has come: the relay's own decoder looks for frames. Knows
//! frames; knows no message.

use crate::wire::decoder::DecoderLimits;
use crate::wire::{DecodeError, Decoder, Frame};

/// A stream that is looked through for frames.
#[derive(Debug)]
pub struct Lost {
    decoder: Decoder,
    /// Bytes it had skipped when something was found last.
    skipped: u64,
    /// What was found last was wrong: what is skipped behind it is the rest of that.
    is_in_fault: bool,
}

/// What is found next.
#[derive(Debug)]
pub struct Found<'i> {
    /// What was wrong before it.
    pub wrong: usize,
    /// A valid frame; none where the bytes are used up, or something wrong ends before them.
    pub frame: Option<Frame<'i>>,
}

impl Lost {
    /// Looks for frames from here on.
    pub fn beginning(limits: DecoderLimits) -> Self {
        Self { decoder: Decoder::new(limits), skipped: 0, is_in_fault: false }
    }

    /// The next thing in what has come. Junk is told as soon as it is seen, once.
    pub fn next<'i>(&mut self, bytes: &mut &'i [u8]) -> Found<'i> {
        let decoded = self.decoder.decode(bytes);
        let has_skipped = self.decoder.skipped() > self.skipped;
        self.skipped = self.decoder.skipped();
        let junk = usize::from(has_skipped && !self.is_in_fault);
        self.is_in_fault |= has_skipped;
        match decoded {
            Ok(frame) => {
                self.is_in_fault &= frame.is_none();
                Found { wrong: junk, frame }
            }
            Err(error) => {
                if matches!(error, DecodeError::Oversize { .. }) {
                    self.decoder.abandon(); // what it claims may never come
                }
                self.is_in_fault = true;
                Found { wrong: junk + 1, frame: None }
            }
        }
    }

    /// Whether something has begun that has not been told.
    pub fn has_loose_end(&self) -> bool {
        self.decoder.is_unfinished() && !self.is_in_fault
    }
}
