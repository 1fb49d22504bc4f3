//! What a peer's bytes are read by: frames and lines here, text by its protocol, which says what it is at. Knows no peer
//! and no rule.

use std::time::Duration;

use crate::protocol::{Dialect, Stream};
use crate::time::Instant;
use crate::wire::line_scanner::LineScanner;
use crate::wire::{Header, Scanner};

/// One stream, in its dialect.
#[derive(Debug)]
pub(super) enum Intake {
    Frames(Scanner),
    Lines(LineScanner),
    Text(Text),
}

/// What a stream of text is at, as its protocol has said.
#[derive(Debug)]
pub(super) struct Text {
    dialect: Dialect,
    is_busy: bool,
    /// Since when it is, if it is.
    busy_since: Instant,
    begun: u32,
    memory: u32,
}

impl Intake {
    /// At the beginning of a stream.
    pub fn of(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Frames => Self::Frames(Scanner::default()),
            Dialect::Lines => Self::Lines(LineScanner::default()),
            Dialect::Json | Dialect::Chain | Dialect::Http => Self::Text(Text::of(dialect)),
        }
    }

    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Frames(_) => Dialect::Frames,
            Self::Lines(_) => Dialect::Lines,
            Self::Text(text) => text.dialect,
        }
    }

    /// Whether anything has come since the last message.
    pub fn is_unfinished(&self) -> bool {
        match self {
            Self::Frames(scanner) => scanner.is_unfinished(),
            Self::Lines(scanner) => scanner.is_unfinished(),
            Self::Text(text) => text.begun > 0,
        }
    }

    /// The fewest bytes that bring the message now arriving, or its header, to its end. Never zero. A line or text may end with
    /// any byte; but as many more of it as have come are taken for granted, or whoever is held to a rate would be read
    /// byte by byte.
    pub fn wants(&self) -> usize {
        match self {
            Self::Frames(scanner) => scanner.wants(),
            Self::Lines(_) | Self::Text(..) => self.begun().max(1),
        }
    }

    /// The fewest bytes of any message.
    pub fn shortest(&self) -> usize {
        match self {
            Self::Frames(_) => Header::LEN,
            Self::Lines(_) | Self::Text(..) => 1,
        }
    }

    /// Bytes of the message now arriving that have come.
    pub fn begun(&self) -> usize {
        match self {
            Self::Frames(scanner) => scanner.begun(),
            Self::Lines(scanner) => scanner.begun(),
            Self::Text(text) => text.begun as usize,
        }
    }

    /// Bytes skipped in all: only between frames anything is.
    pub fn skipped(&self) -> u64 {
        match self {
            Self::Frames(scanner) => scanner.skipped(),
            Self::Lines(_) | Self::Text(..) => 0,
        }
    }

    /// Whether what has come is to be worked off before more is read.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Text(Text { is_busy: true, .. }))
    }

    /// Bytes allocated for the unfinished message.
    pub fn memory(&self) -> usize {
        match self {
            Self::Frames(scanner) => scanner.memory(),
            Self::Lines(scanner) => scanner.memory(),
            Self::Text(text) => text.memory as usize,
        }
    }

    /// Forgets the unfinished message. Of text only its protocol can free anything.
    pub fn hush(&mut self) {
        match self {
            Self::Frames(_) | Self::Lines(_) => self.abandon(),
            Self::Text(text) => (text.is_busy, text.begun) = (false, 0),
        }
    }

    /// Forgets the unfinished message and frees what it held.
    pub fn abandon(&mut self) {
        match self {
            Self::Frames(scanner) => scanner.abandon(),
            Self::Lines(scanner) => scanner.abandon(),
            Self::Text(text) => *text = Text::of(text.dialect),
        }
    }
}

impl Text {
    fn of(dialect: Dialect) -> Self {
        Self { dialect, is_busy: false, busy_since: Instant::START, begun: 0, memory: 0 }
    }

    /// What it is at now. How long it was busy, if it is not any more.
    pub fn note(&mut self, now: Instant, stream: Stream) -> Duration {
        let was_busy = std::mem::replace(&mut self.is_busy, stream.is_busy);
        let since = if was_busy { self.busy_since } else { now };
        self.busy_since = since;
        // no stream may hold so much: what it holds is bounded, and so is the memory of all together
        self.begun = u32::try_from(stream.begun).unwrap_or(u32::MAX);
        self.memory = u32::try_from(stream.memory).unwrap_or(u32::MAX);
        if stream.is_busy { Duration::ZERO } else { now.since(since) }
    }
}
