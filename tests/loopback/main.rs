//! The real binary over real sockets. Knows options, bytes and the log's words; knows no type of the relay's
//! but its wire format.
//!
//! One relay for each test, at a free port of the loopback network. Strangers are told apart by their
//! addresses: all of 127.0.0.0/8 is ours. Nothing here sleeps to let something happen: a peer is known to be
//! admitted by its pong, and what was sent before a ping is dealt with when the pong is there.

mod carrying;
mod dialects;
mod endings;
mod exhaustion;
mod law;
mod memory;
mod slowness;
mod storms;
mod support;
mod torture;
mod witness;
