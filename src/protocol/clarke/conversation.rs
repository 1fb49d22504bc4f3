//! One connection: in which of the two styles it is held, and the order of its answers. Knows what a message's answer
//! is written like; what it says is the desk's business.
//!
//! ```text
//!         a message                    a blank line
//!   New ────────────→ Undecided ──────────────────────→ Over: one reply, a blank line, the end
//!    │ a blank line       │ anything else, or STYLE_GRACE
//!    ↓                    ↓            a blank line
//!   Over                Kept ─────────────────────────→ Over
//!                         {"response":REPLY} a line; listens
//! ```
//!
//! Whoever sends one message and a blank line is answered `REPLY`, a blank line, and the end of the connection; one
//! that ends its stream without any newline too. Everybody else says a message a line and is answered
//! `{"response":REPLY}` a line; it hears what the others have to say from then on, and a blank line ends it. Who is
//! dialled is answered so from the beginning, hears the others once it has shown that it reads lines, and cannot end it
//! by a blank line: that may be part of a reply.

use std::time::Duration;

use super::cost;
use super::desk::{Answer, Desk, Speaker};
use super::listing::Payload;
use super::message::{Key, is_known, is_response};
use super::neighbours::Manner;
use super::reply;
use super::stream::{Event, Fault, Stream};
use crate::deadlines::Wake;
use crate::protocol::waiting::Waiting;
use crate::protocol::{self, DialId, Offence, TextOutbox};
use crate::time::Instant;

/// How long the first reply waits for what tells the two styles apart, when that has not come with the message.
pub const STYLE_GRACE: Duration = Duration::from_millis(100);
/// A reply repeats the item it is about, and has more around it than the request had: what is read may be so much
/// longer than a request, or the longest of them would have its answer cut off.
pub const REPLY_MARGIN: usize = 128;
/// What a connection may be answered in a turn, bytes, before the rest of what it said waits until it has taken that:
/// many small questions with large answers come in one read.
pub const ANSWERS_IN_A_TURN: usize = 64 * 1024;

/// What has been said and how it is answered.
#[derive(Debug)]
pub(super) struct Conversation {
    pub speaker: Speaker,
    /// We have dialled it.
    pub dialed: Option<Dialed>,
    pub wake: Wake,
    /// Which of all connections it is.
    pub serial: u64,
    /// It is in the queue already.
    pub is_queued: bool,
    stream: Stream,
    style: Style,
    /// What has come and is not looked at yet.
    waiting: Waiting,
    /// In which turn some of that was looked at last.
    turn: u64,
    /// What it has been answered in that, bytes.
    answered: usize,
}

/// How we came to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dialed {
    pub dial: DialId,
    /// What it was greeted with; `None` until it is.
    pub nonce: Option<String>,
    /// When it is sent a blank line, unless it has said something.
    pub silent_until: Option<Instant>,
}

/// A message, or why it is none.
type Said = Result<String, Fault>;

#[derive(Debug)]
enum Style {
    New,
    /// Until then.
    Undecided(Said, Instant),
    Kept,
    Over,
}

impl Conversation {
    /// Nothing has been said.
    pub fn new(serial: u64, speaker: Speaker, dialed: Option<Dialed>) -> Self {
        let style = if dialed.is_some() { Style::Kept } else { Style::New };
        Self {
            speaker,
            dialed,
            wake: Wake::default(),
            serial,
            is_queued: false,
            stream: Stream::default(),
            style,
            waiting: Waiting::default(),
            turn: 0,
            answered: 0,
        }
    }

    /// Bytes have come.
    pub fn heard(&mut self, out: &mut impl TextOutbox, bytes: &[u8]) {
        self.waiting.push(bytes);
        self.note(out);
    }

    /// It is this turn; whether that is new to it, and it may be answered as much again.
    pub fn begin_turn(&mut self, turn: u64) -> bool {
        let is_new = self.turn != turn;
        if is_new {
            (self.turn, self.answered) = (turn, 0);
        }
        is_new
    }

    /// Looks at some of what has come, and at one message at most. Nothing of what it said before its end counts after
    /// it.
    pub fn step(&mut self, now: Instant, out: &mut impl TextOutbox, desk: &mut Desk) {
        let token = self.speaker.token;
        if out.is_open(token)
            && let Some(event) = self.read(desk)
        {
            self.take(now, out, desk, event);
        }
        if !out.is_open(token) || matches!(self.style, Style::Over) {
            (self.waiting, self.stream) = (Waiting::default(), Stream::default());
        }
        if self.stream.is_within() {
            self.keep(now, out, desk);
        }
        self.note(out);
    }

    /// No more will come. Nobody is read while something of its waits: all but an unfinished message has been looked at.
    pub fn ended(&mut self, now: Instant, out: &mut impl TextOutbox, desk: &mut Desk) {
        let last = self.stream.finish().and_then(said);
        if let Some(last) = &last {
            self.learn_manner(out, desk, last);
        }
        let last = last.filter(|_| out.count_message(self.speaker.token, self.stream.passed()));
        match (std::mem::replace(&mut self.style, Style::Over), last) {
            (Style::New, Some(said)) => self.answer_once(now, out, desk, said),
            (Style::Undecided(first, _), last) => {
                self.answer_kept(now, out, desk, first);
                last.into_iter().for_each(|said| self.answer_kept(now, out, desk, said));
            }
            (Style::Kept, Some(said)) => self.answer_kept(now, out, desk, said),
            (Style::New | Style::Kept, None) | (Style::Over, _) => {}
        }
    }

    /// When something is to be done, if nothing comes before.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.style {
            Style::Undecided(_, until) => Some(*until),
            Style::New | Style::Kept | Style::Over => self.dialed.as_ref()?.silent_until,
        }
    }

    /// Nothing has come: a first message is one of several, and somebody dialled may wait for a blank line.
    pub fn waited(&mut self, now: Instant, out: &mut impl TextOutbox, desk: &mut Desk) {
        self.keep(now, out, desk);
        if let Some(dialed) = &mut self.dialed
            && dialed.silent_until.take().is_some()
        {
            out.answer(self.speaker.token, b"\n");
        }
        self.note(out);
    }

    /// Whether some of what it said waits.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.unread().is_empty()
    }

    /// Whether it has been answered as much as it may be in a turn.
    pub fn is_answered_enough(&self) -> bool {
        self.answered > ANSWERS_IN_A_TURN
    }

    fn read(&mut self, desk: &mut Desk) -> Option<Event> {
        let unread = self.waiting.unread();
        let (all, here) = (unread.len(), unread.len().min(cost::SCAN));
        let mut input = &unread[..here];
        let event = self.stream.next(desk.max_message + REPLY_MARGIN, &mut input);
        let read = here - input.len();
        self.waiting.keep_last(all - read);
        desk.spend(cost::of_scanning(read));
        event
    }

    fn take(&mut self, now: Instant, out: &mut impl TextOutbox, desk: &mut Desk, event: Event) {
        let token = self.speaker.token;
        match said_or(event) {
            Ok(said) => {
                self.learn_manner(out, desk, &said);
                if out.count_message(token, self.stream.passed()) {
                    self.asked(now, out, desk, said);
                }
            }
            Err(Event::Oversize) => {
                let most = desk.max_message + REPLY_MARGIN;
                out.offended(token, Offence::Oversize, format_args!("a message of more than {most} bytes"));
            }
            Err(_) => self.blank_line(now, out, desk),
        }
    }

    fn asked(&mut self, now: Instant, out: &mut impl TextOutbox, desk: &mut Desk, said: Said) {
        self.keep(now, out, desk);
        match self.style {
            Style::New => self.style = Style::Undecided(said, now + STYLE_GRACE),
            Style::Kept => self.answer_kept(now, out, desk, said),
            Style::Undecided(..) | Style::Over => {}
        }
    }

    fn blank_line(&mut self, now: Instant, out: &mut impl TextOutbox, desk: &mut Desk) {
        if self.dialed.is_some() {
            return;
        }
        if let Style::Undecided(said, _) = std::mem::replace(&mut self.style, Style::Over) {
            self.answer_once(now, out, desk, said);
        }
        out.finish(self.speaker.token);
    }

    /// What somebody dialled says first tells how it wants to be told.
    fn learn_manner(&mut self, out: &mut impl TextOutbox, desk: &mut Desk, said: &Said) {
        let (Some(dialed), Ok(text)) = (&mut self.dialed, said) else { return };
        let dial = dialed.dial;
        if is_known(text) {
            out.vouch_for(dial); // its connections may be short
        }
        if desk.neighbours.manner(dial) != Manner::Unknown || dialed.nonce.is_none() {
            return;
        }
        if dialed.silent_until.take().is_none() && !is_response(text) {
            return desk.neighbours.learn(dial, Manner::Single); // it has waited for the blank line
        }
        desk.neighbours.learn(dial, Manner::Kept);
        out.listen(self.speaker.token);
        while let Some(waiting) = desk.neighbours.next(dial) {
            out.answer(self.speaker.token, format!("{waiting}\n").as_bytes());
        }
    }

    /// If its style was not known: it is now.
    fn keep(&mut self, now: Instant, out: &mut impl TextOutbox, desk: &mut Desk) {
        if !matches!(self.style, Style::Undecided(..)) {
            return;
        }
        if let Style::Undecided(first, _) = std::mem::replace(&mut self.style, Style::Kept) {
            out.listen(self.speaker.token);
            self.answer_kept(now, out, desk, first);
        }
    }

    fn answer_once(&mut self, now: Instant, out: &mut impl TextOutbox, desk: &mut Desk, said: Said) {
        self.answer(now, out, desk, said, ["", "\n\n"]);
    }

    fn answer_kept(&mut self, now: Instant, out: &mut impl TextOutbox, desk: &mut Desk, said: Said) {
        self.answer(now, out, desk, said, ["{\"response\":", "}\n"]);
    }

    /// Answers between these two. Whom we dial is told nothing of errors: it might have one about that to tell, and so
    /// on for ever.
    fn answer(
        &mut self,
        now: Instant,
        out: &mut impl TextOutbox,
        desk: &mut Desk,
        said: Said,
        [before, behind]: [&str; 2],
    ) {
        let answer = match said {
            Ok(text) => desk.answer(now, out, self.speaker, &text),
            Err(fault) => Answer::Error(reply::error(Key::default(), &fault.to_string())),
        };
        let token = self.speaker.token;
        let text = match answer {
            Answer::Reply(reply) => reply,
            Answer::Error(reply) if self.dialed.is_none() => reply,
            Answer::Listing(key, kind, Payload::Own(payload)) => reply::reply(key, kind, &payload),
            Answer::Listing(key, kind, Payload::Shared(chunk)) => {
                let head = format!("{before}{}", reply::beginning(key, kind));
                self.answered += chunk.len();
                desk.spend(cost::of_copying(chunk.len()));
                let tail = format!("{}{behind}", reply::END);
                return out.answer_stored(token, head.as_bytes(), [&chunk].into_iter(), tail.as_bytes());
            }
            Answer::Error(_) | Answer::Silence => return,
            Answer::Ourselves => {
                self.style = Style::Over;
                return out.finish(token);
            }
        };
        let text = format!("{before}{text}{behind}");
        self.answered += text.len();
        desk.spend(cost::of_copying(text.len()));
        out.answer(token, text.as_bytes());
    }

    fn note(&self, out: &mut impl TextOutbox) {
        let held = match &self.style {
            Style::Undecided(Ok(text), _) => text.capacity(),
            _ => 0,
        };
        let stream = protocol::Stream {
            begun: self.stream.begun(),
            memory: self.stream.memory() + self.waiting.memory() + held,
            is_busy: self.is_waiting(),
        };
        out.note_stream(self.speaker.token, stream);
    }
}

/// A message, or what else has come.
fn said_or(event: Event) -> Result<Said, Event> {
    match event {
        Event::Message(text) => Ok(Ok(text)),
        Event::Malformed(fault) => Ok(Err(fault)),
        Event::Blank | Event::Oversize => Err(event),
    }
}

fn said(event: Event) -> Option<Said> {
    said_or(event).ok()
}
