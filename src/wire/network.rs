//! Networks: a name, its magic, its port. Knows nothing of what is said there.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// The four bytes every frame of a network begins with, in wire order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Magic(pub [u8; 4]);

/// A network peers can be of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// As given to `--network`.
    pub name: &'static str,
    /// What its frames begin with.
    pub magic: Magic,
    /// The TCP port its relays listen on by habit.
    pub port: u16,
    /// Whether Bitcoin's own protocol is spoken there.
    pub is_bitcoin: bool,
}

/// Every network known by name. The Bitcoin ones are as in Bitcoin Core's `chainparams.cpp`.
pub const NETWORKS: [Network; 6] = [
    Network { name: "private", magic: Magic([0xf7, 0xe3, 0xc9, 0xda]), port: 7333, is_bitcoin: false },
    Network { name: "mainnet", magic: Magic([0xf9, 0xbe, 0xb4, 0xd9]), port: 8333, is_bitcoin: true },
    Network { name: "testnet3", magic: Magic([0x0b, 0x11, 0x09, 0x07]), port: 18333, is_bitcoin: true },
    Network { name: "testnet4", magic: Magic([0x1c, 0x16, 0x3f, 0x28]), port: 48333, is_bitcoin: true },
    Network { name: "signet", magic: Magic([0x0a, 0x03, 0xcf, 0x40]), port: 38333, is_bitcoin: true },
    Network { name: "regtest", magic: Magic([0xfa, 0xbf, 0xb5, 0xda]), port: 18444, is_bitcoin: true },
];

impl Network {
    /// Our own: whoever wants a room of his own and no Bitcoin.
    pub const PRIVATE: Self = NETWORKS[0];

    /// The network whose frames begin with `magic`, if it has a name.
    pub fn with_magic(magic: Magic) -> Option<Self> {
        NETWORKS.into_iter().find(|network| network.magic == magic)
    }
}

/// Not the name of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no such network; there are private, mainnet, testnet3, testnet4, signet and regtest")]
pub struct UnknownNetwork;

impl FromStr for Network {
    type Err = UnknownNetwork;

    fn from_str(name: &str) -> Result<Self, UnknownNetwork> {
        NETWORKS.into_iter().find(|network| network.name == name).ok_or(UnknownNetwork)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Not eight hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("need 8 hex digits in wire order, as in f9beb4d9")]
pub struct BadMagic;

impl FromStr for Magic {
    type Err = BadMagic;

    fn from_str(text: &str) -> Result<Self, BadMagic> {
        if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(BadMagic);
        }
        u32::from_str_radix(text, 16).map(|value| Self(value.to_be_bytes())).map_err(|_| BadMagic)
    }
}

impl fmt::Display for Magic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_network_is_found_by_name_and_by_magic() {
        for (name, magic, port) in [
            ("private", "f7e3c9da", 7333),
            ("mainnet", "f9beb4d9", 8333),
            ("testnet3", "0b110907", 18333),
            ("testnet4", "1c163f28", 48333),
            ("signet", "0a03cf40", 38333),
            ("regtest", "fabfb5da", 18444),
        ] {
            let network: Network = name.parse().unwrap();
            assert_eq!((network.magic.to_string().as_str(), network.port), (magic, port));
            assert_eq!(Network::with_magic(magic.parse().unwrap()), Some(network));
        }
        assert_eq!("bitcoin".parse::<Network>(), Err(UnknownNetwork));
    }

    #[test]
    fn a_magic_is_eight_hex_digits_and_nothing_else() {
        assert_eq!("F9beB4d9".parse(), Ok(Magic([0xf9, 0xbe, 0xb4, 0xd9])));
        for bad in ["", "xyz", "f9beb4d", "f9beb4d9a", "+9beb4d9", "0xf9beb4", "f9beb4dé"] {
            assert_eq!(bad.parse::<Magic>(), Err(BadMagic), "{bad}");
        }
    }
}
