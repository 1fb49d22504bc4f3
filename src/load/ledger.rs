//! What one receiver was to get and what it got. Knows numbers; knows no bytes and no socket.

use std::collections::BTreeMap;
use std::ops::Range;

use super::maker::MessageId;

/// One receiver's account.
#[derive(Debug)]
pub struct Ledger {
    /// For each sender the message that comes next.
    next: Vec<u64>,
    /// Messages that others have overtaken: (sender, from) → up to.
    gaps: BTreeMap<(u32, u64), u64>,
    counts: Counts,
}

/// What came to one receiver, or to all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Right, for the first time; late ones too.
    pub came: u64,
    /// Came and was not what was sent.
    pub wrong: u64,
    /// Of `wrong`, those that can be told to stand for a message that was due. It is not missing.
    pub spoilt: u64,
    /// Of `came`, those that a later one of the same sender has overtaken.
    pub out_of_order: u64,
    /// Right, and had come before.
    pub twice: u64,
}

/// What a message that came is to its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// The next of its sender's; it has overtaken these.
    Next(Range<u64>),
    /// It had been overtaken.
    Late,
    /// It had come before.
    Twice,
}

impl Ledger {
    /// An account with so many senders, who have sent nothing yet.
    pub fn new(senders: usize) -> Self {
        Self { next: vec![0; senders], gaps: BTreeMap::new(), counts: Counts::default() }
    }

    /// How many senders it is an account of.
    pub fn senders(&self) -> u32 {
        self.next.len() as u32 // no more than peers
    }

    /// Whether this is the next message of its sender's: nearly always it is.
    pub fn is_next(&self, id: MessageId) -> bool {
        self.next.get(id.sender as usize) == Some(&id.number)
    }

    /// So many messages of a sender's came, from this one on, which is the next; and were right.
    pub fn came_in_order(&mut self, from: MessageId, count: u64) {
        self.next[from.sender as usize] = from.number + count;
        self.counts.came += count;
    }

    /// The next message of its sender's came, and was spoilt on the way.
    pub fn came_spoilt(&mut self, id: MessageId) {
        self.next[id.sender as usize] = id.number + 1;
        self.counts.wrong += 1;
        self.counts.spoilt += 1;
    }

    /// Something came that is no message of this run, or not as it was sent.
    pub fn came_wrong(&mut self) {
        self.counts.wrong += 1;
    }

    /// A message that was sent came, and was right, whichever it is.
    ///
    /// # Panics
    /// If its sender is not of this run.
    pub fn came(&mut self, id: MessageId) -> Arrival {
        let next = self.next[id.sender as usize];
        if id.number >= next {
            if id.number > next {
                self.gaps.insert((id.sender, next), id.number);
            }
            self.came_in_order(id, 1);
            return Arrival::Next(next..id.number);
        }
        if !self.fill_gap(id) {
            self.counts.twice += 1;
            return Arrival::Twice;
        }
        self.counts.came += 1;
        self.counts.out_of_order += 1;
        Arrival::Late
    }

    /// Of this sender's messages, of which there are so many, nothing more comes. Those that it leaves missing.
    pub fn close(&mut self, sender: u32, made: u64) -> Range<u64> {
        let missing = self.outstanding(sender, made);
        if !missing.is_empty() {
            self.gaps.insert((sender, missing.start), missing.end);
            self.next[sender as usize] = missing.end;
        }
        missing
    }

    /// How many messages of this sender's were due, if none is still to come.
    pub fn seen(&self, sender: u32) -> u64 {
        self.next[sender as usize]
    }

    /// What has come so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The sender's messages, of the first `sent`, that are still to come in order.
    pub fn outstanding(&self, sender: u32, sent: u64) -> Range<u64> {
        let next = self.next[sender as usize];
        next..sent.max(next)
    }

    /// Stretches of messages that others have overtaken and that have not come since.
    pub fn gaps(&self) -> impl Iterator<Item = (u32, Range<u64>)> {
        self.gaps.iter().map(|(&(sender, from), &to)| (sender, from..to))
    }

    /// Takes a message out of the gap it is in, if it is in one.
    fn fill_gap(&mut self, id: MessageId) -> bool {
        let at_or_before = self.gaps.range((id.sender, 0)..=(id.sender, id.number)).next_back();
        let Some((&(sender, from), &to)) = at_or_before else { return false };
        if id.number >= to {
            return false;
        }
        self.gaps.remove(&(sender, from));
        if from < id.number {
            self.gaps.insert((sender, from), id.number);
        }
        if id.number + 1 < to {
            self.gaps.insert((sender, id.number + 1), to);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> MessageId {
        MessageId { sender: 1, number }
    }

    fn gaps(ledger: &Ledger) -> Vec<Range<u64>> {
        ledger.gaps().map(|(_, gap)| gap).collect()
    }

    #[test]
    fn a_swapped_pair_is_one_out_of_order_and_none_missing() {
        let mut ledger = Ledger::new(2);
        assert_eq!(ledger.came(id(1)), Arrival::Next(0..1));
        assert_eq!(ledger.came(id(0)), Arrival::Late);
        assert_eq!(ledger.came(id(2)), Arrival::Next(2..2));
        assert_eq!(*ledger.counts(), Counts { came: 3, out_of_order: 1, ..Counts::default() });
        assert_eq!(gaps(&ledger), []);
    }

    #[test]
    fn a_dropped_message_leaves_a_gap() {
        let mut ledger = Ledger::new(2);
        for number in [0, 1, 3, 4, 7] {
            ledger.came(id(number));
        }
        assert_eq!(gaps(&ledger), [2..3, 5..7]);
        assert_eq!(ledger.outstanding(1, 10), 8..10);
        assert_eq!(ledger.outstanding(1, 8), 8..8);
    }

    #[test]
    fn a_doubled_message_is_twice_wherever_it_comes() {
        let mut ledger = Ledger::new(2);
        for number in [0, 0, 1, 2, 0, 2] {
            ledger.came(id(number));
        }
        assert_eq!(*ledger.counts(), Counts { came: 3, twice: 3, ..Counts::default() });
    }

    #[test]
    fn a_gap_is_filled_from_anywhere() {
        let mut ledger = Ledger::new(2);
        ledger.came(id(10));
        for number in [5, 0, 9, 4] {
            assert_eq!(ledger.came(id(number)), Arrival::Late);
            assert_eq!(ledger.came(id(number)), Arrival::Twice);
        }
        assert_eq!(gaps(&ledger), [1..4, 6..9]);
    }

    #[test]
    fn a_spoilt_message_is_wrong_and_not_missing() {
        let mut ledger = Ledger::new(2);
        ledger.came_spoilt(id(0));
        assert!(ledger.is_next(id(1)));
        ledger.came_wrong();
        assert_eq!(*ledger.counts(), Counts { wrong: 2, spoilt: 1, ..Counts::default() });
    }

    #[test]
    fn senders_do_not_mix() {
        let mut ledger = Ledger::new(3);
        let of = |sender, number| MessageId { sender, number };
        ledger.came(of(0, 3));
        ledger.came(of(2, 1));
        assert_eq!(ledger.came(of(1, 0)), Arrival::Next(0..0));
        assert_eq!(ledger.came(of(2, 0)), Arrival::Late);
        assert_eq!(ledger.gaps().collect::<Vec<_>>(), [(0, 0..3)]);
        assert!(!ledger.is_next(of(3, 0)), "no such sender");
    }
}
