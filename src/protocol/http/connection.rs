//! One connection: what of a request has come, what its sender waits for, and until when. Knows the order of requests;
//! what each is answered is in `serving.rs`.

use super::fault::Fault;
use super::head::{After, Head};
use super::lending::Lent;
use super::limits::{IDLE_TIME, MAX_SAID_BYTES, REQUEST_TIME};
use super::reader::{Reader, Step};
use super::reply;
use super::store::{Store, Ticket, Verdict};
use super::waiting::Waiting;
use crate::deadlines::Wake;
use crate::protocol::{Stream, TextOutbox, Token};
use crate::time::Instant;

/// A client of ours.
#[derive(Debug)]
pub struct Connection {
    reader: Reader,
    /// What it sent while something of its was checked.
    waiting: Waiting,
    pub(super) phase: Phase,
    /// When the request now arriving began.
    began: Option<Instant>,
    /// When it was last answered, or came.
    rested: Instant,
    /// Bytes that it was answered this time.
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
    /// It has been answered much at once, and goes on when everybody else has been heard.
    Pausing,
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

impl Phase {
    /// Whether what comes must wait.
    const fn is_busy(self) -> bool {
        match self {
            Self::Checking(_) | Self::Pausing => true,
            Self::Reading | Self::Listening | Self::Over => false,
        }
    }
}

impl Connection {
    /// One that has just come.
    pub fn new(now: Instant, max_body: usize) -> Self {
        Self {
            reader: Reader::default(),
            waiting: Waiting::default(),
            phase: Phase::Reading,
            began: None,
            rested: now,
            said: 0,
            lent_pieces: 0,
            max_body,
            wake: Wake::default(),
        }
    }

    /// Bytes have come.
    pub fn heard(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        store: &mut impl Store,
        lent: &mut Lent,
        peer: Token,
        bytes: &[u8],
    ) {
        if self.phase.is_busy() {
            return self.waiting.push(bytes);
        }
        let mut input = bytes;
        self.read(now, out, store, lent, peer, &mut input);
        if self.phase.is_busy() {
            self.waiting.push(input);
        }
    }

    /// The verdict is there. What came meanwhile is for [`go_on`](Self::go_on).
    pub fn decided(&mut self, now: Instant, out: &mut impl TextOutbox, peer: Token, verdict: Verdict) {
        let Phase::Checking(checking) = self.phase else { return };
        self.phase = Phase::Pausing;
        self.rested = now;
        self.say_verdict(out, peer, checking.head, verdict);
    }

    /// Goes on with what came while it was busy.
    pub fn go_on(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        store: &mut impl Store,
        lent: &mut Lent,
        peer: Token,
    ) {
        if self.phase != Phase::Pausing {
            return;
        }
        self.phase = Phase::Reading;
        let mut waiting = std::mem::take(&mut self.waiting);
        let mut input = waiting.unread();
        self.read(now, out, store, lent, peer, &mut input);
        if self.phase.is_busy() {
            let left = input.len();
            waiting.keep_last(left);
            self.waiting = waiting;
        }
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
            (Phase::Reading, Some(began)) => Some(began + REQUEST_TIME),
            (Phase::Reading, None) => Some(self.rested + IDLE_TIME),
            (Phase::Checking(_) | Phase::Pausing | Phase::Listening | Phase::Over, _) => None,
        }
    }

    /// What its stream is at. A body that is checked is kept by the store, for it.
    pub fn stream(&self) -> Stream {
        let checked = match self.phase {
            Phase::Checking(checking) => checking.head.body_len,
            Phase::Reading | Phase::Pausing | Phase::Listening | Phase::Over => 0,
        };
        Stream {
            begun: self.reader.begun(),
            memory: self.reader.memory() + self.waiting.memory() + checked,
            is_busy: self.phase.is_busy(),
        }
    }

    /// Request after request, until one must wait or nothing is left.
    fn read(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        store: &mut impl Store,
        lent: &mut Lent,
        peer: Token,
        input: &mut &[u8],
    ) {
        self.said = 0;
        while self.phase == Phase::Reading {
            match self.reader.read(self.max_body, input) {
                Ok(None) => break,
                Ok(Some(Step::Head(head))) => self.welcome(out, peer, head),
                Ok(Some(Step::Whole(request))) => {
                    (self.began, self.rested) = (None, now);
                    self.serve(out, store, lent, peer, &request);
                    self.pause(input);
                }
                Err(fault) => self.refuse(out, peer, &fault),
            }
            if !out.is_open(peer) {
                self.end();
            }
        }
        if self.phase == Phase::Listening && !input.is_empty() {
            self.finish(out, peer); // it was to listen
        }
        self.began = self.reader.is_unfinished().then(|| self.began.unwrap_or(now));
    }

    /// Whoever has asked for much gets it a little at a time.
    fn pause(&mut self, input: &[u8]) {
        if self.phase == Phase::Reading && self.said >= MAX_SAID_BYTES && !input.is_empty() {
            self.phase = Phase::Pausing;
        }
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
    }
}
