//! Those who keep every rule: some talk, some listen, some are slow at it.

use super::{Cue, Move, Scene, Script};
use crate::sim::roles::Act;
use crate::wire::{Command, Framing};

impl Script {
    /// Says something, as often as the world's terms have it.
    pub(super) fn chat(&mut self, scene: &Scene) -> Cue {
        let every = self.terms.talk_every.as_millis() as u64; // a matter of seconds
        if scene.act == Act::Quiet {
            return self.cue(Vec::new(), every, 2 * every + 1);
        }
        let moves = (0..=self.rng.below(3)).map(|_| Move::Say(self.saying())).collect();
        self.cue(moves, every / 2, every * 3 / 2 + 1)
    }

    fn saying(&mut self) -> bytes::Bytes {
        if self.framing == Framing::Lines {
            return self.any_frame(); // a line asks nobody for an answer
        }
        match self.rng.below(12) {
            0 => {
                // the longest that is answered, and one byte more
                let length = [8, 8, 8, 1024, 1025][self.rng.below(5) as usize];
                self.named(Command::PING, length)
            }
            1 => self.named(Command::PONG, 8),
            _ => self.any_frame(),
        }
    }

    /// Looks now and then whether it still has a connection.
    pub(super) fn stay(&mut self) -> Cue {
        self.cue(Vec::new(), 500, 1500)
    }

    /// Reads so little that the relay has to keep the rest.
    pub(super) fn read_slowly(&mut self) -> Cue {
        let some = 1 + self.rng.below([20, 500, 20_000][(self.step % 3) as usize]);
        self.cue(vec![Move::Read(some as usize)], 20, 300)
    }

    pub(super) fn read_nothing(&mut self) -> Cue {
        self.cue(vec![Move::Read(0)], 200, 2000)
    }

    /// Talks a little, from the address that others talk from too.
    pub(super) fn be_one_of_many(&mut self) -> Cue {
        let moves = if self.is_one_in(5) { vec![Move::Say(self.any_frame())] } else { Vec::new() };
        self.cue(moves, 200, 2000)
    }

    /// A frame or two, the end, and then it reads what is still to come.
    pub(super) fn close_half(&mut self) -> Cue {
        let moves = match self.step {
            1 => vec![Move::Say(self.any_frame())],
            2 => {
                let frame = self.any_frame();
                let cut = if self.is_one_in(2) { frame.len() / 2 } else { frame.len() };
                vec![Move::Say(frame.slice(..cut)), Move::Finish]
            }
            _ => Vec::new(),
        };
        self.cue(moves, 50, 500)
    }
}
