//! A relay without descriptors to accept with: it neither spins nor dies, and accepts again. Knows rlimit.

use std::io::ErrorKind;
use std::io::Read;
use std::time::Duration;

use rlimit::Resource;

use crate::support::{Peer, Relay, alone, ping_all, stranger};

/// How long the relay's processor time is watched.
const WATCHED: Duration = Duration::from_millis(1500);
/// Ticks of 10 ms it may use in that time: a tenth. A loop that spins uses all of them.
const IDLE_TICKS: u64 = 15;

/// Says how many descriptors a running relay may have; what it may raise that to stays.
fn limit(relay: &Relay, soft: u64) {
    let pid = relay.pid().try_into().unwrap();
    let (mut old_soft, mut hard) = (0, 0);
    rlimit::prlimit(pid, Resource::NOFILE, None, Some((&mut old_soft, &mut hard))).unwrap();
    rlimit::prlimit(pid, Resource::NOFILE, Some((soft.min(hard), hard)), None).unwrap();
}

/// Waits in vain for something to read: a bounded time in which the others can be watched.
fn hear_nothing(peer: &mut Peer, long: Duration) {
    peer.stream().set_read_timeout(Some(long)).unwrap();
    let heard = peer.stream().read(&mut [0]).map_err(|error| error.kind());
    assert!(matches!(heard, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{heard:?}");
    peer.stream().set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
}

/// A relay with three peers in it, room for no other, and five at the door.
fn exhausted() -> (Relay, Vec<Peer>, Vec<Peer>) {
    let relay = Relay::start(&[]);
    let inside: Vec<Peer> = (0..3).map(|_| relay.join(stranger(2))).collect();
    limit(&relay, relay.descriptors() as u64);
    let mut outside: Vec<Peer> = (0..5).map(|_| relay.connect_from(stranger(3))).collect();
    relay.wait_for_log("cannot accept connections");
    let before = relay.ticks();
    hear_nothing(&mut outside[0], WATCHED);
    let used = relay.ticks() - before;
    println!("processor time without descriptors: {used} ticks in {WATCHED:?}");
    assert!(used < IDLE_TICKS, "{used} ticks: it spins");
    (relay, inside, outside)
}

fn expect_told_once(relay: &Relay) {
    relay.wait_for_log("accepting again");
    assert_eq!(relay.log().matches("cannot accept connections").count(), 1, "{}", relay.log());
}

#[test]
fn without_descriptors_it_waits_and_accepts_again_when_there_are_some() {
    let _alone = alone();
    let (mut relay, mut inside, mut outside) = exhausted();
    ping_all(&mut inside);
    limit(&relay, 1000);
    ping_all(&mut outside);
    ping_all(&mut inside);
    expect_told_once(&relay);
    drop((inside, outside));
    relay.stop();
}

#[test]
fn without_descriptors_it_accepts_again_when_somebody_goes() {
    let _alone = alone();
    let (mut relay, mut inside, mut outside) = exhausted();
    inside.truncate(1);
    outside[0].ping();
    outside[1].ping();
    inside[0].ping();
    relay.wait_for_log("accepting again");
    drop((inside, outside));
    relay.stop();
}
