//! One peer, as far as its chain goes: what it says, what is done about it, and when it may be asked and answered again.
//! Knows no block and no queue.

use std::time::Duration;

use super::candidate::Candidate;
use super::checks::Wait;
use super::reader::Reader;
use crate::deadlines::Wake;
use crate::time::Instant;

/// How long it is not asked again for what it was asked for.
pub const ASK_AGAIN: Duration = Duration::from_secs(10);
/// How long it is not answered again: this, and as long as its answer takes at `ANSWER_RATE`. What is shared is not
/// counted among what waits for it, so that asking has to be slower than anybody can fetch what was asked for.
pub const ANSWER_AGAIN: Duration = Duration::from_secs(1);
/// Bytes a second.
pub const ANSWER_RATE: usize = 1_000_000;

/// A peer that speaks Bunkercoin's messages.
#[derive(Debug)]
pub struct Neighbour {
    /// What it says.
    pub reader: Reader,
    /// What is done about it.
    pub doing: Doing,
    /// The chain it is telling.
    pub candidate: Option<Candidate>,
    /// Whether it was asked what it has, when it came.
    pub is_greeted: bool,
    /// Whether it is in the queue of those there is work for.
    pub is_queued: bool,
    /// When it was asked last.
    asked: Option<Instant>,
    /// When it is to be asked again.
    pub ask_at: Option<Instant>,
    /// What it asks for: the chain.
    pub chain: Question,
    /// And the pool.
    pub mempool: Question,
    /// Its time has come, or it has taken what it was sent: what waited for that is to be looked at.
    pub is_woken: bool,
    /// Where its entry among the deadlines stands.
    pub wake: Wake,
}

/// Something that a peer may ask for. However often it asks before it is answered, it is one question.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// It has asked, and was not answered yet.
    pub is_open: bool,
    /// From when on it is answered again.
    pub from: Instant,
}

/// What is done about what a peer said.
#[derive(Debug, Default)]
pub enum Doing {
    /// What it says next is looked at.
    #[default]
    Nothing,
    /// A block of its chain is checked.
    ChainBlock(Wait),
    /// A block behind our own chain is checked.
    NewBlock(Wait),
    /// A block of its chain waits for a place.
    Waiting(Vec<u8>),
    /// It has a place for that block now.
    Seated(Vec<u8>),
}

impl Neighbour {
    /// One that has just come.
    pub fn new(now: Instant) -> Self {
        Self {
            reader: Reader::default(),
            doing: Doing::Nothing,
            candidate: None,
            is_greeted: false,
            is_queued: false,
            asked: None,
            ask_at: None,
            chain: Question::new(now),
            mempool: Question::new(now),
            is_woken: false,
            wake: Wake::default(),
        }
    }

    /// Whether it may be asked now. If not, it will be at its time.
    pub fn may_be_asked(&mut self, now: Instant) -> bool {
        let next = self.asked.map(|asked| asked + ASK_AGAIN);
        if let Some(next) = next.filter(|next| *next > now) {
            self.ask_at = Some(next);
            return false;
        }
        self.asked = Some(now);
        self.ask_at = None;
        true
    }

    /// It is asked again, but not at once.
    pub fn ask_later(&mut self, now: Instant) {
        self.ask_at = Some(now + ASK_AGAIN);
    }

    /// Whether there is something to do that does not wait for anything.
    pub fn has_work(&self) -> bool {
        if self.is_woken {
            return true;
        }
        match self.doing {
            Doing::Nothing => !self.is_greeted || self.reader.has_more(),
            Doing::ChainBlock(_) | Doing::NewBlock(_) | Doing::Seated(_) => true,
            Doing::Waiting(_) => false,
        }
    }

    /// Whether what it says next has to wait.
    pub fn is_busy(&self) -> bool {
        self.reader.has_more() || !matches!(self.doing, Doing::Nothing)
    }

    /// When it wants to be woken. What is due now and was not done waits for something else.
    pub fn deadline(&self, now: Instant) -> Option<Instant> {
        let questions = [self.chain, self.mempool].into_iter().filter(|it| it.is_open).map(|it| it.from);
        questions.chain(self.ask_at).filter(|when| *when > now).min()
    }

    /// Bytes it has us hold.
    pub fn memory(&self) -> usize {
        let waiting = match &self.doing {
            Doing::Waiting(block) | Doing::Seated(block) => block.capacity(),
            Doing::Nothing | Doing::ChainBlock(_) | Doing::NewBlock(_) => 0,
        };
        self.reader.memory() + waiting + self.candidate.as_ref().map_or(0, |candidate| candidate.brought)
    }
}

impl Question {
    /// Not asked yet.
    pub fn new(now: Instant) -> Self {
        Self { is_open: false, from: now }
    }

    /// Whether it is to be answered now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.is_open && self.from <= now
    }

    /// It is answered, with so many bytes.
    pub fn answered(&mut self, now: Instant, bytes: usize) {
        *self = Self { is_open: false, from: now + pause_behind(bytes) };
    }
}

/// How long somebody who was answered so many bytes is not answered again.
fn pause_behind(answer: usize) -> Duration {
    ANSWER_AGAIN + Duration::from_secs((answer / ANSWER_RATE) as u64)
}
