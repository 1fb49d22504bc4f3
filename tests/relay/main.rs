//! Stories of the relay: inputs in, outputs out, virtual time. Knows no socket.

mod admission;
mod anything;
mod bans;
mod chain;
mod counts;
mod dedup;
mod delivery;
mod ending;
mod law;
mod lines;
mod memory;
mod neighbours;
mod queues;
mod rates;
mod room;
mod text;
mod timeouts;
