//! What the relay is for: every frame to every other peer, bit for bit and in order. Knows no fault.

use std::net::TcpListener;
use std::thread;

use crate::support::{Peer, Relay, frame, noise, ping_all, stranger};

#[test]
fn every_frame_reaches_all_others_bit_for_bit_and_never_its_sender() {
    let relay = Relay::start(&[]);
    let mut peers: Vec<Peer> = (2..7).map(|last| relay.join(stranger(last))).collect();
    for round in 0..3u64 {
        for sender in 0..peers.len() {
            let seed = round * 10 + sender as u64;
            let sent: Vec<Vec<u8>> = [0, 1, 250, 70_000].map(|len| frame("tx", &noise(seed, len))).into();
            peers[sender].send(&sent.concat());
            for (place, peer) in peers.iter_mut().enumerate() {
                if place != sender {
                    sent.iter().for_each(|bytes| peer.expect(bytes));
                }
            }
        }
        // the pong is next: nobody got anything of its own
        ping_all(&mut peers);
    }
}

#[test]
fn a_largest_frame_passes() {
    let relay = Relay::start(&[]);
    let (mut one, mut two, mut three) =
        (relay.join(stranger(2)), relay.join(stranger(3)), relay.join(stranger(4)));
    let largest = frame("block", &noise(1, 4_000_000));
    // a thread of its own: it may have to wait for the readers
    let sending = thread::spawn({
        let largest = largest.clone();
        move || {
            one.send(&largest);
            one.ping();
        }
    });
    two.expect(&largest);
    three.expect(&largest);
    sending.join().unwrap();
}

#[test]
fn a_ping_is_answered_with_its_own_payload_and_not_relayed() {
    let relay = Relay::start(&[]);
    let (mut one, mut two) = (relay.join(stranger(2)), relay.join(stranger(3)));
    for payload in [noise(1, 0), noise(2, 8), noise(3, 1024)] {
        one.send(&frame("ping", &payload));
        one.expect(&frame("pong", &payload));
    }
    one.send(&frame("pong", &noise(4, 8)));
    one.ping();
    two.ping(); // nothing came before its pong
}

#[test]
fn a_frame_that_comes_byte_by_byte_is_relayed_whole() {
    let relay = Relay::start(&[]);
    let (mut one, mut two) = (relay.join(stranger(2)), relay.join(stranger(3)));
    let bytes = [frame("tx", &noise(1, 40)), frame("", &[]), frame("inv", &noise(2, 3))].concat();
    bytes.chunks(1).for_each(|byte| one.send(byte));
    two.expect(&bytes);
}

#[test]
fn both_families_meet_in_one_room() {
    if TcpListener::bind("[::1]:0").is_err() {
        println!("skipped: there is no IPv6 loopback here");
        return;
    }
    let mut relay = Relay::start(&["--listen", "[::1]:0"]);
    let (mut four, mut six) = (relay.join(stranger(2)), relay.join("::1".parse().unwrap()));
    six.send(&frame("tx", b"from six to four"));
    four.expect(&frame("tx", b"from six to four"));
    four.send(&frame("tx", b"from four to six"));
    six.expect(&frame("tx", b"from four to six"));
    relay.stop();
}
