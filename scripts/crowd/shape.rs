//! Relays that know each other: who dials whom, and who can hear whom. Knows no process and no socket.

use std::collections::BTreeSet;
use std::ops::Range;

/// Leaves at each relay: one that speaks has one beside it, and one more that must not hear it from that one.
pub const LEAVES: usize = 3;

/// Which relay dials which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One that dials itself.
    Itself,
    /// Two that dial each other.
    Pair,
    /// Three, each but the first dials the one before.
    Line,
    /// Three, each dials the next, the last the first.
    Ring,
    /// Three, each dials both others.
    Mesh,
}

impl Shape {
    const ALL: [Self; 5] = [Self::Itself, Self::Pair, Self::Line, Self::Ring, Self::Mesh];

    /// Those with these names, or all.
    pub fn named(names: &[&str]) -> Option<Vec<Self>> {
        let named = |name: &&str| Self::ALL.into_iter().find(|shape| shape.name() == *name);
        if names.is_empty() { Some(Self::ALL.to_vec()) } else { names.iter().map(named).collect() }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Itself => "itself",
            Self::Pair => "pair",
            Self::Line => "line",
            Self::Ring => "ring",
            Self::Mesh => "mesh",
        }
    }

    pub fn relays(self) -> usize {
        match self {
            Self::Itself => 1,
            Self::Pair => 2,
            Self::Line | Self::Ring | Self::Mesh => 3,
        }
    }

    /// Whom one dials.
    pub fn dials(self, relay: usize) -> Vec<usize> {
        match self {
            Self::Itself => vec![0],
            Self::Pair => vec![1 - relay],
            Self::Line => relay.checked_sub(1).into_iter().collect(),
            Self::Ring => vec![(relay + 1) % 3],
            Self::Mesh => (0..3).filter(|other| *other != relay).collect(),
        }
    }

    /// Who is killed: of a line the middle.
    pub fn victim(self) -> usize {
        match self {
            Self::Itself => 0,
            Self::Pair | Self::Line | Self::Ring | Self::Mesh => 1,
        }
    }

    /// Whether what is said at one is heard at the other while this one is down. Three have at most one between them.
    fn carries(self, from: usize, to: usize, down: Option<usize>) -> bool {
        let are_linked = |one, other| self.dials(one).contains(&other) || self.dials(other).contains(&one);
        let mut between = (0..self.relays()).filter(|relay| Some(*relay) != down);
        from == to || are_linked(from, to) || between.any(|via| are_linked(from, via) && are_linked(via, to))
    }

    /// Whose frames are due to whom, sender and receiver, while this one is down.
    pub fn owed(self, down: Option<usize>) -> BTreeSet<(usize, usize)> {
        let there = || (0..self.relays() * LEAVES).filter(move |leaf| Some(leaf / LEAVES) != down);
        let pairs = there().flat_map(|sender| there().map(move |receiver| (sender, receiver)));
        let is_owed = |&(sender, receiver): &(usize, usize)| {
            sender != receiver && self.carries(sender / LEAVES, receiver / LEAVES, down)
        };
        pairs.filter(is_owed).collect()
    }

    /// The leaves of a relay.
    pub fn leaves_at(relay: usize) -> Range<usize> {
        relay * LEAVES..(relay + 1) * LEAVES
    }
}
