//! What has been relayed lately, so that it is not relayed again. Knows digests and moments; knows no peer.
//!
//! ```text
//!   young ── its window is over, or it is full ─→ old ── the same of the next one ─→ over: freed bit by bit
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Instant;
use crate::wire::{Command, Frame};

/// Bytes of a digest that are kept: nobody finds a second payload with the same 160 bits.
const DIGEST_BYTES: usize = 20;
/// What is freed of a generation that is over, with each frame. All of it at once would hold the loop up for
/// milliseconds.
const FREED_PER_FRAME: usize = 4;

/// Frames relayed within the last `window`, in two generations.
#[derive(Debug)]
pub(super) struct Dedup {
    window: Duration,
    /// Most frames in one generation.
    generation_max: usize,
    young: Generation,
    old: Generation,
    /// What is being freed.
    over: Vec<Generation>,
    /// When the young generation began.
    since: Instant,
    /// Something was forgotten that had been known only so long.
    forgot_after: Option<Duration>,
    /// When that was told last.
    told: Option<Instant>,
}

/// When each was relayed.
type Generation = BTreeMap<Key, Instant>;

/// The digest first: that is where keys differ.
type Key = [u8; DIGEST_BYTES + Command::LEN];

impl Dedup {
    /// Nothing has been relayed. At most `max` frames are known at once.
    pub fn new(window: Duration, max: usize) -> Self {
        Self {
            window,
            generation_max: (max / 2).max(1),
            young: Generation::new(),
            old: Generation::new(),
            over: Vec::new(),
            since: Instant::START,
            forgot_after: None,
            told: None,
        }
    }

    /// Whether this frame is to be relayed: it is not known to have been within the window. From now on it is.
    pub fn is_new(&mut self, now: Instant, frame: &Frame<'_>) -> bool {
        self.turn_generations(now);
        self.free_some();
        let key = key(frame);
        let is_recent = |relayed: &Instant| now.since(*relayed) < self.window;
        if self.young.get(&key).is_some_and(is_recent) || self.old.get(&key).is_some_and(is_recent) {
            return false;
        }
        self.young.insert(key, now);
        true
    }

    /// A generation is old when its window is over, so that nothing is forgotten before its time, or when it is full,
    /// so that something is.
    fn turn_generations(&mut self, now: Instant) {
        if now.since(self.since) >= self.window || self.young.len() >= self.generation_max {
            if now.since(self.since) < self.window && !self.old.is_empty() {
                self.forgot_after = Some(now.since(self.since));
            }
            self.over.push(std::mem::replace(&mut self.old, std::mem::take(&mut self.young)));
            self.since = now;
        }
    }

    /// What was forgotten before its time has been known at least so long. Told once in a window.
    pub fn forgot_after(&mut self, now: Instant) -> Option<Duration> {
        let after = self.forgot_after.take()?;
        let is_told = self.told.is_some_and(|told| now.since(told) < self.window);
        if is_told {
            return None;
        }
        self.told = Some(now);
        Some(after)
    }

    fn free_some(&mut self) {
        for _ in 0..FREED_PER_FRAME {
            let Some(generation) = self.over.last_mut() else { return };
            if generation.pop_first().is_none() {
                self.over.pop();
            }
        }
    }
}

fn key(frame: &Frame<'_>) -> Key {
    let mut key = [0; DIGEST_BYTES + Command::LEN];
    let (digest, command) = key.split_at_mut(DIGEST_BYTES);
    digest.copy_from_slice(&frame.digest().0[..DIGEST_BYTES]);
    command.copy_from_slice(&frame.command().to_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;
    use crate::wire::Network;

    const WINDOW: Duration = Duration::from_millis(100);

    fn at(millis: u64) -> Instant {
        Instant::from_micros(millis * 1000)
    }

    fn frame(command: &str, payload: &[u8]) -> Frame<'static> {
        Frame::encode(Network::PRIVATE.magic, command.parse().unwrap(), payload)
    }

    #[test]
    fn a_repeat_is_known_until_the_window_is_over_to_the_microsecond() {
        let mut dedup = Dedup::new(WINDOW, 100);
        assert!(dedup.is_new(at(70), &frame("tx", b"a")));
        assert!(!dedup.is_new(at(70), &frame("tx", b"a")));
        assert!(
            !dedup.is_new(Instant::from_micros(169_999), &frame("tx", b"a")),
            "a repeat is no new beginning"
        );
        assert!(dedup.is_new(at(170), &frame("tx", b"a")));
        assert!(!dedup.is_new(at(269), &frame("tx", b"a")));
    }

    #[test]
    fn another_command_or_another_payload_is_another_frame() {
        let mut dedup = Dedup::new(WINDOW, 100);
        for (command, payload) in
            [("tx", b"a".as_slice()), ("tx", b"b"), ("block", b"a"), ("tx", b""), ("", b"a")]
        {
            assert!(dedup.is_new(at(0), &frame(command, payload)));
            assert!(!dedup.is_new(at(1), &frame(command, payload)));
        }
    }

    #[test]
    fn it_is_as_good_as_a_list_of_all_there_ever_was() {
        let (mut dedup, mut rng) = (Dedup::new(WINDOW, 1_000_000), Rng::new(1));
        let (mut now, mut relayed) = (at(0), BTreeMap::<u64, Instant>::new());
        for _ in 0..20_000 {
            now = now + Duration::from_micros(rng.below(5000));
            let which = rng.below(60);
            let is_new = relayed.get(&which).is_none_or(|then| now.since(*then) >= WINDOW);
            assert_eq!(dedup.is_new(now, &frame("tx", &which.to_le_bytes())), is_new, "{which} at {now:?}");
            if is_new {
                relayed.insert(which, now);
            }
        }
        assert_eq!(dedup.forgot_after(now), None);
    }

    #[test]
    fn it_never_knows_more_than_it_may_and_the_latest_half_at_least() {
        let mut dedup = Dedup::new(Duration::from_secs(3600), 1000);
        for n in 0..10_000_u64 {
            assert!(dedup.is_new(at(n), &frame("tx", &n.to_le_bytes())));
            let known =
                dedup.young.len() + dedup.old.len() + dedup.over.iter().map(Generation::len).sum::<usize>();
            assert!(known <= 1000, "{known}");
            for before in [n, n.saturating_sub(499)] {
                assert!(!dedup.is_new(at(n), &frame("tx", &before.to_le_bytes())), "{before} of {n}");
            }
        }
        assert!(
            dedup.is_new(at(10_000), &frame("tx", &0_u64.to_le_bytes())),
            "forgotten early, for it was full"
        );
        let mut told = |millis| dedup.forgot_after(at(millis));
        assert_eq!((told(10_000), told(10_000)), (Some(Duration::from_millis(500)), None));
    }
}
