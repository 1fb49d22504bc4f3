//! Clarke Coin's messages.

mod chain;
mod hash;
mod item;
mod message;
mod pool;
mod reply;
mod seen;
mod store;
mod stream;
