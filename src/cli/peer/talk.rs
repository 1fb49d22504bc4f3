//! The loop of one conversation: wait → keyboard → write → read → show, each as far as it goes without waiting.
//! Reading waits only for the screen, and writing only for the other side: however slow one is, the other goes on.

use std::io;
use std::ops::ControlFlow;

use arrayvec::ArrayVec;
use bytes::Bytes;

use super::connecting::Met;
use super::conversation::Conversation;
use super::keyboard::{Keyboard, Typed};
use super::screen::{Screen, Stop};
use crate::cli::Failure;
use crate::protocol::Token;
use crate::server::{Readiness, Stack, WRITE_PARTS};
use crate::time::Instant;
use crate::wire::Part;

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// Everybody who takes part, but for the screen.
pub struct Talk<S: Stack> {
    stack: S,
    link: Link<S::Stream>,
    early: Vec<u8>,
    conversation: Conversation,
    keyboard: Keyboard,
    ready: Vec<Readiness>,
    scratch: Box<[u8]>,
    now: Instant,
}

/// The stream and what is known of its readiness: an event sets a flag, and only a `WouldBlock` or something
/// short takes it back.
struct Link<T> {
    stream: T,
    token: Token,
    is_readable: bool,
    is_writable: bool,
    /// A short read says nothing of what is left.
    is_read_to_the_end: bool,
    /// The end has been read.
    is_drained: bool,
    /// It was said to have ended when its end had been read already: it may have failed, and no read says so.
    is_doubtful: bool,
    /// Writing has failed; what came before that is still read.
    failed: Option<io::ErrorKind>,
}

/// Whether to take another turn.
type Turn = ControlFlow<Stop>;

impl<S: Stack> Talk<S> {
    pub fn new(stack: S, met: Met<S::Stream>, conversation: Conversation, keyboard: Keyboard) -> Self {
        // what was said of the stream before this may be forgotten: it is tried
        let link = Link {
            stream: met.stream,
            token: met.token,
            is_readable: true,
            is_writable: true,
            is_read_to_the_end: met.has_ended,
            is_drained: false,
            is_doubtful: false,
            failed: None,
        };
        let scratch = vec![0; READ_BYTES].into();
        let (early, now) = (met.early, met.now);
        Self { stack, link, early, conversation, keyboard, ready: Vec::new(), scratch, now }
    }

    /// Talks until all is said, and says whether everything was as it should be.
    pub fn run(mut self, screen: &mut Screen) -> Result<(), Failure> {
        let ended = self.turns(screen);
        screen.show(self.conversation.take_pieces());
        let Self { mut stack, link, conversation, .. } = self;
        stack.close(link.stream);
        match ended {
            ControlFlow::Continue(()) => conversation.verdict(),
            ControlFlow::Break(Stop::Failed(failure)) => Err(failure),
            ControlFlow::Break(Stop::Unwatched) if conversation.is_speaking() => {
                Err(Failure::failed("stdout is closed, and stdin was not sent to its end".into()))
            }
            ControlFlow::Break(Stop::Unwatched) => Ok(()),
        }
    }

    fn turns(&mut self, screen: &mut Screen) -> Turn {
        let early = std::mem::take(&mut self.early);
        if !early.is_empty() {
            or_break(self.conversation.received(&early))?;
        }
        screen.show(self.conversation.take_pieces());
        while !self.conversation.is_over() {
            self.wait(screen)?;
            self.listen_to_keyboard();
            self.write();
            self.read(screen)?;
            screen.show(self.conversation.take_pieces());
            screen.look().map_or_else(ControlFlow::Break, ControlFlow::Continue)?;
        }
        ControlFlow::Continue(())
    }

    fn wait(&mut self, screen: &Screen) -> Turn {
        let until = if self.has_work(screen) { Some(Instant::START) } else { None };
        let waited = self.stack.wait(&mut self.ready, until);
        self.now = or_break(waited.map_err(|error| Failure::failed(format!("cannot wait: {error}"))))?;
        for readiness in self.ready.drain(..) {
            self.link.note(readiness);
        }
        ControlFlow::Continue(())
    }

    /// Whether a turn would do something without anything new.
    fn has_work(&self, screen: &Screen) -> bool {
        let can_type = self.conversation.wants_typed() && self.keyboard.may_have();
        let can_write = self.conversation.has_unsent() && self.link.is_writable;
        let can_read = self.link.is_readable && screen.has_room();
        can_type || can_write || can_read || self.conversation.wants_end()
    }

    fn listen_to_keyboard(&mut self) {
        while self.conversation.wants_typed() {
            match self.keyboard.take() {
                Some(Typed::Bytes(bytes)) => self.conversation.typed(&bytes),
                Some(Typed::End) => self.conversation.typed_end(),
                Some(Typed::Failed(error)) => self.conversation.typing_failed(&error),
                None => return,
            }
        }
    }

    /// One gathering write, and our end behind the last of them.
    fn write(&mut self) {
        if std::mem::take(&mut self.link.is_doubtful) {
            self.write_nothing();
        }
        if self.link.is_writable && self.conversation.has_unsent() {
            self.write_once();
        }
        if self.conversation.wants_end() {
            // should it fail, the connection has, and reading says how
            let _ = self.stack.shutdown(&mut self.link.stream);
            self.conversation.end_told();
        }
    }

    /// Sends nothing, and learns whether anything could be sent.
    fn write_nothing(&mut self) {
        let nothing = Bytes::new();
        match self.stack.write(&mut self.link.stream, &[Part::new(&nothing, 0, 0)]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.link.is_doubtful = true,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => self.link.fail(error.kind()),
            _ => {}
        }
    }

    fn write_once(&mut self) {
        let parts: ArrayVec<Part<'_>, WRITE_PARTS> = self.conversation.unsent().take(WRITE_PARTS).collect();
        let offered: usize = parts.iter().map(Part::len).sum();
        let written = self.stack.write(&mut self.link.stream, &parts);
        drop(parts);
        match written {
            Ok(len) => {
                self.link.is_writable = len == offered;
                self.conversation.sent(len);
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => self.link.is_writable = false,
                io::ErrorKind::Interrupted => {}
                kind => self.link.fail(kind),
            },
        }
    }

    /// One read, when what comes of it can be shown.
    fn read(&mut self, screen: &Screen) -> Turn {
        if !self.link.is_readable || !screen.has_room() {
            return ControlFlow::Continue(());
        }
        match self.stack.read(&mut self.link.stream, &mut self.scratch) {
            Ok(0) => {
                self.link.is_readable = false;
                self.link.is_drained = true;
                if let Some(kind) = self.link.failed {
                    return or_break(Err(self.conversation.lost(self.now, kind)));
                }
                self.conversation.ended();
            }
            Ok(len) => {
                self.link.is_readable = len == self.scratch.len() || self.link.is_read_to_the_end;
                or_break(self.conversation.received(&self.scratch[..len]))?;
            }
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => self.link.is_readable = false,
                io::ErrorKind::Interrupted => {}
                kind => return or_break(Err(self.conversation.lost(self.now, kind))),
            },
        }
        ControlFlow::Continue(())
    }
}

impl<T> Link<T> {
    fn note(&mut self, readiness: Readiness) {
        match readiness {
            Readiness::Readable(token) if token == self.token => self.is_readable = true,
            Readiness::Ended(token) | Readiness::Urgent(token) if token == self.token => {
                self.is_readable = true;
                self.is_read_to_the_end = true;
                self.is_doubtful = self.is_drained;
            }
            Readiness::Writable(token) if token == self.token => self.is_writable = self.failed.is_none(),
            _ => {}
        }
    }

    /// What has come is still to be read; at its end it is told.
    fn fail(&mut self, kind: io::ErrorKind) {
        self.failed = Some(kind);
        self.is_writable = false;
        self.is_readable = true;
        self.is_read_to_the_end = true;
    }
}

fn or_break<T>(result: Result<T, Failure>) -> ControlFlow<Stop, T> {
    match result {
        Ok(value) => ControlFlow::Continue(value),
        Err(failure) => ControlFlow::Break(Stop::Failed(failure)),
    }
}
