//! What hosts say to each other, and the names both use for one connection.

use std::net::SocketAddr;

use bytes::Bytes;

/// A connection: the same number at both its ends, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conn(pub u32);

/// Something under way from one end of a connection to the other.
#[derive(Clone, Debug)]
pub struct Packet {
    /// Whose.
    pub conn: Conn,
    /// What.
    pub what: What,
}

/// What a packet says. A stream's bytes arrive in order, once: what is lost on the way is a matter of layers below.
#[derive(Clone, Debug)]
pub enum What {
    /// Somebody wants a connection.
    Open {
        /// Who.
        from: SocketAddr,
        /// With whom.
        to: SocketAddr,
    },
    /// There is one.
    Opened,
    /// There is none: nobody listens.
    Refused,
    /// Bytes of the stream.
    Data(Bytes),
    /// No more bytes.
    End,
    /// The connection is over, whatever was under way.
    Reset,
    /// So many bytes were taken out of the buffer: there is room for as many.
    Taken(usize),
}

impl Packet {
    /// Bytes of a stream that it carries.
    pub fn carries(&self) -> usize {
        match &self.what {
            What::Data(bytes) => bytes.len(),
            _ => 0,
        }
    }
}
