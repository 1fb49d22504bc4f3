//! Why a connection ends, and why one is not begun. Knows names only.

use std::fmt;
use std::io;
use std::time::Duration;

use thiserror::Error;

use super::address::AddressKey;
use crate::protocol::Offence;
use crate::wire::Opener;

/// Why a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It said it would send no more, and took what was queued for it.
    Eof,
    /// It has got what it came for, and in its protocol that is the end.
    Served,
    /// The connection failed: reset, timed out, unreachable.
    Lost(io::ErrorKind),
    /// It broke a rule that costs the connection.
    Offence(Offence),
    /// It broke a rule that costs the address.
    Banned(Offence),
    /// Another peer of its address did.
    AddressBanned,
    /// Its first bytes were another protocol's.
    Opener(Opener),
    /// A frame took longer than the frame timeout.
    FrameTimeout,
    /// It was silent longer than the idle timeout.
    IdleTimeout,
    /// Its queue was over the soft limit for too long.
    QueueSoft,
    /// Its queue was over the hard limit.
    QueueHard,
    /// All strangers together held too much, and it held most.
    Memory,
    /// It did not take what was queued within the drain time.
    Drain,
    /// We are going.
    Shutdown,
}

/// Why a connection is not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The address is shut out.
    #[error("its address is banned")]
    Banned {
        /// For so much longer.
        left: Duration,
        /// For this.
        offence: Offence,
    },
    /// There are as many peers as there may be.
    #[error("all places are taken")]
    Full,
    /// There are as many from its address as there may be.
    #[error("too many peers from its address")]
    TooManyFromAddress(AddressKey),
}

impl Reason {
    /// Whether nothing more is owed to the peer: the connection is reset and the kernel keeps nothing of it.
    /// Else it is shut down in order and may take what is on its way.
    pub const fn is_abrupt(self) -> bool {
        match self {
            Self::Lost(_) | Self::Banned(_) | Self::AddressBanned => true,
            Self::QueueSoft | Self::QueueHard | Self::Memory | Self::Drain => true,
            Self::Eof | Self::Served | Self::Offence(_) | Self::Opener(_) => false,
            Self::FrameTimeout | Self::IdleTimeout | Self::Shutdown => false,
        }
    }

    /// Whether it was too slow a reader. Not an offence, but its operator will want to know.
    pub const fn is_too_slow(self) -> bool {
        matches!(self, Self::QueueSoft | Self::QueueHard | Self::Drain)
    }

    /// As in the log and in the counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eof => "eof",
            Self::Served => "served",
            Self::Lost(io::ErrorKind::TimedOut) => "timeout",
            Self::Lost(_) => "reset",
            Self::Offence(_) => "offence",
            Self::Banned(_) => "banned",
            Self::AddressBanned => "address-banned",
            Self::Opener(_) => "other-protocol",
            Self::FrameTimeout => "frame-timeout",
            Self::IdleTimeout => "idle-timeout",
            Self::QueueSoft => "queue-soft",
            Self::QueueHard => "queue-hard",
            Self::Memory => "memory",
            Self::Drain => "drain",
            Self::Shutdown => "shutdown",
        }
    }
}

impl Refusal {
    /// As in the log and in the counters.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Banned { .. } => "banned",
            Self::Full => "full",
            Self::TooManyFromAddress(_) => "too-many-from-address",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_has_its_name_and_its_manner() {
        for (reason, name, is_abrupt) in [
            (Reason::Eof, "eof", false),
            (Reason::Served, "served", false),
            (Reason::Lost(io::ErrorKind::TimedOut), "timeout", true),
            (Reason::Lost(io::ErrorKind::BrokenPipe), "reset", true),
            (Reason::Offence(Offence::Command), "offence", false),
            (Reason::Banned(Offence::Magic), "banned", true),
            (Reason::AddressBanned, "address-banned", true),
            (Reason::Opener(Opener::Tls), "other-protocol", false),
            (Reason::FrameTimeout, "frame-timeout", false),
            (Reason::IdleTimeout, "idle-timeout", false),
            (Reason::QueueSoft, "queue-soft", true),
            (Reason::QueueHard, "queue-hard", true),
            (Reason::Memory, "memory", true),
            (Reason::Drain, "drain", true),
            (Reason::Shutdown, "shutdown", false),
        ] {
            assert_eq!((reason.to_string().as_str(), reason.is_abrupt()), (name, is_abrupt));
            let is_too_slow = ["queue-soft", "queue-hard", "drain"].contains(&name);
            assert_eq!(reason.is_too_slow(), is_too_slow, "{name}");
        }
    }

    #[test]
    fn each_refusal_has_its_name() {
        let banned = Refusal::Banned { left: Duration::ZERO, offence: Offence::Magic };
        let crowded = Refusal::TooManyFromAddress(AddressKey::of([192, 0, 2, 1].into()));
        let names = [banned, Refusal::Full, crowded].map(Refusal::name);
        assert_eq!(names, ["banned", "full", "too-many-from-address"]);
    }
}
