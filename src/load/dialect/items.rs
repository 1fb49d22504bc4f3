//! Items out of a stream that comes in pieces. Knows how long they are; knows no message.

use std::borrow::Cow;

use super::foreign::LINE_MOST;
use super::{Extent, Foreign};

/// What has come of an item that is not there whole.
#[derive(Debug, Default)]
pub struct Items {
    held: Vec<u8>,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next<'i> {
    /// More must come: what there was is held.
    Part,
    /// A whole item.
    Item(Cow<'i, [u8]>),
    /// The beginning of an item that is longer than any that is wanted: so many bytes of it are to come.
    Long(usize),
    /// No item of this kind of server: its beginning. Nothing behind it can be told.
    Junk(Cow<'i, [u8]>),
}

impl Items {
    /// An item of which this has come, or several.
    pub fn holding(front: &[u8]) -> Self {
        Self { held: front.to_vec() }
    }

    /// Whether anything is held.
    pub fn is_unfinished(&self) -> bool {
        !self.held.is_empty()
    }

    /// The next item in what has come, where a message has `largest` bytes at most. Consumes what it has seen; holds
    /// no more than that many bytes and a line.
    pub fn next<'i>(&mut self, input: &mut &'i [u8], foreign: &Foreign, largest: usize) -> Next<'i> {
        if self.held.is_empty() {
            return self.begin(input, foreign, largest);
        }
        loop {
            let lacks = match judge(foreign.extent(&self.held), self.held.len(), largest) {
                Verdict::Whole(len) => return Next::Item(Cow::Owned(self.take(len))),
                Verdict::Long(left) => {
                    self.held = Vec::new();
                    return Next::Long(left);
                }
                Verdict::Junk => return Next::Junk(Cow::Owned(std::mem::take(&mut self.held))),
                Verdict::Lacks(lacks) => lacks,
            };
            if input.is_empty() {
                return Next::Part;
            }
            let (here, rest) = input.split_at(lacks.min(input.len()));
            self.held.extend_from_slice(here);
            *input = rest;
        }
    }

    /// The first bytes of what is held. There is more only where it was held before anybody asked for items.
    fn take(&mut self, len: usize) -> Vec<u8> {
        let rest = self.held.split_off(len);
        std::mem::replace(&mut self.held, rest)
    }

    /// Nothing is held: the item, when it lies there whole.
    fn begin<'i>(&mut self, input: &mut &'i [u8], foreign: &Foreign, largest: usize) -> Next<'i> {
        let front = *input;
        match judge(foreign.extent(front), front.len(), largest) {
            Verdict::Whole(len) => {
                let (item, rest) = front.split_at(len);
                *input = rest;
                Next::Item(Cow::Borrowed(item))
            }
            verdict => {
                *input = &[];
                match verdict {
                    Verdict::Long(left) => Next::Long(left),
                    Verdict::Junk => Next::Junk(Cow::Borrowed(front)),
                    Verdict::Lacks(_) | Verdict::Whole(_) => {
                        self.held.extend_from_slice(front);
                        Next::Part
                    }
                }
            }
        }
    }
}

/// What so many bytes of an item are.
enum Verdict {
    Whole(usize),
    /// So many more must come before it is whole, or before it can be said how many.
    Lacks(usize),
    Long(usize),
    Junk,
}

fn judge(extent: Extent, held: usize, largest: usize) -> Verdict {
    let most = largest + LINE_MOST;
    match extent {
        Extent::Known(len) if len <= held => Verdict::Whole(len),
        Extent::Known(len) if len > most => Verdict::Long(len - held),
        Extent::Known(len) => Verdict::Lacks(len - held),
        Extent::Part if held < most => Verdict::Lacks(1),
        Extent::Part | Extent::Junk => Verdict::Junk,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::dialect::Dialect;
    use crate::rng::Rng;

    /// What each kind of server may say in a row.
    fn streams() -> Vec<(Foreign, Vec<&'static [u8]>)> {
        let foreign = |dialect| Foreign::new(dialect, 42).unwrap();
        vec![
            (
                foreign(Dialect::Redis),
                vec![
                    b":1\r\n",
                    b"*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$4\r\n\r\n\r\n\r\n",
                    b"+PONG\r\n",
                    b"$0\r\n\r\n",
                ],
            ),
            (
                foreign(Dialect::Nats),
                vec![
                    b"INFO {}\r\n",
                    b"MSG a 1 6\r\nPING\r\n\r\n",
                    b"PING\r\n",
                    b"MSG a 1 0\r\n\r\n",
                    b"PONG\r\n",
                ],
            ),
            (
                foreign(Dialect::Mqtt),
                vec![b"\x20\x02\0\0", b"\x30\x05\0\x01a\x30\x30", b"\xd0\0", b"\x90\x03\0\x01\0"],
            ),
        ]
    }

    fn items_of(foreign: &Foreign, pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut items = Items::default();
        let mut found = Vec::new();
        for mut piece in pieces.iter().copied() {
            while !piece.is_empty() {
                match items.next(&mut piece, foreign, 100) {
                    Next::Part => assert!(piece.is_empty(), "what is held is consumed"),
                    Next::Item(item) => found.push(item.into_owned()),
                    other => panic!("{other:?}"),
                }
            }
        }
        assert!(!items.is_unfinished());
        found
    }

    #[test]
    fn items_are_the_same_wherever_the_stream_is_cut() {
        for (foreign, expected) in streams() {
            let stream = expected.concat();
            for first in 0..=stream.len() {
                for second in first..=stream.len() {
                    let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                    assert_eq!(items_of(&foreign, &pieces), expected, "{first}, {second}");
                }
            }
            let bytes: Vec<&[u8]> = stream.chunks(1).collect();
            assert_eq!(items_of(&foreign, &bytes), expected);
        }
    }

    #[test]
    fn an_item_longer_than_any_is_passed_over_and_not_kept() {
        for (dialect, front, len) in [
            (Dialect::Redis, &b"$1000000\r\n"[..], 1_000_012),
            (Dialect::Nats, b"MSG a 1 1000000\r\n", 1_000_019),
            (Dialect::Mqtt, b"\x30\xc0\x84\x3d", 1_000_004),
        ] {
            let foreign = Foreign::new(dialect, 42).unwrap();
            for cut in 0..front.len() {
                let mut items = Items::default();
                let found = [&front[..cut], &front[cut..]].map(|mut piece| {
                    let next = items.next(&mut piece, &foreign, 100);
                    if next == Next::Part {
                        0
                    } else {
                        assert_eq!(next, Next::Long(len - front.len()));
                        1
                    }
                });
                assert_eq!(found, [0, 1], "{dialect} cut at {cut}");
                assert!(!items.is_unfinished());
            }
        }
    }

    #[test]
    fn what_never_ends_is_junk_and_little_of_it_is_held() {
        for (dialect, front, endless) in [
            (Dialect::Nats, &b"INFO "[..], b'x'),
            (Dialect::Redis, b"+", b'x'),
            (Dialect::Redis, b"*2\r\n$9999999999\r\n", b'x'),
        ] {
            let foreign = Foreign::new(dialect, 42).unwrap();
            let mut items = Items::default();
            let stream: Vec<u8> =
                front.iter().copied().chain(std::iter::repeat_n(endless, 1 << 20)).collect();
            let junk = stream.chunks(100).position(|mut piece| {
                assert!(items.held.len() <= 100 + LINE_MOST, "{dialect}");
                matches!(items.next(&mut piece, &foreign, 100), Next::Junk(_))
            });
            assert!(junk.is_some(), "{dialect}");
        }
    }

    #[test]
    fn no_bytes_are_too_odd() {
        let mut rng = Rng::new(7);
        let letters = b"*$:+-\r\n0123MSG PINGO\x30\x20\x90\xd0\x80\xff\0";
        for (foreign, expected) in streams() {
            for _ in 0..20_000 {
                let mut stream = expected.concat();
                for _ in 0..rng.below(4) {
                    let at = rng.below(stream.len() as u64) as usize;
                    stream[at] = letters[rng.below(letters.len() as u64) as usize];
                }
                let mut items = Items::default();
                for mut piece in stream.chunks(1 + rng.below(9) as usize) {
                    while !piece.is_empty() {
                        let before = piece.len();
                        let next = items.next(&mut piece, &foreign, 100);
                        assert!(piece.len() < before || next != Next::Part, "no progress");
                    }
                }
            }
        }
    }
}
