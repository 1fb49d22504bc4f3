//! How much a peer may send a second, and what more costs. Knows that nothing is lost by a pause.

use std::num::NonZeroU64;
use std::time::Duration;

use peer_relay::protocol::{Flood, Offence, Penalty};
use peer_relay::relay::{Law, Limits, Reason};

use crate::room::{Room, bad_checksum, bad_command, frame, limits, micros, secs, tx};

fn room(penalty: Penalty, messages: Option<u64>, bytes: Option<u64>) -> Room {
    let mut law = Law::of::<Flood>();
    law.set(Offence::Flood, penalty).unwrap();
    Room::under(
        Flood,
        law,
        Limits {
            rate_messages: messages.and_then(NonZeroU64::new),
            rate_bytes: bytes.and_then(NonZeroU64::new),
            ..limits()
        },
    )
}

/// Frames in what a peer got, all of one length.
fn frames(room: &mut Room, who: usize, len: usize) -> u64 {
    (room.got(who).len() / len) as u64
}

#[test]
fn a_paused_peer_is_heard_at_its_rate_and_nothing_of_it_is_lost() {
    for (rate, payload) in [(1, 0), (10, 4), (7, 300), (100, 4)] {
        let mut room = room(Penalty::Pause, Some(rate), None);
        let peers = room.join_many(2);
        let wire = frame("tx", &vec![5; payload]);
        let total = rate * 6;
        room.offer(peers[0], &wire.repeat(total as usize));
        room.turn();
        let mut heard = frames(&mut room, peers[1], wire.len());
        assert!(heard <= rate);
        for tenth in 1..=60 {
            room.pass(Duration::from_millis(100));
            heard += frames(&mut room, peers[1], wire.len());
            assert!(heard <= rate + rate * tenth / 10, "{heard} at a rate of {rate} after {tenth} tenths");
        }
        assert_eq!((heard, room.unread(peers[0])), (total, 0), "at a rate of {rate}");
        assert!(room.is_here(peers[0]));
    }
}

#[test]
fn bytes_are_paused_at_their_rate_and_a_largest_frame_always_fits() {
    let mut room = room(Penalty::Pause, None, Some(100_000));
    let peers = room.join_many(2);
    let largest = frame("block", &[5; 1_000_000]);
    room.offer(peers[0], &largest);
    room.turn();
    assert_eq!(room.got(peers[1]), largest, "a burst is a largest frame at least");
    let wire = frame("tx", &[5; 976]);
    room.offer(peers[0], &wire.repeat(1000));
    let mut heard = 0;
    for second in 0..11 {
        heard += room.got(peers[1]).len();
        assert!(heard <= largest.len() + 100_000 * second, "{heard} after {second} seconds");
        room.pass(secs(1));
    }
    room.pass(secs(1));
    heard += room.got(peers[1]).len();
    assert_eq!(heard, 1_000_000);
}

#[test]
fn over_the_rate_and_dropped_is_frames_lost_and_no_more() {
    let mut room = room(Penalty::Drop, Some(10), None);
    let peers = room.join_many(2);
    for _ in 0..30 {
        room.say(peers[0], &tx(1));
    }
    assert_eq!(frames(&mut room, peers[1], tx(1).len()), 10);
    room.pass(Duration::from_millis(100) - micros(1));
    room.say(peers[0], &tx(1));
    room.pass(micros(1));
    room.say(peers[0], &tx(2));
    assert_eq!(room.got(peers[1]), tx(2));
    assert_eq!((room.relay.stats().dropped_frames, room.is_here(peers[0])), (21, true));
}

#[test]
fn over_the_rate_may_cost_the_connection_or_the_address() {
    for (penalty, reason) in [
        (Penalty::Disconnect, Reason::Offence(Offence::Flood)),
        (Penalty::Ban, Reason::Banned(Offence::Flood)),
    ] {
        for (messages, bytes) in [(Some(3), None), (None, Some(1_000_024))] {
            let mut room = room(penalty, messages, bytes);
            let peers = room.join_many(2);
            let wire = if bytes.is_some() { frame("tx", &[1; 333_300]) } else { tx(1) };
            for _ in 0..3 {
                room.say(peers[0], &wire);
                assert!(room.is_here(peers[0]));
            }
            room.say(peers[0], &wire);
            assert_eq!(room.gone(peers[0]), Some(reason));
            assert_eq!(room.got(peers[1]), wire.repeat(3));
        }
    }
}

#[test]
fn pings_count_like_any_frame() {
    let mut room = room(Penalty::Pause, Some(5), None);
    let peer = room.join("192.0.2.1");
    room.offer(peer, &frame("ping", b"x").repeat(20));
    room.turn();
    assert_eq!(room.got(peer), frame("pong", b"x").repeat(5));
    room.pass(secs(3));
    assert_eq!(room.got(peer), frame("pong", b"x").repeat(15));
}

#[test]
fn a_frame_dropped_for_its_checksum_counts_like_any_frame() {
    let mut law = Law::of::<Flood>();
    law.set(Offence::Checksum, Penalty::Drop).unwrap();
    let mut room = Room::under(Flood, law, Limits { rate_messages: NonZeroU64::new(10), ..limits() });
    let peer = room.join("192.0.2.1");
    room.offer(peer, &bad_checksum().repeat(100));
    room.turn();
    assert!(room.relay.stats().dropped_frames <= 10, "{}", room.relay.stats().dropped_frames);
    room.pass(secs(10));
    assert_eq!(room.relay.stats().dropped_frames, 100);
}

#[test]
fn a_pause_is_not_held_against_a_frame() {
    let mut bounds = Limits { rate_bytes: NonZeroU64::new(1000), ..limits() };
    bounds.decoder.max_payload = 1000;
    bounds.frame_timeout = secs(1);
    bounds.idle_timeout = Some(secs(1));
    let mut room = Room::new(bounds);
    let peers = room.join_many(2);
    let wire = frame("tx", &[1; 900]);
    room.offer(peers[0], &wire.repeat(10));
    let mut got = Vec::new();
    for _ in 0..120 {
        room.pass(Duration::from_millis(100));
        room.say(peers[1], &frame("pong", b"")); // not silent, and not relayed
        got.extend(room.got(peers[1]));
    }
    assert!(room.is_here(peers[1]));
    assert_eq!(got.len(), 10 * wire.len());
}

#[test]
fn a_pause_longer_than_the_idle_time_is_not_silence() {
    let idle_timeout = Some(Duration::from_millis(500));
    let mut room = Room::new(Limits { rate_messages: NonZeroU64::new(1), idle_timeout, ..limits() });
    let peer = room.join("192.0.2.1");
    room.offer(peer, &tx(1).repeat(10));
    room.turn();
    room.pass(secs(20));
    assert_eq!(room.relay.stats().incoming.frames, 10);
    let end = 10_500_000; // the tenth came with the ninth second, and its pause took the tenth
    assert_eq!(room.gone_at(peer), Some((Reason::IdleTimeout, end)));
}

#[test]
fn whoever_hung_up_while_paused_goes_within_the_drain_time_and_what_was_read_till_then_arrives() {
    for rate in [1, 10, 1000] {
        let mut room = room(Penalty::Pause, Some(rate), None);
        let peers = room.join_many(2);
        room.pass(micros(7));
        room.offer(peers[0], &tx(1).repeat(rate as usize * 100));
        room.turn();
        room.hang_up(peers[0]);
        room.pass(secs(2));
        room.hang_up(peers[0]); // said again is not begun again
        room.pass(secs(3) - micros(1));
        assert!(room.is_here(peers[0]), "its time is not over");
        room.pass(micros(1));
        assert_eq!(room.gone_at(peers[0]), Some((Reason::Eof, 5_000_007)), "at a rate of {rate}");
        let heard = frames(&mut room, peers[1], tx(1).len());
        assert!((rate * 5..=rate * 6).contains(&heard), "{heard} at a rate of {rate}");
        assert!(room.try_join("10.0.0.1").is_ok(), "no offence");
    }
}

#[test]
fn whoever_hung_up_and_can_be_read_in_time_is_read_to_its_end() {
    let mut room = room(Penalty::Pause, Some(10), None);
    let peers = room.join_many(2);
    room.offer(peers[0], &tx(1).repeat(50));
    room.turn();
    room.hang_up(peers[0]);
    room.pass(secs(4));
    assert_eq!((frames(&mut room, peers[1], tx(1).len()), room.unread(peers[0])), (50, 0));
    assert!(room.is_here(peers[0]), "it goes when its end is read");
    room.end(peers[0]);
    room.turn();
    assert_eq!(room.gone_at(peers[0]), Some((Reason::Eof, 4_000_000)));
}

#[test]
fn to_whoever_is_read_it_makes_no_difference_that_it_hung_up() {
    let mut room = room(Penalty::Pause, Some(10), None);
    let peers = room.join_many(2);
    room.hang_up(peers[0]);
    room.pass(secs(1000));
    assert!(room.is_here(peers[0]));
    room.say(peers[0], &tx(1));
    assert_eq!(room.got(peers[1]), tx(1));
    room.say(peers[1], &tx(2));
    assert_eq!(room.got(peers[0]), tx(2));
}

#[test]
fn frames_dropped_by_the_law_are_a_flood_when_they_are_over_the_rate() {
    for (offence, wire) in [(Offence::Checksum, bad_checksum()), (Offence::Command, bad_command())] {
        for (penalty, reason) in [
            (Penalty::Disconnect, Reason::Offence(Offence::Flood)),
            (Penalty::Ban, Reason::Banned(Offence::Flood)),
        ] {
            let mut law = Law::of::<Flood>();
            law.set(offence, Penalty::Drop).unwrap();
            law.set(Offence::Flood, penalty).unwrap();
            let mut room = Room::under(Flood, law, Limits { rate_messages: NonZeroU64::new(10), ..limits() });
            let peers = room.join_many(2);
            room.say(peers[0], &[tx(1), wire.repeat(9)].concat());
            room.pass(secs(1));
            room.say(peers[0], &[wire.repeat(9), tx(2)].concat());
            assert!(room.is_here(peers[0]), "{offence}: within the rate it costs the frame alone");
            room.say(peers[0], &wire);
            assert_eq!(room.gone(peers[0]), Some(reason), "{offence}");
            assert_eq!(room.got(peers[1]), [tx(1), tx(2)].concat());
            assert_eq!(room.relay.stats().dropped_frames, 19, "{offence}");
        }
    }
}

#[test]
fn a_frame_dropped_for_two_reasons_is_counted_once() {
    for (offence, wire) in [(Offence::Checksum, bad_checksum()), (Offence::Command, bad_command())] {
        let mut law = Law::of::<Flood>();
        law.set(offence, Penalty::Drop).unwrap();
        law.set(Offence::Flood, Penalty::Drop).unwrap();
        let mut room = Room::under(Flood, law, Limits { rate_messages: NonZeroU64::new(10), ..limits() });
        let peers = room.join_many(2);
        room.say(peers[0], &[wire.repeat(25), tx(1)].concat());
        assert_eq!((room.relay.stats().dropped_frames, room.got(peers[1])), (26, vec![]), "{offence}");
    }
}

#[test]
fn after_a_pause_reading_goes_on_with_at_least_a_twentieth_of_a_second_s_worth() {
    for (messages, bytes, least) in [
        (None, Some(100_000), 5000),
        (None, Some(2_000_000), 100_000),
        (Some(100), None, 5 * 24),
        (Some(1000), Some(100_000), 50 * 24),
    ] {
        let mut room = room(Penalty::Pause, messages, bytes);
        let peer = room.join("192.0.2.1");
        let wire = frame("tx", &[5; 976]);
        room.offer(peer, &wire.repeat(3 * messages.unwrap_or(2000) as usize));
        room.turn();
        let (mut resumes, began) = (0, room.now);
        while let Some(when) = room.relay.next_deadline()
            && room.unread(peer) > 0
        {
            assert_eq!(room.read_limit(peer), 0, "paused until then");
            room.now = when;
            room.relay.expired(when);
            let limit = room.read_limit(peer);
            assert!(limit == 0 || limit >= least, "{limit} bytes of {messages:?} and {bytes:?} a second");
            resumes += 1;
            room.turn();
        }
        let twentieths = room.now.since(began).as_millis() / 50;
        assert!(resumes > 0 && resumes <= twentieths + 1, "{resumes} resumes in {twentieths} twentieths");
    }
}

#[test]
fn what_is_left_of_a_rate_does_not_cut_a_frame_into_reads_of_a_byte() {
    let mut room = room(Penalty::Pause, None, Some(1000));
    let peers = room.join_many(2);
    let first = frame("tx", &vec![5; 1_000_024 - 24 - 24 - 1]); // of a burst of 1 000 024
    room.say(peers[0], &first);
    assert!(room.read_limit(peers[0]) > 0, "a little is left of the burst");
    let second = frame("tx", &[6; 5000]);
    let (mut rest, mut reads) = (second.as_slice(), 0);
    while !rest.is_empty() {
        let (here, behind) = rest.split_at(room.read_limit(peers[0]).min(rest.len()));
        assert!(!here.is_empty(), "a frame that was begun is read to its end");
        (rest, reads) = (behind, reads + 1);
        room.say(peers[0], here);
    }
    assert!(reads <= 4, "{reads} reads for one frame");
    assert_eq!((room.got(peers[1]), room.read_limit(peers[0])), ([first, second].concat(), 0));
}
