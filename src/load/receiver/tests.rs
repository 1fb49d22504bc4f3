#![cfg(test)]

//! Streams as they were sent, and spoilt in one place, cut into pieces of every size.

use bytes::BytesMut;

use super::*;
use crate::load::dialect::{Codec, Dialect, Foreign, Frames};
use crate::load::ledger::Counts;
use crate::load::tape::Recorded;
use crate::rng::Rng;
use crate::wire::{Magic, Network};

const SENDERS: usize = 2;
const MAGIC: Magic = Network::PRIVATE.magic;

fn maker(seed: u64, dialect: Dialect, sizes: std::ops::RangeInclusive<u32>) -> Maker {
    let frames = Frames::new(seed, MAGIC, "msg".parse().unwrap(), *sizes.end());
    let codec = Foreign::new(dialect, seed).map_or(Codec::Frames(frames), Codec::Foreign);
    Maker::new(seed, sizes, codec)
}

fn farewell(run: &Run) -> Vec<u8> {
    let Codec::Frames(frames) = run.maker.codec() else { unreachable!() };
    frames.farewell(9).to_vec()
}

/// Two senders' messages in turns, sent to one receiver; frames in the order they were made.
fn sent(messages: u64, sizes: std::ops::RangeInclusive<u32>) -> (Run, Vec<Vec<u8>>) {
    sent_in(Dialect::Frames, messages, sizes)
}

fn sent_in(dialect: Dialect, messages: u64, sizes: std::ops::RangeInclusive<u32>) -> (Run, Vec<Vec<u8>>) {
    let maker = maker(42, dialect, sizes);
    let (tape, asides) = (Tape::new(SENDERS), Asides::default());
    let mut run = Run { maker, tape, figures: Figures::new(), asides };
    run.figures.measure(Instant::START, std::time::Duration::from_secs(1));
    let ids = (0..messages).flat_map(|number| (0..SENDERS as u32).map(move |sender| (sender, number)));
    let frame = |(sender, number)| run.maker.delivery(MessageId { sender, number }).to_vec();
    let frames: Vec<Vec<u8>> = ids.map(frame).collect();
    for sender in 0..SENDERS {
        let own: Vec<&Vec<u8>> = frames.iter().skip(sender).step_by(SENDERS).collect();
        for chunk in own.chunks(2 + sender) {
            let mut bytes = Vec::new();
            let record = |frame: &&Vec<u8>| {
                bytes.extend_from_slice(frame);
                Recorded { due: Instant::START, end: bytes.len() }
            };
            let recorded = chunk.iter().map(record).collect();
            run.tape.record(sender as u32, bytes.into(), recorded, 1);
        }
    }
    (run, frames)
}

/// What a receiver that is no sender makes of a stream that comes in such pieces.
fn receive(run: &mut Run, stream: &[u8], piece: usize) -> Receiver {
    let mut receiver = Receiver::new(9, Role::Both, SENDERS);
    for bytes in stream.chunks(piece) {
        receiver.received(Instant::from_micros(7), bytes, run);
    }
    receiver
}

/// The same fault, whatever is spoken and however the stream is cut.
fn check(spoil: impl Fn(&mut Vec<Vec<u8>>), expected: Counts, missing: &[(u32, u64)], told: &[FaultKind]) {
    Dialect::ALL.into_iter().for_each(|dialect| check_in(dialect, &spoil, expected, missing, told));
}

/// In this one.
fn check_in(
    dialect: Dialect,
    spoil: &impl Fn(&mut Vec<Vec<u8>>),
    expected: Counts,
    missing: &[(u32, u64)],
    told: &[FaultKind],
) {
    for piece in [1, 3, 39, 40, 41, 64, 65, 200, 100_000] {
        let (mut run, mut frames) = sent_in(dialect, 5, 16..=100);
        spoil(&mut frames);
        let receiver = receive(&mut run, &frames.concat(), piece);
        let ledger = receiver.ledger();
        assert_eq!(*ledger.counts(), expected, "{dialect} in pieces of {piece}");
        let gaps = ledger.gaps().flat_map(|(sender, gap)| gap.map(move |number| (sender, number)));
        let rest = (0..SENDERS as u32)
            .flat_map(|sender| ledger.outstanding(sender, 5).map(move |number| (sender, number)));
        assert_eq!(gaps.chain(rest).collect::<Vec<_>>(), missing, "{dialect} in pieces of {piece}");
        let kinds: Vec<_> = run.figures.faults().iter().map(|fault| fault.kind).collect();
        assert_eq!(kinds, told, "{dialect} in pieces of {piece}");
        let under_way = run.tape.under_way();
        assert!(under_way as usize <= missing.len(), "{under_way} wait for what will not come");
    }
}

fn came(came: u64) -> Counts {
    Counts { came, ..Counts::default() }
}

#[test]
fn what_was_sent_came() {
    check(|_| {}, came(10), &[], &[]);
}

#[test]
fn senders_may_be_interleaved_otherwise_than_they_sent() {
    check(|frames| frames.swap(2, 3), came(10), &[], &[]);
}

#[test]
fn one_senders_messages_may_come_in_a_row() {
    let in_a_row = |frames: &mut Vec<Vec<u8>>| {
        let (one, other): (Vec<_>, Vec<_>) = frames.chunks(2).map(|pair| (&pair[0], &pair[1])).unzip();
        *frames = one.into_iter().chain(other).cloned().collect();
    };
    check(in_a_row, came(10), &[], &[]);
}

#[test]
fn a_dropped_message_is_missing() {
    check(|frames| drop(frames.remove(2)), came(9), &[(0, 1)], &[]);
    check(|frames| drop(frames.pop()), came(9), &[(1, 4)], &[]);
}

#[test]
fn a_flipped_bit_is_wrong() {
    let expected = Counts { came: 9, wrong: 1, spoilt: 1, ..Counts::default() };
    let flip_last = |frames: &mut Vec<Vec<u8>>| {
        let longest = (0..10).max_by_key(|&at| frames[at].len()).unwrap();
        *frames[longest].last_mut().unwrap() ^= 1;
    };
    check(flip_last, expected, &[], &[FaultKind::Wrong]);
}

#[test]
fn a_flipped_bit_in_the_head_is_wrong_and_whose_it_was_is_missing() {
    let expected = Counts { came: 9, wrong: 1, ..Counts::default() };
    for place in [0, 5, 20, 24, 28, 33] {
        let spoil = |frames: &mut Vec<Vec<u8>>| frames[4][place] ^= 1;
        check_in(Dialect::Frames, &spoil, expected, &[(0, 2)], &[FaultKind::Wrong]);
    }
}

#[test]
fn a_flipped_bit_in_a_length_is_wrong_and_costs_no_more_than_the_next_message() {
    for place in 16..20 {
        for bit in 0..8 {
            let (mut run, mut frames) = sent(5, 50..=60);
            frames[4][place] ^= 1 << bit;
            let receiver = receive(&mut run, &frames.concat(), 1000);
            let counts = receiver.ledger().counts();
            assert!(counts.came >= 8 && counts.wrong == 1, "bit {bit} of byte {place}: {counts:?}");
        }
    }
}

#[test]
fn junk_is_told_at_once_and_is_no_progress() {
    let (mut run, _) = sent(5, 16..=16);
    let mut receiver = Receiver::new(9, Role::Both, SENDERS);
    for _ in 0..100 {
        receiver.received(Instant::START, &[0; 1000], &mut run);
        assert_eq!((receiver.ledger().counts().wrong, run.figures.right_bytes()), (1, 0));
    }
}

#[test]
fn behind_the_answer_to_the_farewell_nothing_may_come() {
    for (extra, wrong) in [(0, 0), (1, 1), (100, 1)] {
        let (mut run, frames) = sent(5, 16..=100);
        let mut stream = frames.concat();
        stream.extend_from_slice(&farewell(&run));
        let receiver = receive(&mut run, &stream, 33);
        assert!(receiver.has_parted());
        stream.extend(vec![7; extra]);
        let (mut run, _) = sent(5, 16..=100);
        let mut receiver = receive(&mut run, &stream, 33);
        receiver.finish(&mut run);
        assert_eq!(*receiver.ledger().counts(), Counts { came: 10, wrong, ..Counts::default() });
    }
}

#[test]
fn a_swapped_pair_is_out_of_order() {
    let expected = Counts { came: 10, out_of_order: 1, ..Counts::default() };
    check(|frames| frames.swap(2, 4), expected, &[], &[FaultKind::OutOfOrder]);
}

#[test]
fn a_doubled_message_came_twice() {
    let expected = Counts { came: 10, twice: 1, ..Counts::default() };
    let double = |frames: &mut Vec<Vec<u8>>| frames.insert(6, frames[4].clone());
    check(double, expected, &[], &[FaultKind::Twice]);
}

#[test]
fn ones_own_message_is_wrong() {
    let (mut run, frames) = sent(2, 16..=16);
    let mut receiver = Receiver::new(0, Role::Both, SENDERS);
    receiver.received(Instant::START, &frames.concat(), &mut run);
    assert_eq!(*receiver.ledger().counts(), Counts { came: 2, wrong: 2, ..Counts::default() });
}

#[test]
fn strangers_messages_and_junk_are_wrong_and_hide_nothing() {
    let stranger = maker(1, Dialect::Frames, 16..=16);
    let spoil = |frames: &mut Vec<Vec<u8>>| {
        frames.insert(1, b"no frame at all".to_vec());
        frames.insert(5, stranger.delivery(MessageId { sender: 0, number: 0 }).to_vec());
    };
    let expected = Counts { came: 10, wrong: 2, ..Counts::default() };
    check_in(Dialect::Frames, &spoil, expected, &[], &[FaultKind::Wrong, FaultKind::Wrong]);
}

#[test]
fn what_strangers_publish_is_wrong_and_hides_nothing_however_short_it_is() {
    for dialect in [Dialect::Redis, Dialect::Nats, Dialect::Mqtt] {
        let spoil = |frames: &mut Vec<Vec<u8>>| {
            for (at, payload) in [(1, &b""[..]), (1, b"wrong"), (5, b"wrong as well, and long enough")] {
                frames.insert(at, strangers(dialect, payload));
            }
        };
        let expected = Counts { came: 10, wrong: 3, ..Counts::default() };
        check_in(dialect, &spoil, expected, &[], &[FaultKind::Wrong; 3]);
    }
}

/// What a stranger has published on the run's channel.
fn strangers(dialect: Dialect, payload: &[u8]) -> Vec<u8> {
    let codec = Codec::Foreign(Foreign::new(dialect, 42).unwrap());
    let mut bytes = BytesMut::new();
    codec.open(payload.len() as u32, &mut bytes);
    bytes.extend_from_slice(payload);
    codec.close(0, &mut bytes);
    bytes.to_vec()
}

#[test]
fn behind_the_shortest_stray_the_answer_to_the_farewell_is_heard() {
    for (dialect, answer) in [
        (Dialect::Redis, &b"*2\r\n$4\r\npong\r\n$25\r\nload.000000000000002a.9.1\r\n"[..]),
        (Dialect::Nats, b"PONG\r\n"),
        (Dialect::Mqtt, b"\xd0\0"),
    ] {
        for (payload, piece) in [(0, 1), (0, 1000), (5, 1), (5, 49), (5, 1000), (15, 1000)] {
            let (mut run, mut stream) = sent_in(dialect, 5, 16..=100);
            stream.extend([strangers(dialect, &vec![b'x'; payload]), answer.to_vec()]);
            let mut receiver = Receiver::new(9, Role::Receiver, SENDERS);
            receiver.asks_to_part();
            for bytes in stream.concat().chunks(piece) {
                receiver.received(Instant::START, bytes, &mut run);
            }
            assert!(receiver.has_parted(), "{dialect}, {payload} bytes, in pieces of {piece}");
            let expected = Counts { came: 10, wrong: 1, ..Counts::default() };
            assert_eq!(*receiver.ledger().counts(), expected, "{dialect}, {payload} bytes");
        }
    }
}

#[test]
fn no_stream_is_too_odd() {
    let mut rng = Rng::new(7);
    for dialect in Dialect::ALL.into_iter().cycle().take(4000) {
        let (mut run, frames) = sent_in(dialect, 5, 16..=100);
        let mut stream = frames.concat();
        for _ in 0..rng.below(5) {
            let (at, to) = (rng.below(stream.len() as u64) as usize, rng.below(64) as usize);
            stream.splice(at..(at + to).min(stream.len()), b"$\r\n"[..to % 4].iter().copied());
        }
        let receiver = receive(&mut run, &stream, 1 + rng.below(99) as usize);
        assert!(receiver.ledger().counts().came <= 10, "{dialect}");
    }
}
