//! What is sent reaches whom it is due to, in order and whole. Knows no offence.

use std::iter;

use peer_relay::relay::Output;

use crate::room::{Room, Take, frame, limits, tx};

/// Sizes around every boundary: empty, one read, the chunk of its own.
const SIZES: [usize; 9] = [0, 1, 250, 4096, 65_511, 65_512, 65_536, 200_000, 1_000_000];

#[test]
fn every_frame_reaches_every_other_peer_bit_for_bit_and_never_its_sender() {
    let mut room = Room::new(limits());
    let peers = room.join_many(4);
    for (i, size) in SIZES.into_iter().enumerate() {
        let wire = frame("block", &vec![i as u8; size]);
        let from = peers[i % 4];
        room.say(from, &wire);
        for &peer in &peers {
            let due = if peer == from { Vec::new() } else { wire.clone() };
            assert!(room.got(peer) == due, "{size} bytes at {peer}");
        }
    }
    assert_eq!(room.relay.retained_bytes(), 0);
}

#[test]
fn a_turn_of_several_senders_is_the_same_order_for_everybody() {
    let mut room = Room::new(limits());
    let peers = room.join_many(5);
    let mut due = vec![Vec::new(); 5];
    for round in 0..3 {
        for (i, size) in SIZES[..7].iter().enumerate() {
            let (from, wire) = (peers[(i + round) % 4], frame("tx", &vec![i as u8; *size]));
            room.send(from, &wire);
            for &peer in peers.iter().filter(|&&peer| peer != from) {
                due[peer].extend_from_slice(&wire);
            }
        }
    }
    room.turn();
    for &peer in &peers {
        assert!(room.got(peer) == due[peer], "peer {peer}");
    }
}

#[test]
fn a_stream_cut_anywhere_is_relayed_the_same() {
    let wire: Vec<u8> = [0, 5, 70_000, 1].iter().flat_map(|&len| frame("tx", &vec![3; len])).collect();
    for piece in [1, 23, 24, 25, 1000, 65_536] {
        let mut room = Room::new(limits());
        let peers = room.join_many(3);
        wire.chunks(piece).for_each(|bytes| room.say(peers[1], bytes));
        assert!(room.got(peers[0]) == wire && room.got(peers[2]) == wire, "in pieces of {piece}");
        assert!(room.got(peers[1]).is_empty());
    }
}

#[test]
fn a_ping_is_answered_with_its_payload_and_not_relayed() {
    let mut room = Room::new(limits());
    let peers = room.join_many(2);
    for len in [0, 8, 1024] {
        room.say(peers[0], &frame("ping", &vec![9; len]));
        assert_eq!(room.got(peers[0]), frame("pong", &vec![9; len]));
    }
    room.say(peers[0], &frame("ping", &[9; 1025]));
    room.say(peers[0], &frame("pong", &[9; 8]));
    assert!(room.got(peers[0]).is_empty() && room.got(peers[1]).is_empty());
}

#[test]
fn a_pong_goes_out_before_the_log_of_its_turn() {
    let mut room = Room::new(limits());
    let peers = room.join_many(2);
    room.send(peers[0], &tx(1));
    room.send(peers[1], &frame("ping", b"12345678"));
    room.send(peers[0], &tx(2));
    room.turn();
    assert_eq!(room.got(peers[1]), [frame("pong", b"12345678"), tx(1), tx(2)].concat());
}

#[test]
fn a_pong_never_goes_out_inside_a_frame() {
    for first in 1..28 {
        let mut room = Room::new(limits());
        let peers = room.join_many(2);
        room.takes(peers[1], Take::Bytes(first));
        room.say(peers[0], &tx(1));
        room.takes(peers[1], Take::Nothing);
        room.send(peers[0], &tx(2));
        room.say(peers[1], &frame("ping", b"?"));
        room.takes(peers[1], Take::All);
        room.say(peers[0], &tx(3));
        assert_eq!(room.got(peers[1]), [tx(1), frame("pong", b"?"), tx(2), tx(3)].concat(), "after {first}");
    }
}

#[test]
fn a_peer_that_takes_one_byte_a_turn_gets_everything_in_order() {
    let mut room = Room::new(limits());
    let peers = room.join_many(3);
    room.takes(peers[2], Take::Bytes(1));
    let mut due = Vec::new();
    for number in 0..20 {
        room.say(peers[number as usize % 2], &tx(number));
        due.extend(tx(number));
    }
    room.say(peers[2], &frame("ping", b"hello"));
    due.extend(frame("pong", b"hello"));
    let mut got = room.got(peers[2]);
    while room.unsent(peers[2]) > 0 {
        room.turn();
        got.extend(room.got(peers[2]));
    }
    assert_eq!(got, due);
    assert_eq!(room.relay.retained_bytes(), 0);
    assert_eq!(room.relay.stats().outgoing.bytes, 280 + 280 + 560 + 29);
}

#[test]
fn a_peer_gets_only_frames_of_turns_after_the_one_that_admitted_it() {
    let mut room = Room::new(limits());
    let old = room.join_many(2);
    room.takes(old[1], Take::Nothing);
    room.say(old[0], &tx(1));
    let new = room.join("192.0.2.1");
    room.say(old[0], &tx(2));
    assert_eq!(room.got(new), tx(2));
    room.takes(old[1], Take::All);
    room.turn();
    assert_eq!(room.got(old[1]), [tx(1), tx(2)].concat());
}

#[test]
fn a_slow_reader_never_delays_the_others() {
    let mut room = Room::new(limits());
    let peers = room.join_many(4);
    room.takes(peers[3], Take::Nothing);
    for number in 0..1000 {
        room.say(peers[0], &tx(number));
        assert_eq!(room.got(peers[1]), tx(number));
        assert_eq!(room.got(peers[2]), tx(number));
    }
    room.takes(peers[3], Take::All);
    room.turn();
    assert_eq!(room.got(peers[3]), (0..1000).flat_map(tx).collect::<Vec<u8>>());
}

#[test]
fn the_log_is_as_long_as_the_frames_of_the_turn_and_empty_behind_it() {
    let mut room = Room::new(limits());
    let peers = room.join_many(2);
    room.send(peers[0], &tx(1));
    room.send(peers[1], &[tx(2), frame("ping", b"not in it"), tx(3)[..20].to_vec()].concat());
    assert_eq!(room.relay.log_len(), 2 * tx(1).len());
    room.turn();
    assert_eq!(room.relay.log_len(), 0);
}

#[test]
fn nobody_is_written_to_who_is_due_nothing() {
    let mut room = Room::new(limits());
    let peers = room.join_many(3);
    room.send(peers[0], &tx(1));
    let flushed = iter::from_fn(|| room.relay.poll()).filter(|output| matches!(output, Output::Flush(_)));
    assert_eq!(flushed.count(), 2, "its sender has it");
}
