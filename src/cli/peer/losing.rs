//! How a connection that fails is told: what it may mean, and the way out. Knows nothing of what was said.

use std::io;
use std::net::SocketAddr;

use super::framing::Framing;
use crate::cli::Failure;
use crate::cli::units::grouped;

/// What a relay that is full or has banned somebody looks like from outside. Where lines are spoken there is none.
pub fn closed_at_once(with: SocketAddr, framing: Framing) -> Failure {
    let why = match framing {
        Framing::Frames { .. } => "it is full or has banned this address; its log says which",
        Framing::Lines => "reset",
    };
    Failure::failed(format!("{with} closed the connection at once: {why}"))
}

/// The same when something had been sent: it may be the reason.
pub fn not_understood(with: SocketAddr, framing: Framing) -> Failure {
    let why = match framing {
        Framing::Frames { .. } => {
            "it is full, has banned this address, or did not understand what was sent (--network, --magic or \
             --lines?); its log says which"
        }
        Framing::Lines => "reset (is it a relay? to one of these speak without --lines)",
    };
    Failure::failed(format!("{with} broke the connection off at once: {why}"))
}

/// Later, or for another reason; so many bytes of ours were waiting.
pub fn broken_off(with: SocketAddr, kind: io::ErrorKind, unsent: u64) -> Failure {
    let why = match kind {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "reset".into(),
        io::ErrorKind::TimedOut => "it does not answer any more".into(),
        kind => kind.to_string(),
    };
    let unsent = match unsent {
        0 => String::new(),
        len => format!("; at least {} bytes were not sent", grouped(len)),
    };
    Failure::failed(format!("{with} broke the connection off: {why}{unsent}"))
}
