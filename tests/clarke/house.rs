//! A dialect with everything it asks for: whoever is there, what is sent to each, and the time.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use peer_relay::protocol::clarke::{Clarke, Setup};
use peer_relay::protocol::{DialId, Dialect, Newcomer, Offence, Origin, Stream, TextOutbox, Token};
use peer_relay::time::Instant;
use peer_relay::wire::turn_log::Chunk;
use sha2::{Digest, Sha256};

pub const MAX_MESSAGE: usize = 64_000;

pub struct House {
    pub clarke: Clarke,
    pub out: Out,
    pub now: Instant,
    next: u32,
}

/// Does what it is told, at once.
#[derive(Default)]
pub struct Out {
    sent: BTreeMap<Token, Vec<u8>>,
    pub listening: BTreeSet<Token>,
    open: BTreeSet<Token>,
    finished: BTreeSet<Token>,
    pub offences: Vec<(Token, Offence)>,
    pub streams: BTreeMap<Token, Stream>,
    /// Whom it keeps up; what has been let go again is `None`.
    pub dials: Vec<Option<SocketAddr>>,
    pub most_dials: usize,
    /// Whom there was something to say to.
    pub hurried: Vec<DialId>,
    pub vouched: Vec<DialId>,
    /// Who has not taken what it was sent.
    pub behind: BTreeSet<Token>,
    pub counted: usize,
    pub is_over_rate: bool,
}

impl TextOutbox for Out {
    fn answer(&mut self, to: Token, text: &[u8]) {
        if self.open.contains(&to) {
            self.sent.entry(to).or_default().extend_from_slice(text);
        }
    }

    fn answer_stored<'c>(
        &mut self,
        to: Token,
        head: &[u8],
        stored: impl Iterator<Item = &'c Chunk>,
        tail: &[u8],
    ) {
        self.answer(to, head);
        stored.for_each(|chunk| self.answer(to, chunk));
        self.answer(to, tail);
    }

    fn announce(&mut self, from: Option<Token>, to: Dialect, text: &[u8]) {
        assert_eq!(to, Dialect::Json);
        for token in self.listening.intersection(&self.open) {
            if Some(*token) != from {
                self.sent.entry(*token).or_default().extend_from_slice(text);
            }
        }
    }

    fn listen(&mut self, peer: Token) {
        self.listening.insert(peer);
    }

    fn finish(&mut self, peer: Token) {
        if self.open.remove(&peer) {
            self.finished.insert(peer);
        }
    }

    fn count_message(&mut self, _: Token, len: usize) -> bool {
        self.counted += len;
        !self.is_over_rate
    }

    fn offended(&mut self, from: Token, offence: Offence, _: impl Display) {
        self.offences.push((from, offence));
        self.open.remove(&from);
    }

    fn is_open(&self, peer: Token) -> bool {
        self.open.contains(&peer)
    }

    fn note_stream(&mut self, of: Token, stream: Stream) {
        self.streams.insert(of, stream);
    }

    fn keep_up(&mut self, to: SocketAddr, dialect: Dialect, _: Duration) -> Option<DialId> {
        assert_eq!(dialect, Dialect::Json);
        if self.dials.iter().flatten().count() == self.most_dials {
            return None;
        }
        self.dials.push(Some(to));
        Some(DialId(u16::try_from(self.dials.len() - 1).unwrap()))
    }

    fn is_behind(&self, peer: Token) -> bool {
        self.behind.contains(&peer)
    }

    fn vouch_for(&mut self, dial: DialId) {
        self.vouched.push(dial);
    }

    fn hurry(&mut self, dial: DialId) {
        self.hurried.push(dial);
    }

    fn forget(&mut self, dial: DialId) {
        self.dials[usize::from(dial.0)] = None;
    }
}

impl Out {
    /// Its end has come.
    pub fn close(&mut self, who: Token) {
        self.open.remove(&who);
    }
}

impl House {
    pub fn new() -> Self {
        Self::listening(&[])
    }

    pub fn listening(at: &[&str]) -> Self {
        Self::seeded(at, 1)
    }

    pub fn seeded(at: &[&str], seed: u64) -> Self {
        let listening = at.iter().map(|at| at.parse().unwrap()).collect();
        let setup = Setup { max_message: MAX_MESSAGE, max_peers: 64, listening, seed };
        let out = Out { most_dials: 1000, ..Out::default() };
        Self { clarke: Clarke::new(setup), out, now: Instant::START, next: 0 }
    }

    /// Somebody comes in.
    pub fn join(&mut self, ip: &str) -> Token {
        let token = self.join_quietly(ip);
        self.turn();
        token
    }

    /// Whoever is kept up as this is there.
    pub fn reach(&mut self, dial: DialId) -> Token {
        let address = self.out.dials.get(usize::from(dial.0)).copied().flatten();
        let address = address.unwrap_or("192.0.2.99:8334".parse().unwrap());
        let token = self.arrive(address, Origin::Dialed(dial));
        self.turn();
        token
    }

    fn arrive(&mut self, address: SocketAddr, origin: Origin) -> Token {
        let token = Token(self.next);
        self.next += 1;
        self.out.open.insert(token);
        self.clarke.joined(self.now, token, &Newcomer { dialect: Dialect::Json, address, origin });
        token
    }

    /// Somebody comes in, and no turn passes.
    pub fn join_quietly(&mut self, ip: &str) -> Token {
        self.arrive(SocketAddr::new(ip.parse().unwrap(), 5000), Origin::Accepted)
    }

    /// Somebody says something, in one read.
    pub fn say(&mut self, who: Token, text: &str) {
        self.say_bytes(who, text.as_bytes());
    }

    pub fn say_bytes(&mut self, who: Token, bytes: &[u8]) {
        if self.out.open.contains(&who) {
            self.clarke.heard(self.now, &mut self.out, who, bytes);
            self.turn();
        }
    }

    /// Somebody says a line, and is one who says a line a message.
    pub fn line(&mut self, who: Token, text: &str) {
        self.say(who, &format!("{text}\n"));
        self.pass(Duration::from_millis(100));
    }

    /// Asks on a connection of its own, in the style of one message, and is answered.
    pub fn ask(&mut self, text: &str) -> String {
        self.ask_from("192.0.2.200", text)
    }

    /// The same from somewhere else.
    pub fn ask_from(&mut self, ip: &str, text: &str) -> String {
        let who = self.join(ip);
        self.say(who, &format!("{text}\n\n"));
        assert!(self.is_finished(who), "{text}: not answered");
        self.leave(who);
        self.got(who).strip_suffix("\n\n").unwrap_or_else(|| panic!("{text}: no reply")).to_string()
    }

    /// Somebody sends no more.
    pub fn end(&mut self, who: Token) {
        self.clarke.ended(self.now, &mut self.out, who);
        self.out.open.remove(&who);
        self.out.finished.insert(who);
    }

    pub fn leave(&mut self, who: Token) {
        self.clarke.left(self.now, who);
        self.out.open.remove(&who);
        self.out.listening.remove(&who);
    }

    /// Time goes by, and whatever is due is done.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(next) = self.clarke.next_deadline().filter(|next| *next <= until) {
            self.now = next.max(self.now);
            self.clarke.expired(self.now, &mut self.out);
        }
        self.now = until;
        self.turn();
    }

    /// The end of a turn, and those that follow at once.
    pub fn turn(&mut self) {
        self.clarke.expired(self.now, &mut self.out);
        while self.clarke.next_deadline().is_some_and(|next| next <= self.now) {
            self.clarke.expired(self.now, &mut self.out);
        }
    }

    /// What somebody has been sent since it was last asked.
    pub fn got(&mut self, who: Token) -> String {
        String::from_utf8(self.out.sent.remove(&who).unwrap_or_default()).unwrap()
    }

    pub fn is_finished(&self, who: Token) -> bool {
        self.out.finished.contains(&who)
    }

    pub fn is_open(&self, who: Token) -> bool {
        self.out.open.contains(&who)
    }
}

pub fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A transaction as nodes have it.
pub fn transaction(n: u64) -> String {
    let hash = sha256(&format!("transaction {n}"));
    format!(
        r#"{{"inputs":[],"outputs":[{{"amount":{n},"address":"a"}}],"timestamp":1450310016721,"hash":"{hash}"}}"#
    )
}

pub const NO_PARENT: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A block as nodes have it, and its hash.
pub fn block(parent: &str, transactions: &[String], nonce: u64) -> (String, String) {
    let target = "0000100000000000000000000000000000000000000000000000000000000000";
    let hash_of = |text: &String| {
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        value["hash"].as_str().unwrap().to_string()
    };
    let all = sha256(&transactions.iter().map(hash_of).collect::<String>());
    let hash = sha256(&format!("{parent}{all}1450564013{target}{nonce}"));
    let header = format!(
        r#"{{"parent_hash":"{parent}","transactions_hash":"{all}","target":"{target}","timestamp":1450564013,"nonce":{nonce},"hash":"{hash}"}}"#
    );
    (format!(r#"{{"header":{header},"transactions":[{}]}}"#, transactions.join(",")), hash)
}

/// A message of this type.
pub fn message(kind: &str, payload: &str) -> String {
    format!(r#"{{"message_type":"{kind}","payload":{payload}}}"#)
}
