//! Three ways to make the relay hold memory, all at once: frames that are never finished, logs that are pinned, pongs
//! that are not read. What `--check` promises for the same options holds, and honest peers lose nothing.

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command as Process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use socket2::Socket;

use super::conversation::Conversation;
use crate::support::{Over, PATIENCE, Peer, QUICK, Relay, alone, eventually, frame, header, noise, stranger};

/// Far less than each of the attacks could fill. No single queue is cut off before all together are too much.
const OPTIONS: [&str; 9] = [
    "--max-payload=2M",
    "--retained-max=64M",
    "--queue-hard=128M",
    "--queue-soft=128M",
    "--max-peers=1000",
    "--max-bans=100",
    // little is hidden in the kernel
    "--send-buffer=16k",
    "--recv-buffer=16k",
    "--log-level=warn",
];

/// With unfinished frames, nearly two megabytes each. So few that each of them holds far more than a round of the others'
/// talk when all together hold too much: else an honest peer that has just not been read may hold most.
const CLAIMERS: usize = 60;
/// Who send most of each turn's log and read nothing of it.
const PINNERS: usize = 6;
/// With pongs that they do not read, 64 KiB each and a little.
const PONGERS: usize = 200;
/// Bytes of pings behind which the relay must be holding pongs: no buffer on the way there and back takes as many.
const PONGS_HELD: usize = 100_000;
/// Waves of unfinished frames, each of them twice what the relay may hold, and looks at pongers who all had pongs waiting;
/// at the least. What is not given back is in the peak.
const WAVES: usize = 2;
/// Bursts of the pinners, half a megabyte each, at the least.
const PINS: usize = 8;
/// Rounds of the honest beside them, at the least.
const ROUNDS: usize = 20;

/// An address of the attackers' own.
fn attacker(attack: u8, index: usize) -> IpAddr {
    Ipv4Addr::new(127, 6, attack, 1 + (index % 16) as u8).into()
}

/// How far the attacks, and the honest, have come.
#[derive(Debug, Default)]
struct Siege {
    rounds: AtomicUsize,
    claims: AtomicUsize,
    pins: AtomicUsize,
    pongs: AtomicUsize,
    over: Over,
}

impl Siege {
    /// Until the honest have heard everything once more, or it is over.
    fn wait_for_round(&self) {
        let before = self.rounds.load(Ordering::Relaxed);
        eventually("another round", || {
            (self.rounds.load(Ordering::Relaxed) > before || self.over.is_it()).then_some(())
        });
    }

    fn is_at_its_height(&self) -> bool {
        let came = |count: &AtomicUsize, enough| count.load(Ordering::Relaxed) >= enough;
        let waves = came(&self.claims, WAVES) && came(&self.pongs, WAVES);
        waves && came(&self.pins, PINS) && came(&self.rounds, ROUNDS)
    }
}

/// Frames that come in pieces, a piece of each in turn, and never whole.
fn claim(relay: &Relay, siege: &Siege) {
    let almost = [&header("block", 2_000_000)[..], &noise(1, 1_980_000)].concat();
    while !siege.over.is_it() {
        // what is sent is at the relay, but for a little: these sockets take no more
        let small = |socket: &Socket| socket.set_send_buffer_size(64 * 1024).unwrap();
        let connect = |index| relay.connect_with(attacker(1, index), small).unwrap();
        let mut peers: Vec<Peer> = (0..CLAIMERS).map(connect).collect();
        for piece in almost.chunks(33_000) {
            for peer in &mut peers {
                peer.try_send(piece); // whoever holds most is cut off: that is the point
            }
        }
        siege.claims.fetch_add(1, Ordering::Relaxed);
    }
}

/// Each in turn fills the log with its own, and all pin all of it for the little in between that they are due. No faster
/// than the honest hear it: a reader that lags in a room so full may be the one that holds most.
fn pin(relay: &Relay, siege: &Siege) {
    let burst = frame("pin", &noise(2, 60_000)).repeat(8);
    let mut peers: Vec<Peer> = (0..PINNERS).map(|index| narrow(relay, attacker(2, index))).collect();
    let mut index = 0;
    while !siege.over.is_it() {
        siege.wait_for_round();
        index = (index + 1) % PINNERS;
        if peers[index].try_send(&burst) {
            siege.pins.fetch_add(1, Ordering::Relaxed);
        } else {
            peers[index] = narrow(relay, attacker(2, index)); // it was cut off
        }
    }
}

/// One that pings, does not read, and has sent so many bytes.
struct Ponger {
    peer: Peer,
    sent: usize,
}

impl Ponger {
    fn new(relay: &Relay, index: usize) -> Self {
        let peer = narrow(relay, attacker(3, index));
        peer.stream().set_nonblocking(true).unwrap();
        Self { peer, sent: 0 }
    }

    /// As much as the relay takes. False when it has ended the connection.
    fn push(&mut self, ping: &[u8]) -> bool {
        loop {
            match self.peer.stream().write(&ping[self.sent % ping.len()..]) {
                Ok(len) => self.sent += len,
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }
}

/// Pings without end, and no pong is read.
fn pong(relay: &Relay, siege: &Siege) {
    let ping = frame("ping", &noise(3, 1024));
    let mut pongers: Vec<Ponger> = (0..PONGERS).map(|index| Ponger::new(relay, index)).collect();
    while !siege.over.is_it() {
        for (index, ponger) in pongers.iter_mut().enumerate() {
            if !ponger.push(&ping) {
                *ponger = Ponger::new(relay, index);
            }
        }
        if pongers.iter().all(|ponger| ponger.sent > PONGS_HELD) {
            siege.pongs.fetch_add(1, Ordering::Relaxed);
        }
        thread::park_timeout(Duration::from_millis(5)); // they are to be there, not to spin
    }
}

/// A peer whose kernel keeps little of what it sends, and less of what it does not read.
fn narrow(relay: &Relay, from: IpAddr) -> Peer {
    let narrow = |socket: &Socket| {
        socket.set_recv_buffer_size(4096).unwrap();
        socket.set_send_buffer_size(4096).unwrap();
    };
    relay.connect_with(from, narrow).unwrap()
}

/// The honest go on until all three attacks have been at their height. The slowest round.
fn hold_out(conversation: &mut Conversation, siege: &Siege) -> Duration {
    let began = Instant::now();
    let mut worst = Duration::ZERO;
    while !siege.is_at_its_height() {
        worst = worst.max(conversation.round(&[70, 3_000, 20_000]));
        siege.rounds.fetch_add(1, Ordering::Relaxed);
        assert!(began.elapsed() < 3 * PATIENCE, "no siege: {siege:?}");
    }
    worst
}

/// The most memory that `--check` says these options can take, bytes.
fn worst_case(options: &[&str]) -> u64 {
    let program = env!("CARGO_BIN_EXE_peer-relay");
    let checked = Process::new(program).args(["serve", "--check"]).args(options).output().unwrap();
    let text = String::from_utf8(checked.stdout).unwrap();
    let size = text.split_once("worst-case memory: ").and_then(|(_, rest)| rest.split_once("MB = "));
    let (megabytes, _) = size.unwrap_or_else(|| panic!("no worst case in megabytes: {text}"));
    (megabytes.parse::<f64>().unwrap() * 1e6) as u64
}

#[test]
fn all_three_memory_attacks_at_once_stay_within_what_check_promises() {
    let _alone = alone();
    let promise = worst_case(&OPTIONS);
    let mut relay = Relay::start(&OPTIONS);
    let mut conversation = Conversation::among((2..6).map(|last| relay.join(stranger(last))).collect());
    conversation.round(&[70, 3_000, 20_000]);
    let (before, descriptors) = (relay.memory("VmRSS"), relay.descriptors());
    let siege = Siege::default();
    let worst = thread::scope(|scope| {
        for attack in [claim, pin, pong] {
            let (relay, siege) = (&relay, &siege);
            scope.spawn(move || attack(relay, siege));
        }
        let _end = siege.over.at_last();
        hold_out(&mut conversation, &siege)
    });
    eventually("the attackers are gone", || (relay.descriptors() == descriptors).then_some(()));
    conversation.round(&[70]);
    let (peak, after) = (relay.memory("VmHWM"), relay.memory("VmRSS"));
    // what is kept afterwards is the allocator's: of it about a megabyte is in use (malloc_stats)
    println!(
        "three attacks at once: {before} B before, {peak} B at most, {after} B after; --check says {promise} B at \
         worst; {siege:?}, the slowest round {worst:?}"
    );
    assert!(relay.log().contains("reason=memory"), "else it was no attack");
    assert!(peak <= promise, "{peak} B, --check says {promise}");
    assert!(worst < QUICK, "{worst:?}");
    conversation.end();
    assert!(!relay.log().contains("banned until="), "{}", relay.log());
    relay.stop();
}
