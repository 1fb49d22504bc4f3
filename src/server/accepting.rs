//! When to accept, how much, and what to do when it fails. Knows no socket.

use std::io;
use std::time::Duration;

use crate::time::Instant;

/// Connections accepted in one turn: a storm of newcomers does not keep the others waiting.
pub const ACCEPTS_PER_TURN: usize = 128;
/// How long to wait when there are no descriptors: long enough not to spin, short enough to be back soon.
pub const RETRY_AFTER: Duration = Duration::from_millis(100);

/// The state of accepting.
#[derive(Debug, Default)]
pub(super) struct Accepting {
    /// Somebody may be waiting.
    is_ready: bool,
    /// Nobody is let in any more.
    is_stopped: bool,
    /// Accepting has failed for lack of something; it is tried again then.
    retry_at: Option<Instant>,
}

impl Accepting {
    pub fn note_ready(&mut self) {
        self.is_ready = true;
    }

    pub fn stop(&mut self) {
        self.is_stopped = true;
        self.retry_at = None;
    }

    /// Whether a turn has somebody to accept.
    pub fn is_due(&self, now: Instant) -> bool {
        self.is_ready && !self.is_stopped && self.retry_at.is_none_or(|when| when <= now)
    }

    /// When accepting is tried again after it failed.
    pub fn retry_at(&self) -> Option<Instant> {
        self.retry_at
    }

    /// How many may be accepted in this turn.
    pub fn budget(&self, now: Instant) -> usize {
        if self.is_due(now) { ACCEPTS_PER_TURN } else { 0 }
    }

    pub fn note_success(&mut self) {
        if self.retry_at.take().is_some() {
            log::info!("accepting again");
        }
    }

    /// Whether to go on with the next connection.
    pub fn note_failure(&mut self, now: Instant, error: &io::Error) -> bool {
        match error.kind() {
            // its fault or nobody's: that one connection is over before it began, as accept(2) tells
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted => true,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => true,
            io::ErrorKind::WouldBlock => {
                self.is_ready = false;
                self.retry_at = None;
                false
            }
            _ => {
                if self.retry_at.is_none() {
                    let wait = RETRY_AFTER.as_millis();
                    log::error!("cannot accept connections: {error}; trying again every {wait} ms");
                }
                self.retry_at = Some(now + RETRY_AFTER);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_descriptors_pauses_and_never_stops_accepting() {
        let mut accepting = Accepting::default();
        accepting.note_ready();
        assert!(!accepting.note_failure(Instant::START, &io::Error::from_raw_os_error(24)));
        assert!(!accepting.is_due(Instant::START), "no spin");
        let later = accepting.retry_at().unwrap();
        assert_eq!(later, Instant::START + RETRY_AFTER);
        assert_eq!(accepting.budget(later), ACCEPTS_PER_TURN);
        accepting.note_success();
        assert!(accepting.is_due(Instant::START), "whoever waited is still waiting");
    }

    #[test]
    fn one_connections_failure_is_not_the_listeners() {
        let mut accepting = Accepting::default();
        accepting.note_ready();
        assert!(accepting.note_failure(Instant::START, &io::ErrorKind::ConnectionAborted.into()));
        assert!(accepting.is_due(Instant::START));
    }
}
