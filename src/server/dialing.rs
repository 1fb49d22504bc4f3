//! Connections that we begin: none is a peer before it is there. Decides nothing: whom, and when again, says the
//! relay.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;

use super::link::Link;
use super::{Server, Stack};
use crate::protocol::{DialId, Protocol, Token};
use crate::relay::Reason;

/// From here on tokens are those of attempts, one for each that is kept up: no slab reaches so far.
pub const FIRST_DIAL: u32 = u32::MAX - u16::MAX as u32;

/// Attempts.
#[derive(Debug)]
pub(super) struct Dialing<T> {
    /// To be begun in this turn.
    wanted: Vec<(DialId, SocketAddr)>,
    under_way: BTreeMap<DialId, Attempt<T>>,
    /// Of whom something was said in this turn.
    ready: Vec<DialId>,
}

#[derive(Debug)]
struct Attempt<T> {
    stream: T,
    to: SocketAddr,
}

impl<T> Dialing<T> {
    pub fn new() -> Self {
        Self { wanted: Vec::new(), under_way: BTreeMap::new(), ready: Vec::new() }
    }

    pub fn want(&mut self, id: DialId, to: SocketAddr) {
        self.wanted.push((id, to));
    }

    /// Something was said of a token, which may be that of an attempt.
    pub fn note_ready(&mut self, token: Token) {
        if let Some(id) = dial_of(token)
            && self.under_way.contains_key(&id)
            && !self.ready.contains(&id)
        {
            self.ready.push(id);
        }
    }
}

impl<S: Stack, P: Protocol> Server<S, P> {
    /// Attempts that are decided, and new ones. Last in a turn, like accepting: who comes is due what is said from
    /// the next turn on.
    pub(super) fn dial(&mut self) {
        for id in std::mem::take(&mut self.dialing.ready) {
            self.look_at(id);
        }
        for (id, to) in std::mem::take(&mut self.dialing.wanted) {
            if let Err(error) = self.begin(id, to) {
                self.relay.undialed(self.now, id, error.kind());
            }
        }
    }

    /// An attempt that nobody waits for any more.
    pub(super) fn give_up(&mut self, id: DialId) {
        self.dialing.wanted.retain(|&(wanted, _)| wanted != id);
        if let Some(attempt) = self.dialing.under_way.remove(&id) {
            self.stack.abort(attempt.stream);
        }
    }

    fn begin(&mut self, id: DialId, to: SocketAddr) -> io::Result<()> {
        let mut stream = self.stack.connect(to, None)?;
        if let Err(error) = self.stack.register(&mut stream, token_of(id)) {
            self.stack.abort(stream);
            return Err(error);
        }
        let before = self.dialing.under_way.insert(id, Attempt { stream, to });
        assert!(before.is_none(), "{id:?} is dialled once at a time");
        Ok(())
    }

    /// Has an attempt come to something?
    fn look_at(&mut self, id: DialId) {
        let Some(mut attempt) = self.dialing.under_way.remove(&id) else { return };
        match self.stack.connected(&mut attempt.stream) {
            Ok(()) => self.let_in(id, attempt),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.dialing.under_way.insert(id, attempt);
            }
            Err(error) => {
                self.stack.abort(attempt.stream);
                self.relay.undialed(self.now, id, error.kind());
            }
        }
    }

    /// From now on it is a peer like any other.
    fn let_in(&mut self, id: DialId, Attempt { mut stream, to }: Attempt<S::Stream>) {
        let token = self.relay.dialed(self.now, id, to);
        match self.stack.register(&mut stream, token) {
            Ok(()) => self.links.insert(token, Link::new(stream)),
            Err(error) => {
                self.stack.abort(stream);
                self.relay.closed(self.now, token, Reason::Lost(error.kind()));
            }
        }
    }
}

fn token_of(id: DialId) -> Token {
    Token(FIRST_DIAL + u32::from(id.0))
}

fn dial_of(token: Token) -> Option<DialId> {
    let nth = token.0.checked_sub(FIRST_DIAL)?;
    u16::try_from(nth).ok().map(DialId)
}
