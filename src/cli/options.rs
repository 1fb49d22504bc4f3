//! The options of `serve`: what can be given. Knows every default; what they come to is in `settings.rs`, which is where
//! they are checked against each other.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use log::LevelFilter;

use super::connect::Connect;
use super::network::NetworkArgs;
use super::units::{Cidr, Count, ListenAddress, OrOff, Size, Span};
use crate::protocol::{Offence, Penalty};

const LISTENING: &str = "Listening";
const NETWORK: &str = "Network";
const NEIGHBOURS: &str = "Other relays";
const PEERS: &str = "Peers and memory";
const LAW: &str = "The law";
const TIME: &str = "Time";
const OUTPUT: &str = "Output";

/// Options of `serve`.
#[derive(Args, Clone, Debug)]
pub struct ServeArgs {
    /// Where to listen, IPv4 or IPv6; can be given several times. Port 0 takes a free one; without a port
    /// it is the network's [default: 127.0.0.1:7333]
    #[arg(long, value_name = "ADDR", env = "PEER_RELAY_LISTEN", value_delimiter = ',', help_heading = LISTENING)]
    pub listen: Vec<ListenAddress>,

    /// Where to listen for peers whose messages are lines, as with nc; can be given several times. They are in the
    /// same room: a line is a frame called msg to others. Needs a port; --listen stays as it is [default: none]
    #[arg(long, value_name = "ADDR", env = "PEER_RELAY_LISTEN_LINES", value_delimiter = ',', help_heading = LISTENING)]
    pub listen_lines: Vec<ListenAddress>,

    /// Where to listen for Clarke Coin's nodes, which speak JSON; can be given several times. Without a port it is
    /// 8334 [default: none]
    #[arg(long, value_name = "ADDR", env = "PEER_RELAY_LISTEN_JSON", value_delimiter = ',', help_heading = LISTENING)]
    pub listen_json: Vec<ListenAddress>,

    /// Where to listen for Bunkercoin's nodes, which speak JSON too; can be given several times. Without a port it is
    /// 7000 [default: none]
    #[arg(long, value_name = "ADDR", env = "PEER_RELAY_LISTEN_CHAIN", value_delimiter = ',', help_heading = LISTENING)]
    pub listen_chain: Vec<ListenAddress>,

    /// Where to listen for HTTP: Bunkercoin's chain, mempool and events; can be given several times. Without a port
    /// it is 10000 [default: none]
    #[arg(long, value_name = "ADDR", env = "PEER_RELAY_LISTEN_HTTP", value_delimiter = ',', help_heading = LISTENING)]
    pub listen_http: Vec<ListenAddress>,

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

    /// Longest line, or message at --listen-json, bytes, its end not counted; no more than --max-payload [default: 64k, or --max-payload]
    #[arg(long, value_name = "BYTES", env = "PEER_RELAY_MAX_LINE", help_heading = NETWORK)]
    pub max_line: Option<Size>,

    /// Bytes the sliding window may pass over between two valid frames
    #[arg(long, value_name = "BYTES", env = "PEER_RELAY_MAX_SKIP", default_value = "23", help_heading = NETWORK)]
    pub max_skip: Size,

    /// Another relay to connect to, and to keep up for ever; can be given several times. Without a port it is
    /// the network's. json://ADDR and chain://ADDR are nodes of these networks, as for --listen-json and
    /// --listen-chain [default: none]
    #[arg(long, value_name = "ADDR", env = "PEER_RELAY_CONNECT", value_delimiter = ',', help_heading = NEIGHBOURS)]
    pub connect: Vec<Connect>,

    /// How long a frame is not relayed again that has the same command and payload, or off
    /// [default: 60s with --connect to another relay, else off]
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

    /// Nodes at once that are dialled because somebody at --listen-json has told of them (add_peer)
    #[arg(long, value_name = "N", env = "PEER_RELAY_MAX_JSON_PEERS", default_value = "64", help_heading = PEERS)]
    pub max_json_peers: Count,

    /// Bytes a peer's write queue may pin for longer than --queue-soft-time [default: half of --queue-hard]
    #[arg(long, value_name = "BYTES", env = "PEER_RELAY_QUEUE_SOFT", help_heading = PEERS)]
    pub queue_soft: Option<Size>,

    /// How long a peer's write queue may pin more than --queue-soft
    #[arg(long, value_name = "DURATION", env = "PEER_RELAY_QUEUE_SOFT_TIME", default_value = "10s", help_heading = PEERS)]
    pub queue_soft_time: Span,

    /// Bytes a peer's write queue may pin at all; a reader slower than that is disconnected, not banned
    /// [default: 8MiB, or two largest messages]
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

    /// Directory where Bunkercoin's chain outlives the relay; made if it is not there [default: none]
    #[arg(long, value_name = "PATH", env = "PEER_RELAY_DATA_DIR", help_heading = NETWORK)]
    pub data_dir: Option<PathBuf>,

    /// What an offence costs, as in checksum=drop; can be given several times. magic, oversize: disconnect
    /// or ban; command, checksum, protocol: drop, disconnect or ban; flood: pause, drop, disconnect or ban
    /// [default: ban, but flood=pause]
    #[arg(long, value_name = "OFFENCE=PENALTY", env = "PEER_RELAY_PENALTY", value_delimiter = ',', help_heading = LAW)]
    pub penalty: Vec<PenaltyRule>,

    /// Messages a second and peer, or off; with a burst of one second's worth. More is the offence flood
    #[arg(long, value_name = "N", env = "PEER_RELAY_RATE_MESSAGES", default_value = "off", help_heading = LAW)]
    pub rate_messages: OrOff<u64>,

    /// Bytes of messages a second and peer, or off; the burst is at least one largest frame
    #[arg(long, value_name = "BYTES", env = "PEER_RELAY_RATE_BYTES", default_value = "off", help_heading = LAW)]
    pub rate_bytes: OrOff<Size>,

    /// From the first byte of a frame or line to its last; whoever takes longer is disconnected
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
    pub(super) offence: Offence,
    pub(super) penalty: Penalty,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLevel(pub LevelFilter);

/// What the variable of an option without a value may say.
fn true_or_false(text: &str) -> Result<bool, &'static str> {
    match text {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err("need true or false"),
    }
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
