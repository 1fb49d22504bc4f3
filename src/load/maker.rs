//! What the messages of a run are: every one different, and every one known without being kept. Knows how they are
//! spoken; knows no peer and no socket.

use std::ops::RangeInclusive;

use bytes::{BufMut, Bytes, BytesMut};

use super::dialect::{Codec, Foreign, Frames, Front};
use super::tape::Recorded;
use crate::rng::Rng;

/// Fewest bytes of a payload: what says whose it is.
pub const SMALLEST_PAYLOAD: u32 = 16;

/// Which message of a run it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MessageId {
    /// Which sender's.
    pub sender: u32,
    /// Its how-many-eth, from 0.
    pub number: u64,
}

/// Makes messages, the same again whenever it is asked.
#[derive(Clone, Debug)]
pub struct Maker {
    seed: u64,
    sizes: RangeInclusive<u32>,
    codec: Codec,
}

/// What a delivery, or whatever has come instead, begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    /// It cannot be said yet.
    Part,
    /// It claims to be this message of the run; so many bytes say so.
    Message(MessageId, usize),
    /// It claims to be nobody's of this run.
    Other,
}

impl Maker {
    /// Payloads of `sizes` bytes.
    ///
    /// # Panics
    /// If a payload could not say whose it is, or there is no size at all.
    pub fn new(seed: u64, sizes: RangeInclusive<u32>, codec: Codec) -> Self {
        assert!(*sizes.start() >= SMALLEST_PAYLOAD && !sizes.is_empty(), "payloads of {sizes:?} bytes");
        Self { seed, sizes, codec }
    }

    /// Appends a message as it is delivered.
    pub fn append(&self, id: MessageId, to: &mut BytesMut) {
        let mut rng = self.rng(id);
        let length = self.length(&mut rng);
        let begin = to.len();
        self.codec.open(length, to);
        let payload = to.len();
        to.put_u32_le(self.tag());
        to.put_u32_le(id.sender);
        to.put_u64_le(id.number);
        let random = to.len();
        to.resize(payload + length as usize, 0);
        rng.fill(&mut to[random..]);
        self.codec.close(begin, to);
    }

    /// A message as it is delivered, by itself.
    pub fn delivery(&self, id: MessageId) -> BytesMut {
        let mut bytes = BytesMut::new();
        self.append(id, &mut bytes);
        bytes
    }

    /// What a sender says so that these messages are delivered, which lie back to back in `delivered`.
    pub fn published(&self, delivered: &Bytes, messages: &[Recorded]) -> Bytes {
        let mut start = 0;
        let each = messages.iter().map(|message| {
            let bytes = &delivered[start..message.end];
            start = message.end;
            bytes
        });
        self.codec.published(delivered, each)
    }

    /// Whose the delivery claims to be that begins with `front`. From [`HEAD_MOST`](super::dialect::HEAD_MOST) bytes
    /// it can be said.
    pub fn head(&self, front: &[u8]) -> Head {
        let at = match self.codec.front(front) {
            Front::Part => return Head::Part,
            Front::Other => return Head::Other,
            Front::Payload(at) => at,
        };
        let Some(payload) = front.get(at..).and_then(|rest| rest.first_chunk()) else { return Head::Part };
        self.claimed(payload).map_or(Head::Other, |id| Head::Message(id, at + payload.len()))
    }

    /// The same of a whole delivery.
    pub fn claim(&self, delivery: &[u8]) -> Option<MessageId> {
        match self.head(delivery) {
            Head::Message(id, _) => Some(id),
            Head::Part | Head::Other => None,
        }
    }

    /// How the run speaks.
    pub fn codec(&self) -> &Codec {
        &self.codec
    }

    /// Where the server is a relay: how the run speaks with it.
    pub fn frames(&self) -> Option<&Frames> {
        match &self.codec {
            Codec::Frames(frames) => Some(frames),
            Codec::Foreign(_) => None,
        }
    }

    /// Where the server is no relay: how the run speaks with it.
    pub fn foreign(&self) -> Option<&Foreign> {
        match &self.codec {
            Codec::Frames(_) => None,
            Codec::Foreign(foreign) => Some(foreign),
        }
    }

    /// Most bytes of a payload.
    pub fn largest(&self) -> u32 {
        *self.sizes.end()
    }

    fn claimed(&self, payload: &[u8; SMALLEST_PAYLOAD as usize]) -> Option<MessageId> {
        let word = |at| u32::from_le_bytes(*payload[at..].first_chunk().expect("4 of 16 bytes"));
        let number = u64::from_le_bytes(*payload.last_chunk().expect("8 of 16 bytes"));
        (word(0) == self.tag()).then(|| MessageId { sender: word(4), number })
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
    use crate::load::dialect::{Dialect, HEAD_MOST};
    use crate::wire::decoder::DecoderLimits;
    use crate::wire::{Decoder, Network};
    use std::collections::BTreeSet;

    fn maker(sizes: RangeInclusive<u32>) -> Maker {
        of_seed(42, sizes)
    }

    fn of_seed(seed: u64, sizes: RangeInclusive<u32>) -> Maker {
        let frames = Frames::new(seed, Network::PRIVATE.magic, "msg".parse().unwrap(), *sizes.end());
        Maker::new(seed, sizes, Codec::Frames(frames))
    }

    /// One of each kind of server.
    fn foreign(sizes: RangeInclusive<u32>) -> impl Iterator<Item = Maker> {
        let codecs = Dialect::ALL.into_iter().filter_map(|dialect| Foreign::new(dialect, 42));
        codecs.map(move |foreign| Maker::new(42, sizes.clone(), Codec::Foreign(foreign)))
    }

    #[test]
    fn a_message_is_a_valid_frame_and_says_whose_it_is() {
        let maker = maker(16..=300);
        let limits = DecoderLimits { magic: Network::PRIVATE.magic, max_payload: 300, max_skip: 0 };
        for number in 0..200 {
            let id = MessageId { sender: 7, number };
            let bytes = maker.delivery(id);
            assert_eq!(maker.claim(&bytes), Some(id));
            let frame = Decoder::new(limits).decode(&mut &bytes[..]).unwrap().unwrap();
            assert_eq!(frame.command().as_str(), "msg");
            assert_eq!(frame.as_bytes(), &maker.delivery(id), "the same again");
        }
    }

    #[test]
    fn whose_it_is_is_known_from_its_head_on_and_never_before() {
        let id = MessageId { sender: 7, number: 1 << 40 };
        for maker in foreign(16..=100_000).chain([maker(16..=100_000)]) {
            let bytes = maker.delivery(id);
            let Head::Message(_, len) = maker.head(&bytes) else { panic!("{maker:?}") };
            assert!(len <= HEAD_MOST, "{maker:?}");
            assert!((0..len).all(|short| maker.head(&bytes[..short]) == Head::Part), "{maker:?}");
            assert!((len..bytes.len()).all(|long| maker.head(&bytes[..long]) == Head::Message(id, len)));
        }
    }

    #[test]
    fn the_payload_is_the_same_in_whatever_it_is_spoken() {
        let id = MessageId { sender: 1, number: 2 };
        let frame = maker(500..=500).delivery(id);
        let payload = &frame[frame.len() - 500..];
        for maker in foreign(500..=500) {
            let bytes = maker.delivery(id);
            assert!(bytes.windows(payload.len()).any(|window| window == payload), "{maker:?}");
        }
    }

    #[test]
    fn no_two_messages_are_alike_and_all_sizes_come() {
        let maker = maker(16..=20);
        let mut seen = BTreeSet::new();
        let mut lengths = BTreeSet::new();
        for sender in 0..10 {
            for number in 0..100 {
                let frame = maker.delivery(MessageId { sender, number });
                lengths.insert(frame.len());
                assert!(seen.insert(frame));
            }
        }
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [40, 41, 42, 43, 44]);
    }

    #[test]
    fn what_another_run_made_is_nobodys() {
        let frame = of_seed(43, 16..=16).delivery(MessageId { sender: 0, number: 0 });
        assert_eq!(maker(16..=16).claim(&frame), None);
    }
}
