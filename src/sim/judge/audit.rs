//! The look at everybody at the end of a turn: books, limits, deadlines, service. Looks at the relay's queues
//! themselves, never at what it has counted of them.

use std::time::Duration;

use super::party::State;
use super::{Judge, Party, Streams};
use crate::protocol::Protocol;
use crate::relay::{Limits, Relay};
use crate::sim::broken::{Broken, Promise};
use crate::sim::packet::Conn;
use crate::sim::stack::SimStack;
use crate::time::Instant;
use crate::wire::{Framing, Part};

/// Peers that are read in one turn at least, if so many can be: the log is long enough after four whole reads.
const READ_A_TURN: u64 = 4;
/// Turns that may pass beside those.
const TURNS_TO_SPARE: u64 = 3;
/// Beyond so many, whom a turn has not touched is looked at only every so many turns.
const MANY: usize = 256;
const SELDOM: u64 = 16;
/// Bytes that are read in one turn at most: a megabyte is enough, and the last read may bring as much as any.
const READ_MOST: u64 = (1 << 20) + (64 << 10);
/// What one may hold more than the books of the judge know, bytes.
const TO_SPARE: u64 = 16_384;
/// How long whoever was sent our end may go on sending: the README's word.
const LINGER: Duration = Duration::from_secs(2);
/// Time passes within a turn on a slow host: nobody is late by less.
const GRACE: Duration = Duration::from_millis(10);

/// What is held for one receiver.
#[derive(Debug, Default)]
pub struct Held {
    /// Bytes still to be sent.
    unsent: u64,
    /// Bytes of the chunks that hold them, each as a whole.
    pinned: u64,
    /// Where these lie, and how long each is.
    chunks: Vec<(usize, usize)>,
    /// Bytes it was due and bytes that were written when this was found: as long as neither grows, neither does this.
    found_at: (u64, u64),
}

/// What a party is looked at by.
#[derive(Clone, Copy)]
struct Look<'a> {
    now: Instant,
    limits: &'a Limits,
    streams: &'a Streams,
    /// Bytes that were accepted in this turn.
    new: u64,
    turn: u64,
    /// Turns that whoever can be read may wait.
    unread_most: u64,
}

impl Judge {
    pub(super) fn audit<P: Protocol>(&mut self, relay: &Relay<P>, stack: &SimStack) -> Result<(), Broken> {
        self.check_totals(relay)?;
        self.check_reasons(relay)?;
        self.check_work()?;
        if let Some(difference) = self.bans.difference(self.now, relay.bans()) {
            return Err(Promise::Bans.broken(difference));
        }
        let (mut collected, mut has_changed) = (0, false);
        let look = Look {
            now: self.now,
            limits: &self.limits,
            streams: &self.streams,
            new: self.streams.bytes_of_turn(),
            turn: self.turn,
            unread_most: self.unread_most(),
        };
        let sees_all = self.parties.len() <= MANY || look.new > 0 || self.turn.is_multiple_of(SELDOM);
        for (&conn, party) in &mut self.parties {
            let is_touched = party.read_in == self.turn || party.written_in == self.turn;
            if party.state == State::Heard && !sees_all && !is_touched {
                collected += party.reader.collected() as u64;
                continue;
            }
            has_changed |= party.look_at_queue(relay, &self.streams);
            look.at_books(conn, party)?;
            look.at_queue(conn, party)?;
            look.at_leaving(conn, party)?;
            look.at_service(conn, party, stack)?;
            look.at_writing(conn, party, stack)?;
            look.at_rate(conn, party)?;
            if party.state == State::Heard {
                collected += party.reader.collected() as u64;
            }
        }
        has_changed |= std::mem::replace(&mut self.looked_at, self.totals.closed) != self.totals.closed;
        if has_changed {
            self.pinned = self.pinned_by_all();
        }
        self.held = self.pinned + collected;
        self.check_cut()?;
        self.check_memory(relay, collected)
    }

    /// Turns that whoever can be read may wait. Lines may come to a log many times as long as they are.
    fn unread_most(&self) -> u64 {
        let read_a_turn = if self.lines_here > 0 { 1 } else { READ_A_TURN };
        self.parties.len() as u64 / read_a_turn + TURNS_TO_SPARE
    }

    /// Bytes of all chunks that somebody pins, each once.
    fn pinned_by_all(&self) -> u64 {
        let of_all = self.parties.values().flat_map(|party| &party.held.chunks);
        let mut chunks: Vec<(usize, usize)> = of_all.copied().collect();
        chunks.sort_unstable();
        chunks.dedup();
        chunks.into_iter().map(|(_, len)| len as u64).sum()
    }

    /// Whether the server sleeps although somebody is ready, when nothing more is to be said to it.
    pub fn asleep(&self, stack: &SimStack) -> Result<(), Broken> {
        if self.parties.len() > MANY && !self.turn.is_multiple_of(SELDOM) {
            return Ok(());
        }
        if let Some(conn) = self.dials.dialing().find(|&conn| stack.is_known_open(conn)) {
            return Err(
                Promise::Service.broken(format!("the loop sleeps, and {conn:?} is there and not let in"))
            );
        }
        for (&conn, party) in &self.parties {
            if party.is_to_be_read(self.now) && stack.is_known_readable(conn) {
                return Err(
                    Promise::Service.broken(format!("the loop sleeps, and {conn:?} has sent something"))
                );
            }
            let may_be_owed = matches!(party.state, State::Heard | State::Ending(..));
            if may_be_owed && party.waiting(&self.streams) > 0 && stack.is_known_writable(conn) {
                let how = format!("the loop sleeps, and {conn:?} would take what it is due");
                return Err(Promise::Service.broken(how));
            }
        }
        Ok(())
    }

    /// Whether somebody should have gone by now, had the server been woken.
    pub fn overslept(&self, now: Instant) -> Result<(), Broken> {
        self.dials.overslept(now)?;
        let before = Instant::from_micros(now.as_micros().saturating_sub(GRACE.as_micros() as u64));
        let look = Look {
            now: before,
            limits: &self.limits,
            streams: &self.streams,
            new: 0,
            turn: self.turn,
            unread_most: 0,
        };
        for (&conn, party) in &self.parties {
            if let Some(cause) = party.timed_out(before, &self.limits) {
                return Err(Promise::Deadlines.broken(format!("{conn:?} is still there after {cause}")));
            }
            look.at_leaving(conn, party)?;
        }
        Ok(())
    }

    /// Nobody is left.
    pub fn all_gone<P: Protocol>(&self, relay: &Relay<P>, stack: &SimStack) -> Result<(), Broken> {
        let zero = |what: &str, count: u64| match count {
            0 => Ok(()),
            _ => Err(Promise::Zero.broken(format!("everybody has left, and {what}: {count}"))),
        };
        zero("there are parties", self.parties.len() as u64)?;
        zero("there are peers", relay.peers() as u64)?;
        zero("bytes are retained", relay.retained_bytes() as u64)?;
        zero("the stack has ends", stack.alive() as u64)?;
        zero("bytes lie in the log", relay.log_len() as u64)?;
        zero("addresses are banned", relay.bans().len() as u64)?;
        zero("somebody waits for", relay.next_deadline().map_or(0, Instant::as_micros))
    }

    /// Whoever was closed gave reason to be closed for what the relay says.
    fn check_reasons<P: Protocol>(&self, relay: &Relay<P>) -> Result<(), Broken> {
        for (name, &count) in &relay.stats().closed {
            let possible = self.possible.get(name).copied().unwrap_or(0);
            if count > possible {
                return Err(Promise::Law
                    .broken(format!("{count} were closed for {name}, and {possible} may have been")));
            }
        }
        Ok(())
    }

    /// No turn takes longer than it may.
    fn check_work(&self) -> Result<(), Broken> {
        if self.turn_read > READ_MOST {
            return Err(Promise::Service.broken(format!("{} bytes were read in one turn", self.turn_read)));
        }
        Ok(())
    }

    /// Those who hold most go first, and no more of them than must.
    fn check_cut(&self) -> Result<(), Broken> {
        let Some(&least) = self.cut.iter().min() else { return Ok(()) };
        let holds = |party: &Party| party.held.pinned + party.reader.collected() as u64;
        let heard = self.parties.values().filter(|party| party.state == State::Heard);
        // what came in this turn may have come after that
        let new = self.streams.bytes_of_turn() + self.turn_read;
        let most = heard.map(holds).max().unwrap_or(0).saturating_sub(new);
        if least + TO_SPARE < most / 2 {
            let how = format!(
                "somebody who held {least} bytes at most was cut off, and one who holds {most} was not"
            );
            return Err(Promise::Cause.broken(how));
        }
        Ok(())
    }

    fn check_totals<P: Protocol>(&self, relay: &Relay<P>) -> Result<(), Broken> {
        let (stats, ours) = (relay.stats(), &self.totals);
        let (accounts, places) = (Promise::Accounts, Promise::Places);
        let books = [
            (accounts, "bytes read", ours.bytes, stats.incoming.bytes),
            (accounts, "frames", ours.frames, stats.incoming.frames),
            (accounts, "frames swallowed", ours.swallowed, stats.duplicates),
            (accounts, "bytes skipped", ours.skipped, stats.skipped_bytes),
            (accounts, "frames dropped", ours.dropped, stats.dropped_frames),
            (accounts, "bytes written", ours.written, stats.outgoing.bytes),
            (accounts, "bans", self.bans.spoken, stats.bans),
            (places, "accepted", ours.accepted, stats.accepted),
            (places, "dialed", ours.dialed, stats.dialed),
            (places, "closed", ours.closed, stats.closed.values().sum()),
            (places, "refused", ours.refused, stats.refused.values().sum()),
            (places, "peers", self.parties.len() as u64, relay.peers() as u64),
        ];
        for (promise, what, ours, theirs) in books {
            if ours != theirs {
                return Err(promise.broken(format!("{what}: {ours}, and the relay counts {theirs}")));
            }
        }
        Ok(())
    }

    fn check_memory<P: Protocol>(&mut self, relay: &Relay<P>, collected: u64) -> Result<(), Broken> {
        let (counted, most) = (relay.retained_bytes() as u64, self.limits.retained_max_bytes as u64);
        self.counted = counted;
        if self.held > counted {
            let how = format!("{} bytes are held ({collected} of frames), and {counted} counted", self.held);
            return Err(Promise::Accounts.broken(how));
        }
        if self.held.max(counted) > most {
            let how = format!("{} bytes are held and {counted} counted, {most} are allowed", self.held);
            return Err(Promise::Limits.broken(how));
        }
        Ok(())
    }
}

impl Look<'_> {
    /// What it sent is accounted for; what it is due was written, or waits.
    fn at_books(&self, conn: Conn, party: &Party) -> Result<(), Broken> {
        let reader = &party.reader;
        if reader.read != reader.framed + reader.dropped + reader.unfinished() as u64 {
            return Err(Promise::Accounts.broken(format!("{conn:?} sent bytes that are nowhere")));
        }
        match party.state {
            State::Gone(cause) => {
                return Err(Promise::Deadlines.broken(format!("{conn:?} is still there after {cause}")));
            }
            State::Lingering(_) => return Ok(()),
            State::Heard | State::Ending(..) => {}
        }
        let waiting = party.waiting(self.streams);
        let unsent = party.held.unsent;
        if unsent != waiting {
            let how = format!("{conn:?} is due {waiting} bytes more, and {unsent} are queued for it");
            return Err(Promise::Accounts.broken(how));
        }
        Ok(())
    }

    /// Its queue is within its limits, or was not for long.
    fn at_queue(&self, conn: Conn, party: &mut Party) -> Result<(), Broken> {
        let shared = party.held.pinned.saturating_sub(party.reply_batch + party.replies_waiting());
        if shared > self.limits.queue_hard_bytes as u64 {
            let how = format!("{conn:?} pins {shared} bytes, {} are allowed", self.limits.queue_hard_bytes);
            return Err(Promise::Limits.broken(how));
        }
        let soft = self.limits.queue_soft_bytes as u64;
        let may_be_over = party.pins_at_most(self.streams) > soft;
        party.maybe_over_soft = if may_be_over { party.maybe_over_soft.or(Some(self.now)) } else { None };
        // once it has taken something, what is new this turn may have been all that was too much
        let has_taken =
            std::mem::replace(&mut party.written_before, party.written.bytes) != party.written.bytes;
        let was_under = has_taken && shared.saturating_sub(self.new) <= soft;
        party.over_soft = match party.over_soft {
            _ if shared <= soft => None,
            Some(since) if !was_under => Some(since),
            _ => Some(self.now),
        };
        let span = self.limits.queue_soft_time;
        let is_late = party.over_soft.is_some_and(|since| self.now > since + span + GRACE);
        // whoever is leaving has its own time
        if is_late && party.state == State::Heard {
            return Err(
                Promise::Deadlines.broken(format!("{conn:?} pins {shared} bytes for longer than {span:?}"))
            );
        }
        Ok(())
    }

    /// Whoever can be read was read lately.
    fn at_service(&self, conn: Conn, party: &mut Party, stack: &SimStack) -> Result<(), Broken> {
        let is_waiting = party.is_to_be_read(self.now) && stack.is_known_readable(conn);
        let was_read = party.read_in == self.turn;
        party.unread_turns = if is_waiting && !was_read { party.unread_turns + 1 } else { 0 };
        if party.unread_turns > self.unread_most {
            return Err(
                Promise::Service.broken(format!("{conn:?} was not read for {} turns", self.unread_most))
            );
        }
        Ok(())
    }

    /// Whoever takes what it is due is written to.
    fn at_writing(&self, conn: Conn, party: &mut Party, stack: &SimStack) -> Result<(), Broken> {
        let may_be_owed = matches!(party.state, State::Heard | State::Ending(..));
        let is_waiting = may_be_owed && party.held.unsent > 0 && stack.is_known_writable(conn);
        let was_written = party.written_in == self.turn;
        party.unwritten_turns = if is_waiting && !was_written { party.unwritten_turns + 1 } else { 0 };
        if party.unwritten_turns > TURNS_TO_SPARE {
            return Err(
                Promise::Service.broken(format!("{conn:?} was not written to for {TURNS_TO_SPARE} turns"))
            );
        }
        Ok(())
    }

    /// No more messages than its rate, counted from a full bucket. Of a line as many bytes are read ahead as have come
    /// of it, and each may be a line: these are paid for before anything else is read.
    fn at_rate(&self, conn: Conn, party: &Party) -> Result<(), Broken> {
        let Some(rate) = self.limits.rate_messages else { return Ok(()) };
        let seconds = self.now.since(party.admitted).as_secs() + 1;
        let ahead = if party.framing == Framing::Lines { self.limits.max_line as u64 } else { 0 };
        let most = rate.get() * (seconds + 1) + ahead;
        if party.frames > most {
            let frames = party.frames;
            let how =
                format!("{frames} frames of {conn:?} were heard within {seconds} s, {most} are allowed");
            return Err(Promise::Limits.broken(how));
        }
        Ok(())
    }

    /// Whoever is to leave leaves in time, and at once if it has what it is due.
    fn at_leaving(&self, conn: Conn, party: &Party) -> Result<(), Broken> {
        let drain = self.limits.drain;
        let late = match party.state {
            State::Ending(cause, since) if party.waiting(self.streams) == 0 && self.now > since => {
                format!("has all it is due and is still there after {cause}")
            }
            State::Ending(cause, since) if self.now > since + drain + GRACE => {
                format!("is still there, {drain:?} after {cause}")
            }
            State::Lingering(since) if self.now > since + LINGER + GRACE => {
                format!("lingers for longer than {LINGER:?}")
            }
            State::Ending(..) | State::Lingering(_) | State::Heard | State::Gone(_) => return Ok(()),
        };
        Err(Promise::Deadlines.broken(format!("{conn:?} {late}")))
    }
}

impl Party {
    /// Looks at what is queued for it, unless that must be what it was. Whether it may be something else.
    fn look_at_queue<P: Protocol>(&mut self, relay: &Relay<P>, streams: &Streams) -> bool {
        let found_at = (self.due(streams), self.written.bytes);
        // with nothing waiting there must be nothing, and that is soon seen
        if self.held.found_at == found_at && found_at.0 > found_at.1 {
            return false;
        }
        let held = held(relay.unsent(self.token), found_at);
        let has_changed = !(held.chunks.is_empty() && self.held.chunks.is_empty());
        self.held = held;
        has_changed
    }
}

fn held<'a>(parts: impl Iterator<Item = Part<'a>>, found_at: (u64, u64)) -> Held {
    let mut held = Held { found_at, ..Held::default() };
    for part in parts {
        held.unsent += part.len() as u64;
        let chunk = part.chunk();
        let place = (chunk.as_ptr() as usize, chunk.len());
        // ranges of one chunk come one after the other
        if held.chunks.last() != Some(&place) {
            held.pinned += chunk.len() as u64;
            held.chunks.push(place);
        }
    }
    held
}
