//! Lines in any pieces are those of the whole stream, as a plain split has them. Knows how to make streams that
//! are nearly lines.

use peer_relay::wire::{LineDecoder, LineTooLong};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Small, so that lines reach it and pass it.
const MAX_LINE: usize = 6;

/// What one line comes to: its bytes, or nothing when it is too long.
type Said = Option<Vec<u8>>;

/// The whole stream at once.
fn naive(stream: &[u8]) -> Vec<Said> {
    let mut lines: Vec<&[u8]> = stream.split(|&byte| byte == b'\n').collect();
    let last = lines.pop().unwrap();
    let ended = lines.into_iter().map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let rest = Some(last).filter(|last| !last.is_empty());
    ended.chain(rest).map(|line| (line.len() <= MAX_LINE).then(|| line.to_vec())).collect()
}

/// In pieces of these sizes, over and over, each in the same scratch buffer.
fn decoded(stream: &[u8], sizes: &[usize]) -> Vec<Said> {
    let mut decoder = LineDecoder::new(MAX_LINE);
    let (mut said, mut scratch, mut rest) = (Vec::new(), Vec::new(), stream);
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(size.min(rest.len()));
        rest = behind;
        scratch.clear();
        scratch.extend_from_slice(piece);
        let mut input = scratch.as_slice();
        while let Some(line) = decoder.decode(&mut input).transpose() {
            said.push(line.ok().map(|line| line.into_owned()));
        }
        assert!(input.is_empty(), "{} bytes are left behind", input.len());
        assert!(decoder.memory() <= MAX_LINE + 1, "{} held", decoder.memory());
        assert_eq!(decoder.is_unfinished(), piece.last() != Some(&b'\n'));
        scratch.fill(0xa5);
    }
    match decoder.finish() {
        Ok(None) => {}
        Ok(Some(last)) => said.push(Some(last)),
        Err(LineTooLong { allowed }) => {
            assert_eq!(allowed, MAX_LINE);
            said.push(None);
        }
    }
    assert_eq!((decoder.memory(), decoder.is_unfinished()), (0, false));
    said
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![3 => Just(b'\n'), 3 => Just(b'\r'), 6 => select(b"abc\0\xff".to_vec())];
    let piece = prop_oneof![6 => byte.prop_map(|byte| vec![byte]), 1 => Just(b"123456".to_vec())];
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    // A failure prints the stream and the pieces itself; no file is needed to replay it.
    #![proptest_config(ProptestConfig { cases: 5000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_stream_in_any_pieces_has_the_lines_of_the_whole(stream in stream(), sizes in vec(1..12usize, 1..6)) {
        let expected = naive(&stream);
        prop_assert_eq!(&decoded(&stream, &[stream.len().max(1)]), &expected);
        prop_assert_eq!(&decoded(&stream, &[1]), &expected);
        prop_assert_eq!(&decoded(&stream, &sizes), &expected);
    }
}

#[test]
fn a_line_of_four_megabytes_comes_one_byte_at_a_time() {
    let mut decoder = LineDecoder::new(4_000_000);
    for at in 0..4_000_000 {
        assert_eq!(decoder.decode(&mut b"x".as_slice()), Ok(None));
        assert!(decoder.memory() <= 2 * (at + 1) + 8, "{} held for {}", decoder.memory(), at + 1);
    }
    let mut input = b"\r\n".as_slice();
    assert_eq!(decoder.decode(&mut input).unwrap().unwrap().len(), 4_000_000);
    assert_eq!(decoder.memory(), 0);
}
