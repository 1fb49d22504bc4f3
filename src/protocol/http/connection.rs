//! One connection: what of a request has come, what its sender waits for, and until when. Knows the order of requests;
//! what each is answered is in `serving.rs`.

use super::cost::{self, Cost};
use super::fault::Fault;
use super::head::{After, Head};
use super::lending::Lent;
use super::limits::{IDLE_TIME, MAX_SAID_BYTES, REQUEST_TIME};
use super::reader::{Reader, Step};
use super::reply;
use super::store::{Store, Ticket, Verdict};
use crate::deadlines::Wake;
use crate::protocol::waiting::Waiting;
use crate::protocol::{Stream, TextOutbox, Token};
use crate::time::Instant;

/// A client of ours.
#[derive(Debug)]
pub struct Connection {
    reader: Reader,
    /// What it sent that is not looked at yet.
    waiting: Waiting,
    pub(super) phase: Phase,
    /// When the request now arriving began.
    began: Option<Instant>,
    /// When it was last answered, or came.
    rested: Instant,
    /// Which of all connections it is.
    pub(super) serial: u64,
    /// It is in the queue already.
    pub(super) is_queued: bool,
    /// In which turn some of what it sent was looked at last.
    turn: u64,
    /// Bytes that it was answered in that.
    pub(super) said: usize,
    /// Pieces of the store that it was sent.
    pub(super) lent_pieces: usize,
    /// Longest body, bytes.
    max_body: usize,
    /// Where its deadline stands.
    pub(super) wake: Wake,
}

/// What a connection is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Requests come.
    Reading,
    /// What one brought is checked, and nothing is read before it is answered.
    Checking(Checking),
    /// It gets the news for as long as it says nothing.
    Listening,
    /// It is heard no more.
    Over,
}

/// A request whose verdict is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checking {
    /// Whose verdict.
    pub ticket: Ticket,
    /// The request.
    pub head: Head,
}

impl Connection {
    /// One that has just come.
    pub fn new(now: Instant, serial: u64, max_body: usize) -> Self {
        Self {
            reader: Reader::default(),
            waiting: Waiting::default(),
            phase: Phase::Reading,
            began: None,
            rested: now,
            serial,
            is_queued: false,
            turn: 0,
            said: 0,
            lent_pieces: 0,
            max_body,
            wake: Wake::default(),
        }
    }

    /// Bytes have come.
    pub fn heard(&mut self, out: &mut impl TextOutbox, peer: Token, bytes: &[u8]) {
        match self.phase {
            Phase::Reading | Phase::Checking(_) => self.waiting.push(bytes),
            Phase::Listening if !bytes.is_empty() => self.finish(out, peer), // it was to listen
            Phase::Listening | Phase::Over => {}
        }
    }

    /// It has taken all that it was answered. For as long as it was not heard no time has passed for it.
    pub fn caught_up(&mut self, now: Instant) {
        if self.has_work() {
            self.began = self.began.map(|_| now);
        }
    }

    /// Whether something that it sent can be looked at.
    pub fn has_work(&self) -> bool {
        self.phase == Phase::Reading && !self.waiting.unread().is_empty()
    }

    /// It is this turn; whether that is new to it, and it may be answered as much again.
    pub fn begin_turn(&mut self, turn: u64) -> bool {
        let is_new = self.turn != turn;
        if is_new {
            (self.turn, self.said) = (turn, 0);
        }
        is_new
    }

    /// Whether it has been answered as much as it may be in a turn.
    pub fn is_answered_enough(&self) -> bool {
        self.said >= MAX_SAID_BYTES
    }

    /// The verdict is there. What came meanwhile is for [`step`](Self::step).
    pub fn decided(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token, verdict: Verdict) {
        let Phase::Checking(checking) = self.phase else { return };
        self.phase = Phase::Reading;
        self.rested = now;
        if !out.is_open(peer) {
            return self.end();
        }
        self.say_verdict(out, peer, checking.head, verdict);
    }

    /// Looks at some of what it sent, and answers one request at most. What that cost. Nothing of what it sent before
    /// its end counts after it.
    pub fn step(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        store: &mut impl Store,
        lent: &mut Lent,
        peer: Token,
    ) -> Cost {
        if !out.is_open(peer) {
            self.end();
        }
        if !self.has_work() {
            return 0;
        }
        let (said, pieces) = (self.said, self.lent_pieces);
        let mut waiting = std::mem::take(&mut self.waiting);
        let unread = waiting.unread();
        let (all, here) = (unread.len(), unread.len().min(cost::SCAN));
        let mut input = &unread[..here];
        self.read(now, out, store, lent, peer, &mut input);
        let read = here - input.len();
        if self.phase != Phase::Over {
            waiting.keep_last(all - read);
            self.waiting = waiting;
        }
        if self.phase == Phase::Listening && read < all {
            self.finish(out, peer); // it was to listen
        }
        let lent = cost::of_lending(self.lent_pieces - pieces);
        cost::of_reading(read) + cost::of_saying(self.said - said) + lent
    }

    /// It will send no more. What has begun to come will never be whole.
    pub fn ended(&mut self, out: &mut impl TextOutbox, peer: Token) {
        if self.phase == Phase::Reading && self.reader.is_unfinished() {
            self.refuse(out, peer, &Fault::Unfinished);
        }
    }

    /// Its time may have come.
    pub fn expired(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token) {
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        if self.began.is_some() {
            self.refuse(out, peer, &Fault::Timeout);
        } else {
            self.finish(out, peer);
        }
    }

    /// When it is to be told that its time has come.
    pub fn due(&self) -> Option<Instant> {
        match (self.phase, self.began) {
            _ if self.has_work() => None,
            (Phase::Reading, Some(began)) => Some(began + REQUEST_TIME),
            (Phase::Reading, None) => Some(self.rested + IDLE_TIME),
            (Phase::Checking(_) | Phase::Listening | Phase::Over, _) => None,
        }
    }

    /// What its stream is at. A body that is checked is kept by the store, for it.
    pub fn stream(&self) -> Stream {
        let checked = match self.phase {
            Phase::Checking(checking) => checking.head.body_len,
            Phase::Reading | Phase::Listening | Phase::Over => 0,
        };
        Stream {
            begun: self.reader.begun(),
            memory: self.reader.memory() + self.waiting.memory() + checked,
            is_busy: self.has_work() || matches!(self.phase, Phase::Checking(_)),
        }
    }

    /// On to the end of a request, or of what is left.
    fn read(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        store: &mut impl Store,
        lent: &mut Lent,
        peer: Token,
        input: &mut &[u8],
    ) {
        let mut is_going_on = true;
        while std::mem::take(&mut is_going_on) {
            match self.reader.read(self.max_body, input) {
                Ok(None) => {}
                Ok(Some(Step::Head(head))) => {
                    self.welcome(out, peer, head);
                    is_going_on = self.phase == Phase::Reading;
                }
                Ok(Some(Step::Whole(request))) => {
                    (self.began, self.rested) = (None, now);
                    self.serve(out, store, lent, peer, &request);
                }
                Err(fault) => self.refuse(out, peer, &fault),
            }
        }
        if !out.is_open(peer) {
            self.end();
        }
        self.began = self.reader.is_unfinished().then(|| self.began.unwrap_or(now));
    }

    /// A body is to come: some wait to be asked for it, and whoever need not send it is told so.
    fn welcome(&mut self, out: &mut impl TextOutbox, peer: Token, head: Head) {
        if head.expects.is_none() || head.body_len == 0 {
            return;
        }
        match head.target.accepts(head.method) {
            Ok(()) => out.answer(peer, reply::CONTINUE),
            Err(fault) => self.refuse(out, peer, &fault),
        }
    }

    /// Says what is wrong, and that it was the last.
    fn refuse(&mut self, out: &mut impl TextOutbox, peer: Token, fault: &Fault) {
        let (head, body) = reply::fault(fault, After::Ends);
        out.answer(peer, (head + &body).as_bytes());
        self.finish(out, peer);
    }

    /// Nothing more is read of it.
    pub(super) fn finish(&mut self, out: &mut impl TextOutbox, peer: Token) {
        out.finish(peer);
        self.end();
    }

    fn end(&mut self) {
        (self.phase, self.reader, self.began) = (Phase::Over, Reader::default(), None);
        self.waiting = Waiting::default();
    }
}
