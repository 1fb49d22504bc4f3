//! Who is told in the same framing, and what: a roster and a log for each framing. Knows no peer but by its token.
//!
//! What is sent to frames and to lines differs byte for byte, so each has a log of its own. Where nobody is to be told,
//! nothing is logged.

use crate::protocol::Token;
use crate::wire::{Framing, TurnLog};

/// Those of one framing.
#[derive(Debug)]
pub(super) struct Audience {
    /// Who they are, densely: after a storm the slab is mostly holes.
    pub roster: Vec<Token>,
    /// What they all are due of this turn, but for each its own part.
    pub log: TurnLog<Token>,
}

/// Everybody.
#[derive(Debug)]
pub(super) struct Audiences {
    pub frames: Audience,
    pub lines: Audience,
}

impl Audience {
    fn with_room_for(places: usize) -> Self {
        Self { roster: Vec::with_capacity(places), log: TurnLog::new() }
    }

    /// Whether nobody is there to be told.
    pub fn is_empty(&self) -> bool {
        self.roster.is_empty()
    }
}

impl Audiences {
    /// Nobody, and room for so many before any has to move; for lines, which few speak, that is made when they come.
    pub fn with_room_for(places: usize) -> Self {
        Self { frames: Audience::with_room_for(places), lines: Audience::with_room_for(0) }
    }

    pub fn of(&self, framing: Framing) -> &Audience {
        match framing {
            Framing::Frames => &self.frames,
            Framing::Lines => &self.lines,
        }
    }

    pub fn of_mut(&mut self, framing: Framing) -> &mut Audience {
        match framing {
            Framing::Frames => &mut self.frames,
            Framing::Lines => &mut self.lines,
        }
    }

    /// Both, in the order they are told.
    pub fn each_mut(&mut self) -> [&mut Audience; 2] {
        [&mut self.frames, &mut self.lines]
    }

    pub fn everybody(&self) -> impl Iterator<Item = Token> {
        self.frames.roster.iter().chain(&self.lines.roster).copied()
    }

    /// Bytes of the longer log.
    pub fn log_len(&self) -> usize {
        self.frames.log.len().max(self.lines.log.len())
    }

    /// Whether nothing is to be told to anybody.
    pub fn has_nothing(&self) -> bool {
        self.frames.log.is_empty() && self.lines.log.is_empty()
    }
}
