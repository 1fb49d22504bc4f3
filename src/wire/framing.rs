//! How messages are told apart in a stream. Knows the ways by name only.

/// What a connection's messages are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    #[default]
    /// Frames: a header says how long each is.
    Frames,
    /// Lines: each ends with a newline.
    Lines,
}
