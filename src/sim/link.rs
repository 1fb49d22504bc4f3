//! One direction of a way between two hosts: when does what leaves now arrive? Knows lengths and moments; knows
//! no byte, no connection and no stack.
//!
//! Whatever stands above it, the simulator's streams today and segments of a TCP of our own one day, asks the same
//! question.

use std::ops::Range;
use std::time::Duration;

use super::profile::{Figures, Profile};
use crate::rng::Rng;
use crate::time::Instant;

/// Bytes that each segment carries beside its own: IPv4 and TCP, without options.
const HEADERS: u64 = 40;
/// Bytes of a segment on a link whose rate matters: what is behind does not wait for what is far before it.
const SEGMENT: usize = 512;

/// A direction. What leaves first arrives first.
#[derive(Clone, Debug)]
pub struct Link {
    rng: Rng,
    figures: Figures,
    /// Microseconds, drawn once.
    delay: u64,
    /// Bits a second, drawn once.
    rate: Option<u64>,
    /// Nothing leaves before that: others are still leaving.
    free_at: Instant,
    last_arrival: Instant,
    /// When nothing passes next.
    fade: Option<Range<Instant>>,
    counts: Troubles,
}

/// How often a link was in trouble.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// Segments that stood still.
    pub stalls: u64,
    /// Times nothing passed, while something was to.
    pub fades: u64,
}

impl Troubles {
    /// Another link's too.
    pub fn add(&mut self, other: Self) {
        self.stalls += other.stalls;
        self.fades += other.fades;
    }
}

impl Link {
    /// A link of this kind.
    pub fn new(profile: Profile, seed: u64) -> Self {
        Self::of(profile.figures(), seed)
    }

    /// A link with these figures.
    pub fn of(figures: Figures, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        Self {
            delay: draw(&mut rng, &figures.delay),
            rate: figures.rate.as_ref().map(|rate| draw(&mut rng, rate)),
            free_at: Instant::START,
            last_arrival: Instant::START,
            fade: figures.fade.as_ref().map(|fade| next_fade(&mut rng, fade, Instant::START)),
            counts: Troubles::default(),
            rng,
            figures,
        }
    }

    /// Most bytes that travel as one piece.
    pub fn segment(&self) -> usize {
        if self.rate.is_some() { SEGMENT } else { usize::MAX }
    }

    /// Bytes that both hosts' buffers hold for it.
    pub fn buffer(&self) -> usize {
        self.figures.buffer
    }

    /// When a segment of so many bytes that leaves now arrives.
    pub fn carry(&mut self, now: Instant, bytes: usize) -> Instant {
        let begin = self.after_fade(now.max(self.free_at));
        let bits = (bytes as u64 + HEADERS) * 8;
        self.free_at = self.rate.map_or(begin, |rate| begin + micros(bits * 1_000_000 / rate));
        let jitter = self.rng.below(self.figures.jitter + 1);
        let arrival = self.free_at + micros(self.delay + jitter + self.stall());
        self.last_arrival = self.last_arrival.max(arrival);
        self.last_arrival
    }

    /// Whether everything that ever left has arrived.
    pub fn is_idle(&self, now: Instant) -> bool {
        self.last_arrival < now
    }

    /// How often it was in trouble.
    pub fn troubles(&self) -> Troubles {
        self.counts
    }

    /// Nothing holds anything up from now on but distance and rate.
    pub fn calm(&mut self) {
        self.figures.stall = None;
        self.figures.fade = None;
        self.fade = None;
    }

    fn stall(&mut self) -> u64 {
        match &self.figures.stall {
            Some((one_in, span)) if self.rng.below(*one_in) == 0 => {
                self.counts.stalls += 1;
                draw(&mut self.rng, span)
            }
            _ => 0,
        }
    }

    /// The moment itself, or the end of the fade it lies in.
    fn after_fade(&mut self, moment: Instant) -> Instant {
        let (Some(fades), Some(mut fade)) = (&self.figures.fade, self.fade.take()) else { return moment };
        while fade.end <= moment {
            fade = next_fade(&mut self.rng, fades, fade.end);
        }
        let is_in_it = fade.contains(&moment);
        let after = if is_in_it { fade.end } else { moment };
        self.counts.fades += u64::from(is_in_it);
        self.fade = Some(fade);
        after
    }
}

fn next_fade(rng: &mut Rng, fades: &(Range<u64>, Range<u64>), after: Instant) -> Range<Instant> {
    let begin = after + micros(draw(rng, &fades.0));
    begin..begin + micros(draw(rng, &fades.1))
}

fn draw(rng: &mut Rng, span: &Range<u64>) -> u64 {
    span.start + rng.below(span.end - span.start)
}

fn micros(count: u64) -> Duration {
    Duration::from_micros(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn what_leaves_first_arrives_first_on_every_link() {
        for profile in Profile::ALL {
            for seed in 0..20 {
                let mut link = Link::new(profile, seed);
                let mut last = Instant::START;
                for n in 0..200 {
                    let arrival = link.carry(at(n * 10_000), 100);
                    assert!(arrival >= last && arrival > at(n * 10_000), "{profile} {seed}");
                    last = arrival;
                }
            }
        }
    }

    #[test]
    fn short_wave_takes_as_long_as_its_bits() {
        for seed in 0..50 {
            let mut link = Link::new(Profile::HfRadio, seed);
            let took = (0..10).map(|_| link.carry(Instant::START, 110)).max().unwrap().since(Instant::START);
            // ten segments of 150 bytes: 12,000 bits
            assert!((10..45 + 240).contains(&took.as_secs()), "{took:?}");
        }
    }

    #[test]
    fn a_fade_holds_everything_up_and_passes() {
        let mut link = Link::new(Profile::HfRadio, 1);
        let fade = link.fade.clone().unwrap();
        assert!(link.carry(fade.start, 10) > fade.end);
        assert!(link.carry(fade.end + micros(60_000_000), 10) < fade.end + micros(120_000_000));
        assert_eq!(link.troubles().fades, 1);
    }
}
