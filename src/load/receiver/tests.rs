#![cfg(test)]

//! Streams as they were sent, and spoilt in one place, cut into pieces of every size.

use bytes::BytesMut;

use super::*;
use crate::load::dialect::{Codec, Dialect, Foreign, Frames, Occasion};
use crate::load::ledger::Counts;
use crate::load::maker::Codecs;
use crate::load::rendering::{Rendering, Renderings};
use crate::rng::Rng;
use crate::wire::{Magic, Network};

const SENDERS: usize = 2;
const MAGIC: Magic = Network::PRIVATE.magic;

fn maker(seed: u64, dialect: Dialect, sizes: std::ops::RangeInclusive<u32>) -> Maker {
    let frames = Frames::new(seed, MAGIC, "msg".parse().unwrap(), *sizes.end());
    let codec = match (dialect, Foreign::new(dialect, seed)) {
        (_, Some(foreign)) => Codec::Foreign(foreign),
        (Dialect::Lines, _) => Codec::Lines,
        _ => Codec::Frames(frames),
    };
    Maker::new(seed, sizes, Codecs::from_iter([codec]))
}

fn farewell(run: &Run) -> Vec<u8> {
    run.maker.frames(Track::First).unwrap().farewell(9).to_vec()
}

/// Two senders' messages in turns, sent to one receiver; frames in the order they were made.
fn sent(messages: u64, sizes: std::ops::RangeInclusive<u32>) -> (Run, Vec<Vec<u8>>) {
    sent_in(Dialect::Frames, messages, sizes)
}

fn sent_in(dialect: Dialect, messages: u64, sizes: std::ops::RangeInclusive<u32>) -> (Run, Vec<Vec<u8>>) {
    let maker = maker(42, dialect, sizes);
    let (tape, asides) = (Tape::new(SENDERS), Asides::default());
    let mut run = Run { maker, tape, figures: Figures::new(), asides, probes: Probes::default() };
    run.figures.measure(Instant::START, std::time::Duration::from_secs(1));
    let ids = (0..messages).flat_map(|number| (0..SENDERS as u32).map(move |sender| (sender, number)));
    let frame = |(sender, number)| run.maker.delivery(Track::First, MessageId { sender, number }).to_vec();
    let frames: Vec<Vec<u8>> = ids.map(frame).collect();
    for sender in 0..SENDERS {
        let own: Vec<&Vec<u8>> = frames.iter().skip(sender).step_by(SENDERS).collect();
        for chunk in own.chunks(2 + sender) {
            let mut bytes = Vec::new();
            let record = |frame: &&Vec<u8>| {
                bytes.extend_from_slice(frame);
                bytes.len()
            };
            let ends = chunk.iter().map(record).collect();
            let rendering = Rendering::new(bytes.into(), ends);
            let dues = vec![Instant::START; chunk.len()];
            run.tape.record(sender as u32, dues, Renderings::from_iter([rendering]), 1);
        }
    }
    (run, frames)
}

/// What a receiver that is no sender makes of a stream that comes in such pieces.
fn receive(run: &mut Run, stream: &[u8], piece: usize) -> Receiver {
    let mut receiver = Receiver::new(9, Role::Both, Track::First, SENDERS);
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
        let last = frames[longest].len() - 3; // behind it a line's end, which is another matter
        frames[longest][last] ^= 1;
    };
    check(flip_last, expected, &[], &[FaultKind::Wrong]);
}

#[test]
fn an_escaped_character_makes_a_line_wrong_and_no_other() {
    let expected = Counts { came: 9, wrong: 1, spoilt: 1, ..Counts::default() };
    for at in [16, 17, 20] {
        let escape = |lines: &mut Vec<Vec<u8>>| {
            let longest = (0..10).max_by_key(|&line| lines[line].len()).unwrap();
            let escaped = format!("\\x{:02x}", lines[longest][at]);
            lines[longest].splice(at..at + 1, escaped.bytes());
        };
        check_in(Dialect::Lines, &escape, expected, &[], &[FaultKind::Wrong]);
    }
}

#[test]
fn a_lost_newline_makes_one_line_wrong_and_the_next_one_missing() {
    let expected = Counts { came: 8, wrong: 1, spoilt: 1, ..Counts::default() };
    let join = |lines: &mut Vec<Vec<u8>>| _ = lines[4].pop();
    check_in(Dialect::Lines, &join, expected, &[(1, 2)], &[FaultKind::Wrong]);
    let flip = |lines: &mut Vec<Vec<u8>>| *lines[4].last_mut().unwrap() ^= 0x40;
    check_in(Dialect::Lines, &flip, expected, &[(1, 2)], &[FaultKind::Wrong]);
    let last = |lines: &mut Vec<Vec<u8>>| _ = lines[9].pop();
    check_in(Dialect::Lines, &last, came(9), &[(1, 4)], &[]);
}

#[test]
fn a_newline_within_a_line_makes_two_wrong_ones() {
    let expected = Counts { came: 9, wrong: 2, spoilt: 1, ..Counts::default() };
    let cut = |lines: &mut Vec<Vec<u8>>| {
        let longest = (0..10).max_by_key(|&line| lines[line].len()).unwrap();
        lines[longest][20] = b'\n';
    };
    check_in(Dialect::Lines, &cut, expected, &[], &[FaultKind::Wrong; 2]);
}

#[test]
fn another_end_of_line_is_wrong() {
    let expected = Counts { came: 9, wrong: 1, spoilt: 1, ..Counts::default() };
    let carriage = |lines: &mut Vec<Vec<u8>>| {
        let end = lines[4].len() - 1;
        lines[4].insert(end, b'\r');
    };
    check_in(Dialect::Lines, &carriage, expected, &[], &[FaultKind::Wrong]);
}

#[test]
fn lines_that_are_nobodys_are_wrong_and_hide_nothing() {
    let stranger = maker(1, Dialect::Lines, 16..=16);
    let spoil = |lines: &mut Vec<Vec<u8>>| {
        lines.insert(7, vec![b'x'; 5000]);
        lines[7].push(b'\n');
        lines.insert(5, stranger.delivery(Track::First, MessageId { sender: 0, number: 0 }).to_vec());
        lines.insert(3, b"\xff\0 no line of ours\n".to_vec());
        lines.insert(1, b"\n".to_vec());
    };
    let expected = Counts { came: 10, wrong: 4, ..Counts::default() };
    check_in(Dialect::Lines, &spoil, expected, &[], &[FaultKind::Wrong; 4]);
}

#[test]
fn a_flipped_bit_in_a_lines_name_is_wrong_and_whose_it_was_is_missing() {
    let expected = Counts { came: 9, wrong: 1, ..Counts::default() };
    for place in [0, 4, 8, 15] {
        let spoil = |lines: &mut Vec<Vec<u8>>| lines[4][place] ^= 1;
        check_in(Dialect::Lines, &spoil, expected, &[(0, 2)], &[FaultKind::Wrong]);
    }
}

/// Probes among the messages of either framing.
fn with_probes(dialect: Dialect, occasions: &[(Occasion, u32)]) -> (Run, Vec<Vec<u8>>) {
    let (mut run, mut frames) = sent_in(dialect, 5, 16..=100);
    for &(occasion, prober) in occasions {
        let id = run.probes.next(occasion, prober);
        frames.push(run.maker.probe(Track::First, id).to_vec());
    }
    (run, frames)
}

#[test]
fn probes_are_told_from_messages_wherever_they_come() {
    let arrivals = [(Occasion::Arrival, 0), (Occasion::Arrival, 1), (Occasion::Arrival, 0)];
    for dialect in [Dialect::Frames, Dialect::Lines] {
        for (piece, place) in [1, 3, 16, 17, 33, 40, 41, 100_000]
            .into_iter()
            .flat_map(|piece| (0..=10).map(move |place| (piece, place)))
        {
            let (mut run, mut stream) = with_probes(dialect, &arrivals);
            stream[place..].rotate_right(arrivals.len());
            let mut receiver = receive(&mut run, &stream.concat(), piece);
            receiver.finish(&mut run);
            assert_eq!(*receiver.ledger().counts(), came(10), "{dialect}, {piece} bytes, before {place}");
        }
    }
}

#[test]
fn ones_own_probe_and_one_that_nobody_has_sent_are_wrong() {
    for dialect in [Dialect::Frames, Dialect::Lines] {
        let (mut run, _) = with_probes(dialect, &[(Occasion::Arrival, 9)]);
        for id in [MessageId::probe(9, 0), MessageId::probe(0, 1)] {
            let probe = run.maker.probe(Track::First, id);
            let receiver = receive(&mut run, &probe, 1000);
            let wrong = receiver.ledger().counts().wrong;
            assert_eq!((wrong, run.figures.faults()[0].message), (1, None), "{dialect} {id:?}");
        }
    }
}

#[test]
fn a_line_peer_has_parted_when_it_has_heard_every_last_probe_once() {
    let last = [(Occasion::Arrival, 0), (Occasion::Farewell, 0), (Occasion::Farewell, 1)];
    let (mut run, stream) = with_probes(Dialect::Lines, &last);
    let probers = [0, 1].into_iter().collect();
    let mut receiver = Receiver::new(9, Role::Both, Track::First, SENDERS);
    receiver.takes_leave(Parting::Parted, &probers);
    for (at, line) in stream.iter().enumerate() {
        assert!(!receiver.has_parted(), "before line {at}");
        receiver.received(Instant::START, line, &mut run);
    }
    assert!(receiver.has_parted());
    receiver.received(Instant::START, &stream[12], &mut run);
    assert_eq!(receiver.ledger().counts().wrong, 1, "once more");
    let mut prober = Receiver::new(1, Role::Both, Track::First, SENDERS);
    prober.takes_leave(Parting::Parted, &probers);
    prober.received(Instant::START, &stream[11], &mut run);
    assert!(prober.has_parted(), "its own does not come");
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
    let mut receiver = Receiver::new(9, Role::Both, Track::First, SENDERS);
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
    let mut receiver = Receiver::new(0, Role::Both, Track::First, SENDERS);
    receiver.received(Instant::START, &frames.concat(), &mut run);
    assert_eq!(*receiver.ledger().counts(), Counts { came: 2, wrong: 2, ..Counts::default() });
    let (mut run, lines) = sent_in(Dialect::Lines, 2, 16..=16);
    let mut receiver = Receiver::new(0, Role::Both, Track::First, SENDERS);
    receiver.received(Instant::START, &lines.concat(), &mut run);
    assert_eq!(*receiver.ledger().counts(), Counts { came: 2, wrong: 2, ..Counts::default() });
}

#[test]
fn strangers_messages_and_junk_are_wrong_and_hide_nothing() {
    let stranger = maker(1, Dialect::Frames, 16..=16);
    let spoil = |frames: &mut Vec<Vec<u8>>| {
        frames.insert(1, b"no frame at all".to_vec());
        frames.insert(5, stranger.delivery(Track::First, MessageId { sender: 0, number: 0 }).to_vec());
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
            let mut receiver = Receiver::new(9, Role::Receiver, Track::First, SENDERS);
            receiver.takes_leave(Parting::Asked, &Probers::new());
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
