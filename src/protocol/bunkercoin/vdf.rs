//! The delay function: Blake3 of Blake3 of … the block before. Knows how often; knows no block. It cannot be hurried,
//! but it can be put down and taken up again, and whoever waits for the same output can help.

use std::collections::VecDeque;

use super::hash::Hash;

/// How often the first hash is hashed again: the network's `difficulty`.
pub const ROUNDS: u32 = 10_000;
/// Outputs remembered, or under way. An output depends on the block before alone, so that rivals for one place share
/// it; at any time there are as many places as candidates, and our tip.
const REMEMBERED: usize = 64;

/// One computation, as far as it has come.
#[derive(Clone, Copy, Debug)]
struct Computation {
    /// The block before.
    behind: Hash,
    out: Hash,
    left: u32,
}

/// The computations that were last asked for.
#[derive(Debug, Default)]
pub struct Outputs(VecDeque<Computation>);

impl Outputs {
    /// The output behind a block, when it is there.
    pub fn known(&self, behind: Hash) -> Option<Hash> {
        let found = self.0.iter().rev().find(|one| one.behind == behind);
        found.filter(|one| one.left == 0).map(|one| one.out)
    }

    /// Goes on with the one behind a block, for at most so many rounds. What was not asked for longest is forgotten.
    pub fn run(&mut self, behind: Hash, rounds: u32) {
        let at = self.0.iter().position(|one| one.behind == behind);
        let mut one = at.and_then(|at| self.0.remove(at)).unwrap_or_else(|| Computation::new(behind));
        one.run(rounds);
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(one);
    }
}

impl Computation {
    fn new(behind: Hash) -> Self {
        Self { behind, out: Hash::of(&behind.0), left: ROUNDS }
    }

    fn run(&mut self, rounds: u32) {
        let now = rounds.min(self.left);
        for _ in 0..now {
            self.out = Hash::of(&self.out.0);
        }
        self.left -= now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_it_is_cut_the_output_is_the_same() {
        let block = Hash::of(b"block");
        let mut whole = Outputs::default();
        whole.run(block, u32::MAX);
        for cut in [1, 999, 9_999, 10_000] {
            let mut outputs = Outputs::default();
            let mut runs = 0;
            while outputs.known(block).is_none() {
                outputs.run(block, cut);
                runs += 1;
            }
            assert_eq!((outputs.known(block), runs), (whole.known(block), ROUNDS.div_ceil(cut)));
        }
    }

    #[test]
    fn the_last_outputs_are_remembered_and_no_more() {
        let mut outputs = Outputs::default();
        let block = |number: usize| Hash::of(&number.to_le_bytes());
        (0..=REMEMBERED).for_each(|number| outputs.run(block(number), ROUNDS));
        assert_eq!(outputs.0.len(), REMEMBERED);
        assert_eq!((outputs.known(block(0)), outputs.known(block(1)).is_some()), (None, true));
        outputs.run(block(1), 1);
        outputs.run(block(0), 1);
        assert!(outputs.known(block(1)).is_some(), "asked for just now");
        assert!(outputs.known(block(2)).is_none());
    }
}
