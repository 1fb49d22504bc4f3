//! What the messages of a run are: every one different, and every one known without being kept. Knows the wire;
//! knows no peer and no socket.

use std::ops::RangeInclusive;

use bytes::{BufMut, BytesMut};

use crate::rng::Rng;
use crate::wire::decoder::DecoderLimits;
use crate::wire::{Checksum, Command, Frame, Header, Magic};

/// Fewest bytes of a payload: what says whose it is.
pub const SMALLEST_PAYLOAD: u32 = 16;
/// Bytes from which a frame can be told from all others: its header, and whose it is.
pub const HEAD_LEN: usize = Header::LEN + SMALLEST_PAYLOAD as usize;

/// Which message of a run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId {
    /// Which sender's.
    pub sender: u32,
    /// Its how-many-eth, from 0.
    pub number: u64,
}

/// When a peer asks the relay for a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// When it has come.
    Arrival,
    /// When it has sent and received everything.
    Farewell,
}

/// Makes messages, the same again whenever it is asked.
#[derive(Clone, Debug)]
pub struct Maker {
    seed: u64,
    magic: Magic,
    command: Command,
    sizes: RangeInclusive<u32>,
}

impl Maker {
    /// Payloads of `sizes` bytes.
    ///
    /// # Panics
    /// If a payload could not say whose it is, or there is no size at all.
    pub fn new(seed: u64, magic: Magic, command: Command, sizes: RangeInclusive<u32>) -> Self {
        assert!(*sizes.start() >= SMALLEST_PAYLOAD && !sizes.is_empty(), "payloads of {sizes:?} bytes");
        Self { seed, magic, command, sizes }
    }

    /// Appends the frame of a message. Says how long it is.
    pub fn append(&self, id: MessageId, to: &mut BytesMut) -> usize {
        let mut rng = self.rng(id);
        let length = self.length(&mut rng);
        let begin = to.len();
        to.put_bytes(0, Header::LEN);
        to.put_u32_le(self.tag());
        to.put_u32_le(id.sender);
        to.put_u64_le(id.number);
        to.resize(begin + Header::LEN + length as usize, 0);
        let (header, payload) = to[begin..].split_at_mut(Header::LEN);
        rng.fill(&mut payload[SMALLEST_PAYLOAD as usize..]);
        let command = self.command;
        let parsed = Header { command, length, checksum: Checksum::of(payload) };
        header.copy_from_slice(&parsed.encode(self.magic));
        parsed.frame_len()
    }

    /// The frame of a message, by itself.
    pub fn frame(&self, id: MessageId) -> BytesMut {
        let mut bytes = BytesMut::new();
        self.append(id, &mut bytes);
        bytes
    }

    /// Whose the frame claims to be that begins with `head`; `None` if it claims to be nobody's of this run.
    pub fn claimed(&self, head: &[u8; HEAD_LEN]) -> Option<MessageId> {
        let word = |at| u32::from_le_bytes(*head[at..].first_chunk().expect("4 of 40 bytes"));
        let number = u64::from_le_bytes(*head.last_chunk().expect("8 of 40 bytes"));
        (word(Header::LEN) == self.tag()).then(|| MessageId { sender: word(Header::LEN + 4), number })
    }

    /// Asks the relay whether a peer is in its room, or whether it has sent that peer everything. No two of these
    /// are alike.
    pub fn ping(&self, occasion: Occasion, peer: u32) -> [u8; HEAD_LEN] {
        self.probe(Command::PING, occasion, peer)
    }

    /// The relay's answer.
    pub fn pong(&self, occasion: Occasion, peer: u32) -> [u8; HEAD_LEN] {
        self.probe(Command::PONG, occasion, peer)
    }

    /// The answer to a peer's last ping.
    pub fn farewell(&self, peer: u32) -> [u8; HEAD_LEN] {
        self.pong(Occasion::Farewell, peer)
    }

    fn probe(&self, command: Command, occasion: Occasion, peer: u32) -> [u8; HEAD_LEN] {
        let mut payload = [0; SMALLEST_PAYLOAD as usize];
        payload[..8].copy_from_slice(&self.seed.to_le_bytes());
        payload[8..12].copy_from_slice(&peer.to_le_bytes());
        payload[12..].copy_from_slice(&(occasion as u32).to_le_bytes());
        let frame = Frame::encode(self.magic, command, &payload);
        *frame.as_bytes().first_chunk().expect("a header and its payload")
    }

    /// What a stream of this run may hold: nothing is larger than what was asked for.
    pub fn decoder_limits(&self) -> DecoderLimits {
        DecoderLimits { magic: self.magic, max_payload: *self.sizes.end(), max_skip: u64::MAX }
    }

    /// What tells this run's messages from others'.
    fn tag(&self) -> u32 {
        self.seed as u32 ^ (self.seed >> 32) as u32
    }

    fn rng(&self, id: MessageId) -> Rng {
        let of_sender = Rng::new(self.seed ^ u64::from(id.sender)).next();
        Rng::new(of_sender ^ id.number)
    }

    fn length(&self, rng: &mut Rng) -> u32 {
        let choice = u64::from(self.sizes.end() - self.sizes.start()) + 1;
        self.sizes.start() + rng.below(choice) as u32 // within the range, which is of u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Decoder, Network};
    use std::collections::BTreeSet;

    fn maker(sizes: RangeInclusive<u32>) -> Maker {
        Maker::new(42, Network::PRIVATE.magic, "msg".parse().unwrap(), sizes)
    }

    #[test]
    fn a_message_is_a_valid_frame_and_says_whose_it_is() {
        let maker = maker(16..=300);
        let limits = DecoderLimits { magic: Network::PRIVATE.magic, max_payload: 300, max_skip: 0 };
        for number in 0..200 {
            let id = MessageId { sender: 7, number };
            let bytes = maker.frame(id);
            assert_eq!(maker.claimed(bytes.first_chunk().unwrap()), Some(id));
            let frame = Decoder::new(limits).decode(&mut &bytes[..]).unwrap().unwrap();
            assert_eq!(frame.command().as_str(), "msg");
            assert_eq!(frame.as_bytes(), &maker.frame(id), "the same again");
        }
    }

    #[test]
    fn no_two_messages_are_alike_and_all_sizes_come() {
        let maker = maker(16..=20);
        let mut seen = BTreeSet::new();
        let mut lengths = BTreeSet::new();
        for sender in 0..10 {
            for number in 0..100 {
                let frame = maker.frame(MessageId { sender, number });
                lengths.insert(frame.len());
                assert!(seen.insert(frame));
            }
        }
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [40, 41, 42, 43, 44]);
    }

    #[test]
    fn what_another_run_made_is_nobodys() {
        let other = Maker::new(43, Network::PRIVATE.magic, "msg".parse().unwrap(), 16..=16);
        let frame = other.frame(MessageId { sender: 0, number: 0 });
        assert_eq!(maker(16..=16).claimed(frame.first_chunk().unwrap()), None);
    }
}
