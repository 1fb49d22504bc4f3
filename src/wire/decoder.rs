//! Frames from bytes: seek the magic, then a header, then its payload. Knows the 24-byte header and the
//! sliding window; knows no peer, socket or clock.
//!
//! ```text
//!            ┌──────────── magic not here: slide on, at most max_skip bytes ─────────┐
//!            ▼                                                                       │
//!   input → Seeking ── header in hand ─→ Collecting ── payload whole, checksum fits ─┴→ Frame
//!                 └─ command unprintable → Discarding
//! ```

use std::borrow::Cow;

use bytes::Buf;
use memchr::memmem;
use thiserror::Error;

use super::partial::{Collected, Window};
use super::{Checksum, Command, Frame, Header, Magic};

/// What a decoder accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecoderLimits {
    /// What every frame begins with.
    pub magic: Magic,
    /// Most bytes of payload a header may claim.
    pub max_payload: u32,
    /// Most bytes the window slides over between two valid frames; one more is an error.
    pub max_skip: u64,
}

/// One stream's decoder. Between frames it holds no memory of its own but what `size_of` says; within one
/// it holds what has arrived, never what a header claims.
#[derive(Debug)]
pub struct Decoder {
    limits: DecoderLimits,
    /// Bytes skipped since the last valid frame.
    gap: u64,
    skipped: u64,
    passed: u32,
    state: State,
}

#[derive(Debug)]
enum State {
    Seeking(Window),
    Collecting(Box<Collected>),
    /// The payload of a frame that is an error already: it passes unseen.
    Discarding(u32),
}

/// How a stream breaks the framing.
///
/// After `Command` and `Checksum` the stream is still in step, and decoding may go on behind the frame; after
/// `Oversize` it is if the header's claim is believed. After `Magic` nobody can say where the next frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The window slid as far as it may, and one byte more, and there was no frame.
    #[error("more than {allowed} bytes that are no frame of ours")]
    Magic {
        /// As in [`DecoderLimits::max_skip`].
        allowed: u64,
    },
    /// The header claims too much. Nothing behind it was read.
    #[error("a header claims {length} B, {allowed} are allowed")]
    Oversize {
        /// Bytes of payload claimed.
        length: u32,
        /// As in [`DecoderLimits::max_payload`].
        allowed: u32,
    },
    /// The command is not one. Its payload will be passed over if decoding goes on.
    #[error("the command {} is not printable and NUL-padded", .raw.escape_ascii())]
    Command {
        /// As on the wire.
        raw: [u8; Command::LEN],
    },
    /// The payload is not what the header says. It has been consumed.
    #[error("{}, {} B: header says {}, payload gives {found}", .header.command, .header.length, .header.checksum)]
    Checksum {
        /// The header, with the checksum it claims.
        header: Header,
        /// The checksum of what came.
        found: Checksum,
    },
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub fn new(limits: DecoderLimits) -> Self {
        Self { limits, gap: 0, skipped: 0, passed: 0, state: State::SEEKING }
    }

    /// The next frame in what has arrived, or `None` once `input` is used up. Consumes what it has seen.
    ///
    /// The frame is a slice of the input when it lies there whole, else it owns the bytes collected; it
    /// never borrows the decoder.
    pub fn decode<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Frame<'i>>, DecodeError> {
        loop {
            match &mut self.state {
                State::Seeking(window) if window.len == 0 => {
                    if !self.slide(input)? {
                        return Ok(None);
                    }
                    if let Some(frame) = self.whole(input)? {
                        return Ok(Some(frame));
                    }
                }
                State::Seeking(_) => {
                    if !self.fill_window(input)? {
                        return Ok(None);
                    }
                }
                State::Collecting(collected) => {
                    if !collected.take(input) {
                        return Ok(None);
                    }
                    if let Some(frame) = self.finish()? {
                        return Ok(Some(frame));
                    }
                }
                State::Discarding(left) => {
                    let here = input.len().min(*left as usize);
                    input.advance(here);
                    *left -= here as u32; // no more than it was
                    if *left > 0 {
                        return Ok(None);
                    }
                    self.passed = self.passed.wrapping_add(1);
                    self.state = State::SEEKING;
                }
            }
        }
    }

    /// Whether anything has come since the last valid frame: a part of the next, or bytes skipped.
    pub fn is_unfinished(&self) -> bool {
        self.gap > 0 || !matches!(self.state, State::Seeking(Window { len: 0, .. }))
    }

    /// The fewest bytes that complete the header or the payload now arriving. Never zero.
    pub fn wants(&self) -> usize {
        match &self.state {
            State::Seeking(window) => Header::LEN - usize::from(window.len),
            State::Collecting(collected) => collected.lacks(),
            State::Discarding(left) => *left as usize,
        }
    }

    /// Bytes of the header or the frame now arriving that have come.
    pub fn begun(&self) -> usize {
        match &self.state {
            State::Seeking(window) => usize::from(window.len),
            State::Collecting(collected) => collected.len(),
            State::Discarding(_) => 0,
        }
    }

    /// Grows, and wraps, whenever a frame has passed to its last byte, valid or not: what comes then is another.
    pub fn passed(&self) -> u32 {
        self.passed
    }

    /// Bytes skipped in all, in search of the magic.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Bytes allocated for the unfinished frame.
    pub fn memory(&self) -> usize {
        match &self.state {
            State::Collecting(collected) => collected.memory(),
            State::Seeking(_) | State::Discarding(_) => 0,
        }
    }

    /// Forgets the unfinished frame and frees what it held.
    pub fn abandon(&mut self) {
        self.gap = 0;
        self.state = State::SEEKING;
    }

    /// Seeking with nothing held: skips to the next magic. False when the input ends before a whole header;
    /// what may be the beginning of one is then held.
    fn slide(&mut self, input: &mut &[u8]) -> Result<bool, DecodeError> {
        let magic = &self.limits.magic.0;
        let junk = if input.starts_with(magic) { 0 } else { junk_before(input, magic) };
        self.skip(junk as u64)?;
        input.advance(junk);
        if input.len() >= Header::LEN {
            return Ok(true);
        }
        self.state = State::Seeking(Window::holding(input));
        input.advance(input.len());
        Ok(false)
    }

    /// Seeking, and the input begins with a whole header: the frame, when its payload is there whole too.
    fn whole<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Frame<'i>>, DecodeError> {
        let bytes: &'i [u8] = input;
        let raw = *bytes.first_chunk().expect("slide found a whole header");
        let header = match self.judge(&raw) {
            Verdict::Header(header) => header,
            Verdict::Junk => {
                input.advance(1);
                return self.skip(1).map(|()| None);
            }
            Verdict::Offence(error) => {
                input.advance(Header::LEN);
                self.pass_over(&raw);
                return Err(error);
            }
        };
        let Some(bytes) = bytes.get(..header.frame_len()) else {
            input.advance(Header::LEN);
            self.state = State::Collecting(Collected::beginning(header, raw));
            return Ok(None);
        };
        input.advance(bytes.len());
        self.verify(header, Checksum::of(&bytes[Header::LEN..]), Cow::Borrowed(bytes))
    }

    /// Seeking with something held: adds to it until it is a whole header, slides where it is not. False
    /// when the input ends before that.
    fn fill_window(&mut self, input: &mut &[u8]) -> Result<bool, DecodeError> {
        let State::Seeking(window) = &mut self.state else { unreachable!("only seeking has a window") };
        window.fill(input);
        let junk = junk_before(window.as_slice(), &self.limits.magic.0);
        if junk > 0 {
            window.drop_front(junk);
            self.skip(junk as u64)?;
            return Ok(true);
        }
        if usize::from(window.len) < Header::LEN {
            return Ok(false);
        }
        let raw = window.held;
        match self.judge(&raw) {
            Verdict::Header(header) => {
                self.state = State::Collecting(Collected::beginning(header, raw));
                Ok(true)
            }
            Verdict::Junk => {
                self.state = State::Seeking(Window::holding(&raw[1..]));
                self.skip(1).map(|()| true)
            }
            Verdict::Offence(error) => {
                self.pass_over(&raw);
                Err(error)
            }
        }
    }

    /// The payload is whole: judges it.
    fn finish(&mut self) -> Result<Option<Frame<'static>>, DecodeError> {
        let State::Collecting(collected) = std::mem::replace(&mut self.state, State::SEEKING) else {
            unreachable!("only a collected frame is finished")
        };
        let (header, bytes, found) = collected.finish();
        self.verify(header, found, Cow::Owned(bytes))
    }

    /// What 24 bytes that begin with the magic are. After a gap a header that cannot be is no header at all.
    fn judge(&self, raw: &[u8; Header::LEN]) -> Verdict {
        match parse_header(raw, self.limits.max_payload) {
            Ok(header) => Verdict::Header(header),
            Err(_) if self.gap > 0 => Verdict::Junk,
            Err(error) => Verdict::Offence(error),
        }
    }

    /// A frame, if its payload is the one its header speaks of. After a gap one that is not was junk as a
    /// whole.
    fn verify<'i>(
        &mut self,
        header: Header,
        found: Checksum,
        bytes: Cow<'i, [u8]>,
    ) -> Result<Option<Frame<'i>>, DecodeError> {
        if found == header.checksum {
            self.gap = 0;
            self.passed = self.passed.wrapping_add(1);
            return Ok(Some(Frame::verified(header, bytes)));
        }
        if self.gap > 0 {
            return self.skip(bytes.len() as u64).map(|()| None);
        }
        self.passed = self.passed.wrapping_add(1);
        Err(DecodeError::Checksum { header, found })
    }

    /// Behind a header that is an offence: what it claims to stand before is passed over.
    fn pass_over(&mut self, raw: &[u8; Header::LEN]) {
        self.state = match claimed_length(raw) {
            0 => State::SEEKING,
            left => State::Discarding(left),
        };
        if matches!(self.state, State::Seeking(_)) {
            self.passed = self.passed.wrapping_add(1);
        }
    }

    /// The window slides over `count` bytes, but no further than one byte too far: however the stream was
    /// cut, the same bytes are counted.
    fn skip(&mut self, count: u64) -> Result<(), DecodeError> {
        let allowed = self.limits.max_skip;
        let left = allowed.saturating_sub(self.gap);
        let slid = count.min(left.saturating_add(1));
        self.gap += slid;
        self.skipped += slid;
        if count > left { Err(DecodeError::Magic { allowed }) } else { Ok(()) }
    }
}

/// What 24 bytes that begin with the magic are.
enum Verdict {
    Header(Header),
    /// No header: its first byte is junk, and the search goes on behind that.
    Junk,
    Offence(DecodeError),
}

impl State {
    /// Between frames, nothing held.
    const SEEKING: Self = Self::Seeking(Window { held: [0; Header::LEN], len: 0 });
}

/// How many bytes stand before the magic; where there is none, before what could become it.
fn junk_before(bytes: &[u8], magic: &[u8; 4]) -> usize {
    memmem::find(bytes, magic).unwrap_or_else(|| {
        let tail = (1..magic.len()).rev().find(|&len| bytes.ends_with(&magic[..len])).unwrap_or(0);
        bytes.len() - tail
    })
}

/// In the order the law judges: length, then command.
fn parse_header(raw: &[u8; Header::LEN], max_payload: u32) -> Result<Header, DecodeError> {
    let length = claimed_length(raw);
    if length > max_payload {
        return Err(DecodeError::Oversize { length, allowed: max_payload });
    }
    let (_, rest) = raw.split_at(4);
    let name = *rest.first_chunk().expect("12 of 20 bytes");
    let command = Command::parse(name).map_err(|_| DecodeError::Command { raw: name })?;
    let checksum = Checksum(*raw.last_chunk().expect("4 of 24 bytes"));
    Ok(Header { command, length, checksum })
}

fn claimed_length(raw: &[u8; Header::LEN]) -> u32 {
    u32::from_le_bytes([raw[16], raw[17], raw[18], raw[19]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Network;

    const MAGIC: Magic = Network::PRIVATE.magic;

    fn decoder() -> Decoder {
        Decoder::new(DecoderLimits { magic: MAGIC, max_payload: 1000, max_skip: 23 })
    }

    fn frame(payload: &[u8]) -> Vec<u8> {
        Frame::encode(MAGIC, "msg".parse().unwrap(), payload).as_bytes().to_vec()
    }

    #[test]
    fn a_frame_that_lies_whole_in_the_input_is_a_slice_of_it() {
        let wire = frame(b"hello");
        let mut input = wire.as_slice();
        let decoded = decoder().decode(&mut input).unwrap().unwrap();
        assert!(matches!(decoded.into_bytes(), Cow::Borrowed(bytes) if std::ptr::eq(bytes, wire.as_slice())));
        assert!(input.is_empty());
    }

    #[test]
    fn between_frames_nothing_is_held() {
        let mut decoder = decoder();
        assert!(!decoder.is_unfinished());
        let wire = frame(b"hello");
        assert_eq!(decoder.decode(&mut &wire[..25]), Ok(None));
        assert!(decoder.is_unfinished() && decoder.memory() > 0);
        assert_eq!(decoder.wants(), 4);
        assert_eq!(decoder.decode(&mut &wire[25..]).unwrap().unwrap().payload(), b"hello");
        assert!(!decoder.is_unfinished());
        assert_eq!(decoder.memory(), 0);
    }

    #[test]
    fn whoever_has_sent_nothing_but_junk_is_in_the_middle_of_something() {
        let mut decoder = decoder();
        assert_eq!(decoder.decode(&mut b"junk".as_slice()), Ok(None));
        assert_eq!((decoder.is_unfinished(), decoder.memory(), decoder.wants()), (true, 0, Header::LEN));
        decoder.abandon();
        assert!(!decoder.is_unfinished());
    }

    #[test]
    fn a_frame_has_passed_with_its_last_byte_whether_it_is_valid_or_not() {
        let (mut spoilt, mut unprintable, mut empty) = (frame(b"first"), frame(b"second"), frame(b""));
        *spoilt.last_mut().unwrap() ^= 1;
        (unprintable[5], empty[5]) = (7, 7);
        for wire in [frame(b"valid"), spoilt, unprintable, empty] {
            for split in [1, 10_000] {
                let mut decoder = decoder();
                let (before, last) = wire.split_at(wire.len() - 1);
                for (mut piece, passed) in before.chunks(split).map(|piece| (piece, 0)).chain([(last, 1)]) {
                    while decoder.decode(&mut piece) != Ok(None) {}
                    assert_eq!(decoder.passed(), passed, "in pieces of {split}: {}", wire.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn a_claim_allocates_nothing() {
        let limits = DecoderLimits { magic: MAGIC, max_payload: u32::MAX, max_skip: 23 };
        let mut decoder = Decoder::new(limits);
        let header =
            Header { command: "block".parse().unwrap(), length: u32::MAX, checksum: Checksum::EMPTY }
                .encode(MAGIC);
        assert_eq!(decoder.decode(&mut header.as_slice()), Ok(None));
        assert_eq!(decoder.decode(&mut [0; 100].as_slice()), Ok(None));
        assert!(decoder.memory() <= 1024, "{} bytes held for 124 received", decoder.memory());
    }

    #[test]
    fn a_buffer_never_grows_past_its_frame() {
        let mut decoder = decoder();
        let wire = frame(&[7; 1000]);
        for byte in &wire[..wire.len() - 1] {
            assert_eq!(decoder.decode(&mut std::slice::from_ref(byte)), Ok(None));
            assert!(decoder.memory() <= size_of::<Collected>() + wire.len());
        }
        let last = decoder.decode(&mut &wire[wire.len() - 1..]).unwrap().unwrap();
        assert_eq!(last.as_bytes(), wire);
    }

    #[test]
    fn an_oversize_header_is_an_error_at_its_last_byte() {
        let header =
            Header { command: "x".parse().unwrap(), length: 1001, checksum: Checksum::EMPTY }.encode(MAGIC);
        let mut decoder = decoder();
        assert_eq!(decoder.decode(&mut &header[..23]), Ok(None));
        let error = decoder.decode(&mut &header[23..]);
        assert_eq!(error, Err(DecodeError::Oversize { length: 1001, allowed: 1000 }));
    }

    #[test]
    fn after_a_bad_checksum_and_a_bad_command_the_stream_is_still_in_step() {
        for split in [1, 7, 10_000] {
            let mut wire = frame(b"first");
            *wire.last_mut().unwrap() ^= 1;
            let mut unprintable = frame(b"second");
            unprintable[5] = 7;
            wire.extend(unprintable);
            wire.extend(frame(b"third"));
            let mut decoder = decoder();
            let mut seen = Vec::new();
            for mut piece in wire.chunks(split) {
                loop {
                    match decoder.decode(&mut piece) {
                        Ok(None) => break,
                        Ok(Some(frame)) => seen.push(String::from_utf8(frame.payload().to_vec()).unwrap()),
                        Err(DecodeError::Checksum { .. }) => seen.push("checksum".into()),
                        Err(DecodeError::Command { .. }) => seen.push("command".into()),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            assert_eq!(seen, ["checksum", "command", "third"], "in pieces of {split}");
        }
    }
}
