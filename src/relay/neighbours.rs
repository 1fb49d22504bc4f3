//! Other relays that are dialled and kept up: what happens to an attempt, and to a connection that came of one. Once
//! it is there such a peer is like any other, but for that it is not at the mercy of strangers: it has a place of its
//! own, counts for no address, and is never banned.

use std::io;
use std::net::SocketAddr;

use super::Output;
use super::dials::{DialId, Due, TOO_LATE};
use super::ending::Sleeper;
use super::events::{Event, Kind, Who};
use super::reason::Reason;
use super::room::Room;
use crate::protocol::Token;
use crate::wire::Framing;

impl Room {
    /// One more is kept up, from the next turn on.
    pub fn keep_up(&mut self, addresses: Vec<SocketAddr>, seed: u64) -> DialId {
        let id = self.dials.add(self.now, addresses, seed);
        self.schedule_dial(id);
        id
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
        let (token, who) = self.place(at, Framing::Frames);
        self.dials.note_up(self.now, id, token);
        self.deadlines.cancel(Sleeper::Dial(id), &mut self.dials.get_mut(id).wake);
        self.stats.dialed += 1;
        let peers = self.peers.len();
        self.events.push(self.now, Kind::Dial, || Event::Dialed { dial: id, who, peers });
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
        let Some(retry_in) = self.dials.get_mut(id).lost(self.now) else { return };
        self.dials.wants_resolving(id);
        self.schedule_dial(id);
        self.events.push(self.now, Kind::Dial, || Event::Lost { dial: id, who, reason, retry_in });
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
            self.dials.wants_resolving(id);
            if let Some(at) = at
                && self.dials.get_mut(id).is_news()
            {
                self.events.push(self.now, Kind::Dial, || Event::Undialed { dial: id, at, why });
            }
        }
        self.schedule_dial(id);
    }

    fn schedule_dial(&mut self, id: DialId) {
        let dial = self.dials.get_mut(id);
        if let Some(when) = dial.deadline() {
            self.deadlines.by(Sleeper::Dial(id), &mut dial.wake, when);
        }
    }
}
