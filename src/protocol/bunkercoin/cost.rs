//! What the steps of checking cost, so that a slice of work can end in time. Knows figures alone.
//!
//! A unit stands for a microsecond of a processor of 2020; the figures were measured with
//! `cargo test --release --lib bunkercoin::cost -- --ignored --nocapture` and rounded up. They count, they do not
//! clock: a run replays.

use super::mempool;
use super::rules::MAX_ELEMENT;
use super::text::{MAX_PIECES, PIECE};

/// Units of work.
pub type Cost = u32;

/// What is done in one turn of the loop. The last step of a slice may go beyond it, by [`DEAREST`] at most.
pub const SLICE: Cost = 1_000;
/// The dearest step: to join the text of a full pool of transactions, each as long as it can be.
pub const DEAREST: Cost = 730;

/// To check an Ed25519 signature.
pub const SIGNATURE: Cost = 100;
/// Rounds of the delay function done in one step.
pub const ROUNDS: u32 = 500;
/// What they cost.
pub const OF_ROUNDS: Cost = 60;
/// Bytes scanned in one step, looking for the next value's end.
pub const SCAN: usize = 16 * 1024;
/// What is read of a peer at once, bytes; it is busy until that was looked at.
const LARGEST_READ: usize = 64 * 1024;
/// To let some blocks go.
pub const OF_FREEING: Cost = 8;
/// To let go of a piece of a chain's text, and of some rows.
pub const OF_A_PIECE: Cost = 40;
/// To copy some rows of a chain.
pub const OF_ROWS: Cost = 150;
/// Whatever else a step does.
pub const STEP: Cost = 1;

/// To look for a value's end in so many bytes.
pub const fn of_scanning(bytes: usize) -> Cost {
    STEP + of(bytes, 200)
}

/// To read so many bytes of JSON and check what costs little.
pub const fn of_parsing(bytes: usize) -> Cost {
    STEP + of(bytes, 100)
}

/// To copy so many bytes.
pub const fn of_copying(bytes: usize) -> Cost {
    STEP + of(bytes, 2_000)
}

/// To name so many pieces of a store, without copying them.
pub const fn of_lending(pieces: usize) -> Cost {
    STEP + of(pieces, 8)
}

/// To note so many transactions of a block.
pub const fn of_entering(transactions: usize) -> Cost {
    STEP + of(transactions, 2)
}

/// Bytes, or whatever is counted, at so many a unit.
const fn of(bytes: usize, a_unit: usize) -> Cost {
    let units = bytes / a_unit;
    assert!(units < Cost::MAX as usize / 2, "no step is so dear");
    units as Cost
}

/// What is done in one step beside its own work: bytes are scanned, blocks let go.
const BESIDE: Cost = of_scanning(SCAN) + OF_FREEING;

const _: () = assert!(of_parsing(MAX_ELEMENT) + SIGNATURE + BESIDE <= DEAREST, "a longest transaction");
const _: () = assert!(of_copying(mempool::MAX_BYTES) + BESIDE <= DEAREST, "a full pool's text");
const _: () =
    assert!(of_copying(2 * PIECE) + of_lending(MAX_PIECES) + BESIDE <= DEAREST, "a branch, an answer");
const _: () = assert!(of_scanning(LARGEST_READ) + OF_FREEING <= DEAREST, "a line that is passed over");

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::block::Block;
    use super::super::forge;
    use super::super::rules::MAX_BLOCK;
    use super::super::transaction::Transaction;
    use super::super::vdf::Outputs;
    use super::super::{Hash, rules::Check};
    use crate::wire::json_scanner::JsonScanner;

    fn measure(what: &str, times: u32, mut work: impl FnMut()) {
        let began = Instant::now();
        (0..times).for_each(|_| work());
        println!("{what}: {:.1} us", began.elapsed().as_secs_f64() * 1e6 / f64::from(times));
    }

    #[test]
    #[ignore = "figures for this file, in a release build"]
    fn what_steps_cost() {
        let many = (MAX_BLOCK - 140) / Transaction::ENCODED;
        let transactions =
            (0..many as u64).map(|nonce| forge::transaction(1, 2, u64::MAX - 7, nonce)).collect();
        let block = forge::block(None, 1, transactions);
        let text = block.to_json();
        println!("{many} transactions, {} bytes of bincode, {} of JSON", block.encoded_len(), text.len());
        let mut outputs = Outputs::default();
        let mut number = 0_u64;
        measure("some rounds", 200, || {
            number += 1;
            outputs.run(Hash::of(&number.to_le_bytes()), super::ROUNDS);
        });
        measure("a signature", 1_000, || assert!(block.transactions[0].is_signed()));
        measure("scanning a largest block", 200, || {
            let (mut scanner, mut input) = (JsonScanner::default(), text.as_slice());
            while let Ok(Some(_)) = scanner.scan(2, &mut input) {}
            assert!(input.is_empty());
        });
        measure("parsing it", 200, || drop(serde_json::from_slice::<Block>(&text)));
        measure("writing it", 200, || drop(block.to_json()));
        measure("checking what costs little", 200, || {
            assert!(Check::begin(block.clone(), text.clone(), Hash::ZERO).is_ok());
        });
        measure("hashing its text", 200, || assert!(Hash::of(&text) != Hash::ZERO));
    }
}
