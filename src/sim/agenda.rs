//! What happens when. Knows moments and the order of what was planned; knows nothing of what it is.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use crate::time::Instant;

/// Events to come, earliest first; of those at one moment the one planned first.
#[derive(Debug)]
pub struct Agenda<E> {
    entries: BinaryHeap<Entry<E>>,
    planned: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: Instant,
    order: u64,
    event: E,
}

impl<E> Agenda<E> {
    /// Nothing is planned.
    pub fn new() -> Self {
        Self { entries: BinaryHeap::new(), planned: 0 }
    }

    /// Something will happen.
    pub fn plan(&mut self, at: Instant, event: E) {
        self.planned += 1;
        self.entries.push(Entry { at, order: self.planned, event });
    }

    /// When the next thing happens.
    pub fn next(&self) -> Option<Instant> {
        self.entries.peek().map(|entry| entry.at)
    }

    /// The next thing, if its time has come.
    pub fn pop(&mut self, now: Instant) -> Option<E> {
        if self.next().is_none_or(|at| at > now) {
            return None;
        }
        self.entries.pop().map(|entry| entry.event)
    }
}

impl<E> Entry<E> {
    fn key(&self) -> (Instant, u64) {
        (self.at, self.order)
    }
}

impl<E> Ord for Entry<E> {
    /// The earliest is the greatest: a heap gives that first.
    fn cmp(&self, other: &Self) -> Ordering {
        other.key().cmp(&self.key())
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<E> Eq for Entry<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_comes_first_and_of_equals_the_one_planned_first() {
        let at = Instant::from_micros;
        let mut agenda = Agenda::new();
        for (when, what) in [(5, 'c'), (3, 'a'), (5, 'd'), (3, 'b')] {
            agenda.plan(at(when), what);
        }
        assert_eq!(agenda.pop(at(2)), None);
        let order: String = std::iter::from_fn(|| agenda.pop(at(5))).collect();
        assert_eq!((order.as_str(), agenda.next()), ("abcd", None));
    }
}
