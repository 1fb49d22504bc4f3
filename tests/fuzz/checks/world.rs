//! A server without sockets around a relay that is being fuzzed: delivers, writes, closes, and keeps what everybody
//! said and got. Knows the order of a turn; judges nothing but that.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use peer_relay::protocol::{Dialect, Flood, Token};
use peer_relay::relay::{AddressKey, Law, Limits, Output, Reason, Refusal, Relay};
use peer_relay::time::Instant;
use peer_relay::wire::{Frame, Network};

/// A peer's place in the order of arrival, never reused.
pub type Name = usize;

/// Takes everything, breaks nothing, says nothing that is relayed: what it gets is what there is to get.
pub const WITNESS: Name = 0;

/// Most bytes of one read.
const SCRATCH: usize = 16 * 1024;
/// Times a relay may want to be woken again at the moment it was woken. Every queue could have a reason, once.
const MOST_WAKES_AT_ONCE: usize = 8;

/// Turns in a row at most, of which each lets somebody be read.
const MOST_TURNS: usize = 1000;

pub struct World {
    pub relay: Relay<Flood>,
    pub limits: Limits,
    pub now: Instant,
    pub peers: Vec<Peer>,
    /// All that was relayed, in order, as the witness got it.
    pub log: Vec<u8>,
    /// Who sent which part of the log.
    pub spans: Vec<(Name, Range<usize>)>,
    /// How much later than asked the relay is woken.
    pub lateness: Duration,
}

pub struct Peer {
    pub token: Token,
    pub address: IpAddr,
    /// How much had been relayed when it came.
    pub since: usize,
    /// What the relay has read of it.
    pub said: Vec<u8>,
    /// On its way to the relay.
    pub unread: Vec<u8>,
    /// Sends no more than is on its way.
    pub has_ended: bool,
    /// It might not be read, and nobody has said yet that it may.
    is_waiting: bool,
    /// How much had been relayed when its end was read: it is due no more.
    pub upto: Option<usize>,
    pub inbox: Vec<u8>,
    /// Bytes it takes a turn, and what is left of them.
    pub takes: usize,
    left: usize,
    pub gone: Option<Reason>,
}

impl World {
    pub fn new(law: Law, limits: Limits) -> Self {
        let relay = Relay::new(Flood, law, limits.clone());
        let mut world = Self {
            relay,
            limits,
            now: Instant::START,
            peers: Vec::new(),
            log: Vec::new(),
            spans: Vec::new(),
            lateness: Duration::ZERO,
        };
        world.join([192, 0, 2, 1].into()).expect("the first is let in");
        world
    }

    /// Only between two turns.
    pub fn join(&mut self, address: IpAddr) -> Result<(), Refusal> {
        let port = 1000 + self.peers.len() as u16;
        let token = self.relay.accepted(self.now, SocketAddr::new(address, port), Dialect::Frames)?;
        self.peers.push(Peer {
            token,
            address,
            since: self.log.len(),
            said: Vec::new(),
            unread: Vec::new(),
            has_ended: false,
            is_waiting: false,
            upto: None,
            inbox: Vec::new(),
            takes: usize::MAX,
            left: usize::MAX,
            gone: None,
        });
        Ok(())
    }

    pub fn present(&self) -> Vec<Name> {
        (0..self.peers.len()).filter(|&name| self.peers[name].gone.is_none()).collect()
    }

    pub fn hang_up(&mut self, who: Name) {
        self.peers[who].has_ended = true;
        self.relay.hung_up(self.now, self.peers[who].token);
    }

    /// Only between two turns.
    pub fn close(&mut self, who: Name, reason: Reason) {
        assert_eq!(self.peers[who].gone.replace(reason), None, "a peer is told to go once");
        self.relay.closed(self.now, self.peers[who].token, reason);
    }

    /// A whole turn, and another one while somebody may be read again.
    pub fn turn(&mut self) {
        for _ in 0..MOST_TURNS {
            if !self.turn_once() {
                return;
            }
        }
        panic!("somebody may be read again and again");
    }

    /// Peers are read and old backlogs written, then the outputs, then the closings. Whether anybody may be read again.
    fn turn_once(&mut self) -> bool {
        for name in self.present() {
            self.read(name);
        }
        for name in self.present() {
            self.write(name);
        }
        let mut may_read = false;
        let mut leaving = Vec::new();
        while let Some(output) = self.relay.poll() {
            match output {
                Output::Flush(token) => self.write(self.named(token)),
                Output::Read(token) => {
                    let name = self.named(token);
                    self.peers[name].is_waiting = false;
                    may_read = true;
                }
                Output::Disconnect(token, reason) => leaving.push((self.named(token), reason)),
                Output::Dial(..) | Output::GiveUp(_) => unreachable!("nobody is kept up"),
            }
        }
        for (name, reason) in leaving {
            assert_eq!(self.unsent(name), 0, "nothing is owed to who is told to go");
            assert_eq!(self.read_limit(name), 0, "and it is not read");
            self.close(name, reason);
        }
        self.peers.iter_mut().for_each(|peer| peer.left = peer.takes);
        self.keep_log();
        self.check_bounds();
        may_read
    }

    /// Time passes; the relay is woken when it wants to be, or a little later.
    pub fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        let mut wakes_at_once = 0;
        while let Some(when) = self.relay.next_deadline().filter(|&when| when <= until) {
            wakes_at_once = if when <= self.now { wakes_at_once + 1 } else { 0 };
            assert!(wakes_at_once <= MOST_WAKES_AT_ONCE, "woken at {when:?} again and again");
            self.now = self.now.max(when + self.lateness);
            self.relay.expired(self.now);
            self.turn();
        }
        self.now = self.now.max(until);
        self.turn();
    }

    pub fn is_banned(&self, address: IpAddr) -> bool {
        let is_exempt = self.limits.never_ban.iter().any(|net| net.contains(&address));
        !is_exempt && self.relay.bans().get(self.now, AddressKey::of(address)).is_some()
    }

    pub fn read_limit(&self, of: Name) -> usize {
        self.relay.read_limit(self.peers[of].token)
    }

    pub fn unsent(&self, to: Name) -> usize {
        self.relay.unsent(self.peers[to].token).map(|part| part.len()).sum()
    }

    fn named(&self, token: Token) -> Name {
        let is_it = |peer: &Peer| peer.token == token && peer.gone.is_none();
        self.peers.iter().position(is_it).expect("outputs are about who is there")
    }

    fn read(&mut self, name: Name) {
        while !self.peers[name].is_waiting {
            let limit = self.read_limit(name).min(SCRATCH);
            let log = self.spans_end();
            let peer = &mut self.peers[name];
            let is_end = peer.unread.is_empty();
            if is_end && (!peer.has_ended || peer.upto.is_some()) {
                return;
            }
            if limit == 0 {
                peer.is_waiting = true;
            } else if is_end {
                peer.upto = Some(log);
                self.relay.ended(self.now, peer.token);
            } else {
                let piece: Vec<u8> = peer.unread.drain(..limit.min(peer.unread.len())).collect();
                peer.said.extend_from_slice(&piece);
                self.received(name, &piece);
            }
        }
    }

    fn received(&mut self, from: Name, bytes: &[u8]) {
        let before = self.relay.log_len();
        self.relay.received(self.now, self.peers[from].token, bytes);
        let (from_byte, len) = (self.spans_end(), self.relay.log_len() - before);
        if len > 0 {
            self.spans.push((from, from_byte..from_byte + len));
        }
    }

    fn write(&mut self, to: Name) {
        let peer = &mut self.peers[to];
        let before = peer.inbox.len();
        for part in self.relay.unsent(peer.token) {
            let here = part.len().min(peer.left - (peer.inbox.len() - before));
            peer.inbox.extend_from_slice(&part.as_slice()[..here]);
        }
        let sent = peer.inbox.len() - before;
        peer.left -= sent;
        if sent > 0 {
            self.relay.sent(self.now, peer.token, sent);
        }
    }

    fn spans_end(&self) -> usize {
        self.spans.last().map_or(0, |(_, span)| span.end)
    }

    /// The witness takes everything in the turn in which it is said.
    fn keep_log(&mut self) {
        let witness = &mut self.peers[WITNESS];
        if witness.gone.is_none() {
            self.log.append(&mut witness.inbox);
            assert_eq!(self.log.len(), self.spans_end(), "the witness got what was relayed");
        }
    }

    fn check_bounds(&mut self) {
        let (retained, present) = (self.relay.retained_bytes(), self.present().len());
        assert!(retained <= self.limits.retained_max_bytes, "{retained} bytes are retained");
        assert!(present <= self.limits.max_peers && present == self.relay.peers());
        let stats = self.relay.stats();
        assert_eq!(stats.accepted, stats.closed.values().sum::<u64>() + present as u64);
        assert!(self.relay.bans().len() <= self.limits.max_bans);
        assert!(self.relay.events().count() <= 1024, "events are bounded");
        for name in self.present() {
            assert!(!self.is_banned(self.peers[name].address), "peer {name} is shut out and still here");
        }
    }
}

/// The bytes of a frame of the private network.
pub fn frame(command: &str, payload: &[u8]) -> Vec<u8> {
    Frame::encode(Network::PRIVATE.magic, command.parse().expect("a command"), payload)
        .into_bytes()
        .into_owned()
}
