//! Token buckets: how much a peer may send a second. Knows no peer.

use std::time::Duration;

use super::limits::Limits;
use crate::protocol::Penalty;
use crate::time::Instant;
use crate::wire::Header;

/// One peer's buckets: complete frames, and their bytes.
#[derive(Clone, Debug)]
pub struct Rates {
    messages: Option<Bucket>,
    bytes: Option<Bucket>,
    /// What being over the rate costs.
    over: Penalty,
}

/// Refilled continuously, to at most `burst`. May go into debt.
#[derive(Clone, Debug)]
struct Bucket {
    /// Units a second.
    rate: u64,
    burst: u64,
    /// Millionths of a unit: what one microsecond brings at rate 1.
    level: i64,
    at: Instant,
}

const MILLION: i64 = 1_000_000;
/// Pauses in a second at most, for one peer.
const RESUMES_A_SECOND: i64 = 20;
/// Largest rate that is told from none, units a second: its millionths fit 63 bits with room for a debt.
const LARGEST: u64 = 1_000_000_000_000;

impl Rates {
    /// Full buckets, or none where no rate is set. A burst is one second's worth and at least one largest
    /// frame.
    pub fn new(now: Instant, limits: &Limits, over: Penalty) -> Option<Box<Self>> {
        let largest = Header::LEN as u64 + u64::from(limits.decoder.max_payload);
        let messages = limits.rate_messages.map(|rate| Bucket::full(now, rate.get(), 1));
        let bytes = limits.rate_bytes.map(|rate| Bucket::full(now, rate.get(), largest));
        (messages.is_some() || bytes.is_some()).then(|| Box::new(Self { messages, bytes, over }))
    }

    /// Time has passed.
    pub fn refill(&mut self, now: Instant) {
        self.messages.iter_mut().chain(&mut self.bytes).for_each(|bucket| bucket.refill(now));
    }

    /// A frame of `len` bytes has come: is it to be heard? Whoever is paused when it is over its rate pays
    /// in full and later, so nothing of what was read is lost.
    pub fn take(&mut self, len: usize) -> bool {
        let within =
            |bucket: &Option<Bucket>, cost: i64| bucket.as_ref().is_none_or(|b| b.level >= cost * MILLION);
        let is_heard =
            self.over == Penalty::Pause || within(&self.messages, 1) && within(&self.bytes, len as i64);
        if is_heard {
            self.charge(len);
        }
        is_heard
    }

    /// How many bytes may be read so that the frames in them are within the rate, when the frame now
    /// arriving lacks at least `wants` bytes, and none is shorter than `shortest`. Any number, unless being over the
    /// rate means a pause.
    pub fn read_limit(&self, wants: usize, shortest: usize) -> usize {
        if self.over != Penalty::Pause {
            return usize::MAX;
        }
        let to_usize = |units: i64| usize::try_from(units).unwrap_or(usize::MAX);
        let by_messages = match &self.messages {
            None => usize::MAX,
            Some(bucket) if bucket.level < MILLION => 0,
            Some(bucket) => {
                to_usize(bucket.level / MILLION - 1).saturating_mul(shortest).saturating_add(wants)
            }
        };
        let by_bytes = match &self.bytes {
            None => usize::MAX,
            Some(bucket) if bucket.level < MILLION => 0,
            // the rest of the frame is paid for when it is whole: in one read, not in many small ones
            Some(bucket) => to_usize(bucket.level / MILLION).max(wants),
        };
        by_messages.min(by_bytes)
    }

    /// When a pause is over.
    pub fn ready_at(&self) -> Instant {
        let ready = |bucket: &Option<Bucket>| bucket.as_ref().map_or(Instant::START, Bucket::ready_at);
        ready(&self.messages).max(ready(&self.bytes))
    }

    fn charge(&mut self, len: usize) {
        if let Some(bucket) = &mut self.messages {
            bucket.level -= MILLION;
        }
        if let Some(bucket) = &mut self.bytes {
            bucket.level -= len as i64 * MILLION;
        }
    }
}

impl Bucket {
    fn full(now: Instant, rate: u64, least: u64) -> Self {
        let rate = rate.min(LARGEST);
        let burst = rate.max(least);
        Self { rate, burst, level: burst as i64 * MILLION, at: now }
    }

    fn refill(&mut self, now: Instant) {
        let micros = i64::try_from(now.since(self.at).as_micros()).unwrap_or(i64::MAX);
        let brought = micros.saturating_mul(self.rate as i64);
        self.level = self.level.saturating_add(brought).min(self.burst as i64 * MILLION);
        self.at = now;
    }

    /// Where reading goes on after a pause: not at the first unit, or a greedy peer would be read unit by unit.
    fn resumes_at(&self) -> i64 {
        (self.rate as i64 * MILLION / RESUMES_A_SECOND).max(MILLION)
    }

    fn ready_at(&self) -> Instant {
        let missing = (self.resumes_at() - self.level).max(0) as u64;
        self.at + Duration::from_micros(missing.div_ceil(self.rate))
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use super::*;
    use crate::relay::test_limits;

    fn rates(messages: Option<u64>, bytes: Option<u64>, over: Penalty) -> Box<Rates> {
        let limits = Limits {
            rate_messages: messages.and_then(NonZeroU64::new),
            rate_bytes: bytes.and_then(NonZeroU64::new),
            ..test_limits()
        };
        Rates::new(Instant::START, &limits, over).unwrap()
    }

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    #[test]
    fn a_burst_is_one_seconds_worth_then_the_rate() {
        let mut rates = rates(Some(10), None, Penalty::Drop);
        assert_eq!((0..20).filter(|_| rates.take(24)).count(), 10);
        rates.refill(at(99));
        assert!(!rates.take(24));
        rates.refill(at(100));
        assert!(rates.take(24));
        rates.refill(at(100_000));
        assert_eq!((0..20).filter(|_| rates.take(24)).count(), 10, "never more than the burst");
    }

    #[test]
    fn one_largest_frame_is_always_allowed() {
        let mut rates = rates(None, Some(100), Penalty::Drop);
        let largest = Header::LEN + test_limits().decoder.max_payload as usize;
        assert!(!rates.take(largest + 1));
        assert!(rates.take(largest));
        assert_eq!(rates.ready_at(), at(50), "not before there is a twentieth of a second's worth");
    }

    #[test]
    fn what_may_be_read_before_a_pause_holds_no_more_frames_than_allowed() {
        let mut rates = rates(Some(3), None, Penalty::Pause);
        assert_eq!(rates.read_limit(1000, 24), 1000 + 48, "the rest of a payload and two headers");
        assert!(rates.take(24));
        assert_eq!(rates.read_limit(4, 24), 4 + 24);
        assert!(rates.take(24) && rates.take(24));
        assert_eq!((rates.read_limit(4, 24), rates.ready_at()), (0, Instant::from_micros(333_334)));
    }

    #[test]
    fn a_debt_of_bytes_is_paid_before_reading_goes_on() {
        let mut rates = rates(None, Some(1000), Penalty::Pause);
        assert!(rates.take(1024) && rates.take(1000));
        assert_eq!(rates.read_limit(24, 24), 0);
        rates.refill(at(1000));
        assert_eq!(rates.read_limit(24, 24), 0, "one byte is missing");
        rates.refill(at(1001));
        assert_eq!(rates.read_limit(24, 24), 24);
    }
}
