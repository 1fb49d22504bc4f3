#![forbid(unsafe_code)]
#![warn(missing_docs)]

//! A relay server for TCP peer-to-peer networks: one thread, one poll loop, one slab of connections.
//!
//! ```text
//!  socket ─read→ Decoder ─Frame→ Protocol + Relay (rules) → TurnLog + private replies ─one write per peer→ socket
//!    ▲                                  │                                                              │
//!    └───── Stack::wait gives `now` ────┴────────────── next_deadline tells how long ◄────────────────┘
//!
//!  one turn of the loop:  wait → read → decide → write → close → accept      (never backwards)
//! ```
//!
//! Each entry of the slab is a connection: a peer with its read buffer (its [`Scanner`](wire::Scanner): a decoder
//! whose limits are everybody's; or a [`LineScanner`](wire::LineScanner), where messages are lines), its write queue ([`WriteQueue`](wire::WriteQueue)) and its deadlines. What every peer sends in one turn lies in
//! one [`TurnLog`](wire::TurnLog), once, as it came; each peer is written the log without its own part. Those who speak
//! lines have a log of their own, of what is called `msg`. Those who speak another [`Dialect`](protocol::Dialect), JSON or
//! HTTP, are told apart, understood and answered by its own protocol, and have a log of what is new there.
//!
//! The modules, lowest first; each may name only those before it:
//!
//! | module | knows |
//! |---|---|
//! | [`time`], [`rng`], [`deadlines`] | moments, numbers from a seed, and who wants to be woken when |
//! | [`wire`] | bytes, frames, lines, and where JSON values end |
//! | [`protocol`] | what frames mean, and all that is said in the other dialects |
//! | [`relay`] | the peers and the law; no socket, no clock |
//! | [`server`] | one turn of the loop, over any [`Stack`](server::Stack) |
//! | [`load`] | a load tester that knows what everybody must get, over any stack |
//! | [`sim`] | a whole world on one seed, to try the server in |
//! | [`kernel`] | the kernel's TCP; the only file that opens a socket |
//! | [`cli`] | options, log, signals, files |
//!
//! # The journey of one frame
//!
//! The rules are a state machine: tell them what happened, ask what to do.
//!
//! ```
//! use peer_relay::protocol::{Dialect, Flood};
//! use peer_relay::relay::{Law, Limits, Output, Relay};
//! use peer_relay::time::Instant;
//! use peer_relay::wire::{Frame, Network};
//!
//! let magic = Network::PRIVATE.magic;
//! let mut relay = Relay::new(Flood, Law::of::<Flood>(), Limits::new(magic));
//! let now = Instant::START;
//!
//! // accept: two strangers come in
//! let alice = relay.accepted(now, "192.0.2.1:5000".parse()?, Dialect::Frames)?;
//! let bob = relay.accepted(now, "192.0.2.2:5000".parse()?, Dialect::Frames)?;
//!
//! // read: a frame arrives in two pieces; only whole is it anything
//! let frame = Frame::encode(magic, "tx".parse()?, b"forty-two");
//! let (front, back) = frame.as_bytes().split_at(30);
//! relay.received(now, alice, front);
//! assert_eq!(relay.poll(), None);
//! relay.received(now, alice, back);
//!
//! // decide: it goes to everybody but whom it came from
//! assert_eq!(relay.poll(), Some(Output::Flush(bob)));
//!
//! // write: bit for bit as it was received
//! let bytes: Vec<u8> = relay.unsent(bob).flat_map(|part| part.as_slice().to_vec()).collect();
//! assert_eq!(bytes, frame.as_bytes());
//! relay.sent(now, bob, bytes.len());
//! assert_eq!(relay.poll(), None);
//!
//! // and whoever breaks the framing is shut out
//! relay.received(now, alice, b"this is no frame at all, sorry");
//! assert!(matches!(relay.poll(), Some(Output::Disconnect(who, _)) if who == alice));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod cli;
pub mod deadlines;
pub mod kernel;
pub mod load;
pub mod protocol;
pub mod relay;
pub mod rng;
pub mod server;
pub mod sim;
pub mod time;
pub mod wire;
