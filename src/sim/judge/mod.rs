//! Whether the relay keeps its promises. Knows what the server read and wrote, and what it should have made of
//! that, and works it out for itself. What it shares with the relay, and so cannot doubt, is how addresses are keyed
//! and which first bytes are another protocol's.
//!
//! After each turn the judge goes through the server's journal: what was read it decodes anew and judges by the
//! law, what was written it compares with what was due, and at the end it looks at everybody who is there.

mod audit;
mod bans;
mod dials;
mod hearing;
mod leaving;
mod party;
mod rates;
mod reader;
mod repeats;
mod spelling;
mod streams;

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use bytes::Bytes;

use super::broken::{Broken, Promise};
use super::house::Watch;
use super::journal::{Deed, Journal};
use super::packet::Conn;
use super::setup::Penalties;
use super::stack::SimStack;
use crate::protocol::Protocol;
use crate::relay::{AddressKey, Limits, Relay};
use crate::time::Instant;
use crate::wire::Framing;
use bans::Bans;
pub use dials::DialCounts;
use dials::Dials;
use party::{Cause, Party, State};
use repeats::Repeats;
use streams::{Mismatch, Streams};

/// Turns after which the streams forget what everybody has.
const FORGET_EVERY: u64 = 256;

/// The judge of one server.
#[derive(Debug)]
pub struct Judge {
    penalties: Penalties,
    limits: Limits,
    parties: BTreeMap<Conn, Party>,
    /// Gone from the server, and what it wrote is still under way to them.
    left: BTreeMap<Conn, Party>,
    /// Who sits where.
    places: BTreeMap<u32, Conn>,
    per_address: BTreeMap<AddressKey, usize>,
    streams: Streams,
    bans: Bans,
    /// Addresses that are kept up.
    dials: Dials,
    /// Frames that are not relayed again.
    repeats: Repeats,
    /// Accepted by the stack; what the relay says to it is not known yet.
    at_the_door: Option<(Conn, SocketAddr, Framing)>,
    /// When bytes left their senders: up to which, and when.
    departures: BTreeMap<Conn, (u64, VecDeque<(u64, Instant)>)>,
    totals: Totals,
    now: Instant,
    turn: u64,
    /// Bytes read, and bytes of answers, in this turn.
    turn_bytes: u64,
    /// Bytes read in this turn, of whoever.
    turn_read: u64,
    /// Whoever was cut off in this turn for no fault of its own, and what it may have held.
    cut: Vec<u64>,
    /// How many may have been closed for each reason.
    possible: BTreeMap<&'static str, u64>,
    /// Everything read in this turn is judged, and who is too late as well.
    has_heard: bool,
    is_shutting_down: bool,
    /// Bytes that the relay's queues held at the end of the last turn.
    pinned: u64,
    /// These, and what it held of unfinished frames.
    held: u64,
    /// What the relay itself counted then: never less than is held.
    counted: u64,
    /// How many had left when that was found.
    looked_at: u64,
    deliveries: Vec<Delivery>,
    /// How many speak lines.
    lines_here: usize,
    mixed: Mixed,
}

/// What has happened between those who speak frames and those who speak lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mixed {
    /// Who spoke lines.
    pub lines: u64,
    /// Lines that came to somebody as a line.
    pub line_to_line: u64,
    /// Lines that came to somebody as a frame.
    pub line_to_frame: u64,
    /// Frames that came to somebody as a line.
    pub frame_to_line: u64,
    /// Who spoke lines, and was banned for one.
    pub lines_banned: u64,
}

/// What the relay's counters should say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    accepted: u64,
    dialed: u64,
    closed: u64,
    refused: u64,
    bytes: u64,
    frames: u64,
    /// Frames that were relayed before, and so were not.
    swallowed: u64,
    skipped: u64,
    dropped: u64,
    written: u64,
}

/// A frame that has come to a receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// When it left its sender.
    pub sent: Instant,
    /// When it came.
    pub came: Instant,
}

impl Judge {
    /// Of a relay with these penalties and these limits.
    pub fn new(penalties: Penalties, limits: Limits) -> Self {
        Self {
            bans: Bans::new(limits.max_bans),
            dials: Dials::default(),
            repeats: Repeats::new(limits.dedup),
            penalties,
            limits,
            parties: BTreeMap::new(),
            left: BTreeMap::new(),
            places: BTreeMap::new(),
            per_address: BTreeMap::new(),
            streams: Streams::default(),
            at_the_door: None,
            departures: BTreeMap::new(),
            totals: Totals::default(),
            now: Instant::START,
            turn: 0,
            turn_bytes: 0,
            turn_read: 0,
            cut: Vec::new(),
            possible: BTreeMap::new(),
            has_heard: false,
            is_shutting_down: false,
            pinned: 0,
            held: 0,
            counted: 0,
            looked_at: 0,
            deliveries: Vec::new(),
            lines_here: 0,
            mixed: Mixed::default(),
        }
    }

    /// These are kept up from now on, each at one of its addresses.
    pub fn keeps_up(&mut self, now: Instant, dials: &[Vec<SocketAddr>]) {
        self.dials.keep_up(now, dials);
    }

    /// The server had a turn.
    pub fn turn<P: Protocol>(
        &mut self,
        journal: &Journal,
        relay: &Relay<P>,
        stack: &SimStack,
    ) -> Result<(), Broken> {
        self.turn += 1;
        self.streams.begin_turn();
        self.turn_bytes = 0;
        self.turn_read = 0;
        self.cut.clear();
        self.has_heard = false;
        journal.deeds().iter().try_for_each(|deed| self.deed(deed))?;
        self.heard_all();
        self.audit(relay, stack)?;
        if self.turn.is_multiple_of(FORGET_EVERY) {
            self.forget();
        }
        Ok(())
    }

    /// From the next turn on everybody is to go.
    pub fn shuts_down(&mut self) {
        self.is_shutting_down = true;
        self.dials.end();
        for party in self.parties.values_mut() {
            party.end(Cause::Shutdown, self.now, &self.streams);
        }
    }

    /// Bytes left a client's end.
    pub fn left_client(&mut self, conn: Conn, count: usize, now: Instant) {
        let (sent, times) = self.departures.entry(conn).or_default();
        *sent += count as u64;
        times.push_back((*sent, now));
    }

    /// Bytes came to a client's end.
    pub fn came(&mut self, conn: Conn, bytes: &[u8], now: Instant) -> Result<(), Broken> {
        let Some(party) = self.parties.get_mut(&conn).or(self.left.get_mut(&conn)) else { return Ok(()) };
        let (deliveries, mixed, framing) = (&mut self.deliveries, &mut self.mixed, party.framing);
        let whole = |entry: &streams::Entry| {
            deliveries.push(Delivery { sent: entry.sent, came: now });
            mixed.note(entry.spoken, framing);
        };
        let upto = party.upto();
        self.streams
            .of(framing)
            .follow(conn, &party.replies, &mut party.came, upto, bytes, whole)
            .map_err(|mismatch| wrong(conn, &mismatch, "came to"))
    }

    /// A client's end has seen the last of its connection: in order, or not.
    pub fn is_over(&mut self, conn: Conn, is_orderly: Orderly) -> Result<(), Broken> {
        self.departures.remove(&conn);
        let party = match self.left.remove(&conn) {
            Some(party) => party,
            None => {
                let Some(party) = self.parties.get_mut(&conn) else { return Ok(()) };
                party.is_over = true;
                return Ok(());
            }
        };
        let lacks = party.written.bytes - party.came.bytes;
        if is_orderly == Orderly::Yes && lacks > 0 {
            return Err(Promise::Delivery
                .broken(format!("{conn:?} read the end, and {lacks} bytes before it never came")));
        }
        Ok(())
    }

    /// What has come since the last call.
    pub fn deliveries(&mut self) -> impl Iterator<Item = Delivery> {
        self.deliveries.drain(..)
    }

    /// What has happened between the framings.
    pub fn mixed(&self) -> Mixed {
        self.mixed
    }

    /// Bytes that wait to be written, for all receivers together.
    pub fn waiting(&self) -> u64 {
        self.parties.values().map(|party| party.waiting(&self.streams)).sum()
    }

    /// Bytes that wait or are on their way, for all receivers together.
    pub fn under_way(&self) -> u64 {
        let lacks = |party: &Party| party.due(&self.streams).saturating_sub(party.came.bytes);
        self.parties.values().filter(|party| !party.is_over).map(lacks).sum()
    }

    /// Nobody has an end of this connection any more.
    pub fn forget_departures(&mut self, conn: Conn) {
        self.departures.remove(&conn);
    }

    /// What a connection that is heard is due and has not got, and what it has sent that was not read.
    pub fn owed(&self, conn: Conn) -> Option<(u64, u64)> {
        let party = self.parties.get(&conn).filter(|party| party.state == State::Heard);
        let sent = self.departures.get(&conn).map_or(0, |&(sent, _)| sent);
        party.map(|party| {
            let due = party.due(&self.streams).saturating_sub(party.came.bytes);
            (due, sent.saturating_sub(party.reader.read))
        })
    }

    /// Whether a connection is let in and heard.
    pub fn is_heard(&self, conn: Conn) -> bool {
        self.parties.get(&conn).is_some_and(|party| party.state == State::Heard)
    }

    /// The connection that one of those kept up has, by the order they were given in.
    pub fn dialed_conn(&self, nth: usize) -> Option<Conn> {
        self.dials.up(nth)
    }

    /// Whether a connection is being made.
    pub fn is_dialing(&self) -> bool {
        self.dials.dialing().next().is_some()
    }

    /// What became of attempts to connect.
    pub fn dial_counts(&self) -> DialCounts {
        self.dials.counts()
    }

    /// Frames that were not relayed again.
    pub fn swallowed(&self) -> u64 {
        self.totals.swallowed
    }

    fn deed(&mut self, deed: &Deed) -> Result<(), Broken> {
        if !matches!(deed, Deed::Waited(_) | Deed::Read(..) | Deed::ReadEnd(_) | Deed::Failed(_))
            && !matches!(deed, Deed::Interrupted(_) | Deed::HungUp(_))
        {
            self.heard_all();
        }
        match deed {
            Deed::Waited(now) => self.now = *now,
            Deed::Dialed(conn, to) => return self.dials.begun(self.now, *conn, *to),
            Deed::NoRoute(to) => return self.dials.found_no_route(self.now, *to),
            Deed::Accepted(conn, from, dialect) => {
                self.at_the_door = dialect.framing().map(|framing| (*conn, *from, framing));
            }
            Deed::Registered(conn, token) => return self.admitted(*conn, *token),
            Deed::Read(conn, bytes) => return self.read(*conn, bytes),
            Deed::ReadEnd(conn) => return self.read_end(*conn),
            Deed::Wrote(conn, bytes) => return self.wrote(*conn, bytes),
            Deed::Failed(conn) => {
                self.dials.note_failed(*conn);
                if let Some(party) = self.parties.get_mut(conn) {
                    party.has_failed = true;
                }
            }
            Deed::HungUp(conn) => {
                if let Some(party) = self.parties.get_mut(conn).filter(|party| party.state == State::Heard) {
                    party.hung_up.get_or_insert(self.now);
                }
            }
            Deed::Interrupted(conn) => {
                if let Some(party) = self.parties.get_mut(conn) {
                    (party.read_in, party.written_in) = (self.turn, self.turn);
                }
            }
            Deed::Shut(conn) => return self.shut(*conn),
            Deed::Closed(conn) => return self.closed(*conn, Orderly::Yes),
            Deed::Aborted(conn) => return self.closed(*conn, Orderly::No),
        }
        Ok(())
    }

    /// What was written to a receiver is the next that it is due.
    fn wrote(&mut self, conn: Conn, bytes: &Bytes) -> Result<(), Broken> {
        self.totals.written += bytes.len() as u64;
        let Some(party) = self.parties.get_mut(&conn) else {
            return Err(Promise::Places.broken(format!("{conn:?} is written to and is not there")));
        };
        if let State::Gone(cause) = party.state {
            return Err(Promise::Law.broken(format!("{conn:?} is written to, and is to go for {cause}")));
        }
        let upto = party.upto();
        self.streams
            .of(party.framing)
            .follow(conn, &party.replies, &mut party.written, upto, bytes, |_| {})
            .map_err(|mismatch| wrong(conn, &mismatch, "was written to"))?;
        party.written_in = self.turn;
        party.note_taken(self.now);
        Ok(())
    }

    fn forget(&mut self) {
        for party in self.parties.values_mut().chain(self.left.values_mut()) {
            let cursor = if party.came.bytes < party.written.bytes { party.came } else { party.written };
            party.replies.forget(&cursor);
        }
        for framing in [Framing::Frames, Framing::Lines] {
            let all = self.parties.values().chain(self.left.values());
            let wanted = all.filter(|party| party.framing == framing).map(Party::wants_from).min();
            let stream = self.streams.of_mut(framing);
            stream.forget(wanted.unwrap_or(stream.end()));
        }
    }
}

impl Watch for Judge {
    fn turn<P: Protocol>(
        &mut self,
        journal: &Journal,
        relay: &Relay<P>,
        stack: &SimStack,
    ) -> Result<(), Broken> {
        Self::turn(self, journal, relay, stack)?;
        self.deliveries.clear(); // nobody draws them
        Ok(())
    }

    fn asleep(&self, stack: &SimStack) -> Result<(), Broken> {
        Self::asleep(self, stack)
    }

    fn shuts_down(&mut self) {
        Self::shuts_down(self);
    }

    fn all_gone<P: Protocol>(&self, relay: &Relay<P>, stack: &SimStack) -> Result<(), Broken> {
        Self::all_gone(self, relay, stack)
    }
}

impl Mixed {
    /// Another world's too.
    pub fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.line_to_line += other.line_to_line;
        self.line_to_frame += other.line_to_frame;
        self.frame_to_line += other.frame_to_line;
        self.lines_banned += other.lines_banned;
    }

    /// A message came that was sent so, to somebody who speaks so.
    fn note(&mut self, sent: Framing, came: Framing) {
        match (sent, came) {
            (Framing::Frames, Framing::Frames) => {}
            (Framing::Frames, Framing::Lines) => self.frame_to_line += 1,
            (Framing::Lines, Framing::Frames) => self.line_to_frame += 1,
            (Framing::Lines, Framing::Lines) => self.line_to_line += 1,
        }
    }
}

/// Whether a connection ended in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orderly {
    /// With an end behind the last byte.
    Yes,
    /// With a reset.
    No,
}

fn wrong(conn: Conn, mismatch: &Mismatch, how: &str) -> Broken {
    match mismatch {
        Mismatch::Own => Promise::Echo.broken(format!("its own frame {how} {conn:?}")),
        Mismatch::Beyond => Promise::Delivery.broken(format!("more {how} {conn:?} than it was due")),
        Mismatch::Else => Promise::Delivery.broken(format!("something else {how} {conn:?} than it was due")),
    }
}
