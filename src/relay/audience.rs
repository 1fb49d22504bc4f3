//! Who is told in the same dialect, and what: a roster and a log for each dialect. Knows no peer but by its token.
//!
//! What is sent to each differs byte for byte, so each has a log of its own. Where nobody is to be told, nothing is
//! logged.

use crate::protocol::{Dialect, Token};
use crate::wire::TurnLog;

/// Those of one dialect.
#[derive(Debug)]
pub(super) struct Audience {
    /// Who they are, densely: after a storm the slab is mostly holes.
    pub roster: Vec<Token>,
    /// What they all are due of this turn, but for each its own part.
    pub log: TurnLog<Token>,
}

/// Everybody.
#[derive(Debug)]
pub(super) struct Audiences([Audience; Dialect::ALL.len()]);

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
    /// Nobody, and room for so many before any has to move; for what few speak, that is made when they come.
    pub fn with_room_for(places: usize) -> Self {
        Self(
            Dialect::ALL
                .map(|dialect| Audience::with_room_for(if dialect == Dialect::Frames { places } else { 0 })),
        )
    }

    pub fn of(&self, dialect: Dialect) -> &Audience {
        &self.0[dialect.index()]
    }

    pub fn of_mut(&mut self, dialect: Dialect) -> &mut Audience {
        &mut self.0[dialect.index()]
    }

    /// All, in the order they are told.
    pub fn each_mut(&mut self) -> impl Iterator<Item = &mut Audience> {
        self.0.iter_mut()
    }

    pub fn everybody(&self) -> impl Iterator<Item = Token> {
        self.0.iter().flat_map(|audience| &audience.roster).copied()
    }

    /// Bytes of the longest log.
    pub fn log_len(&self) -> usize {
        self.0.iter().map(|audience| audience.log.len()).max().unwrap_or(0)
    }

    /// Whether nothing is to be told to anybody.
    pub fn has_nothing(&self) -> bool {
        self.0.iter().all(|audience| audience.log.is_empty())
    }
}
