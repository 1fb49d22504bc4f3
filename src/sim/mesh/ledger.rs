//! Whether everybody heard what was said, once. Knows leaves and what each said and heard; knows no relay.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::rng::Rng;
use crate::sim::broken::{Broken, Promise};
use crate::time::Instant;
use crate::wire::{Command, Frame, Magic};

/// What was said, and by whom it was heard.
#[derive(Debug)]
pub struct Ledger {
    seed: u64,
    said: Vec<Said>,
    /// All of them, a bit each.
    everybody: u32,
    order: Order,
    /// What each heard last of each, where that says something.
    last: BTreeMap<(usize, usize), u32>,
    heard: u64,
}

/// A frame.
#[derive(Debug)]
struct Said {
    by: usize,
    at: Instant,
    command: Command,
    len: usize,
    due: Due,
    /// It was said before, so long ago that it is told again: then it has no place in an order.
    is_repeat: bool,
    /// By whom, a bit each.
    heard: u32,
}

/// Whether everybody is to hear something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Everybody, once.
    ToAll,
    /// Whoever is within reach, once.
    WithinReach,
}

/// Whether what one says is heard in that order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Always.
    Kept,
    /// As long as all are within reach of each other: a new way may be shorter.
    KeptWithinReach,
}

/// What a leaf may say again: few things, so that each is said at many moments of its time.
const FAVOURITES: u64 = 2;
/// Commands of frames; most are called as people's messages are.
const COMMANDS: [&str; 8] = ["msg", "msg", "msg", "msg", "tx", "inv", "", "pings"];

impl Ledger {
    /// Nothing was said, among so many.
    ///
    /// # Panics
    /// If there are more than 32.
    pub fn new(seed: u64, leaves: usize, order: Order) -> Self {
        assert!(leaves <= 32, "a bit each");
        let everybody = u32::try_from((1_u64 << leaves) - 1).expect("32 bits at most");
        Self { seed, said: Vec::new(), everybody, order, last: BTreeMap::new(), heard: 0 }
    }

    /// A leaf says something new.
    pub fn say(&mut self, now: Instant, by: usize, due: Due, rng: &mut Rng) -> u32 {
        let most = [60, 60, 60, 300, 300, 3_000, 20_000][rng.below(7) as usize];
        let command = COMMANDS[rng.below(COMMANDS.len() as u64) as usize];
        self.said.push(Said {
            by,
            at: now,
            command: command.parse().expect("a command"),
            len: 4 + rng.below(most) as usize,
            due,
            is_repeat: false,
            heard: 0,
        });
        self.said.len() as u32 - 1 // far fewer
    }

    /// One of the first things that a leaf said, and how long ago it was due last.
    pub fn said_before(&self, now: Instant, by: usize, rng: &mut Rng) -> Option<(u32, Duration)> {
        let mut its = (0..self.said.len()).filter(|&number| self.said[number].by == by);
        let number = its.nth(rng.below(FAVOURITES) as usize)?;
        Some((number as u32, now.since(self.said[number].at)))
    }

    /// It is said again, and long enough ago: it is heard again.
    pub fn say_again(&mut self, now: Instant, number: u32) -> Result<(), Broken> {
        self.missing_of(number as usize).map_or(Ok(()), Err)?;
        let said = &mut self.said[number as usize];
        (said.at, said.is_repeat, said.heard) = (now, true, 0);
        Ok(())
    }

    /// A frame, as it is said.
    pub fn frame(&self, magic: Magic, number: u32) -> Frame<'static> {
        let said = &self.said[number as usize];
        Frame::encode(magic, said.command, &payload(self.seed, number, said.len))
    }

    /// A leaf has heard something.
    pub fn heard(&mut self, now: Instant, by: usize, frame: &Frame<'_>) -> Result<(), Broken> {
        let number = frame.payload().first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let Some((number, said)) =
            number.and_then(|number| Some((number, self.said.get_mut(number as usize)?)))
        else {
            return Err(Promise::Delivery.broken(format!("leaf {by} heard what nobody said")));
        };
        let is_it =
            frame.command() == said.command && frame.payload() == payload(self.seed, number, said.len);
        if !is_it {
            return Err(Promise::Delivery
                .broken(format!("leaf {by} heard frame {number} otherwise than it was said")));
        }
        if said.by == by {
            return Err(Promise::Echo.broken(format!("leaf {by} heard its own frame {number}")));
        }
        if said.heard & bit(by) != 0 {
            let since = now.since(said.at);
            return Err(Promise::Once
                .broken(format!("leaf {by} heard frame {number} twice, {since:?} after it was said")));
        }
        said.heard |= bit(by);
        self.heard += 1;
        let has_order = self.order == Order::Kept || said.due == Due::ToAll;
        if said.is_repeat || !has_order {
            return Ok(());
        }
        let last = self.last.insert((by, said.by), number);
        match last.filter(|&last| last > number) {
            Some(last) => Err(Promise::Once.broken(format!("leaf {by} heard frame {number} after {last}"))),
            None => Ok(()),
        }
    }

    /// A frame that somebody should have heard and has not.
    pub fn missing(&self) -> Option<Broken> {
        (0..self.said.len()).find_map(|number| self.missing_of(number))
    }

    /// How often something was said, and heard.
    pub fn counts(&self) -> (u64, u64) {
        (self.said.len() as u64, self.heard)
    }

    fn missing_of(&self, number: usize) -> Option<Broken> {
        let said = &self.said[number];
        let lacking = self.everybody & !said.heard & !bit(said.by);
        (said.due == Due::ToAll && lacking != 0).then(|| {
            let (by, leaf, at) = (said.by, lacking.trailing_zeros(), said.at.since(Instant::START));
            Promise::Once.broken(format!("leaf {leaf} never heard frame {number}, said by {by} at {at:?}"))
        })
    }
}

fn bit(leaf: usize) -> u32 {
    1 << leaf
}

/// Its number, and bytes that come again with it.
fn payload(seed: u64, number: u32, len: usize) -> Vec<u8> {
    let mut payload = vec![0; len];
    Rng::new(seed ^ u64::from(number)).fill(&mut payload);
    payload[..4].copy_from_slice(&number.to_le_bytes());
    payload
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Network;

    const MAGIC: Magic = Network::PRIVATE.magic;

    /// Three leaves; the first says as many frames.
    fn ledger(order: Order, due: Due, count: u32) -> Ledger {
        let mut ledger = Ledger::new(1, 3, order);
        let mut rng = Rng::new(1);
        (0..count).for_each(|number| assert_eq!(ledger.say(Instant::START, 0, due, &mut rng), number));
        ledger
    }

    fn hears(ledger: &mut Ledger, by: usize, number: u32) -> Option<Promise> {
        let frame = ledger.frame(MAGIC, number);
        ledger.heard(Instant::START, by, &frame).err().map(|broken| broken.promise)
    }

    #[test]
    fn what_is_heard_twice_or_by_its_speaker_is_found() {
        let mut ledger = ledger(Order::Kept, Due::WithinReach, 1);
        assert_eq!(hears(&mut ledger, 0, 0), Some(Promise::Echo));
        assert_eq!(hears(&mut ledger, 1, 0), None);
        assert_eq!(hears(&mut ledger, 1, 0), Some(Promise::Once));
        assert_eq!(ledger.say_again(Instant::START, 0), Ok(()));
        assert_eq!(hears(&mut ledger, 1, 0), None, "said again");
    }

    #[test]
    fn what_somebody_never_heard_is_found_where_it_was_due() {
        for (due, is_missed) in [(Due::ToAll, true), (Due::WithinReach, false)] {
            let mut ledger = ledger(Order::Kept, due, 1);
            assert_eq!(hears(&mut ledger, 1, 0), None);
            assert_eq!(ledger.missing().is_some(), is_missed);
            assert_eq!(hears(&mut ledger, 2, 0), None);
            assert_eq!(ledger.missing(), None);
        }
    }

    #[test]
    fn an_order_that_is_to_be_kept_is_looked_at() {
        for (order, due, is_found) in [
            (Order::Kept, Due::WithinReach, true),
            (Order::KeptWithinReach, Due::ToAll, true),
            (Order::KeptWithinReach, Due::WithinReach, false),
        ] {
            let mut ledger = ledger(order, due, 2);
            assert_eq!(hears(&mut ledger, 2, 1), None);
            assert_eq!(hears(&mut ledger, 2, 0).is_some(), is_found, "{order:?} {due:?}");
        }
    }

    #[test]
    fn what_nobody_said_so_is_found() {
        let mut ledger = ledger(Order::Kept, Due::ToAll, 1);
        for payload in [b"abc".as_slice(), b"\x00\x00\x00\x00else", b"\x07\x00\x00\x00"] {
            let frame = Frame::encode(MAGIC, "msg".parse().unwrap(), payload);
            let found = ledger.heard(Instant::START, 1, &frame).unwrap_err();
            assert_eq!(found.promise, Promise::Delivery);
        }
    }
}
