//! The law applied: what a peer did, and what it costs. Knows the law; knows no protocol.

use std::fmt::Display;

use super::address::AddressKey;
use super::ban_list::Ban;
use super::events::{Event, Kind};
use super::reason::Reason;
use super::room::Room;
use crate::protocol::{Offence, Penalty, Token};
use crate::wire::{DecodeError, Header};

/// What is said of whoever is over its rate.
pub(super) const OVER_RATE: &str = "more messages or bytes a second than allowed";

impl Room {
    /// A peer's bytes break the framing. If that costs it no more than the frame, the frame still counts
    /// against its rate: it was read and hashed like any other.
    pub fn misframed(&mut self, from: Token, error: &DecodeError) {
        let is_within = self.charge_misframed(from, error);
        self.judge(from, error);
        // what the flood would cost may be the frame that is dropped already
        let is_more = self.law.penalty(Offence::Flood) != Penalty::Drop;
        if !is_within && is_more && self.peer(from).is_open() {
            self.offended(from, Offence::Flood, OVER_RATE);
        }
    }

    fn judge(&mut self, from: Token, error: &DecodeError) {
        match error {
            // a window too small for a whole opener, which came in pieces: it gets the benefit of the doubt
            DecodeError::Magic { .. } if self.peer(from).may_be_opening() => {
                self.disconnect(from, Offence::Magic, error);
            }
            DecodeError::Magic { .. } => self.offended(from, Offence::Magic, error),
            DecodeError::Oversize { .. } => self.offended(from, Offence::Oversize, error),
            DecodeError::Command { .. } => self.offended(from, Offence::Command, error),
            DecodeError::Checksum { header, found } => {
                let frame = self.peer(from).incoming.frames + 1;
                let (command, length, claimed) = (header.command, header.length, header.checksum);
                self.offended(
                    from,
                    Offence::Checksum,
                    format_args!(
                        "{command}, {length} B, frame {frame}: header says {claimed}, payload gives {found}"
                    ),
                );
            }
        }
    }

    /// A peer broke a rule: what does it cost?
    pub fn offended(&mut self, from: Token, offence: Offence, detail: impl Display) {
        match self.law.penalty(offence) {
            Penalty::Pause => {} // its read limit sees to that
            Penalty::Drop => self.drop_frame(from, offence, detail),
            Penalty::Disconnect => self.disconnect(from, offence, detail),
            Penalty::Ban => self.ban(from, offence, detail),
        }
    }

    /// A ban from before the start.
    pub fn restore_ban(&mut self, address: AddressKey, ban: Ban) {
        let until = ban.until.min(self.now + self.limits.ban_time);
        if until > self.now {
            self.bans.insert(address, Ban { until, ..ban });
        }
    }

    /// Whether a frame that is none is within its sender's rate.
    fn charge_misframed(&mut self, from: Token, error: &DecodeError) -> bool {
        let len = match error {
            DecodeError::Checksum { header, .. } => header.frame_len(),
            DecodeError::Command { .. } => Header::LEN, // what it claims is still to come
            DecodeError::Magic { .. } | DecodeError::Oversize { .. } => return true,
        };
        self.peer(from).rates.as_mut().is_none_or(|rates| rates.take(len))
    }

    fn drop_frame(&mut self, from: Token, offence: Offence, detail: impl Display) {
        let who = self.peer(from).who();
        self.stats.dropped_frames += 1;
        let event = || Event::Dropped { who, offence, detail: detail.to_string() };
        self.events.push(self.now, Kind::Dropped, event);
    }

    pub(super) fn disconnect(&mut self, from: Token, offence: Offence, detail: impl Display) {
        let who = self.peer(from).who();
        let event = || Event::Disconnected { who, offence, detail: detail.to_string() };
        self.events.push(self.now, Kind::Disconnected, event);
        self.begin_ending(from, Reason::Offence(offence));
    }

    /// Shuts an address out, and with it everybody who is connected from there.
    fn ban(&mut self, from: Token, offence: Offence, detail: impl Display) {
        let who = self.peer(from).who();
        let ip = who.address.ip();
        if self.is_never_banned(ip) || self.dials.is_named(from) {
            return self.disconnect(from, offence, detail);
        }
        let address = AddressKey::of(ip);
        let until = self.now + self.limits.ban_time;
        self.bans.insert(address, Ban { until, offence });
        self.stats.bans += 1;
        let event = || Event::Banned { who, address, until, offence, detail: detail.to_string() };
        self.events.push(self.now, Kind::Banned, event);
        self.leave(from, Reason::Banned(offence));
        for token in self.addresses.tokens(address).collect::<Vec<_>>() {
            if !self.is_never_banned(self.peers[token.index()].ip()) {
                self.leave(token, Reason::AddressBanned);
            }
        }
    }
}
