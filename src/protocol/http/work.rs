//! The work that waits: a slice a turn, and a request of each in turn. Knows who waits; knows no request.

use super::Http;
use super::cost::{self, Cost};
use super::store::Store;
use crate::protocol::{TextOutbox, Token};
use crate::time::Instant;

impl Http {
    /// A client has taken all that it was to be sent.
    pub fn caught_up(&mut self, now: Instant, peer: Token) {
        if let Some(connection) = self.connections.get_mut(&peer) {
            connection.caught_up(now);
        }
        self.enqueue(peer);
    }

    /// The most that was done in one turn.
    pub fn longest_slice(&self) -> Cost {
        self.longest_slice
    }

    /// A slice.
    pub(super) fn work(&mut self, now: Instant, out: &mut impl TextOutbox, store: &mut impl Store) {
        self.turn += 1;
        let mut spent: Cost = 0;
        while spent < cost::SLICE
            && let Some(place) = self.queue.pop_front()
        {
            spent = spent.saturating_add(self.step(now, out, store, place));
        }
        self.queue.append(&mut self.paused);
        self.longest_slice = self.longest_slice.max(spent);
    }

    /// There may be something to do for it.
    pub(super) fn enqueue(&mut self, peer: Token) {
        let Some(connection) = self.connections.get_mut(&peer) else { return };
        if connection.has_work() && !connection.is_queued {
            connection.is_queued = true;
            self.queue.push_back((peer, connection.serial));
        }
    }

    /// One request of a connection, or some of one. Whoever has not taken what it was answered in earlier turns is
    /// answered no more until it has; whoever has been answered much in this one goes on in the next.
    fn step(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        store: &mut impl Store,
        (peer, serial): (Token, u64),
    ) -> Cost {
        const NONE: Cost = 1;
        let connection = self.connections.get_mut(&peer).filter(|found| found.serial == serial);
        let Some(connection) = connection else { return NONE };
        connection.is_queued = false;
        if connection.begin_turn(self.turn) && out.is_behind(peer) {
            return NONE;
        }
        if connection.is_answered_enough() {
            connection.is_queued = true;
            self.paused.push_back((peer, serial));
            return NONE;
        }
        let mut cost = NONE;
        self.attend(now, out, peer, |out, connection, lent| {
            cost = connection.step(now, out, store, lent, peer);
        });
        self.enqueue(peer);
        cost
    }
}
