//! Bytes to frames and back. Knows no peer, no socket and no clock.
//!
//! Inwards a [`Scanner`], or a [`Decoder`], makes [`Frame`]s of a stream, or a [`LineScanner`], or a [`LineDecoder`],
//! lines; a [`JsonScanner`] tells where JSON values end. Outwards the messages of one turn lie in one shared
//! [`TurnLog`], and a [`WriteQueue`] holds what one peer could not take at once.

pub mod checksum;
pub mod command;
pub mod decoder;
pub mod frame;
pub mod framing;
pub mod json_scanner;
pub mod line_scanner;
pub mod lines;
pub mod network;
pub mod opener;
mod part;
mod partial;
pub mod printable;
pub mod scanner;
pub mod turn_log;
pub mod write_queue;

pub use checksum::{Checksum, Sha256d};
pub use command::Command;
pub use decoder::Decoder;
pub use frame::{Frame, Header};
pub use framing::Framing;
pub use json_scanner::JsonScanner;
pub use line_scanner::{LineScanner, LineTooLong};
pub use lines::LineDecoder;
pub use network::{Magic, Network};
pub use opener::Opener;
pub use part::Part;
pub use printable::printable;
pub use scanner::{DecodeError, Scanner};
pub use turn_log::TurnLog;
pub use write_queue::WriteQueue;
