//! What a server did with its stack in one turn, in order. Knows facts; judges nothing.

use std::net::SocketAddr;

use bytes::Bytes;

use super::packet::Conn;
use crate::protocol::{Dialect, Token};
use crate::time::Instant;

/// One thing done.
#[derive(Clone, Debug)]
pub enum Deed {
    /// It waited, and was told this time.
    Waited(Instant),
    /// It began a connection, to there.
    Dialed(Conn, SocketAddr),
    /// It was to begin one, and was told at once that there is no way there.
    NoRoute(SocketAddr),
    /// It took a connection, from there, by a listener for those who speak so.
    Accepted(Conn, SocketAddr, Dialect),
    /// It let it in, under this token.
    Registered(Conn, Token),
    /// It read this.
    Read(Conn, Bytes),
    /// It read the end.
    ReadEnd(Conn),
    /// It wrote this.
    Wrote(Conn, Bytes),
    /// A read, a write or a question told it that the connection has failed.
    Failed(Conn),
    /// It was told that there will be no more bytes than there are.
    HungUp(Conn),
    /// A call was interrupted.
    Interrupted(Conn),
    /// It will write no more.
    Shut(Conn),
    /// It gave the connection up, in order.
    Closed(Conn),
    /// It reset it.
    Aborted(Conn),
}

/// The deeds of a turn.
#[derive(Debug, Default)]
pub struct Journal {
    deeds: Vec<Deed>,
}

impl Journal {
    pub(super) fn note(&mut self, deed: Deed) {
        self.deeds.push(deed);
    }

    /// Whether nothing was done but to wait.
    pub fn is_idle(&self) -> bool {
        self.deeds.iter().all(|deed| matches!(deed, Deed::Waited(_) | Deed::HungUp(_)))
    }

    /// In the order they were done.
    pub fn deeds(&self) -> &[Deed] {
        &self.deeds
    }
}
