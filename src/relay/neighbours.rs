//! Others that are dialled and kept up: what happens to an attempt, and to a connection that came of one. Once it is
//! there such a peer is like any other, but for that it has a place of its own and counts for no address; and one that
//! the operator has named, who is not at the mercy of strangers, is never banned.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::Output;
use super::address::AddressKey;
use super::dial::{Due, TOO_LATE};
use super::dials::Parting;
use super::ending::Sleeper;
use super::events::{Event, Kind, Who};
use super::reason::Reason;
use super::room::Room;
use crate::protocol::{DialId, Dialect, Token};

impl Room {
    /// One more is kept up for ever, from the next turn on.
    pub fn keep_up(&mut self, addresses: Vec<SocketAddr>, dialect: Dialect, seed: u64) -> DialId {
        let id = self.dials.add(self.now, addresses, dialect, None, seed);
        let id = id.expect("fewer addresses than 2^16");
        self.schedule_dial(id);
        id
    }

    /// One more is kept up, of whom a peer has told: as long as it does not stay away, and only where there is a place
    /// left for it.
    pub(super) fn try_to_keep_up(
        &mut self,
        to: SocketAddr,
        dialect: Dialect,
        patience: Duration,
    ) -> Option<DialId> {
        let is_full = self.peers.len() + self.dials.absent() >= self.limits.max_peers;
        if is_full || self.is_shutting_down {
            return None;
        }
        self.dials_asked += 1;
        // that the waits of two relays differ is all that chance is for: what time each has since its start differs
        let seed = self.now.as_micros() ^ self.dials_asked << 40;
        let id = self.dials.add(self.now, vec![to], dialect, Some(patience), seed)?;
        self.schedule_dial(id);
        Some(id)
    }

    /// One is not to be kept up any more. It may have been forgotten without us, in the turn before.
    pub(super) fn let_go(&mut self, id: DialId) {
        let Some(dial) = self.dials.find_mut(id) else { return };
        if dial.stop() {
            self.turn.outputs.push_back(Output::GiveUp(id));
        }
        match self.dials.token_of(id) {
            Some(token) => self.begin_ending(token, Reason::Served),
            None if self.dials.get_mut(id).is_named() => {} // its number is the operator's
            None => self.drop_dial(id, Parting::Told),
        }
    }

    /// The addresses of one that is kept up are known, or known anew.
    pub fn resolved(&mut self, id: DialId, addresses: Vec<SocketAddr>) {
        self.dials.get_mut(id).set_addresses(self.now, addresses);
        self.schedule_dial(id);
    }

    pub fn unresolved(&mut self) -> impl Iterator<Item = DialId> {
        self.dials.unresolved()
    }

    /// A connection has come about.
    pub fn dialed(&mut self, id: DialId, at: SocketAddr) -> Token {
        let dialect = self.dials.get_mut(id).dialect;
        let (token, who) = self.place(at, dialect);
        self.dials.note_up(self.now, id, token);
        self.deadlines.cancel(Sleeper::Dial(id), &mut self.dials.get_mut(id).wake);
        self.stats.dialed += 1;
        let peers = self.peers.len();
        let kind = self.kind_of(id);
        self.events.push(self.now, kind, || Event::Dialed { dial: id, who, peers });
        token
    }

    /// An attempt has failed.
    pub fn undialed(&mut self, id: DialId, why: io::ErrorKind) {
        if let Some(at) = self.dials.get_mut(id).dialing_at() {
            self.dial_failed(id, Some(at), why);
        }
    }

    /// A connection is gone that was one of these.
    pub(super) fn neighbour_lost(&mut self, id: DialId, who: Who, reason: Reason) {
        let dial = self.dials.get_mut(id);
        if dial.is_stopped() && !dial.is_named() {
            return self.drop_dial(id, Parting::Told);
        }
        let Some(retry_in) = dial.lost(self.now) else { return };
        self.dials.wants_resolving(id);
        self.schedule_dial(id);
        let kind = self.kind_of(id);
        self.events.push(self.now, kind, || Event::Lost { dial: id, who, reason, retry_in });
    }

    /// Nobody is dialled any more.
    pub(super) fn stop_dialing(&mut self) {
        let under_way = self.dials.stop();
        self.turn.outputs.extend(under_way.into_iter().map(Output::GiveUp));
    }

    /// The time of one has come, or of an attempt.
    pub(super) fn ring_dial(&mut self, id: DialId) {
        let dial = self.dials.get_mut(id);
        dial.wake.came();
        match dial.ring(self.now) {
            Due::Dial(at) if self.is_shut_out(id, at) => {
                return self.drop_dial(id, Parting::Untold);
            }
            Due::Dial(at) => self.turn.outputs.push_back(Output::Dial(id, at)),
            Due::GiveUp(at) => {
                self.turn.outputs.push_back(Output::GiveUp(id));
                return self.dial_failed(id, Some(at), TOO_LATE);
            }
            Due::Nowhere => return self.dial_failed(id, None, io::ErrorKind::NotFound),
            Due::Nothing => {}
        }
        self.schedule_dial(id);
    }

    /// Told once: whoever is away for a day is not news every half a minute.
    fn dial_failed(&mut self, id: DialId, at: Option<SocketAddr>, why: io::ErrorKind) {
        if self.dials.get_mut(id).failed(self.now).is_some() {
            if self.dials.get_mut(id).is_given_up(self.now) {
                return self.drop_dial(id, Parting::Untold);
            }
            self.dials.wants_resolving(id);
            if let Some(at) = at
                && self.dials.get_mut(id).is_news()
            {
                let kind = self.kind_of(id);
                self.events.push(self.now, kind, || Event::Undialed { dial: id, at, why });
            }
        }
        self.schedule_dial(id);
    }

    /// Whether a peer has told of somebody who is banned.
    fn is_shut_out(&mut self, id: DialId, at: SocketAddr) -> bool {
        let is_named = self.dials.get_mut(id).is_named();
        !is_named
            && self.bans.get(self.now, AddressKey::of(at.ip())).is_some()
            && !self.is_never_banned(at.ip())
    }

    /// What is told of one is told in full only where no stranger causes it.
    fn kind_of(&mut self, id: DialId) -> Kind {
        if self.dials.get_mut(id).is_named() { Kind::Dial } else { Kind::Added }
    }

    fn drop_dial(&mut self, id: DialId, parting: Parting) {
        let dial = self.dials.get_mut(id);
        self.deadlines.cancel(Sleeper::Dial(id), &mut dial.wake);
        if let (Parting::Untold, Some(at)) = (parting, dial.last_address()) {
            self.events.push(self.now, Kind::Added, || Event::LetGo { dial: id, at });
        }
        self.dials.remove(id, parting);
    }

    pub(super) fn schedule_dial(&mut self, id: DialId) {
        let dial = self.dials.get_mut(id);
        if let Some(when) = dial.deadline() {
            self.deadlines.by(Sleeper::Dial(id), &mut dial.wake, when);
        }
    }
}
