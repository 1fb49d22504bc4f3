//! Which network is meant: the two options every command has that reads or writes frames.

use clap::Args;

use crate::wire::{Magic, Network};

/// `--network` and `--magic`.
#[derive(Args, Clone, Copy, Debug)]
#[command(next_help_heading = "Network")]
pub struct NetworkArgs {
    /// Magic and default port: private, mainnet, testnet3, testnet4, signet or regtest
    #[arg(long, value_name = "NAME", env = "PEER_RELAY_NETWORK", default_value = "private")]
    pub network: Network,

    /// What frames begin with, 8 hex digits in wire order [default: the network's; private: f7e3c9da]
    #[arg(long, value_name = "HEX", env = "PEER_RELAY_MAGIC")]
    pub magic: Option<Magic>,
}

impl NetworkArgs {
    /// The network by name, with the magic that was given instead of its own.
    pub fn settle(self) -> Network {
        Network { magic: self.magic.unwrap_or(self.network.magic), ..self.network }
    }
}
