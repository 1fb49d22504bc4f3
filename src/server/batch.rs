//! How much is read before everybody is written to. Knows neither a peer nor a socket.
//!
//! A write costs the kernel by the segment, not by the byte: one of 65,000 B about what one of 250 B costs, one of
//! 66,000 B twice that. So a turn's log is one segment, as full as it gets. Only where frames are so long that much
//! of the segment would stay empty it is more of them.

use std::time::Duration;

use crate::time::Instant;

/// What the kernel sends in one piece: as many Ethernet segments of 1,448 B as 64 KiB hold. On the loopback network
/// it is 65,483 B.
pub const SEGMENT_BYTES: usize = 45 * 1448;
/// Segments that the log of one turn fills at most.
pub const SEGMENTS_MOST: usize = 4;
/// Bytes that the log of one turn has at most when a frame comes to it.
pub const LOG_ENOUGH_BYTES: usize = SEGMENTS_MOST * SEGMENT_BYTES;
/// Bytes read in one turn beyond which nobody else is read, also when they do not end up in the log: hashing
/// them takes about half a millisecond.
pub const READ_ENOUGH_BYTES: usize = 16 * SEGMENT_BYTES;
/// Time after which no further round of reading begins.
pub const READ_ROUNDS_TIME: Duration = Duration::from_micros(500);
/// Peers to be written to for each look whether there is more to read. A look costs about a tenth of a write, and
/// with every frame it finds all of them carry one more.
pub const PEERS_PER_LOOK: usize = 16;

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
    /// Looks for more input that may still be in vain.
    looks: usize,
    is_full: bool,
}

impl Batch {
    /// A turn begins, at whose end so many peers may have to be written to.
    pub fn beginning(now: Instant, peers: usize) -> Self {
        let looks = (peers + PEERS_PER_LOOK / 2) / PEERS_PER_LOOK;
        Self { began: now, segments: 1, read: 0, looks, is_full: false }
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
    /// None when it had better be written first.
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
        if len == 0 || self.looks == 0 {
            return false;
        }
        self.looks -= 1;
        true
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
        Batch::beginning(Instant::START, peers)
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
}
