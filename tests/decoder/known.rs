//! Known answers, end to end. Knows the bytes by heart.

use crate::feed::{decoder, hex};
use crate::naive::Law;

const MAINNET: Law = Law { magic: [0xf9, 0xbe, 0xb4, 0xd9], max_payload: 4_000_000, max_skip: 23 };
const VERACK: &str = "f9beb4d976657261636b000000000000000000005df6e0e2";
const PING_100: &str = "f9beb4d970696e670000000000000000080000002467f11d6400000000000000";
const PING_12345: &str = "f9beb4d970696e670000000000000000080000002501b9b93930000000000000";

fn bytes(hex: &str) -> Vec<u8> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Command, payload in hex and bytes skipped, of a stream with one frame.
fn only_frame(stream: &str) -> (String, String, u64) {
    let stream = bytes(stream);
    let (mut decoder, mut input) = (decoder(&MAINNET), stream.as_slice());
    let frame = decoder.decode(&mut input).unwrap().unwrap();
    assert_eq!(decoder.decode(&mut input), Ok(None));
    (frame.command().to_string(), hex(frame.payload()), decoder.skipped())
}

#[test]
fn known_messages_decode_to_what_they_say() {
    assert_eq!(only_frame(VERACK), ("verack".into(), String::new(), 0));
    assert_eq!(only_frame(PING_100), ("ping".into(), "6400000000000000".into(), 0));
    assert_eq!(only_frame(PING_12345), ("ping".into(), "3930000000000000".into(), 0));
}

#[test]
fn the_window_slides_over_a_leading_byte() {
    for (message, command) in [(VERACK, "verack"), (PING_100, "ping"), (PING_12345, "ping")] {
        let (name, _, skipped) = only_frame(&format!("3c{message}"));
        assert_eq!((name.as_str(), skipped), (command, 1));
    }
}

#[test]
fn the_window_slides_one_byte_and_wants_twenty_more_after_the_magic() {
    let stream = bytes(&format!("3c{PING_100}"));
    let mut decoder = decoder(&MAINNET);
    assert_eq!(decoder.wants(), 24);
    assert_eq!(decoder.decode(&mut &stream[..5]), Ok(None));
    assert_eq!((decoder.skipped(), decoder.wants()), (1, 20));
    assert_eq!(decoder.decode(&mut &stream[5..25]), Ok(None));
    assert_eq!(decoder.wants(), 8);
    let frame = decoder.decode(&mut &stream[25..]).unwrap().unwrap();
    assert_eq!(frame.payload(), 100u64.to_le_bytes());
}
