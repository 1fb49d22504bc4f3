//! Somebody in a town: its part, what its connection has come to, and what it knows. Does nothing by itself.

use std::collections::VecDeque;
use std::time::Duration;

use super::chain::Talk;
use super::clarke::Counter;
use super::lies::Lie;
use super::mint::Item;
use super::node::Node;
use super::room::{Ear, Heard};
use super::setup::PersonPart;
use super::web::Web;
use crate::relay::Limits;
use crate::time::Instant;
use crate::wire::decoder::DecoderLimits;

/// Somebody.
#[derive(Debug)]
pub struct Person {
    pub part: PersonPart,
    pub talk: Talk,
    pub counter: Counter,
    pub web: Web,
    pub node: Node,
    pub ear: Ear,
    pub heard: Heard,
    /// Since when its connection is there.
    pub since: Option<Instant>,
    /// The chain and the pool that it was told last on this connection.
    pub told_chain: Option<Vec<u32>>,
    pub told_pool: Option<Vec<u32>>,
    /// What was told to it last, as it would be said again.
    pub repeats: Option<Item>,
    /// When it last asked something over HTTP.
    pub asked_at: Option<Instant>,
    /// How long nothing had been asked then.
    pub was_silent: Duration,
    /// What it is typing, a byte at a time.
    pub typing: VecDeque<u8>,
    /// The lie it has told, and when.
    pub lie: Option<(Lie, Instant)>,
    pub has_left: bool,
    pub moves: u64,
    /// The last cue that it was given, to connect and to say something.
    pub join_cue: u32,
    pub speak_cue: u32,
    limits: DecoderLimits,
    max_line: usize,
}

/// Something that everybody who listens is to be told, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub what: What,
    pub by: usize,
    pub at: Instant,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// To everybody of the network.
    News(Item),
    /// To the room of its sayer's relay.
    Room(u32),
}

impl Person {
    /// Not there yet.
    pub fn new(part: PersonPart, limits: &Limits) -> Self {
        let (decoder, max_line) = (limits.decoder, limits.decoder.max_payload as usize);
        Self {
            ear: Ear::new(part.role.dialect(), decoder, max_line),
            part,
            talk: Talk::default(),
            counter: Counter::default(),
            web: Web::default(),
            typing: VecDeque::new(),
            asked_at: None,
            was_silent: Duration::ZERO,
            node: Node::default(),
            heard: Heard::default(),
            since: None,
            told_chain: None,
            told_pool: None,
            repeats: None,
            lie: None,
            has_left: false,
            moves: 0,
            join_cue: 0,
            speak_cue: 0,
            limits: decoder,
            max_line,
        }
    }

    /// Whether its connection is there.
    pub fn is_there(&self) -> bool {
        self.since.is_some() && !self.has_left
    }

    /// Its connection is there: nothing was said on it.
    pub fn opened(&mut self, now: Instant) {
        self.since = Some(now);
        self.talk = Talk::default();
        self.counter = Counter::default();
        self.web = Web::default();
        (self.asked_at, self.was_silent) = (None, Duration::ZERO);
        self.typing.clear();
        self.heard = Heard::default();
        self.ear = Ear::new(self.part.role.dialect(), self.limits, self.max_line);
        (self.told_chain, self.told_pool, self.lie, self.repeats) = (None, None, None, None);
    }
}
