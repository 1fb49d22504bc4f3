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

/// Replies out of the store that one connection gets before it is closed and must come again. They lie in chunks that
/// count against no queue: without a bound, whoever asks and never reads would have us remember more and more of them.
pub const MAX_STORED_REPLIES: u32 = 16;
