//! How fast frames come out of bytes, beside what cannot be saved: copying the bytes once and hashing the payloads.
//! Knows the decoder and its baselines; knows no socket.

#[path = "../tests/common/naive.rs"]
mod naive;

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use naive::{Found, Law};
use peer_relay::wire::decoder::DecoderLimits;
use peer_relay::wire::{Checksum, Decoder, Frame, Header, Magic, Network};

const MAGIC: Magic = Network::PRIVATE.magic;
const MAX_PAYLOAD: u32 = 4_000_000;
const MAX_SKIP: u64 = 23;

/// About this many bytes: no more than a read's worth of a busy turn, and they stay in the second-level cache.
const STREAM_LEN: usize = 256 * 1024;

/// Most bytes of junk between two frames, where there is junk: within the bound.
const MOST_JUNK: usize = 20;

struct Stream {
    name: &'static str,
    bytes: Vec<u8>,
    payloads: Vec<Vec<u8>>,
    junk: usize,
}

impl Stream {
    /// Frames of this length, header included, with `junk(number)` bytes of junk before each.
    fn of(name: &'static str, frame_len: usize, junk: impl Fn(usize) -> usize) -> Self {
        let mut stream = Self { name, bytes: Vec::new(), payloads: Vec::new(), junk: 0 };
        for number in 0..STREAM_LEN / frame_len {
            let payload: Vec<u8> = (0..frame_len - Header::LEN).map(|at| (number + 7 * at) as u8).collect();
            stream.junk += junk(number);
            stream.bytes.resize(stream.bytes.len() + junk(number), b'<');
            let command = "msg".parse().expect("printable");
            stream.bytes.extend_from_slice(Frame::encode(MAGIC, command, &payload).as_bytes());
            stream.payloads.push(payload);
        }
        stream
    }

    fn throughput(&self) -> Throughput {
        Throughput::ElementsAndBytes { elements: self.payloads.len() as u64, bytes: self.bytes.len() as u64 }
    }

    /// Stops the bench where the decoders do not find what is there.
    fn check(&self, piece: usize) {
        let mut expected = self.payloads.iter();
        let skipped = decode(&self.bytes, piece, |frame| {
            assert_eq!(Some(frame.payload()), expected.next().map(Vec::as_slice));
        });
        assert_eq!(expected.next(), None, "{}: frames are missing", self.name);
        assert_eq!(skipped, self.junk as u64);
        let reading = naive::read(&self.bytes, &law());
        assert_eq!((reading.found.len(), reading.skipped), (self.payloads.len(), skipped));
        assert!(reading.found.iter().all(|found| matches!(found, Found::Frame(_))));
    }
}

fn law() -> Law {
    Law { magic: MAGIC.0, max_payload: MAX_PAYLOAD, max_skip: MAX_SKIP }
}

/// Decodes a stream that comes in pieces. Says how many bytes were skipped.
fn decode(stream: &[u8], piece: usize, mut each: impl FnMut(&Frame<'_>)) -> u64 {
    let limits = DecoderLimits { magic: MAGIC, max_payload: MAX_PAYLOAD, max_skip: MAX_SKIP };
    let mut decoder = Decoder::new(limits);
    for mut input in stream.chunks(piece) {
        while let Some(frame) = decoder.decode(&mut input).expect("a good stream") {
            each(&frame);
        }
    }
    decoder.skipped()
}

fn bench_decoder(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, stream: &Stream, piece: usize) {
    stream.check(piece);
    group.bench_function(name, |bencher| {
        bencher.iter(|| decode(black_box(&stream.bytes), piece, |frame| _ = black_box(frame.command())));
    });
}

fn bench_baselines(group: &mut BenchmarkGroup<'_, WallTime>, stream: &Stream) {
    let mut copy = vec![0; stream.bytes.len()];
    group.bench_function("memcpy", |bencher| {
        bencher.iter(|| black_box(&mut copy).copy_from_slice(black_box(&stream.bytes)));
    });
    group.bench_function("checksum", |bencher| {
        bencher.iter(|| stream.payloads.iter().for_each(|payload| _ = black_box(Checksum::of(payload))));
    });
    group.bench_function("naive", |bencher| {
        bencher.iter(|| black_box(naive::read(black_box(&stream.bytes), &law())));
    });
}

fn decoding(criterion: &mut Criterion) {
    let streams = [
        Stream::of("32 B", 32, |_| 0),
        Stream::of("250 B", 250, |_| 0),
        Stream::of("16 KiB", 16 * 1024, |_| 0),
        Stream::of("250 B between junk", 250, |number| number * 13 % (MOST_JUNK + 1)),
    ];
    for stream in &streams {
        let mut group = criterion.benchmark_group(stream.name);
        group.throughput(stream.throughput());
        bench_baselines(&mut group, stream);
        bench_decoder(&mut group, "whole", stream, usize::MAX);
        bench_decoder(&mut group, "in 1460 B", stream, 1460); // a TCP segment on Ethernet
        bench_decoder(&mut group, "in 100 B", stream, 100);
        group.finish();
    }
}

/// 24 figures in about a minute.
fn config() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1200))
        .sample_size(30)
        .without_plots()
}

criterion_group! { name = benches; config = config(); targets = decoding }
criterion_main!(benches);
