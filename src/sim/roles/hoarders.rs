//! Those who make the relay hold memory.

use super::{Cue, Move, Scene, Script};
use crate::wire::{Command, Header};

impl Script {
    /// A claim, and the first bytes of what is claimed.
    pub(super) fn claim(&mut self) -> Cue {
        let moves = if self.step == 1 {
            let some = self.rng.below(200) as usize;
            vec![Move::Say(self.claiming(self.terms.max_payload)), Move::Say(self.junk(some))]
        } else {
            Vec::new()
        };
        self.cue(moves, 300, 3000)
    }

    /// All of a large frame but for its end, which never comes.
    pub(super) fn withhold(&mut self) -> Cue {
        let moves = if self.step == 1 {
            let frame = self.frame(self.terms.max_payload as usize);
            vec![Move::Say(frame.slice(..frame.len() - 1))]
        } else {
            Vec::new()
        };
        self.cue(moves, 300, 3000)
    }

    /// Most of a turn's log is its own: what it does not read of the rest is little, and pins all of it.
    pub(super) fn pin(&mut self, scene: &Scene) -> Cue {
        let mut moves = vec![Move::Read(0)];
        if scene.unsent == 0 {
            let length = (self.terms.max_payload as usize).min(60_000) / 2;
            moves.extend((0..6).map(|_| Move::Say(self.frame(length))));
        }
        self.cue(moves, 20, 300)
    }

    /// Pings as long as are answered, and no answer is read; but now and then it relents, or hangs up.
    pub(super) fn ping(&mut self, scene: &Scene) -> Cue {
        if self.is_one_in(100) {
            return self.cue(vec![Move::Finish], 10, 3000);
        }
        let some = if self.step.is_multiple_of(25) { 300_000 } else { 0 };
        let mut moves = vec![Move::Read(some)];
        if scene.unsent < 10 * Header::LEN {
            moves.extend((0..60).map(|_| Move::Say(self.named(Command::PING, 1000))));
        }
        self.cue(moves, 10, 200)
    }
}
