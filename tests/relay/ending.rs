//! How a connection ends in order: EOF and our own shutdown. Knows no offence.

use std::time::Duration;

use peer_relay::relay::{Limits, Reason, Undelivered};

use crate::room::{Room, Take, frame, limits, micros, secs, tx};

#[test]
fn an_end_with_nothing_queued_is_a_disconnect_in_the_same_turn() {
    let mut room = Room::new(limits());
    let peers = room.join_many(2);
    room.send(peers[0], &tx(1));
    room.end(peers[0]);
    room.turn();
    assert_eq!(room.gone_at(peers[0]), Some((Reason::Eof, 0)));
    assert_eq!(room.got(peers[1]), tx(1), "what it sent whole is relayed");
}

#[test]
fn whoever_ended_in_a_turn_gets_what_was_accepted_before_and_nothing_after() {
    let mut room = Room::new(limits());
    let peers = room.join_many(3);
    room.send(peers[0], &tx(1));
    room.send(peers[1], &tx(2));
    room.end(peers[1]);
    room.send(peers[0], &tx(3));
    room.turn();
    assert_eq!(room.got(peers[1]), tx(1));
    assert_eq!(room.gone(peers[1]), Some(Reason::Eof));
    assert_eq!(room.got(peers[2]), [tx(1), tx(2), tx(3)].concat());
}

/// A turn reads for a while, and its clock goes on meanwhile.
#[test]
fn without_any_drain_time_whoever_ends_gets_what_it_is_due_of_that_turn() {
    let mut room = Room::new(Limits { drain: Duration::ZERO, ..limits() });
    let peers = room.join_many(2);
    room.send(peers[1], &frame("ping", b"12345678"));
    room.send(peers[0], &tx(1));
    room.end(peers[1]);
    room.now = room.now + micros(500);
    room.relay.expired(room.now);
    room.turn();
    assert_eq!(room.got(peers[1]), [frame("pong", b"12345678"), tx(1)].concat());
    assert_eq!(room.gone(peers[1]), Some(Reason::Eof));
}

#[test]
fn without_any_drain_time_whoever_ends_and_takes_nothing_is_gone_in_the_next_turn() {
    let mut room = Room::new(Limits { drain: Duration::ZERO, ..limits() });
    let peers = room.join_many(2);
    room.takes(peers[1], Take::Nothing);
    room.say(peers[0], &tx(1));
    room.end(peers[1]);
    room.turn();
    assert!(room.is_here(peers[1]));
    room.pass(micros(1));
    assert_eq!(room.gone(peers[1]), Some(Reason::Drain));
}

#[test]
fn an_end_with_a_queue_is_flushed_first() {
    let mut room = Room::new(limits());
    let peers = room.join_many(2);
    room.takes(peers[1], Take::Nothing);
    room.say(peers[0], &tx(1));
    room.end(peers[1]);
    room.turn();
    assert!(room.is_here(peers[1]));
    room.say(peers[0], &tx(2));
    room.takes(peers[1], Take::All);
    room.pass(secs(3));
    assert_eq!(room.got(peers[1]), tx(1), "nothing new is queued for it");
    assert_eq!(room.gone_at(peers[1]).map(|(reason, _)| reason), Some(Reason::Eof));
}

#[test]
fn an_end_whose_queue_is_not_taken_is_over_exactly_at_the_drain_deadline() {
    let mut room = Room::new(limits());
    let peers = room.join_many(2);
    room.takes(peers[1], Take::Nothing);
    room.say(peers[0], &tx(1));
    room.pass(secs(1));
    room.end(peers[1]);
    room.turn();
    room.pass(secs(60));
    assert_eq!(room.gone_at(peers[1]), Some((Reason::Drain, 6_000_000)));
    assert_eq!(room.relay.retained_bytes(), 0);
    assert_eq!(room.relay.stats().undelivered, Undelivered::default(), "told of a shutdown only");
}

#[test]
fn an_unfinished_frame_at_the_end_is_dropped_and_its_memory_is_free() {
    let mut room = Room::new(limits());
    let peers = room.join_many(2);
    room.takes(peers[0], Take::Nothing);
    room.say(peers[1], &tx(1));
    let queued = room.relay.retained_bytes();
    room.say(peers[0], &frame("block", &[1; 100_000])[..90_000]);
    assert!(room.relay.retained_bytes() > queued + 90_000);
    room.end(peers[0]);
    room.turn();
    assert!(room.is_here(peers[0]), "it has a frame to take");
    assert_eq!(room.relay.retained_bytes(), queued);
    room.say(peers[0], &[1; 10_024]);
    assert!(room.got(peers[1]).is_empty(), "it is not heard any more");
}

#[test]
fn an_ending_peer_whose_backlog_goes_out_with_somebodys_frame_leaves_in_that_turn() {
    let mut room = Room::new(limits());
    let peers = room.join_many(3);
    room.takes(peers[1], Take::Nothing);
    room.say(peers[0], &tx(1));
    room.end(peers[1]);
    room.turn();
    room.takes(peers[1], Take::All);
    room.send(peers[0], &tx(2));
    room.finish(); // its socket takes more just when it is written to
    assert_eq!(room.got(peers[1]), tx(1));
    assert_eq!(room.gone(peers[1]), Some(Reason::Eof));
}

#[test]
fn a_backlog_taken_in_the_turn_of_the_end_does_not_cost_the_frames_of_that_turn() {
    let mut room = Room::new(limits());
    let peers = room.join_many(3);
    room.takes(peers[1], Take::Nothing);
    room.say(peers[0], &tx(1));
    room.takes(peers[1], Take::All);
    room.send(peers[0], &tx(2));
    room.end(peers[1]);
    room.turn(); // writes the backlog while the turn's inputs still come
    assert_eq!(room.got(peers[1]), [tx(1), tx(2)].concat());
    assert_eq!(room.gone(peers[1]), Some(Reason::Eof));
}

#[test]
fn a_shutdown_flushes_what_was_accepted_and_relays_nothing_new() {
    let mut room = Room::new(limits());
    let peers = room.join_many(4);
    room.takes(peers[2], Take::Nothing);
    room.takes(peers[3], Take::Nothing);
    room.send(peers[0], &tx(1));
    room.send(peers[0], &tx(2)[..20]);
    room.relay.shut_down(room.now);
    room.send(peers[1], &tx(3));
    room.turn();
    assert_eq!(room.gone(peers[0]), Some(Reason::Shutdown));
    assert_eq!((room.got(peers[1]), room.gone(peers[1])), (tx(1), Some(Reason::Shutdown)));
    room.takes(peers[2], Take::All);
    room.pass(secs(2));
    assert_eq!((room.got(peers[2]), room.gone(peers[2])), (tx(1), Some(Reason::Shutdown)));
    assert_eq!(room.relay.stats().undelivered, Undelivered::default());
    room.takes(peers[3], Take::Bytes(9));
    room.finish();
    room.turn();
    room.takes(peers[3], Take::Nothing);
    room.pass(secs(3) - micros(1));
    assert!(room.is_here(peers[3]));
    room.pass(micros(1));
    assert_eq!(room.gone_at(peers[3]), Some((Reason::Drain, 5_000_000)));
    let left = tx(1).len() as u64 - room.got(peers[3]).len() as u64;
    assert_eq!(room.relay.stats().undelivered, Undelivered { peers: 1, bytes: left });
    assert_eq!((room.relay.peers(), room.relay.retained_bytes(), room.relay.next_deadline()), (0, 0, None));
}

#[test]
fn what_a_shutdown_leaves_behind_is_replies_and_the_log_of_its_turn() {
    let mut room = Room::new(Limits { queue_soft_bytes: 4096, queue_hard_bytes: 4096, ..limits() });
    let peers = room.join_many(2);
    room.takes(peers[0], Take::Nothing);
    room.send(peers[0], &frame("ping", &[1; 1024]).repeat(4));
    room.send(peers[1], &tx(1));
    room.relay.shut_down(room.now);
    room.turn();
    assert_eq!(room.gone(peers[0]), Some(Reason::QueueHard));
    let left = 4 * frame("pong", &[1; 1024]).len() + tx(1).len();
    assert_eq!(room.relay.stats().undelivered, Undelivered { peers: 1, bytes: left as u64 });
}

#[test]
fn what_was_queued_for_whoever_is_lost_in_a_shutdown_is_left_behind() {
    let mut room = Room::new(limits());
    let peers = room.join_many(3);
    room.takes(peers[0], Take::Bytes(9));
    room.takes(peers[1], Take::Nothing);
    room.say(peers[2], &tx(1));
    room.reset(peers[1]);
    assert_eq!(room.relay.stats().undelivered, Undelivered::default(), "that is no shutdown's doing");
    room.relay.shut_down(room.now);
    room.finish();
    room.reset(peers[0]);
    let left = tx(1).len() as u64 - 9;
    assert_eq!(room.relay.stats().undelivered, Undelivered { peers: 1, bytes: left });
}
