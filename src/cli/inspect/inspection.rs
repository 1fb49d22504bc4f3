//! What a stream says, finding by finding, and where each of its bytes went. Knows the relay's decoder; knows no
//! file and no way to show anything.

use crate::wire::decoder::DecoderLimits;
use crate::wire::{Checksum, Command, DecodeError, Decoder, Frame, Header, Magic};

/// A stream under inspection: fed in pieces of any size, it tells the same.
///
/// It is judged as the relay judges it, but that the window slides on for ever: behind junk, a header that
/// cannot be one and a frame whose checksum fails are junk themselves, and are no findings.
///
/// Every byte is of one kind: of a good frame, of a bad one, skipped, or of what the end cut short. Of an
/// oversize frame only the header is the frame's: the relay reads nothing behind it, and here the search goes
/// on there as at the beginning of a stream.
#[derive(Debug)]
pub struct Inspection {
    decoder: Decoder,
    /// Bytes fed.
    position: u64,
    /// Bytes skipped up to the last finding.
    skipped_before: u64,
    good: Tally,
    bad: Tally,
    /// The last frame with a bad command: its payload passes unseen, and may not be there.
    passing: Option<Extent>,
}

/// Something that stands in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where in the stream its first byte is.
    pub offset: u64,
    /// Bytes skipped between the last finding and this one.
    pub skipped: u64,
    /// Bytes of payload its header claims.
    pub length: u32,
    /// What it is.
    pub verdict: Verdict,
}

/// What the decoder says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The relay would pass it on.
    Good(Command),
    /// Its payload is another than its header speaks of.
    BadChecksum {
        /// What it is called.
        command: Command,
        /// The checksum in the header.
        says: Checksum,
        /// The checksum of what came.
        gives: Checksum,
    },
    /// Its command is none, and these bytes.
    BadCommand([u8; Command::LEN]),
    /// It claims more than so many bytes.
    Oversize(u32),
}

/// Frames and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub frames: u64,
    /// Bytes of them all, headers included.
    pub bytes: u64,
}

/// What it all comes to. `bytes` is what `good`, `bad`, `skipped` and `unfinished` have together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Bytes of the stream.
    pub bytes: u64,
    /// Frames the relay would pass on.
    pub good: Tally,
    /// Bad checksums, bad commands, oversize headers.
    pub bad: Tally,
    /// Bytes skipped.
    pub skipped: u64,
    /// Those of them behind the last finding.
    pub skipped_at_end: u64,
    /// What the end cut short.
    pub unfinished: Option<Unfinished>,
}

/// A frame the stream ends in. One with a bad command is counted as a frame among the bad, with no bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// Where its first byte is.
    pub offset: u64,
    /// Bytes that are there.
    pub bytes: u64,
    /// Bytes of the part that is cut.
    pub of: u64,
    /// Which part that is.
    pub part: Part,
}

/// What of a frame can be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Nobody knows yet how long it is, or whether it is one.
    Header,
    /// Its header is whole.
    Frame,
}

#[derive(Clone, Copy, Debug)]
struct Extent {
    offset: u64,
    len: u64,
}

impl Inspection {
    /// At the beginning of a stream.
    pub fn new(magic: Magic, max_payload: u32) -> Self {
        let limits = DecoderLimits { magic, max_payload, max_skip: u64::MAX };
        Self {
            decoder: Decoder::new(limits),
            position: 0,
            skipped_before: 0,
            good: Tally::default(),
            bad: Tally::default(),
            passing: None,
        }
    }

    /// The next finding, or `None` once `input` is used up. Consumes what it has seen.
    pub fn find(&mut self, input: &mut &[u8]) -> Option<Finding> {
        let before = input.len();
        let decoded = self.decoder.decode(input);
        self.position += (before - input.len()) as u64;
        match decoded {
            Ok(None) => None,
            Ok(Some(frame)) => Some(self.good(&frame)),
            Err(DecodeError::Checksum { header, found }) => Some(self.bad_checksum(&header, found)),
            Err(DecodeError::Command { raw }) => Some(self.bad_command(raw)),
            Err(DecodeError::Oversize { length, allowed }) => Some(self.oversize(length, allowed)),
            Err(DecodeError::Magic { .. }) => unreachable!("nobody has sent 2^64 bytes"),
        }
    }

    /// The stream is over.
    pub fn finish(mut self) -> Summary {
        let unfinished = self.unfinished();
        Summary {
            bytes: self.position,
            good: self.good,
            bad: self.bad,
            skipped: self.decoder.skipped(),
            skipped_at_end: self.decoder.skipped() - self.skipped_before,
            unfinished,
        }
    }

    fn good(&mut self, frame: &Frame<'_>) -> Finding {
        let header = frame.header();
        self.good.add(header.frame_len() as u64);
        self.found(header.frame_len(), header.length, Verdict::Good(header.command))
    }

    fn bad_checksum(&mut self, header: &Header, gives: Checksum) -> Finding {
        self.bad.add(header.frame_len() as u64);
        let verdict = Verdict::BadChecksum { command: header.command, says: header.checksum, gives };
        self.found(header.frame_len(), header.length, verdict)
    }

    /// The decoder stands behind the header. What it is about to pass over is the payload, if there is one: a
    /// bad command is an offence only where nothing was skipped, so else it would be finished.
    fn bad_command(&mut self, raw: [u8; Command::LEN]) -> Finding {
        let length = if self.decoder.is_unfinished() { self.decoder.wants() } else { 0 };
        let finding = self.found(Header::LEN, length as u32, Verdict::BadCommand(raw)); // a claim is a u32
        let extent = Extent { offset: finding.offset, len: (Header::LEN + length) as u64 };
        self.bad.add(extent.len);
        self.passing = Some(extent);
        finding
    }

    fn oversize(&mut self, length: u32, allowed: u32) -> Finding {
        self.decoder.abandon();
        self.bad.add(Header::LEN as u64);
        self.found(Header::LEN, length, Verdict::Oversize(allowed))
    }

    /// What ends here and was so many bytes long.
    fn found(&mut self, len: usize, length: u32, verdict: Verdict) -> Finding {
        let skipped = self.decoder.skipped() - self.skipped_before;
        self.skipped_before = self.decoder.skipped();
        Finding { offset: self.position - len as u64, skipped, length, verdict }
    }

    /// What is left of the stream when everything else has been accounted for.
    fn unfinished(&mut self) -> Option<Unfinished> {
        if let Some(Extent { offset, len }) = self.passing
            && self.position < offset + len
        {
            self.bad.bytes -= len;
            return Some(Unfinished { offset, bytes: self.position - offset, of: len, part: Part::Frame });
        }
        let bytes = self.position - self.good.bytes - self.bad.bytes - self.decoder.skipped();
        let part = if bytes < Header::LEN as u64 { Part::Header } else { Part::Frame };
        let of = bytes + self.decoder.wants() as u64;
        (bytes > 0).then(|| Unfinished { offset: self.position - bytes, bytes, of, part })
    }
}

impl Tally {
    fn add(&mut self, bytes: u64) {
        self.frames += 1;
        self.bytes += bytes;
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;
    use crate::wire::Network;

    const MAGIC: Magic = Network::PRIVATE.magic;
    const MAX_PAYLOAD: u32 = 60;

    fn frame(payload: &[u8]) -> Vec<u8> {
        Frame::encode(MAGIC, "msg".parse().unwrap(), payload).as_bytes().to_vec()
    }

    fn with(mut bytes: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
        bytes[at] = byte;
        bytes
    }

    fn bad_checksum(payload: &[u8]) -> Vec<u8> {
        let bytes = frame(payload);
        let other = bytes[20] ^ 1;
        with(bytes, 20, other)
    }

    fn bad_command(payload: &[u8]) -> Vec<u8> {
        with(frame(payload), 5, 7)
    }

    fn oversize() -> Vec<u8> {
        with(frame(b""), 17, 1) // claims 256
    }

    /// All that is found in a stream that comes in these pieces.
    fn inspect<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Finding>, Summary) {
        let mut inspection = Inspection::new(MAGIC, MAX_PAYLOAD);
        let mut findings = Vec::new();
        for mut piece in pieces {
            findings.extend(std::iter::from_fn(|| inspection.find(&mut piece)));
            assert!(piece.is_empty());
        }
        (findings, inspection.finish())
    }

    fn shape(stream: &[u8]) -> Vec<(u64, u64, u32)> {
        inspect([stream]).0.iter().map(|found| (found.offset, found.skipped, found.length)).collect()
    }

    #[test]
    fn an_empty_stream_has_nothing() {
        let (findings, summary) = inspect([]);
        assert_eq!(findings, []);
        assert_eq!((summary.bytes, summary.unfinished), (0, None));
    }

    #[test]
    fn a_frame_behind_junk_is_told_with_the_junk() {
        let stream = [b"<".to_vec(), frame(b"one"), frame(b""), b"<<<".to_vec(), frame(b"three")].concat();
        assert_eq!(shape(&stream), [(1, 1, 3), (28, 0, 0), (55, 3, 5)]);
    }

    #[test]
    fn a_bad_checksum_says_what_was_claimed_and_what_came() {
        let (findings, summary) = inspect([bad_checksum(b"").as_slice()]);
        let says = Checksum([0x5c, 0xf6, 0xe0, 0xe2]);
        let command = "msg".parse().unwrap();
        let verdict = Verdict::BadChecksum { command, says, gives: Checksum::EMPTY };
        assert_eq!(findings, [Finding { offset: 0, skipped: 0, length: 0, verdict }]);
        assert_eq!(summary.bad, Tally { frames: 1, bytes: 24 });
    }

    #[test]
    fn behind_junk_what_is_bad_is_junk() {
        for bad in [bad_checksum(b"four"), bad_command(b"four"), oversize()] {
            let stream = [b"<".to_vec(), bad.clone(), frame(b"")].concat();
            assert_eq!(shape(&stream), [(1 + bad.len() as u64, 1 + bad.len() as u64, 0)]);
        }
    }

    #[test]
    fn behind_an_oversize_header_the_search_goes_on() {
        let stream = [oversize(), bad_command(b"pay"), oversize(), b"<<".to_vec(), frame(b"four")].concat();
        assert_eq!(shape(&stream), [(0, 0, 256), (24, 0, 3), (51, 0, 256), (77, 2, 4)]);
    }

    #[test]
    fn a_bad_command_claims_what_its_header_says() {
        for len in [0, 1, 23, 24, 25, 60] {
            let stream = [bad_command(&vec![1; len]), frame(b"")].concat();
            assert_eq!(shape(&stream), [(0, 0, len as u32), (24 + len as u64, 0, 0)]);
        }
    }

    #[test]
    fn the_end_says_what_it_cut() {
        for (whole, counted) in
            [(frame(&[1; 16]), 0), (bad_checksum(&[1; 16]), 0), (bad_command(&[1; 16]), 1)]
        {
            for len in 1..whole.len() {
                let (_, summary) = inspect([[&frame(b""), &whole[..len]].concat().as_slice()]);
                let (part, of) = if len < 24 { (Part::Header, 24) } else { (Part::Frame, 40) };
                let unfinished = Unfinished { offset: 24, bytes: len as u64, of, part };
                assert_eq!(summary.unfinished, Some(unfinished), "{len} bytes of {whole:?}");
                let frames = if len < 24 { 0 } else { counted };
                assert_eq!(summary.bad, Tally { frames, bytes: 0 });
            }
        }
        let (_, summary) = inspect([[frame(b""), b"<<<".to_vec()].concat().as_slice()]);
        assert_eq!((summary.skipped_at_end, summary.unfinished), (3, None));
    }

    fn payload() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![3 => select(MAGIC.0.to_vec()), 1 => any::<u8>()];
        prop_oneof![Just(frame(b"inner")), vec(byte, 0..=MAX_PAYLOAD as usize)]
    }

    fn piece() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            3 => payload().prop_map(|payload| frame(&payload)),
            1 => payload().prop_map(|payload| bad_checksum(&payload)),
            1 => payload().prop_map(|payload| bad_command(&payload)),
            1 => Just(oversize()),
            2 => payload(),
            1 => (payload(), any::<Index>()).prop_map(|(payload, at)| {
                let bytes = frame(&payload);
                bytes[..at.index(bytes.len())].to_vec()
            }),
        ]
    }

    /// Bytes of a finding that are there when `left` are.
    fn extent(finding: &Finding, left: u64) -> u64 {
        let payload = match finding.verdict {
            Verdict::Oversize(_) => 0,
            Verdict::Good(_) | Verdict::BadChecksum { .. } | Verdict::BadCommand(_) => finding.length,
        };
        left.min(Header::LEN as u64 + u64::from(payload))
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_byte_is_accounted_for_however_the_stream_is_cut(
            pieces in vec(piece(), 0..12),
            cuts in vec(any::<Index>(), 0..8),
            end in proptest::option::of(any::<Index>()),
        ) {
            let mut stream = pieces.concat();
            stream.truncate(end.map_or(stream.len(), |end| end.index(stream.len() + 1)));
            let (findings, summary) = inspect([stream.as_slice()]);
            let mut at = 0;
            for found in &findings {
                prop_assert_eq!(found.offset, at + found.skipped, "findings and gaps touch");
                at = found.offset + extent(found, stream.len() as u64 - found.offset);
                if let Verdict::Good(command) = found.verdict {
                    let bytes = &stream[found.offset as usize..at as usize];
                    let again = Frame::encode(MAGIC, command, &bytes[Header::LEN..]);
                    prop_assert_eq!(again.as_bytes(), bytes);
                }
            }
            let unfinished = summary.unfinished.map_or(0, |cut| cut.bytes);
            let parts = summary.good.bytes + summary.bad.bytes + summary.skipped + unfinished;
            prop_assert_eq!(parts, stream.len() as u64);
            prop_assert_eq!(summary.bytes, stream.len() as u64);
            prop_assert_eq!(summary.good.frames + summary.bad.frames, findings.len() as u64);
            let skipped: u64 = findings.iter().map(|found| found.skipped).sum();
            prop_assert_eq!(skipped + summary.skipped_at_end, summary.skipped);

            let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            at.extend([0, stream.len()]);
            at.sort_unstable();
            let cut = at.windows(2).map(|ends| &stream[ends[0]..ends[1]]);
            prop_assert_eq!(inspect(cut), (findings.clone(), summary));
            prop_assert_eq!(inspect(stream.chunks(1)), (findings, summary));
        }
    }
}
