//! Clarke Coin's dialect, told in stories: one that does what the dialect says, several that are wired to each other,
//! and any cut of any stream. In virtual time; no socket.

mod bounds;
mod circles;
mod house;
mod items;
mod malformed;
mod messages;
mod neighbours;
mod peers;
mod styles;
