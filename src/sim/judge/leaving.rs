//! Who is let in, who is sent away, and whether there was a cause.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use super::party::{Cause, Guest, State};
use super::{Judge, Orderly, Party};
use crate::protocol::Token;
use crate::relay::AddressKey;
use crate::server::FIRST_DIAL;
use crate::sim::broken::{Broken, Promise};
use crate::sim::packet::Conn;
use crate::wire::Framing;

/// What one queue's entries cost beside their bytes, generously, bytes.
const ENTRIES: u64 = 4096;
/// What is held beside bytes, within one turn, by all, generously: entries of queues and their handles.
const OVERHEAD: u64 = 65_536;
/// How long whoever was sent our end may go on sending: the README's word.
const LINGER: Duration = Duration::from_secs(2);

impl Judge {
    /// The relay let somebody in.
    pub(super) fn admitted(&mut self, conn: Conn, token: Token) -> Result<(), Broken> {
        if self.dials.is_dialing(conn) {
            return self.dialed(conn, token);
        }
        let guest = self.at_the_door.take().filter(|&(at_the_door, ..)| at_the_door == conn);
        let Some((_, from, framing)) = guest else {
            return Err(Promise::Places.broken(format!("{conn:?} is let in and has not come")));
        };
        if let Some(broken) = self.objection(from) {
            return Err(broken);
        }
        self.seat(conn, token, from, framing)?;
        self.totals.accepted += 1;
        *self.per_address.entry(AddressKey::of(from.ip())).or_default() += 1;
        Ok(())
    }

    /// A connection of our own is watched, or it is there: then it is a peer like any other, whatever its address.
    fn dialed(&mut self, conn: Conn, token: Token) -> Result<(), Broken> {
        let to = self.dials.address_of(conn).filter(|_| token.0 < FIRST_DIAL);
        to.map_or(Ok(()), |to| {
            self.dials.came_up(self.now, conn);
            self.totals.dialed += 1;
            self.seat(conn, token, to, Framing::Frames)
        })
    }

    fn seat(&mut self, conn: Conn, token: Token, at: SocketAddr, framing: Framing) -> Result<(), Broken> {
        if let Some(other) = self.places.insert(token.0, conn) {
            return Err(Promise::Places.broken(format!("{token:?} is given to {conn:?} and is {other:?}'s")));
        }
        let guest = Guest { ip: at.ip(), framing };
        let party = Party::new(self.now, token, guest, &self.streams, &self.limits);
        if framing == Framing::Lines {
            self.lines_here += 1;
            self.mixed.lines += 1;
        }
        self.parties.insert(conn, party);
        Ok(())
    }

    /// We have sent our end.
    pub(super) fn shut(&mut self, conn: Conn) -> Result<(), Broken> {
        self.look_for_cause(conn)?;
        if let Some(party) = self.parties.get_mut(&conn) {
            party.end(Cause::Shutdown, self.now, &self.streams);
            if let State::Ending(cause, _) = party.state {
                party.lingers_for = Some(cause);
            }
            party.state = State::Lingering(self.now);
        }
        Ok(())
    }

    /// The connection was given back to the stack.
    pub(super) fn closed(&mut self, conn: Conn, how: Orderly) -> Result<(), Broken> {
        if let Some((_, from, _)) = self.at_the_door.take_if(|&mut (at_the_door, ..)| at_the_door == conn) {
            return self.refused(from);
        }
        if self.dials.is_dialing(conn) {
            return self.dials.given_up(self.now, conn);
        }
        self.look_for_cause(conn)?;
        self.look_at_manner(conn, how)?;
        let Some(mut party) = self.parties.remove(&conn) else {
            return Err(Promise::Places.broken(format!("{conn:?} is closed and is not there")));
        };
        self.totals.closed += 1;
        self.lines_here -= usize::from(party.framing == Framing::Lines);
        self.departures.remove(&conn);
        self.places.remove(&party.token.0);
        if self.dials.is_up(conn) {
            self.dials.lost(self.now, conn);
        } else if let Some(count) = self.per_address.get_mut(&party.key) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&party.key);
            }
        }
        self.note_reasons(&party);
        party.end(Cause::Failed, self.now, &self.streams);
        if !party.is_over && !party.has_failed {
            self.left.insert(conn, party);
        }
        Ok(())
    }

    /// What is against letting somebody in.
    fn objection(&self, from: SocketAddr) -> Option<Broken> {
        let key = AddressKey::of(from.ip());
        let is_spared = self.limits.never_ban.iter().any(|net| net.contains(&from.ip().to_canonical()));
        if self.bans.has(self.now, key) && !is_spared {
            return Some(Promise::Bans.broken(format!("{from} is let in, and is banned")));
        }
        let (peers, of_address) = (self.parties.len(), self.per_address.get(&key).copied().unwrap_or(0));
        if self.limits.max_peers_per_ip.is_some_and(|max| of_address >= max) {
            return Some(Promise::Limits.broken(format!("{from} is let in, and has {of_address} places")));
        }
        let is_full = peers + self.dials.absent() >= self.limits.max_peers;
        is_full.then(|| Promise::Limits.broken(format!("{from} is let in, and there are {peers} peers")))
    }

    fn refused(&mut self, from: SocketAddr) -> Result<(), Broken> {
        self.totals.refused += 1;
        match self.objection(from) {
            Some(_) => Ok(()),
            None => Err(Promise::Bans.broken(format!("{from} is refused, and nothing is against it"))),
        }
    }

    /// Whoever is sent away has given a cause, and has what it was owed if it goes in order.
    fn look_for_cause(&mut self, conn: Conn) -> Result<(), Broken> {
        let Some(party) = self.parties.get(&conn) else { return Ok(()) };
        match party.state {
            State::Lingering(_) | State::Gone(_) => return Ok(()),
            _ if party.has_failed => return Ok(()),
            State::Ending(cause, since) => {
                let waiting = party.waiting(&self.streams);
                let had_time = self.now >= since + self.limits.drain || self.may_be_cut(party).is_some();
                if waiting > 0 && !had_time {
                    let how = format!(
                        "{conn:?} is closed for {cause}, and {waiting} bytes it is due were not sent"
                    );
                    return Err(Promise::Delivery.broken(how));
                }
                return Ok(());
            }
            State::Heard => {}
        }
        match self.may_be_cut(party) {
            Some(Cause::Memory) => {
                let holds = party.holds_at_most(&self.streams);
                self.cut.push(holds);
                Ok(())
            }
            Some(_) => Ok(()),
            None => {
                let queued = party.pins_at_most(&self.streams);
                Err(Promise::Cause
                    .broken(format!("{conn:?} is sent away; at most {queued} bytes are queued for it")))
            }
        }
    }

    /// What it may have been closed for.
    fn note_reasons(&mut self, party: &Party) {
        let by_state = match party.state {
            State::Ending(cause, _) | State::Gone(cause) => cause.reasons(),
            State::Lingering(_) => party.lingers_for.map_or(&[][..], Cause::reasons),
            State::Heard => &["queue-soft", "queue-hard", "memory", "eof", "idle-timeout"],
        };
        let may_always_be = ["reset", "timeout", "drain", "queue-soft", "queue-hard", "memory"];
        let names: BTreeSet<&'static str> = by_state.iter().copied().chain(may_always_be).collect();
        names.into_iter().for_each(|name| *self.possible.entry(name).or_default() += 1);
    }

    /// A reset destroys what was sent last: whoever is owed an end in order gets one. Whoever is banned does not.
    fn look_at_manner(&self, conn: Conn, how: Orderly) -> Result<(), Broken> {
        let Some(party) = self.parties.get(&conn).filter(|party| !party.has_failed) else { return Ok(()) };
        let is_in_time = |since| self.now < since + self.limits.drain;
        let is_owed = match party.state {
            State::Ending(_, since) => is_in_time(since) && self.may_be_cut(party).is_none(),
            State::Lingering(_) => true,
            State::Heard | State::Gone(_) => false,
        };
        match (party.state, how) {
            (_, Orderly::No) if is_owed => {
                Err(Promise::Delivery.broken(format!("{conn:?} is reset, and was to be closed in order")))
            }
            (State::Ending(cause, _), Orderly::Yes) if !party.is_drained => {
                let how = format!("{conn:?} is closed for {cause} before its own end was read");
                Err(Promise::Delivery.broken(how))
            }
            (State::Lingering(since), Orderly::Yes) if !party.is_drained && self.now < since + LINGER => {
                Err(Promise::Delivery
                    .broken(format!("{conn:?} was to have {LINGER:?} to end, and is closed before")))
            }
            (State::Gone(cause), Orderly::Yes) => {
                Err(Promise::Law.broken(format!("{conn:?} is closed in order, and is to go for {cause}")))
            }
            _ => Ok(()),
        }
    }

    /// What may be the cause of cutting somebody off who broke no rule.
    fn may_be_cut(&self, party: &Party) -> Option<Cause> {
        let limits = &self.limits;
        if party.pins_at_most(&self.streams) + ENTRIES > limits.queue_hard_bytes as u64 {
            return Some(Cause::Slow);
        }
        if party.maybe_over_soft.is_some_and(|since| self.now >= since + limits.queue_soft_time) {
            return Some(Cause::Slow);
        }
        // within a turn more may have been held than at its end; what is collected grows by doubling
        let turn = self.streams.bytes_of_turn() + self.turn_bytes;
        let most = self.counted + 4 * turn + OVERHEAD;
        let holds = party.holds_at_most(&self.streams);
        if most > limits.retained_max_bytes as u64 && holds > 0 {
            return Some(Cause::Memory);
        }
        None
    }
}
