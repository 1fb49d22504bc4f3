//! A server without sockets around a relay: delivers bytes, writes what each peer takes, closes what is
//! told to go. Knows the order of a turn; knows no rule.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use peer_relay::protocol::{DialId, Dialect, Flood, Protocol, Token};
use peer_relay::relay::{Event, Law, Limits, Output, Reason, Refusal, Relay};
use peer_relay::time::Instant;
use peer_relay::wire::{Frame, Network};

/// A peer of a story: its place in the order of arrival, never reused.
pub type Name = usize;

/// How much a peer takes each time it is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Take {
    All,
    Nothing,
    /// So many bytes a turn, however often it is written to.
    Bytes(usize),
}

pub struct Room<P: Protocol = Flood> {
    pub relay: Relay<P>,
    pub now: Instant,
    pub events: Vec<Event>,
    /// Who was told to be read again.
    pub reads: Vec<Name>,
    /// Who was to be dialled, and where.
    pub dials: Vec<(DialId, SocketAddr)>,
    /// Whose attempts were to end.
    pub given_up: Vec<DialId>,
    retained_max: usize,
    guests: Vec<Guest>,
    here: BTreeMap<Token, Name>,
}

struct Guest {
    token: Token,
    inbox: Vec<u8>,
    take: Take,
    /// Bytes it takes in what is left of the turn.
    left: usize,
    /// Sent by the peer, not yet read by us.
    unread: VecDeque<u8>,
    gone: Option<(Reason, Instant)>,
}

impl Room {
    pub fn new(limits: Limits) -> Self {
        Self::under(Flood, Law::of::<Flood>(), limits)
    }
}

impl<P: Protocol> Room<P> {
    pub fn under(protocol: P, law: Law, limits: Limits) -> Self {
        Self {
            retained_max: limits.retained_max_bytes,
            relay: Relay::new(protocol, law, limits),
            now: Instant::START,
            events: Vec::new(),
            reads: Vec::new(),
            guests: Vec::new(),
            dials: Vec::new(),
            given_up: Vec::new(),
            here: BTreeMap::new(),
        }
    }

    // What the world does.

    pub fn try_join(&mut self, address: &str) -> Result<Name, Refusal> {
        self.try_join_as(address, Dialect::Frames)
    }

    pub fn try_join_as(&mut self, address: &str, dialect: Dialect) -> Result<Name, Refusal> {
        let at = SocketAddr::new(address.parse().expect("an address"), 1000 + self.guests.len() as u16);
        let token = self.relay.accepted(self.now, at, dialect)?;
        Ok(self.seat(token))
    }

    /// Somebody who is kept up is there.
    pub fn dialed(&mut self, id: DialId, at: SocketAddr) -> Name {
        let token = self.relay.dialed(self.now, id, at);
        self.seat(token)
    }

    fn seat(&mut self, token: Token) -> Name {
        let name = self.guests.len();
        let unread = VecDeque::new();
        self.guests.push(Guest {
            token,
            inbox: Vec::new(),
            take: Take::All,
            left: usize::MAX,
            unread,
            gone: None,
        });
        assert_eq!(self.here.insert(token, name), None, "a token is given to one peer at a time");
        self.note();
        name
    }

    pub fn join(&mut self, address: &str) -> Name {
        self.try_join(address).expect("the door is open")
    }

    /// The same of a peer whose messages are lines.
    pub fn join_lines(&mut self, address: &str) -> Name {
        self.try_join_as(address, Dialect::Lines).expect("the door is open")
    }

    /// So many peers, each from an address of its own.
    pub fn join_many(&mut self, count: usize) -> Vec<Name> {
        (0..count).map(|i| self.join(&format!("10.0.{}.{}", i / 250, i % 250 + 1))).collect()
    }

    /// Bytes come from a peer, and the turn goes on.
    pub fn send(&mut self, from: Name, bytes: &[u8]) {
        if self.is_here(from) {
            self.relay.received(self.now, self.guests[from].token, bytes);
            self.note();
        }
    }

    /// The same, and the turn ends.
    pub fn say(&mut self, from: Name, bytes: &[u8]) {
        self.send(from, bytes);
        self.turn();
    }

    /// Bytes are on their way from a peer: they are read as far as the relay allows, in this turn and later.
    pub fn offer(&mut self, from: Name, bytes: &[u8]) {
        self.guests[from].unread.extend(bytes);
    }

    pub fn unread(&self, of: Name) -> usize {
        self.guests[of].unread.len()
    }

    pub fn end(&mut self, from: Name) {
        if self.is_here(from) {
            self.relay.ended(self.now, self.guests[from].token);
            self.note();
        }
    }

    /// It is heard that a peer sends no more than is on its way.
    pub fn hang_up(&mut self, from: Name) {
        if self.is_here(from) {
            self.relay.hung_up(self.now, self.guests[from].token);
            self.note();
        }
    }

    /// The connection fails, between two turns.
    pub fn reset(&mut self, who: Name) {
        if self.is_here(who) {
            self.close(who, Reason::Lost(std::io::ErrorKind::ConnectionReset));
        }
    }

    pub fn takes(&mut self, who: Name, take: Take) {
        let guest = &mut self.guests[who];
        guest.take = take;
        guest.renew();
    }

    /// A whole turn: peers are read and written to as their sockets allow, then the outputs.
    pub fn turn(&mut self) {
        self.read_offered();
        self.relay.expired(self.now);
        self.write_backlogs();
        self.finish();
    }

    /// The rest of a turn: the outputs, then the closings.
    pub fn finish(&mut self) {
        let mut leaving = Vec::new();
        while let Some(output) = self.relay.poll() {
            match output {
                Output::Flush(token) => self.write(self.here[&token]),
                Output::Read(token) => self.reads.push(self.here[&token]),
                Output::Disconnect(token, reason) => leaving.push((self.here[&token], reason)),
                Output::Dial(id, to) => self.dials.push((id, to)),
                Output::GiveUp(id) => self.given_up.push(id),
            }
        }
        for (name, reason) in leaving {
            assert_eq!(self.unsent(name), 0, "nothing is owed to who is told to go");
            assert_eq!(self.read_limit(name), 0, "and it is not read");
            self.close(name, reason);
        }
        self.guests.iter_mut().for_each(Guest::renew);
        self.note();
    }

    /// Time passes, deadlines are kept to the microsecond: the relay is woken whenever it wants to be.
    pub fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(when) = self.relay.next_deadline().filter(|&when| when <= until) {
            self.now = self.now.max(when);
            self.relay.expired(self.now);
            self.turn();
        }
        self.now = until;
        self.turn();
    }

    // What a story asks.

    /// What a peer was sent since it was last asked.
    pub fn got(&mut self, who: Name) -> Vec<u8> {
        std::mem::take(&mut self.guests[who].inbox)
    }

    pub fn is_here(&self, who: Name) -> bool {
        self.guests[who].gone.is_none()
    }

    pub fn gone(&self, who: Name) -> Option<Reason> {
        self.guests[who].gone.map(|(reason, _)| reason)
    }

    /// Why and when, in microseconds from the start.
    pub fn gone_at(&self, who: Name) -> Option<(Reason, u64)> {
        self.guests[who].gone.map(|(reason, when)| (reason, when.as_micros()))
    }

    pub fn read_limit(&self, of: Name) -> usize {
        self.relay.read_limit(self.guests[of].token)
    }

    pub fn unsent(&self, to: Name) -> usize {
        self.relay.unsent(self.guests[to].token).map(|part| part.len()).sum()
    }

    /// The events since the last call, without arrivals.
    pub fn told(&mut self) -> Vec<Event> {
        let all = std::mem::take(&mut self.events).into_iter();
        all.filter(|event| !matches!(event, Event::Connected { .. })).collect()
    }

    // What the server does.

    fn read_offered(&mut self) {
        for name in self.here.values().copied().collect::<Vec<_>>() {
            while self.read_some(name) {}
        }
    }

    fn read_some(&mut self, name: Name) -> bool {
        let limit = self.read_limit(name).min(self.guests[name].unread.len()).min(16 * 1024);
        let bytes: Vec<u8> = self.guests[name].unread.drain(..limit).collect();
        if limit > 0 {
            self.send(name, &bytes);
        }
        limit > 0
    }

    /// Sockets that take more have said so: old backlogs first, as a real server does while it reads.
    fn write_backlogs(&mut self) {
        for name in self.here.values().copied().collect::<Vec<_>>() {
            if self.unsent(name) > 0 {
                self.write(name);
            }
        }
    }

    pub fn write(&mut self, to: Name) {
        let guest = &mut self.guests[to];
        let room = guest.left;
        let before = guest.inbox.len();
        for part in self.relay.unsent(guest.token) {
            let here = part.len().min(room - (guest.inbox.len() - before));
            guest.inbox.extend_from_slice(&part.as_slice()[..here]);
        }
        let sent = guest.inbox.len() - before;
        guest.left -= sent;
        if sent > 0 {
            self.relay.sent(self.now, guest.token, sent);
        }
    }

    fn close(&mut self, name: Name, reason: Reason) {
        let guest = &mut self.guests[name];
        assert_eq!(guest.gone.replace((reason, self.now)), None, "a peer is told to go once");
        self.here.remove(&guest.token);
        self.relay.closed(self.now, guest.token, reason);
        self.note();
    }

    fn note(&mut self) {
        self.events.extend(self.relay.events());
        assert!(self.relay.retained_bytes() <= self.retained_max, "the bound on memory holds");
    }
}

impl Guest {
    /// A new turn: the peer takes as much as it always takes.
    fn renew(&mut self) {
        self.left = match self.take {
            Take::All => usize::MAX,
            Take::Nothing => 0,
            Take::Bytes(count) => count,
        };
    }
}

pub fn limits() -> Limits {
    let mut limits = Limits {
        max_peers: 1000,
        max_bans: 100,
        retained_max_bytes: 64 << 20,
        ..Limits::new(Network::PRIVATE.magic)
    };
    limits.decoder.max_payload = 1_000_000;
    limits
}

pub const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub const fn micros(count: u64) -> Duration {
    Duration::from_micros(count)
}

pub fn frame(command: &str, payload: &[u8]) -> Vec<u8> {
    Frame::encode(Network::PRIVATE.magic, command.parse().unwrap(), payload).as_bytes().to_vec()
}

/// A small frame, each number another.
pub fn tx(number: u32) -> Vec<u8> {
    frame("tx", &number.to_le_bytes())
}

pub fn bad_checksum() -> Vec<u8> {
    let mut wire = frame("tx", b"not what it says");
    *wire.last_mut().unwrap() ^= 1;
    wire
}

pub fn bad_command() -> Vec<u8> {
    let mut wire = frame("tx", b"whatever");
    wire[5] = 7;
    wire
}

/// A header that claims a gigabyte.
pub fn oversize() -> Vec<u8> {
    let mut wire = frame("block", b"");
    wire[16..20].copy_from_slice(&1_000_000_000u32.to_le_bytes());
    wire
}

/// More than the window slides over, and nothing anybody knows.
pub fn junk() -> Vec<u8> {
    b"this is no frame at all, sorry".to_vec()
}
