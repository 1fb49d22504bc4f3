//! How the relay itself ends: asked to, asked twice, killed, or with nobody left to read its words. Knows
//! signals and exit codes.

use std::thread;
use std::time::Duration;

use crate::support::{PATIENCE, Peer, Relay, Streams, frame, noise, stranger};

/// A relay with so many megabytes queued for a peer that has not read any of them.
fn with_queue(drain: &str, megabytes: usize) -> (Relay, Peer, Peer, Vec<u8>) {
    let relay = Relay::start(&["--send-buffer=16k", "--drain", drain]);
    let mut sender = relay.join(stranger(2));
    let receiver = relay.join_narrow(stranger(3));
    let queued: Vec<u8> =
        (0..megabytes).flat_map(|seed| frame("block", &noise(seed as u64, 1_000_000))).collect();
    sender.send(&queued);
    sender.ping(); // all of it is queued by now
    (relay, sender, receiver, queued)
}

#[test]
fn what_is_queued_at_the_end_is_delivered_and_then_everybody_reads_the_end() {
    let (mut relay, mut sender, mut receiver, queued) = with_queue("20s", 4);
    relay.signal("TERM");
    relay.wait_for_log("stopping:");
    receiver.expect(&queued);
    receiver.expect_eof();
    sender.expect_eof();
    drop((sender, receiver));
    let (status, _) = relay.ended();
    assert_eq!(status.code(), Some(0));
    let last = relay.log().lines().last().unwrap().to_string();
    assert!(last.ends_with("stopped: 0 bytes to 0 peers were not delivered"), "{last}");
}

#[test]
fn nobody_is_let_in_once_the_end_has_begun() {
    let (relay, _sender, _receiver, _) = with_queue("60s", 4);
    relay.signal("INT");
    relay.wait_for_log("stopping:");
    // the listener is closed in the same breath as that line is written
    assert!(!relay.admits(stranger(4)));
}

#[test]
fn a_peer_that_never_reads_delays_the_end_by_no_more_than_the_drain_time() {
    let (mut relay, sender, receiver, _) = with_queue("1s", 4);
    relay.signal("TERM");
    let (status, took) = relay.ended();
    assert_eq!(status.code(), Some(0));
    assert!(took < PATIENCE / 2, "{took:?}");
    let log = relay.log();
    let last = log.lines().last().unwrap();
    let (_, told) = last.split_once("stopped: ").expect("the last line is about what was not delivered");
    let (bytes, rest) = told.split_once(" bytes to ").unwrap();
    let bytes: u64 = bytes.replace(',', "").parse().unwrap();
    // all of it but what the kernels of both sides hold
    assert!((3_000_000..4_000_096).contains(&bytes), "{last}");
    assert!(rest.starts_with('1') && rest.ends_with("not delivered"), "{last}");
    drop((sender, receiver));
}

#[test]
fn what_was_not_delivered_is_told_while_others_go_on_sending() {
    // several relays: whether reading is what the end comes upon is a matter of luck
    let ends = || {
        let (mut relay, mut sender, _receiver, _) = with_queue("500ms", 2);
        let burst = frame("pong", &noise(1, 8)).repeat(4096);
        thread::scope(|scope| {
            scope.spawn(|| while sender.try_send(&burst) {});
            relay.signal("TERM");
            relay.ended();
        });
        let last = relay.log().lines().last().unwrap().to_string();
        assert!(last.contains(" bytes to 1 peer") && last.ends_with("not delivered"), "{last}");
    };
    thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(ends))));
}

#[test]
fn an_end_with_nobody_there_is_at_once() {
    for signal in ["TERM", "INT", "HUP"] {
        let mut relay = Relay::start(&["--drain", "60s"]);
        relay.signal(signal);
        let (status, took) = relay.ended();
        assert_eq!(status.code(), Some(0), "{signal}");
        assert!(took < Duration::from_secs(5), "{signal}: {took:?}");
    }
}

fn second_signal(name: &str, code: i32) {
    let (mut relay, _sender, _receiver, _) = with_queue("60s", 4);
    relay.signal(name);
    relay.wait_for_log("stopping:");
    assert!(relay.is_running(), "there is somebody to wait for");
    relay.signal(name);
    let (status, took) = relay.ended();
    assert_eq!(status.code(), Some(code));
    assert!(took < Duration::from_secs(5), "{took:?}");
}

#[test]
fn a_second_term_ends_at_once_with_143() {
    second_signal("TERM", 143);
}

#[test]
fn a_second_int_ends_at_once_with_130() {
    second_signal("INT", 130);
}

#[test]
fn killed_and_started_again_at_once_on_the_same_port() {
    // an address no other test connects from: the port is ours until we take it again
    let mut relay = Relay::start_at("127.77.0.1:0", &[]);
    let at = relay.address().to_string();
    for round in 0..3 {
        let mut peers: Vec<Peer> = (2..12).map(|last| relay.join(stranger(last))).collect();
        peers[0].send(&frame("block", &noise(round, 500_000))[..400_000]); // in the middle of something
        relay.signal("KILL");
        let (status, _) = relay.ended();
        assert_eq!(status.code(), None, "killed");
        relay = Relay::start_at(&at, &[]);
        assert_eq!(relay.address().to_string(), at);
        peers.iter_mut().for_each(Peer::expect_cut_off);
    }
    relay.join(stranger(2));
    relay.stop();
}

/// It relays, whatever became of its words, and ends as it should.
fn expect_alive(relay: &mut Relay) {
    let (mut one, mut two) = (relay.join(stranger(2)), relay.join(stranger(3)));
    let tx = frame("tx", &noise(1, 100_000));
    one.send(&tx);
    two.expect(&tx);
    let mut offender = relay.connect_from(stranger(66));
    offender.send(&[b'<'; 24]); // a line about it
    offender.expect_cut_off();
    assert!(!relay.admits(stranger(66)));
    drop((one, two));
    relay.stop();
}

#[test]
fn a_stdout_closed_by_its_reader_costs_nothing() {
    expect_alive(&mut Relay::start_with(Streams::OutClosed, "127.0.0.1:0", &[]));
}

#[test]
fn a_stderr_closed_by_its_reader_costs_nothing() {
    let mut relay = Relay::start_with(Streams::Closed, "127.0.0.1:0", &["--log-level", "trace"]);
    (0..200).for_each(|_| drop(relay.join(stranger(4))));
    expect_alive(&mut relay);
}

#[test]
fn a_stderr_that_is_never_read_costs_nothing_but_the_lines() {
    // a pipe takes some 600 such lines and the queue before it 4,096; each connection makes two or more
    let mut relay = Relay::start_with(Streams::ErrUnread, "127.0.0.1:0", &["--log-level", "trace"]);
    for _ in 0..60 {
        let peers: Vec<Peer> = (0..50).map(|_| relay.connect_from(stranger(4))).collect();
        drop(peers);
    }
    expect_alive(&mut relay);
}
