//! Those who come and go: in order, in the middle of a frame, or although they are shut out.

use super::{Cue, Move, Script};
use crate::wire::Framing;

impl Script {
    /// Leaves again, one way or the other.
    pub(super) fn flap(&mut self) -> Cue {
        let moves = match self.rng.below(5) {
            0 => vec![Move::Close],
            1 => vec![Move::Reset],
            2 => vec![Move::Say(self.beginning()), Move::Close],
            3 => vec![Move::Say(self.frame(100)), Move::Reset],
            _ => vec![Move::Finish],
        };
        self.cue(moves, 5, 200)
    }

    /// The first part of a frame, and a reset.
    pub(super) fn reset(&mut self) -> Cue {
        if self.step == 1 {
            let frame = self.frame(1500);
            let cut = 1 + self.rng.below(frame.len() as u64 - 1) as usize;
            return self.cue(vec![Move::Say(frame.slice(..cut))], 20, 400);
        }
        self.cue(vec![Move::Reset], 50, 2000)
    }

    /// Talks, offends, and comes back until it is let in again.
    pub(super) fn offend_again(&mut self) -> Cue {
        let knocks = self.terms.ban_time.as_millis() as u64 / 6;
        match self.step {
            1 => {
                let moves = vec![Move::Say(self.any_frame())];
                self.cue(moves, 10, 300)
            }
            2 => {
                let offence = match self.framing {
                    Framing::Frames => self.lying(100),
                    Framing::Lines => self.too_much(),
                };
                let moves = vec![Move::Say(offence)];
                self.cue(moves, knocks / 2, knocks + 1)
            }
            _ => self.cue(vec![Move::Close], knocks / 2, knocks + 1),
        }
    }
}
