//! What was relayed lately and is not relayed again, as the judge keeps it: whole frames, and when each passed. Knows
//! no digest and no generation; a world is to allow more frames than it has.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::time::Instant;

/// Frames by command and payload.
#[derive(Debug)]
pub struct Repeats {
    /// None where nothing is swallowed.
    window: Option<Duration>,
    passed: BTreeMap<Box<[u8]>, Instant>,
}

impl Repeats {
    pub fn new(window: Option<Duration>) -> Self {
        Self { window, passed: BTreeMap::new() }
    }

    /// Whether a frame passes now: it has not within the window. One that is swallowed does not lengthen it.
    pub fn passes(&mut self, now: Instant, command: &[u8], payload: &[u8]) -> bool {
        let Some(window) = self.window else { return true };
        let key = [command, payload].concat().into_boxed_slice();
        if self.passed.get(&key).is_some_and(|&then| now.since(then) < window) {
            return false;
        }
        self.passed.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_passes_when_its_time_is_over_and_lengthens_nothing() {
        let mut repeats = Repeats::new(Some(Duration::from_micros(100)));
        let mut passes = |at, command: &str, payload: &str| {
            repeats.passes(Instant::from_micros(at), command.as_bytes(), payload.as_bytes())
        };
        assert!(passes(0, "tx", "a") && passes(0, "inv", "a") && passes(0, "tx", "b"));
        assert!(!passes(99, "tx", "a"));
        assert!(passes(100, "tx", "a"));
        assert!(!passes(150, "tx", "a"));
        let mut none = Repeats::new(None);
        assert!((0..3).all(|at| none.passes(Instant::from_micros(at), b"tx", b"a")));
    }
}
