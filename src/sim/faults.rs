//! What goes wrong at the server's own host, how likely and how often it did. Knows chances; knows no stack.

use crate::rng::Rng;

/// Something that a stack may do and a server must bear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A read gives less than there is, down to a byte.
    ShortRead,
    /// A write takes less than there is room for, down to a byte.
    ShortWrite,
    /// A read would block although there is something.
    BlockedRead,
    /// A write would block although there is room.
    BlockedWrite,
    /// A call is interrupted.
    Interrupted,
    /// Accepting fails for lack of descriptors: EMFILE.
    NoDescriptors,
    /// A connection is over before it is accepted: ECONNABORTED.
    AcceptAborted,
    /// Readiness is said of somebody of whom nothing is new, or who is gone.
    Spurious,
    /// Readiness is said twice.
    Twice,
    /// Several things are said of one token, in several events.
    Several,
    /// The host is slow: time passes between two rounds of reading.
    SlowHost,
}

/// Chances of a fault, each time there is an occasion, in 4096ths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chances([u16; Fault::ALL.len()]);

/// Draws faults, and counts them.
#[derive(Clone, Debug)]
pub struct Faults {
    rng: Rng,
    chances: Chances,
    counts: [u64; Fault::ALL.len()],
}

const ALL_CHANCES: u64 = 4096;

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 11] = [
        Self::ShortRead,
        Self::ShortWrite,
        Self::BlockedRead,
        Self::BlockedWrite,
        Self::Interrupted,
        Self::NoDescriptors,
        Self::AcceptAborted,
        Self::Spurious,
        Self::Twice,
        Self::Several,
        Self::SlowHost,
    ];

    /// For a person.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShortRead => "short read",
            Self::ShortWrite => "short write",
            Self::BlockedRead => "blocked read",
            Self::BlockedWrite => "blocked write",
            Self::Interrupted => "interrupted call",
            Self::NoDescriptors => "no descriptors",
            Self::AcceptAborted => "aborted accept",
            Self::Spurious => "spurious readiness",
            Self::Twice => "readiness twice",
            Self::Several => "several events of one",
            Self::SlowHost => "slow host",
        }
    }
}

impl Chances {
    /// Some faults more, some less likely, and most not at all: another world for every seed.
    pub fn draw(rng: &mut Rng) -> Self {
        const LIKELY: [u16; 5] = [0, 0, 20, 200, 1500];
        Self(std::array::from_fn(|_| LIKELY[rng.below(LIKELY.len() as u64) as usize]))
    }

    /// One that shall not strike.
    pub fn spare(&mut self, fault: Fault) {
        self.0[fault as usize] = 0;
    }

    /// How likely one is, in 4096ths.
    pub fn of(&self, fault: Fault) -> u16 {
        self.0[fault as usize]
    }
}

impl Faults {
    /// Faults as likely as that.
    pub fn new(seed: u64, chances: Chances) -> Self {
        Self { rng: Rng::new(seed), chances, counts: [0; Fault::ALL.len()] }
    }

    /// Nothing goes wrong any more.
    pub fn stop(&mut self) {
        self.chances = Chances::default();
    }

    /// Whether this is the time for a fault.
    pub fn strikes(&mut self, fault: Fault) -> bool {
        let chance = u64::from(self.chances.of(fault));
        let strikes = chance > 0 && self.rng.below(ALL_CHANCES) < chance;
        self.counts[fault as usize] += u64::from(strikes);
        strikes
    }

    /// Of so many bytes, how many are moved: often a single one.
    ///
    /// # Panics
    /// If there is none to move.
    pub fn fewer(&mut self, bytes: usize) -> usize {
        let most = [1, 3, 24, bytes][self.rng.below(4) as usize];
        1 + self.rng.below(most.min(bytes) as u64) as usize
    }

    /// A number below `bound`, for whoever has a choice.
    pub fn below(&mut self, bound: usize) -> usize {
        self.rng.below(bound as u64) as usize
    }

    /// How often each has struck.
    pub fn counts(&self) -> impl Iterator<Item = (Fault, u64)> {
        Fault::ALL.into_iter().zip(self.counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_can_be_drawn_and_none_strikes_unless_it_was() {
        let mut drawn = [0; Fault::ALL.len()];
        for seed in 0..50 {
            let mut rng = Rng::new(seed);
            let chances = Chances::draw(&mut rng);
            let mut faults = Faults::new(seed, chances.clone());
            for fault in Fault::ALL {
                (0..2000).for_each(|_| {
                    faults.strikes(fault);
                });
            }
            for (fault, count) in faults.counts() {
                assert_eq!(count > 0, chances.of(fault) > 0, "{fault:?} of {seed}");
                drawn[fault as usize] += count;
            }
        }
        assert!(drawn.iter().all(|&count| count > 0), "{drawn:?}");
    }

    #[test]
    fn fewer_is_at_least_one_and_never_more() {
        let mut faults = Faults::new(1, Chances::default());
        for bytes in 1..100 {
            assert!((0..50).all(|_| (1..=bytes).contains(&faults.fewer(bytes))));
        }
    }
}
