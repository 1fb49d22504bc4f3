//! Bunkercoin's nodes. Knows their six messages and their chain.

mod block;
mod chain;
mod checks;
mod cost;
mod hash;
mod json;
mod mempool;
mod pool;
mod rules;
mod text;
mod transaction;
mod vdf;
