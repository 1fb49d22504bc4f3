//! Blocks and transactions that are handed in by somebody who is no peer here, and what comes of them. Knows nothing of
//! who that is.

use super::Bunkercoin;
use super::candidate::Candidate;
use super::checks::Wait;
use super::cost::{self, Cost};
use super::lookup::{Fault, Found};
use super::mempool::Entry;
use super::store::Fit;
use super::work::Source;
use crate::protocol::TextOutbox;

/// What was handed in is asked for by. Never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// What came of something handed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Checked, stored, and told to every peer.
    Taken,
    /// It was here already.
    Known,
    /// Not the JSON of one: why.
    Malformed(String),
    /// It breaks a rule: which.
    Invalid(String),
    /// The pool, or the chain, is full.
    NoRoom,
    /// A block that does not follow the last one.
    DoesNotFit,
}

/// Something handed in.
#[derive(Debug)]
pub(super) struct Submission {
    pub work: Work,
    pub asker: Asker,
}

/// What is to be done about it.
#[derive(Debug)]
pub(super) enum Work {
    Block(Vec<u8>),
    Transaction(Vec<u8>),
    Checking(Wait),
    /// A chain that was told to its end.
    Chain(Candidate),
}

/// Who wants to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// Whoever has the ticket.
    Holder,
    /// Nobody: a peer said it and has ended.
    Nobody,
}

impl Bunkercoin {
    /// A block's JSON. It is checked in turn with all that peers say.
    pub fn submit_block(&mut self, json: &[u8]) -> Ticket {
        self.submit(Work::Block(json.to_vec()), Asker::Holder)
    }

    /// A transaction's JSON.
    pub fn submit_transaction(&mut self, json: &[u8]) -> Ticket {
        self.submit(Work::Transaction(json.to_vec()), Asker::Holder)
    }

    /// Nobody asks for it any more: its work is dropped. If there is none, nothing.
    pub fn withdraw(&mut self, ticket: Ticket) {
        match self.submissions.remove(&ticket).map(|submission| submission.work) {
            Some(Work::Checking(wait)) => self.store.checks.leave(wait),
            Some(Work::Chain(candidate)) => self.store.discard(candidate.blocks),
            Some(Work::Block(_) | Work::Transaction(_)) | None => {}
        }
    }

    /// What came of those handed in, in that order.
    pub fn take_verdict(&mut self) -> Option<(Ticket, Verdict)> {
        self.verdicts.pop_front()
    }

    pub(super) fn submit(&mut self, work: Work, asker: Asker) -> Ticket {
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.submissions.insert(ticket, Submission { work, asker });
        self.queue.push_back(Source::Ticket(ticket));
        ticket
    }

    /// One step on with what was handed in.
    pub(super) fn step_ticket(&mut self, out: &mut impl TextOutbox, ticket: Ticket) -> Cost {
        let Some(Submission { work, asker }) = self.submissions.remove(&ticket) else { return cost::STEP };
        let (cost, next) = match work {
            Work::Block(text) => self.submitted_block(out, &text),
            Work::Transaction(text) => self.submitted_transaction(out, &text),
            Work::Checking(wait) => self.submitted_check(out, wait),
            Work::Chain(candidate) => return self.consider(None, candidate),
        };
        match next {
            Ok(verdict) if asker == Asker::Holder => self.verdicts.push_back((ticket, verdict)),
            Ok(_) => {}
            Err(work) => {
                self.submissions.insert(ticket, Submission { work, asker });
                self.queue.push_back(Source::Ticket(ticket));
            }
        }
        cost
    }

    fn submitted_block(&mut self, out: &mut impl TextOutbox, text: &[u8]) -> (Cost, Result<Verdict, Work>) {
        if text.len() > self.max_message {
            return (cost::STEP, Ok(self.too_long()));
        }
        let (cost, found) = self.store.look_up(text);
        let next = match found {
            Err(fault) => Ok(fault.into()),
            Ok(Found::Checked(block)) => Ok(self.place(out, None, &block).into()),
            Ok(Found::Waiting(wait)) => {
                let (link, prev_hash) = self.store.checks.link(&wait);
                match self.store.fit(link, prev_hash) {
                    Fit::Follows => Err(Work::Checking(wait)),
                    fit => {
                        self.store.checks.leave(wait);
                        Ok(fit.into())
                    }
                }
            }
        };
        (cost, next)
    }

    fn submitted_check(&mut self, out: &mut impl TextOutbox, wait: Wait) -> (Cost, Result<Verdict, Work>) {
        let (cost, outcome) = self.store.checks.step(&wait);
        let Some(outcome) = outcome else { return (cost, Err(Work::Checking(wait))) };
        self.store.checks.leave(wait);
        let verdict = match outcome {
            Err(flaw) => Fault::Flaw(flaw).into(),
            Ok(block) => self.place(out, None, &block).into(),
        };
        (cost, Ok(verdict))
    }

    fn submitted_transaction(
        &mut self,
        out: &mut impl TextOutbox,
        text: &[u8],
    ) -> (Cost, Result<Verdict, Work>) {
        if text.len() > self.max_message {
            return (cost::STEP, Ok(self.too_long()));
        }
        let (cost, entry) = self.take_transaction(out, None, text);
        let verdict = match entry {
            Err(fault) => fault.into(),
            Ok(Entry::New) => Verdict::Taken,
            Ok(Entry::Known) => Verdict::Known,
            Ok(Entry::NoRoom) => Verdict::NoRoom,
        };
        (cost, Ok(verdict))
    }

    fn too_long(&self) -> Verdict {
        Verdict::Malformed(format!("more than {} bytes", self.max_message))
    }
}

impl From<Fault> for Verdict {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Malformed(why) => Self::Malformed(why),
            Fault::Flaw(flaw) => Self::Invalid(flaw.to_string()),
        }
    }
}

impl From<Fit> for Verdict {
    fn from(fit: Fit) -> Self {
        match fit {
            Fit::Follows => Self::Taken,
            Fit::Known => Self::Known,
            Fit::Elsewhere => Self::DoesNotFit,
            Fit::Wrong(flaw) => Self::Invalid(flaw.to_string()),
            Fit::NoRoom => Self::NoRoom,
        }
    }
}
