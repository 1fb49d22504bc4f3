//! Ways between two hosts, by the names their users know them by. Knows figures only.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

/// A kind of way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Profile {
    /// A switch away.
    Lan,
    /// A continent away.
    Wan,
    /// Up to a geostationary satellite and down again.
    Satellite,
    /// A radio link or a worn cable: what is lost is sent again, and everything behind it waits.
    Lossy,
    /// A full uplink: others' bursts stand in the same queue.
    Congested,
    /// Short wave: a few hundred bits a second, and fades in which nothing passes.
    HfRadio,
}

/// What a way does to bytes. Spans are microseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figures {
    /// What every byte takes, one way.
    pub delay: Range<u64>,
    /// What it may take more, drawn for each segment.
    pub jitter: u64,
    /// Bits a second, where that is what holds bytes up.
    pub rate: Option<Range<u64>>,
    /// One segment of so many stands still, for so long.
    pub stall: Option<(u64, Range<u64>)>,
    /// So long nothing passes, so long after the last time.
    pub fade: Option<(Range<u64>, Range<u64>)>,
    /// Bytes that both hosts' buffers hold for it, one way.
    pub buffer: usize,
}

/// Not the name of a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no such profile; there are lan, wan, satellite, lossy, congested and hf-radio")]
pub struct UnknownProfile;

const MILLIS: u64 = 1000;
const SECONDS: u64 = 1_000_000;

impl Profile {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Lan, Self::Wan, Self::Satellite, Self::Lossy, Self::Congested, Self::HfRadio];

    /// As given to `--profile`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lan => "lan",
            Self::Wan => "wan",
            Self::Satellite => "satellite",
            Self::Lossy => "lossy",
            Self::Congested => "congested",
            Self::HfRadio => "hf-radio",
        }
    }

    /// What it does to bytes.
    pub fn figures(self) -> Figures {
        match self {
            Self::Lan => fast(MILLIS, 100),
            Self::Wan => fast(50 * MILLIS, 2 * MILLIS),
            Self::Satellite => fast(300 * MILLIS, 10 * MILLIS),
            Self::Lossy => {
                Figures { stall: Some((50, 200 * MILLIS..3 * SECONDS)), ..fast(30 * MILLIS, 10 * MILLIS) }
            }
            Self::Congested => Figures {
                delay: 1..MILLIS,
                jitter: 200 * MILLIS,
                rate: Some(2_000_000..10_000_000),
                stall: Some((100, 200 * MILLIS..800 * MILLIS)),
                fade: None,
                buffer: 64 * 1024,
            },
            Self::HfRadio => Figures {
                delay: SECONDS..4 * SECONDS,
                jitter: SECONDS,
                rate: Some(300..1201),
                stall: None,
                fade: Some((600 * SECONDS..1800 * SECONDS, 60 * SECONDS..240 * SECONDS)),
                buffer: 8 * 1024,
            },
        }
    }

    /// How often somebody says something where everybody's way is such: ten times a second, and over short wave
    /// as often as the slowest of them can be told of.
    pub const fn talk_every(self) -> Duration {
        match self {
            Self::HfRadio => Duration::from_secs(20),
            Self::Lan | Self::Wan | Self::Satellite | Self::Lossy | Self::Congested => {
                Duration::from_millis(100)
            }
        }
    }
}

/// Nothing holds bytes up but the distance.
fn fast(delay: u64, jitter: u64) -> Figures {
    Figures { delay: delay..delay + 1, jitter, rate: None, stall: None, fade: None, buffer: 256 * 1024 }
}

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Self, UnknownProfile> {
        Self::ALL.into_iter().find(|profile| profile.name() == name).ok_or(UnknownProfile)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
