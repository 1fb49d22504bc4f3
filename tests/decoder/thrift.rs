//! What decoding costs: no byte is looked at twice, nothing is held for a claim, nothing is asked for in vain.

use std::iter;

use peer_relay::wire::Header;

use crate::exhaustive::PRIVATE;
use crate::feed::{OVERHEAD, decoder, frame};
use crate::naive::Law;

const LAW: Law = Law { magic: PRIVATE, max_payload: 4_000_000, max_skip: 23 };

#[test]
fn four_megabytes_come_one_byte_at_a_time() {
    let payload: Vec<u8> = (0..4_000_000u32).map(|n| (n % 251) as u8).collect();
    let wire = frame(PRIVATE, "block", &payload);
    let mut decoder = decoder(&LAW);
    let mut scratch = [0];
    let (last, before) = wire.split_last().unwrap();
    for (at, &byte) in before.iter().enumerate() {
        scratch[0] = byte; // over what came before: there is no old input to look at
        assert_eq!(decoder.decode(&mut scratch.as_slice()), Ok(None), "at byte {at}");
        let bound = (2 * (at + 1)).min(wire.len()) + OVERHEAD;
        assert!(decoder.memory() <= bound, "{} held for {} received", decoder.memory(), at + 1);
    }
    scratch[0] = *last;
    let mut input = scratch.as_slice();
    let whole = decoder.decode(&mut input).unwrap().expect("the last byte completes it");
    assert!(whole.as_bytes() == wire, "4 MB came out other than they went in");
    assert_eq!(decoder.memory(), 0);
}

/// Reading exactly what is wanted, from one end of the stream to the other: how many frames, in how many reads.
fn read_what_is_wanted(stream: &[u8]) -> (usize, usize) {
    let mut decoder = decoder(&LAW);
    let (mut rest, mut frames, mut reads) = (stream, 0, 0);
    while !rest.is_empty() {
        let wants = decoder.wants();
        assert_ne!(wants, 0);
        let (mut piece, behind) = rest.split_at_checked(wants).expect("wants no more than the frame has");
        rest = behind;
        reads += 1;
        frames += iter::from_fn(|| decoder.decode(&mut piece).unwrap()).count();
    }
    assert!(!decoder.is_unfinished());
    (frames, reads)
}

#[test]
fn reading_what_is_wanted_decodes_every_stream_of_frames() {
    for payload_lens in [vec![0], vec![0, 0, 1], vec![1, 0, 100, 0], (0..200).collect(), vec![4_000_000, 3]] {
        let stream: Vec<u8> =
            payload_lens.iter().flat_map(|&len| frame(PRIVATE, "msg", &vec![5; len])).collect();
        let with_payload = payload_lens.iter().filter(|&&len| len > 0).count();
        let expected = (payload_lens.len(), payload_lens.len() + with_payload);
        assert_eq!(read_what_is_wanted(&stream), expected, "payloads of {payload_lens:?}");
    }
}

#[test]
fn a_claim_of_four_megabytes_holds_nothing_but_the_header() {
    let wire = frame(PRIVATE, "block", &vec![0; 4_000_000]);
    let mut decoder = decoder(&LAW);
    assert_eq!(decoder.decode(&mut &wire[..Header::LEN]), Ok(None));
    assert_eq!(decoder.wants(), 4_000_000);
    assert!(decoder.memory() <= Header::LEN + OVERHEAD, "{} bytes held", decoder.memory());
    decoder.abandon();
    assert_eq!(decoder.memory(), 0);
}

#[test]
fn an_unfinished_frame_holds_what_came_and_a_segment_at_most() {
    let wire = frame(PRIVATE, "block", &vec![7; 4_000_000]);
    for piece in [1000, 65_511, 65_536, 65_537, 100_000, 1_000_000] {
        let mut decoder = decoder(&LAW);
        let mut received = 0;
        for mut bytes in wire[..wire.len() - 1].chunks(piece) {
            received += bytes.len();
            assert_eq!(decoder.decode(&mut bytes), Ok(None));
            let bound = received + 64 * 1024 + OVERHEAD;
            assert!(decoder.memory() <= bound, "{} held for {received} received", decoder.memory());
        }
    }
}

#[test]
fn a_frame_is_collected_bit_for_bit_wherever_segments_end_and_input_is_cut() {
    for payload_len in [65_511, 65_512, 65_513, 131_047, 131_048, 131_049, 200_000] {
        let payload: Vec<u8> = (0..payload_len as u32).map(|n| (n ^ n >> 8 ^ n >> 16) as u8).collect();
        let wire = frame(PRIVATE, "block", &payload);
        let end = wire.len();
        let cuts: [&[usize]; 7] = [
            &[1],
            &[24],
            &[25, end - 1],
            &[23, 65_535, 65_536],
            &[24, 65_536, 131_072],
            &[30, 65_537, 131_071, 131_073],
            &[24, 1000, 65_559, 65_560, 65_561],
        ];
        for cuts in cuts {
            let mut decoder = decoder(&LAW);
            let mut from = 0;
            for &cut in cuts.iter().filter(|&&cut| cut < end) {
                assert_eq!(decoder.decode(&mut &wire[from..cut]), Ok(None), "{payload_len} cut at {cuts:?}");
                assert_eq!(decoder.wants(), if cut < 24 { 24 - cut } else { end - cut });
                from = cut;
            }
            let next = [&wire[from..], b"next"].concat();
            let mut input = next.as_slice();
            let whole = decoder.decode(&mut input).unwrap().expect("it is whole");
            assert!(whole.as_bytes() == wire, "{payload_len} cut at {cuts:?}");
            assert_eq!((input, decoder.memory()), (b"next".as_slice(), 0));
        }
    }
}
