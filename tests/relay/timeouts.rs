//! Silence and slowness of a sender, to the microsecond. Knows that neither is an offence.

use peer_relay::protocol::{Flood, Offence, Penalty};
use peer_relay::relay::{Law, Limits, Reason};

use crate::room::{Room, frame, limits, micros, secs, tx};

#[test]
fn a_frame_has_so_long_from_its_first_byte_whatever_dribbles_in() {
    let wire = frame("tx", &[1; 300]);
    let mut room = Room::new(limits());
    let peer = room.join("192.0.2.1");
    room.pass(secs(1000));
    for byte in &wire[..60] {
        room.say(peer, std::slice::from_ref(byte));
        room.pass(secs(1));
        assert_eq!(room.is_here(peer), room.now.as_micros() < 1_060_000_000);
    }
    assert_eq!(room.gone_at(peer), Some((Reason::FrameTimeout, 1_060_000_000)));
    assert!(room.try_join("192.0.2.1").is_ok(), "slowness is no offence");
}

#[test]
fn skipped_bytes_start_the_clock_as_well() {
    let mut room = Room::new(limits());
    let peers = room.join_many(2);
    room.pass(micros(5));
    room.say(peers[0], b"x");
    room.pass(secs(59));
    room.say(peers[0], &tx(1)[..10]);
    room.pass(secs(1) - micros(1));
    assert!(room.is_here(peers[0]));
    room.pass(micros(1));
    assert_eq!(room.gone_at(peers[0]), Some((Reason::FrameTimeout, 60_000_005)));
}

#[test]
fn a_whole_frame_stops_the_clock_and_the_next_starts_it_anew() {
    let mut room = Room::new(limits());
    let peer = room.join("192.0.2.1");
    room.say(peer, &tx(1)[..5]);
    room.pass(secs(59));
    room.say(peer, &tx(1)[5..]);
    room.pass(secs(3600));
    room.say(peer, &tx(2)[..27]);
    room.pass(secs(50));
    room.say(peer, &[&tx(2)[27..], &tx(3)[..1]].concat());
    room.pass(secs(60) - micros(1));
    assert!(room.is_here(peer), "the clock is the third frame's");
    room.pass(micros(1));
    assert_eq!(room.gone(peer), Some(Reason::FrameTimeout));
}

#[test]
fn what_a_peer_is_owed_when_its_time_is_over_it_still_gets() {
    let mut room = Room::new(limits());
    let peers = room.join_many(2);
    room.say(peers[1], &tx(1)[..5]);
    room.pass(secs(60) - micros(1));
    room.send(peers[0], &tx(2));
    room.now = room.now + micros(1);
    room.relay.expired(room.now);
    room.send(peers[0], &tx(3));
    room.turn();
    assert_eq!((room.got(peers[1]), room.gone(peers[1])), (tx(2), Some(Reason::FrameTimeout)));
}

#[test]
fn without_any_drain_time_the_turn_of_the_end_is_still_kept() {
    let mut room = Room::new(Limits { drain: secs(0), ..limits() });
    let peers = room.join_many(2);
    room.say(peers[1], &tx(1)[..5]);
    room.now = room.now + secs(60);
    room.send(peers[0], &tx(2));
    room.relay.expired(room.now);
    room.turn();
    assert_eq!((room.got(peers[1]), room.gone(peers[1])), (tx(2), Some(Reason::FrameTimeout)));
}

#[test]
fn silence_ends_a_connection_only_where_it_is_told_to() {
    let mut room = Room::new(limits());
    let peer = room.join("192.0.2.1");
    room.pass(secs(1_000_000));
    assert!(room.is_here(peer), "a silent subscriber is a good subscriber");
    let mut room = Room::new(Limits { idle_timeout: Some(secs(30)), ..limits() });
    let peers = room.join_many(2);
    room.pass(secs(29));
    room.say(peers[0], &tx(1));
    room.pass(secs(1) - micros(1));
    assert!(room.is_here(peers[1]), "hearing is not speaking, but its time is not over");
    room.pass(secs(100));
    assert_eq!(room.gone_at(peers[1]), Some((Reason::IdleTimeout, 30_000_000)));
    assert_eq!(room.gone_at(peers[0]), Some((Reason::IdleTimeout, 59_000_000)));
    assert!(room.try_join("10.0.0.1").is_ok());
}

#[test]
fn a_deadline_that_never_comes_wakes_nobody() {
    let mut room = Room::new(limits());
    let peers = room.join_many(2);
    assert_eq!(room.relay.next_deadline(), None);
    room.say(peers[0], &tx(1)[..5]);
    assert_eq!(room.relay.next_deadline(), Some(room.now + secs(60)));
    room.say(peers[0], &tx(1)[5..]);
    room.pass(secs(60));
    assert_eq!(room.relay.next_deadline(), None, "at most one wake-up too many");
}

#[test]
fn a_dropped_frame_without_payload_starts_the_clock_anew_like_any_other() {
    let mut wire = frame("tx", b"");
    wire[5] = 7; // no command has it
    for frames_a_read in [1, 2] {
        let mut law = Law::of::<Flood>();
        law.set(Offence::Command, Penalty::Drop).unwrap();
        let mut room = Room::under(Flood, law, Limits { frame_timeout: secs(15), ..limits() });
        let peer = room.join("192.0.2.1");
        let stream = wire.repeat(59 * frames_a_read + 1);
        room.say(peer, &stream[..5]);
        for bytes in stream[5..].chunks_exact(24 * frames_a_read) {
            room.pass(secs(1));
            room.say(peer, bytes); // ends inside the next
        }
        assert!(room.is_here(peer));
        assert_eq!(room.relay.stats().dropped_frames, 59 * frames_a_read as u64);
        room.pass(secs(100));
        assert_eq!(room.gone_at(peer), Some((Reason::FrameTimeout, 59_000_000 + 15_000_000)), "the last");
    }
}
