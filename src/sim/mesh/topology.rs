//! Who dials whom. Knows relays by their numbers only.

use std::fmt;

use crate::rng::Rng;

/// How relays are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topology {
    /// Two that dial each other.
    Pair,
    /// Five, each joined to the next.
    Line,
    /// Three in a ring.
    Ring,
    /// Five, each joined to each.
    Full,
    /// One that dials itself.
    Selfish,
    /// Three of which one dials itself as well.
    SelfishAmongOthers,
}

impl Topology {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Pair, Self::Line, Self::Ring, Self::Full, Self::Selfish, Self::SelfishAmongOthers];

    /// For a person.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pair => "pair",
            Self::Line => "line",
            Self::Ring => "ring",
            Self::Full => "full mesh",
            Self::Selfish => "selfish",
            Self::SelfishAmongOthers => "selfish among others",
        }
    }

    /// How many relays it has.
    pub const fn relays(self) -> usize {
        match self {
            Self::Selfish => 1,
            Self::Pair => 2,
            Self::Ring | Self::SelfishAmongOthers => 3,
            Self::Line | Self::Full => 5,
        }
    }

    /// Which are joined.
    fn joined(self) -> Vec<(usize, usize)> {
        match self {
            Self::Pair => vec![(0, 1)],
            Self::Line => vec![(0, 1), (1, 2), (2, 3), (3, 4)],
            Self::Ring => vec![(0, 1), (1, 2), (2, 0)],
            Self::Full => (0..5).flat_map(|a| (a + 1..5).map(move |b| (a, b))).collect(),
            Self::Selfish => vec![(0, 0)],
            Self::SelfishAmongOthers => vec![(0, 0), (0, 1), (1, 2)],
        }
    }

    /// Who dials whom: one of two that are joined the other, or each the other. Two alone always each the other.
    pub fn dials(self, rng: &mut Rng) -> Vec<(usize, usize)> {
        let mut dials = Vec::new();
        for (a, b) in self.joined() {
            let how = if self == Self::Pair { 2 } else { rng.below(3) };
            if how != 1 || a == b {
                dials.push((a, b));
            }
            if how != 0 && a != b {
                dials.push((b, a));
            }
        }
        dials
    }
}

impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
