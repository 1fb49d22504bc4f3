//! Frames, right and wrong.

use bytes::Bytes;

use super::Script;
use crate::wire::{Checksum, Command, Frame, Header};

impl Script {
    /// A frame with a payload of so many bytes.
    pub(super) fn frame(&mut self, length: usize) -> Bytes {
        let names = ["msg", "tx", "block", "a", "twelve bytes"];
        let command = names[self.rng.below(names.len() as u64) as usize];
        self.named(command.parse().expect("a command"), length)
    }

    /// A frame of this name.
    pub(super) fn named(&mut self, command: Command, length: usize) -> Bytes {
        let mut payload = vec![0; length.min(self.terms.max_payload as usize)];
        self.rng.fill(&mut payload);
        Frame::encode(self.terms.magic, command, &payload).into_bytes().into_owned().into()
    }

    /// A frame as people send them: mostly short, at times as long as may be.
    pub(super) fn any_frame(&mut self) -> Bytes {
        let most = [0, 50, 300, 300, 300, 1000, 5000, self.terms.max_payload];
        let most = most[self.rng.below(most.len() as u64) as usize];
        let length = self.rng.below(u64::from(most) + 1);
        self.frame(length as usize) // at most a payload's length
    }

    /// A frame whose payload is not what its header says.
    pub(super) fn lying(&mut self, length: usize) -> Bytes {
        let mut bytes = self.frame(length).to_vec();
        let at = if self.is_one_in(2) { 20 } else { bytes.len() - 1 };
        bytes[at] ^= 1 << self.rng.below(8);
        bytes.into()
    }

    /// The header of a frame that claims so much.
    pub(super) fn claiming(&mut self, length: u32) -> Bytes {
        let command = "claim".parse().expect("a command");
        let header = Header { command, length, checksum: Checksum::of(b"") };
        Bytes::copy_from_slice(&header.encode(self.terms.magic))
    }

    /// A frame whose command is none.
    pub(super) fn unnamed(&mut self, length: usize) -> Bytes {
        let mut bytes = self.frame(length).to_vec();
        let (at, byte) = [(4, 0x1f), (6, 0x7f), (15, b'x'), (5, 0x80)][self.rng.below(4) as usize];
        bytes[4..16].copy_from_slice(b"bad\0\0\0\0\0\0\0\0\0");
        bytes[at] = byte;
        bytes.into()
    }

    /// Bytes that are no frame; now and then with the magic among them.
    pub(super) fn junk(&mut self, length: usize) -> Bytes {
        let mut bytes = vec![0; length];
        self.rng.fill(&mut bytes);
        if length > 8 && self.is_one_in(3) {
            let at = self.rng.below(length as u64 - 4) as usize;
            bytes[at..at + 4].copy_from_slice(&self.terms.magic.0);
        }
        bytes.into()
    }
}
