//! What a file of the chain has to be told. Knows how far the file is like the chain; knows no file and holds no block:
//! those are read out of the chain when they are written.

use std::collections::VecDeque;

use bytes::Bytes;

/// Most transactions that wait to be written. When nobody takes them the oldest are left out: they are in the pools of
/// others.
const MAX_WAITING: usize = super::mempool::MAX_TRANSACTIONS;

/// A line of the file, as it were. Read in order they give the chain and the pool again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// The next block: of the chain, or of a branch that has begun.
    Block(&'a [u8]),
    /// A branch behind so many blocks begins. It is the chain as soon as it is longer than the chain, and nothing
    /// before: whatever is cut off behind it, what was there before is still there. Another that begins first voids it.
    Branch(usize),
    /// A transaction for the pool.
    Transaction(&'a [u8]),
}

/// How much of the chain a file has.
#[derive(Debug, Default)]
pub struct Journal {
    /// Blocks of the chain in the file.
    written: usize,
    /// So many of them, from the first, are still the chain's.
    agreed: usize,
    /// While a branch is written: blocks of ours, from the first, that the file has now.
    branch: Option<usize>,
    transactions: VecDeque<Bytes>,
}

/// What is to be written next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// The block at this place.
    Block(usize),
    /// A branch.
    Branch(usize),
    /// A transaction.
    Transaction(Bytes),
}

impl Journal {
    /// Of a file that has the whole chain, which is so high.
    pub fn beginning(height: usize) -> Self {
        Self { written: height, agreed: height, branch: None, transactions: VecDeque::new() }
    }

    /// A transaction has come into the pool.
    pub fn add(&mut self, transaction: Bytes) {
        if self.transactions.len() == MAX_WAITING {
            self.transactions.pop_front();
        }
        self.transactions.push_back(transaction);
    }

    /// Behind the first `fork` blocks the chain is another.
    pub fn reorganised(&mut self, fork: usize) {
        self.agreed = self.agreed.min(fork);
        self.branch = None; // its beginning may be another's
    }

    /// What comes next, with a chain so high. It counts as written.
    pub fn next(&mut self, height: usize) -> Option<Next> {
        match self.branch {
            Some(at) if at < height => return Some(self.branch_block(at)),
            Some(_) => {}
            None if self.agreed < self.written => return Some(self.begin_branch()),
            None if self.agreed < height => {
                self.agreed += 1;
                self.written = self.agreed;
                return Some(Next::Block(self.agreed - 1));
            }
            None => {}
        }
        self.transactions.pop_front().map(Next::Transaction)
    }

    fn begin_branch(&mut self) -> Next {
        self.branch = Some(self.agreed);
        Next::Branch(self.agreed)
    }

    /// Once the branch is the longer one, it is what the file has.
    fn branch_block(&mut self, at: usize) -> Next {
        self.branch = Some(at + 1);
        if at + 1 > self.written {
            *self = Self { transactions: std::mem::take(&mut self.transactions), ..Self::beginning(at + 1) };
        }
        Next::Block(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A chain's blocks, told apart by a number.
    type Blocks = Vec<u32>;

    /// What a file's records come to.
    #[derive(Default)]
    struct File {
        chain: Blocks,
        branch: Option<Blocks>,
    }

    impl File {
        fn write(&mut self, next: &Next, ours: &[u32]) {
            match next {
                Next::Branch(fork) => self.branch = Some(self.chain[..*fork].to_vec()),
                Next::Block(at) => {
                    let into = self.branch.as_mut().unwrap_or(&mut self.chain);
                    into.push(ours[*at]);
                    if let Some(branch) = self.branch.take_if(|branch| branch.len() > self.chain.len()) {
                        self.chain = branch;
                    }
                }
                Next::Transaction(_) => {}
            }
        }
    }

    #[test]
    fn whatever_happens_the_file_becomes_the_chain_and_never_loses_one_it_had() {
        for seed in 0..300 {
            let mut rng = crate::rng::Rng::new(seed);
            let (mut ours, mut journal, mut file) = (Blocks::new(), Journal::default(), File::default());
            let mut name = 0;
            for _ in 0..60 {
                if rng.below(3) == 0 && !ours.is_empty() {
                    let fork = rng.below(ours.len() as u64) as usize;
                    let length = ours.len() + 1 + rng.below(3) as usize;
                    ours.truncate(fork);
                    name += 1;
                    ours.resize(length, name);
                    journal.reorganised(fork);
                } else {
                    name += 1;
                    ours.push(name);
                }
                for _ in 0..rng.below(5) {
                    let had = file.chain.len();
                    let Some(next) = journal.next(ours.len()) else { break };
                    file.write(&next, &ours);
                    assert!(file.chain.len() >= had, "seed {seed}");
                }
            }
            while let Some(next) = journal.next(ours.len()) {
                file.write(&next, &ours);
            }
            assert_eq!(file.chain, ours, "seed {seed}");
        }
    }

    #[test]
    fn transactions_nobody_writes_are_bounded_and_the_last_ones_stay() {
        let mut journal = Journal::beginning(0);
        (0..MAX_WAITING + 3).for_each(|number| journal.add(Bytes::from(number.to_string())));
        assert_eq!(journal.transactions.len(), MAX_WAITING);
        assert_eq!(journal.next(0), Some(Next::Transaction(Bytes::from_static(b"3"))));
    }
}
