//! What the messages of a run are: every one different, and every one known without being kept. Knows how they are
//! spoken; knows no peer and no socket.

use std::ops::RangeInclusive;

use arrayvec::ArrayVec;
use bytes::{Bytes, BytesMut};

use super::dialect::{Codec, Foreign, Frames, Front};
use super::rendering::{Rendering, TRACKS, Track};
use super::writing::{Name, Writing};
use crate::rng::Rng;

/// Fewest bytes of a payload: what says whose it is.
pub const SMALLEST_PAYLOAD: u32 = 16;
/// Numbers from here on are probes': no sender makes so many messages.
const PROBES: u64 = 1 << 47;

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
    /// One for each track.
    codecs: Codecs,
    writing: Writing,
}

/// How a run speaks: in one way, or in two.
pub type Codecs = ArrayVec<Codec, TRACKS>;

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

impl MessageId {
    /// What a peer sends so that others hear it: no message, but told apart and made as one.
    pub fn probe(prober: u32, number: u64) -> Self {
        Self { sender: prober, number: PROBES + number }
    }

    /// Which probe it is, if it is one.
    pub fn probe_number(self) -> Option<u64> {
        self.number.checked_sub(PROBES)
    }
}

impl Maker {
    /// Payloads of `sizes` bytes.
    ///
    /// # Panics
    /// If a payload could not say whose it is, or there is no size at all.
    pub fn new(seed: u64, sizes: RangeInclusive<u32>, codecs: Codecs) -> Self {
        assert!(*sizes.start() >= SMALLEST_PAYLOAD && !sizes.is_empty(), "payloads of {sizes:?} bytes");
        let has_lines = codecs.iter().any(|codec| matches!(codec, Codec::Lines));
        let writing = if has_lines { Writing::Text } else { Writing::Bytes };
        Self { seed, sizes, codecs, writing }
    }

    /// A sender's messages from this one on as they are delivered, at most so many; no more once there are enough
    /// bytes.
    pub fn render(&self, track: Track, first: MessageId, most: u64, enough_bytes: usize) -> Rendering {
        let (mut bytes, mut ends) = (BytesMut::new(), Vec::new());
        while (ends.len() as u64) < most && bytes.len() < enough_bytes {
            self.append(track, MessageId { number: first.number + ends.len() as u64, ..first }, &mut bytes);
            ends.push(bytes.len());
        }
        Rendering::new(bytes.freeze(), ends)
    }

    /// A message as it is delivered, by itself.
    pub fn delivery(&self, track: Track, id: MessageId) -> BytesMut {
        let mut bytes = BytesMut::new();
        self.append(track, id, &mut bytes);
        bytes
    }

    /// The same of a probe, which is its name and nothing else.
    pub fn probe(&self, track: Track, id: MessageId) -> BytesMut {
        let (mut bytes, name) = (BytesMut::new(), self.name(id));
        self.codec(track).open(SMALLEST_PAYLOAD, &mut bytes);
        bytes.extend_from_slice(&name);
        self.codec(track).close(0, &mut bytes);
        bytes
    }

    /// What a sender says so that these messages are delivered.
    pub fn published(&self, track: Track, delivered: &Rendering) -> Bytes {
        self.codec(track).published(delivered.bytes(), delivered.messages())
    }

    fn append(&self, track: Track, id: MessageId, to: &mut BytesMut) {
        let mut rng = self.rng(id);
        let length = self.length(&mut rng);
        let begin = to.len();
        self.codec(track).open(length, to);
        let payload = to.len();
        to.extend_from_slice(&self.name(id));
        let random = to.len();
        to.resize(payload + length as usize, 0);
        self.writing.fill(&mut rng, &mut to[random..]);
        self.codec(track).close(begin, to);
    }

    /// Whose the delivery claims to be that begins with `front`. From [`HEAD_MOST`](super::dialect::HEAD_MOST) bytes
    /// it can be said.
    pub fn head(&self, track: Track, front: &[u8]) -> Head {
        let at = match self.codec(track).front(front) {
            Front::Part => return Head::Part,
            Front::Other => return Head::Other,
            Front::Payload(at) => at,
        };
        let Some(name) = front.get(at..).and_then(|rest| rest.first_chunk()) else { return Head::Part };
        let named = self.writing.named(self.tag(), name);
        named.map_or(Head::Other, |id| Head::Message(id, at + name.len()))
    }

    /// The same of a whole delivery.
    pub fn claim(&self, track: Track, delivery: &[u8]) -> Option<MessageId> {
        match self.head(track, delivery) {
            Head::Message(id, _) => Some(id),
            Head::Part | Head::Other => None,
        }
    }

    /// How the run speaks with those on this track.
    pub fn codec(&self, track: Track) -> &Codec {
        &self.codecs[track as usize]
    }

    /// In how many ways it speaks.
    pub fn tracks(&self) -> impl Iterator<Item = Track> + use<> {
        Track::ALL.into_iter().take(self.codecs.len())
    }

    /// Where that is in frames: how.
    pub fn frames(&self, track: Track) -> Option<&Frames> {
        match self.codec(track) {
            Codec::Frames(frames) => Some(frames),
            Codec::Lines | Codec::Foreign(_) => None,
        }
    }

    /// Where the server is no relay: how the run speaks with it.
    pub fn foreign(&self, track: Track) -> Option<&Foreign> {
        match self.codec(track) {
            Codec::Frames(_) | Codec::Lines => None,
            Codec::Foreign(foreign) => Some(foreign),
        }
    }

    /// Most bytes of a payload.
    pub fn largest(&self) -> u32 {
        *self.sizes.end()
    }

    fn name(&self, id: MessageId) -> Name {
        self.writing.name(self.tag(), id)
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
        Maker::new(seed, sizes, Codecs::from_iter([Codec::Frames(frames)]))
    }

    /// Frames on the first track, lines on the second.
    fn mixed(sizes: RangeInclusive<u32>) -> Maker {
        let frames = Frames::new(42, Network::PRIVATE.magic, "msg".parse().unwrap(), *sizes.end());
        Maker::new(42, sizes, Codecs::from([Codec::Frames(frames), Codec::Lines]))
    }

    /// One of each kind of server.
    fn foreign(sizes: RangeInclusive<u32>) -> impl Iterator<Item = Maker> {
        let codecs = Dialect::ALL.into_iter().filter_map(|dialect| Foreign::new(dialect, 42));
        codecs.map(move |foreign| Maker::new(42, sizes.clone(), Codecs::from_iter([Codec::Foreign(foreign)])))
    }

    #[test]
    fn a_message_is_a_valid_frame_and_says_whose_it_is() {
        let maker = maker(16..=300);
        let limits = DecoderLimits { magic: Network::PRIVATE.magic, max_payload: 300, max_skip: 0 };
        for number in 0..200 {
            let id = MessageId { sender: 7, number };
            let bytes = maker.delivery(Track::First, id);
            assert_eq!(maker.claim(Track::First, &bytes), Some(id));
            let frame = Decoder::new(limits).decode(&mut &bytes[..]).unwrap().unwrap();
            assert_eq!(frame.command().as_str(), "msg");
            assert_eq!(frame.as_bytes(), &maker.delivery(Track::First, id), "the same again");
        }
    }

    #[test]
    fn a_line_is_the_frames_payload_and_printable() {
        let maker = mixed(16..=300);
        for number in 0..200 {
            for id in [MessageId { sender: 7, number }, MessageId::probe(7, number)] {
                let make = |track| match id.probe_number() {
                    None => maker.delivery(track, id),
                    Some(_) => maker.probe(track, id),
                };
                let (frame, line) = (make(Track::First), make(Track::Second));
                assert_eq!(maker.claim(Track::Second, &line), Some(id));
                assert_eq!(maker.claim(Track::First, &frame), Some(id));
                let (payload, end) = line.split_at(line.len() - 1);
                assert_eq!((payload, end), (&frame[24..], b"\n".as_slice()));
                assert_eq!(crate::wire::printable(payload).as_bytes(), payload);
            }
        }
    }

    #[test]
    fn what_is_rendered_for_one_track_has_the_same_messages_as_for_the_other() {
        let (maker, first) = (mixed(16..=300), MessageId { sender: 3, number: 10 });
        let frames = maker.render(Track::First, first, 1000, 5000);
        let count = frames.messages().count();
        assert!((10..300).contains(&count) && frames.bytes().len() < 5000 + 324);
        let lines = maker.render(Track::Second, first, count as u64, usize::MAX);
        let payloads = frames.messages().map(|frame| &frame[24..]);
        assert!(payloads.eq(lines.messages().map(|line| &line[..line.len() - 1])));
        assert_eq!(lines.messages().count(), count);
    }

    #[test]
    fn whose_it_is_is_known_from_its_head_on_and_never_before() {
        let id = MessageId { sender: 7, number: 1 << 40 };
        for maker in foreign(16..=100_000).chain([maker(16..=100_000), mixed(16..=100_000)]) {
            for track in maker.tracks() {
                let bytes = maker.delivery(track, id);
                let head = |len| maker.head(track, &bytes[..len]);
                let Head::Message(_, len) = head(bytes.len()) else { panic!("{maker:?}") };
                assert!(len <= HEAD_MOST, "{maker:?}");
                assert!((0..len).all(|short| head(short) == Head::Part), "{maker:?}");
                assert!((len..bytes.len()).all(|long| head(long) == Head::Message(id, len)));
            }
        }
    }

    #[test]
    fn the_payload_is_the_same_in_whatever_it_is_spoken() {
        let id = MessageId { sender: 1, number: 2 };
        let frame = maker(500..=500).delivery(Track::First, id);
        let payload = &frame[frame.len() - 500..];
        for maker in foreign(500..=500) {
            let bytes = maker.delivery(Track::First, id);
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
                let frame = maker.delivery(Track::First, MessageId { sender, number });
                lengths.insert(frame.len());
                assert!(seen.insert(frame));
            }
        }
        assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [40, 41, 42, 43, 44]);
    }

    #[test]
    fn what_another_run_made_is_nobodys() {
        let frame = of_seed(43, 16..=16).delivery(Track::First, MessageId { sender: 0, number: 0 });
        assert_eq!(maker(16..=16).claim(Track::First, &frame), None);
    }
}
