//! The options of `sim`, and the worlds they come to. Runs nothing.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::Failure;
use crate::cli::units::{Count, Span, grouped};
use crate::sim::{Profile, Wishes};

const WORLDS: &str = "Worlds";
const OUTPUT: &str = "Output";

/// Fewest peers: one that says something and one that hears it.
const PEERS_LEAST: usize = 2;
/// Most peers: every one is a stack's, a judge's and a way's memory.
const PEERS_MOST: usize = 10_000;
/// Longest that a world is asked to last: a month.
const DURATION_MOST: Span = Span(Duration::from_secs(30 * 24 * 3600));

/// Options of `sim`.
#[derive(Args, Clone, Debug)]
pub struct SimArgs {
    /// Which world: the same number is the same world, step by step
    #[arg(long, value_name = "N", default_value = "1", value_parser = seed, help_heading = WORLDS)]
    pub seed: u64,

    /// How many worlds, each with its mesh and its town where nothing else is asked for: those of N, N+1 and so on, until
    /// one breaks a promise
    #[arg(long, value_name = "COUNT", default_value = "1", help_heading = WORLDS)]
    pub seeds: Count,

    /// Honest peers only, over ways of one kind: lan, wan, satellite, lossy, congested or hf-radio [default: every
    /// kind of peer, way and fault]
    #[arg(long, value_name = "NAME", help_heading = WORLDS)]
    pub profile: Option<Profile>,

    /// How many peers come, from 2 to 10,000 [default: with a profile 20, else the seed says]
    #[arg(long, value_name = "N", help_heading = WORLDS)]
    pub peers: Option<Count>,

    /// How long they talk, in their own time, at most 720h [default: with a profile 1m, over hf-radio 1h, else the
    /// seed says]
    #[arg(long, value_name = "DURATION", help_heading = WORLDS)]
    pub duration: Option<Span>,

    /// Shows every step of the relay, a line each: its time, what it did, and to which connection
    #[arg(long, help_heading = OUTPUT)]
    pub trace: bool,

    /// Where a plot goes, as SVG: delivery latency, and bytes under way and queued, over the world's time
    #[arg(long, value_name = "FILE", help_heading = OUTPUT)]
    pub plot: Option<PathBuf>,
}

/// Worlds to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
    /// What is not left to the seed.
    pub wishes: Wishes,
    /// Whether every step is shown.
    pub trace: bool,
    /// Where a plot goes.
    pub plot: Option<PathBuf>,
}

impl SimArgs {
    /// The worlds.
    pub fn settle(&self) -> Result<Plan, Failure> {
        let (first, count) = (self.seed, self.seeds.0 as u64);
        if first.checked_add(count - 1).is_none() {
            return Err(Failure::usage(format!("--seeds {count}: the last seed there is is {}", u64::MAX)));
        }
        for (option, is_given) in [("--trace", self.trace), ("--plot", self.plot.is_some())] {
            if is_given && count > 1 {
                return Err(Failure::usage(format!(
                    "{option}: is of one world, and --seeds {count} are more"
                )));
            }
        }
        let wishes = Wishes { profile: self.profile, peers: self.peers()?, duration: self.duration()? };
        Ok(Plan { first, count, wishes, trace: self.trace, plot: self.plot.clone() })
    }

    fn peers(&self) -> Result<Option<u32>, Failure> {
        match self.peers {
            Some(Count(peers)) if !(PEERS_LEAST..=PEERS_MOST).contains(&peers) => {
                let most = grouped(PEERS_MOST as u64);
                Err(Failure::usage(format!("--peers {peers}: need from {PEERS_LEAST} to {most}")))
            }
            peers => Ok(peers.map(|Count(peers)| peers as u32)), // no more than that
        }
    }

    fn duration(&self) -> Result<Option<Duration>, Failure> {
        match self.duration {
            Some(span) if span.0.is_zero() => Err(Failure::usage("--duration 0: need at least 1ms".into())),
            Some(span) if span > DURATION_MOST => Err(Failure::usage(format!(
                "--duration {}: at most {}",
                span.as_given(),
                DURATION_MOST.as_given()
            ))),
            span => Ok(span.map(|Span(span)| span)),
        }
    }
}

impl Plan {
    /// The seeds, one after the other.
    pub fn seeds(&self) -> impl Iterator<Item = u64> {
        self.first..=self.first + (self.count - 1)
    }

    /// Whether each seed has its mesh and its town too: only where nothing is wished, which would be wished of one relay.
    pub fn has_meshes(&self) -> bool {
        self.wishes == Wishes::default()
    }

    /// What to type for one of them again.
    pub fn replay(&self, seed: u64) -> String {
        let Wishes { profile, peers, duration } = self.wishes;
        let mut line = format!("peer-relay sim --seed {seed}");
        let mut add = |option: &str, value: Option<String>| {
            value.iter().for_each(|value| line += &format!(" --{option} {value}"));
        };
        add("profile", profile.map(|profile| profile.to_string()));
        add("peers", peers.map(|peers| peers.to_string()));
        add("duration", duration.map(|duration| Span(duration).as_given()));
        line
    }
}

fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("need a whole number, at most {}", u64::MAX))
}
