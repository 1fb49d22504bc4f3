//! The messages that are under way: sent, or about to be, and not yet delivered to everybody. Knows no socket and
//! no receiver but how many are still to get each.
//!
//! ```text
//!   a sender's reel   [ chunk: 0 1 2 3 … ][ chunk: 17 18 … ][ chunk: … ]
//!                            ▲ a receiver that has got this far is compared with all that follows in the chunk
//! ```
//!
//! Where some peers speak frames and some lines, a chunk has the same messages on two tracks: once as the ones get
//! them, once as the others do.

use std::collections::VecDeque;

use super::maker::MessageId;
use super::rendering::{Rendering, Renderings, Track};
use crate::time::Instant;

/// All senders' messages that somebody still lacks.
#[derive(Debug)]
pub struct Tape {
    senders: Vec<Reel>,
    under_way: u64,
}

/// One sender's messages, in order, from the chunk on that has the first that somebody lacks.
#[derive(Debug, Default)]
struct Reel {
    made: u64,
    chunks: VecDeque<Chunk>,
}

/// Messages that were made together.
#[derive(Debug)]
struct Chunk {
    first: u64,
    /// When each should have been sent.
    dues: Vec<Instant>,
    /// For each track the same messages.
    tracks: Renderings,
    /// How many receivers lack each message.
    lacking: Vec<u32>,
    /// How many messages somebody lacks.
    lacked: usize,
}

impl Tape {
    /// Nothing is under way.
    pub fn new(senders: usize) -> Self {
        Self { senders: (0..senders).map(|_| Reel::default()).collect(), under_way: 0 }
    }

    /// The number of the sender's next message, which is how many it has made.
    pub fn made(&self, sender: u32) -> u64 {
        self.senders[sender as usize].made
    }

    /// Whether there is such a message, under way or delivered.
    pub fn has_made(&self, id: MessageId) -> bool {
        self.senders.get(id.sender as usize).is_some_and(|reel| id.number < reel.made)
    }

    /// The sender's next messages, which were due then, are on their way to so many receivers.
    ///
    /// # Panics
    /// If they are on their way to nobody, or are none, or not the same on each track.
    pub fn record(&mut self, sender: u32, dues: Vec<Instant>, tracks: Renderings, receivers: u32) {
        assert!(receivers > 0 && !dues.is_empty(), "a message to nobody");
        assert!(tracks.iter().all(|track| track.count() == dues.len() as u64), "other messages on one track");
        let reel = &mut self.senders[sender as usize];
        let lacked = dues.len();
        let lacking = vec![receivers; lacked];
        reel.chunks.push_back(Chunk { first: reel.made, dues, tracks, lacking, lacked });
        reel.made += lacked as u64;
        self.under_way += lacked as u64;
    }

    /// The delivery of a message that somebody lacks, and when it was due.
    pub fn get(&self, track: Track, id: MessageId) -> Option<(&[u8], Instant)> {
        let (chunk, place) = self.senders.get(id.sender as usize)?.find(id.number)?;
        let rendering = &chunk.tracks[track as usize];
        Some((rendering.message(place), chunk.dues[place]))
    }

    /// The delivery of a message that somebody lacks, and those behind it that were made with it.
    pub fn from(&self, track: Track, id: MessageId) -> Option<&[u8]> {
        let (chunk, place) = self.senders.get(id.sender as usize)?.find(id.number)?;
        let rendering = &chunk.tracks[track as usize];
        Some(&rendering.bytes()[rendering.start_of(place)..])
    }

    /// The messages that lie whole in the first `len` bytes of [`from`](Self::from) have come to one more
    /// receiver, each told with its due time and length. How many, and how many bytes beyond them `len` reaches.
    pub fn settle_run(
        &mut self,
        track: Track,
        id: MessageId,
        len: usize,
        mut each: impl FnMut(Instant, usize),
    ) -> (u64, usize) {
        let reel = &mut self.senders[id.sender as usize];
        let (chunk, place) = reel.find_mut(id.number).expect("whoever lacks a message has it under way");
        let rendering = &chunk.tracks[track as usize];
        let mut start = rendering.start_of(place);
        let end = start + len;
        let all = chunk.dues[place..].iter().zip(rendering.ends_from(place));
        let mut count = 0;
        for (&due, &end) in all.take_while(|(_, message_end)| **message_end <= end) {
            each(due, end - start);
            start = end;
            count += 1;
        }
        let done = chunk.settle(place, count);
        self.under_way -= done;
        if done > 0 {
            reel.drop_front();
        }
        (count as u64, end - start)
    }

    /// One more receiver has it, or never will.
    ///
    /// # Panics
    /// If nobody lacked it.
    pub fn settle(&mut self, id: MessageId) {
        let reel = &mut self.senders[id.sender as usize];
        let (chunk, place) = reel.find_mut(id.number).expect("whoever lacks a message has it under way");
        let done = chunk.settle(place, 1);
        self.under_way -= done;
        reel.drop_front();
    }

    /// When each message was due that somebody lacks, and how many lack it.
    pub fn lacking(&self) -> impl Iterator<Item = (Instant, u32)> {
        let chunks = self.senders.iter().flat_map(|reel| &reel.chunks);
        let all = chunks.flat_map(|chunk| chunk.dues.iter().zip(&chunk.lacking));
        all.filter(|(_, lacking)| **lacking > 0).map(|(due, lacking)| (*due, *lacking))
    }

    /// Messages that somebody lacks.
    pub fn under_way(&self) -> u64 {
        self.under_way
    }

    /// The last bytes of what the sender made will never be sent: messages that lie whole in them were not made.
    /// As they are sent they are `shorter` by so much than on this track. How many.
    pub fn retract(&mut self, sender: u32, track: Track, bytes: usize, shorter: usize) -> u64 {
        let retracted = self.newest_within(sender, track, bytes, shorter);
        let mut count = retracted;
        let reel = &mut self.senders[sender as usize];
        reel.made -= count;
        while count > 0
            && let Some(chunk) = reel.chunks.back_mut()
        {
            while count > 0 && chunk.dues.pop().is_some() {
                count -= 1;
                chunk.tracks.iter_mut().for_each(Rendering::forget_last);
                let was_lacked = chunk.lacking.pop().is_some_and(|lacking| lacking > 0);
                chunk.lacked -= usize::from(was_lacked);
                self.under_way -= u64::from(was_lacked);
            }
            if chunk.dues.is_empty() {
                reel.chunks.pop_back();
            }
        }
        retracted
    }

    fn newest_within(&self, sender: u32, track: Track, bytes: usize, shorter: usize) -> u64 {
        let chunks = self.senders[sender as usize].chunks.iter().rev();
        let mut left = bytes;
        let lens = chunks.flat_map(|chunk| chunk.tracks[track as usize].lens_from_the_end());
        let lens = lens.map(|len| len - shorter);
        let newest = lens.take_while(|len| {
            let is_within = *len <= left;
            left = left.saturating_sub(*len);
            is_within
        });
        newest.count() as u64
    }
}

impl Reel {
    fn index_of(&self, number: u64) -> Option<(usize, usize)> {
        let at = self.chunks.partition_point(|chunk| chunk.first <= number).checked_sub(1)?;
        let place = usize::try_from(number - self.chunks[at].first).ok()?;
        (place < self.chunks[at].dues.len()).then_some((at, place))
    }

    fn find(&self, number: u64) -> Option<(&Chunk, usize)> {
        self.index_of(number).map(|(at, place)| (&self.chunks[at], place))
    }

    fn find_mut(&mut self, number: u64) -> Option<(&mut Chunk, usize)> {
        self.index_of(number).map(|(at, place)| (&mut self.chunks[at], place))
    }

    /// Chunks that nobody lacks anything of are forgotten.
    fn drop_front(&mut self) {
        while self.chunks.front().is_some_and(|chunk| chunk.lacked == 0) {
            self.chunks.pop_front();
        }
    }
}

impl Chunk {
    /// One receiver fewer lacks these. How many nobody lacks any more.
    fn settle(&mut self, place: usize, count: usize) -> u64 {
        let mut done = 0;
        for lacking in &mut self.lacking[place..place + count] {
            *lacking = lacking.checked_sub(1).expect("a message is settled once with each receiver");
            done += usize::from(*lacking == 0);
        }
        self.lacked -= done;
        done as u64
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const LEN: usize = 10;
    /// On the second track.
    const LONGER: usize = 13;

    fn id(sender: u32, number: u64) -> MessageId {
        MessageId { sender, number }
    }

    /// Messages of sender 1 of 10 bytes each, so many made at a time, each to two receivers.
    fn tape_of(chunks: &[usize]) -> Tape {
        let mut tape = Tape::new(2);
        for &count in chunks {
            let rendering =
                |len| Rendering::new(vec![7; count * len].into(), (1..=count).map(|nth| nth * len).collect());
            let tracks = Renderings::from([LEN, LONGER].map(rendering));
            tape.record(1, vec![Instant::START; count], tracks, 2);
        }
        tape
    }

    #[test]
    fn a_message_is_under_way_until_the_last_receiver_is_settled() {
        let mut tape = tape_of(&[2]);
        tape.settle(id(1, 0));
        assert_eq!(tape.under_way(), 2);
        tape.settle(id(1, 0));
        assert_eq!(tape.under_way(), 1);
        assert!(tape.get(Track::First, id(1, 1)).is_some());
        assert_eq!((tape.made(1), tape.made(0)), (2, 0));
    }

    #[test]
    fn messages_may_be_done_with_in_any_order() {
        let mut tape = tape_of(&[1, 2, 1]);
        for number in [2, 2, 1, 3, 0, 0, 3, 1] {
            tape.settle(id(1, number));
        }
        assert_eq!((tape.under_way(), tape.made(1)), (0, 4));
        assert!((0..5).all(|number| tape.get(Track::First, id(1, number)).is_none()), "nothing is kept");
        let next = Rendering::new(Bytes::from_static(b"next"), vec![4]);
        tape.record(1, vec![Instant::START], Renderings::from_iter([next]), 1);
        assert_eq!(tape.get(Track::First, id(1, 4)), Some((b"next".as_slice(), Instant::START)));
    }

    #[test]
    fn a_run_settles_what_lies_in_it_whole() {
        let mut tape = tape_of(&[3, 2]);
        let first = Track::First;
        assert_eq!(tape.from(first, id(1, 1)).map(<[u8]>::len), Some(2 * LEN), "to the end of the chunk");
        let mut told = Vec::new();
        assert_eq!(tape.settle_run(first, id(1, 0), 25, |_, len| told.push(len)), (2, 5));
        assert_eq!(told, [LEN, LEN]);
        assert_eq!(tape.settle_run(first, id(1, 0), 30, |_, _| ()), (3, 0));
        assert_eq!(tape.settle_run(first, id(1, 2), 9, |_, _| ()), (0, 9));
        assert_eq!(tape.under_way(), 3);
        tape.settle(id(1, 2));
        assert_eq!((tape.under_way(), tape.from(first, id(1, 0))), (2, None));
    }

    #[test]
    fn on_both_tracks_lie_the_same_messages() {
        let mut tape = tape_of(&[3]);
        assert_eq!(tape.from(Track::Second, id(1, 1)).map(<[u8]>::len), Some(2 * LONGER));
        assert_eq!(tape.get(Track::Second, id(1, 2)).map(|(bytes, _)| bytes.len()), Some(LONGER));
        assert_eq!(tape.settle_run(Track::First, id(1, 0), 30, |_, len| assert_eq!(len, LEN)), (3, 0));
        assert_eq!(tape.settle_run(Track::Second, id(1, 0), 30, |_, len| assert_eq!(len, LONGER)), (2, 4));
        assert_eq!(tape.under_way(), 1, "the third lacks whoever is on the second");
    }

    #[test]
    fn what_is_unknown_is_not_there() {
        let tape = tape_of(&[1]);
        for id in [id(0, 0), id(1, 1), id(1, u64::MAX), id(2, 0), id(u32::MAX, 0)] {
            assert!(tape.get(Track::First, id).is_none() && !tape.has_made(id), "{id:?}");
        }
        assert!(tape.has_made(id(1, 0)));
    }

    #[test]
    fn what_is_never_sent_was_never_made() {
        let mut tape = tape_of(&[1, 2]);
        let track = Track::First;
        assert_eq!(tape.retract(1, track, 19, 0), 1, "one of them had begun");
        assert_eq!((tape.made(1), tape.under_way()), (2, 2));
        assert!(tape.get(track, id(1, 2)).is_none() && tape.get(track, id(1, 1)).is_some());
        assert_eq!(tape.retract(1, track, 0, 0), 0);
        assert_eq!(tape.retract(1, Track::Second, 25, 0), 1, "a sender sends what is on its own track");
        assert_eq!(tape.retract(1, track, 20, 0), 1);
        assert_eq!((tape.made(1), tape.under_way()), (0, 0));
    }

    #[test]
    fn unsent_bytes_are_so_many_whole_messages() {
        let tape = tape_of(&[1, 2]);
        let within = |bytes| tape.newest_within(1, Track::First, bytes, 0);
        assert_eq!(
            [within(0), within(9), within(10), within(19), within(29), within(30)],
            [0, 0, 1, 1, 2, 3]
        );
        let shorter = |bytes| tape.newest_within(1, Track::First, bytes, 2);
        assert_eq!([shorter(7), shorter(8), shorter(15), shorter(24)], [0, 1, 1, 3]);
    }
}
