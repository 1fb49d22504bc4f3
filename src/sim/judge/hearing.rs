//! What senders said, and what it costs them.

use bytes::Bytes;

use super::party::{Cause, State};
use super::reader::Finding;
use super::{Judge, Party, spelling};
use crate::protocol::{Offence, Penalty};
use crate::sim::broken::{Broken, Promise};
use crate::sim::packet::Conn;
use crate::time::Instant;
use crate::wire::opener::{self, Guess};
use crate::wire::{Command, Framing};

/// Longest ping that is answered, bytes of payload: the README's word.
const LONGEST_PING: usize = 1024;
/// Bytes of a header.
const HEADER: usize = 24;

impl Judge {
    /// A sender was read.
    pub(super) fn read(&mut self, conn: Conn, bytes: &Bytes) -> Result<(), Broken> {
        let Some(party) = self.parties.get_mut(&conn) else {
            return Err(Promise::Places.broken(format!("{conn:?} is read and is not there")));
        };
        party.read_in = self.turn;
        self.turn_read += bytes.len() as u64;
        match party.state {
            State::Lingering(_) => return Ok(()),
            State::Heard => {}
            State::Ending(cause, _) | State::Gone(cause) => {
                return Err(Promise::Law.broken(format!("{conn:?} is heard, and is to go for {cause}")));
            }
        }
        if party.paused_until.is_some_and(|until| self.now < until) {
            return Err(Promise::Limits.broken(format!("{conn:?} is read, and is over its rate")));
        }
        if party.is_held_back {
            return Err(Promise::Limits.broken(format!("{conn:?} is read, and has answers waiting")));
        }
        self.totals.bytes += bytes.len() as u64;
        self.turn_bytes += bytes.len() as u64;
        party.last_read = self.now;
        if party.opens_otherwise(bytes, self.limits.decoder.magic) {
            party.end(Cause::Opener, self.now, &self.streams);
            return Ok(());
        }
        self.decode(conn, bytes);
        Ok(())
    }

    /// A sender has said its last.
    pub(super) fn read_end(&mut self, conn: Conn) -> Result<(), Broken> {
        let Some(party) = self.parties.get_mut(&conn) else {
            return Err(Promise::Places.broken(format!("{conn:?} is read and is not there")));
        };
        party.read_in = self.turn;
        party.is_drained = true;
        if party.state == State::Heard
            && let Some(last) = party.reader.finish()
        {
            let end = party.reader.read;
            self.found(conn, last, end);
        }
        if let Some(party) = self.parties.get_mut(&conn) {
            party.end(Cause::Eof, self.now, &self.streams);
        }
        Ok(())
    }

    /// The turn's reading is over: whoever has taken too long is to go now.
    pub(super) fn heard_all(&mut self) {
        if std::mem::replace(&mut self.has_heard, true) {
            return;
        }
        for party in self.parties.values_mut() {
            if let Some(cause) = party.timed_out(self.now, &self.limits) {
                party.end(cause, self.now, &self.streams);
            }
        }
    }

    fn decode(&mut self, conn: Conn, bytes: &Bytes) {
        let Some(party) = self.parties.get_mut(&conn) else { return };
        let (skipped, passed) = (party.reader.skipped, party.reader.passed);
        let penalties = self.penalties;
        let mut findings = Vec::new();
        party.reader.read(bytes, |finding, end| {
            let goes_on = offence_of(&finding).is_none_or(|offence| penalties.of(offence) == Penalty::Drop);
            findings.push((finding, end));
            goes_on
        });
        self.totals.skipped += party.reader.skipped - skipped;
        if party.reader.passed != passed {
            party.unfinished_since = None;
        }
        if party.reader.is_unfinished() {
            party.unfinished_since.get_or_insert(self.now);
        } else {
            party.unfinished_since = None;
        }
        findings.into_iter().for_each(|(finding, end)| self.found(conn, finding, end));
        if let Some(party) = self.parties.get_mut(&conn) {
            party.paused_until = party.rates.paused_until(self.now);
            party.note_answers();
        }
    }

    fn found(&mut self, conn: Conn, finding: Finding, end: u64) {
        if let (Some(party), Some(len)) = (self.parties.get_mut(&conn), finding.costs()) {
            party.rates.take(self.now, len);
        }
        match (offence_of(&finding), finding) {
            (None, Finding::Frame(bytes)) => self.framed(conn, bytes, end),
            (None, Finding::Line(line)) => self.lined(conn, &line, end),
            (Some(offence), _) => self.offended(conn, offence),
            (None, _) => {}
        }
    }

    /// A valid frame: an answer, nothing, or something for everybody else.
    fn framed(&mut self, conn: Conn, bytes: Bytes, end: u64) {
        let sent = self.left_at(conn, end);
        let place = self.streams.of(Framing::Frames).turn_begins();
        let Some(party) = self.parties.get_mut(&conn) else { return };
        self.totals.frames += 1;
        party.frames += 1;
        party.rates.take(self.now, bytes.len() as u64);
        let name: [u8; 12] = bytes[4..16].try_into().expect("12 bytes of a header");
        if name == Command::PING.to_bytes() {
            if bytes.len() - HEADER <= LONGEST_PING && party.state == State::Heard {
                let mut answer = bytes.to_vec();
                answer[4..16].copy_from_slice(&Command::PONG.to_bytes());
                party.reply_batch = party.reply_batch.max(party.replies_waiting() + answer.len() as u64);
                self.turn_bytes += answer.len() as u64;
                party.replies.push(place, answer.into());
            }
        } else if name != Command::PONG.to_bytes() && !self.repeats.passes(self.now, &name, &bytes[HEADER..])
        {
            self.totals.swallowed += 1;
        } else if name != Command::PONG.to_bytes() {
            self.accepted(conn, bytes, sent);
        }
    }

    /// A line is a frame called `msg`. The first one may be another protocol's.
    fn lined(&mut self, conn: Conn, line: &Bytes, end: u64) {
        let sent = self.left_at(conn, end);
        let Some(party) = self.parties.get_mut(&conn).filter(|party| party.state == State::Heard) else {
            return;
        };
        if party.frames == 0 && opener::of_first_line(line).is_some() {
            return party.end(Cause::Opener, self.now, &self.streams);
        }
        self.totals.frames += 1;
        party.frames += 1;
        let frame: Bytes = spelling::frame(self.limits.decoder.magic, line).into();
        party.rates.take(self.now, frame.len() as u64);
        if self.repeats.passes(self.now, &Command::MSG.to_bytes(), line) {
            self.accepted(conn, frame, sent);
        } else {
            self.totals.swallowed += 1;
        }
    }

    /// A frame is for everybody else; one called `msg` for those who speak lines too.
    fn accepted(&mut self, conn: Conn, frame: Bytes, sent: Instant) {
        let Some(party) = self.parties.get_mut(&conn) else { return };
        let spoken = party.framing;
        let line = (self.lines_here > 0 && frame[4..16] == *b"msg\0\0\0\0\0\0\0\0\0")
            .then(|| Bytes::from(spelling::line(&frame[HEADER..])));
        party.own_bytes += match (spoken, &line) {
            (Framing::Frames, _) => frame.len() as u64,
            (Framing::Lines, line) => line.as_ref().map_or(0, |line| line.len() as u64),
        };
        self.streams.of_mut(Framing::Frames).append(conn, spoken, frame, sent);
        if let Some(line) = line {
            self.streams.of_mut(Framing::Lines).append(conn, spoken, line, sent);
        }
    }

    fn offended(&mut self, conn: Conn, offence: Offence) {
        let Some(party) = self.parties.get_mut(&conn) else { return };
        let may_be_opening = offence == Offence::Magic && party.opening.is_some();
        let is_spared = is_never_banned(&self.limits.never_ban, party) || self.dials.may_be_at(party.ip);
        match self.penalties.of(offence) {
            Penalty::Drop => self.totals.dropped += 1,
            Penalty::Pause => {}
            Penalty::Ban if !is_spared && !may_be_opening => {
                self.mixed.lines_banned += u64::from(party.framing == Framing::Lines);
                self.ban(conn, offence);
            }
            Penalty::Ban | Penalty::Disconnect => {
                party.end(Cause::Offence(offence), self.now, &self.streams);
            }
        }
    }

    fn ban(&mut self, conn: Conn, offence: Offence) {
        let Some(key) = self.parties.get(&conn).map(|party| party.key) else { return };
        self.bans.speak(self.now, key, self.now + self.limits.ban_time);
        for (&other, party) in &mut self.parties {
            if other == conn {
                party.cast_out(Cause::Banned(offence));
            } else if party.key == key
                && !is_never_banned(&self.limits.never_ban, party)
                && !self.dials.may_be_at(party.ip)
            {
                party.cast_out(Cause::AddressBanned);
            }
        }
    }

    /// When the byte left its sender that so many come before.
    fn left_at(&mut self, conn: Conn, end: u64) -> Instant {
        let Some((_, times)) = self.departures.get_mut(&conn) else { return self.now };
        while times.len() > 1 && times.front().is_some_and(|&(upto, _)| upto < end) {
            times.pop_front();
        }
        times.front().map_or(self.now, |&(_, when)| when)
    }
}

impl Party {
    /// Whether its first bytes are another protocol's.
    fn opens_otherwise(&mut self, bytes: &[u8], ours: crate::wire::Magic) -> bool {
        let Some(first) = &mut self.opening else { return false };
        let more = opener::LONGEST - first.len();
        first.extend_from_slice(&bytes[..bytes.len().min(more)]);
        let guess = match self.framing {
            Framing::Frames => opener::guess(first, ours),
            Framing::Lines => opener::guess_among_lines(first, ours),
        };
        match guess {
            Guess::Undecided => false,
            Guess::None => {
                self.opening = None;
                false
            }
            Guess::Opener(_) => {
                self.opening = None;
                true
            }
        }
    }
}

fn is_never_banned(nets: &[ipnet::IpNet], party: &Party) -> bool {
    nets.iter().any(|net| net.contains(&party.ip.to_canonical()))
}

fn offence_of(finding: &Finding) -> Option<Offence> {
    match finding {
        Finding::Frame(_) | Finding::Line(_) => None,
        Finding::Magic => Some(Offence::Magic),
        Finding::Oversize => Some(Offence::Oversize),
        Finding::Command => Some(Offence::Command),
        Finding::Checksum(_) => Some(Offence::Checksum),
    }
}
