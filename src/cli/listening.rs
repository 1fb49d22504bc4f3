//! What is to be known of listening, whoever listens: which addresses a listener takes, and why it takes none.

use std::io;
use std::net::SocketAddr;

use super::Failure;
use super::units::ListenAddress;
use crate::kernel::Family;
use crate::protocol::Dialect;
use crate::wire::Network;

/// What is to be done about it when [`lacks_interface`].
pub const NEEDS_INTERFACE: &str = "a link-local address needs its interface's number, as in [fe80::1%2]:7333";

/// Where Clarke Coin's nodes listen by habit.
pub const JSON_PORT: u16 = 8334;
/// Where Bunkercoin's nodes listen by habit.
pub const CHAIN_PORT: u16 = 7000;
/// Where they listen for HTTP by habit.
const HTTP_PORT: u16 = 10_000;
/// A port for lines, in an example: the one behind the private network's.
const LINES_PORT: u16 = Network::PRIVATE.port + 1;

/// One place to listen at, and what is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Where.
    pub at: SocketAddr,
    /// What is spoken there.
    pub dialect: Dialect,
}

/// The option that says where a dialect is listened for.
pub const fn option_for(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Frames => "--listen",
        Dialect::Lines => "--listen-lines",
        Dialect::Json => "--listen-json",
        Dialect::Chain => "--listen-chain",
        Dialect::Http => "--listen-http",
    }
}

/// Everywhere it is listened: for frames on this host, where nothing is said, and for the others nowhere.
pub fn everywhere(given: &[(Dialect, &[ListenAddress])], frames_port: u16) -> Result<Vec<Listen>, Failure> {
    let mut all: Vec<Listen> = Vec::new();
    for &(dialect, addresses) in given {
        let usual = [ListenAddress::LOOPBACK];
        let is_usual = dialect == Dialect::Frames && addresses.is_empty();
        for address in if is_usual { &usual } else { addresses } {
            let at = with_port_for(dialect, *address, frames_port)?;
            let taken = all.iter().find(|other| other.at == at && at.port() != 0); // port 0 is another one each time
            if let Some(Listen { dialect: other, .. }) = taken {
                return Err(twice(dialect, at, *other));
            }
            all.push(Listen { at, dialect });
        }
    }
    Ok(all)
}

/// With the port that the dialect has by habit. For lines there is none.
fn with_port_for(dialect: Dialect, address: ListenAddress, frames_port: u16) -> Result<SocketAddr, Failure> {
    match dialect {
        Dialect::Frames => Ok(address.or_port(frames_port)),
        Dialect::Json => Ok(address.or_port(JSON_PORT)),
        Dialect::Chain => Ok(address.or_port(CHAIN_PORT)),
        Dialect::Http => Ok(address.or_port(HTTP_PORT)),
        Dialect::Lines => address.with_port().ok_or_else(|| {
            let ip = address.or_port(0).ip();
            let example = SocketAddr::new(ip, LINES_PORT);
            Failure::usage(format!("--listen-lines {ip}: needs a port, as in {example}"))
        }),
    }
}

fn twice(dialect: Dialect, at: SocketAddr, other: Dialect) -> Failure {
    let option = option_for(dialect);
    let why = match other {
        same if same == dialect => "is given twice".into(),
        Dialect::Frames => "frames are listened for there (--listen)".into(),
        other => format!("{} listens there", option_for(other)),
    };
    Failure::usage(format!("{option} {at}: {why}"))
}

/// An IPv6 wildcard takes IPv4 too, unless somebody else is to have it.
pub fn family(at: SocketAddr, all: &[Listen]) -> Family {
    let is_taken = all
        .iter()
        .any(|Listen { at: other, .. }| other.is_ipv4() && other.port() == at.port() && at.port() != 0);
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
