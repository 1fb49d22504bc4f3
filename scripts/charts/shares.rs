//! How much of a process' CPU time is the kernel's. Knows only ticks of a clock that is too coarse for one message.

use std::time::Duration;

/// Ticks, a hundredth of a second each, below which a share would be a matter of luck.
const LEAST: u64 = 100;

/// What the kernel has counted, at some moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Since the tester was started.
    pub at: Duration,
    /// Ticks in the process' own code.
    pub own: u64,
    /// Ticks in the kernel, on its behalf.
    pub kernel: u64,
}

/// Ticks between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticks {
    pub own: u64,
    pub kernel: u64,
}

/// What was used between two moments, by the first and the last sample between them.
pub fn between(samples: &[Sample], from: Duration, to: Duration) -> Ticks {
    let mut within = samples.iter().filter(|sample| (from..=to).contains(&sample.at));
    let ends = within.next().and_then(|first| Some((first, within.next_back()?)));
    ends.map_or(Ticks::default(), |(first, last)| Ticks {
        own: last.own - first.own,
        kernel: last.kernel - first.kernel,
    })
}

impl Ticks {
    /// The kernel's share, if there are enough of them to tell.
    pub fn kernel_share(self) -> Option<f64> {
        let all = self.own + self.kernel;
        (all >= LEAST).then(|| self.kernel as f64 / all as f64)
    }
}

impl std::iter::Sum for Ticks {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, next| Self {
            own: sum.own + next.own,
            kernel: sum.kernel + next.kernel,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(millis: u64, own: u64, kernel: u64) -> Sample {
        Sample { at: Duration::from_millis(millis), own, kernel }
    }

    #[test]
    fn what_was_used_before_and_after_does_not_count() {
        let samples = [
            sample(0, 0, 0),
            sample(100, 50, 0),
            sample(200, 55, 10),
            sample(300, 60, 15),
            sample(400, 99, 99),
        ];
        let (from, to) = (Duration::from_millis(90), Duration::from_millis(310));
        assert_eq!(between(&samples, from, to), Ticks { own: 10, kernel: 15 });
    }

    #[test]
    fn one_sample_or_none_says_nothing() {
        let (from, to) = (Duration::ZERO, Duration::from_secs(1));
        assert_eq!(between(&[], from, to), Ticks::default());
        assert_eq!(between(&[sample(10, 5, 5)], from, to), Ticks::default());
    }

    #[test]
    fn a_share_is_told_once_there_are_enough_ticks() {
        let few = Ticks { own: 10, kernel: 30 };
        assert_eq!(few.kernel_share(), None);
        let all: Ticks = [few, Ticks { own: 40, kernel: 120 }].into_iter().sum();
        assert_eq!(all.kernel_share(), Some(0.75));
    }
}
