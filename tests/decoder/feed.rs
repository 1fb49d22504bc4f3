//! Feeds the decoder and writes down what it says in the naive decoder's words. Knows no stream.

use std::borrow::Cow;

use peer_relay::wire::decoder::DecoderLimits;
use peer_relay::wire::{Checksum, DecodeError, Decoder, Frame, Header, Magic};

use crate::naive::{self, Found, Law, Reading};

/// What a decoder holds beside the bytes of one frame: its record and the hash in the making.
pub const OVERHEAD: usize = 2048;

pub fn decoder(law: &Law) -> Decoder {
    let &Law { magic, max_payload, max_skip } = law;
    Decoder::new(DecoderLimits { magic: Magic(magic), max_payload, max_skip })
}

/// What the decoder says of a stream that arrives in pieces of these sizes, over and over.
///
/// Every piece lies in the same scratch buffer, which is overwritten before the next: whatever the decoder
/// still needs it must have kept.
pub fn in_pieces(stream: &[u8], law: &Law, sizes: impl IntoIterator<Item = usize>) -> Reading<'static> {
    let mut decoder = decoder(law);
    let mut found = Vec::new();
    let mut scratch = Vec::new();
    let mut rest = stream;
    for size in sizes {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        rest = behind;
        scratch.clear();
        scratch.extend_from_slice(piece);
        let goes_on = take_all(&mut decoder, &scratch, law, &mut found);
        scratch.fill(0xa5);
        if !goes_on {
            break;
        }
    }
    Reading { found, skipped: decoder.skipped() }
}

/// Everything in one piece of input. False when the stream has lost its step.
fn take_all(decoder: &mut Decoder, mut input: &[u8], law: &Law, found: &mut Vec<Found<'static>>) -> bool {
    loop {
        let said = match decoder.decode(&mut input) {
            Ok(None) => {
                assert!(input.is_empty(), "{} bytes are left behind without a word", input.len());
                check_rest(decoder, law);
                return true;
            }
            Ok(Some(frame)) => {
                assert!(!decoder.is_unfinished(), "unfinished right behind a frame");
                Found::Frame(Cow::Owned(frame.as_bytes().to_vec()))
            }
            Err(error) => translate(error, law),
        };
        let is_last = matches!(said, Found::Magic | Found::Oversize(_));
        found.push(said);
        if is_last {
            return false;
        }
    }
}

/// What holds whenever the decoder waits for more.
fn check_rest(decoder: &Decoder, law: &Law) {
    assert_ne!(decoder.wants(), 0);
    let bound = Header::LEN + law.max_payload as usize + OVERHEAD;
    assert!(decoder.memory() <= bound, "{} bytes held, {bound} at most", decoder.memory());
}

fn translate(error: DecodeError, law: &Law) -> Found<'static> {
    match error {
        DecodeError::Magic { allowed } => {
            assert_eq!(allowed, law.max_skip);
            Found::Magic
        }
        DecodeError::Oversize { length, allowed } => {
            assert!(length > allowed && allowed == law.max_payload, "{error}");
            Found::Oversize(length)
        }
        DecodeError::Command { raw } => Found::Command(raw),
        DecodeError::Checksum { header, found: Checksum(found) } => {
            let Header { command, length, checksum: Checksum(claimed) } = header;
            Found::Checksum { command: command.to_bytes(), length, claimed, found }
        }
    }
}

/// Asserts that a stream in these pieces reads as it does whole.
#[track_caller]
pub fn assert_same(stream: &[u8], law: &Law, sizes: impl IntoIterator<Item = usize> + Clone) {
    let expected = naive::read(stream, law);
    assert_as_expected(&expected, stream, law, sizes);
}

/// The same for one who has read the stream already.
#[track_caller]
pub fn assert_as_expected(
    expected: &Reading<'_>,
    stream: &[u8],
    law: &Law,
    sizes: impl IntoIterator<Item = usize> + Clone,
) {
    let decoded = in_pieces(stream, law, sizes.clone());
    if &decoded != expected {
        let sizes: Vec<usize> = sizes.into_iter().take(stream.len()).collect();
        panic!(
            "replay: {law:02x?}\nstream {}\nin pieces of {sizes:?}\ndecoded {decoded:02x?}\nnaive   {expected:02x?}",
            hex(stream)
        );
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A valid frame.
pub fn frame(magic: [u8; 4], command: &str, payload: &[u8]) -> Vec<u8> {
    Frame::encode(Magic(magic), command.parse().unwrap(), payload).into_bytes().into_owned()
}

/// A header as nobody should send it.
pub fn header(magic: [u8; 4], command: &[u8; 12], length: u32, checksum: [u8; 4]) -> Vec<u8> {
    [&magic[..], command, &length.to_le_bytes(), &checksum].concat()
}
