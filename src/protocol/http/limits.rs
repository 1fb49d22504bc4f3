//! How much and how long a request may be. Knows numbers.

use std::time::Duration;

/// Longest head, bytes, its empty line included: twice what common servers take, and more than any client sends.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Most headers of a request.
pub const MAX_HEADERS: usize = 64;

/// From a request's first byte to its last, or from when its turn came: whoever is slower than that is none who asks
/// for something.
pub const REQUEST_TIME: Duration = Duration::from_secs(10);

/// How long a connection may stay without a request.
pub const IDLE_TIME: Duration = Duration::from_secs(60);

/// After so long without news whoever reads `/events` gets a comment: proxies end what is silent, most after a minute
/// or half of one.
pub const KEEPALIVE_TIME: Duration = Duration::from_secs(15);

/// Bytes after which a connection that has asked for much at once goes on only in another turn, and when it has taken
/// them.
pub const MAX_SAID_BYTES: usize = 64 * 1024;

/// A piece of the store this long goes out as it lies there. What is shorter may still grow, and would be held in as
/// many versions as there are slow readers: it is copied, and counts against the reader's queue.
pub const MIN_LENT_BYTES: usize = 128 * 1024;

/// Most bytes of the store that may be on their way to clients, each piece counted once: two chains of the longest, and
/// ten times the transactions that may wait. Beyond it whoever asks is told to come later.
pub const MAX_LENT_BYTES: usize = 160 * 1024 * 1024;

/// Most pieces of the store that one connection gets; then it is closed and may come again. Each is remembered for as
/// long as it waits, whether it is read or not.
pub const MAX_LENT_PIECES: usize = 1024;
