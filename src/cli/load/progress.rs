//! How far a run is, at a terminal.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::ProgressBar;

use crate::cli::bar::{Shared, Shown, style};
use crate::cli::units::grouped;
use crate::load::{Phase, Plan};

/// How far a run has come, for whoever looks on.
#[derive(Debug, Default)]
struct Told {
    joined: AtomicU64,
    /// Milliseconds since messages began to go round.
    elapsed: AtomicU64,
    deliveries: AtomicU64,
}

/// The bar, where there is a terminal.
#[derive(Debug)]
pub struct Progress(Shown<Told>);

impl Progress {
    /// Begins to draw.
    pub fn begin(plan: &Plan) -> Self {
        let (peers, span) = (u64::from(plan.peers), plan.warmup + plan.duration);
        Self(Shown::begin(Told::default(), move |shared| draw(shared, peers, span)))
    }

    /// So far it has come.
    pub fn tell(&self, phase: Phase, joined: u32, elapsed: Duration, deliveries: u64) {
        let told = self.0.told();
        told.joined.store(joined.into(), Ordering::Relaxed);
        let millis = if phase == Phase::Joining { 0 } else { elapsed.as_millis() as u64 };
        told.elapsed.store(millis, Ordering::Relaxed);
        told.deliveries.store(deliveries, Ordering::Relaxed);
    }
}

fn draw(shared: &Shared<Told>, peers: u64, span: Duration) {
    let told = &shared.told;
    let bar = ProgressBar::new(peers).with_style(style("joining {bar:30} {pos}/{len} peers"));
    bar.set_position(0);
    while told.joined.load(Ordering::Relaxed) < peers && shared.goes_on() {
        bar.set_position(told.joined.load(Ordering::Relaxed));
    }
    bar.set_style(style("running {bar:30} {msg}"));
    bar.set_length(span.as_millis() as u64);
    while shared.goes_on() {
        let deliveries = grouped(told.deliveries.load(Ordering::Relaxed));
        bar.set_message(format!("{deliveries} deliveries measured"));
        bar.set_position(told.elapsed.load(Ordering::Relaxed));
    }
    bar.finish_and_clear();
}
