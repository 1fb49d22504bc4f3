//! Bunkercoin's nodes. Knows their six messages and their chain.

mod adoption;
mod block;
mod chain;
mod checks;
mod cost;
mod hash;
mod journal;
mod json;
mod mempool;
mod news;
mod pool;
mod reader;
mod rules;
mod store;
mod text;
mod transaction;
mod vdf;
