//! INT, TERM and HUP: the first asks for an orderly end, the second gets one at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::Failure;
use crate::kernel::Wake;

/// Whether somebody wants us to go.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// A signal has come.
    pub fn is_wanted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// From here on the first signal sets the flag and wakes the loop; a second one ends the program, with 128
/// and its number for a status, as a shell would say of one that was killed.
pub fn install(wake: Wake) -> Result<Stop, Failure> {
    install_with(move || wake.wake())
}

/// The same where nobody sleeps who is to be woken.
pub fn install_for_the_wakeful() -> Result<Stop, Failure> {
    install_with(|| {})
}

fn install_with(wake: impl Fn() + Send + 'static) -> Result<Stop, Failure> {
    let failed =
        |error: &dyn std::error::Error| Failure::failed(format!("cannot listen for signals: {error}"));
    let stop = Stop::default();
    let wanted = stop.clone();
    ctrlc::set_handler(move || {
        wanted.0.store(true, Ordering::Relaxed);
        wake();
    })
    .map_err(|error| failed(&error))?;
    // ctrlc does not say which signal it was; this adds to its handler and does not replace it
    let came_before = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&came_before))
            .and_then(|_| flag::register(signal, Arc::clone(&came_before)))
            .map_err(|error| failed(&error))?;
    }
    Ok(stop)
}
