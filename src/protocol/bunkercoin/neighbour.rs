//! One peer, as far as its chain goes: what it says, what is done about it, and when it may be asked and answered again.
//! Knows no block and no queue.

use std::time::Duration;

use super::candidate::Candidate;
use super::checks::Wait;
use super::reader::{Item, Reader};
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
    /// From when on it is answered again: about the chain, and about the pool.
    pub chain_from: Instant,
    /// About the pool.
    pub mempool_from: Instant,
    /// Where its entry among the deadlines stands.
    pub wake: Wake,
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
    /// It waits for a place, or for its time.
    Waiting(Item),
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
            chain_from: now,
            mempool_from: now,
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
        match self.doing {
            Doing::Nothing => !self.is_greeted || self.reader.has_more(),
            Doing::ChainBlock(_) | Doing::NewBlock(_) => true,
            Doing::Waiting(_) => false,
        }
    }

    /// Whether what it says next has to wait.
    pub fn is_busy(&self) -> bool {
        self.reader.has_more() || !matches!(self.doing, Doing::Nothing)
    }

    /// When it wants to be woken.
    pub fn deadline(&self) -> Option<Instant> {
        let answer = match &self.doing {
            Doing::Waiting(Item::GetChain) => Some(self.chain_from),
            Doing::Waiting(Item::GetMempool) => Some(self.mempool_from),
            _ => None,
        };
        [answer, self.ask_at].into_iter().flatten().min()
    }

    /// Bytes it has us hold.
    pub fn memory(&self) -> usize {
        self.reader.memory() + self.candidate.as_ref().map_or(0, |candidate| candidate.brought)
    }
}

/// How long somebody who was answered so many bytes is not answered again.
pub fn pause_behind(answer: usize) -> Duration {
    ANSWER_AGAIN + Duration::from_secs((answer / ANSWER_RATE) as u64)
}
