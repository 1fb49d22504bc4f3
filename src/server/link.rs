//! The server's half of a connection: the stream and what is known of its readiness. The other half, the
//! peer, is the relay's; both stand at the same token.

use crate::protocol::Token;
use crate::relay::Reason;

/// One connection's stream.
#[derive(Debug)]
pub(super) struct Link<T> {
    pub stream: T,
    pub mode: Mode,
    /// It may have bytes.
    pub is_readable: bool,
    /// It may take bytes.
    pub is_writable: bool,
    /// A short read says nothing of what is left: read on until there is nothing, or the end itself.
    pub is_read_to_the_end: bool,
    /// The end has been read.
    pub is_drained: bool,
    /// The last write left something.
    pub is_behind: bool,
    /// It stands among the readers.
    pub is_queued_reader: bool,
    /// It stands among the writers.
    pub is_queued_writer: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// What it sends is the relay's.
    Talking,
    /// We have sent our end; what it still sends is read and forgotten for [`LINGER`](super::LINGER).
    Lingering { reason: Reason },
}

/// Links by token.
#[derive(Debug)]
pub(super) struct Links<T>(Vec<Option<Link<T>>>);

impl<T> Link<T> {
    /// A new connection: nothing to read is known of, and it takes bytes until it says otherwise.
    pub fn new(stream: T) -> Self {
        Self {
            stream,
            mode: Mode::Talking,
            is_readable: false,
            is_writable: true,
            is_read_to_the_end: false,
            is_drained: false,
            is_behind: false,
            is_queued_reader: false,
            is_queued_writer: false,
        }
    }
}

impl<T> Links<T> {
    /// None, and room for so many before any is moved.
    pub fn with_room_for(places: usize) -> Self {
        Self(Vec::with_capacity(places))
    }

    pub fn get(&self, token: Token) -> Option<&Link<T>> {
        self.0.get(token.index())?.as_ref()
    }

    pub fn get_mut(&mut self, token: Token) -> Option<&mut Link<T>> {
        self.0.get_mut(token.index())?.as_mut()
    }

    pub fn insert(&mut self, token: Token, link: Link<T>) {
        if self.0.len() <= token.index() {
            self.0.resize_with(token.index() + 1, || None);
        }
        let before = self.0[token.index()].replace(link);
        assert!(before.is_none(), "{token:?} is given to one connection at a time");
    }

    pub fn remove(&mut self, token: Token) -> Option<Link<T>> {
        self.0.get_mut(token.index())?.take()
    }
}

#[cfg(test)]
mod tests {
    use mio::net::TcpStream;

    use super::*;

    #[test]
    fn a_link_costs_12_bytes_beside_its_stream_and_16_with_it() {
        // the mode with its reason 5, and seven bits of a byte each; a place without a link costs no more
        let beside = (size_of::<TcpStream>() + 12).next_multiple_of(align_of::<TcpStream>());
        assert_eq!(size_of::<Option<Link<TcpStream>>>(), beside);
        if !cfg!(debug_assertions) {
            assert_eq!(beside, 16, "with them mio keeps more than the descriptor");
        }
    }
}
