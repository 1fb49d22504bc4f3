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

/// One with an address of its own.
fn of_its_own(index: usize) -> IpAddr {
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 5, 0, 1).to_bits() + index as u32).into()
}

#[test]
fn an_idle_peer_costs_less_than_256_bytes() {
    ten_thousand_idle_peers(of_crowd, "of 16 addresses");
}

#[test]
fn an_idle_peer_of_an_address_of_its_own_costs_less_than_256_bytes() {
    ten_thousand_idle_peers(of_its_own, "each of an address of its own");
}

fn ten_thousand_idle_peers(address: impl Fn(usize) -> IpAddr, whose: &str) {
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
    let mut peers: Vec<Peer> = (0..PEERS).map(|index| relay.connect_from(address(index))).collect();
    eventually("all are admitted", || holds(PEERS));
    let each = |what: &str| {
        let each = (relay.memory("VmRSS") - before) / PEERS as u64;
        println!("an idle peer costs {each} B ({PEERS} peers, {whose}, {what})");
        // a stream of a build with assertions remembers its poll too, and its link is 16 B larger
        let most = if cfg!(debug_assertions) { 256 + 16 } else { 256 };
        assert!(each < most, "{each} B");
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

/// One wave of an attack: so much of a frame from each peer, in slices of so many bytes.
#[derive(Clone, Copy, Debug)]
struct Wave {
    hoard: usize,
    slice: usize,
}

impl Wave {
    const fn of(hoard: usize, slice: usize) -> Self {
        Self { hoard, slice }
    }

    /// Nearly all of it.
    const fn almost_all(slice: usize) -> Self {
        Self::of(3_900_024, slice)
    }
}

/// 300 peers on three threads, wave after wave; the relay's memory stays where it was told to.
fn almost_all_of_300_frames(retained_max: u64, options: &[&str], waves: &[Wave]) {
    const PEERS: usize = 300;
    const EACH: usize = PEERS / 3;
    /// The two between whom small frames go.
    const OTHERS: usize = 2;
    let _alone = alone();
    let whole = [&header("block", 4_000_000)[..], &noise(1, 4_000_000)].concat();
    let relay = Relay::start(&[options, &["--log-level=warn"]].concat());
    let empty = relay.descriptors();
    relay.join(stranger(2));
    let before = relay.memory("VmRSS");
    let over = Over::default();
    let worst = thread::scope(|scope| {
        let others = scope.spawn(|| carry_on(&relay, &over));
        let _end = over.at_last();
        for &wave in waves {
            let attack = |first| {
                let (relay, almost) = (&relay, &whole[..wave.hoard]);
                scope.spawn(move || send_almost_all(relay, almost, first..first + EACH, wave.slice))
            };
            let attacks: Vec<_> = (0..PEERS).step_by(EACH).map(attack).collect();
            let attackers: Vec<_> = attacks.into_iter().map(|attack| attack.join().unwrap()).collect();
            relay.wait_for_log("reason=memory"); // else it was no attack
            drop(attackers); // all were there until now
            eventually("they have gone", || (relay.descriptors() <= empty + OTHERS).then_some(()));
            let peak = (relay.memory("VmHWM") - before) as f64 / MIB as f64;
            println!("{wave:?}: peak {peak:.1} MiB over the start so far");
        }
        drop(over.at_last());
        others.join().unwrap()
    });
    let peak = relay.memory("VmHWM") - before;
    let mib = peak as f64 / MIB as f64;
    println!(
        "{} waves of 300 peers: peak {mib:.1} MiB over the start, worst small frame {worst:?}",
        waves.len()
    );
    assert!(worst < QUICK, "{worst:?}");
    assert!(peak < retained_max + 32 * MIB, "{peak} bytes over the start");
}

/// Far below what 300 frames are.
const LITTLE: u64 = 64_000_000;
const ONLY_LITTLE: [&str; 1] = ["--retained-max=64M"];

#[test]
fn almost_whole_frames_of_300_peers_in_turn_stay_under_the_bound() {
    almost_all_of_300_frames(LITTLE, &ONLY_LITTLE, &[Wave::almost_all(130_000)]);
}

#[test]
fn almost_whole_frames_of_300_peers_one_after_the_other_stay_under_the_bound() {
    almost_all_of_300_frames(LITTLE, &ONLY_LITTLE, &[Wave::almost_all(4_000_000)]);
}

#[test]
fn almost_whole_frames_wave_after_wave_stay_under_the_bound() {
    // what one wave leaves behind in the allocator is there for the next, which asks for other sizes
    almost_all_of_300_frames(
        LITTLE,
        &ONLY_LITTLE,
        &[4_000_000, 31_000, 1_000_000, 130_000].map(Wave::almost_all),
    );
}

#[test]
fn hoards_of_all_sizes_wave_after_wave_stay_under_the_bound_that_is_the_default() {
    // the smallest of them are too many for 300 peers already
    almost_all_of_300_frames(
        256_000_000,
        &[],
        &[
            Wave::of(3_900_000, 130_000),
            Wave::of(1_100_000, 31_000),
            Wave::of(2_300_000, 1_000_000),
            Wave::of(1_500_000, 65_536),
            Wave::of(3_100_000, 17_000),
            Wave::of(1_900_000, 4_000_000),
            Wave::of(2_700_000, 250_000),
            Wave::of(1_300_000, 90_000),
            Wave::of(3_500_000, 500_000),
        ],
    );
}
