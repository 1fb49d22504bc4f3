//! A stream and the limits it is held to, for whoever has one stream and not many thousands. Knows where the work
//! is done: `scanner.rs`.

use super::scanner::Scanner;
use super::{DecodeError, Frame, Magic};

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

/// One stream's decoder: a [`Scanner`] with limits of its own.
#[derive(Debug)]
pub struct Decoder {
    limits: DecoderLimits,
    scanner: Scanner,
}

impl Decoder {
    /// A decoder at the beginning of a stream.
    pub fn new(limits: DecoderLimits) -> Self {
        Self { limits, scanner: Scanner::default() }
    }

    /// The next frame in what has arrived, see [`Scanner::decode`].
    pub fn decode<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Frame<'i>>, DecodeError> {
        self.scanner.decode(&self.limits, input)
    }

    /// See [`Scanner::is_unfinished`].
    pub fn is_unfinished(&self) -> bool {
        self.scanner.is_unfinished()
    }

    /// See [`Scanner::wants`].
    pub fn wants(&self) -> usize {
        self.scanner.wants()
    }

    /// See [`Scanner::passed`].
    pub fn passed(&self) -> u32 {
        self.scanner.passed()
    }

    /// See [`Scanner::skipped`].
    pub fn skipped(&self) -> u64 {
        self.scanner.skipped()
    }

    /// See [`Scanner::memory`].
    pub fn memory(&self) -> usize {
        self.scanner.memory()
    }

    /// See [`Scanner::abandon`].
    pub fn abandon(&mut self) {
        self.scanner.abandon();
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::wire::partial::Partial;
    use crate::wire::{Checksum, Header, Network};

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
    fn what_could_become_a_header_is_counted_and_given_back_when_it_does_not() {
        let mut decoder = decoder();
        let (begin, _) = MAGIC.0.split_at(2);
        assert_eq!(decoder.decode(&mut &*begin), Ok(None));
        assert_eq!((decoder.memory(), decoder.wants()), (size_of::<Partial>(), Header::LEN - 2));
        assert_eq!(decoder.decode(&mut b"no".as_slice()), Ok(None));
        assert_eq!((decoder.memory(), decoder.skipped()), (0, 4));
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
            assert!(decoder.memory() <= size_of::<Partial>() + wire.len());
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
