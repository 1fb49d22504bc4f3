//! Clarke Coin's messages.

mod stream;
