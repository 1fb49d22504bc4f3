//! How far something is, shown at a terminal by a thread of its own: a terminal that stands still holds nothing up.
//! Knows no run.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::ProgressStyle;

/// How often it is drawn.
const EVERY: Duration = Duration::from_millis(100);

/// What whoever looks on is told, and the thread that draws it where there is a terminal.
#[derive(Debug)]
pub struct Shown<T> {
    shared: Arc<Shared<T>>,
    drawer: Option<JoinHandle<()>>,
}

/// What both threads see.
#[derive(Debug)]
pub struct Shared<T> {
    /// How far it is; atomics.
    pub told: T,
    is_over: AtomicBool,
}

impl<T: Send + Sync + 'static> Shown<T> {
    /// Begins to draw, if stderr is a terminal.
    pub fn begin(told: T, draw: impl FnOnce(&Shared<T>) + Send + 'static) -> Self {
        let shared = Arc::new(Shared { told, is_over: AtomicBool::new(false) });
        let seen = Arc::clone(&shared);
        let spawn = || thread::Builder::new().name("progress".into()).spawn(move || draw(&seen)).ok();
        Self { shared, drawer: if io::stderr().is_terminal() { spawn() } else { None } }
    }
}

impl<T> Shown<T> {
    /// To be kept up to date.
    pub fn told(&self) -> &T {
        &self.shared.told
    }
}

impl<T> Shared<T> {
    /// Waits until the bar is to be drawn again. False once there is nothing more to be drawn.
    pub fn goes_on(&self) -> bool {
        thread::park_timeout(EVERY);
        !self.is_over.load(Ordering::Relaxed)
    }
}

impl<T> Drop for Shown<T> {
    /// Nothing of the bar is left.
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        if let Some(drawer) = self.drawer.take() {
            drawer.thread().unpark();
            let _ = drawer.join(); // it ends within one drawing, and if it panicked there is no bar to clear
        }
    }
}

/// How a bar looks.
pub fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
