//! What has happened since the start, in numbers. Knows no peer.

use std::collections::BTreeMap;

use super::reason::{Reason, Refusal};

/// The relay's counters. They only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections that came and were let in.
    pub accepted: u64,
    /// Connections that were dialled and came about.
    pub dialed: u64,
    /// Connections not begun, by the refusal's name.
    pub refused: BTreeMap<&'static str, u64>,
    /// Connections ended, by the reason's name.
    pub closed: BTreeMap<&'static str, u64>,
    /// What peers sent.
    pub incoming: Traffic,
    /// What peers were sent.
    pub outgoing: Traffic,
    /// Frames that were dropped by the law.
    pub dropped_frames: u64,
    /// Frames that were not relayed again, see [`Limits::dedup`](super::Limits::dedup).
    pub duplicates: u64,
    /// Bytes skipped in search of a magic.
    pub skipped_bytes: u64,
    /// Bans spoken.
    pub bans: u64,
    /// Times a peer was not read because it was over its rate.
    pub pauses: u64,
    /// What was still queued for peers that a shutdown could not wait for.
    pub undelivered: Undelivered,
}

/// Complete frames, and bytes of any kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Complete, valid frames.
    pub frames: u64,
    /// Bytes, of frames or not.
    pub bytes: u64,
}

/// What a shutdown left behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undelivered {
    /// Peers that did not get everything.
    pub peers: u64,
    /// Bytes they did not get.
    pub bytes: u64,
}

impl Stats {
    /// A connection ended.
    pub(super) fn count_closed(&mut self, reason: Reason) {
        *self.closed.entry(reason.name()).or_default() += 1;
    }

    /// A connection was not begun.
    pub(super) fn count_refused(&mut self, refusal: Refusal) {
        *self.refused.entry(refusal.name()).or_default() += 1;
    }
}
