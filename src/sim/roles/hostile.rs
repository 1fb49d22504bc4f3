//! Those who break the rules of the framing, or bend them.

use super::{Cue, Move, Scene, Script};

impl Script {
    /// Junk; more of it than the window may pass over, most of the time.
    pub(super) fn babble(&mut self, scene: &Scene) -> Cue {
        if scene.unsent > 0 {
            return self.cue(Vec::new(), 10, 100);
        }
        let most = [3, 23, 24, 60, 4000][self.rng.below(5) as usize];
        let length = 1 + self.rng.below(most) as usize;
        let mut moves = vec![Move::Say(self.junk(length))];
        if self.is_one_in(2) {
            moves.push(Move::Say(self.any_frame()));
        }
        self.cue(moves, 50, 1500)
    }

    /// One frame after the other, a byte or three at a time: at times slower than is allowed.
    pub(super) fn drip(&mut self) -> Cue {
        if self.rest.is_empty() {
            let length = self.rng.below(60) as usize;
            self.rest = self.frame(length);
        }
        let few = (1 + self.rng.below(3) as usize).min(self.rest.len());
        let drop = self.rest.split_to(few);
        let slowest = if self.is_one_in(20) { 3000 } else { 60 };
        self.cue(vec![Move::Say(drop)], 1, slowest)
    }

    pub(super) fn claim_too_much(&mut self) -> Cue {
        let mut moves = vec![Move::Say(self.too_much())];
        if self.is_one_in(2) {
            moves.insert(0, Move::Say(self.any_frame()));
        }
        self.cue(moves, 100, 2000)
    }

    /// Some right frames, one that is not, and on.
    pub(super) fn lie(&mut self) -> Cue {
        let length = 1 + self.rng.below(2000) as usize;
        let mut moves: Vec<Move> = (0..self.rng.below(3)).map(|_| Move::Say(self.any_frame())).collect();
        moves.push(Move::Say(self.lying(length)));
        moves.push(Move::Say(self.any_frame()));
        self.cue(moves, 100, 2000)
    }

    pub(super) fn command(&mut self) -> Cue {
        let length = self.rng.below(500) as usize;
        let moves = vec![Move::Say(self.unnamed(length)), Move::Say(self.any_frame())];
        self.cue(moves, 100, 2000)
    }

    pub(super) fn speak_otherwise(&mut self) -> Cue {
        let openers: [&'static [u8]; 4] = [
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00",
            b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
            b"\xf9\xbe\xb4\xd9version\0\0\0\0\0",
        ];
        let opener = openers[self.rng.below(4) as usize];
        self.cue(vec![Move::Say(bytes::Bytes::from_static(opener))], 200, 2000)
    }

    /// As much as its buffer takes, for a while; then it takes breath.
    pub(super) fn pour(&mut self, scene: &Scene) -> Cue {
        if self.step % 40 > 10 || scene.unsent > 100_000 {
            return self.cue(Vec::new(), 20, 100);
        }
        let moves = (0..30).map(|_| Move::Say(self.any_frame())).collect();
        self.cue(moves, 1, 30)
    }
}
