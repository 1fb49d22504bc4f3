//! What has been passed on, so that it is not passed on again. Knows digests and moments; knows no item.
//!
//! ```text
//!   young ── its time is over, or it is full ─→ old ── the same of the next one ─→ over: freed bit by bit
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Instant;

/// Bytes of a hash that are kept: nobody finds a second text with the same 160 bits.
const KEPT_BYTES: usize = 20;
/// What is freed of a generation that is over, with each hash that is asked for.
const FREED_AT_ONCE: usize = 4;

/// Hashes of the last `window`, in two generations; how long ago each was passed on is known.
#[derive(Debug)]
pub(super) struct Seen {
    window: Duration,
    /// Most hashes in one generation.
    generation_max: usize,
    young: Generation,
    old: Generation,
    over: Vec<Generation>,
    /// When the young generation began.
    since: Instant,
}

type Generation = BTreeMap<[u8; KEPT_BYTES], Instant>;

impl Seen {
    /// Nothing has been. Of the last `max` hashes at least half are known, and no more than `max`.
    pub fn new(window: Duration, max: usize) -> Self {
        Self {
            window,
            generation_max: (max / 2).max(1),
            young: Generation::new(),
            old: Generation::new(),
            over: Vec::new(),
            since: Instant::START,
        }
    }

    /// From now on it has been passed on; unless it had been within the window, which a repeat makes no longer.
    pub fn insert(&mut self, now: Instant, hash: [u8; 32]) {
        self.turn_generations(now);
        self.free_some();
        if !self.contains(now, hash) {
            self.young.insert(key(hash), now);
        }
    }

    /// Whether it is known to have been within the window.
    pub fn contains(&self, now: Instant, hash: [u8; 32]) -> bool {
        let is_recent = |then: &Instant| now.since(*then) < self.window;
        [&self.young, &self.old].iter().any(|known| known.get(&key(hash)).is_some_and(is_recent))
    }

    /// A generation is old when its window is over, so that nothing is forgotten before its time, or when it is full.
    fn turn_generations(&mut self, now: Instant) {
        if now.since(self.since) >= self.window || self.young.len() >= self.generation_max {
            self.over.push(std::mem::replace(&mut self.old, std::mem::take(&mut self.young)));
            self.since = now;
        }
    }

    fn free_some(&mut self) {
        for _ in 0..FREED_AT_ONCE {
            let Some(generation) = self.over.last_mut() else { return };
            if generation.pop_first().is_none() {
                self.over.pop();
            }
        }
    }
}

fn key(hash: [u8; 32]) -> [u8; KEPT_BYTES] {
    let mut key = [0; KEPT_BYTES];
    key.copy_from_slice(&hash[..KEPT_BYTES]);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn hash(n: u64) -> [u8; 32] {
        *blake3::hash(&n.to_le_bytes()).as_bytes()
    }

    #[test]
    fn a_repeat_is_known_until_the_window_is_over_to_the_millisecond() {
        let mut seen = Seen::new(Duration::from_millis(100), 100);
        seen.insert(at(70), hash(1));
        seen.insert(at(120), hash(1));
        assert!(seen.contains(at(169), hash(1)) && !seen.contains(at(170), hash(1)));
        seen.insert(at(170), hash(1));
        assert!(seen.contains(at(269), hash(1)) && !seen.contains(at(269), hash(2)));
    }

    #[test]
    fn it_never_knows_more_than_it_may_and_the_latest_half_at_least() {
        let mut seen = Seen::new(Duration::MAX, 1000);
        for n in 0..10_000 {
            seen.insert(at(n), hash(n));
            let known =
                seen.young.len() + seen.old.len() + seen.over.iter().map(Generation::len).sum::<usize>();
            assert!(known <= 1000, "{known}");
            assert!(seen.contains(at(n), hash(n.saturating_sub(499))), "{n}");
        }
        assert!(!seen.contains(at(10_000), hash(0)), "forgotten, for it was full");
    }
}
