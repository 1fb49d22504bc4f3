//! What is to be known of listening, whoever listens: which addresses a listener takes, and why it takes none.

use std::io;
use std::net::SocketAddr;

use super::Failure;
use crate::kernel::Family;

/// What is to be done about it when [`lacks_interface`].
pub const NEEDS_INTERFACE: &str = "a link-local address needs its interface's number, as in [fe80::1%2]:7333";

/// An IPv6 wildcard takes IPv4 too, unless somebody else is to have it.
pub fn family(at: SocketAddr, all: &[SocketAddr]) -> Family {
    let is_taken = all.iter().any(|other| other.is_ipv4() && other.port() == at.port() && at.port() != 0);
    if at.ip().is_unspecified() && !is_taken { Family::Both } else { Family::Own }
}

/// Why it cannot be listened there, and what would help.
pub fn cannot_listen(at: SocketAddr, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let free = with_port(at, 0);
            format!("address in use (another relay? --listen {free} takes a free port)")
        }
        io::ErrorKind::AddrNotAvailable => "no such address on this machine (0.0.0.0 is all of them)".into(),
        io::ErrorKind::PermissionDenied => "not permitted (ports below 1024 are root's)".into(),
        io::ErrorKind::InvalidInput if lacks_interface(at) => NEEDS_INTERFACE.into(),
        _ => error.to_string(),
    };
    Failure::failed(format!("cannot listen on {at}: {why}"))
}

fn with_port(mut at: SocketAddr, port: u16) -> SocketAddr {
    at.set_port(port);
    at
}

/// A link-local address says nothing without its interface.
pub fn lacks_interface(at: SocketAddr) -> bool {
    matches!(at, SocketAddr::V6(v6) if v6.ip().is_unicast_link_local() && v6.scope_id() == 0)
}
