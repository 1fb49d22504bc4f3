//! What is done about messages costs, so that a turn's work can end in time. Knows figures alone.
//!
//! A unit stands for a microsecond of a processor of 2020. They count, they do not clock: a run replays.

/// Units of work.
pub type Cost = u32;

/// What is done in one turn of the loop for all connections together. The last step may go beyond it, by [`DEAREST`] at
/// most.
pub const SLICE: Cost = 1_000;
/// The dearest step, with messages of 64,000 bytes: a block of them, full of the shortest transactions, that has others
/// dropped.
pub const DEAREST: Cost = 2_200;

/// Bytes looked at in one step for a message's end.
pub const SCAN: usize = 16 * 1024;
/// Whatever else a step does.
pub const STEP: Cost = 1;

/// To look for a message's end in so many bytes.
pub fn of_scanning(bytes: usize) -> Cost {
    STEP + of(bytes, 400)
}

/// To read so many bytes of JSON, and to hash them.
pub fn of_parsing(bytes: usize) -> Cost {
    STEP + of(bytes, 200)
}

/// To copy so many bytes, or to have them sent.
pub fn of_copying(bytes: usize) -> Cost {
    of(bytes, 2_000)
}

/// To find so many in a map, one after the other.
pub fn of_finding(entries: usize) -> Cost {
    of(entries, 4)
}

/// To go through so many that lie side by side.
pub fn of_passing(entries: usize) -> Cost {
    of(entries, 400)
}

/// To take so many transactions of a block, each with its hash.
pub fn of_entering(transactions: usize) -> Cost {
    of(transactions, 1)
}

/// Bytes, or whatever is counted, at so many a unit.
fn of(counted: usize, a_unit: usize) -> Cost {
    Cost::try_from(counted / a_unit).unwrap_or(Cost::MAX)
}
