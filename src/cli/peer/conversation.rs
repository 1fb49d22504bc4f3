//! The conversation as a state machine: told what was typed and what came, asked what to send, what to show and
//! whether it is over. Knows no socket, thread or terminal; time is an argument.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use super::framing::{Fault, Framing, Inbound, Message};
use super::losing;
use super::typing::Typing;
use crate::cli::Failure;
use crate::cli::units::grouped;
use crate::time::Instant;
use crate::wire::{Part, printable};

/// A relay that turns somebody away does it at once; a busy machine, and a long way, take their time.
const AT_ONCE: Duration = Duration::from_secs(5);

/// How to talk.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub framing: Framing,
    /// Bytes of a line, its end not counted.
    pub max_line: usize,
    pub end: AtEnd,
}

/// What the end of stdin does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtEnd {
    /// Tells the other side that no more will come.
    HalfClose,
    /// Nothing, until the other side ends.
    Stay,
}

/// Who came to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Connected,
    Listened,
}

/// Something to show, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// Lines for stdout.
    Out(Vec<u8>),
    /// A line for stderr.
    Status(String),
}

/// What has been said between two, and what is still to be.
pub struct Conversation {
    rules: Rules,
    with: SocketAddr,
    side: Side,
    began: Instant,
    typing: Typing,
    inbound: Inbound,
    pieces: Vec<Piece>,
    /// Our own end.
    ours: End,
    /// Nothing more comes from the other side.
    has_peer_ended: bool,
    has_received: bool,
    has_sent: bool,
    passed_over: u64,
    /// What else went wrong that is not the end of it.
    faults: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    StdinOpen,
    /// Stdin has ended.
    StdinOver,
    /// And the other side has been told.
    Told,
}

// Inputs: what happened.
impl Conversation {
    /// The connection is there.
    pub fn begun(with: SocketAddr, side: Side, rules: &Rules, now: Instant) -> Self {
        let mut new = Self {
            rules: *rules,
            with,
            side,
            began: now,
            typing: Typing::new(rules.framing, rules.max_line),
            inbound: rules.framing.inbound(rules.max_line),
            pieces: Vec::new(),
            ours: End::StdinOpen,
            has_peer_ended: false,
            has_received: false,
            has_sent: false,
            passed_over: 0,
            faults: Vec::new(),
        };
        new.status(format!("connected to {with}; a line is a message; Ctrl-D ends"));
        new
    }

    /// Bytes of stdin, cut anywhere.
    pub fn typed(&mut self, bytes: &[u8]) {
        self.typing.typed(bytes, &mut self.pieces);
    }

    /// The end of stdin. A last line needs no end of its own.
    pub fn typed_end(&mut self) {
        self.typing.end(&mut self.pieces);
        self.ours = End::StdinOver;
    }

    /// Stdin cannot be read: that ends it.
    pub fn typing_failed(&mut self, error: &io::Error) {
        self.faults.push(format!("cannot read stdin: {error}"));
        self.typed_end();
    }

    /// Bytes of the other side's, cut anywhere.
    ///
    /// # Errors
    /// When nothing behind them can be understood.
    pub fn received(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        self.has_received = true;
        loop {
            match self.inbound.next(&mut bytes) {
                Ok(None) => return Ok(()),
                Ok(Some(message)) => self.show(&message),
                Err(Fault::PassedOver(why)) => self.pass_over(&why),
                Err(Fault::OutOfStep(why)) => return Err(self.failed(&why)),
            }
        }
    }

    /// The other side will send no more. It may still read.
    pub fn ended(&mut self) {
        if self.has_peer_ended {
            return;
        }
        self.has_peer_ended = true;
        match self.inbound.finish() {
            Ok(None) => {}
            Ok(Some(message)) => self.show(&message),
            Err(Fault::PassedOver(why)) => self.pass_over(&why),
            Err(Fault::OutOfStep(why)) => self.faults.push(format!("{} {why}", self.with)),
        }
        if self.inbound.skipped() > 0 {
            let bytes = grouped(self.inbound.skipped());
            self.status(format!("{bytes} bytes between frames of {} were no frame of ours", self.with));
        }
        if self.ours != End::StdinOpen {
            return;
        }
        let how = if self.faults.is_empty() { "has ended" } else { "has ended in mid-frame" };
        self.status(format!("{} {how}; it may still read: a line is a message; Ctrl-D ends", self.with));
    }

    /// The connection has failed. Why that is.
    pub fn lost(&self, now: Instant, kind: io::ErrorKind) -> Failure {
        let is_reset = matches!(kind, io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe);
        let framing = self.rules.framing;
        match (is_reset && self.is_at_once(now), self.has_sent) {
            (true, false) => losing::closed_at_once(self.with, framing),
            (true, true) => losing::not_understood(self.with, framing),
            (false, _) => losing::broken_off(self.with, kind, self.typing.outgoing.unsent() as u64),
        }
    }

    /// So many bytes of what is to be sent are.
    pub fn sent(&mut self, len: usize) {
        self.has_sent |= len > 0;
        self.typing.outgoing.sent(len);
    }

    /// The other side has been told that no more will come.
    pub fn end_told(&mut self) {
        self.ours = End::Told;
    }
}

// Questions: what to do about it.
impl Conversation {
    /// Whether there is room for more of stdin.
    pub fn wants_typed(&self) -> bool {
        self.ours == End::StdinOpen && self.typing.has_room()
    }

    /// What is to be sent, in order.
    pub fn unsent(&self) -> impl Iterator<Item = Part<'_>> {
        self.typing.outgoing.parts()
    }

    pub fn has_unsent(&self) -> bool {
        !self.typing.outgoing.is_empty()
    }

    /// Whether an end now would cut off what was being said here.
    pub fn is_speaking(&self) -> bool {
        self.has_unsent() || (self.ours == End::StdinOpen && self.typing.has_begun())
    }

    /// Whether the other side is to be told that no more will come.
    pub fn wants_end(&self) -> bool {
        self.ours == End::StdinOver && self.rules.end == AtEnd::HalfClose && !self.has_unsent()
    }

    /// Neither side has anything more to say.
    pub fn is_over(&self) -> bool {
        self.ours != End::StdinOpen && self.has_peer_ended && !self.has_unsent()
    }

    /// What there is to show, since the last call.
    pub fn take_pieces(&mut self) -> Vec<Piece> {
        std::mem::take(&mut self.pieces)
    }

    /// It is over: whether everything was as it should be.
    pub fn verdict(&self) -> Result<(), Failure> {
        let mut faults = self.faults.clone();
        if self.passed_over > 0 {
            faults.push(format!("{} passed over", counted(self.passed_over, ("message", "received"))));
        }
        if self.typing.not_sent > 0 {
            faults.push(format!("{} not sent", counted(self.typing.not_sent, ("line", "of stdin"))));
        }
        if faults.is_empty() { Ok(()) } else { Err(Failure::failed(faults.join("; "))) }
    }
}

impl Conversation {
    fn show(&mut self, message: &Message<'_>) {
        let name = message.other_name(self.rules.framing);
        let name = name.map(|name| format!(" {name}")).unwrap_or_default();
        if !matches!(self.pieces.last(), Some(Piece::Out(_))) {
            self.pieces.push(Piece::Out(Vec::new()));
        }
        if let Some(Piece::Out(lines)) = self.pieces.last_mut() {
            let text = printable(message.text());
            for part in ["[peer", &name, "] ", &text, "\n"] {
                lines.extend_from_slice(part.as_bytes());
            }
        }
    }

    fn pass_over(&mut self, why: &str) {
        self.passed_over += 1;
        if self.passed_over == 1 {
            self.status(format!("passed over from {}: {why}; further ones are only counted", self.with));
        }
    }

    /// So soon that it may have been a relay that did not let us in.
    fn is_at_once(&self, now: Instant) -> bool {
        self.side == Side::Connected && !self.has_received && now.since(self.began) < AT_ONCE
    }

    fn failed(&self, why: &str) -> Failure {
        Failure::failed(format!("{} {why}", self.with))
    }

    fn status(&mut self, line: String) {
        self.pieces.push(Piece::Status(line));
    }
}

/// `1 line of stdin was`, `2 lines of stdin were`.
fn counted(count: u64, (thing, whence): (&str, &str)) -> String {
    let (plural, verb) = if count == 1 { ("", "was") } else { ("s", "were") };
    format!("{} {thing}{plural} {whence} {verb}", grouped(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Frame, Magic, Network};

    const MAGIC: Magic = Network::PRIVATE.magic;
    const START: Instant = Instant::START;
    const LATER: Instant = Instant::from_micros(5_000_000);

    fn with(framing: Framing, end: AtEnd) -> Conversation {
        let rules = Rules { framing, max_line: 5, end };
        let mut new = Conversation::begun("127.0.0.1:9".parse().unwrap(), Side::Connected, &rules, START);
        let begun = Piece::Status("connected to 127.0.0.1:9; a line is a message; Ctrl-D ends".into());
        assert_eq!(new.take_pieces(), [begun]);
        new
    }

    fn lines() -> Conversation {
        with(Framing::Lines, AtEnd::HalfClose)
    }

    fn frames() -> Conversation {
        with(Framing::Frames { magic: MAGIC, command: "msg".parse().unwrap() }, AtEnd::HalfClose)
    }

    fn frame(command: &str, payload: &[u8]) -> Vec<u8> {
        Frame::encode(MAGIC, command.parse().unwrap(), payload).as_bytes().to_vec()
    }

    /// Everything to be sent, which is then sent.
    fn send(talk: &mut Conversation) -> Vec<u8> {
        let bytes: Vec<u8> = talk.unsent().flat_map(|part| part.as_slice().to_vec()).collect();
        talk.sent(bytes.len());
        assert!(!talk.has_unsent());
        bytes
    }

    /// What is shown; status in braces.
    fn shown(talk: &mut Conversation) -> String {
        let text = |piece| match piece {
            Piece::Out(lines) => String::from_utf8(lines).unwrap(),
            Piece::Status(line) => format!("{{{line}}}\n"),
        };
        talk.take_pieces().into_iter().map(text).collect()
    }

    fn line_of(failure: Failure) -> String {
        assert_eq!(failure.code, 1);
        failure.line
    }

    #[test]
    fn a_line_is_a_message_however_it_is_typed() {
        let mut talk = lines();
        for piece in ["HELL", "O\nWOR", "LD\r", "\n\nend"] {
            talk.typed(piece.as_bytes());
        }
        assert_eq!(send(&mut talk), b"HELLO\nWORLD\n\n");
        assert!(!talk.wants_end());
        talk.typed_end();
        assert!(!talk.wants_end() && !talk.wants_typed(), "the last line first");
        assert_eq!(send(&mut talk), b"end\n");
        assert!(talk.wants_end() && !talk.is_over());
    }

    #[test]
    fn what_comes_is_shown_by_name_and_never_raw() {
        let mut talk = frames();
        let wire = [
            frame("msg", b"hello"),
            frame("other", b"[peer] hello"),
            frame("", b""),
            frame("msg", b"\x1b[2J\nline"),
        ];
        talk.received(&wire.concat()).unwrap();
        let all = "[peer] hello\n[peer other] [peer] hello\n[peer ] \n[peer] \\x1b[2J\\x0aline\n";
        assert_eq!(shown(&mut talk), all);
    }

    #[test]
    fn a_last_line_needs_no_end_and_a_frame_does() {
        let mut talk = lines();
        talk.received(b"HELLO\nWOR").unwrap();
        assert_eq!(shown(&mut talk), "[peer] HELLO\n");
        talk.typed_end();
        talk.ended();
        assert_eq!(shown(&mut talk), "[peer] WOR\n");
        assert!(talk.is_over());
        assert_eq!(talk.verdict(), Ok(()));

        let mut talk = frames();
        talk.received(&frame("msg", b"hello")[..26]).unwrap();
        talk.ended();
        assert!(shown(&mut talk).starts_with("{127.0.0.1:9 has ended in mid-frame; it may still read"));
        talk.typed_end();
        assert!(talk.is_over());
        let verdict = "127.0.0.1:9 ended in mid-frame (--lines, --network or --magic?)";
        assert_eq!(line_of(talk.verdict().unwrap_err()), verdict);
    }

    #[test]
    fn lines_too_long_are_counted_and_the_others_go_on() {
        let mut talk = lines();
        talk.typed(&b"1234567\n".repeat(2));
        talk.received(&b"123456\nab\n".repeat(3)).unwrap();
        let told =
            "{passed over from 127.0.0.1:9: a line of more than 5 bytes; further ones are only counted}";
        assert!(shown(&mut talk).ends_with(&format!("{told}\n{}", "[peer] ab\n".repeat(3))));
        let verdict = "3 messages received were passed over; 2 lines of stdin were not sent";
        assert_eq!(line_of(talk.verdict().unwrap_err()), verdict);
    }

    #[test]
    fn a_spoilt_frame_is_passed_over_and_junk_is_the_end() {
        let mut talk = frames();
        let mut spoilt = frame("msg", b"hello");
        spoilt[20] ^= 1;
        talk.received(&[spoilt.repeat(2), frame("msg", b"fine")].concat()).unwrap();
        let told = shown(&mut talk);
        assert!(told.starts_with("{passed over from 127.0.0.1:9: a frame: msg, 5 B: header says"), "{told}");
        assert!(told.ends_with("[peer] fine\n") && told.lines().count() == 2, "{told}");
        assert_eq!(line_of(talk.verdict().unwrap_err()), "2 messages received were passed over");
        assert_eq!(
            line_of(talk.received(&[b'x'; 24]).unwrap_err()),
            "127.0.0.1:9 does not speak this framing: more than 23 bytes that are no frame of ours \
             (--lines, --network or --magic?)"
        );
    }

    #[test]
    fn a_frame_too_large_is_passed_over() {
        let mut wire = frame("msg", &vec![b'x'; 4_000_001]);
        wire.extend(frame("msg", b"small"));
        let mut talk = frames();
        for piece in wire.chunks(1_000_000) {
            talk.received(piece).unwrap();
        }
        let told = shown(&mut talk);
        assert!(
            told.starts_with("{passed over from 127.0.0.1:9: a frame: a header claims 4000001 B"),
            "{told}"
        );
        assert!(told.ends_with("[peer] small\n"), "{told}");
        assert_eq!(line_of(talk.verdict().unwrap_err()), "1 message received was passed over");
    }

    #[test]
    fn whoever_stays_says_no_end_and_goes_with_the_other_side() {
        let mut talk = with(Framing::Lines, AtEnd::Stay);
        talk.typed(b"a\n");
        talk.typed_end();
        assert!(!talk.wants_typed() && !talk.is_over());
        talk.ended();
        assert!(!talk.is_over(), "it may still read what is not sent");
        send(&mut talk);
        assert!(talk.is_over() && !talk.wants_end());
        assert_eq!(shown(&mut talk), "");
    }

    #[test]
    fn the_other_sides_end_is_told_while_stdin_is_open() {
        let mut talk = lines();
        talk.ended();
        let told = "{127.0.0.1:9 has ended; it may still read: a line is a message; Ctrl-D ends}\n";
        assert_eq!(shown(&mut talk), told);
        talk.ended();
        assert_eq!(shown(&mut talk), "", "once");
        assert!(talk.wants_typed() && !talk.is_over());
        talk.typed_end();
        assert!(talk.is_over());
    }

    #[test]
    fn a_connection_closed_at_once_is_a_relay_that_is_full_or_has_banned_us() {
        let at_once = "127.0.0.1:9 closed the connection at once: it is full or has banned this address; \
                       its log says which";
        let reset = io::ErrorKind::ConnectionReset;
        assert_eq!(line_of(frames().lost(START, reset)), at_once);
        let other = "127.0.0.1:9 closed the connection at once: reset";
        assert_eq!(line_of(lines().lost(START, reset)), other, "no relay is there");
    }

    #[test]
    fn an_end_at_once_is_an_end_like_others() {
        let mut talk = frames();
        talk.ended();
        assert!(shown(&mut talk).starts_with("{127.0.0.1:9 has ended; it may still read"));
        talk.typed(b"still\n");
        assert_eq!(send(&mut talk), frame("msg", b"still"));
        talk.typed_end();
        assert!(talk.is_over());
        assert_eq!(talk.verdict(), Ok(()));
    }

    #[test]
    fn a_connection_lost_later_says_what_was_not_sent() {
        let reset = io::ErrorKind::ConnectionReset;
        let lost = "127.0.0.1:9 broke the connection off: reset";
        assert_eq!(line_of(frames().lost(LATER, reset)), lost);
        let mut talk = lines();
        talk.received(b"a").unwrap();
        talk.typed(b"12345\n");
        assert_eq!(line_of(talk.lost(START, reset)), format!("{lost}; at least 6 bytes were not sent"));
    }
}
