//! Who owes whom which frame: one receiver's book on one sender, and what it comes to for all. Knows
//! numbers alone.

use std::collections::BTreeSet;
use std::time::Duration;

/// What a receiver has of one sender, whose frames are numbered from 0.
#[derive(Debug, Default)]
pub struct Account {
    next: u64,
    /// Numbers below `next` that have not come.
    holes: BTreeSet<u64>,
}

/// What came of all frames at all receivers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Frames that should have come.
    pub due: u64,
    /// Frames that came, each counted once.
    pub received: u64,
    /// Frames that never came.
    pub missing: u64,
    /// Frames that came again.
    pub twice: u64,
    /// Frames that nobody honest ever said.
    pub wrong: u64,
    /// Frames that came after a later one of their sender.
    pub out_of_order: u64,
    /// Honest peers that lost their connection.
    pub cut_off: u64,
    /// Valid frames of others, which nobody owes.
    pub noise: u64,
    /// The longest a frame took from its sender's hand to a receiver's.
    pub worst: Duration,
}

impl Account {
    /// A frame with this number came, of a sender that has said so many.
    pub fn enter(&mut self, number: u64, said: u64, ledger: &mut Ledger) {
        if number >= said {
            ledger.wrong += 1;
            return;
        }
        if number >= self.next {
            self.holes.extend(self.next..number);
            self.next = number + 1;
        } else if self.holes.remove(&number) {
            ledger.out_of_order += 1;
        } else {
            ledger.twice += 1;
            return;
        }
        ledger.received += 1;
    }

    /// What this sender, who has said so many, still owes.
    pub fn close(&self, said: u64, ledger: &mut Ledger) {
        ledger.due += said;
        ledger.missing += said - self.next + self.holes.len() as u64;
    }
}

impl Ledger {
    /// What is not as it should be, if anything.
    pub fn fault(&self) -> Option<String> {
        let Self { due, received, missing, twice, wrong, out_of_order, cut_off, .. } = self;
        if missing + twice + wrong + out_of_order + cut_off == 0 && received == due && *due > 0 {
            return None;
        }
        Some(format!(
            "honest peers: {received} of {due} frames received, {missing} missing, {twice} twice, {wrong} wrong, \
             {out_of_order} out of order, {cut_off} peers cut off"
        ))
    }
}
