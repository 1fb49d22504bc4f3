//! The one place where the relay's clock and the calendar meet.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::time::Instant;

/// 9999-12-31T23:59:59Z, as far as RFC 3339 goes. humantime panics beyond it.
const LAST_SECOND: Duration = Duration::from_secs(253_402_300_799);

/// A moment of the relay's clock and the calendar time it was. Read once, at the start: a calendar that is
/// set forth or back later moves no deadline.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    at: Instant,
    was: SystemTime,
}

impl Calendar {
    /// `at` is now.
    pub fn pairing(at: Instant) -> Self {
        Self::new(at, SystemTime::now())
    }

    /// `at` was then.
    pub const fn new(at: Instant, was: SystemTime) -> Self {
        Self { at, was }
    }

    /// The calendar time of a moment.
    pub fn time_of(&self, moment: Instant) -> SystemTime {
        self.was + moment.since(self.at)
    }

    /// A moment to the second, in UTC: `2026-11-20T12:10:00Z`. What is later than a year of four digits can
    /// say is the last of its seconds.
    pub fn text(&self, moment: Instant) -> String {
        let last = UNIX_EPOCH + LAST_SECOND;
        humantime::format_rfc3339_seconds(self.time_of(moment).min(last)).to_string()
    }

    /// A moment in milliseconds since 1970.
    pub fn unix_ms(&self, moment: Instant) -> u64 {
        let since = self.time_of(moment).duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    /// The moment of a time in milliseconds since 1970; the start, when it is before that.
    pub fn moment_of_unix_ms(&self, millis: u64) -> Instant {
        let since = self.was.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.at + Duration::from_millis(millis).saturating_sub(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_survives_the_way_through_the_calendar() {
        let calendar = Calendar::new(Instant::START, UNIX_EPOCH + Duration::from_millis(1_790_000_000_000));
        let moment = Instant::START + Duration::from_secs(600);
        assert_eq!(calendar.unix_ms(moment), 1_790_000_600_000);
        assert_eq!(calendar.moment_of_unix_ms(1_790_000_600_000), moment);
        assert_eq!(calendar.moment_of_unix_ms(5), Instant::START);
        assert_eq!(calendar.text(moment), "2026-09-21T14:23:20Z");
        assert_eq!(calendar.text(Instant::START + Duration::MAX), "9999-12-31T23:59:59Z");
    }
}
