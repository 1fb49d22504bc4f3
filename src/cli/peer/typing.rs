//! Stdin's lines on their way out: cut, bounded, encoded, and waiting to be sent. Knows no other side.

use super::conversation::Piece;
use super::framing::Framing;
use crate::cli::units::grouped;
use crate::wire::{LineDecoder, WriteQueue};

/// Bytes to be sent beyond which nothing more that is typed is looked at.
const OUTGOING_ENOUGH_BYTES: usize = 256 * 1024;
/// Lines that are each told when they cannot be sent; beyond it they are counted.
const TOLD: u64 = 10;

/// What was typed and is not sent yet.
#[derive(Debug)]
pub struct Typing {
    framing: Framing,
    decoder: LineDecoder,
    max_line: usize,
    lines: u64,
    /// Lines that were too long.
    pub not_sent: u64,
    pub outgoing: WriteQueue,
}

impl Typing {
    pub fn new(framing: Framing, max_line: usize) -> Self {
        let decoder = LineDecoder::new(max_line);
        Self { framing, decoder, max_line, lines: 0, not_sent: 0, outgoing: WriteQueue::default() }
    }

    /// Bytes, cut anywhere.
    pub fn typed(&mut self, mut bytes: &[u8], told: &mut Vec<Piece>) {
        loop {
            match self.decoder.decode(&mut bytes) {
                Ok(None) => break,
                Ok(Some(line)) => {
                    self.lines += 1;
                    self.framing.encode(&line, self.outgoing.reply());
                }
                Err(_) => self.refuse_line(told),
            }
        }
        self.outgoing.seal_replies();
    }

    /// No more will be typed. A last line needs no end of its own.
    pub fn end(&mut self, told: &mut Vec<Piece>) {
        match self.decoder.finish() {
            Ok(None) => {}
            Ok(Some(line)) => self.framing.encode(&line, self.outgoing.reply()),
            Err(_) => self.refuse_line(told),
        }
        self.outgoing.seal_replies();
    }

    /// Whether anything was typed at all.
    pub fn has_begun(&self) -> bool {
        self.lines > 0 || self.decoder.is_unfinished()
    }

    /// Whether more should be typed.
    pub fn has_room(&self) -> bool {
        self.outgoing.unsent() < OUTGOING_ENOUGH_BYTES
    }

    fn refuse_line(&mut self, told: &mut Vec<Piece>) {
        self.lines += 1;
        self.not_sent += 1;
        let (line, allowed) = (grouped(self.lines), self.max_line);
        if self.not_sent <= TOLD {
            let text = format!("line {line} of stdin has more than {allowed} bytes and was not sent");
            told.push(Piece::Status(text));
        }
        if self.not_sent == TOLD {
            told.push(Piece::Status("further ones are only counted".into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, Network};

    /// Everything to be sent, which is then sent.
    fn send(typing: &mut Typing) -> Vec<u8> {
        let bytes: Vec<u8> = typing.outgoing.parts().flat_map(|part| part.as_slice().to_vec()).collect();
        typing.outgoing.sent(bytes.len());
        bytes
    }

    #[test]
    fn a_message_is_a_frame_and_may_be_empty() {
        let (magic, command) = (Network::PRIVATE.magic, "msg".parse().unwrap());
        let mut typing = Typing::new(Framing::Frames { magic, command }, 5);
        typing.typed(b"hello\n\n", &mut Vec::new());
        let [hello, empty] = [b"hello".as_slice(), b""].map(|text| Frame::encode(magic, command, text));
        assert_eq!(send(&mut typing), [hello.as_bytes(), empty.as_bytes()].concat());
    }

    #[test]
    fn a_line_too_long_is_told_with_its_number_and_then_counted() {
        let (mut typing, mut told) = (Typing::new(Framing::Lines, 5), Vec::new());
        typing.typed(b"ok\n123456\nfine\n", &mut told);
        assert_eq!(told, [Piece::Status("line 2 of stdin has more than 5 bytes and was not sent".into())]);
        typing.typed(&b"1234567\n".repeat(100), &mut told);
        assert_eq!(send(&mut typing), b"ok\nfine\n");
        assert_eq!((told.len() as u64, typing.not_sent), (TOLD + 1, 101));
    }

    #[test]
    fn there_is_no_room_while_too_much_waits_to_be_sent() {
        let mut typing = Typing::new(Framing::Lines, 5);
        while typing.has_room() {
            typing.typed(&b"abcd\n".repeat(1000), &mut Vec::new());
        }
        let waiting = send(&mut typing).len();
        assert!((OUTGOING_ENOUGH_BYTES..OUTGOING_ENOUGH_BYTES + 5000).contains(&waiting), "{waiting}");
        assert!(typing.has_room());
    }
}
