//! What the dialect can hold in all. Knows every bound; does nothing.

use super::candidate::SEATS;
use super::chain::{self, MAX_BLOCKS};
use super::hash::Hash;
use super::mempool::{self, MAX_TRANSACTIONS};
use super::news::NEWS_MAX;
use super::pool;
use super::rules::{MAX_ELEMENT, MAX_TEXT};
use super::store::{AGED_MAX, TOLD_MAX};
use super::submitting::PARTING_MAX;
use super::text::PIECE;

/// What an entry of an index costs beside its key and value: trees are filled by half at least.
const OF_A_TREE: usize = 2;
/// A block's row: its hash, and where its text ends.
const ROW: usize = size_of::<Hash>() + size_of::<usize>();
/// Bytes of the shortest transaction's JSON, rounded down: so many bytes of chain hold one.
const SHORTEST_TRANSACTION: usize = 300;
/// A transaction of the chain in the index.
const SPENT: usize = (size_of::<Hash>() + size_of::<u32>()) * OF_A_TREE;
/// A hash that is remembered: twenty bytes and a moment.
const SEEN: usize = 28 * OF_A_TREE;
/// A transaction that waits: where it stands, by hash and by age.
const WAITING: usize = (2 * size_of::<Hash>() + 48) * OF_A_TREE;

/// The most bytes that the stores can hold in all, whatever peers do. What else they have us hold is counted with them.
///
/// | what | bytes |
/// |---|---:|
/// | the chain's text, and as much again of a branch that takes its place or of what was cut off for one | 134 MB |
/// | the last, open pieces of both, and the one that is shared | 1 MB |
/// | their rows | 8 MB |
/// | the index of their transactions, old and new | 32 MB |
/// | blocks of chains under check | 101 MB |
/// | the pool of transactions: text, joined text, what a file is to be told, and places | 5 MB |
/// | hashes that are remembered | 2 MB |
/// | news | 3 MB |
/// | what peers have said with their last line, and is checked | 7 MB |
pub const STORE_BYTES: usize = {
    let text = 2 * chain::MAX_BYTES + 6 * PIECE;
    let rows = 2 * MAX_BLOCKS * ROW;
    let index = 2 * (chain::MAX_BYTES / SHORTEST_TRANSACTION) * SPENT;
    let under_check = pool::MAX_BYTES + SEATS * MAX_TEXT;
    let waiting = 3 * mempool::MAX_BYTES + MAX_TRANSACTIONS * WAITING;
    let remembered = (TOLD_MAX + AGED_MAX) * SEEN;
    let news = NEWS_MAX * MAX_TEXT;
    let parting = PARTING_MAX * 2 * MAX_ELEMENT;
    text + rows + index + under_check + waiting + remembered + news + parting
};

const _: () = assert!(STORE_BYTES < 300_000_000, "the figure that is published");
