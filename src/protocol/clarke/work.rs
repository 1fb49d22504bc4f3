//! The work that waits: a slice a turn, and a message of each in turn. Knows who waits; knows no message.

use super::Clarke;
use super::cost::{self, Cost};
use crate::protocol::{TextOutbox, Token};
use crate::time::Instant;

impl Clarke {
    /// The most that was done in one turn.
    pub fn longest_slice(&self) -> Cost {
        self.longest_slice
    }

    /// Whether something waits to be done.
    pub(super) fn has_work(&self) -> bool {
        !self.queue.is_empty()
    }

    /// A slice. What was said before streams ended has been done already, and counts.
    pub(super) fn work(&mut self, now: Instant, out: &mut impl TextOutbox) {
        self.turn += 1;
        while self.desk.spent < cost::SLICE && self.wake_next(now, out) {}
        while self.desk.spent < cost::SLICE
            && let Some(place) = self.queue.pop_front()
        {
            self.step(now, out, place);
        }
        self.queue.append(&mut self.paused);
        self.longest_slice = self.longest_slice.max(self.desk.spent);
        self.desk.spent = 0;
    }

    /// What a connection waits for now.
    pub(super) fn look_after(&mut self, peer: Token) {
        let Some(conversation) = self.conversations.get_mut(&peer) else { return };
        match conversation.deadline() {
            Some(when) => self.graces.by(peer, &mut conversation.wake, when),
            None => self.graces.cancel(peer, &mut conversation.wake),
        }
    }

    /// There may be something to do for it.
    pub(super) fn enqueue(&mut self, peer: Token) {
        let Some(conversation) = self.conversations.get_mut(&peer) else { return };
        if conversation.is_waiting() && !conversation.is_queued {
            conversation.is_queued = true;
            self.queue.push_back((peer, conversation.serial));
        }
    }

    /// Somebody has waited for long enough, unless nobody has.
    fn wake_next(&mut self, now: Instant, out: &mut impl TextOutbox) -> bool {
        let Some(peer) = self.graces.pop(now) else { return false };
        if let Some(conversation) = self.conversations.get_mut(&peer) {
            conversation.wake.came();
            if conversation.is_waiting() {
                return true; // what it has said is looked at first, and then its time is set anew
            }
            if conversation.deadline().is_some_and(|when| when <= now) {
                conversation.waited(now, out, &mut self.desk);
            }
            self.look_after(peer);
        }
        true
    }

    /// One message of a connection, or some of one. Whoever has not taken what it was answered in earlier turns is
    /// answered no more until it has; whoever has been answered much in this one goes on in the next.
    fn step(&mut self, now: Instant, out: &mut impl TextOutbox, (peer, serial): (Token, u64)) {
        let conversation = self.conversations.get_mut(&peer).filter(|found| found.serial == serial);
        let Some(conversation) = conversation else { return };
        conversation.is_queued = false;
        if conversation.begin_turn(self.turn) && out.is_behind(peer) {
            return;
        }
        if conversation.is_answered_enough() {
            conversation.is_queued = true;
            return self.paused.push_back((peer, serial));
        }
        conversation.step(now, out, &mut self.desk);
        self.look_after(peer);
        self.enqueue(peer);
    }
}
