//! What a stack's user calls, and what goes wrong then. Knows the stack's ends; knows no world.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::end::End;
use super::{SimStack, SimStream};
use crate::protocol::{Dialect, Token};
use crate::server::{FIRST_DIAL, Readiness, Stack};
use crate::sim::faults::Fault;
use crate::sim::journal::Deed;
use crate::sim::packet::{Conn, What};
use crate::time::Instant;
use crate::wire::Part;

const FIRST_PORT: u16 = 20_000;
/// Most microseconds that pass between two rounds of reading on a slow host.
const SLOW: usize = 700;
/// As accept(2) says it where there are no descriptors.
const EMFILE: i32 = 24;

impl Stack for SimStack {
    type Stream = SimStream;

    /// Never waits: time is the world's.
    fn wait(&mut self, ready: &mut Vec<Readiness>, _: Option<Instant>) -> io::Result<Instant> {
        if std::mem::replace(&mut self.has_waited, true) && self.faults.strikes(Fault::SlowHost) {
            self.now = self.now + Duration::from_micros(self.faults.below(SLOW) as u64);
        }
        self.note(Deed::Waited(self.now));
        self.say(ready);
        self.make_noise(ready);
        Ok(self.now)
    }

    fn now(&self) -> Instant {
        self.now
    }

    fn accept(&mut self) -> io::Result<(SimStream, SocketAddr, Dialect)> {
        if self.backlog.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.faults.strikes(Fault::NoDescriptors) {
            return Err(io::Error::from_raw_os_error(EMFILE));
        }
        let Some((conn, dialect)) = self.backlog.pop_front() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        if self.faults.strikes(Fault::AcceptAborted) {
            self.remove(conn);
            self.send(conn, What::Reset);
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let from = self.held(&SimStream(conn)).remote;
        self.note(Deed::Accepted(conn, from, dialect));
        Ok((SimStream(conn), from, dialect))
    }

    fn stop_listening(&mut self) {
        self.listeners.clear();
        for (conn, _) in std::mem::take(&mut self.backlog) {
            self.remove(conn);
            self.send(conn, What::Reset);
        }
    }

    fn connect(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<SimStream> {
        if self.no_routes.contains(&to) {
            self.note(Deed::NoRoute(to));
            return Err(io::ErrorKind::NetworkUnreachable.into());
        }
        let conn = Conn(self.next_conn);
        self.next_conn += self.conn_step;
        self.ports += 1;
        let port = FIRST_PORT + (self.ports % 40_000) as u16; // fits: 20,000 + 39,999
        let from = SocketAddr::new(from.or(self.home).unwrap_or(to.ip()), port);
        let room = self.room;
        self.place(conn, End::new(to, room));
        self.send(conn, What::Open { from, to });
        self.note(Deed::Dialed(conn, to));
        Ok(SimStream(conn))
    }

    fn connected(&mut self, stream: &mut SimStream) -> io::Result<()> {
        let end = self.held(stream);
        match end.error {
            Some(kind) => {
                self.note(Deed::Failed(stream.0));
                Err(kind.into())
            }
            None if end.is_open => Ok(()),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn register(&mut self, stream: &mut SimStream, token: Token) -> io::Result<()> {
        if token.0 < FIRST_DIAL {
            self.last_token = self.last_token.max(token.0);
        } else {
            self.last_dial = Some(token.0);
        }
        self.held(stream).registered(token);
        self.list(stream.0);
        self.note(Deed::Registered(stream.0, token));
        Ok(())
    }

    fn read(&mut self, stream: &mut SimStream, into: &mut [u8]) -> io::Result<usize> {
        if self.faults.strikes(Fault::Interrupted) {
            self.note(Deed::Interrupted(stream.conn()));
            return Err(io::ErrorKind::Interrupted.into());
        }
        let read = self.read_some(stream, into);
        match &read {
            Ok(0) => self.note(Deed::ReadEnd(stream.0)),
            Ok(len) if self.journal.is_some() => {
                self.note(Deed::Read(stream.0, Bytes::copy_from_slice(&into[..*len])));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => self.note(Deed::Failed(stream.0)),
        }
        read
    }

    fn write(&mut self, stream: &mut SimStream, parts: &[Part<'_>]) -> io::Result<usize> {
        if self.faults.strikes(Fault::Interrupted) {
            self.note(Deed::Interrupted(stream.conn()));
            return Err(io::ErrorKind::Interrupted.into());
        }
        match self.write_some(stream, parts) {
            Ok(bytes) => {
                let len = bytes.len();
                self.note(Deed::Wrote(stream.0, bytes.clone()));
                self.send(stream.0, What::Data(bytes));
                Ok(len)
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::WouldBlock {
                    self.note(Deed::Failed(stream.0));
                }
                Err(error)
            }
        }
    }

    fn shutdown(&mut self, stream: &mut SimStream) -> io::Result<()> {
        let end = self.held(stream);
        if end.error.is_some() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        if !std::mem::replace(&mut end.is_shut, true) {
            self.send(stream.0, What::End);
        }
        self.note(Deed::Shut(stream.0));
        Ok(())
    }

    fn close(&mut self, stream: SimStream) {
        let end = self.held(&stream);
        let (is_unread, is_shut, has_failed) = (end.inbox_len() > 0, end.is_shut, end.error.is_some());
        self.remove(stream.0);
        if has_failed {
            self.note(Deed::Failed(stream.0)); // nobody is there to be told
        } else if is_unread {
            self.send(stream.0, What::Reset); // as the kernel does it
        } else if !is_shut {
            self.send(stream.0, What::End);
        }
        self.note(Deed::Closed(stream.0));
    }

    fn abort(&mut self, stream: SimStream) {
        if self.held(&stream).error.is_some() {
            self.note(Deed::Failed(stream.0)); // whoever is reset has nobody to reset
        } else {
            self.send(stream.0, What::Reset);
        }
        self.remove(stream.0);
        self.note(Deed::Aborted(stream.0));
    }
}

impl SimStack {
    fn write_some(&mut self, stream: &SimStream, parts: &[Part<'_>]) -> io::Result<Bytes> {
        let offered: usize = parts.iter().map(Part::len).sum();
        let is_short = self.faults.strikes(Fault::ShortWrite);
        let is_blocked = self.faults.strikes(Fault::BlockedWrite);
        let most = if is_short { self.faults.fewer(offered.max(1)) } else { offered };
        let end = self.held(stream);
        if let Some(kind) = end.error {
            return Err(kind.into());
        }
        if end.is_shut {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let len = most.min(end.free());
        if is_blocked && end.is_open {
            end.told.is_writable = true;
            self.list(stream.0);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if end.free() < offered {
            end.starve();
        }
        if len == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if len < offered && len < end.free() {
            end.told.is_writable = true; // there is room for more: said as after any short write
        }
        end.unread += len;
        self.list(stream.0);
        Ok(first_bytes(parts, len))
    }

    fn read_some(&mut self, stream: &SimStream, into: &mut [u8]) -> io::Result<usize> {
        let is_short = self.faults.strikes(Fault::ShortRead);
        let is_blocked = self.faults.strikes(Fault::BlockedRead);
        let most = if is_short { self.faults.fewer(into.len().max(1)) } else { into.len() };
        let end = self.held(stream);
        if is_blocked && end.has_something() {
            end.say_again();
            self.list(stream.0);
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let Some(kind) = end.error {
            end.told.is_read_out = true;
            return Err(kind.into());
        }
        if end.inbox_len() == 0 {
            end.told.is_read_out |= end.has_ended;
            return if end.has_ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let len = most.min(end.inbox_len()).min(into.len());
        let room = end.take(&mut into[..len]);
        if len < into.len() && end.inbox_len() > 0 {
            end.left_something();
        }
        if room > 0 {
            self.send(stream.0, What::Taken(room));
        }
        self.list(stream.0);
        Ok(len)
    }
}

/// The first `len` bytes of the parts: a handle on them where they lie in one.
fn first_bytes(parts: &[Part<'_>], len: usize) -> Bytes {
    if let Some(first) = parts.first().filter(|first| first.len() >= len) {
        return first.to_bytes().slice(..len);
    }
    let mut bytes = BytesMut::with_capacity(len);
    for part in parts {
        let here = part.len().min(len - bytes.len());
        bytes.extend_from_slice(&part.as_slice()[..here]);
    }
    bytes.freeze()
}
