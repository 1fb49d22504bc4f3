//! Who is shut out until when, and why. Bounded. Knows no peer, no file and no calendar.

use std::collections::{BTreeMap, BTreeSet};

use super::address::AddressKey;
use crate::protocol::Offence;
use crate::time::Instant;

/// The addresses that are shut out.
#[derive(Debug)]
pub struct BanList {
    bans: BTreeMap<AddressKey, Ban>,
    /// The same, by the time they end.
    ends: BTreeSet<(Instant, AddressKey)>,
    max: usize,
    changes: u64,
}

/// Why and how long an address is shut out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ban {
    /// The first moment at which it is admitted again.
    pub until: Instant,
    /// What it did.
    pub offence: Offence,
}

impl BanList {
    /// Nobody is banned; at most `max` addresses will be at once.
    pub fn new(max: usize) -> Self {
        Self { bans: BTreeMap::new(), ends: BTreeSet::new(), max, changes: 0 }
    }

    /// Shuts an address out. A ban that stands already and ends later stays. When the list is full the ban
    /// that ends soonest goes.
    pub fn insert(&mut self, key: AddressKey, ban: Ban) {
        if self.bans.get(&key).is_some_and(|standing| standing.until >= ban.until) {
            return;
        }
        self.remove(key);
        if self.bans.len() >= self.max {
            let Some(&(_, soonest)) = self.ends.first() else { return };
            self.remove(soonest);
        }
        self.bans.insert(key, ban);
        self.ends.insert((ban.until, key));
        self.changes += 1;
    }

    /// The ban on an address, if there is one that has not ended.
    pub fn get(&self, now: Instant, key: AddressKey) -> Option<Ban> {
        self.bans.get(&key).copied().filter(|ban| now < ban.until)
    }

    /// Forgets bans that have ended, at most `most` of them.
    pub fn expire(&mut self, now: Instant, most: usize) {
        for _ in 0..most {
            match self.ends.first() {
                Some(&(until, key)) if until <= now => self.remove(key),
                _ => return,
            }
        }
    }

    /// When the next ban ends.
    pub fn next_end(&self) -> Option<Instant> {
        self.ends.first().map(|&(until, _)| until)
    }

    /// Every ban, by address.
    pub fn iter(&self) -> impl Iterator<Item = (AddressKey, Ban)> {
        self.bans.iter().map(|(&key, &ban)| (key, ban))
    }

    /// How many addresses are on the list.
    pub fn len(&self) -> usize {
        self.bans.len()
    }

    /// Nobody is.
    pub fn is_empty(&self) -> bool {
        self.bans.is_empty()
    }

    /// Grows with every change: whoever saves the list compares.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    fn remove(&mut self, key: AddressKey) {
        if let Some(ban) = self.bans.remove(&key) {
            self.ends.remove(&(ban.until, key));
            self.changes += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(last: u8) -> AddressKey {
        AddressKey::of([192, 0, 2, last].into())
    }

    fn until(micros: u64) -> Ban {
        Ban { until: Instant::from_micros(micros), offence: Offence::Magic }
    }

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn a_ban_ends_to_the_microsecond() {
        let mut list = BanList::new(9);
        list.insert(key(1), until(100));
        assert!(list.get(at(99), key(1)).is_some());
        assert!(list.get(at(100), key(1)).is_none(), "even before it is swept");
        list.expire(at(99), 9);
        assert!(list.len() == 1 && !list.is_empty());
        list.expire(at(100), 9);
        assert!(list.is_empty());
    }

    #[test]
    fn a_full_list_forgets_the_ban_that_ends_soonest() {
        let mut list = BanList::new(3);
        for (last, micros) in [(1, 300), (2, 100), (3, 200), (4, 400)] {
            list.insert(key(last), until(micros));
            assert!(list.len() <= 3);
        }
        let left: Vec<AddressKey> = list.iter().map(|(key, _)| key).collect();
        assert_eq!(left, [key(1), key(3), key(4)]);
    }

    #[test]
    fn a_second_offence_extends_and_never_shortens() {
        let mut list = BanList::new(3);
        list.insert(key(1), until(100));
        list.insert(key(1), until(50));
        assert_eq!(list.next_end(), Some(at(100)));
        list.insert(key(1), until(150));
        assert_eq!((list.next_end(), list.len()), (Some(at(150)), 1));
    }

    #[test]
    fn whoever_saves_the_list_sees_that_it_has_changed_and_only_then() {
        let mut list = BanList::new(1);
        let mut saved = list.changes();
        let mut has_changed = |list: &BanList| std::mem::replace(&mut saved, list.changes()) < list.changes();
        assert!(!has_changed(&list));
        list.insert(key(1), until(100));
        assert!(has_changed(&list), "the first ban");
        list.insert(key(1), until(50));
        list.expire(at(99), 9);
        assert!(!has_changed(&list), "it stands as it stood");
        list.insert(key(1), until(150));
        assert!(has_changed(&list), "it is longer");
        list.insert(key(2), until(200));
        assert!(has_changed(&list), "another took its place");
        list.expire(at(200), 9);
        assert!(has_changed(&list) && list.is_empty(), "it has ended");
    }

    #[test]
    fn a_burst_expires_in_bounded_steps() {
        let mut list = BanList::new(100);
        (0..100).for_each(|last| list.insert(key(last), until(10)));
        list.expire(at(10), 60);
        assert_eq!(list.len(), 40);
    }
}
