//! How high blocks are. Knows hashes and who stands on whom; knows no block.
//!
//! Blocks that are connected are a group: each has its height in it, and the group an offset. So a parent that comes
//! late lifts all that stand on it at once, however many they are. Where groups become one the smaller joins the
//! larger: nobody is moved more than a few times, whatever order blocks come in.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::hash::Hash;

/// Every block that is held.
#[derive(Debug, Default)]
pub(super) struct Heights {
    places: BTreeMap<Hash, Place>,
    groups: BTreeMap<u64, Group>,
    arrivals: u64,
    highest: Option<Hash>,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    group: u64,
    relative: i64,
    /// The how manieth it came.
    arrival: u64,
}

#[derive(Debug, Default)]
struct Group {
    offset: i64,
    /// By their heights; of several as high the first is the last here.
    members: BTreeMap<(i64, Reverse<u64>), Hash>,
}

impl Heights {
    /// One more, which is not there yet: what it stands on, there or not, and who stands on it. How many were moved.
    pub fn add(&mut self, hash: Hash, parent: Hash, children: impl IntoIterator<Item = Hash>) -> usize {
        self.arrivals += 1;
        let arrival = self.arrivals;
        let group = self.places.get(&parent).map_or(arrival, |place| place.group);
        let height = self.height(parent) + 1;
        let relative = height - self.groups.entry(group).or_default().offset;
        self.put(hash, Place { group, relative, arrival });
        let moved = children.into_iter().map(|child| self.lift(hash, child)).sum();
        self.note_highest(hash);
        moved
    }

    /// It is not held any more. The others stay as high as they are.
    pub fn remove(&mut self, hash: Hash) {
        let Some(place) = self.places.remove(&hash) else { return };
        if let Some(group) = self.groups.get_mut(&place.group) {
            group.members.remove(&(place.relative, Reverse(place.arrival)));
            if group.members.is_empty() {
                self.groups.remove(&place.group);
            }
        }
        if self.highest == Some(hash) {
            let tops = self.groups.values().filter_map(Group::top);
            self.highest = tops.max_by_key(|(height, arrival, _)| (*height, *arrival)).map(|(.., hash)| hash);
        }
    }

    /// The highest; of several as high, the one that was so first.
    pub fn highest(&self) -> Option<Hash> {
        self.highest
    }

    /// How high one is; 0 when it is not there.
    pub fn height(&self, hash: Hash) -> i64 {
        let place = self.places.get(&hash);
        place
            .map_or(0, |place| place.relative + self.groups.get(&place.group).map_or(0, |group| group.offset))
    }

    fn put(&mut self, hash: Hash, place: Place) {
        let members = &mut self.groups.entry(place.group).or_default().members;
        members.insert((place.relative, Reverse(place.arrival)), hash);
        self.places.insert(hash, place);
    }

    /// One stands on the other, with all of its group.
    fn lift(&mut self, parent: Hash, child: Hash) -> usize {
        let (Some(upper), Some(lower)) = (self.places.get(&child), self.places.get(&parent)) else {
            return 0;
        };
        let (upper, lower) = (upper.group, lower.group);
        if upper == lower {
            return 0;
        }
        let missing = self.height(parent) + 1 - self.height(child);
        if let Some(group) = self.groups.get_mut(&upper) {
            group.offset += missing.max(0);
        }
        self.unite(upper, lower)
    }

    fn unite(&mut self, one: u64, other: u64) -> usize {
        let len = |group: &u64| self.groups.get(group).map_or(0, |group| group.members.len());
        let (to, from) = if len(&one) >= len(&other) { (one, other) } else { (other, one) };
        let Some(small) = self.groups.remove(&from) else { return 0 };
        let shift = small.offset - self.groups.get(&to).map_or(0, |group| group.offset);
        let moved = small.members.len();
        for ((relative, Reverse(arrival)), hash) in small.members {
            self.put(hash, Place { group: to, relative: relative + shift, arrival });
        }
        moved
    }

    /// With this one some may have got higher than all.
    fn note_highest(&mut self, hash: Hash) {
        let group = self.places.get(&hash).and_then(|place| self.groups.get(&place.group));
        let highest = self.highest.map_or(0, |highest| self.height(highest));
        if let Some((height, _, top)) = group.and_then(Group::top)
            && height > highest
        {
            self.highest = Some(top);
        }
    }
}

impl Group {
    fn top(&self) -> Option<(i64, Reverse<u64>, Hash)> {
        let (&(relative, arrival), &hash) = self.members.last_key_value()?;
        Some((relative + self.offset, arrival, hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: usize) -> Hash {
        Hash::of([n.to_string().as_str()])
    }

    /// Adds a chain's blocks in this order; how many were moved in all.
    fn chain(len: usize, order: impl Iterator<Item = usize>) -> usize {
        let mut heights = Heights::default();
        let mut is_there = vec![false; len + 1];
        let mut moved = 0;
        for n in order {
            let children = Some(n + 1).filter(|child| *child < len && is_there[*child]);
            moved += heights.add(hash(n), hash(n.wrapping_sub(1)), children.map(hash));
            is_there[n] = true;
        }
        for n in 0..len {
            assert_eq!(heights.height(hash(n)), n as i64 + 1);
        }
        assert_eq!(heights.highest(), Some(hash(len - 1)));
        (0..len).for_each(|n| heights.remove(hash(n)));
        assert!(heights.groups.is_empty() && heights.highest().is_none());
        moved
    }

    #[test]
    fn whatever_order_a_chain_comes_in_few_are_moved() {
        const LEN: usize = 1000;
        assert_eq!(chain(LEN, 0..LEN), 0);
        assert!(chain(LEN, (0..LEN).rev()) <= LEN);
        assert!(chain(LEN, (0..LEN).map(|n| n * 7 % LEN)) <= 10 * LEN);
        let pairs = (0..LEN / 2).flat_map(|n| [2 * n + 1, 2 * n]);
        assert!(chain(LEN, pairs) <= 2 * LEN);
        assert!(chain(LEN, (0..LEN / 2).map(|n| 2 * n).chain((0..LEN / 2).map(|n| 2 * n + 1))) <= 10 * LEN);
    }

    #[test]
    fn those_that_stand_on_one_that_is_gone_stay_where_they_are() {
        let mut heights = Heights::default();
        for n in 0..3 {
            heights.add(hash(n), hash(n.wrapping_sub(1)), []);
        }
        heights.remove(hash(0));
        heights.remove(hash(1));
        assert_eq!(heights.height(hash(2)), 3);
        heights.add(hash(1), hash(0), [hash(2)]);
        assert_eq!((heights.height(hash(2)), heights.highest()), (3, Some(hash(2))), "nobody sinks");
    }
}
