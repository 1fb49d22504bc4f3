//! Stories of those who speak HTTP: bytes in, replies out, virtual time. Knows no socket, and a chain of paper only.

mod endings;
mod events;
mod limits;
mod paper;
mod pieces;
mod serving;
mod shapes;
mod world;
