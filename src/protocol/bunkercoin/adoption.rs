//! A longer chain takes the place of ours, a block at a time. Knows what is left to do; knows no rule: all was checked.

use std::collections::VecDeque;
use std::sync::Arc;

use super::chain::{Branch, Cut};
use super::rules::Checked;

/// How far it has come. Nothing is seen of it until the branch is whole; then it is the chain at once, and the pool of
/// transactions follows: what the new blocks have goes, what only the old ones had comes back.
#[derive(Debug)]
pub enum Adoption {
    /// Behind so many blocks these come, but the first of them may be ours by now.
    Finding(usize, VecDeque<Arc<Checked>>),
    /// The branch is put together out of these blocks; so many are in.
    Building(Branch, VecDeque<Arc<Checked>>, usize),
    /// The branch is the chain. These blocks' transactions are in it now, and those of the cut are to be looked at.
    Entering(VecDeque<Arc<Checked>>, Cut),
    /// The transactions of the old blocks are not in the chain any more.
    Returning(Cut),
    /// Nobody needs the old blocks any more. To free them all at once would take its time.
    Freeing(Cut),
}
