//! The law of the framing, read slowly: keeps what has come and looks at it from the front, again and again. Knows
//! no window, no segment and no hurry; shares no line with the decoders it is there to doubt.

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::relay::Limits;
use crate::wire::Framing;
use crate::wire::decoder::DecoderLimits;

/// One sender's bytes as the judge reads them.
#[derive(Debug)]
pub struct Reader {
    framing: Framing,
    limits: DecoderLimits,
    max_line: usize,
    /// What has come and is nothing yet.
    pending: Vec<u8>,
    /// Of that, bytes of lines that were found in this very read.
    passed_lines: usize,
    /// Bytes of junk since the last valid frame.
    gap: u64,
    /// Bytes still to come of a frame that is an offence already.
    passing: usize,
    /// It cannot be said where the next frame begins.
    is_lost: bool,
    /// How many bytes are needed before there is anything more to say.
    needs: usize,
    /// Frames, valid or not, that have passed to their last byte.
    pub passed: u64,
    /// Bytes that were read, in all.
    pub read: u64,
    /// Bytes of valid frames.
    pub framed: u64,
    /// Bytes skipped, up to the first one too many.
    pub skipped: u64,
    /// Bytes that no frame will be made of: junk, and frames that are offences.
    pub dropped: u64,
}

/// What stands in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// A frame, bit for bit.
    Frame(Bytes),
    /// A line, without its end.
    Line(Bytes),
    /// More junk than allowed. Nothing is found after it.
    Magic,
    /// A claim beyond what is allowed, or a line that is longer. Nothing is found after it.
    Oversize,
    /// A command that is none.
    Command,
    /// A payload that is not what its header says, of a frame so long.
    Checksum(u64),
}

/// Bytes of a header, and where its fields stand.
const HEADER: usize = 24;

impl Finding {
    /// Bytes that count against the rate of whoever sent what is no frame: it was read and hashed, or its header was.
    pub fn costs(&self) -> Option<u64> {
        match self {
            Self::Checksum(len) => Some(*len),
            Self::Command => Some(HEADER as u64),
            Self::Frame(_) | Self::Line(_) | Self::Magic | Self::Oversize => None,
        }
    }
}

impl Reader {
    /// A stream from its first byte.
    pub fn new(framing: Framing, limits: &Limits) -> Self {
        Self {
            framing,
            limits: limits.decoder,
            max_line: limits.max_line,
            pending: Vec::new(),
            passed_lines: 0,
            gap: 0,
            passing: 0,
            is_lost: false,
            needs: 0,
            passed: 0,
            read: 0,
            framed: 0,
            skipped: 0,
            dropped: 0,
        }
    }

    /// More has come. `found` is told what that makes and where in the stream it ends, and says whether to go on.
    pub fn read(&mut self, bytes: &[u8], mut found: impl FnMut(Finding, u64) -> bool) {
        self.read += bytes.len() as u64;
        self.pending.extend_from_slice(bytes);
        while !self.is_lost && self.unfinished() >= self.needs.max(1) {
            let looked = match self.framing {
                Framing::Frames => self.look(),
                Framing::Lines => self.look_for_line(),
            };
            let Some(finding) = looked else { continue };
            if matches!(finding, Finding::Magic | Finding::Oversize) {
                self.is_lost = true;
            }
            if !found(finding, self.read - self.unfinished() as u64) {
                self.is_lost = true;
            }
        }
        self.pending.drain(..std::mem::take(&mut self.passed_lines));
    }

    /// The stream has ended. What that makes of what is left of a stream of lines.
    pub fn finish(&mut self) -> Option<Finding> {
        let is_line = self.framing == Framing::Lines && !self.is_lost && !self.pending.is_empty();
        is_line.then(|| {
            if self.pending.len() > self.max_line {
                return Finding::Oversize;
            }
            self.framed += self.pending.len() as u64;
            Finding::Line(std::mem::take(&mut self.pending).into())
        })
    }

    /// Whether something has come since the last valid frame.
    pub fn is_unfinished(&self) -> bool {
        !self.is_lost && (self.gap > 0 || self.passing > 0 || !self.pending.is_empty())
    }

    /// Bytes of a frame that the header is there of, and the end is not.
    pub fn collected(&self) -> usize {
        let is_begun = self.framing == Framing::Lines || self.needs > HEADER;
        if !self.is_lost && is_begun { self.pending.len() } else { 0 }
    }

    /// Bytes that have come and are neither a frame nor junk yet.
    pub fn unfinished(&self) -> usize {
        self.pending.len() - self.passed_lines
    }

    /// The line at the front, when its newline is there.
    fn look_for_line(&mut self) -> Option<Finding> {
        let front = &self.pending[self.passed_lines..];
        let end = front.iter().position(|&byte| byte == b'\n');
        let mut line = front[..end.unwrap_or(front.len())].to_vec();
        // without the newline a `\r` may still be the end's
        if line.ends_with(b"\r") {
            line.pop();
        }
        if line.len() > self.max_line {
            return Some(Finding::Oversize);
        }
        let Some(end) = end else { return self.need(front.len() + 1) };
        self.passed_lines += end + 1;
        self.needs = 0;
        self.passed += 1;
        self.framed += end as u64 + 1;
        Some(Finding::Line(line.into()))
    }

    /// Looks at what stands at the front, and takes it away if it is something.
    fn look(&mut self) -> Option<Finding> {
        self.needs = 0;
        if self.passing > 0 {
            return self.pass();
        }
        let (magic, front) = (self.limits.magic.0, &self.pending);
        if front.len() < 4 && magic.starts_with(front) {
            return self.need(4.min(front.len() + 1));
        }
        if !front.starts_with(&magic) {
            return self.skip(1);
        }
        if front.len() < HEADER {
            return self.need(HEADER);
        }
        let length = u32::from_le_bytes([front[16], front[17], front[18], front[19]]);
        let offence = if length > self.limits.max_payload {
            Some(Finding::Oversize)
        } else if !is_command(&front[4..16]) {
            Some(Finding::Command)
        } else {
            None
        };
        match offence {
            Some(_) if self.gap > 0 => self.skip(1),
            Some(Finding::Oversize) => Some(Finding::Oversize),
            Some(offence) => {
                self.passing = HEADER + length as usize;
                self.pass();
                Some(offence)
            }
            None => self.whole(HEADER + length as usize),
        }
    }

    /// A header stands there: is its frame, if it is there to the end?
    fn whole(&mut self, len: usize) -> Option<Finding> {
        if self.pending.len() < len {
            return self.need(len);
        }
        let is_right =
            Sha256::digest(Sha256::digest(&self.pending[HEADER..len]))[..4] == self.pending[20..24];
        if !is_right && self.gap > 0 {
            return self.skip(len);
        }
        let frame: Vec<u8> = self.pending.drain(..len).collect();
        self.passed += 1;
        if !is_right {
            self.dropped += len as u64;
            return Some(Finding::Checksum(len as u64));
        }
        self.gap = 0;
        self.framed += len as u64;
        Some(Finding::Frame(frame.into()))
    }

    fn skip(&mut self, count: usize) -> Option<Finding> {
        self.pending.drain(..count);
        self.dropped += count as u64;
        let left = self.limits.max_skip - self.gap;
        let slid = (count as u64).min(left + 1);
        self.gap += slid;
        self.skipped += slid;
        (count as u64 > left).then_some(Finding::Magic)
    }

    fn pass(&mut self) -> Option<Finding> {
        let here = self.passing.min(self.pending.len());
        self.pending.drain(..here);
        self.passing -= here;
        self.dropped += here as u64;
        self.passed += u64::from(self.passing == 0);
        None
    }

    fn need(&mut self, len: usize) -> Option<Finding> {
        self.needs = len;
        None
    }
}

/// Printable bytes, then NULs, and nothing behind the first NUL.
fn is_command(raw: &[u8]) -> bool {
    let name = raw.split(|&byte| byte == 0).next().unwrap_or_default();
    name.iter().all(|byte| (0x20..=0x7e).contains(byte)) && raw[name.len()..].iter().all(|&byte| byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::wire::{DecodeError, Decoder, Frame, LineDecoder, Network};

    fn limits(max_skip: u64) -> Limits {
        let decoder = DecoderLimits { magic: Network::PRIVATE.magic, max_payload: 100, max_skip };
        Limits { decoder, max_line: 10, ..Limits::new(Network::PRIVATE.magic) }
    }

    /// A stream of frames, bent frames and junk.
    fn stream(rng: &mut Rng) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..rng.below(8) {
            let mut payload = vec![0; rng.below(110) as usize];
            rng.fill(&mut payload);
            let mut frame =
                Frame::encode(Network::PRIVATE.magic, "tx".parse().unwrap(), &payload).as_bytes().to_vec();
            match rng.below(6) {
                0 => frame[4] = 0x80,
                1 => *frame.last_mut().unwrap() ^= 1,
                2 => frame.truncate(rng.below(frame.len() as u64) as usize),
                3 => bytes.extend(vec![0xf7; rng.below(12) as usize]),
                _ => {}
            }
            bytes.extend(frame);
        }
        bytes
    }

    #[test]
    fn the_judge_and_the_decoder_find_the_same_however_the_stream_is_cut() {
        let mut found = 0;
        for seed in 0..3000 {
            let mut rng = Rng::new(seed);
            let limits = limits([0, 5, 23, 200][rng.below(4) as usize]);
            let bytes = stream(&mut rng);
            let (mut decoder, mut reader) =
                (Decoder::new(limits.decoder), Reader::new(Framing::Frames, &limits));
            let (mut theirs, mut ours) = (Vec::new(), Vec::new());
            let mut rest = bytes.as_slice();
            while !rest.is_empty() && !reader.is_lost {
                let (piece, tail) = rest.split_at(1 + rng.below(rest.len() as u64) as usize);
                rest = tail;
                let mut input = piece;
                loop {
                    theirs.push(match decoder.decode(&mut input) {
                        Ok(None) => break,
                        Ok(Some(frame)) => Finding::Frame(frame.into_bytes().into_owned().into()),
                        Err(DecodeError::Magic { .. }) => Finding::Magic,
                        Err(DecodeError::Oversize { .. }) => Finding::Oversize,
                        Err(DecodeError::Command { .. }) => Finding::Command,
                        Err(DecodeError::Checksum { header, .. }) => {
                            Finding::Checksum(header.frame_len() as u64)
                        }
                    });
                    if matches!(theirs.last(), Some(Finding::Magic | Finding::Oversize)) {
                        break;
                    }
                }
                reader.read(piece, |finding, _| {
                    ours.push(finding);
                    true
                });
                assert_eq!(theirs, ours, "seed {seed}");
                assert_eq!(decoder.skipped(), reader.skipped, "seed {seed}");
                let whole = reader.framed + reader.dropped + reader.unfinished() as u64;
                assert_eq!(reader.read, whole, "nothing is forgotten, seed {seed}");
                if !reader.is_lost {
                    assert_eq!(decoder.is_unfinished(), reader.is_unfinished(), "seed {seed}");
                }
            }
            found += ours.len();
        }
        assert!(found > 3000, "{found}");
    }

    #[test]
    fn the_judge_and_the_decoder_find_the_same_lines_however_the_stream_is_cut() {
        let mut found = 0;
        for seed in 0..3000 {
            let mut rng = Rng::new(seed);
            let limits = limits(0);
            let letters = b"abcdefghij\r\r\n\n\n";
            let bytes: Vec<u8> = (0..rng.below(60)).map(|_| letters[rng.below(15) as usize]).collect();
            let (mut decoder, mut reader) = (LineDecoder::new(10), Reader::new(Framing::Lines, &limits));
            let (mut theirs, mut ours) = (Vec::new(), Vec::new());
            let mut rest = bytes.as_slice();
            while !rest.is_empty() && !reader.is_lost {
                let (piece, tail) = rest.split_at(1 + rng.below(rest.len() as u64) as usize);
                rest = tail;
                let mut input = piece;
                while let Some(line) = decoder.decode(&mut input).transpose() {
                    theirs
                        .push(line.map_or(Finding::Oversize, |line| Finding::Line(line.into_owned().into())));
                    if theirs.last() == Some(&Finding::Oversize) {
                        break;
                    }
                }
                reader.read(piece, |finding, _| {
                    ours.push(finding);
                    true
                });
                assert_eq!(theirs, ours, "seed {seed}");
                if !reader.is_lost {
                    assert_eq!(decoder.is_unfinished(), reader.is_unfinished(), "seed {seed}");
                }
            }
            if !reader.is_lost {
                let last = decoder
                    .finish()
                    .map_or(Some(Finding::Oversize), |last| last.map(|line| Finding::Line(line.into())));
                assert_eq!(last, reader.finish(), "seed {seed}");
            }
            found += ours.len();
        }
        assert!(found > 10_000, "{found}");
    }
}
