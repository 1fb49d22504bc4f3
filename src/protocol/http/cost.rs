//! What requests cost, so that a turn's work can end in time. Knows figures alone.
//!
//! A unit stands for a microsecond of a processor of 2020. They count, they do not clock: a run replays.

/// Units of work.
pub type Cost = u32;

/// What is done in one turn of the loop for all clients together. The last request may go beyond it.
pub const SLICE: Cost = 1_000;
/// Bytes looked at in one step.
pub const SCAN: usize = 16 * 1024;

/// To look at so many bytes, and to act on what they are.
pub fn of_reading(bytes: usize) -> Cost {
    2 + of(bytes, 200)
}

/// To have so many bytes sent.
pub fn of_saying(bytes: usize) -> Cost {
    of(bytes, 2_000)
}

/// To send so many pieces of the store.
pub fn of_lending(pieces: usize) -> Cost {
    of(pieces, 4)
}

/// Bytes, or whatever is counted, at so many a unit.
fn of(counted: usize, a_unit: usize) -> Cost {
    Cost::try_from(counted / a_unit).unwrap_or(Cost::MAX)
}
