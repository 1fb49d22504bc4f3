//! What the wire layer promises, seen from outside: the decoder against one that sees the whole stream.
//! Knows no peer and no socket.

#[path = "decoder/exhaustive.rs"]
mod exhaustive;
#[path = "decoder/feed.rs"]
mod feed;
#[path = "decoder/known.rs"]
mod known;
#[path = "common/naive.rs"]
mod naive;
#[path = "decoder/property.rs"]
mod property;
#[path = "decoder/thrift.rs"]
mod thrift;
