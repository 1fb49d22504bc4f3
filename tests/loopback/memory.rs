//! What strangers can make the relay hold, measured. Knows /proc; the figures are printed (--nocapture).

use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{
    Over, Peer, QUICK, Relay, alone, eventually, frame, header, may_open, noise, ping_all, stranger,
};

const MIB: u64 = 1 << 20;

/// One of a crowd, which shares a few addresses: ports are scarce for one alone.
fn of_crowd(index: usize) -> IpAddr {
    Ipv4Addr::new(127, 3, 0, 1 + (index % 16) as u8).into()
}

#[test]
fn an_idle_peer_costs_less_than_512_bytes() {
    const PEERS: usize = 10_000;
    let _alone = alone();
    // its own and some for the tests beside it
    if !may_open(PEERS as u64 + 2_000) {
        return;
    }
    let relay = Relay::start(&["--log-level", "warn"]);
    let empty = relay.descriptors();
    let holds = |peers: usize| (relay.descriptors() == empty + peers).then_some(());
    relay.join(stranger(2)); // what the first of all costs is not a peer's
    eventually("it has gone", || holds(0));
    let before = relay.memory("VmRSS");
    let mut peers: Vec<Peer> = (0..PEERS).map(|index| relay.connect_from(of_crowd(index))).collect();
    eventually("all are admitted", || holds(PEERS));
    let each = |what: &str| {
        let each = (relay.memory("VmRSS") - before) / PEERS as u64;
        println!("an idle peer costs {each} B ({PEERS} peers, {what})");
        assert!(each < 512, "{each} B");
    };
    each("none has sent anything");
    ping_all(&mut peers);
    each("all have been answered a ping");
    peers[0].send(&frame("tx", b"to all"));
    peers[1..].iter_mut().for_each(|peer| peer.expect(&frame("tx", b"to all")));
    each("all have been sent a frame");
}

#[test]
fn a_claim_of_four_megabytes_costs_what_came_and_not_what_was_claimed() {
    const PEERS: usize = 2_000;
    let _alone = alone();
    if !may_open(PEERS as u64 + 2_000) {
        return;
    }
    let relay = Relay::start(&["--log-level", "warn"]);
    relay.join(stranger(2));
    let before = relay.memory("VmRSS");
    let claims = (0..PEERS).map(|index| {
        let mut peer = relay.connect_from(of_crowd(index));
        // in one piece with a ping: when that is answered the rest is dealt with too
        let (ping, pong) = peer.next_ping();
        peer.send(&[ping, header("block", 4_000_000).to_vec(), noise(1, 76)].concat());
        peer.expect(&pong);
        peer
    });
    let claims: Vec<Peer> = claims.collect();
    let each = (relay.memory("VmRSS") - before) / PEERS as u64;
    println!("a peer that claims 4 MB and sends 100 B costs {each} B");
    assert!(each <= 1024, "{each} B");
    drop(claims);
}

/// Each of these sends almost all of a frame and stops: a slice each in turn, of so many bytes.
fn send_almost_all(relay: &Relay, almost: &[u8], peers: Range<usize>, slice: usize) -> Vec<Peer> {
    let mut peers: Vec<Peer> = peers.map(|index| relay.connect_from(of_crowd(index))).collect();
    for bytes in almost.chunks(slice) {
        for peer in &mut peers {
            peer.try_send(bytes); // whoever holds most is cut off: that is the point
        }
    }
    peers
}

/// Small frames between two others until it is over; the longest any of them took.
fn carry_on(relay: &Relay, over: &Over) -> Duration {
    let (mut one, mut two) = (relay.join(stranger(2)), relay.join(stranger(3)));
    let mut worst = Duration::ZERO;
    for seed in 0.. {
        let began = Instant::now();
        let small = frame("tx", &noise(seed, 100));
        one.send(&small);
        two.expect(&small);
        worst = worst.max(began.elapsed());
        if over.is_it() {
            break;
        }
    }
    worst
}

/// 300 peers on three threads, once for each length of slice; the relay's memory stays where it was told to.
fn almost_all_of_300_frames(slices: &[usize]) {
    const PEERS: usize = 300;
    const EACH: usize = PEERS / 3;
    let _alone = alone();
    let almost = [&header("block", 4_000_000)[..], &noise(1, 3_900_000)].concat();
    let relay = Relay::start(&["--retained-max=64M", "--log-level=warn"]);
    relay.join(stranger(2));
    let before = relay.memory("VmRSS");
    let over = Over::default();
    let worst = thread::scope(|scope| {
        let others = scope.spawn(|| carry_on(&relay, &over));
        let _end = over.at_last();
        for &slice in slices {
            let attack = |first| {
                let (relay, almost) = (&relay, &almost);
                scope.spawn(move || send_almost_all(relay, almost, first..first + EACH, slice))
            };
            let attacks: Vec<_> = (0..PEERS).step_by(EACH).map(attack).collect();
            let attackers: Vec<_> = attacks.into_iter().map(|attack| attack.join().unwrap()).collect();
            drop(attackers); // all were there until now
        }
        drop(over.at_last());
        others.join().unwrap()
    });
    let peak = relay.memory("VmHWM") - before;
    let mib = peak as f64 / MIB as f64;
    println!(
        "300 almost whole frames of 4 MB in slices of {slices:?} B: peak {mib:.1} MiB over the start, worst small frame {worst:?}"
    );
    relay.wait_for_log("reason=memory"); // else it was no attack
    assert!(worst < QUICK, "{worst:?}");
    assert!(peak < 64_000_000 + 32 * MIB, "{peak} bytes over the start");
}

#[test]
fn almost_whole_frames_of_300_peers_in_turn_stay_under_the_bound() {
    almost_all_of_300_frames(&[130_000]);
}

#[test]
fn almost_whole_frames_of_300_peers_one_after_the_other_stay_under_the_bound() {
    almost_all_of_300_frames(&[4_000_000]);
}

#[test]
fn almost_whole_frames_wave_after_wave_stay_under_the_bound() {
    // what one wave leaves behind in the allocator is there for the next, which asks for other sizes
    almost_all_of_300_frames(&[4_000_000, 31_000, 1_000_000, 130_000]);
}
