//! The messages that are under way: sent, or about to be, and not yet delivered to everybody. Knows no socket and
//! no receiver but how many are still to get each.
//!
//! ```text
//!   a sender's reel   [ chunk: 0 1 2 3 … ][ chunk: 17 18 … ][ chunk: … ]
//!                            ▲ a receiver that has got this far is compared with all that follows in the chunk
//! ```

use std::collections::VecDeque;

use bytes::Bytes;

use super::maker::MessageId;
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
    bytes: Bytes,
    messages: Vec<Recorded>,
    /// How many receivers lack each message.
    lacking: Vec<u32>,
    /// How many messages somebody lacks.
    lacked: usize,
}

/// One message of a chunk.
#[derive(Clone, Copy, Debug)]
pub struct Recorded {
    /// When it should have been sent.
    pub due: Instant,
    /// Where it ends in the chunk.
    pub end: usize,
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

    /// The sender's next messages, back to back, are on their way to so many receivers.
    ///
    /// # Panics
    /// If they are on their way to nobody, or are none.
    pub fn record(&mut self, sender: u32, bytes: Bytes, messages: Vec<Recorded>, receivers: u32) {
        assert!(receivers > 0 && !messages.is_empty(), "a message to nobody");
        let reel = &mut self.senders[sender as usize];
        let lacked = messages.len();
        let lacking = vec![receivers; lacked];
        reel.chunks.push_back(Chunk { first: reel.made, bytes, messages, lacking, lacked });
        reel.made += lacked as u64;
        self.under_way += lacked as u64;
    }

    /// The delivery of a message that somebody lacks, and when it was due.
    pub fn get(&self, id: MessageId) -> Option<(&[u8], Instant)> {
        let (chunk, place) = self.senders.get(id.sender as usize)?.find(id.number)?;
        let recorded = chunk.messages[place];
        Some((&chunk.bytes[chunk.start_of(place)..recorded.end], recorded.due))
    }

    /// The delivery of a message that somebody lacks, and those behind it that were made with it.
    pub fn from(&self, id: MessageId) -> Option<&[u8]> {
        let (chunk, place) = self.senders.get(id.sender as usize)?.find(id.number)?;
        Some(&chunk.bytes[chunk.start_of(place)..])
    }

    /// The messages that lie whole in the first `len` bytes of [`from`](Self::from) have come to one more
    /// receiver, each told with its due time and length. How many, and how many bytes beyond them `len` reaches.
    pub fn settle_run(
        &mut self,
        id: MessageId,
        len: usize,
        mut each: impl FnMut(Instant, usize),
    ) -> (u64, usize) {
        let reel = &mut self.senders[id.sender as usize];
        let (chunk, place) = reel.find_mut(id.number).expect("whoever lacks a message has it under way");
        let mut start = chunk.start_of(place);
        let end = start + len;
        let run = chunk.messages[place..].iter().take_while(|message| message.end <= end);
        let mut count = 0;
        for message in run {
            each(message.due, message.end - start);
            start = message.end;
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
        let all = chunks.flat_map(|chunk| chunk.messages.iter().zip(&chunk.lacking));
        all.filter(|(_, lacking)| **lacking > 0).map(|(message, lacking)| (message.due, *lacking))
    }

    /// Messages that somebody lacks.
    pub fn under_way(&self) -> u64 {
        self.under_way
    }

    /// The last bytes of what the sender made will never be sent: messages that lie whole in them were not made.
    /// As they are sent they are `shorter` by so much than here. How many.
    pub fn retract(&mut self, sender: u32, bytes: usize, shorter: usize) -> u64 {
        let retracted = self.newest_within(sender, bytes, shorter);
        let mut count = retracted;
        let reel = &mut self.senders[sender as usize];
        reel.made -= count;
        while count > 0
            && let Some(chunk) = reel.chunks.back_mut()
        {
            while count > 0 && chunk.messages.pop().is_some() {
                count -= 1;
                let was_lacked = chunk.lacking.pop().is_some_and(|lacking| lacking > 0);
                chunk.lacked -= usize::from(was_lacked);
                self.under_way -= u64::from(was_lacked);
            }
            if chunk.messages.is_empty() {
                reel.chunks.pop_back();
            }
        }
        retracted
    }

    fn newest_within(&self, sender: u32, bytes: usize, shorter: usize) -> u64 {
        let chunks = self.senders[sender as usize].chunks.iter().rev();
        let mut left = bytes;
        let lens = chunks.flat_map(Chunk::lens_from_the_end).map(|len| len - shorter);
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
        (place < self.chunks[at].messages.len()).then_some((at, place))
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
    fn start_of(&self, place: usize) -> usize {
        place.checked_sub(1).map_or(0, |before| self.messages[before].end)
    }

    fn lens_from_the_end(&self) -> impl Iterator<Item = usize> {
        (0..self.messages.len()).rev().map(|place| self.messages[place].end - self.start_of(place))
    }

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
    use super::*;

    const LEN: usize = 10;

    fn id(sender: u32, number: u64) -> MessageId {
        MessageId { sender, number }
    }

    /// Messages of sender 1 of 10 bytes each, so many made at a time, each to two receivers.
    fn tape_of(chunks: &[usize]) -> Tape {
        let mut tape = Tape::new(2);
        for &count in chunks {
            let messages = (1..=count).map(|nth| Recorded { due: Instant::START, end: nth * LEN });
            tape.record(1, vec![7; count * LEN].into(), messages.collect(), 2);
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
        assert!(tape.get(id(1, 1)).is_some());
        assert_eq!((tape.made(1), tape.made(0)), (2, 0));
    }

    #[test]
    fn messages_may_be_done_with_in_any_order() {
        let mut tape = tape_of(&[1, 2, 1]);
        for number in [2, 2, 1, 3, 0, 0, 3, 1] {
            tape.settle(id(1, number));
        }
        assert_eq!((tape.under_way(), tape.made(1)), (0, 4));
        assert!((0..5).all(|number| tape.get(id(1, number)).is_none()), "nothing is kept");
        tape.record(1, Bytes::from_static(b"next"), vec![Recorded { due: Instant::START, end: 4 }], 1);
        assert_eq!(tape.get(id(1, 4)), Some((b"next".as_slice(), Instant::START)));
    }

    #[test]
    fn a_run_settles_what_lies_in_it_whole() {
        let mut tape = tape_of(&[3, 2]);
        assert_eq!(tape.from(id(1, 1)).map(<[u8]>::len), Some(2 * LEN), "to the end of the chunk");
        let mut told = Vec::new();
        assert_eq!(tape.settle_run(id(1, 0), 25, |_, len| told.push(len)), (2, 5));
        assert_eq!(told, [LEN, LEN]);
        assert_eq!(tape.settle_run(id(1, 0), 30, |_, _| ()), (3, 0));
        assert_eq!(tape.settle_run(id(1, 2), 9, |_, _| ()), (0, 9));
        assert_eq!(tape.under_way(), 3);
        tape.settle(id(1, 2));
        assert_eq!((tape.under_way(), tape.from(id(1, 0))), (2, None));
    }

    #[test]
    fn what_is_unknown_is_not_there() {
        let tape = tape_of(&[1]);
        for id in [id(0, 0), id(1, 1), id(1, u64::MAX), id(2, 0), id(u32::MAX, 0)] {
            assert!(tape.get(id).is_none() && !tape.has_made(id), "{id:?}");
        }
        assert!(tape.has_made(id(1, 0)));
    }

    #[test]
    fn what_is_never_sent_was_never_made() {
        let mut tape = tape_of(&[1, 2]);
        assert_eq!(tape.retract(1, 19, 0), 1, "one of them had begun");
        assert_eq!((tape.made(1), tape.under_way()), (2, 2));
        assert!(tape.get(id(1, 2)).is_none() && tape.get(id(1, 1)).is_some());
        assert_eq!(tape.retract(1, 0, 0), 0);
        assert_eq!(tape.retract(1, 20, 0), 2);
        assert_eq!((tape.made(1), tape.under_way()), (0, 0));
    }

    #[test]
    fn unsent_bytes_are_so_many_whole_messages() {
        let tape = tape_of(&[1, 2]);
        let within = |bytes| tape.newest_within(1, bytes, 0);
        assert_eq!(
            [within(0), within(9), within(10), within(19), within(29), within(30)],
            [0, 0, 1, 1, 2, 3]
        );
        let shorter = |bytes| tape.newest_within(1, bytes, 2);
        assert_eq!([shorter(7), shorter(8), shorter(15), shorter(24)], [0, 1, 1, 3]);
    }
}
