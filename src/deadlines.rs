//! Who wants to be woken when. Knows neither what a key stands for nor why it wakes.

use std::collections::BTreeSet;

use crate::time::Instant;

/// Wake-up times, at most one for each key, lazily corrected: a deadline that moves later is left
/// where it is and moved only when it comes up, so that receiving costs a field, not a tree.
///
/// The caller keeps, beside whatever the key names, the [`Wake`] that says where its entry stands.
/// A tree with removal rather than a heap with stale entries: it can never hold more than one
/// entry a key, whatever the pattern of deadlines.
#[derive(Debug)]
pub struct Deadlines<K> {
    entries: BTreeSet<(Instant, K)>,
}

/// Where a key's entry stands in [`Deadlines`], if it has one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wake(Option<Instant>);

impl<K: Copy + Ord> Deadlines<K> {
    /// Nobody to wake.
    pub fn new() -> Self {
        Self { entries: BTreeSet::new() }
    }

    /// Makes sure that `key` is woken at `when` or before.
    pub fn by(&mut self, key: K, wake: &mut Wake, when: Instant) {
        if wake.0.is_some_and(|standing| standing <= when) {
            return;
        }
        self.cancel(key, wake);
        self.entries.insert((when, key));
        wake.0 = Some(when);
    }

    /// `key` need not be woken any more.
    pub fn cancel(&mut self, key: K, wake: &mut Wake) {
        if let Some(standing) = wake.0.take() {
            self.entries.remove(&(standing, key));
        }
    }

    /// A key whose time has come. Its entry is gone: the caller clears the key's [`Wake`] with
    /// [`Wake::came`] and asks the key for its true deadline.
    pub fn pop(&mut self, now: Instant) -> Option<K> {
        let &(when, key) = self.entries.first()?;
        if when > now {
            return None;
        }
        self.entries.pop_first();
        Some(key)
    }

    /// When the next key wants to be woken.
    pub fn next(&self) -> Option<Instant> {
        self.entries.first().map(|&(when, _)| when)
    }

    /// How many keys wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Nobody waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<K: Copy + Ord> Default for Deadlines<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl Wake {
    /// The entry was popped.
    pub fn came(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn the_earlier_deadline_stands_and_there_is_only_one_a_key() {
        let (mut deadlines, mut wake) = (Deadlines::new(), Wake::default());
        for when in [50, 70, 30, 90] {
            deadlines.by(1, &mut wake, at(when));
            assert_eq!(deadlines.len(), 1);
        }
        assert_eq!(deadlines.next(), Some(at(30)));
    }

    #[test]
    fn a_key_comes_at_its_time_and_not_before() {
        let (mut deadlines, mut wake) = (Deadlines::new(), Wake::default());
        deadlines.by(1, &mut wake, at(30));
        assert_eq!(deadlines.pop(at(29)), None);
        assert_eq!(deadlines.pop(at(30)), Some(1));
        wake.came();
        deadlines.by(1, &mut wake, at(40));
        assert_eq!(deadlines.next(), Some(at(40)), "a popped key can wait again");
    }

    #[test]
    fn a_cancelled_key_never_comes() {
        let (mut deadlines, mut wake) = (Deadlines::new(), Wake::default());
        deadlines.by(1, &mut wake, at(30));
        deadlines.cancel(1, &mut wake);
        assert!(deadlines.is_empty());
        assert_eq!(deadlines.pop(at(99)), None);
    }
}
