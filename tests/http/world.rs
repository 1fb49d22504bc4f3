//! Clients, a relay that does for them what the real one does, and time that passes when it is told to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use peer_relay::protocol::http::Http;
use peer_relay::protocol::{DialId, Dialect, Offence, Stream, TextOutbox, Token};
use peer_relay::time::Instant;
use peer_relay::wire::turn_log::Chunk;

use crate::paper::Paper;

/// Longest body here, bytes: small, so that tests reach it.
pub const MAX_BODY: usize = 1000;

/// Everything.
pub struct World {
    pub now: Instant,
    pub http: Http,
    pub store: Paper,
    pub room: Room,
}

/// What the relay knows of its peers.
#[derive(Default)]
pub struct Room {
    pub peers: BTreeMap<Token, Peer>,
    /// How many more messages are within the rate; any number, when none is said.
    pub allowed: Option<usize>,
    /// Bytes of each message counted.
    pub counted: Vec<usize>,
    /// Who has not taken what it was sent.
    pub behind: BTreeSet<Token>,
}

/// One of them.
#[derive(Default)]
pub struct Peer {
    /// What it was sent.
    pub got: Vec<u8>,
    /// Chunks of a store within that.
    pub stored: Vec<Chunk>,
    pub is_listening: bool,
    pub is_finished: bool,
    pub stream: Stream,
    /// What it has said that is not read yet.
    unread: Vec<u8>,
}

impl World {
    /// Nobody there, nothing held.
    pub fn new() -> Self {
        Self {
            now: Instant::from_micros(1_000_000),
            http: Http::new(MAX_BODY),
            store: Paper::empty(),
            room: Room::default(),
        }
    }

    /// One more client.
    pub fn join(&mut self) -> Token {
        let free = (0..).map(Token).find(|token| !self.room.peers.contains_key(token));
        let token = free.expect("tokens do not end");
        self.room.peers.insert(token, Peer::default());
        self.http.joined(self.now, token);
        token
    }

    /// It sends bytes, and a turn passes in which nothing is decided.
    pub fn send(&mut self, who: Token, bytes: impl AsRef<[u8]>) {
        self.peer(who).unread.extend_from_slice(bytes.as_ref());
        self.turn();
    }

    /// As [`send`](Self::send), and turns pass until everything is decided and read.
    pub fn say(&mut self, who: Token, bytes: impl AsRef<[u8]>) {
        self.send(who, bytes);
        while !self.store.pending.is_empty() || self.peer(who).is_under_way() {
            self.store.decide();
            self.turn();
        }
    }

    /// What the answer to all this is, of a client that comes for it.
    pub fn ask(&mut self, bytes: impl AsRef<[u8]>) -> String {
        let who = self.join();
        self.say(who, bytes);
        self.got(who)
    }

    /// It half-closes. Whoever is busy is not read, so its end is not seen.
    pub fn end(&mut self, who: Token) {
        assert!(!self.peer(who).stream.is_busy, "nobody has read so far");
        if self.peer(who).is_open() {
            self.http.ended(self.now, &mut self.room, who);
        }
        self.peer(who).is_finished = true;
    }

    /// Its connection is gone.
    pub fn leave(&mut self, who: Token) {
        self.room.peers.remove(&who).expect("it was there");
        self.http.left(&mut self.store, who);
    }

    /// Time passes, and the rules are woken when they asked to be.
    pub fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some(next) = self.http.next_deadline().filter(|next| *next <= until) {
            self.now = next.max(self.now);
            self.turn();
        }
        self.now = until;
    }

    /// What it has got since it was last asked.
    pub fn got(&mut self, who: Token) -> String {
        String::from_utf8(std::mem::take(&mut self.peer(who).got)).expect("we send text")
    }

    pub fn peer(&mut self, who: Token) -> &mut Peer {
        self.room.peers.get_mut(&who).expect("it is there")
    }

    pub fn is_finished(&mut self, who: Token) -> bool {
        self.peer(who).is_finished
    }

    /// Everybody who may be read is, and what is due is done.
    pub fn turn(&mut self) {
        let everybody: Vec<Token> = self.room.peers.keys().copied().collect();
        for who in everybody {
            let peer = self.peer(who);
            if !peer.may_be_read() {
                continue;
            }
            let bytes = std::mem::take(&mut peer.unread);
            self.http.heard(self.now, &mut self.room, who, &bytes);
        }
        self.http.expired(self.now, &mut self.room, &mut self.store);
    }
}

impl Peer {
    fn is_open(&self) -> bool {
        !self.is_finished
    }

    fn is_under_way(&self) -> bool {
        self.is_open() && (self.stream.is_busy || !self.unread.is_empty())
    }

    fn may_be_read(&self) -> bool {
        self.is_open() && !self.stream.is_busy && !self.unread.is_empty()
    }
}

impl TextOutbox for Room {
    fn answer(&mut self, to: Token, text: &[u8]) {
        if self.is_open(to) {
            self.peer(to).got.extend_from_slice(text);
        }
    }

    fn answer_stored<'c>(
        &mut self,
        to: Token,
        head: &[u8],
        stored: impl Iterator<Item = &'c Chunk>,
        tail: &[u8],
    ) {
        if !self.is_open(to) {
            return;
        }
        let peer = self.peer(to);
        peer.got.extend_from_slice(head);
        for chunk in stored {
            peer.got.extend_from_slice(chunk);
            peer.stored.push(Chunk::clone(chunk));
        }
        peer.got.extend_from_slice(tail);
    }

    fn announce(&mut self, from: Option<Token>, to: Dialect, text: &[u8]) {
        assert_eq!((from, to), (None, Dialect::Http));
        for peer in self.peers.values_mut().filter(|peer| peer.is_listening && peer.is_open()) {
            peer.got.extend_from_slice(text);
        }
    }

    fn listen(&mut self, peer: Token) {
        self.peer(peer).is_listening = true;
    }

    fn finish(&mut self, peer: Token) {
        self.peer(peer).is_finished = true;
    }

    fn count_message(&mut self, _: Token, len: usize) -> bool {
        self.counted.push(len);
        match &mut self.allowed {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }

    fn offended(&mut self, from: Token, offence: Offence, detail: impl Display) {
        panic!("nothing here is an offence, and {from:?} broke {offence}: {detail}");
    }

    fn is_open(&self, peer: Token) -> bool {
        self.peers.get(&peer).is_some_and(Peer::is_open)
    }

    fn note_stream(&mut self, of: Token, stream: Stream) {
        self.peer(of).stream = stream;
    }

    fn keep_up(&mut self, _: SocketAddr, _: Dialect, _: Duration) -> Option<DialId> {
        panic!("nobody is dialled to speak HTTP");
    }

    fn is_behind(&self, peer: Token) -> bool {
        self.behind.contains(&peer)
    }

    fn vouch_for(&mut self, _: DialId) {
        panic!("nobody is dialled to speak HTTP");
    }

    fn hurry(&mut self, _: DialId) {
        panic!("nobody is dialled to speak HTTP");
    }

    fn forget(&mut self, _: DialId) {
        panic!("nobody is dialled to speak HTTP");
    }
}

impl Room {
    fn peer(&mut self, who: Token) -> &mut Peer {
        self.peers.get_mut(&who).expect("it is there")
    }
}

/// A request with these headers besides its host.
pub fn request(line: &str, headers: &[&str]) -> String {
    let mut text = format!("{line} HTTP/1.1\r\nHost: node\r\n");
    for header in headers {
        text.push_str(header);
        text.push_str("\r\n");
    }
    text + "\r\n"
}

pub fn get(path: &str) -> String {
    request(&format!("GET {path}"), &[])
}

pub fn post(path: &str, body: &str) -> String {
    request(&format!("POST {path}"), &[&format!("Content-Length: {}", body.len())]) + body
}

/// Replies one after the other: status line, the whole head, and the body as long as it was said to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: String,
    pub head: String,
    pub body: String,
}

/// All replies in what came; of those to a `HEAD` there is no body, so they are told apart by `is_head`.
pub fn replies(text: &str) -> Vec<Reply> {
    let mut rest = text;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (head, behind) = rest.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {rest:?}"));
        let status = head.lines().next().unwrap_or_default().strip_prefix("HTTP/1.1 ");
        let len = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
        let len: usize = len.map_or(0, |len| len.parse().expect("a length"));
        assert!(behind.len() >= len, "a body of {} instead of {len} bytes: {text:?}", behind.len());
        let (body, next) = behind.split_at(len);
        let status = status.unwrap_or_else(|| panic!("no status: {head:?}")).to_string();
        found.push(Reply { status, head: head.into(), body: body.into() });
        rest = next;
    }
    found
}

/// The status codes alone.
pub fn codes(text: &str) -> Vec<u16> {
    let code = |reply: Reply| reply.status[..3].parse().expect("a number");
    replies(text).into_iter().map(code).collect()
}
