//! Line peers are answered no ping. That one is in the room, or has got everything, it knows when a line comes that
//! another peer has sent for this: a probe.
//!
//! ```text
//!   on arrival   everybody who waits hears the next probe, however many they are; who is not in yet, the one after it
//!   at the end   whatever the relay sent to anybody before it passed the last probe on comes before that
//! ```
//!
//! A sender does not get its own line: in a run of line peers alone it takes two, of which each probes for the other.

use std::time::Duration;

use arrayvec::ArrayVec;

use super::dialect::{Dialect, Occasion};
use super::link::Stage;
use super::maker::MessageId;
use super::receiver::Receiver;
use super::{Load, Run};
use crate::server::Stack;
use crate::time::Instant;

/// How soon a probe is repeated for those whom it did not find in the room: everybody who is in gets it too, so for
/// each of them it waits a little longer.
const AGAIN: Duration = Duration::from_millis(5);
const AGAIN_FOR_EACH: Duration = Duration::from_micros(5);
/// Each time nobody has heard one it waits twice as long, up to this: it may be on its way for longer.
const AGAIN_MOST: Duration = Duration::from_millis(320);

/// Who probes at one time.
pub type Probers = ArrayVec<u32, 2>;

/// The probes of a run, which are numbered in a row whoever sends them.
#[derive(Debug, Default)]
pub struct Probes {
    sent: u64,
    /// The first that is sent to take leave.
    farewell: Option<u64>,
}

/// Who waits for a probe on arrival, and when the next one is due.
#[derive(Debug)]
pub struct Probing {
    listening: u32,
    /// When somebody probed last, and how soon after that it is done again at the earliest.
    done: Instant,
    again: Duration,
    /// Probes since one was heard by somebody who waited.
    unheard: u32,
}

impl Probes {
    /// The next one, which this peer is to send on this occasion.
    pub fn next(&mut self, occasion: Occasion, prober: u32) -> MessageId {
        let number = self.sent;
        self.sent += 1;
        if occasion == Occasion::Farewell {
            self.farewell.get_or_insert(number);
        }
        MessageId::probe(prober, number)
    }

    /// Why it was sent, if it was.
    pub fn occasion(&self, id: MessageId) -> Option<Occasion> {
        let number = id.probe_number().filter(|number| *number < self.sent)?;
        let is_farewell = self.farewell.is_some_and(|farewell| number >= farewell);
        Some(if is_farewell { Occasion::Farewell } else { Occasion::Arrival })
    }
}

impl Probing {
    /// Nobody waits.
    pub fn beginning(now: Instant) -> Self {
        Self { listening: 0, done: now, again: Duration::ZERO, unheard: 0 }
    }

    /// One more waits.
    pub fn one_listens(&mut self) {
        self.listening += 1;
    }

    /// One of them has heard a probe.
    pub fn one_has_heard(&mut self) {
        self.listening -= 1;
        self.unheard = 0;
    }

    /// When somebody is to probe.
    pub fn due(&self) -> Option<Instant> {
        let longer = self.again * (1 << self.unheard.saturating_sub(1).min(10));
        (self.listening > 0).then(|| self.done + longer.min(AGAIN_MOST).max(self.again))
    }

    /// Somebody probes, with so many in the room.
    fn is_done(&mut self, now: Instant, in_room: u32) {
        self.again = AGAIN + in_room * AGAIN_FOR_EACH;
        self.unheard += 1;
        self.done = now;
    }
}

impl Receiver {
    /// Whether this is a probe that may come to this peer. The last one of each prober comes once.
    pub(super) fn hears(&mut self, id: MessageId, run: &Run) -> bool {
        match run.probes.occasion(id).filter(|_| id.sender != self.me) {
            None => false,
            Some(Occasion::Arrival) => true,
            Some(Occasion::Farewell) => self.waits_no_longer_for(id.sender),
        }
    }

    /// The last probe of this peer's has come, or never will. Whether it was still to come.
    pub(super) fn waits_no_longer_for(&mut self, prober: u32) -> bool {
        let at = self.probers.iter().position(|&awaited| awaited == prober);
        at.map(|at| self.probers.remove(at)).is_some()
    }
}

impl<S: Stack> Load<S> {
    /// Probes for those who have connected and wait, when it is time.
    pub(super) fn probe_for_arrivals(&mut self) {
        if self.probing.due().is_none_or(|due| self.now < due) {
            return;
        }
        self.probing.is_done(self.now, self.joining.joined());
        // the first peer, which hears none of its own, is probed for by the second
        let first = u32::from(matches!(self.links[0].stage, Stage::Listening(_)));
        for (prober, listening) in [(0, self.probing.listening - first), (1, first)] {
            let link = self.links.get(prober as usize);
            if listening > 0 && link.is_some_and(|link| !matches!(link.stage, Stage::Connecting)) {
                self.probe(Occasion::Arrival, prober);
                let news = self.last_news;
                self.flush(prober);
                self.last_news = news; // that nobody answers is none
            }
        }
    }

    /// Who probes at the end: one who has a ping for himself, or two.
    pub(super) fn last_probers(&self) -> Probers {
        if self.plan.line_peers() == 0 {
            return Probers::new();
        }
        let mut talking = (0..self.plan.peers).filter(|&peer| self.links[peer as usize].is_talking());
        let framed = talking.clone().find(|&peer| self.plan.spoken(peer) == Dialect::Frames);
        framed.map_or_else(|| talking.by_ref().take(2).collect(), |framed| Probers::from_iter([framed]))
    }

    /// The next probe waits to be sent.
    pub(super) fn probe(&mut self, occasion: Occasion, prober: u32) {
        let id = self.run.probes.next(occasion, prober);
        let bytes = self.run.maker.probe(self.plan.track(prober), id);
        self.links[prober as usize].queue(bytes.freeze());
    }
}
