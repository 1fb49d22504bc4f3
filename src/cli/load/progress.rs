//! A bar at a terminal, drawn by a thread of its own: a terminal that stands still does not hold up the peers.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::units::grouped;
use crate::load::{Phase, Plan};

/// How often it is drawn.
const EVERY: Duration = Duration::from_millis(100);

/// How far a run has come, for whoever looks on.
#[derive(Debug, Default)]
struct Told {
    joined: AtomicU64,
    /// Milliseconds since messages began to go round.
    elapsed: AtomicU64,
    deliveries: AtomicU64,
    is_over: AtomicBool,
}

/// The bar, where there is a terminal.
#[derive(Debug)]
pub struct Progress {
    told: Arc<Told>,
    drawer: Option<JoinHandle<()>>,
}

impl Progress {
    /// Begins to draw, if stderr is a terminal.
    pub fn begin(plan: &Plan) -> Self {
        let told = Arc::new(Told::default());
        let (peers, span) = (u64::from(plan.peers), plan.warmup + plan.duration);
        let told_to_drawer = Arc::clone(&told);
        let draw = move || draw(&told_to_drawer, peers, span);
        let spawn = || thread::Builder::new().name("progress".into()).spawn(draw).ok();
        Self { told, drawer: if io::stderr().is_terminal() { spawn() } else { None } }
    }

    /// So far it has come.
    pub fn tell(&self, phase: Phase, joined: u32, elapsed: Duration, deliveries: u64) {
        self.told.joined.store(joined.into(), Ordering::Relaxed);
        let millis = if phase == Phase::Joining { 0 } else { elapsed.as_millis() as u64 };
        self.told.elapsed.store(millis, Ordering::Relaxed);
        self.told.deliveries.store(deliveries, Ordering::Relaxed);
    }
}

impl Drop for Progress {
    /// Nothing of the bar is left.
    fn drop(&mut self) {
        self.told.is_over.store(true, Ordering::Relaxed);
        if let Some(drawer) = self.drawer.take() {
            let _ = drawer.join(); // it ends within one drawing, and if it panicked there is no bar to clear
        }
    }
}

fn draw(told: &Told, peers: u64, span: Duration) {
    let style = |text| ProgressStyle::with_template(text).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(peers).with_style(style("joining {bar:30} {pos}/{len} peers"));
    while !told.is_over.load(Ordering::Relaxed) && told.joined.load(Ordering::Relaxed) < peers {
        bar.set_position(told.joined.load(Ordering::Relaxed));
        thread::park_timeout(EVERY);
    }
    bar.set_style(style("running {bar:30} {msg}"));
    bar.set_length(span.as_millis() as u64);
    while !told.is_over.load(Ordering::Relaxed) {
        let deliveries = grouped(told.deliveries.load(Ordering::Relaxed));
        bar.set_message(format!("{deliveries} deliveries measured"));
        bar.set_position(told.elapsed.load(Ordering::Relaxed));
        thread::park_timeout(EVERY);
    }
    bar.finish_and_clear();
}
