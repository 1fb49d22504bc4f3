//! How far worlds are, at a terminal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::ProgressBar;

use super::options::Plan;
use crate::cli::bar::{Shared, Shown, style};
use crate::cli::units::{grouped, rounded};
use crate::sim::Setup;

/// Steps of the bar for a world.
const STEPS: u64 = 1000;

/// How far it has come, for whoever looks on.
#[derive(Debug, Default)]
struct Told {
    /// Worlds that are over.
    worlds: AtomicU64,
    seed: AtomicU64,
    /// Milliseconds of the world's time.
    elapsed: AtomicU64,
    /// How many of these everybody talks; what then is under way takes as long as it takes.
    expected: AtomicU64,
}

/// The bar, where there is a terminal.
#[derive(Debug)]
pub struct Progress(Shown<Told>);

impl Progress {
    /// Begins to draw.
    pub fn begin(plan: &Plan) -> Self {
        let worlds = plan.count;
        Self(Shown::begin(Told::default(), move |shared| draw(shared, worlds)))
    }

    /// Another world begins.
    pub fn begins(&self, setup: &Setup, before: u64) {
        let told = self.0.told();
        let measured = setup.load.as_ref().map_or(Duration::ZERO, |load| load.duration);
        let expected = measured.max(setup.open + setup.calm).as_millis() as u64; // a month at most
        told.expected.store(expected.max(1), Ordering::Relaxed);
        told.elapsed.store(0, Ordering::Relaxed);
        told.seed.store(setup.seed, Ordering::Relaxed);
        told.worlds.store(before, Ordering::Relaxed);
    }

    /// So far it has come.
    pub fn tell(&self, elapsed: Duration) {
        self.0.told().elapsed.store(elapsed.as_millis() as u64, Ordering::Relaxed);
    }
}

fn draw(shared: &Shared<Told>, worlds: u64) {
    let bar = ProgressBar::new(worlds.saturating_mul(STEPS)).with_style(style("{bar:30} {msg}"));
    let told = &shared.told;
    let get = |what: &AtomicU64| what.load(Ordering::Relaxed);
    while shared.goes_on() {
        let (before, elapsed) = (get(&told.worlds), get(&told.elapsed));
        let within = elapsed.saturating_mul(STEPS) / get(&told.expected).max(1);
        bar.set_position(before.saturating_mul(STEPS) + within.min(STEPS));
        let of_all = if worlds > 1 {
            format!("world {} of {}, ", grouped(before + 1), grouped(worlds))
        } else {
            String::new()
        };
        let span = rounded(Duration::from_millis(elapsed));
        bar.set_message(format!("{of_all}seed {}: {span} of virtual time", get(&told.seed)));
    }
    bar.finish_and_clear();
}
