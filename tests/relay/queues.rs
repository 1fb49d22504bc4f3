//! Readers too slow, and peers that do not read their own replies. Knows that neither is an offence.

use peer_relay::relay::{Event, Limits, REPLIES_WAITING_MAX, Reason};

use crate::room::{Room, Take, frame, limits, micros, secs, tx};

fn small() -> Limits {
    Limits { queue_soft_bytes: 4096, queue_hard_bytes: 8192, ..limits() }
}

#[test]
fn over_the_soft_limit_a_peer_has_so_long_and_not_longer() {
    let mut room = Room::new(small());
    let peers = room.join_many(3);
    room.takes(peers[1], Take::Nothing);
    room.say(peers[0], &frame("tx", &[1; 4072]));
    room.pass(secs(100));
    assert!(room.is_here(peers[1]), "at the limit is not over it");
    room.say(peers[0], &tx(1));
    room.pass(secs(5));
    room.say(peers[0], &tx(2));
    room.pass(secs(5) - micros(1));
    assert!(room.is_here(peers[1]));
    room.pass(micros(1));
    assert_eq!(room.gone_at(peers[1]), Some((Reason::QueueSoft, 110_000_000)));
    assert!(room.is_here(peers[2]) && room.try_join("10.0.0.2").is_ok(), "never banned");
    assert_eq!(room.relay.retained_bytes(), 0);
}

#[test]
fn draining_below_the_soft_limit_starts_its_time_anew() {
    let mut room = Room::new(small());
    let peers = room.join_many(2);
    room.takes(peers[1], Take::Nothing);
    let half = frame("tx", &[1; 3000]);
    room.say(peers[0], &half);
    room.say(peers[0], &half);
    room.pass(secs(9));
    room.takes(peers[1], Take::Bytes(half.len()));
    room.turn();
    room.takes(peers[1], Take::Nothing);
    room.pass(secs(60));
    assert!(room.is_here(peers[1]));
    room.say(peers[0], &half);
    room.pass(secs(60));
    assert_eq!(room.gone_at(peers[1]), Some((Reason::QueueSoft, 79_000_000)));
}

#[test]
fn over_the_hard_limit_a_peer_goes_in_that_turn() {
    let mut room = Room::new(small());
    let peers = room.join_many(3);
    room.takes(peers[1], Take::Nothing);
    room.say(peers[0], &frame("tx", &[1; 8192 - 24]));
    assert!(room.is_here(peers[1]), "at the limit is not over it");
    room.told();
    room.say(peers[0], &tx(1));
    assert_eq!(room.gone_at(peers[1]), Some((Reason::QueueHard, 0)));
    let queued = room.told().into_iter().find_map(|event| match event {
        Event::Closed { queued, .. } => Some(queued),
        _ => None,
    });
    assert_eq!(queued, Some(8192 + tx(1).len()));
    assert_eq!(room.got(peers[2]).len(), 8192 + tx(1).len(), "the others never noticed");
    assert_eq!(room.relay.retained_bytes(), 0);
}

#[test]
fn a_peer_is_counted_the_whole_chunks_it_pins() {
    let mut room = Room::new(limits());
    let peers = room.join_many(3);
    room.takes(peers[1], Take::Nothing);
    for turn in 0..40 {
        for _ in 0..5 {
            room.send(peers[1], &frame("tx", &[turn; 50_000])); // its own: not owed to it
        }
        room.say(peers[0], &tx(turn.into()));
        room.got(peers[0]);
        room.got(peers[2]);
        if !room.is_here(peers[1]) {
            assert_eq!(room.gone(peers[1]), Some(Reason::QueueHard));
            assert!((30..36).contains(&turn), "8 MiB are 33 chunks of 250 kB, not {turn}");
            return;
        }
    }
    panic!("it pins 10 MB with 1 kB of ranges");
}

#[test]
fn a_chunk_is_counted_once_even_when_large_frames_lie_between_its_parts() {
    let mut room = Room::new(Limits { queue_hard_bytes: 1 << 20, ..limits() });
    let peers = room.join_many(2);
    room.takes(peers[1], Take::Nothing);
    for number in 0..4 {
        room.send(peers[0], &frame("tx", &[number; 60_000]));
        room.send(peers[0], &frame("block", &[number; 70_000]));
    }
    room.turn();
    assert!(room.is_here(peers[1]), "520 kB in all, 1 MiB allowed");
}

#[test]
fn replies_alone_are_held_to_the_same_limits() {
    let mut room = Room::new(small());
    let peers = room.join_many(2);
    room.takes(peers[0], Take::Nothing);
    room.say(peers[0], &frame("ping", &[1; 1024]).repeat(5));
    room.pass(secs(60));
    assert_eq!(room.gone_at(peers[0]), Some((Reason::QueueSoft, 10_000_000)));
    room.takes(peers[1], Take::Nothing);
    room.say(peers[1], &frame("ping", &[1; 1024]).repeat(9));
    assert_eq!(room.gone_at(peers[1]), Some((Reason::QueueHard, 60_000_000)));
}

#[test]
fn whoever_does_not_read_its_replies_is_not_read_until_it_has() {
    let mut room = Room::new(limits());
    let peers = room.join_many(3);
    room.takes(peers[0], Take::Nothing);
    let pings = frame("ping", &[1; 1000]).repeat(1000);
    room.offer(peers[0], &pings);
    for _ in 0..100 {
        room.turn();
    }
    assert_eq!(room.read_limit(peers[0]), 0);
    assert!(room.unsent(peers[0]) > REPLIES_WAITING_MAX);
    assert!(room.unsent(peers[0]) < REPLIES_WAITING_MAX + 17 * 1024, "one read more at most");
    room.say(peers[1], &tx(1));
    assert_eq!((room.got(peers[2]), room.reads.len()), (tx(1), 0), "it holds up only itself");
    room.takes(peers[0], Take::Bytes(10_000));
    for _ in 0..4 {
        room.turn();
        assert_eq!(room.read_limit(peers[0]), 0);
    }
    for _ in 0..1000 {
        room.turn();
    }
    assert!(!room.reads.is_empty() && room.unread(peers[0]) == 0);
    assert_eq!(room.relay.stats().outgoing.frames, 1000 + 2, "every ping has its pong");
    assert_eq!(room.relay.retained_bytes(), 0);
}

#[test]
fn replies_that_go_out_at_once_never_stop_a_peer_for_good() {
    let mut room = Room::new(limits());
    let peer = room.join("192.0.2.1");
    room.offer(peer, &frame("ping", &[1; 1000]).repeat(500));
    while room.unread(peer) > 0 {
        let before = room.unread(peer);
        room.turn();
        assert!(room.unread(peer) < before, "neither read nor closed");
    }
    assert_eq!(room.got(peer), frame("pong", &[1; 1000]).repeat(500));
}

/// A peer that sends pings, takes no pong, and is not read any more.
fn stopped(limits: Limits) -> (Room, usize) {
    let mut room = Room::new(limits);
    let peer = room.join("192.0.2.1");
    room.pass(micros(7));
    room.takes(peer, Take::Nothing);
    room.offer(peer, &frame("ping", &[1; 1000]).repeat(200));
    room.turn();
    assert_eq!(room.read_limit(peer), 0);
    (room, peer)
}

#[test]
fn whoever_does_not_take_its_replies_is_as_good_as_silent() {
    let (mut room, peer) = stopped(Limits { idle_timeout: Some(secs(30)), ..limits() });
    room.pass(secs(30) - micros(1));
    room.takes(peer, Take::Bytes(1));
    room.pass(micros(1));
    assert!(room.is_here(peer), "it may take what is queued");
    room.takes(peer, Take::All);
    room.turn();
    assert_eq!(room.gone_at(peer), Some((Reason::IdleTimeout, 30_000_007)));
    let (mut room, peer) = stopped(Limits { idle_timeout: Some(secs(30)), ..limits() });
    room.pass(secs(100));
    assert_eq!(room.gone_at(peer), Some((Reason::Drain, 35_000_007)));
    let (mut room, peer) = stopped(limits());
    room.pass(secs(1000));
    assert!(room.is_here(peer), "where no silence is too long");
}

#[test]
fn the_time_a_peer_was_not_read_for_its_replies_is_not_held_against_it() {
    for (frame_timeout, end) in
        [(1, (Reason::FrameTimeout, 30_000_000)), (100, (Reason::IdleTimeout, 59_000_000))]
    {
        let bounds = Limits { frame_timeout: secs(frame_timeout), idle_timeout: Some(secs(30)), ..limits() };
        let mut room = Room::new(bounds);
        let peer = room.join("192.0.2.1");
        room.takes(peer, Take::Nothing);
        let pings = frame("ping", &[1; 999]).repeat(81);
        room.say(peer, &pings[..pings.len() - 1]);
        assert_eq!(room.read_limit(peer), 0, "and its last frame is not finished");
        room.pass(secs(29));
        room.takes(peer, Take::All);
        room.turn();
        assert!(room.read_limit(peer) > 0 && room.is_here(peer), "its clocks start anew");
        room.pass(secs(60));
        assert_eq!(room.gone_at(peer), Some(end));
    }
}

#[test]
fn whoever_hung_up_and_does_not_take_its_replies_is_at_its_end_after_the_drain_time() {
    let (mut room, peer) = stopped(limits());
    room.pass(secs(1));
    room.hang_up(peer);
    room.pass(secs(5) - micros(1));
    assert!(room.is_here(peer));
    room.takes(peer, Take::All);
    room.relay.expired(room.now);
    let before = room.unread(peer);
    room.turn();
    assert!(room.is_here(peer) && room.unread(peer) == before, "once it has taken them it is read on");
    (0..10).for_each(|_| room.turn());
    assert_eq!(room.unread(peer), 0);
    let (mut room, peer) = stopped(limits());
    room.hang_up(peer);
    room.pass(secs(5));
    room.takes(peer, Take::All);
    room.turn();
    assert_eq!(room.gone_at(peer), Some((Reason::Eof, 5_000_007)));
    let (mut room, peer) = stopped(limits());
    room.hang_up(peer);
    room.pass(secs(60));
    assert_eq!(room.gone_at(peer), Some((Reason::Drain, 10_000_007)), "what is queued has its own time");
}

#[test]
fn long_queues_of_tiny_chunks_are_counted_right_while_they_are_sent_piece_by_piece_and_freed_at_the_end() {
    let mut room = Room::new(limits());
    let speaker = room.join("192.0.2.1");
    let slow = room.join_many(20);
    slow.iter().for_each(|&peer| room.takes(peer, Take::Nothing));
    let all: Vec<u8> = (0..500).flat_map(tx).collect();
    (0..500).for_each(|number| room.say(speaker, &tx(number))); // a chunk for each turn
    let mut got = vec![Vec::new(); slow.len()];
    for turn in 0..10 {
        for (place, &peer) in slow.iter().enumerate() {
            room.takes(peer, Take::Bytes(29 * (place + turn) + 1));
        }
        let before = room.relay.retained_bytes();
        room.turn();
        for (got, &peer) in got.iter_mut().zip(&slow) {
            got.extend(room.got(peer));
            assert!(all.starts_with(got));
            assert_eq!(room.unsent(peer), all.len() - got.len());
        }
        assert!(room.relay.retained_bytes() <= before);
    }
    slow.iter().for_each(|&peer| room.takes(peer, Take::Nothing));
    slow.iter().for_each(|&peer| room.end(peer));
    room.turn();
    for &peer in &slow[..10] {
        room.takes(peer, Take::All);
    }
    room.pass(secs(5));
    for (place, &peer) in slow.iter().enumerate() {
        got[place].extend(room.got(peer));
        let (reason, is_whole) = if place < 10 { (Reason::Eof, true) } else { (Reason::Drain, false) };
        assert_eq!((room.gone(peer), got[place] == all), (Some(reason), is_whole), "{place}");
    }
    assert_eq!((room.relay.retained_bytes(), room.relay.peers()), (0, 1));
}
