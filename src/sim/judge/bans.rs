//! Who is shut out, as the judge keeps it. Knows addresses and moments.

use std::collections::BTreeMap;

use crate::relay::{AddressKey, BanList};
use crate::time::Instant;

/// Every ban spoken.
#[derive(Debug)]
pub struct Bans {
    until: BTreeMap<AddressKey, Instant>,
    max: usize,
    pub spoken: u64,
}

impl Bans {
    pub fn new(max: usize) -> Self {
        Self { until: BTreeMap::new(), max, spoken: 0 }
    }

    /// An address is shut out; when the list is full, the ban that ends soonest goes.
    pub fn speak(&mut self, now: Instant, key: AddressKey, until: Instant) {
        self.spoken += 1;
        self.until.retain(|_, until| *until > now);
        if self.until.get(&key).is_some_and(|&standing| standing >= until) {
            return;
        }
        self.until.remove(&key);
        if self.until.len() >= self.max
            && let Some((_, soonest)) = self.until.iter().map(|(&key, &until)| (until, key)).min()
        {
            self.until.remove(&soonest);
        }
        self.until.insert(key, until);
    }

    /// Whether it is shut out.
    pub fn has(&self, now: Instant, key: AddressKey) -> bool {
        self.until.get(&key).is_some_and(|&until| now < until)
    }

    /// How the relay's own list differs, if it does.
    pub fn difference(&self, now: Instant, list: &BanList) -> Option<String> {
        let standing = |&(_, until): &(AddressKey, Instant)| until > now;
        let ours: Vec<_> = self.until.iter().map(|(&key, &until)| (key, until)).filter(standing).collect();
        let theirs: Vec<_> = list.iter().map(|(key, ban)| (key, ban.until)).filter(standing).collect();
        (ours != theirs).then(|| format!("{} addresses should be banned, {} are", ours.len(), theirs.len()))
    }
}
