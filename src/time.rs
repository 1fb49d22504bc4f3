//! A moment of the relay's own clock. Knows no calendar and has no `now()`: a stack tells the time, the
//! rules are given it.

use std::num::NonZeroU64;
use std::ops::Add;
use std::time::Duration;

/// Microseconds since the stack was made. Never goes back.
///
/// Kept as one more than that, so that an `Option<Instant>` costs a peer 8 bytes and not 16.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(NonZeroU64);

impl Instant {
    /// The moment the stack was made.
    pub const START: Self = Self::from_micros(0);

    /// The moment `micros` microseconds after the start.
    pub const fn from_micros(micros: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(micros))
    }

    /// Microseconds since the start.
    pub const fn as_micros(self) -> u64 {
        self.0.get() - 1
    }

    /// How long ago `earlier` was; zero when it is still to come.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.get().saturating_sub(earlier.0.get()))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates: a deadline of half a million years is never.
    fn add(self, span: Duration) -> Self {
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_added_is_the_span_since() {
        let start = Instant::from_micros(7);
        assert_eq!((start + Duration::from_millis(3)).since(start), Duration::from_millis(3));
        assert_eq!((start + Duration::from_millis(3)).as_micros(), 3_007);
    }

    #[test]
    fn neither_end_overflows() {
        assert_eq!(Instant::START.since(Instant::from_micros(1)), Duration::ZERO);
        let far = Instant::from_micros(1) + Duration::MAX;
        assert_eq!(far, far + Duration::from_secs(1));
    }

    #[test]
    fn a_deadline_that_may_be_missing_costs_eight_bytes() {
        assert_eq!(size_of::<Option<Instant>>(), 8);
    }
}
