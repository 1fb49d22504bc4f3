//! Messages as they are delivered. Knows bytes and where each message ends.

use arrayvec::ArrayVec;
use bytes::Bytes;

/// Most ways in which the same messages are delivered.
pub const TRACKS: usize = 2;

/// Which of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Track {
    /// In most runs the only one.
    First,
    /// Beside frames the lines.
    Second,
}

/// Messages as they are delivered, one behind the other.
#[derive(Clone, Debug)]
pub struct Rendering {
    bytes: Bytes,
    /// Where each ends.
    ends: Vec<usize>,
}

/// The same messages for each track.
pub type Renderings = ArrayVec<Rendering, TRACKS>;

impl Track {
    /// Both.
    pub const ALL: [Self; TRACKS] = [Self::First, Self::Second];
}

impl Rendering {
    /// Messages that end there.
    pub fn new(bytes: Bytes, ends: Vec<usize>) -> Self {
        Self { bytes, ends }
    }

    /// All of them.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.ends.len() as u64
    }

    /// One by one.
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.ends.len()).map(|place| self.message(place))
    }

    /// The one that so many come before.
    pub fn message(&self, place: usize) -> &[u8] {
        &self.bytes[self.start_of(place)..self.ends[place]]
    }

    /// Where that begins.
    pub fn start_of(&self, place: usize) -> usize {
        place.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// Where it ends, and each behind it.
    pub fn ends_from(&self, place: usize) -> &[usize] {
        &self.ends[place..]
    }

    /// The last one was not made.
    pub fn forget_last(&mut self) {
        self.ends.pop();
    }

    /// How long each is, the last one first.
    pub fn lens_from_the_end(&self) -> impl Iterator<Item = usize> {
        (0..self.ends.len()).rev().map(|place| self.ends[place] - self.start_of(place))
    }
}
