//! The messages that are under way: sent, or about to be, and not yet delivered to everybody. Knows no socket and
//! no receiver but how many are still to get each.

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

/// One message under way.
#[derive(Debug)]
pub struct Recorded {
    /// As it was sent.
    pub frame: Bytes,
    /// When it should have been sent.
    pub due: Instant,
    /// How many receivers lack it.
    lacking: u32,
}

/// One sender's messages, in order, from the first that somebody lacks.
#[derive(Debug, Default)]
struct Reel {
    first: u64,
    messages: VecDeque<Recorded>,
}

impl Tape {
    /// Nothing is under way.
    pub fn new(senders: usize) -> Self {
        Self { senders: (0..senders).map(|_| Reel::default()).collect(), under_way: 0 }
    }

    /// The number of the sender's next message, which is how many it has made.
    pub fn made(&self, sender: u32) -> u64 {
        let reel = &self.senders[sender as usize];
        reel.first + reel.messages.len() as u64
    }

    /// Whether there is such a message, under way or delivered.
    pub fn has_made(&self, id: MessageId) -> bool {
        (id.sender as usize) < self.senders.len() && id.number < self.made(id.sender)
    }

    /// A message of the sender's is on its way to so many receivers.
    ///
    /// # Panics
    /// If it is on its way to nobody.
    pub fn record(&mut self, sender: u32, frame: Bytes, due: Instant, receivers: u32) {
        assert!(receivers > 0, "a message to nobody");
        self.senders[sender as usize].messages.push_back(Recorded { frame, due, lacking: receivers });
        self.under_way += 1;
    }

    /// A message that somebody lacks.
    pub fn get(&self, id: MessageId) -> Option<&Recorded> {
        let reel = self.senders.get(id.sender as usize)?;
        let place = id.number.checked_sub(reel.first)?;
        reel.messages.get(usize::try_from(place).ok()?)
    }

    /// One more receiver has it, or never will.
    ///
    /// # Panics
    /// If nobody lacked it.
    pub fn settle(&mut self, id: MessageId) {
        let reel = &mut self.senders[id.sender as usize];
        let place = (id.number - reel.first) as usize; // it is under way, so it is on the reel
        let recorded = &mut reel.messages[place];
        assert!(recorded.lacking > 0, "{id:?} is settled with everybody");
        recorded.lacking -= 1;
        if recorded.lacking > 0 {
            return;
        }
        self.under_way -= 1;
        while reel.messages.front().is_some_and(|message| message.lacking == 0) {
            reel.messages.pop_front();
            reel.first += 1;
        }
    }

    /// Messages that somebody lacks.
    pub fn under_way(&self) -> u64 {
        self.under_way
    }

    /// How many of the sender's newest messages lie, whole or in part, in the last `bytes` it was to send.
    pub fn newest_within(&self, sender: u32, bytes: usize) -> u64 {
        let mut left = bytes;
        let newest = self.senders[sender as usize].messages.iter().rev().take_while(|message| {
            let is_within = left > 0;
            left = left.saturating_sub(message.frame.len());
            is_within
        });
        newest.count() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(sender: u32, number: u64) -> MessageId {
        MessageId { sender, number }
    }

    fn tape_of(messages: u64) -> Tape {
        let mut tape = Tape::new(2);
        for _ in 0..messages {
            tape.record(1, Bytes::from_static(&[7; 10]), Instant::START, 2);
        }
        tape
    }

    #[test]
    fn a_message_is_under_way_until_the_last_receiver_is_settled() {
        let mut tape = tape_of(2);
        tape.settle(id(1, 0));
        assert_eq!(tape.under_way(), 2);
        tape.settle(id(1, 0));
        assert_eq!(tape.under_way(), 1);
        assert!(tape.get(id(1, 0)).is_none() && tape.get(id(1, 1)).is_some());
        assert_eq!(tape.made(1), 2);
        assert_eq!(tape.made(0), 0);
    }

    #[test]
    fn messages_may_be_done_with_in_any_order() {
        let mut tape = tape_of(3);
        for number in [2, 2, 1, 0, 0, 1] {
            tape.settle(id(1, number));
        }
        assert_eq!((tape.under_way(), tape.made(1)), (0, 3));
        assert!((0..4).all(|number| tape.get(id(1, number)).is_none()));
        tape.record(1, Bytes::new(), Instant::START, 1);
        assert!(tape.get(id(1, 3)).is_some());
    }

    #[test]
    fn what_is_unknown_is_not_there() {
        let tape = tape_of(1);
        for id in [id(0, 0), id(1, 1), id(1, u64::MAX), id(2, 0), id(u32::MAX, 0)] {
            assert!(tape.get(id).is_none(), "{id:?}");
        }
    }

    #[test]
    fn unsent_bytes_are_so_many_messages() {
        let tape = tape_of(3);
        let within = |bytes| tape.newest_within(1, bytes);
        assert_eq!([within(0), within(1), within(10), within(11), within(30)], [0, 1, 1, 2, 3]);
    }
}
