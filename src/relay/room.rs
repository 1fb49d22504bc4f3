//! Everybody in one place: who comes, what each sends, who goes. Knows the logs and the queues; knows no
//! protocol.
//!
//! The room is the half of the relay that a protocol may touch, through [`Outbox`]. What is written to whom
//! at the end of a turn is in `turn.rs`, what an offence costs in `judging.rs`, who has to go in `ending.rs`.

use std::net::{IpAddr, SocketAddr};

use slab::Slab;

use super::Arriving;
use super::address::{AddressKey, Addresses};
use super::audience::Audiences;
use super::ban_list::BanList;
use super::dedup::Dedup;
use super::dials::Dials;
use super::ending::Sleeper;
use super::events::{Event, Events, Kind, Who};
use super::intake::Intake;
use super::judging::OVER_RATE;
use super::lent::Lent;
use super::limits::Limits;
use super::misbehavior::Law;
use super::peer::{Peer, Place, Stop};
use super::reason::{Reason, Refusal};
use super::stats::Stats;
use super::turn::Turn;
use crate::deadlines::Deadlines;
use crate::protocol::{Dialect, Offence, Outbox, PeerId, Token};
use crate::time::Instant;
use crate::wire::frame::MAX_PAYLOAD;
use crate::wire::printable::printable_bytes;
use crate::wire::turn_log::OWN_CHUNK_LEN;
use crate::wire::{Command, DecodeError, Frame, Header, Opener, lines};

/// Places that are there from the start, so that nobody has to move when one more comes: what was never touched takes
/// no memory.
const PLACES: usize = 1 << 16;

/// The peers, the law, and the turn's logs.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) law: Law,
    pub(super) limits: Limits,
    pub(super) peers: Slab<Peer>,
    /// Who is in the slab, and what they are due of this turn, by dialect.
    pub(super) audiences: Audiences,
    pub(super) addresses: Addresses,
    pub(super) bans: BanList,
    pub(super) turn: Turn,
    pub(super) deadlines: Deadlines<Sleeper>,
    pub(super) dials: Dials,
    /// How often a peer has told of somebody to be kept up.
    pub(super) dials_asked: u64,
    /// What is not relayed again, where that is wanted.
    dedup: Option<Dedup>,
    pub(super) events: Events,
    pub(super) stats: Stats,
    /// What of a store is on its way, and how much of it only peers hold.
    pub(super) lent: Lent,
    pub(super) stale: usize,
    /// Bytes strangers make us hold, each counted once.
    pub(super) retained: usize,
    pub(super) is_shutting_down: bool,
    pub(super) now: Instant,
    last_id: u64,
}

impl Room {
    pub fn new(law: Law, limits: Limits) -> Self {
        assert!(limits.decoder.max_payload <= MAX_PAYLOAD, "a frame's length must fit a queue's entry");
        let places = limits.max_peers.min(PLACES);
        Self {
            law,
            peers: Slab::with_capacity(places),
            audiences: Audiences::with_room_for(places),
            addresses: Addresses::default(),
            bans: BanList::new(limits.max_bans),
            turn: Turn::default(),
            deadlines: Deadlines::new(),
            dials: Dials::default(),
            dials_asked: 0,
            dedup: limits.dedup.map(|window| Dedup::new(window, limits.dedup_max)),
            events: Events::default(),
            stats: Stats::default(),
            lent: Lent::default(),
            stale: 0,
            retained: 0,
            is_shutting_down: false,
            now: Instant::START,
            last_id: 0,
            limits,
        }
    }

    pub fn set_now(&mut self, now: Instant) {
        assert!(now >= self.now, "time goes back from {:?} to {now:?}", self.now);
        self.now = now;
    }

    /// Lets a connection in, or says why not.
    pub fn admit(&mut self, address: SocketAddr, dialect: Dialect) -> Result<Token, Refusal> {
        let key = AddressKey::of(address.ip());
        if let Err(refusal) = self.may_enter(key, address.ip()) {
            self.refuse(address, refusal);
            return Err(refusal);
        }
        let (token, who) = self.place(address, dialect);
        self.addresses.insert(key, token);
        self.stats.accepted += 1;
        let peers = self.peers.len();
        self.events.push(self.now, Kind::Connected, || Event::Connected { who, peers });
        Ok(token)
    }

    /// One more peer, whichever of the two began the connection.
    pub(super) fn place(&mut self, address: SocketAddr, dialect: Dialect) -> (Token, Who) {
        assert!(self.turn.is_over() && self.audiences.has_nothing(), "accept comes last in a turn");
        let largest = match dialect {
            Dialect::Frames => MAX_PAYLOAD,
            Dialect::Lines => lines::MAX_PAYLOAD,
            Dialect::Json | Dialect::Chain | Dialect::Http => MAX_PAYLOAD, // each has bounds of its own
        };
        assert!(self.limits.decoder.max_payload <= largest, "a message's length must fit a queue's entry");
        self.last_id += 1;
        let who = Who { peer: PeerId(self.last_id), address };
        let over_rate = self.law.penalty(Offence::Flood);
        let roster = &mut self.audiences.of_mut(dialect).roster;
        let place = Place { dialect, nth: u32::try_from(roster.len()).expect("fewer peers than 2^32") };
        let peer = Peer::new(self.now, who, place, &self.limits, over_rate);
        let token = Token(u32::try_from(self.peers.insert(peer)).expect("fewer peers than 2^32"));
        roster.push(token);
        self.schedule(token);
        (token, who)
    }

    /// Bytes have come: counts them and looks whether they are another protocol's first.
    pub fn begin_read(&mut self, from: Token, bytes: &[u8]) {
        let now = self.now;
        let ours = self.limits.decoder.magic;
        let peer = self.peer(from);
        if !peer.is_open() {
            return;
        }
        peer.last_received = now;
        peer.incoming.bytes += bytes.len() as u64;
        if let Some(rates) = &mut peer.rates {
            rates.refill(now);
        }
        let opener = peer.opener_in(bytes, ours);
        self.stats.incoming.bytes += bytes.len() as u64;
        if let Some(opener) = opener {
            self.turn_away(from, opener);
        }
    }

    /// A peer's first bytes are another protocol's.
    pub(super) fn turn_away(&mut self, from: Token, opener: Opener) {
        let address = self.peer(from).who().address;
        self.events.push(self.now, Kind::Opener, || Event::Opener { address, opener });
        self.begin_ending(from, Reason::Opener(opener));
    }

    pub fn dialect(&self, of: Token) -> Dialect {
        self.peers[of.index()].dialect()
    }

    /// The next frame, or offence, in a peer's bytes; `None` when they are used up or it is not heard.
    pub fn decode<'i>(
        &mut self,
        from: Token,
        input: &mut &'i [u8],
    ) -> Option<Result<Frame<'i>, DecodeError>> {
        let peer = &mut self.peers[from.index()];
        if !peer.is_open() {
            return None;
        }
        let Intake::Frames(scanner) = &mut peer.intake else { return None };
        let (skipped, passed) = (scanner.skipped(), scanner.passed());
        let decoded = scanner.decode(&self.limits.decoder, input);
        let now_skipped = scanner.skipped();
        if scanner.passed() != passed {
            peer.note_passed();
        }
        let who = peer.who();
        self.stats.skipped_bytes += now_skipped - skipped;
        if skipped == 0 && now_skipped > 0 && decoded.is_ok() {
            self.events.push(self.now, Kind::Skipped, || Event::Skipped { who, bytes: now_skipped });
        }
        decoded.transpose()
    }

    /// A valid frame, or a line, of `len` bytes has come: counts it against the peer's rate. False when it is to be
    /// ignored.
    pub fn count_message(&mut self, from: Token, len: usize) -> bool {
        let peer = self.peer(from);
        peer.incoming.frames += 1;
        let is_heard = peer.rates.as_mut().is_none_or(|rates| rates.take(len));
        self.stats.incoming.frames += 1;
        if !is_heard {
            self.offended(from, Offence::Flood, OVER_RATE);
        }
        is_heard
    }

    /// A peer's bytes are decoded: its deadlines, its memory, and whether it may be read on.
    pub fn end_read(&mut self, from: Token) {
        let now = self.now;
        let peer = self.peer(from);
        if peer.is_open() {
            peer.note_unfinished(now);
            peer.stop = peer.cause_to_stop();
            if peer.stop == Some(Stop::Rate) {
                self.note_pause(from);
            }
            self.schedule(from);
        }
        self.account(from);
        self.enforce_memory();
    }

    pub fn read_limit(&self, from: Token) -> usize {
        self.peers[from.index()].read_limit()
    }

    /// How many can come before anybody's place is moved.
    pub fn places(&self) -> usize {
        self.peers.capacity()
    }

    pub fn arriving(&self, from: Token) -> Arriving {
        let intake = &self.peers[from.index()].intake;
        let (begun, lacks) = (intake.begun(), intake.wants());
        match intake.dialect() {
            Dialect::Frames if begun + lacks >= OWN_CHUNK_LEN => Arriving::Long { lacks },
            // where a line ends nobody knows, and many may come behind it: one that is long already takes what room
            // there is
            Dialect::Lines if begun >= OWN_CHUNK_LEN => Arriving::Short { begun: 0 },
            Dialect::Frames | Dialect::Lines => Arriving::Short { begun },
            // it may never come to a log
            Dialect::Json | Dialect::Chain | Dialect::Http => Arriving::Short { begun: 0 },
        }
    }

    /// A connection is gone.
    pub fn remove(&mut self, token: Token, cause: Reason) {
        assert!(self.turn.is_at_inputs(), "nobody is closed while a turn is polled");
        let mut peer = self.peers.remove(token.index());
        let (queued, unsent) = (peer.queue.held(), peer.queue.unsent());
        self.note_undelivered(unsent); // nothing is, of whoever was told to go
        self.deadlines.cancel(Sleeper::Peer(token), &mut peer.wake);
        let dial = self.dials.take(token);
        if dial.is_none() {
            self.addresses.remove(AddressKey::of(peer.ip()), token);
        }
        let roster = &mut self.audiences.of_mut(peer.dialect()).roster;
        roster.swap_remove(peer.place as usize);
        if let Some(&moved) = roster.get(peer.place as usize) {
            self.peers[moved.index()].place = peer.place;
        }
        self.retained -= peer.counted + peer.queue.clear().freed;
        self.stats.count_closed(cause);
        let kind = if cause.is_too_slow() || cause == Reason::Memory { Kind::CutOff } else { Kind::Closed };
        let (now, who) = (self.now, peer.who());
        self.events.push(now, kind, || Event::Closed {
            who,
            reason: cause,
            after: now.since(peer.accepted),
            incoming: peer.incoming,
            outgoing: peer.outgoing,
            skipped: peer.intake.skipped(),
            queued: peer.cut_off_at().max(queued),
        });
        if let Some(dial) = dial {
            self.neighbour_lost(dial, who, cause);
        }
    }

    pub fn log_len(&self) -> usize {
        self.audiences.log_len()
    }

    pub fn peers(&self) -> usize {
        self.peers.len()
    }

    pub fn retained(&self) -> usize {
        self.retained
    }

    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    pub fn bans(&self) -> &BanList {
        &self.bans
    }

    pub fn events(&mut self) -> impl Iterator<Item = Event> {
        self.events.drain()
    }

    /// A peer that is there: whoever has a token was told it, and has not said `closed`.
    pub(super) fn peer(&mut self, token: Token) -> &mut Peer {
        &mut self.peers[token.index()]
    }

    /// A peer's deadlines have changed: makes sure it is woken in time.
    pub(super) fn schedule(&mut self, token: Token) {
        let peer = &mut self.peers[token.index()];
        if let Some((when, _)) = peer.deadline(&self.limits) {
            self.deadlines.by(Sleeper::Peer(token), &mut peer.wake, when);
        }
    }

    /// A peer's own memory has changed: counts it anew.
    pub(super) fn account(&mut self, token: Token) {
        let peer = &mut self.peers[token.index()];
        let memory = peer.memory();
        self.retained = self.retained - peer.counted + memory;
        peer.counted = memory;
    }

    /// Whether an address is not to be shut out, whoever else of its net is.
    pub(super) fn is_never_banned(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.limits.never_ban.iter().any(|net| net.contains(&ip)) || self.dials.has(ip)
    }

    fn may_enter(&self, key: AddressKey, ip: IpAddr) -> Result<(), Refusal> {
        if let Some(ban) = self.bans.get(self.now, key)
            && !self.is_never_banned(ip)
        {
            return Err(Refusal::Banned { left: ban.until.since(self.now), offence: ban.offence });
        }
        if self.limits.max_peers_per_ip.is_some_and(|max| self.addresses.has(key, max)) {
            return Err(Refusal::TooManyFromAddress(key));
        }
        let taken = self.peers.len() + self.dials.absent();
        if taken >= self.limits.max_peers { Err(Refusal::Full) } else { Ok(()) }
    }

    fn refuse(&mut self, address: SocketAddr, refusal: Refusal) {
        self.stats.count_refused(refusal);
        let addresses = &self.addresses;
        self.events.push(self.now, Kind::Refused, || Event::Refused {
            address: address.ip(),
            refusal,
            busiest: (refusal == Refusal::Full).then(|| addresses.busiest()).flatten(),
        });
    }

    /// Whether a frame has passed lately, where that is asked. From now on it has.
    fn is_repeat(&mut self, frame: &Frame<'_>) -> bool {
        let Some(dedup) = &mut self.dedup else { return false };
        let is_repeat = !dedup.is_new(self.now, frame);
        if let Some(after) = dedup.forgot_after(self.now) {
            let most = self.limits.dedup_max;
            self.events.push(self.now, Kind::Forgot, || Event::Forgot { after, most });
        }
        is_repeat
    }

    fn note_pause(&mut self, from: Token) {
        self.stats.pauses += 1;
        let peer = &mut self.peers[from.index()];
        if !std::mem::replace(&mut peer.was_paused, true) {
            let who = peer.who();
            self.events.push(self.now, Kind::Paused, || Event::Paused { who });
        }
    }
}

impl Outbox for Room {
    fn relay(&mut self, from: Token, frame: Frame<'_>) {
        if self.is_repeat(&frame) {
            self.stats.duplicates += 1;
            return;
        }
        let lines = self.audiences.of_mut(Dialect::Lines);
        if !lines.is_empty() && frame.command() == Command::MSG {
            lines.log.append_line(from, printable_bytes(frame.payload()));
        }
        let frames = self.audiences.of_mut(Dialect::Frames);
        if !frames.is_empty() {
            frames.log.append(from, frame.into_bytes());
        }
    }

    fn reply(&mut self, to: Token, header: Header, payload: &[u8]) {
        let magic = self.limits.decoder.magic;
        let peer = self.peer(to);
        let dialect = peer.dialect();
        // a line can only be what a `msg` is to others, and text is answered as text
        if !peer.is_open() || dialect != Dialect::Frames && header.command != Command::MSG {
            return;
        }
        let is_first = !peer.queue.has_unsealed();
        let reply = peer.queue.reply();
        match dialect {
            Dialect::Frames => {
                reply.extend_from_slice(&header.encode(magic));
                reply.extend_from_slice(payload);
            }
            Dialect::Lines => {
                reply.extend_from_slice(&printable_bytes(payload));
                reply.push(b'\n');
            }
            Dialect::Json | Dialect::Chain | Dialect::Http => unreachable!("text comes as no frame"),
        }
        if is_first {
            self.turn.replied.push(to);
        }
    }
}
