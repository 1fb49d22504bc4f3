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
    /// An item of which this has come.
    pub fn holding(front: &[u8]) -> Self {
        Self { held: front.to_vec() }
    }

    /// Whether an item has begun.
    pub fn is_unfinished(&self) -> bool {
        !self.held.is_empty()
    }

    /// The next item in what has come, where a message has `largest` bytes. Consumes what it has seen; holds no more
    /// than that many bytes and a line.
    pub fn next<'i>(&mut self, input: &mut &'i [u8], foreign: &Foreign, largest: usize) -> Next<'i> {
        if self.held.is_empty() {
            return self.begin(input, foreign, largest);
        }
        loop {
            let lacks = match judge(foreign.extent(&self.held), self.held.len(), largest) {
                Verdict::Whole(_) => return Next::Item(Cow::Owned(std::mem::take(&mut self.held))),
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
