//! What is not relayed again, and what is.

use std::time::Duration;

use peer_relay::relay::Limits;

use crate::room::{Room, Take, bad_checksum, frame, limits, micros, secs, tx};

fn room() -> Room {
    Room::new(Limits { dedup: Some(secs(60)), ..limits() })
}

#[test]
fn a_frame_passes_once_whoever_says_it_again() {
    let mut room = room();
    let peers = room.join_many(3);
    room.say(peers[0], &tx(1));
    room.say(peers[0], &tx(1));
    room.say(peers[1], &tx(1));
    room.say(peers[1], &[tx(1), tx(2), tx(1)].concat());
    assert_eq!(room.got(peers[2]), [tx(1), tx(2)].concat());
    assert_eq!((room.got(peers[0]), room.got(peers[1])), (tx(2), tx(1)));
    let stats = room.relay.stats();
    assert_eq!((stats.duplicates, stats.incoming.frames, stats.outgoing.frames), (4, 6, 4));
}

#[test]
fn it_passes_again_when_the_window_is_over_to_the_microsecond() {
    let mut room = room();
    let peers = room.join_many(2);
    room.say(peers[0], &tx(1));
    room.pass(secs(60) - micros(1));
    room.say(peers[0], &tx(1));
    assert_eq!(room.got(peers[1]), tx(1));
    room.pass(micros(1));
    room.say(peers[0], &tx(1));
    assert_eq!(room.got(peers[1]), tx(1), "a repeat does not make it longer");
}

#[test]
fn another_command_is_another_frame_and_so_is_an_empty_payload() {
    let mut room = room();
    let peers = room.join_many(2);
    let said = [frame("tx", b"a"), frame("msg", b"a"), frame("tx", b""), frame("msg", b"")].concat();
    room.say(peers[0], &said);
    room.say(peers[1], &said);
    assert_eq!((room.got(peers[1]), room.got(peers[0]).len()), (said, 0));
}

#[test]
fn without_it_every_frame_passes() {
    let mut room = Room::new(limits());
    let peers = room.join_many(2);
    room.say(peers[0], &[tx(1), tx(1)].concat());
    assert_eq!(room.got(peers[1]), [tx(1), tx(1)].concat());
    assert_eq!(room.relay.stats().duplicates, 0);
}

#[test]
fn what_nobody_heard_has_passed_too_and_what_was_wrong_has_not() {
    let mut room = Room::new(Limits {
        dedup: Some(secs(60)),
        never_ban: vec!["0.0.0.0/0".parse().unwrap()],
        ..limits()
    });
    let alone = room.join("192.0.2.1");
    room.say(alone, &tx(1));
    let other = room.join("192.0.2.2");
    room.say(alone, &tx(1));
    assert!(room.got(other).is_empty());
    let liar = room.join("192.0.2.3");
    room.say(liar, &bad_checksum());
    room.say(alone, &frame("tx", b"not what it says"));
    assert_eq!(room.got(other), frame("tx", b"not what it says"));
}

#[test]
fn a_ping_is_answered_as_often_as_it_comes() {
    let mut room = room();
    let peer = room.join("192.0.2.1");
    room.say(peer, &[frame("ping", b"12345678"), frame("ping", b"12345678")].concat());
    assert_eq!(room.got(peer), [frame("pong", b"12345678"), frame("pong", b"12345678")].concat());
}

#[test]
fn a_repeat_counts_against_its_senders_rate() {
    let mut room =
        Room::new(Limits { dedup: Some(secs(60)), rate_messages: std::num::NonZeroU64::new(3), ..limits() });
    let peers = room.join_many(2);
    room.offer(peers[0], &[tx(1), tx(1), tx(1), tx(1), tx(1), tx(2)].concat());
    room.turn();
    assert!(room.unread(peers[0]) > 0 || room.got(peers[1]) == tx(1));
    room.pass(secs(2));
    assert!(room.got(peers[1]).ends_with(&tx(2)));
}

#[test]
fn too_many_at_once_are_forgotten_early_and_the_latest_half_is_not() {
    let mut room = Room::new(Limits { dedup: Some(Duration::from_secs(60)), dedup_max: 100, ..limits() });
    let peers = room.join_many(2);
    (0..1000).for_each(|number| room.say(peers[0], &tx(number)));
    room.got(peers[1]);
    room.say(peers[0], &[tx(999), tx(951), tx(0)].concat());
    assert_eq!(room.got(peers[1]), tx(0));
}

#[test]
fn a_slow_reader_gets_each_once_too() {
    let mut room = room();
    let peers = room.join_many(2);
    room.takes(peers[1], Take::Nothing);
    (0..10).for_each(|number| room.say(peers[0], &[tx(number), tx(number / 2)].concat()));
    room.takes(peers[1], Take::All);
    room.turn();
    assert_eq!(room.got(peers[1]), (0..10).flat_map(tx).collect::<Vec<u8>>());
}
