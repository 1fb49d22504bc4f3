//! How fast checksums are, beside what they are made of: one sha256 of the same bytes, which leaves what the second
//! one costs, and a copy, which nothing that looks at every byte is faster than. Knows the checksum and nothing else.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use peer_relay::wire::{Checksum, checksum};
use sha2::{Digest, Sha256};

/// Payloads, bytes, by the names they have here.
const SIZES: [(&str, usize); 5] =
    [("32 B", 32), ("250 B", 250), ("1 KiB", 1024), ("16 KiB", 16 * 1024), ("1 MiB", 1024 * 1024)];

/// Stops the bench where the checksum is not the hash of the hash.
fn check(payload: &[u8]) {
    let twice = Sha256::digest(Sha256::digest(payload));
    assert_eq!(Checksum::of(payload).0, twice[..4]);
}

fn checksums(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group(format!("checksum by {}", checksum::backend()));
    for (name, len) in SIZES {
        let payload: Vec<u8> = (0..len).map(|at| (at * 7) as u8).collect();
        check(&payload);
        group.throughput(Throughput::ElementsAndBytes { elements: 1, bytes: len as u64 });
        group.bench_function(BenchmarkId::new("checksum", name), |bencher| {
            bencher.iter(|| Checksum::of(black_box(&payload)));
        });
        group.bench_function(BenchmarkId::new("one sha256", name), |bencher| {
            bencher.iter(|| Sha256::digest(black_box(&payload)));
        });
        let mut copy = vec![0; len];
        group.bench_function(BenchmarkId::new("memcpy", name), |bencher| {
            bencher.iter(|| black_box(&mut copy).copy_from_slice(black_box(&payload)));
        });
    }
    group.finish();
}

/// 15 figures in less than half a minute.
fn config() -> Criterion {
    Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1000))
        .sample_size(30)
        .without_plots()
}

criterion_group! { name = benches; config = config(); targets = checksums }
criterion_main!(benches);
