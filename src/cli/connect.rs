//! Whom to keep up, as a person writes it: what is spoken there, and where it is.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use super::listening::{CHAIN_PORT, JSON_PORT};
use thiserror::Error;

use super::target::Target;
use crate::protocol::Dialect;

/// A neighbour: `HOST[:PORT]` of a relay, or `json://HOST[:PORT]`, `chain://HOST[:PORT]` of a node that speaks so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// What is spoken there.
    pub dialect: Dialect,
    /// Where it is.
    pub target: Target,
}

/// Nobody who could be kept up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "need HOST:PORT or a host alone, as in 127.0.0.1:7333, or behind json:// or chain:// a node's; port 0 is nowhere"
)]
pub struct BadConnect;

/// How each begins that is no relay's.
const SCHEMES: [(&str, Dialect); 2] = [("json://", Dialect::Json), ("chain://", Dialect::Chain)];

impl Connect {
    /// Its port where none is given; a relay's is its network's.
    pub fn port(&self, of_network: u16) -> u16 {
        match self.dialect {
            Dialect::Json => JSON_PORT,
            Dialect::Chain => CHAIN_PORT,
            Dialect::Frames | Dialect::Lines | Dialect::Http => of_network,
        }
    }

    /// Where it is, when it was given as an address.
    pub fn address(&self, of_network: u16) -> Option<SocketAddr> {
        self.target.address(self.port(of_network))
    }
}

impl FromStr for Connect {
    type Err = BadConnect;

    fn from_str(text: &str) -> Result<Self, BadConnect> {
        let text = text.trim();
        let of_scheme = |&(scheme, dialect): &(&str, Dialect)| Some((text.strip_prefix(scheme)?, dialect));
        let (rest, dialect) = SCHEMES.iter().find_map(of_scheme).unwrap_or((text, Dialect::Frames));
        Ok(Self { dialect, target: rest.parse().map_err(|_| BadConnect)? })
    }
}

impl fmt::Display for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = SCHEMES.iter().find(|(_, dialect)| *dialect == self.dialect);
        write!(f, "{}{}", scheme.map_or("", |(scheme, _)| scheme), self.target)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spoken_there_stands_before_it() {
        for (text, dialect, port) in [
            ("192.0.2.1", Dialect::Frames, 7333),
            ("json://192.0.2.1", Dialect::Json, 8334),
            ("chain://192.0.2.1", Dialect::Chain, 7000),
            ("chain://192.0.2.1:7001", Dialect::Chain, 7001),
            ("json://[::1]:1", Dialect::Json, 1),
        ] {
            let connect: Connect = text.parse().unwrap();
            assert_eq!((connect.dialect, connect.address(7333).unwrap().port()), (dialect, port));
            assert_eq!(connect.to_string(), text);
        }
        for bad in ["http://192.0.2.1", "json://", "chain:192.0.2.1:7000", "chain://chain://192.0.2.1"] {
            assert!(bad.parse::<Connect>().is_err(), "{bad}");
        }
    }
}
