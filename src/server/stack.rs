//! What the server needs of TCP, whoever provides it: the kernel, a simulated world, a stack of our own.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::protocol::{Dialect, Token};
use crate::time::Instant;
use crate::wire::Part;

/// Something a stack has to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// [`Stack::accept`] may have a connection.
    Acceptable,
    /// A stream may have bytes to read.
    Readable(Token),
    /// A stream will have no more bytes than it has: its other side has ended or failed. A short read is no
    /// reason to stop before the end or the error is read.
    Ended(Token),
    /// A stream has urgent data: a read may be cut short at its place, so from now on a short read says
    /// nothing of what is left.
    Urgent(Token),
    /// A stream may take bytes.
    Writable(Token),
    /// Somebody wants a turn, for reasons of his own.
    Woken,
}

/// TCP, edge-triggered: readiness is said when it begins, may be said too often, and may be said of a token
/// that is closed already.
///
/// `WouldBlock` means what it means in mio: readiness will be said again. After a read or a write shorter
/// than it could have been it will be said again too, but for a read of a stream that was said to be `Ended` or
/// `Urgent`.
pub trait Stack {
    /// One connection.
    type Stream;

    /// Waits until something is ready or the time has come, and says what is ready and what time it is. A
    /// time that is past does not wait; no time waits for ever.
    fn wait(&mut self, ready: &mut Vec<Readiness>, until: Option<Instant>) -> io::Result<Instant>;

    /// What time it is now. For whoever measures; a turn of the loop lives by what `wait` said.
    fn now(&self) -> Instant;

    /// The next connection that has come, where from, and what is spoken where it came to. An error is one
    /// connection's, or ours for lack of descriptors or memory; the listeners live on.
    fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr, Dialect)>;

    /// No more connections: whoever tries is refused.
    fn stop_listening(&mut self);

    /// A connection to somewhere, from an address of this host or whichever suits. It is there once it is
    /// said to be writable and not said to have ended; a read or a write says how it failed.
    fn connect(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<Self::Stream>;

    /// Whether a connection that was begun is there: `WouldBlock` while that is not decided, else how it failed.
    fn connected(&mut self, stream: &mut Self::Stream) -> io::Result<()>;

    /// From now on the stream's readiness is said under this token, both ways; said anew, whatever was said under
    /// another.
    fn register(&mut self, stream: &mut Self::Stream, token: Token) -> io::Result<()>;

    /// Bytes that have come; none is the end.
    fn read(&mut self, stream: &mut Self::Stream, into: &mut [u8]) -> io::Result<usize>;

    /// Sends as much of the parts, in order, as there is room for.
    fn write(&mut self, stream: &mut Self::Stream, parts: &[Part<'_>]) -> io::Result<usize>;

    /// No more writes: the other side reads the end after the data.
    fn shutdown(&mut self, stream: &mut Self::Stream) -> io::Result<()>;

    /// The connection is over; what was written still arrives, unless input was left unread.
    fn close(&mut self, stream: Self::Stream);

    /// The connection is over at once: reset, and the stack keeps nothing of it.
    fn abort(&mut self, stream: Self::Stream);
}
