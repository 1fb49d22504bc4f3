//! Streams with everything a stranger might do, cut at every byte. Knows the nasty ones by name.

use std::iter::repeat_n;

use crate::feed::{assert_as_expected, assert_same, frame, header};
use crate::naive::{self, Found, Law};

pub const PRIVATE: [u8; 4] = [0xf7, 0xe3, 0xc9, 0xda];

/// Plain ones, ones that overlap themselves by one, two and three bytes, and ones that look like padding.
pub const MAGICS: [[u8; 4]; 8] = [
    PRIVATE,
    [0xf9, 0xbe, 0xb4, 0xd9],
    [0xf7; 4],
    [0xab; 4],
    [0xf7, 0xe3, 0xf7, 0xe3],
    [0xf7, 0xf7, 0xf7, 0xe3],
    [0xf7, 0xe3, 0xc9, 0xf7],
    [0x00; 4],
];

const MAX_PAYLOAD: u32 = 40;
const GOOD: &[u8; 12] = b"msg\0\0\0\0\0\0\0\0\0";
const BAD: &[u8; 12] = b"ms\x07\0\0\0\0\0\0\0\0\0";

fn law(magic: [u8; 4], max_skip: u64) -> Law {
    Law { magic, max_payload: MAX_PAYLOAD, max_skip }
}

/// Offences after which the stream is still in step, each between valid frames: no gap anywhere.
fn offences_in_step(magic: [u8; 4]) -> Vec<u8> {
    [
        frame(magic, "", &[]),
        header(magic, GOOD, 0, [1, 2, 3, 4]),
        header(magic, GOOD, 5, [1, 2, 3, 4]),
        b"12345".to_vec(),
        header(magic, BAD, 0, [0; 4]),
        header(magic, BAD, MAX_PAYLOAD, [0; 4]),
        magic.repeat(MAX_PAYLOAD as usize / 4),
        header(magic, b"ms\0g\0\0\0\0\0\0\0\0", 3, [0; 4]),
        b"abc".to_vec(),
        frame(magic, "twelve bytes", &[0; MAX_PAYLOAD as usize]),
    ]
    .concat()
}

/// The same kinds of thing behind junk, where they are junk themselves.
fn impostors(magic: [u8; 4]) -> Vec<u8> {
    let valid = || frame(magic, "msg", b"valid");
    let gap = || vec![0x3c];
    let prefixes = (1..4).flat_map(|len| [magic[..len].to_vec(), valid()]);
    let pieces = [
        [gap(), header(magic, GOOD, MAX_PAYLOAD + 1, [0; 4]), valid()].concat(),
        [gap(), header(magic, GOOD, u32::MAX, [0; 4]), valid()].concat(),
        [gap(), header(magic, BAD, 7, [0; 4]), valid()].concat(),
        [gap(), header(magic, GOOD, 0, [0; 4]), valid()].concat(),
        [gap(), header(magic, GOOD, 4, [0; 4]), magic.to_vec(), valid()].concat(),
        // the true magic is inside the header that cannot be
        [gap(), header(magic, b"ms\x07\0\0\0\0\0\0\0\0\0", 0, magic)[..20].to_vec(), valid()].concat(),
        // a header inside a header, inside a header
        [gap(), magic.to_vec(), magic.to_vec(), magic[..3].to_vec(), valid()].concat(),
        // a candidate that swallows the valid frame behind it
        [gap(), header(magic, GOOD, 29, [0; 4]), valid(), valid()].concat(),
    ];
    prefixes.chain(pieces).collect::<Vec<_>>().concat()
}

/// Junk of every length around a header's, a valid frame behind each.
fn junk_runs(magic: [u8; 4]) -> Vec<u8> {
    (0..=25).flat_map(|len| [vec![0x3c; len], frame(magic, "msg", &[len as u8])]).collect::<Vec<_>>().concat()
}

fn assert_same_at_every_cut(stream: &[u8], law: &Law) {
    let expected = naive::read(stream, law);
    for cut in 0..=stream.len() {
        let sizes = [cut, stream.len() - cut];
        assert_as_expected(&expected, stream, law, sizes.into_iter().filter(|&size| size > 0));
    }
    for size in [1, 2, 3, 23, 24, 25] {
        assert_as_expected(&expected, stream, law, repeat_n(size, stream.len()));
    }
}

#[test]
fn a_frame_split_at_any_byte_decodes_the_same() {
    for magic in MAGICS {
        for stream in [offences_in_step(magic), impostors(magic), junk_runs(magic)] {
            assert_same_at_every_cut(&stream, &law(magic, u64::MAX));
        }
    }
}

#[test]
fn three_pieces_of_any_size_decode_the_same() {
    let stream = [
        vec![0x3c],
        header(PRIVATE, BAD, 0, PRIVATE),
        frame(PRIVATE, "msg", b"x"),
        PRIVATE[..3].to_vec(),
        frame(PRIVATE, "", &[]),
    ]
    .concat();
    let law = law(PRIVATE, u64::MAX);
    let expected = naive::read(&stream, &law);
    assert_eq!(expected.found.len(), 2);
    for first in 1..stream.len() {
        for second in 1..=stream.len() - first {
            assert_as_expected(&expected, &stream, &law, [first, second, stream.len()]);
        }
    }
}

#[test]
fn offences_without_a_gap_are_named_and_the_stream_goes_on() {
    let stream = offences_in_step(PRIVATE);
    let reading = naive::read(&stream, &law(PRIVATE, 0));
    let offences = reading.found.iter().filter(|found| !matches!(found, Found::Frame(_))).count();
    assert_eq!((reading.found.len(), offences, reading.skipped), (7, 5, 0));
    assert_same_at_every_cut(&stream, &law(PRIVATE, 0));
}

#[test]
fn junk_is_an_offence_from_the_first_byte_that_is_too_many() {
    for max_skip in [0, 1, 22, 23, 24] {
        for len in 0..=25 {
            let law = law(PRIVATE, max_skip);
            let stream = [frame(PRIVATE, "a", b"1"), vec![0x3c; len], frame(PRIVATE, "b", b"2")].concat();
            let reading = naive::read(&stream, &law);
            let is_cut_off = reading.found.last() == Some(&Found::Magic);
            assert_eq!(is_cut_off, len as u64 > max_skip, "{len} bytes, {max_skip} allowed");
            assert_same_at_every_cut(&stream, &law);
        }
    }
}

#[test]
fn the_count_starts_again_with_each_valid_frame() {
    let gap_and_frame = [vec![0x3c; 23], frame(PRIVATE, "msg", b"again")].concat();
    let stream = gap_and_frame.repeat(4);
    let law = law(PRIVATE, 23);
    let reading = naive::read(&stream, &law);
    assert_eq!((reading.found.len(), reading.skipped), (4, 4 * 23));
    assert_same_at_every_cut(&stream, &law);
}

#[test]
fn a_frame_with_a_bad_checksum_does_not_start_the_count_again() {
    let junk = vec![0x3c; 10];
    let failing = header(PRIVATE, GOOD, 0, [0; 4]);
    let stream = [junk.clone(), failing, junk, frame(PRIVATE, "msg", b"")].concat();
    for (max_skip, is_cut_off) in [(43, true), (44, false)] {
        let law = law(PRIVATE, max_skip);
        assert_eq!(naive::read(&stream, &law).found.last() == Some(&Found::Magic), is_cut_off);
        assert_same_at_every_cut(&stream, &law);
    }
}

#[test]
fn a_claim_of_nothing_and_of_the_most_is_taken_and_one_more_is_not() {
    for (claim, is_taken) in [(0, true), (MAX_PAYLOAD, true), (MAX_PAYLOAD + 1, false), (u32::MAX, false)] {
        let stream = if is_taken {
            frame(PRIVATE, "msg", &vec![9; claim as usize])
        } else {
            header(PRIVATE, GOOD, claim, [0; 4])
        };
        let law = law(PRIVATE, 23);
        let is_frame = matches!(naive::read(&stream, &law).found[..], [Found::Frame(_)]);
        assert_eq!(is_frame, is_taken, "a claim of {claim}");
        assert_same_at_every_cut(&stream, &law);
    }
}

#[test]
fn a_claim_too_large_is_named_before_a_command_that_is_none() {
    let stream = header(PRIVATE, BAD, MAX_PAYLOAD + 1, [0; 4]);
    let law = law(PRIVATE, 23);
    assert_eq!(naive::read(&stream, &law).found, [Found::Oversize(MAX_PAYLOAD + 1)]);
    assert_same(&stream, &law, repeat_n(1, 24));
}
