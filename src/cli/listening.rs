//! What is to be known of listening, whoever listens: which addresses a listener takes, and why it takes none.

use std::io;
use std::net::SocketAddr;

use super::Failure;
use super::units::ListenAddress;
use crate::kernel::Family;
use crate::wire::Network;

/// What is to be done about it when [`lacks_interface`].
pub const NEEDS_INTERFACE: &str = "a link-local address needs its interface's number, as in [fe80::1%2]:7333";

/// A port for lines, in an example: the one behind the private network's.
const LINES_PORT: u16 = Network::PRIVATE.port + 1;

/// Where it is listened for peers that speak frames: on this host, where nothing is said. Lines do not change that.
pub fn for_frames(given: &[ListenAddress], port: u16) -> Result<Vec<SocketAddr>, Failure> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in given {
        let at = address.or_port(port);
        if is_taken(at, &addresses) {
            return Err(Failure::usage(format!("--listen {at}: is given twice")));
        }
        addresses.push(at);
    }
    if addresses.is_empty() {
        addresses.push(ListenAddress::LOOPBACK.or_port(port));
    }
    Ok(addresses)
}

/// Where it is listened for peers that speak lines: nowhere, where nothing is said. A network has no port for them.
pub fn for_lines(given: &[ListenAddress], frames: &[SocketAddr]) -> Result<Vec<SocketAddr>, Failure> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in given {
        let Some(at) = address.with_port() else {
            let ip = address.or_port(0).ip();
            let example = SocketAddr::new(ip, LINES_PORT);
            return Err(Failure::usage(format!("--listen-lines {ip}: needs a port, as in {example}")));
        };
        if is_taken(at, frames) {
            return Err(Failure::usage(format!(
                "--listen-lines {at}: frames are listened for there (--listen)"
            )));
        }
        if is_taken(at, &addresses) {
            return Err(Failure::usage(format!("--listen-lines {at}: is given twice")));
        }
        addresses.push(at);
    }
    Ok(addresses)
}

/// Port 0 is another one each time.
fn is_taken(at: SocketAddr, by: &[SocketAddr]) -> bool {
    at.port() != 0 && by.contains(&at)
}

/// An IPv6 wildcard takes IPv4 too, unless somebody else is to have it.
pub fn family(at: SocketAddr, all: &[SocketAddr]) -> Family {
    let is_taken = all.iter().any(|other| other.is_ipv4() && other.port() == at.port() && at.port() != 0);
    if at.ip().is_unspecified() && !is_taken { Family::Both } else { Family::Own }
}

/// Why it cannot be listened there as this option has it, and what would help.
pub fn cannot_listen(option: &str, at: SocketAddr, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::AddrInUse => {
            let free = with_port(at, 0);
            format!("address in use (another relay? {option} {free} takes a free port)")
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
