//! How much is read before everybody is written to. Knows neither a peer nor a socket.
//!
//! A write costs the kernel less by the byte than by the segment: 2 us with 250 B, 6 us with 65,000 B and 10 us with
//! 66,000 B (measured on loopback, to 100 peers). So a turn's log is one segment, as full as it gets. Only where frames
//! are so long that much of the segment would stay empty it is more of them.

use std::time::Duration;

use crate::time::Instant;

/// What the kernel sends in one piece: as many Ethernet segments of 1,448 B as 64 KiB hold. On the loopback network
/// it is 65,483 B.
pub const SEGMENT_BYTES: usize = 45 * 1448;
/// Segments that the log of one turn fills at most.
pub const SEGMENTS_MOST: usize = 4;
/// Bytes that the log of one turn has at most when somebody is read; what is read then may complete one long frame.
pub const LOG_ENOUGH_BYTES: usize = SEGMENTS_MOST * SEGMENT_BYTES;
/// Bytes read in one turn beyond which nobody else is read, also when they do not end up in the log: hashing
/// them takes about half a millisecond.
pub const READ_ENOUGH_BYTES: usize = 16 * SEGMENT_BYTES;
/// Time after which no further round of reading begins.
pub const READ_ROUNDS_TIME: Duration = Duration::from_micros(500);
/// Peers to be written to for each look whether there is more to read. A look costs about a tenth of a write, and
/// with every frame it finds all of them carry one more.
pub const PEERS_PER_LOOK: usize = 16;

/// Turns running in which all looks were in vain before only every [`LOOKS_AGAIN_EVERY`]th turn looks.
const VAIN_MOST: u32 = 8;
/// How often it is tried whether looking has become worthwhile.
const LOOKS_AGAIN_EVERY: u32 = 8;

/// The least that is worth a read, and the most of a segment that may stay empty.
const LITTLE: usize = SEGMENT_BYTES / 16;

/// What is read in one turn.
#[derive(Debug)]
pub(super) struct Batch {
    began: Instant,
    /// Segments that the log may fill.
    segments: usize,
    /// Bytes read.
    read: usize,
    /// Looks for more input that are left.
    looks: usize,
    looking: Looking,
    /// Turns running in which no look found anything.
    vain: u32,
    is_full: bool,
}

/// What came of the turn's looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looking {
    /// There was nothing to write.
    Needless,
    Vain,
    Worthwhile,
}

impl Batch {
    /// Before the first turn.
    pub fn new() -> Self {
        let began = Instant::START;
        Self { began, segments: 1, read: 0, looks: 0, looking: Looking::Needless, vain: 0, is_full: false }
    }

    /// A turn begins, at whose end so many peers may have to be written to.
    pub fn begin(&mut self, now: Instant, peers: usize) {
        let vain = match self.looking {
            Looking::Needless => self.vain,
            Looking::Vain => self.vain.wrapping_add(1),
            Looking::Worthwhile => 0,
        };
        let does_look = vain < VAIN_MOST || vain.is_multiple_of(LOOKS_AGAIN_EVERY);
        let looks = if does_look { (peers + PEERS_PER_LOOK / 2) / PEERS_PER_LOOK } else { 0 };
        *self = Self { began: now, looks, vain, ..Self::new() };
    }

    /// Bytes have been read.
    pub fn note_read(&mut self, len: usize) {
        self.read += len;
    }

    /// Whether nobody else is to be read in this turn.
    pub fn has_enough(&self) -> bool {
        self.is_full || self.read >= READ_ENOUGH_BYTES
    }

    /// How many bytes may be read of somebody who has sent the first `begun` of a frame, when the log has `len`.
    /// 0 when it had better be written first.
    pub fn room(&mut self, len: usize, begun: usize) -> usize {
        loop {
            let all = self.segments * SEGMENT_BYTES;
            let room = all.saturating_sub(len + begun);
            if room >= LITTLE {
                return room;
            }
            let is_as_full_as_it_gets = self.segments == SEGMENTS_MOST || len >= all - self.segments * LITTLE;
            if len > 0 && is_as_full_as_it_gets {
                self.is_full = true;
                return 0;
            }
            self.segments += 1;
        }
    }

    /// Whether to look for more input, now that all there was has been read.
    pub fn looks_again(&mut self, len: usize) -> bool {
        if len == 0 || self.room(len, 0) == 0 {
            return false;
        }
        if self.looking == Looking::Needless {
            self.looking = Looking::Vain;
        }
        let does_look = self.looks > 0;
        self.looks = self.looks.saturating_sub(1);
        does_look
    }

    /// A look has found something.
    pub fn note_found(&mut self) {
        self.looking = Looking::Worthwhile;
    }

    /// Whether no further round begins.
    pub fn is_late(&self, now: Instant) -> bool {
        now.since(self.began) >= READ_ROUNDS_TIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(peers: usize) -> Batch {
        let mut batch = Batch::new();
        batch.begin(Instant::START, peers);
        batch
    }

    #[test]
    fn a_log_takes_no_frame_beyond_its_segment() {
        let mut batch = batch(10);
        assert_eq!(batch.room(0, 0), SEGMENT_BYTES);
        assert_eq!(batch.room(1000, 300), SEGMENT_BYTES - 1300);
        assert_eq!(batch.room(SEGMENT_BYTES - LITTLE, 0), LITTLE);
        assert!(!batch.has_enough());
        assert_eq!(batch.room(SEGMENT_BYTES - LITTLE, 1), 0);
        assert!(batch.has_enough());
    }

    #[test]
    fn with_nothing_in_the_log_there_is_always_room() {
        for begun in (0..64 * 1024).step_by(97) {
            let mut batch = batch(10);
            assert!(batch.room(0, begun) >= LITTLE && !batch.has_enough());
        }
    }

    #[test]
    fn a_log_that_one_segment_would_leave_half_empty_has_more_of_them_up_to_a_bound() {
        let mut batch = batch(10);
        let half = SEGMENT_BYTES / 2 + 1;
        assert_eq!(batch.room(half, half), 2 * SEGMENT_BYTES - 2 * half);
        assert_eq!(batch.room(3 * half, half), 3 * SEGMENT_BYTES - 4 * half);
        assert_eq!(batch.room(LOG_ENOUGH_BYTES - half, half), 0, "{SEGMENTS_MOST} segments");
        assert!(batch.has_enough());
    }

    #[test]
    fn what_is_read_and_not_relayed_is_bounded_too() {
        let mut batch = batch(10);
        batch.note_read(READ_ENOUGH_BYTES - 1);
        assert!(!batch.has_enough());
        batch.note_read(1);
        assert!(batch.has_enough());
    }

    #[test]
    fn it_is_late_after_half_a_millisecond() {
        let batch = batch(10);
        assert!(!batch.is_late(Instant::from_micros(499)) && batch.is_late(Instant::from_micros(500)));
    }

    #[test]
    fn looks_that_are_always_in_vain_are_left_out_but_for_a_try_now_and_then() {
        let mut batch = Batch::new();
        let mut looks_in_turn = |is_lucky: bool| {
            batch.begin(Instant::START, 3 * PEERS_PER_LOOK);
            let looks = (0..10).take_while(|_| batch.looks_again(100)).count();
            if is_lucky && looks > 0 {
                batch.note_found();
            }
            looks
        };
        let unlucky: Vec<usize> = (0..33).map(|_| looks_in_turn(false)).collect();
        let looked = |turn: &usize| unlucky[*turn] == 3;
        assert_eq!((0..33).filter(looked).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 24, 32]);
        (33..40).for_each(|_| assert_eq!(looks_in_turn(true), 0));
        assert!(
            (40..60).all(|_| looks_in_turn(true) == 3),
            "once it has found something it looks every turn"
        );
    }

    #[test]
    fn a_turn_with_nothing_to_write_does_not_look_and_says_nothing_of_luck() {
        let mut batch = Batch::new();
        for _ in 0..10 {
            batch.begin(Instant::START, 3 * PEERS_PER_LOOK);
            assert!(!batch.looks_again(0));
        }
        assert!(batch.looks_again(1));
    }
}
