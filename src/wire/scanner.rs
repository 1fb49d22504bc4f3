//! Frames from bytes: seek the magic, then a header, then its payload. Knows the 24-byte header and the
//! sliding window; is told the limits, which many streams share; knows no peer, socket or clock.
//!
//! ```text
//!            ┌──────────── magic not here: slide on, at most max_skip bytes ─────────┐
//!            ▼                                                                       │
//!   input → Seeking ── header in hand ─→ Payload ──── payload whole, checksum fits ──┴→ Frame
//!                 └─ command unprintable → Discarding
//! ```

use std::borrow::Cow;

use bytes::Buf;
use memchr::memmem;
use thiserror::Error;

use super::checksum::Sha256d;
use super::decoder::DecoderLimits;
use super::partial::{Collected, Partial, Window};
use super::{Checksum, Command, Frame, Header};

/// One stream among its frames: all that a [`Decoder`](super::Decoder) is beside its limits. Between frames it holds
/// no memory of its own but what `size_of` says; within one it holds what has arrived, never what a header claims.
#[derive(Debug)]
pub struct Scanner {
    /// Bytes skipped since the last valid frame.
    gap: u64,
    skipped: u64,
    /// What has come of a header or a frame; while it seeks and holds nothing, there is none.
    partial: Option<Box<Partial>>,
    passed: u32,
    /// A byte that is always the same: it leaves room to tell a scanner from something else in its place.
    _mark: Mark,
}

/// The only one.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
enum Mark {
    Scanner = 1,
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

impl Scanner {
    /// The next frame in what has arrived, or `None` once `input` is used up. Consumes what it has seen.
    ///
    /// The frame is a slice of the input when it lies there whole, else it owns the bytes collected; it
    /// never borrows the scanner. The limits are the same from the stream's first byte to its last.
    pub fn decode<'i>(
        &mut self,
        limits: &DecoderLimits,
        input: &mut &'i [u8],
    ) -> Result<Option<Frame<'i>>, DecodeError> {
        loop {
            match self.partial.as_deref_mut() {
                None => {
                    if !self.slide(limits, input)? {
                        return Ok(None);
                    }
                    if let Some(frame) = self.whole(limits, input)? {
                        return Ok(Some(frame));
                    }
                }
                Some(Partial::Header(_)) => {
                    if !self.fill_window(limits, input)? {
                        return Ok(None);
                    }
                }
                Some(Partial::Payload(collected)) => {
                    if !collected.take(input) {
                        return Ok(None);
                    }
                    if let Some(frame) = self.finish(limits)? {
                        return Ok(Some(frame));
                    }
                }
                Some(Partial::Discarding(left)) => {
                    let here = input.len().min(*left as usize);
                    input.advance(here);
                    *left -= here as u32; // no more than it was
                    if *left > 0 {
                        return Ok(None);
                    }
                    self.note_passed();
                    self.partial = None;
                }
            }
        }
    }

    /// Whether anything has come since the last valid frame: a part of the next, or bytes skipped.
    pub fn is_unfinished(&self) -> bool {
        self.gap > 0 || self.partial.is_some()
    }

    /// The fewest bytes that complete the header or the payload now arriving. Never zero.
    pub fn wants(&self) -> usize {
        match self.partial.as_deref() {
            None => Header::LEN,
            Some(Partial::Header(window)) => Header::LEN - usize::from(window.len),
            Some(Partial::Payload(collected)) => collected.lacks(),
            Some(Partial::Discarding(left)) => *left as usize,
        }
    }

    /// Bytes of the header or the frame now arriving that have come.
    pub fn begun(&self) -> usize {
        match self.partial.as_deref() {
            None | Some(Partial::Discarding(_)) => 0,
            Some(Partial::Header(window)) => usize::from(window.len),
            Some(Partial::Payload(collected)) => collected.len(),
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
        self.partial.as_ref().map_or(0, |partial| partial.memory())
    }

    /// Forgets the unfinished frame and frees what it held.
    pub fn abandon(&mut self) {
        self.gap = 0;
        self.partial = None;
    }

    fn note_passed(&mut self) {
        self.passed = self.passed.wrapping_add(1);
    }

    /// Seeking with nothing held: skips to the next magic. False when the input ends before a whole header;
    /// what may be the beginning of one is then held.
    fn slide(&mut self, limits: &DecoderLimits, input: &mut &[u8]) -> Result<bool, DecodeError> {
        let magic = &limits.magic.0;
        let junk = if input.starts_with(magic) { 0 } else { junk_before(input, magic) };
        self.skip(limits, junk as u64)?;
        input.advance(junk);
        if input.len() >= Header::LEN {
            return Ok(true);
        }
        if !input.is_empty() {
            self.hold(Partial::Header(Window::holding(input)));
            input.advance(input.len());
        }
        Ok(false)
    }

    /// Seeking, and the input begins with a whole header: the frame, when its payload is there whole too.
    fn whole<'i>(
        &mut self,
        limits: &DecoderLimits,
        input: &mut &'i [u8],
    ) -> Result<Option<Frame<'i>>, DecodeError> {
        let bytes: &'i [u8] = input;
        let raw = *bytes.first_chunk().expect("slide found a whole header");
        let header = match self.judge(limits, &raw) {
            Verdict::Header(header) => header,
            Verdict::Junk => {
                input.advance(1);
                return self.skip(limits, 1).map(|()| None);
            }
            Verdict::Offence(error) => {
                input.advance(Header::LEN);
                self.pass_over(&raw);
                return Err(error);
            }
        };
        let Some(bytes) = bytes.get(..header.frame_len()) else {
            input.advance(Header::LEN);
            self.hold(Partial::Payload(Collected::beginning(header, raw)));
            return Ok(None);
        };
        input.advance(bytes.len());
        self.verify(limits, header, Sha256d::of(&bytes[Header::LEN..]), Cow::Borrowed(bytes))
    }

    /// Seeking with something held: adds to it until it is a whole header, slides where it is not. False
    /// when the input ends before that.
    fn fill_window(&mut self, limits: &DecoderLimits, input: &mut &[u8]) -> Result<bool, DecodeError> {
        let Some(Partial::Header(window)) = self.partial.as_deref_mut() else {
            unreachable!("only seeking has a window")
        };
        window.fill(input);
        let junk = junk_before(window.as_slice(), &limits.magic.0);
        if junk > 0 {
            window.drop_front(junk);
            if window.len == 0 {
                self.partial = None;
            }
            self.skip(limits, junk as u64)?;
            return Ok(true);
        }
        if usize::from(window.len) < Header::LEN {
            return Ok(false);
        }
        let raw = window.held;
        match self.judge(limits, &raw) {
            Verdict::Header(header) => {
                self.hold(Partial::Payload(Collected::beginning(header, raw)));
                Ok(true)
            }
            Verdict::Junk => {
                self.hold(Partial::Header(Window::holding(&raw[1..])));
                self.skip(limits, 1).map(|()| true)
            }
            Verdict::Offence(error) => {
                self.pass_over(&raw);
                Err(error)
            }
        }
    }

    /// The payload is whole: judges it.
    fn finish(&mut self, limits: &DecoderLimits) -> Result<Option<Frame<'static>>, DecodeError> {
        let Some(Partial::Payload(collected)) = self.partial.take().map(|partial| *partial) else {
            unreachable!("only a collected frame is finished")
        };
        let (header, bytes, digest) = collected.finish();
        self.verify(limits, header, digest, Cow::Owned(bytes))
    }

    /// What has come takes the place of what had come before, in the same memory.
    fn hold(&mut self, partial: Partial) {
        match &mut self.partial {
            Some(held) => **held = partial,
            None => self.partial = Some(Box::new(partial)),
        }
    }

    /// What 24 bytes that begin with the magic are. After a gap a header that cannot be is no header at all.
    fn judge(&self, limits: &DecoderLimits, raw: &[u8; Header::LEN]) -> Verdict {
        match parse_header(raw, limits.max_payload) {
            Ok(header) => Verdict::Header(header),
            Err(_) if self.gap > 0 => Verdict::Junk,
            Err(error) => Verdict::Offence(error),
        }
    }

    /// A frame, if its payload is the one its header speaks of. After a gap one that is not was junk as a
    /// whole.
    fn verify<'i>(
        &mut self,
        limits: &DecoderLimits,
        header: Header,
        digest: Sha256d,
        bytes: Cow<'i, [u8]>,
    ) -> Result<Option<Frame<'i>>, DecodeError> {
        let found = digest.checksum();
        if found == header.checksum {
            self.gap = 0;
            self.note_passed();
            return Ok(Some(Frame::verified(header, digest, bytes)));
        }
        if self.gap > 0 {
            return self.skip(limits, bytes.len() as u64).map(|()| None);
        }
        self.note_passed();
        Err(DecodeError::Checksum { header, found })
    }

    /// Behind a header that is an offence: what it claims to stand before is passed over.
    fn pass_over(&mut self, raw: &[u8; Header::LEN]) {
        match claimed_length(raw) {
            0 => {
                self.partial = None;
                self.note_passed();
            }
            left => self.hold(Partial::Discarding(left)),
        }
    }

    /// The window slides over `count` bytes, but no further than one byte too far: however the stream was
    /// cut, the same bytes are counted.
    fn skip(&mut self, limits: &DecoderLimits, count: u64) -> Result<(), DecodeError> {
        let allowed = limits.max_skip;
        let left = allowed.saturating_sub(self.gap);
        let slid = count.min(left.saturating_add(1));
        self.gap += slid;
        self.skipped += slid;
        if count > left { Err(DecodeError::Magic { allowed }) } else { Ok(()) }
    }
}

impl Default for Scanner {
    /// At the beginning of a stream.
    fn default() -> Self {
        Self { gap: 0, skipped: 0, partial: None, passed: 0, _mark: Mark::Scanner }
    }
}

/// What 24 bytes that begin with the magic are.
enum Verdict {
    Header(Header),
    /// No header: its first byte is junk, and the search goes on behind that.
    Junk,
    Offence(DecodeError),
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
