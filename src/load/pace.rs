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
            Self::Window(_) => None,
        }
    }

    /// How many more may be due now, when `made` have been made and `under_way` of them are not yet
    /// delivered to all.
    pub fn allowance(self, start: Instant, now: Instant, made: u64, under_way: u64) -> u64 {
        match self {
            Self::Rate(rate) => {
                let elapsed = u128::from(now.as_micros().saturating_sub(start.as_micros()));
                let due = elapsed * u128::from(rate.get()) / 1_000_000 + 1;
                u64::try_from(due).unwrap_or(u64::MAX).saturating_sub(made)
            }
            Self::Window(window) => window.get().saturating_sub(under_way),
        }
    }
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
        assert_eq!(rate(1000).allowance(START, at(0), 0, 0), 1, "the first one at once");
        assert_eq!(rate(1000).allowance(START, at(999), 1, 0), 0);
        assert_eq!(rate(1000).allowance(START, at(1000), 1, 0), 1);
        assert_eq!(rate(1000).allowance(START, at(5000), 1, 7), 5, "a stall does not forgive what is due");
    }

    #[test]
    fn whatever_is_due_is_allowed_and_whatever_is_allowed_is_due() {
        for per_second in [1, 3, 7, 1000, 999_999, 3_000_001] {
            let pace = rate(per_second);
            for before in [1, 2, 10, 12_345] {
                let due = pace.due(START, before).unwrap();
                assert!(pace.allowance(START, due, before, 0) > 0);
                let early = Instant::from_micros(due.as_micros() - 1);
                assert_eq!(pace.allowance(START, early, before, 0), 0, "{before} at {per_second}/s");
            }
        }
    }

    #[test]
    fn a_window_holds_so_many_and_no_more() {
        let pace = Pace::Window(NonZeroU64::new(64).unwrap());
        assert_eq!(pace.allowance(START, at(0), 0, 0), 64);
        assert_eq!(pace.allowance(START, at(9_999_999), 1000, 63), 1);
        assert_eq!(pace.allowance(START, at(0), 1000, 64), 0);
        assert_eq!(pace.due(START, 5), None);
    }
}
