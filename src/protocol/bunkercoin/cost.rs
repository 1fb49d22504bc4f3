//! What the steps of checking cost, so that a slice of work can end in time. Knows figures alone.
//!
//! A unit stands for a microsecond of a processor of 2020; the figures were measured with
//! `cargo test --release --lib bunkercoin::cost -- --ignored --nocapture` and rounded up. They count, they do not
//! clock: a run replays.

/// Units of work.
pub type Cost = u32;

/// What is done in one turn of the loop. The last step of a slice may go beyond it, by [`DEAREST`] at most.
pub const SLICE: Cost = 1_000;
/// The dearest step: a chain of 100,000 blocks stands for another. With messages of 64,000 bytes, to read one of them
/// costs less.
pub const DEAREST: Cost = 1_050;

/// To check an Ed25519 signature.
pub const SIGNATURE: Cost = 100;
/// Rounds of the delay function done in one step.
pub const ROUNDS: u32 = 500;
/// What they cost.
pub const OF_ROUNDS: Cost = 60;
/// Bytes scanned in one step, looking for the next value's end.
pub const SCAN: usize = 16 * 1024;
/// To let some blocks go.
pub const OF_FREEING: Cost = 4;
/// Whatever else a step does.
pub const STEP: Cost = 1;

/// To look for a value's end in so many bytes.
pub fn of_scanning(bytes: usize) -> Cost {
    STEP + of(bytes, 200)
}

/// To read so many bytes of JSON and check what costs little.
pub fn of_parsing(bytes: usize) -> Cost {
    STEP + of(bytes, 100)
}

/// To copy so many bytes.
pub fn of_copying(bytes: usize) -> Cost {
    STEP + of(bytes, 2_000)
}

/// To have one chain stand for another of so many blocks.
pub fn of_rows(blocks: usize) -> Cost {
    STEP + of(blocks, 100)
}

/// To put so many pieces of a store among what is sent to a peer.
pub fn of_lending(pieces: usize) -> Cost {
    STEP + of(pieces, 8)
}

/// To note so many transactions of a block.
pub fn of_entering(transactions: usize) -> Cost {
    STEP + of(transactions, 2)
}

/// Bytes, or whatever is counted, at so many a unit.
fn of(bytes: usize, a_unit: usize) -> Cost {
    Cost::try_from(bytes / a_unit).unwrap_or(Cost::MAX)
}

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
            assert!(Check::begin(block.clone(), text.clone()).is_ok());
        });
        measure("hashing its text", 200, || assert!(Hash::of(&text) != Hash::ZERO));
    }
}
