//! When messages are due. Knows the time it is told and how many are under way; knows no socket.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::time::Instant;

/// How fast a run sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// So many messages a second, all senders together, whatever becomes of them: an open loop. A message is
    /// due at its moment, and whatever holds it up counts as its latency.
    Rate(NonZeroU64),
    /// One message each so long, all senders together; else the same.
    Every(Duration),
    /// As fast as they are delivered, with at most so many messages sent and not yet delivered to all: a
    /// closed loop. A relay that stalls is asked for less meanwhile, so its latency looks better than it is.
    Window(NonZeroU64),
}

impl Pace {
    /// When the message is due that so many come before. In a closed loop it is due when it is sent.
    pub fn due(self, start: Instant, before: u64) -> Option<Instant> {
        match self {
            Self::Rate(rate) => {
                let micros = (u128::from(before) * 1_000_000).div_ceil(u128::from(rate.get()));
                Some(start + Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
            }
            Self::Every(span) => {
                let micros = u128::from(before) * span.as_micros();
                Some(start + Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
            }
            Self::Window(_) => None,
        }
    }

    /// How many messages are due at a moment or were before it, all in all, in an open loop.
    pub fn due_by(self, start: Instant, now: Instant) -> u64 {
        match self {
            Self::Rate(rate) => {
                let elapsed = u128::from(now.as_micros().saturating_sub(start.as_micros()));
                let due = elapsed * u128::from(rate.get()) / 1_000_000 + 1;
                u64::try_from(due).unwrap_or(u64::MAX)
            }
            Self::Every(span) => {
                let due = now.since(start).as_micros() / span.as_micros().max(1) + 1;
                u64::try_from(due).unwrap_or(u64::MAX)
            }
            Self::Window(_) => 0,
        }
    }

    /// How many more may be sent now, when so many are under way, in a closed loop.
    pub fn allowance(self, under_way: u64) -> u64 {
        match self {
            Self::Rate(_) | Self::Every(_) => 0,
            Self::Window(window) => window.get().saturating_sub(under_way),
        }
    }
}

/// Of the first `all` messages of an open loop, in which senders take turns, how many are this sender's.
pub fn share(all: u64, sender: u32, senders: u32) -> u64 {
    let (sender, senders) = (u64::from(sender), u64::from(senders));
    all / senders + u64::from(all % senders > sender)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_micros(1000);

    fn rate(rate: u64) -> Pace {
        Pace::Rate(NonZeroU64::new(rate).unwrap())
    }

    fn at(micros: u64) -> Instant {
        START + Duration::from_micros(micros)
    }

    #[test]
    fn a_rate_makes_each_message_due_at_its_own_moment() {
        let dues: Vec<_> = (0..4).map(|before| rate(3).due(START, before).unwrap()).collect();
        assert_eq!(dues, [at(0), at(333_334), at(666_667), at(1_000_000)]);
        let by = |micros| rate(1000).due_by(START, at(micros));
        assert_eq!([by(0), by(999), by(1000), by(5000)], [1, 1, 2, 6], "the first one at once");
    }

    #[test]
    fn a_slow_pace_is_as_exact() {
        let pace = Pace::Every(Duration::from_secs(20));
        let dues: Vec<_> = (0..3).map(|before| pace.due(START, before).unwrap()).collect();
        assert_eq!(dues, [at(0), at(20_000_000), at(40_000_000)]);
        assert_eq!([0, 19_999_999, 20_000_000].map(|micros| pace.due_by(START, at(micros))), [1, 1, 2]);
    }

    #[test]
    fn a_message_is_due_from_its_moment_on_and_not_before() {
        for per_second in [1, 3, 7, 1000, 999_999, 3_000_001, 1_000_000_000] {
            let pace = rate(per_second);
            for before in [1, 2, 10, 12_345] {
                let due = pace.due(START, before).unwrap();
                assert!(pace.due_by(START, due) > before);
                let early = Instant::from_micros(due.as_micros() - 1);
                assert!(pace.due_by(START, early) <= before, "{before} at {per_second}/s");
            }
        }
    }

    #[test]
    fn a_window_holds_so_many_and_no_more() {
        let pace = Pace::Window(NonZeroU64::new(64).unwrap());
        assert_eq!([0, 63, 64, 65].map(|under_way| pace.allowance(under_way)), [64, 1, 0, 0]);
        assert_eq!(pace.due(START, 5), None);
    }

    #[test]
    fn senders_take_turns() {
        for all in 0..20 {
            let shares: Vec<u64> = (0..3).map(|sender| share(all, sender, 3)).collect();
            let counted = (0..3).map(|sender| (0..all).filter(|nth| nth % 3 == sender).count() as u64);
            assert_eq!(shares, counted.collect::<Vec<_>>());
        }
    }
}
