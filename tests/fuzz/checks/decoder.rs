//! Any stream, whole and in any pieces, under any law, decodes as the naive decoder reads it whole. Knows how to make streams
//! that nearly are frames, which no fuzzer finds by itself: it would have to guess checksums.

use crate::feed::{assert_as_expected, assert_same, frame, header};
use crate::naive::{self, Law};
use crate::tape::Tape;

/// Longer streams are no other streams, and take longer.
const LONGEST_STREAM: usize = 700;

/// The private network's, and three that overlap with themselves.
const MAGICS: [[u8; 4]; 4] = [[0xf7, 0xe3, 0xc9, 0xda], [7; 4], [7, 1, 7, 1], [7, 7, 7, 1]];
const MAX_PAYLOADS: [u32; 5] = [0, 1, 60, 200, 255];
const MAX_SKIPS: [u64; 6] = [0, 1, 22, 23, 200, u64::MAX];
const COMMANDS: [&str; 4] = ["", "a", "msg", "twelve bytes"];
const EMPTY_CHECKSUM: [u8; 4] = [0x5d, 0xf6, 0xe0, 0xe2];

pub fn check(bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let law = Law {
        magic: tape.one_of(&MAGICS),
        max_payload: tape.one_of(&MAX_PAYLOADS),
        max_skip: tape.one_of(&MAX_SKIPS),
    };
    let sizes: Vec<usize> = (0..1 + tape.byte() % 4).map(|_| 1 + usize::from(tape.byte())).collect();
    let stream = stream(&mut tape, &law);
    assert_same(&stream, &law, [stream.len()]);
    assert_as_expected(
        &naive::read(&stream, &law),
        &stream,
        &law,
        sizes.into_iter().cycle().take(stream.len()),
    );
}

fn stream(tape: &mut Tape<'_>, law: &Law) -> Vec<u8> {
    let mut stream = Vec::new();
    while !tape.is_over() && stream.len() < LONGEST_STREAM {
        let piece = piece(tape, law, &stream);
        stream.extend(piece);
    }
    stream
}

fn piece(tape: &mut Tape<'_>, law: &Law, before: &[u8]) -> Vec<u8> {
    match tape.byte() % 8 {
        0 | 1 => valid(tape, law),
        2 => some(tape).to_vec(),
        3 => law.magic[..usize::from(tape.byte() % 5)].to_vec(),
        4 => some_header(tape, law),
        5 => {
            let (mut bent, at) = (valid(tape, law), tape.word());
            let at = usize::from(at) % bent.len();
            bent[at] ^= tape.byte();
            bent
        }
        6 => {
            let (whole, at) = (valid(tape, law), tape.word());
            whole[..usize::from(at) % whole.len()].to_vec()
        }
        _ => {
            let inner = before.len().min(tape.byte().into());
            frame(law.magic, "inner", &before[before.len() - inner..])
        }
    }
}

fn some<'a>(tape: &mut Tape<'a>) -> &'a [u8] {
    let len = tape.byte();
    tape.bytes(len.into())
}

/// A valid frame, if its payload is not too large.
fn valid(tape: &mut Tape<'_>, law: &Law) -> Vec<u8> {
    frame(law.magic, tape.one_of(&COMMANDS), some(tape))
}

/// A header of which each field may be right.
fn some_header(tape: &mut Tape<'_>, law: &Law) -> Vec<u8> {
    let mut command = *b"msg\0\0\0\0\0\0\0\0\0";
    let (at, byte) = (tape.byte(), tape.byte());
    command[usize::from(at) % 12] = byte;
    let near = [0, 1, law.max_payload, law.max_payload.saturating_add(1), u32::MAX, 24];
    let length = tape.one_of(&near);
    header(law.magic, &command, length, tape.one_of(&[EMPTY_CHECKSUM, law.magic, [0; 4]]))
}
