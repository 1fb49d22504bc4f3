//! The core without sockets: decode → rules → log → queues, at 10 to 10,000 peers. Knows no kernel: what a
//! peer is sent is counted and forgotten.
//!
//! Each case stands beside the plain loop, which copies every frame into a buffer of each peer's own.

use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main,
};
use peer_relay::protocol::{Dialect, Flood, Token};
use peer_relay::relay::{Law, Limits, Output, Relay};
use peer_relay::time::Instant;
use peer_relay::wire::{Decoder, Frame, Network};

const PAYLOAD: usize = 250;
const FRAMES: usize = 64;

fn limits() -> Limits {
    Limits::new(Network::PRIVATE.magic)
}

fn full_room(peers: usize) -> (Relay<Flood>, Vec<Token>) {
    full_room_of(peers, Dialect::Frames)
}

fn full_room_of(peers: usize, dialect: Dialect) -> (Relay<Flood>, Vec<Token>) {
    let mut relay = Relay::new(Flood, Law::of::<Flood>(), limits());
    let address = |i: usize| SocketAddr::from((Ipv4Addr::from(0x0a00_0000 + i as u32), 7333));
    let tokens =
        (0..peers).map(|i| relay.accepted(Instant::START, address(i), dialect).expect("a place")).collect();
    relay.events().for_each(drop);
    (relay, tokens)
}

fn frames(count: usize) -> Vec<u8> {
    let command = "tx".parse().expect("a command");
    Frame::encode(Network::PRIVATE.magic, command, &[7; PAYLOAD]).as_bytes().repeat(count)
}

fn unsent(relay: &Relay<Flood>, to: Token) -> usize {
    relay.unsent(to).map(|part| black_box(part.as_slice()).len()).sum()
}

/// The outputs of a turn in which every peer takes everything. Says how many bytes that was.
fn everybody_takes_all(relay: &mut Relay<Flood>) -> usize {
    let mut taken = 0;
    while let Some(output) = relay.poll() {
        let Output::Flush(to) = output else { panic!("{output:?}") };
        let len = unsent(relay, to);
        relay.sent(Instant::START, to, len);
        taken += len;
    }
    taken
}

/// What everybody would write who never heard of a shared log.
struct Plain {
    decoders: Vec<Decoder>,
    buffers: Vec<Vec<u8>>,
}

impl Plain {
    fn new(peers: usize) -> Self {
        let decoders = (0..peers).map(|_| Decoder::new(limits().decoder)).collect();
        Self { decoders, buffers: vec![Vec::new(); peers] }
    }

    fn received(&mut self, from: usize, mut bytes: &[u8]) {
        while let Some(frame) = self.decoders[from].decode(&mut bytes).expect("valid frames") {
            for (to, buffer) in self.buffers.iter_mut().enumerate() {
                if to != from {
                    buffer.extend_from_slice(frame.as_bytes());
                }
            }
        }
    }

    fn everybody_takes_all(&mut self) -> usize {
        let lens = self.buffers.iter_mut().map(|buffer| {
            let len = black_box(buffer.as_slice()).len();
            buffer.clear();
            len
        });
        lens.sum()
    }
}

fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    peers: usize,
    name: &str,
    turn: &mut dyn FnMut() -> usize,
) {
    group.bench_function(BenchmarkId::new(name, peers), |bencher| bencher.iter(&mut *turn));
}

fn of_group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    // flat: the copies of a large room take a tenth of a second, and a ramp of them most of a minute
    group.sampling_mode(SamplingMode::Flat).sample_size(20);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    group
}

/// One sender, 64 frames a turn, in deliveries and, for one size of room, in bytes delivered.
fn one_sender(criterion: &mut Criterion) {
    let wire = frames(FRAMES);
    for (unit, name, rooms) in [
        (Unit::Deliveries, "one sender/deliveries", [10, 100, 1000, 10_000].as_slice()),
        (Unit::Bytes, "one sender/bytes", &[1000]),
    ] {
        let mut group = of_group(criterion, name);
        for &peers in rooms {
            group.throughput(unit.of((peers - 1) * FRAMES));
            let (mut relay, tokens) = full_room(peers);
            measure(&mut group, peers, "relay", &mut || {
                relay.received(Instant::START, tokens[0], &wire);
                everybody_takes_all(&mut relay)
            });
            let mut plain = Plain::new(peers);
            measure(&mut group, peers, "a copy per peer", &mut || {
                plain.received(0, &wire);
                plain.everybody_takes_all()
            });
        }
    }
}

/// A hundred senders, one frame each a turn: the log has an owner at every frame.
fn chat(criterion: &mut Criterion) {
    let wire = frames(1);
    let mut group = of_group(criterion, "chat of 100/deliveries");
    for peers in [100, 1000, 10_000] {
        group.throughput(Unit::Deliveries.of((peers - 1) * 100));
        let (mut relay, tokens) = full_room(peers);
        measure(&mut group, peers, "relay", &mut || {
            tokens[..100].iter().for_each(|&from| relay.received(Instant::START, from, &wire));
            everybody_takes_all(&mut relay)
        });
        let mut plain = Plain::new(peers);
        measure(&mut group, peers, "a copy per peer", &mut || {
            (0..100).for_each(|from| plain.received(from, &wire));
            plain.everybody_takes_all()
        });
    }
}

/// Nobody takes anything for one turn, then everybody all of it: the log is frozen, queued and let go.
fn stalled(criterion: &mut Criterion) {
    let wire = frames(FRAMES);
    let mut group = of_group(criterion, "stalled for a turn/deliveries");
    for peers in [100, 1000, 10_000] {
        group.throughput(Unit::Deliveries.of((peers - 1) * FRAMES));
        let (mut relay, tokens) = full_room(peers);
        measure(&mut group, peers, "relay", &mut || {
            relay.received(Instant::START, tokens[0], &wire);
            while let Some(output) = relay.poll() {
                black_box(output);
            }
            let mut taken = 0;
            for &to in &tokens[1..] {
                let len = unsent(&relay, to);
                relay.sent(Instant::START, to, len);
                taken += len;
            }
            taken + everybody_takes_all(&mut relay)
        });
        let mut plain = Plain::new(peers);
        measure(&mut group, peers, "a copy per peer", &mut || {
            plain.received(0, &wire);
            plain.everybody_takes_all()
        });
    }
}

/// The same number of bytes as frames to a room that speaks frames, and as lines to one that speaks lines.
fn lines(criterion: &mut Criterion) {
    let mut line = vec![b'x'; 24 + PAYLOAD];
    line[23 + PAYLOAD] = b'\n';
    let (frames, lines) = (frames(FRAMES), line.repeat(FRAMES));
    assert_eq!(frames.len(), lines.len());
    let mut group = of_group(criterion, "frames and lines/deliveries");
    for peers in [100, 1000] {
        group.throughput(Unit::Deliveries.of((peers - 1) * FRAMES));
        for (name, dialect, wire) in [("frames", Dialect::Frames, &frames), ("lines", Dialect::Lines, &lines)]
        {
            let (mut relay, tokens) = full_room_of(peers, dialect);
            measure(&mut group, peers, name, &mut || {
                relay.received(Instant::START, tokens[0], wire);
                everybody_takes_all(&mut relay)
            });
        }
    }
}

#[derive(Clone, Copy)]
enum Unit {
    Deliveries,
    Bytes,
}

impl Unit {
    fn of(self, deliveries: usize) -> Throughput {
        match self {
            Self::Deliveries => Throughput::Elements(deliveries as u64),
            Self::Bytes => Throughput::Bytes((deliveries * (24 + PAYLOAD)) as u64),
        }
    }
}

/// No plots and few resamples: they took longer than the measuring.
fn brief() -> Criterion {
    Criterion::default().without_plots().nresamples(5000)
}

criterion_group! {
    name = benches;
    config = brief();
    targets = one_sender, chat, stalled, lines
}
criterion_main!(benches);
