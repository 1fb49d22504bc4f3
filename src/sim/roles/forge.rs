//! Frames, and lines, right and wrong.

use bytes::Bytes;

use super::Script;
use crate::wire::{Checksum, Command, Frame, Framing, Header};

impl Script {
    /// A frame with a payload of so many bytes, or a line of so many.
    pub(super) fn frame(&mut self, length: usize) -> Bytes {
        if self.framing == Framing::Lines {
            return self.line(length.min(self.terms.max_line as usize));
        }
        let names = ["msg", "tx", "block", "a", "twelve bytes"];
        let command = names[self.rng.below(names.len() as u64) as usize];
        self.named(command.parse().expect("a command"), length)
    }

    /// A line of so many bytes: text for the most part, and anything else but a newline.
    fn line(&mut self, length: usize) -> Bytes {
        let mut line = vec![0; length];
        self.rng.fill(&mut line);
        let is_text = !self.is_one_in(4);
        for byte in &mut line {
            *byte = match *byte {
                any if is_text => b' ' + any % 95,
                b'\n' => 0,
                any => any,
            };
        }
        // a `\r` of its own would pass for its end's
        let ends: &[u8] = if line.ends_with(b"\r") || self.is_one_in(3) { b"\r\n" } else { b"\n" };
        line.extend_from_slice(ends);
        line.into()
    }

    /// What is too long, as soon as that can be told: a header that claims too much, or a line.
    pub(super) fn too_much(&mut self) -> Bytes {
        let beyond = [1, 1000, u32::MAX - self.terms.max_payload][self.rng.below(3) as usize];
        match self.framing {
            Framing::Frames => self.claiming(self.terms.max_payload + beyond),
            Framing::Lines => {
                let mut line = self.line((self.terms.max_line + beyond.min(1000)) as usize);
                if self.is_one_in(2) {
                    line.truncate(line.len() - 2);
                }
                line
            }
        }
    }

    /// Some of a message, and not its end.
    pub(super) fn beginning(&mut self) -> Bytes {
        let whole = self.any_frame();
        whole.slice(..whole.len().saturating_sub(2).min(20))
    }

    /// A frame of this name.
    pub(super) fn named(&mut self, command: Command, length: usize) -> Bytes {
        let mut payload = vec![0; length.min(self.terms.max_payload as usize)];
        self.rng.fill(&mut payload);
        Frame::encode(self.terms.magic, command, &payload).into_bytes().into_owned().into()
    }

    /// A frame as people send them: mostly short, at times as long as may be.
    pub(super) fn any_frame(&mut self) -> Bytes {
        let longest = match self.framing {
            Framing::Frames => self.terms.max_payload,
            Framing::Lines => self.terms.max_line,
        };
        let most = [0, 50, 300, 300, 300, 1000, 5000, longest];
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
