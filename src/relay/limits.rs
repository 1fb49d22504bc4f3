//! Every bound of the relay, with its unit. Knows nothing else.

use std::num::NonZeroU64;
use std::time::Duration;

use ipnet::IpNet;

use crate::wire::decoder::DecoderLimits;
use crate::wire::{Header, Magic};

/// What strangers may make us hold, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// What a peer's decoder accepts: magic, payload, sliding window.
    pub decoder: DecoderLimits,
    /// Bytes a line may have, its end not counted; no more than a payload may.
    pub max_line: usize,
    /// Connections at once.
    pub max_peers: usize,
    /// Connections at once from one IPv4 address or IPv6 /64.
    pub max_peers_per_ip: Option<usize>,
    /// How long an offender's address is shut out.
    pub ban_time: Duration,
    /// Addresses shut out at once; when it is full the ban that ends soonest goes.
    pub max_bans: usize,
    /// Addresses that are disconnected but never shut out.
    pub never_ban: Vec<IpNet>,
    /// From the first byte of a frame or a line, or the first byte skipped before a frame, to its last.
    pub frame_timeout: Duration,
    /// Silence after which a peer is disconnected.
    pub idle_timeout: Option<Duration>,
    /// Bytes a peer's write queue may pin for longer than `queue_soft_time`.
    pub queue_soft_bytes: usize,
    /// How long it may pin more than `queue_soft_bytes`.
    pub queue_soft_time: Duration,
    /// Bytes a peer's write queue may pin at all.
    pub queue_hard_bytes: usize,
    /// Bytes all strangers together make us hold: unfinished frames, replies, queued chunks, each once and
    /// by allocated size.
    pub retained_max_bytes: usize,
    /// Complete frames, or lines, a second and peer.
    pub rate_messages: Option<NonZeroU64>,
    /// Bytes of complete frames, or of those that lines become, a second and peer.
    pub rate_bytes: Option<NonZeroU64>,
    /// How long a frame is not relayed again whose command and payload are the same; else every one is.
    pub dedup: Option<Duration>,
    /// Frames known at once for that; with more in the time the oldest are forgotten early, and the latest half of
    /// them never. At least two.
    pub dedup_max: usize,
    /// How long a peer that has ended, or that we say goodbye to, may take for what is still queued.
    pub drain: Duration,
}

impl Limits {
    /// Those of a relay that is given no options, on a network with this magic.
    pub fn new(magic: Magic) -> Self {
        Self {
            decoder: DecoderLimits { magic, max_payload: 4_000_000, max_skip: Header::LEN as u64 - 1 },
            max_line: 64_000,
            max_peers: 65_536,
            max_peers_per_ip: None,
            ban_time: Duration::from_secs(600),
            max_bans: 65_536,
            never_ban: Vec::new(),
            frame_timeout: Duration::from_secs(60),
            idle_timeout: None,
            queue_soft_bytes: 4 << 20,
            queue_soft_time: Duration::from_secs(10),
            queue_hard_bytes: 8 << 20,
            retained_max_bytes: 256_000_000,
            rate_messages: None,
            rate_bytes: None,
            dedup: None,
            dedup_max: 1_000_000,
            drain: Duration::from_secs(5),
        }
    }
}

/// Reply bytes waiting beyond which a peer is not read until they are sent: it holds up only itself.
pub const REPLIES_WAITING_MAX: usize = 64 * 1024;

/// Bans removed at most in one turn: a burst that was banned together expires together.
pub const EXPIRED_BANS_PER_TURN: usize = 1024;
