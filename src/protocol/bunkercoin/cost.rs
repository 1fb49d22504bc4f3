//! What the steps of checking cost, so that a slice of work can end in time. Knows figures alone.
//!
//! A unit stands for a microsecond of a processor of 2020; the figures were measured with
//! `cargo test --release --lib bunkercoin::cost -- --ignored --nocapture` and rounded up. They count, they do not
//! clock: a run replays.

/// Units of work.
pub type Cost = u32;

/// What is done in one turn of the loop. The last step of a slice may go beyond it, by [`DEAREST`] at most.
pub const SLICE: Cost = 1_000;
/// The dearest step: the JSON of a largest block is read, hashed and written anew.
pub const DEAREST: Cost = 500;

/// To check an Ed25519 signature.
pub const SIGNATURE: Cost = 50;
/// Rounds of the delay function done in one step.
pub const ROUNDS: u32 = 1_000;
/// What they cost.
pub const OF_ROUNDS: Cost = 70;
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

/// To note so many transactions of a block.
pub fn of_entering(transactions: usize) -> Cost {
    STEP + of(transactions, 2)
}

/// Bytes, or whatever is counted, at so many a unit.
fn of(bytes: usize, a_unit: usize) -> Cost {
    Cost::try_from(bytes / a_unit).unwrap_or(Cost::MAX)
}
