//! What the relay is to bear, the hardest first thought of: narrow sockets, peers that flap by the thousand, junk by
//! the megabyte, a firehose, and every attack on its memory at once. Each test keeps its own books.

mod attacks;
mod conversation;
mod firehose;
mod flapping;
mod junk;
mod narrow;
