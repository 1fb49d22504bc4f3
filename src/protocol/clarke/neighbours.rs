//! Those who are dialled: in which style each wants to be told, and what waits to be said to it. Knows no stream.
//!
//! A neighbour is greeted with a `ping` in a line. One that answers it is kept, and hears what everybody hears. One
//! that says nothing for [`SILENCE`] is sent a blank line: if it answers that, it reads one message a connection, as
//! the first nodes do. From then on each message for it takes a connection of its own, and waits for that here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::protocol::{DialId, TextOutbox, Token};

/// How long a greeting may remain unanswered before the blank line.
pub const SILENCE: Duration = Duration::from_secs(2);
/// Most messages that wait for one neighbour, the oldest dropped for the newest.
pub const WAITING_MAX: usize = 100;
/// Most bytes of them.
pub const WAITING_BYTES: usize = 256 * 1024;

/// How a neighbour is told something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Manner {
    /// It has not answered yet.
    #[default]
    Unknown,
    /// A line each, on a connection that stays.
    Kept,
    /// A connection each.
    Single,
}

/// Everybody who is dialled and has been there, or was added.
#[derive(Debug, Default)]
pub(super) struct Neighbours(BTreeMap<DialId, Neighbour>);

#[derive(Debug, Default)]
struct Neighbour {
    manner: Manner,
    /// As whom it is there.
    here: Option<Token>,
    waiting: VecDeque<Arc<str>>,
    bytes: usize,
    /// It is to be dialled at once, and has not been there since.
    is_hurried: bool,
}

impl Neighbours {
    /// It is dialled.
    pub fn add(&mut self, dial: DialId) {
        self.0.entry(dial).or_default();
    }

    /// It is not dialled any more.
    pub fn remove(&mut self, dial: DialId) {
        self.0.remove(&dial);
    }

    /// Nobody is dialled.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// It is there.
    pub fn join(&mut self, dial: DialId, token: Token) {
        let neighbour = self.0.entry(dial).or_default();
        neighbour.here = Some(token);
        neighbour.is_hurried = false;
    }

    /// It is not there any more.
    pub fn leave(&mut self, dial: DialId) {
        if let Some(neighbour) = self.0.get_mut(&dial) {
            neighbour.here = None;
            if neighbour.manner == Manner::Unknown {
                neighbour.drop_waiting();
            }
        }
    }

    /// How it is told something.
    pub fn manner(&self, dial: DialId) -> Manner {
        self.0.get(&dial).map_or(Manner::Unknown, |neighbour| neighbour.manner)
    }

    /// From now on it is told so.
    pub fn learn(&mut self, dial: DialId, manner: Manner) {
        if let Some(neighbour) = self.0.get_mut(&dial) {
            neighbour.manner = manner;
        }
    }

    /// What waits longest to be said to it.
    pub fn next(&mut self, dial: DialId) -> Option<Arc<str>> {
        let neighbour = self.0.get_mut(&dial)?;
        let text = neighbour.waiting.pop_front()?;
        neighbour.bytes -= text.len();
        Some(text)
    }

    /// Something is said to everybody: it waits for those who do not hear it on a connection that stays, but for whom
    /// it is from.
    pub fn tell(&mut self, out: &mut impl TextOutbox, from: Token, text: &str) {
        let text: Arc<str> = Arc::from(text);
        for (&dial, neighbour) in &mut self.0 {
            let is_there = neighbour.here.is_some();
            let is_waiting_for = match neighbour.manner {
                Manner::Unknown => is_there, // it may still turn out to be either
                Manner::Kept => false,
                Manner::Single => true,
            };
            if is_waiting_for && neighbour.here != Some(from) {
                neighbour.push(&text);
                neighbour.hurry(out, dial);
            }
        }
    }

    /// Who has messages waiting is dialled for the next one.
    pub fn hurry(&mut self, out: &mut impl TextOutbox, dial: DialId) {
        if let Some(neighbour) = self.0.get_mut(&dial) {
            neighbour.hurry(out, dial);
        }
    }
}

impl Neighbour {
    fn push(&mut self, text: &Arc<str>) {
        if text.len() > WAITING_BYTES {
            return;
        }
        while self.waiting.len() >= WAITING_MAX || self.bytes + text.len() > WAITING_BYTES {
            let Some(oldest) = self.waiting.pop_front() else { break };
            self.bytes -= oldest.len();
        }
        self.bytes += text.len();
        self.waiting.push_back(Arc::clone(text));
    }

    fn drop_waiting(&mut self) {
        self.waiting = VecDeque::new();
        self.bytes = 0;
    }

    /// Once, until it is there: where nobody answers it is tried as rarely as others.
    fn hurry(&mut self, out: &mut impl TextOutbox, dial: DialId) {
        let is_due = self.manner == Manner::Single && self.here.is_none() && !self.waiting.is_empty();
        if is_due && !self.is_hurried {
            self.is_hurried = true;
            out.hurry(dial);
        }
    }
}
