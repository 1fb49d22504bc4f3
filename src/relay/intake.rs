//! What a peer's bytes are read by: frames or lines. Knows no peer and no rule.

use crate::wire::line_scanner::LineScanner;
use crate::wire::{Framing, Header, Scanner};

/// One stream, in its framing.
#[derive(Debug)]
pub(super) enum Intake {
    Frames(Scanner),
    Lines(LineScanner),
}

impl Intake {
    /// At the beginning of a stream.
    pub fn of(framing: Framing) -> Self {
        match framing {
            Framing::Frames => Self::Frames(Scanner::default()),
            Framing::Lines => Self::Lines(LineScanner::default()),
        }
    }

    pub fn framing(&self) -> Framing {
        match self {
            Self::Frames(_) => Framing::Frames,
            Self::Lines(_) => Framing::Lines,
        }
    }

    /// Whether anything has come since the last message.
    pub fn is_unfinished(&self) -> bool {
        match self {
            Self::Frames(scanner) => scanner.is_unfinished(),
            Self::Lines(scanner) => scanner.is_unfinished(),
        }
    }

    /// The fewest bytes that bring the message now arriving, or its header, to its end. Never zero. A line may end with
    /// any byte; but as many more of it as have come are taken for granted, or whoever is held to a rate would be read
    /// byte by byte.
    pub fn wants(&self) -> usize {
        match self {
            Self::Frames(scanner) => scanner.wants(),
            Self::Lines(scanner) => scanner.begun().max(1),
        }
    }

    /// The fewest bytes of any message.
    pub fn shortest(&self) -> usize {
        match self {
            Self::Frames(_) => Header::LEN,
            Self::Lines(_) => 1,
        }
    }

    /// Bytes of the message now arriving that have come.
    pub fn begun(&self) -> usize {
        match self {
            Self::Frames(scanner) => scanner.begun(),
            Self::Lines(scanner) => scanner.begun(),
        }
    }

    /// Bytes skipped in all: in a stream of lines nothing is.
    pub fn skipped(&self) -> u64 {
        match self {
            Self::Frames(scanner) => scanner.skipped(),
            Self::Lines(_) => 0,
        }
    }

    /// Bytes allocated for the unfinished message.
    pub fn memory(&self) -> usize {
        match self {
            Self::Frames(scanner) => scanner.memory(),
            Self::Lines(scanner) => scanner.memory(),
        }
    }

    /// Forgets the unfinished message and frees what it held.
    pub fn abandon(&mut self) {
        match self {
            Self::Frames(scanner) => scanner.abandon(),
            Self::Lines(scanner) => scanner.abandon(),
        }
    }
}
