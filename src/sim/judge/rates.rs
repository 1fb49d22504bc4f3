//! How much a sender may have said by now: the judge's own buckets. Knows numbers and moments.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::relay::Limits;
use crate::time::Instant;

/// A sender's buckets: frames, and their bytes.
#[derive(Debug)]
pub struct Rates(Vec<Bucket>);

/// Filled at its rate up to one second's worth, at least one largest frame's; a frame is taken even if it leaves a debt.
#[derive(Debug)]
struct Bucket {
    counts: Counts,
    rate: u64,
    burst: u64,
    /// Millionths.
    level: i128,
    at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counts {
    Frames,
    Bytes,
}

const MILLION: i128 = 1_000_000;
/// Reading goes on once a twentieth of a second's worth is there: the README's word.
const RESUMES: u64 = 20;

impl Rates {
    /// Full ones, where there is a rate.
    pub fn new(now: Instant, limits: &Limits) -> Self {
        let largest = 24 + u64::from(limits.decoder.max_payload);
        let bucket = |rate: Option<NonZeroU64>, counts, least: u64| {
            let rate = rate?.get();
            let burst = rate.max(least);
            Some(Bucket { counts, rate, burst, level: i128::from(burst) * MILLION, at: now })
        };
        let frames = bucket(limits.rate_messages, Counts::Frames, 1);
        let bytes = bucket(limits.rate_bytes, Counts::Bytes, largest);
        Self([frames, bytes].into_iter().flatten().collect())
    }

    /// A frame of so many bytes has come.
    pub fn take(&mut self, now: Instant, bytes: u64) {
        for bucket in &mut self.0 {
            bucket.fill(now);
            bucket.level -= MILLION * i128::from(if bucket.counts == Counts::Frames { 1 } else { bytes });
        }
    }

    /// Until when its sender is not read, if it is over its rate now.
    pub fn paused_until(&mut self, now: Instant) -> Option<Instant> {
        self.0.iter_mut().for_each(|bucket| bucket.fill(now));
        let is_over = self.0.iter().any(|bucket| bucket.level < MILLION);
        is_over.then(|| self.0.iter().map(Bucket::resumes_at).max().unwrap_or(now))
    }
}

impl Bucket {
    fn fill(&mut self, now: Instant) {
        let brought = now.since(self.at).as_micros() as i128 * i128::from(self.rate);
        self.level = (self.level + brought).min(i128::from(self.burst) * MILLION);
        self.at = now;
    }

    fn resumes_at(&self) -> Instant {
        let wanted = (i128::from(self.rate) * MILLION / i128::from(RESUMES)).max(MILLION);
        let lacking = (wanted - self.level).max(0);
        let micros = (lacking + i128::from(self.rate) - 1) / i128::from(self.rate);
        self.at + Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}
