//! How messages are told apart in a stream. Knows the ways by name only.

/// What a connection's messages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Frames: a header says how long each is.
    Frames,
    /// Lines: each ends with a newline.
    Lines,
}
