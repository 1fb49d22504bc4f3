//! What is done about a message, and what is answered. Knows the store, the neighbours and what was said lately; knows
//! no stream: how an answer is written is not its business.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::cost::{self, Cost};
use super::hash::Hash;
use super::listing::Payload;
use super::message::{Key, Message, Refusal, Request};
use super::neighbours::Neighbours;
use super::peers::{self, Peers};
use super::questions;
use super::reply;
use super::store::Store;
use crate::protocol::seen::Seen;
use crate::protocol::{DialId, Dialect, TextOutbox, Token};
use crate::rng::Rng;
use crate::time::Instant;

/// A neighbour that was added and stays away so long is forgotten.
pub const FORGET_AFTER: Duration = Duration::from_secs(5 * 60);
/// As long as a neighbour is dialled, the same chat within this time is passed on once: in a circle of relays it would
/// go round for ever.
pub const CHAT_WINDOW: Duration = Duration::from_secs(60);
/// Most chats that are remembered, at least half as many; only what they hash to.
pub const CHATS_MAX: usize = 20_000;

/// Whatever does not belong to one connection.
#[derive(Debug)]
pub(super) struct Desk {
    pub peers: Peers,
    pub neighbours: Neighbours,
    /// Longest message that is answered or passed on, bytes.
    pub max_message: usize,
    /// What was done in this turn.
    pub spent: Cost,
    store: Store,
    chats: Seen,
    /// What those who are dialled were asked when they were reached: whoever asks us that is we.
    nonces: BTreeMap<String, (DialId, SocketAddr)>,
    rng: Rng,
}

/// Who has said something.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker {
    pub token: Token,
    pub address: SocketAddr,
}

/// What is said to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Reply(String),
    /// A reply of this type, whose payload may be long and shared.
    Listing(Key, &'static str, Payload),
    /// Something was wrong.
    Error(String),
    Silence,
    /// It is ourselves: nothing, and never again.
    Ourselves,
}

impl Desk {
    /// An empty store, and nobody to dial.
    pub fn new(peers: Peers, max_message: usize, seed: u64) -> Self {
        Self {
            peers,
            neighbours: Neighbours::default(),
            max_message,
            spent: 0,
            store: Store::new(),
            chats: Seen::new(CHAT_WINDOW, CHATS_MAX),
            nonces: BTreeMap::new(),
            rng: Rng::new(seed),
        }
    }

    /// What is said first to somebody dialled, and what it says about who that is.
    pub fn greet(&mut self, dial: DialId, address: SocketAddr) -> (String, String) {
        let mut bytes = [0; 32];
        self.rng.fill(&mut bytes);
        let nonce = Hash(bytes).to_string();
        self.nonces.insert(nonce.clone(), (dial, address));
        (reply::reply(Key::default(), "ping", &format!("\"{nonce}\"")), nonce)
    }

    /// Who was greeted so is gone.
    pub fn take_leave(&mut self, nonce: &str) {
        self.nonces.remove(nonce);
    }

    /// Somebody is not dialled any more.
    pub fn forgotten(&mut self, dial: DialId) {
        self.peers.forget(dial);
        self.neighbours.remove(dial);
    }

    /// Something is done.
    pub fn spend(&mut self, cost: Cost) {
        self.spent = self.spent.saturating_add(cost);
    }

    /// A message has been said.
    pub fn answer(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        speaker: Speaker,
        text: &str,
    ) -> Answer {
        self.spend(cost::of_parsing(text.len()));
        let answer = self.decide(now, out, speaker, text);
        let spent = self.store.take_spent();
        self.spend(spent);
        answer
    }

    fn decide(&mut self, now: Instant, out: &mut impl TextOutbox, speaker: Speaker, text: &str) -> Answer {
        let message = match Message::parse(text) {
            Ok(message) => message,
            Err(Refusal::Reply) => return Answer::Silence,
            Err(Refusal::Wrong(key, why)) => return Answer::Error(reply::error(key, why)),
            Err(Refusal::Unknown(key, name)) => {
                return Answer::Error(reply::error_of(key, "unknown message type", &name));
            }
        };
        if text.len() > self.max_message {
            let why = format!("a message of more than {} bytes", self.max_message);
            return Answer::Error(reply::error(message.key, &why));
        }
        match message.request {
            Request::Echo => Answer::Reply(text.into()),
            Request::Ping => self.ping(out, message),
            Request::Chat => self.chat(now, out, speaker, text),
            Request::Peers => self.list(message.key),
            Request::AddPeer | Request::RemovePeer => self.change_peers(out, speaker, message),
            Request::AddTransaction | Request::AddBlock => self.add(now, out, speaker, message, text),
            Request::ValidateTransaction => self.validate(now, message),
            Request::TransactionPool
            | Request::Transaction
            | Request::Blocks
            | Request::BlocksSince
            | Request::Block
            | Request::BlockHeight
            | Request::LatestBlock => questions::answer(&mut self.store, message),
            Request::Balance | Request::Payment => {
                let why = "not supported: that is a wallet's work, and this is a relay";
                Answer::Error(reply::error(message.key, why))
            }
        }
    }

    fn ping(&mut self, out: &mut impl TextOutbox, message: Message<'_>) -> Answer {
        let nonce = message.payload.and_then(|payload| serde_json::from_str::<String>(payload).ok());
        let Some((dial, address)) = nonce.and_then(|nonce| self.nonces.remove(&nonce)) else {
            return Answer::Reply(reply::reply(message.key, "pong", message.payload.unwrap_or("null")));
        };
        self.forgotten(dial);
        self.peers.note_ourselves(address);
        out.forget(dial);
        Answer::Ourselves
    }

    fn chat(&mut self, now: Instant, out: &mut impl TextOutbox, speaker: Speaker, text: &str) -> Answer {
        let hash = Hash::of([text]);
        if self.neighbours.is_empty() || !self.chats.contains(now, hash.0) {
            self.announce(out, speaker, text);
        }
        self.chats.insert(now, hash.0);
        Answer::Silence
    }

    fn list(&mut self, key: Key) -> Answer {
        self.spend(cost::of_finding(self.peers.len()));
        Answer::Reply(reply::reply(key, "peers", &self.peers.payload()))
    }

    /// Whoever likes may add and remove. What there is no room for is not on the list that is answered.
    fn change_peers(&mut self, out: &mut impl TextOutbox, speaker: Speaker, message: Message<'_>) -> Answer {
        let peer = match peers::parse(message.payload, speaker.address.ip()) {
            Ok(peer) => peer,
            Err(why) => return Answer::Error(reply::error(message.key, why)),
        };
        if message.request == Request::RemovePeer {
            if let Some(dial) = self.peers.remove(peer) {
                self.neighbours.remove(dial);
                out.forget(dial);
            }
        } else if self.peers.is_ourselves(peer) {
            return Answer::Error(reply::error(message.key, "the peer is this relay itself"));
        } else if self.peers.has_room_for(peer)
            && let Some(dial) = out.keep_up(peer, Dialect::Json, FORGET_AFTER)
        {
            self.peers.add(peer, dial);
            self.neighbours.add(dial);
        }
        self.list(message.key)
    }

    /// What is new and right is stored and goes to everybody else as the message that came.
    fn add(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        speaker: Speaker,
        message: Message<'_>,
        text: &str,
    ) -> Answer {
        let payload = message.payload.unwrap_or("null");
        self.spend(cost::of_parsing(payload.len()));
        let (added, accepted, rejected) = if message.request == Request::AddBlock {
            (self.store.add_block(now, payload), "block-accepted", "block-rejected")
        } else {
            (self.store.add_transaction(now, payload), "transaction-accepted", "transaction-rejected")
        };
        if let Err(reasons) = added {
            return Answer::Reply(reply::reply(message.key, rejected, &reply::texts(reasons)));
        }
        self.announce(out, speaker, text);
        Answer::Reply(reply::reply(message.key, accepted, payload))
    }

    /// To everybody who listens, but for whom it came from.
    fn announce(&mut self, out: &mut impl TextOutbox, speaker: Speaker, text: &str) {
        self.spend(cost::of_copying(text.len()) + cost::of_finding(self.neighbours.len()));
        let line = format!("{text}\n");
        out.announce(Some(speaker.token), Dialect::Json, line.as_bytes());
        self.neighbours.tell(out, speaker.token, text);
    }

    /// What would be wrong with it; nothing is changed.
    fn validate(&mut self, now: Instant, message: Message<'_>) -> Answer {
        self.spend(cost::of_parsing(message.payload.map_or(0, str::len)));
        let checked = self.store.check_transaction(now, message.payload.unwrap_or("null"));
        let reasons = checked.err().unwrap_or_default();
        Answer::Reply(reply::reply(message.key, "errors", &reply::texts(reasons)))
    }
}
