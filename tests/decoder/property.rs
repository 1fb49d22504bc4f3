//! Any stream in any pieces reads as it does whole. Knows how to make streams that are nearly right.

use std::iter::repeat_n;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::exhaustive::MAGICS;
use crate::feed::{assert_same, frame, header};
use crate::naive::Law;

/// Small, so that generated payloads reach it and generated claims pass it.
const MAX_PAYLOAD: u32 = 60;

const BAD_COMMANDS: [&[u8; 12]; 4] =
    [b"\x1f\0\0\0\0\0\0\0\0\0\0\0", b"msg\x7f\0\0\0\0\0\0\0\0", b"m\0g\0\0\0\0\0\0\0\0\0", &[0xff; 12]];

fn max_skip() -> impl Strategy<Value = u64> {
    select(&[0, 1, 23, 1000, u64::MAX][..])
}

/// Bytes out of which magics and paddings are made, rarely others.
fn nearly_magic(magic: [u8; 4], len: usize) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => select(magic.to_vec()), 2 => Just(0), 1 => any::<u8>()];
    let whole = prop_oneof![3 => byte.prop_map(|byte| vec![byte]), 1 => Just(magic.to_vec())];
    vec(whole, 0..=len).prop_map(|pieces| pieces.concat())
}

fn payload(magic: [u8; 4]) -> impl Strategy<Value = Vec<u8>> {
    let inner = nearly_magic(magic, 8).prop_map(move |inner| frame(magic, "inner", &inner));
    prop_oneof![
        Just(Vec::new()),
        nearly_magic(magic, 15),
        inner.prop_filter("fits", |bytes| bytes.len() <= MAX_PAYLOAD as usize),
        Just(vec![7; MAX_PAYLOAD as usize]),
    ]
}

fn command() -> impl Strategy<Value = &'static str> {
    select(&["", "a", "verack", "twelve bytes"][..])
}

fn valid(magic: [u8; 4]) -> impl Strategy<Value = Vec<u8>> {
    (command(), payload(magic)).prop_map(move |(command, payload)| frame(magic, command, &payload))
}

/// A header that nobody can tell from a true one, before nothing that belongs to it.
fn plausible_header(magic: [u8; 4]) -> impl Strategy<Value = Vec<u8>> {
    let checksum = prop_oneof![Just(magic), any::<[u8; 4]>(), Just([0x5d, 0xf6, 0xe0, 0xe2])];
    (0..=MAX_PAYLOAD, checksum)
        .prop_map(move |(length, checksum)| header(magic, b"msg\0\0\0\0\0\0\0\0\0", length, checksum))
}

fn impossible_header(magic: [u8; 4]) -> impl Strategy<Value = Vec<u8>> {
    let command = select(&BAD_COMMANDS[..]);
    let length =
        prop_oneof![Just(0), 0..=MAX_PAYLOAD, Just(MAX_PAYLOAD + 1), Just(u32::from_le_bytes(magic))];
    (command, length).prop_map(move |(command, length)| header(magic, command, length, magic))
}

fn oversize(magic: [u8; 4]) -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![Just(MAX_PAYLOAD + 1), Just(u32::MAX)];
    length.prop_map(move |length| header(magic, b"msg\0\0\0\0\0\0\0\0\0", length, magic))
}

/// A frame of which a part is missing at either end, or with one bit the other way.
fn damaged(magic: [u8; 4]) -> impl Strategy<Value = Vec<u8>> {
    let at = any::<prop::sample::Index>();
    (valid(magic), at, 0..3).prop_map(|(mut bytes, at, damage)| {
        let at = at.index(bytes.len());
        match damage {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(..at)),
            _ => bytes[at] ^= 1,
        }
        bytes
    })
}

fn stream(magic: [u8; 4]) -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => valid(magic),
        3 => nearly_magic(magic, 12),
        2 => plausible_header(magic),
        2 => impossible_header(magic),
        2 => damaged(magic),
        1 => vec(any::<u8>(), 1..=25),
        1 => oversize(magic),
        1 => (1..4usize).prop_map(move |len| magic[..len].to_vec()),
    ];
    vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn case() -> impl Strategy<Value = (Law, Vec<u8>)> {
    (select(&MAGICS[..]), max_skip()).prop_flat_map(|(magic, max_skip)| {
        let law = Law { magic, max_payload: MAX_PAYLOAD, max_skip };
        (Just(law), stream(magic))
    })
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![1..=3usize, 1..=30usize, 20..=28usize, Just(400)];
    vec(size, 1..8)
}

proptest! {
    // A failure prints the stream and the pieces itself; no file is needed to replay it.
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_stream_in_any_pieces_reads_as_it_does_whole((law, stream) in case(), sizes in sizes()) {
        assert_same(&stream, &law, [stream.len().max(1)]);
        assert_same(&stream, &law, repeat_n(1, stream.len()));
        assert_same(&stream, &law, sizes.into_iter().cycle().take(stream.len()));
    }
}
