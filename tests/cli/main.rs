//! The program as its operator meets it: the real binary, its options, its lines and its ban file. Knows
//! nothing of the crate but how a frame is encoded, and a block.

mod bans;
mod chain;
mod http;
mod inspect;
mod json;
mod lines;
mod listening;
mod live;
mod load;
mod load_fakes;
mod load_lines;
mod load_others;
mod log;
mod mistakes;
mod neighbours;
mod peer;
mod peer_flood;
mod peer_support;
mod sim;
mod support;
mod usage;
