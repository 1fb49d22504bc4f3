//! Stories of Bunkercoin's dialect: bytes in, answers and announcements out, virtual time. Knows no socket.

#[path = "bunkercoin/bad_input.rs"]
mod bad_input;
#[path = "bunkercoin/chains.rs"]
mod chains;
#[path = "bunkercoin/crowd.rs"]
mod crowd;
#[path = "bunkercoin/endings.rs"]
mod endings;
#[path = "bunkercoin/forwarding.rs"]
mod forwarding;
#[path = "bunkercoin/handing_in.rs"]
mod handing_in;
#[path = "bunkercoin/messages.rs"]
mod messages;
#[path = "bunkercoin/support.rs"]
mod support;
