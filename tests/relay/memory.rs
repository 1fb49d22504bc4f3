//! Everything strangers together make us hold, in one bound. Knows that `Room` checks it after each input.

use peer_relay::relay::{Limits, Reason};

use crate::room::{Name, Room, Take, frame, limits, tx};

const MAX: usize = 8 << 20;

fn bounded() -> Limits {
    Limits { retained_max_bytes: MAX, ..limits() }
}

fn honest(room: &mut Room) -> [Name; 2] {
    ["192.0.2.1", "192.0.2.2"].map(|address| room.join(address))
}

fn assert_small_frames_pass(room: &mut Room, [one, two]: [Name; 2]) {
    room.got(two);
    room.say(one, &tx(7));
    assert_eq!(room.got(two), tx(7));
}

fn everybody_leaves(room: &mut Room, peers: impl IntoIterator<Item = Name>) {
    peers.into_iter().for_each(|peer| room.reset(peer));
    assert_eq!((room.relay.peers(), room.relay.retained_bytes()), (0, 0));
}

#[test]
fn unfinished_frames_of_many_stay_within_the_bound() {
    let mut room = Room::new(bounded());
    let honest = honest(&mut room);
    let greedy = room.join_many(300);
    let wire = frame("block", &[7; 100_000]);
    for piece in wire[..97_000].chunks(16_000) {
        for &peer in &greedy {
            room.send(peer, piece);
        }
        assert_small_frames_pass(&mut room, honest);
    }
    let left: Vec<Name> = greedy.iter().copied().filter(|&peer| room.is_here(peer)).collect();
    assert!(left.len() >= MAX / 8 * 7 / 131_072 / 2, "{} left: no more than needed went", left.len());
    for &peer in greedy.iter().filter(|peer| !left.contains(peer)) {
        assert_eq!(room.gone(peer), Some(Reason::Memory));
    }
    assert_eq!(room.relay.bans().len(), 0);
    everybody_leaves(&mut room, left.into_iter().chain(honest));
}

#[test]
fn those_that_hold_most_go_first_until_it_is_below_seven_eighths() {
    let mut room = Room::new(Limits { retained_max_bytes: 500_000, ..limits() });
    let peers = room.join_many(11);
    let wire = frame("block", &[7; 900_000]);
    for (&peer, kilobytes) in peers.iter().zip(41..=50) {
        room.send(peer, &wire[..kilobytes * 1000]);
    }
    room.turn();
    assert_eq!(room.relay.peers(), 11, "455 kB are allowed");
    room.say(peers[10], &wire[..48_000]);
    let gone: Vec<Name> = peers.iter().copied().filter(|&peer| !room.is_here(peer)).collect();
    assert_eq!(gone, [peers[8], peers[9]], "503 kB without 50 are too many still, without 49 more not");
    assert!(gone.iter().all(|&peer| room.gone(peer) == Some(Reason::Memory)));
    assert!(room.relay.retained_bytes() <= 437_500);
}

#[test]
fn claims_cost_nothing() {
    let mut room = Room::new(bounded());
    let peers = room.join_many(1000);
    let wire = frame("block", &[7; 1_000_000]);
    for &peer in &peers {
        room.send(peer, &wire[..100]);
    }
    room.turn();
    assert!(room.relay.retained_bytes() <= 1000 * 1024, "{}", room.relay.retained_bytes());
    everybody_leaves(&mut room, peers);
}

#[test]
fn chunks_that_many_pin_are_counted_once_and_freed_by_the_last() {
    let mut room = Room::new(Limits { queue_hard_bytes: 1 << 30, queue_soft_bytes: 1 << 30, ..bounded() });
    let honest = honest(&mut room);
    let slow = room.join_many(50);
    for &peer in &slow {
        room.takes(peer, Take::Nothing);
    }
    for _ in 0..7 {
        room.say(honest[0], &frame("block", &[7; 1_000_000]));
    }
    assert!(slow.iter().all(|&peer| room.is_here(peer)), "7 MB once, not fifty times");
    assert!((7_000_000..7_100_000).contains(&room.relay.retained_bytes()));
    for &peer in &slow[1..] {
        room.takes(peer, Take::All);
    }
    room.turn();
    assert!(room.relay.retained_bytes() > 7_000_000, "one of them holds it all");
    room.say(honest[0], &frame("block", &[7; 1_000_000]));
    room.say(honest[0], &frame("block", &[7; 1_000_000]));
    assert_eq!(room.gone(slow[0]), Some(Reason::Memory));
    assert!(slow[1..].iter().all(|&peer| room.is_here(peer)));
    assert_eq!(room.relay.retained_bytes(), 0);
    assert_small_frames_pass(&mut room, honest);
}

#[test]
fn pongs_that_nobody_reads_stay_within_the_bound() {
    let mut room = Room::new(bounded());
    let honest = honest(&mut room);
    let greedy = room.join_many(300);
    for &peer in &greedy {
        room.takes(peer, Take::Nothing);
        room.offer(peer, &frame("ping", &[1; 1024]).repeat(100));
    }
    for _ in 0..10 {
        room.turn();
        assert_small_frames_pass(&mut room, honest);
    }
    assert!(greedy.iter().any(|&peer| room.gone(peer) == Some(Reason::Memory)));
    everybody_leaves(&mut room, greedy.into_iter().chain(honest));
}

#[test]
fn replies_are_counted_as_long_as_their_memory_is_held_not_as_they_are_sent() {
    let mut room = Room::new(bounded());
    let peers = room.join_many(50);
    let pongs = frame("pong", &[1; 1024]).len() * 60;
    for &peer in &peers {
        room.takes(peer, Take::Bytes(pongs - 1));
        room.send(peer, &frame("ping", &[1; 1024]).repeat(60));
    }
    room.finish();
    assert!(peers.iter().all(|&peer| room.unsent(peer) == 1));
    assert!(room.relay.retained_bytes() >= 50 * pongs, "one byte unsent keeps all of them");
    peers.iter().for_each(|&peer| room.takes(peer, Take::All));
    room.turn();
    assert_eq!(room.relay.retained_bytes(), 0);
}
