//! The options of `serve`: what can be given, and what it comes to. Knows every default and where it is
//! from; opens nothing.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;
use ipnet::IpNet;
use log::LevelFilter;

use super::Failure;
use super::network::NetworkArgs;
use super::target::Target;
use super::units::{Cidr, Count, ListenAddress, OrOff, Size, Span};
use crate::kernel::{PortUse, SocketOptions};
use crate::protocol::{Flood, Offence, Penalty};
use crate::relay::{Law, Limits};
use crate::wire::decoder::DecoderLimits;
use crate::wire::frame::MAX_PAYLOAD;
use crate::wire::{Header, Magic, Network};

const LISTENING: &str = "Listening";
const NETWORK: &str = "Network";
const NEIGHBOURS: &str = "Other relays";
const PEERS: &str = "Peers and memory";
const LAW: &str = "The law";
const TIME: &str = "Time";
const OUTPUT: &str = "Output";

/// How long a frame is known when there are other relays: long after it has gone round, however long the ways.
const DEDUP: Duration = Duration::from_secs(60);
/// Most relays that are dialled: each that is given by name has a thread.
const CONNECT_MOST: usize = 256;
/// Descriptors kept for ourselves: listeners, the poll, files, the standard streams.
const OWN_DESCRIPTORS: u64 = 64;
/// Places by default, where descriptors allow more.
const MAX_PEERS: usize = 65_536;
/// Hard limit of a write queue by default, bytes; more when two largest frames are.
const QUEUE_HARD: u64 = 8 << 20;
/// Largest socket buffer that may be asked for, bytes.
const MAX_BUFFER: u64 = 1 << 30;
/// What a frame that is being collected is counted as, beyond its bytes.
const FRAME_OVERHEAD: u64 = 4096;
/// Longest keepalive the kernel takes, seconds.
const KEEPALIVE_MAX: u64 = 32_767;

/// Options of `serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Where to listen, IPv4 or IPv6; can be given several times. Port 0 takes a free one; without a port
    /// it is the network's [default: 127.0.0.1:7333]
    #[arg(long, value_name = "ADDR", env = "PEER_RELAY_LISTEN", value_delimiter = ',', help_heading = LISTENING)]
    pub listen: Vec<ListenAddress>,

    /// Share the ports with other relays of this user that are given the same: whoever comes, comes to one of
    /// them. --connect is what makes them one room
    #[arg(long, env = "PEER_RELAY_REUSE_PORT", value_parser = true_or_false, help_heading = LISTENING)]
    pub reuse_port: bool,

    /// SO_RCVBUF of each socket, bytes [default: the kernel's]
    #[arg(long, value_name = "BYTES", env = "PEER_RELAY_RECV_BUFFER", help_heading = LISTENING)]
    pub recv_buffer: Option<Size>,

    /// SO_SNDBUF of each socket, bytes [default: the kernel's]
    #[arg(long, value_name = "BYTES", env = "PEER_RELAY_SEND_BUFFER", help_heading = LISTENING)]
    pub send_buffer: Option<Size>,

    /// Which network
    #[command(flatten)]
    pub network: NetworkArgs,

    /// What frames mean: flood, every frame to every other peer [default: flood]
    #[arg(long, value_name = "NAME", env = "PEER_RELAY_PROTOCOL", help_heading = NETWORK)]
    pub protocol: Option<ProtocolName>,

    /// Largest payload of a frame, bytes, checked at its header
    #[arg(long, value_name = "BYTES", env = "PEER_RELAY_MAX_PAYLOAD", default_value = "4000000", help_heading = NETWORK)]
    pub max_payload: Size,

    /// Bytes the sliding window may pass over between two valid frames
    #[arg(long, value_name = "BYTES", env = "PEER_RELAY_MAX_SKIP", default_value = "23", help_heading = NETWORK)]
    pub max_skip: Size,

    /// Another relay to connect to, and to keep up for ever; can be given several times. Without a port it is
    /// the network's [default: none]
    #[arg(long, value_name = "ADDR", env = "PEER_RELAY_CONNECT", value_delimiter = ',', help_heading = NEIGHBOURS)]
    pub connect: Vec<Target>,

    /// How long a frame is not relayed again that has the same command and payload, or off
    /// [default: 60s with --connect, else off]
    #[arg(long, value_name = "DURATION", env = "PEER_RELAY_DEDUP", help_heading = NEIGHBOURS)]
    pub dedup: Option<OrOff<Span>>,

    /// Frames known at once for that; when there are more, some are forgotten early
    #[arg(long, value_name = "N", env = "PEER_RELAY_DEDUP_MAX", default_value = "1000000", help_heading = NEIGHBOURS)]
    pub dedup_max: Count,

    /// Peers at once [default: descriptor limit - 64, at most 65536]
    #[arg(long, value_name = "N", env = "PEER_RELAY_MAX_PEERS", help_heading = PEERS)]
    pub max_peers: Option<Count>,

    /// Peers at once from one IPv4 address or IPv6 /64, or off
    #[arg(long, value_name = "N", env = "PEER_RELAY_MAX_PEERS_PER_IP", default_value = "off", help_heading = PEERS)]
    pub max_peers_per_ip: OrOff<u64>,

    /// Bytes a peer's write queue may pin for longer than --queue-soft-time [default: half of --queue-hard]
    #[arg(long, value_name = "BYTES", env = "PEER_RELAY_QUEUE_SOFT", help_heading = PEERS)]
    pub queue_soft: Option<Size>,

    /// How long a peer's write queue may pin more than --queue-soft
    #[arg(long, value_name = "DURATION", env = "PEER_RELAY_QUEUE_SOFT_TIME", default_value = "10s", help_heading = PEERS)]
    pub queue_soft_time: Span,

    /// Bytes a peer's write queue may pin at all; a reader slower than that is disconnected, not banned
    /// [default: 8MiB, or two largest frames]
    #[arg(long, value_name = "BYTES", env = "PEER_RELAY_QUEUE_HARD", help_heading = PEERS)]
    pub queue_hard: Option<Size>,

    /// Bytes that all strangers together may make us hold: unfinished frames, replies, queues
    #[arg(long, value_name = "BYTES", env = "PEER_RELAY_RETAINED_MAX", default_value = "256M", help_heading = PEERS)]
    pub retained_max: Size,

    /// How long an offender's address is shut out
    #[arg(long, value_name = "DURATION", env = "PEER_RELAY_BAN_TIME", default_value = "10m", help_heading = LAW)]
    pub ban_time: Span,

    /// Addresses shut out at once; beyond it the ban that ends soonest goes
    #[arg(long, value_name = "N", env = "PEER_RELAY_MAX_BANS", default_value = "65536", help_heading = LAW)]
    pub max_bans: Count,

    /// Addresses that are disconnected but never shut out; can be given several times [default: none]
    #[arg(long, value_name = "CIDR", env = "PEER_RELAY_NEVER_BAN", value_delimiter = ',', help_heading = LAW)]
    pub never_ban: Vec<Cidr>,

    /// Where bans outlive the relay: JSON, to read and edit while it is stopped [default: none]
    #[arg(long, value_name = "PATH", env = "PEER_RELAY_BAN_FILE", help_heading = LAW)]
    pub ban_file: Option<PathBuf>,

    /// What an offence costs, as in checksum=drop; can be given several times. magic, oversize: disconnect
    /// or ban; command, checksum, protocol: drop, disconnect or ban; flood: pause, drop, disconnect or ban
    /// [default: ban, but flood=pause]
    #[arg(long, value_name = "OFFENCE=PENALTY", env = "PEER_RELAY_PENALTY", value_delimiter = ',', help_heading = LAW)]
    pub penalty: Vec<PenaltyRule>,

    /// Frames a second and peer, or off; with a burst of one second's worth. More is the offence flood
    #[arg(long, value_name = "N", env = "PEER_RELAY_RATE_MESSAGES", default_value = "off", help_heading = LAW)]
    pub rate_messages: OrOff<u64>,

    /// Bytes of frames a second and peer, or off; the burst is at least one largest frame
    #[arg(long, value_name = "BYTES", env = "PEER_RELAY_RATE_BYTES", default_value = "off", help_heading = LAW)]
    pub rate_bytes: OrOff<Size>,

    /// From a frame's first byte to its last; whoever takes longer is disconnected
    #[arg(long, value_name = "DURATION", env = "PEER_RELAY_FRAME_TIMEOUT", default_value = "60s", help_heading = TIME)]
    pub frame_timeout: Span,

    /// Silence after which a peer is disconnected, or off
    #[arg(long, value_name = "DURATION", env = "PEER_RELAY_IDLE_TIMEOUT", default_value = "off", help_heading = TIME)]
    pub idle_timeout: OrOff<Span>,

    /// TCP keepalive: a host that vanished is gone within three of them; 0 is off
    #[arg(long, value_name = "DURATION", env = "PEER_RELAY_KEEPALIVE", default_value = "60s", help_heading = TIME)]
    pub keepalive: OrOff<Span>,

    /// How long the end may take: what is queued for a peer that ended, or for all at INT, TERM and HUP
    #[arg(long, value_name = "DURATION", env = "PEER_RELAY_DRAIN", default_value = "5s", help_heading = TIME)]
    pub drain: Span,

    /// How often the log has a line of figures, when they have changed; 0 is off
    #[arg(long, value_name = "DURATION", env = "PEER_RELAY_STATS_EVERY", default_value = "1m", help_heading = OUTPUT)]
    pub stats_every: OrOff<Span>,

    /// What goes to stderr: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", env = "PEER_RELAY_LOG_LEVEL", default_value = "info", help_heading = OUTPUT)]
    pub log_level: LogLevel,

    /// Say what all options come to and where each is from, and the memory it can take; then end
    #[arg(long, env = "PEER_RELAY_CHECK", value_parser = true_or_false, help_heading = OUTPUT)]
    pub check: bool,
}

/// What frames mean. One so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtocolName {
    /// Every frame to every other peer.
    Flood,
}

/// An offence and what it is to cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PenaltyRule {
    offence: Offence,
    penalty: Penalty,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLevel(pub LevelFilter);

/// What the options come to: nothing here contradicts anything else.
#[derive(Clone, Debug)]
pub struct Settings {
    /// At least one.
    pub listen: Vec<SocketAddr>,
    /// How their ports are used.
    pub port_use: PortUse,
    /// Who is to be there for ever.
    pub connect: Vec<Target>,
    /// By name; its magic may have been replaced.
    pub network: Network,
    /// Bounds of the relay.
    pub limits: Limits,
    /// Penalties.
    pub law: Law,
    /// Set on every socket.
    pub socket: SocketOptions,
    /// Where bans are kept.
    pub ban_file: Option<PathBuf>,
    /// Between two lines of figures.
    pub stats_every: Option<Duration>,
    /// Of stderr.
    pub log_level: LevelFilter,
    /// Descriptors this process may have.
    pub descriptors: u64,
    /// What was lowered to what is possible, for the log.
    pub warnings: Vec<String>,
}

impl ServeArgs {
    /// What it all comes to, in a process that may have so many descriptors.
    pub fn settle(self, descriptors: u64) -> Result<Settings, Failure> {
        let network = self.network.settle();
        self.check_protocol(network)?;
        let mut warnings = Vec::new();
        Ok(Settings {
            listen: self.listen_at(network.port)?,
            port_use: if self.reuse_port { PortUse::Shared } else { PortUse::Alone },
            connect: self.connect_to(network.port)?,
            network,
            limits: self.limits(network.magic, descriptors, &mut warnings)?,
            law: self.law()?,
            socket: self.socket()?,
            ban_file: self.ban_file,
            stats_every: self.stats_every.0.map(|span| span.0),
            log_level: self.log_level.0,
            descriptors,
            warnings,
        })
    }

    fn check_protocol(&self, network: Network) -> Result<(), Failure> {
        if self.protocol.is_none() && network.is_bitcoin {
            return Err(Failure::usage(format!(
                "--network {network}: Bitcoin's own protocol is not there yet; --protocol flood relays every frame as it is"
            )));
        }
        Ok(())
    }

    fn listen_at(&self, port: u16) -> Result<Vec<SocketAddr>, Failure> {
        let mut addresses: Vec<SocketAddr> = Vec::new();
        for address in &self.listen {
            let at = address.or_port(port);
            if at.port() != 0 && addresses.contains(&at) {
                return Err(Failure::usage(format!("--listen {at}: is given twice")));
            }
            addresses.push(at);
        }
        if addresses.is_empty() {
            addresses.push(ListenAddress::LOOPBACK.or_port(port));
        }
        Ok(addresses)
    }

    fn connect_to(&self, port: u16) -> Result<Vec<Target>, Failure> {
        for (nth, target) in self.connect.iter().enumerate() {
            let is_same = |other: &Target| {
                other == target || other.address(port).is_some_and(|at| target.address(port) == Some(at))
            };
            if self.connect[..nth].iter().any(is_same) {
                return Err(Failure::usage(format!("--connect {target}: is given twice")));
            }
        }
        if self.connect.len() > CONNECT_MOST {
            return Err(Failure::usage(format!("--connect: at most {CONNECT_MOST} relays")));
        }
        Ok(self.connect.clone())
    }

    /// Who is dialled has a place of its own, and somebody else must find one too.
    fn check_places(&self, max_peers: usize) -> Result<(), Failure> {
        let neighbours = self.connect.len();
        if neighbours > 0 && max_peers <= neighbours {
            return Err(Failure::usage(format!(
                "--max-peers {max_peers}: need at least {}, a place for each --connect and one more",
                neighbours + 1
            )));
        }
        Ok(())
    }

    fn dedup(&self) -> Option<Duration> {
        let usual = (!self.connect.is_empty()).then_some(DEDUP);
        self.dedup.as_ref().map_or(usual, |given| given.0.map(|span| span.0))
    }

    fn dedup_max(&self) -> Result<usize, Failure> {
        match self.dedup_max {
            Count(max) if max < 2 => Err(Failure::usage(format!("--dedup-max {max}: need at least 2"))),
            Count(max) => Ok(max),
        }
    }

    fn limits(&self, magic: Magic, descriptors: u64, warnings: &mut Vec<String>) -> Result<Limits, Failure> {
        let max_payload = at_most("--max-payload", self.max_payload, MAX_PAYLOAD.into())?;
        let largest = Header::LEN as u64 + max_payload;
        let queue_hard = self.queue_hard(2 * largest)?;
        let queue_soft = self.queue_soft.map_or(queue_hard / 2, |size| size.0);
        if queue_soft > queue_hard {
            let given = Size(queue_soft);
            return Err(Failure::usage(format!(
                "--queue-soft {given}: must not be above --queue-hard, {}",
                Size(queue_hard)
            )));
        }
        let retained_least = largest + largest / 1024 + FRAME_OVERHEAD;
        if self.retained_max.0 < retained_least {
            let given = self.retained_max;
            return Err(Failure::usage(format!(
                "--retained-max {given}: must hold a largest frame, at least {retained_least}, or --max-payload be smaller"
            )));
        }
        let max_peers = self.max_peers(descriptors, warnings);
        self.check_places(max_peers)?;
        Ok(Limits {
            decoder: DecoderLimits {
                magic,
                max_payload: max_payload as u32, // at most MAX_PAYLOAD
                max_skip: self.max_skip.0,
            },
            max_peers,
            max_peers_per_ip: self.max_peers_per_ip.0.map(to_usize),
            ban_time: not_zero(
                "--ban-time",
                self.ban_time,
                "; --penalty checksum=disconnect bans nobody for it",
            )?,
            max_bans: self.max_bans.0,
            never_ban: self.never_ban.iter().map(|cidr| cidr.0).collect::<Vec<IpNet>>(),
            frame_timeout: not_zero("--frame-timeout", self.frame_timeout, "")?,
            idle_timeout: self.idle_timeout.0.map(|span| span.0),
            queue_soft_bytes: to_usize(queue_soft),
            queue_soft_time: self.queue_soft_time.0,
            queue_hard_bytes: to_usize(queue_hard),
            retained_max_bytes: to_usize(self.retained_max.0),
            rate_messages: self.rate_messages.0.and_then(NonZeroU64::new),
            rate_bytes: self.rate_bytes.0.and_then(|size| NonZeroU64::new(size.0)),
            dedup: self.dedup(),
            dedup_max: self.dedup_max()?,
            drain: self.drain.0,
        })
    }

    fn max_peers(&self, descriptors: u64, warnings: &mut Vec<String>) -> usize {
        let possible = to_usize(descriptors.saturating_sub(OWN_DESCRIPTORS)).max(1);
        match self.max_peers {
            None => possible.min(MAX_PEERS),
            Some(Count(asked)) if asked > possible => {
                warnings.push(format!(
                    "--max-peers {asked}: lowered to {possible}, the descriptor limit is {descriptors}"
                ));
                possible
            }
            Some(Count(asked)) => asked,
        }
    }

    fn queue_hard(&self, two_frames: u64) -> Result<u64, Failure> {
        match self.queue_hard {
            None => Ok(QUEUE_HARD.max(two_frames)),
            Some(size) if size.0 < two_frames => Err(Failure::usage(format!(
                "--queue-hard {size}: must hold two largest frames, at least {two_frames}"
            ))),
            Some(size) => Ok(size.0),
        }
    }

    fn law(&self) -> Result<Law, Failure> {
        let mut law = Law::of::<Flood>();
        for rule in &self.penalty {
            law.set(rule.offence, rule.penalty)
                .map_err(|error| Failure::usage(format!("--penalty {rule}: {error}")))?;
        }
        Ok(law)
    }

    fn socket(&self) -> Result<SocketOptions, Failure> {
        let keepalive = self.keepalive.0.map(|span| span.0);
        if let Some(span) = keepalive
            && !(1..=KEEPALIVE_MAX).contains(&span.as_secs())
        {
            let given = Span(span);
            return Err(Failure::usage(format!("--keepalive {given}: must be 0, or from 1s to 9h")));
        }
        let buffer = |option, size: Option<Size>| match size {
            Some(Size(0)) => Err(Failure::usage(format!("{option} 0: need at least one byte"))),
            Some(size) => at_most(option, size, MAX_BUFFER).map(|bytes| Some(to_usize(bytes))),
            None => Ok(None),
        };
        Ok(SocketOptions {
            keepalive,
            recv_buffer: buffer("--recv-buffer", self.recv_buffer)?,
            send_buffer: buffer("--send-buffer", self.send_buffer)?,
        })
    }
}

/// What the variable of an option without a value may say.
fn true_or_false(text: &str) -> Result<bool, &'static str> {
    match text {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err("need true or false"),
    }
}

/// A size an option may have, or what it may have at most.
pub(super) fn at_most(option: &str, size: Size, most: u64) -> Result<u64, Failure> {
    if size.0 > most {
        return Err(Failure::usage(format!("{option} {size}: at most {}", Size(most))));
    }
    Ok(size.0)
}

fn not_zero(option: &str, span: Span, instead: &str) -> Result<Duration, Failure> {
    if span.0.is_zero() {
        return Err(Failure::usage(format!("{option} {span}: need at least 1ms{instead}")));
    }
    Ok(span.0)
}

/// A size beyond what this machine can address is as good as all it can.
fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl FromStr for ProtocolName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "flood" => Ok(Self::Flood),
            "bitcoin" => Err("Bitcoin's own protocol is not there yet; there is flood".into()),
            _ => Err("no such protocol; there is flood".into()),
        }
    }
}

impl FromStr for PenaltyRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (offence, penalty) =
            text.trim().split_once('=').ok_or("need OFFENCE=PENALTY, as in checksum=drop")?;
        let rule = Self {
            offence: offence.parse().map_err(|error: crate::protocol::UnknownName| error.to_string())?,
            penalty: penalty.parse().map_err(|error: crate::protocol::UnknownName| error.to_string())?,
        };
        Ok(rule)
    }
}

impl fmt::Display for PenaltyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.offence, self.penalty)
    }
}

impl FromStr for LogLevel {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, &'static str> {
        name.parse().map(Self).map_err(|_| "need off, error, warn, info, debug or trace")
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    #[test]
    fn without_options_the_limits_are_the_librarys() {
        let command = ServeArgs::augment_args(clap::Command::new("serve")).mut_args(|arg| arg.env(None));
        let matches = command.try_get_matches_from(["serve"]).unwrap();
        let settings = ServeArgs::from_arg_matches(&matches).unwrap().settle(1_000_000).unwrap();
        assert_eq!(settings.limits, Limits::new(Network::PRIVATE.magic));
        assert_eq!(settings.listen, ["127.0.0.1:7333".parse().unwrap()]);
    }
}
