//! What the wire layer promises, seen from outside: the decoder against one that sees the whole stream and
//! against the `bitcoin` crate, the way out against a plain vector. Knows no peer and no socket.

#[path = "decoder/bitcoin.rs"]
mod bitcoin_crate;
#[path = "decoder/exhaustive.rs"]
mod exhaustive;
#[path = "decoder/feed.rs"]
mod feed;
#[path = "decoder/known.rs"]
mod known;
#[path = "decoder/lines.rs"]
mod lines;
#[path = "common/naive.rs"]
mod naive;
#[path = "decoder/outgoing.rs"]
mod outgoing;
#[path = "decoder/property.rs"]
mod property;
#[path = "decoder/thrift.rs"]
mod thrift;
