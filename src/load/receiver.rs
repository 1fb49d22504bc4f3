//! One receiver's stream, compared byte by byte with what was sent. Knows what is under way; knows no socket and
//! asks for no time.
//!
//! ```text
//!   bytes → Head: whose is it? ─ next of its sender's, and under way ─→ Body: the same bytes? ─→ came
//!              ├─ the answer to the farewell: nothing is due any more    └─ no ─→ Passing, or Skipping: spoilt
//!              └─ anything else: strays.rs
//! ```
//!
//! As long as everything is right, which is nearly always, a delivery costs one comparison with the bytes that are
//! kept until everybody has it.

mod tests;

use arrayvec::ArrayVec;
use memchr::memchr;

use super::asides::Asides;
use super::dialect::{Codec, HEAD_MOST, Items, Role};
use super::figures::{Fault, FaultKind, Figures};
use super::ledger::Ledger;
use super::lost::Lost;
use super::maker::{Head, Maker, MessageId};
use super::probes::{Probers, Probes};
use super::rendering::Track;
use super::tape::Tape;
use crate::time::Instant;

/// What all receivers of a run share.
#[derive(Debug)]
pub struct Run {
    /// Makes the messages.
    pub maker: Maker,
    /// Those under way.
    pub tape: Tape,
    /// What is measured.
    pub figures: Figures,
    /// What comes up meanwhile.
    pub asides: Asides,
    /// What was sent only to be heard.
    pub probes: Probes,
}

/// One receiver.
#[derive(Debug)]
pub struct Receiver {
    pub(super) me: u32,
    pub(super) role: Role,
    pub(super) track: Track,
    pub(super) ledger: Ledger,
    pub(super) place: Place,
    pub(super) parting: Parting,
    /// Whose last probe is still to come to it.
    pub(super) probers: Probers,
    /// Of its own messages, how many the server has said it took.
    pub(super) receipts: u64,
}

/// Where in its stream a receiver is.
#[derive(Debug)]
pub enum Place {
    /// Before a delivery, with what has come of its head.
    Head(ArrayVec<u8, HEAD_MOST>),
    /// So many bytes into this message, its head and more, all of them right.
    Body(MessageId, usize),
    /// In something that is wrong already: so many bytes of it are to come.
    Passing(usize),
    /// In a line that is wrong already: up to its end.
    Skipping,
    /// In a line that is no delivery that was due next, with what has come of it.
    Line(Vec<u8>),
    /// Something odd has come from a relay.
    Lost(Box<Lost>),
    /// Something else has come than a delivery that was due next, from a server that is no relay.
    Item(Items),
}

/// How far a receiver is with taking leave: behind the answer to its farewell nothing is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parting {
    /// It has not begun to.
    Staying,
    /// It has asked whether there is anything else.
    Asked,
    /// It was answered, or has nobody to ask.
    Parted,
}

impl Receiver {
    /// Receiver number `me`, who gets what the other of so many senders send, if it gets anything.
    pub fn new(me: u32, role: Role, track: Track, senders: usize) -> Self {
        let senders = match role {
            Role::Both | Role::Receiver => senders,
            Role::Sender => 0,
        };
        let ledger = Ledger::new(senders);
        let (place, parting, probers) = (Place::START, Parting::Staying, Probers::new());
        Self { me, role, track, ledger, place, parting, probers, receipts: 0 }
    }

    /// Bytes have come now.
    pub fn received(&mut self, now: Instant, mut bytes: &[u8], run: &mut Run) {
        run.figures.at(now);
        while !bytes.is_empty() {
            bytes = match &mut self.place {
                Place::Head(held) if held.is_empty() => self.begin(0, bytes, bytes, run),
                Place::Head(_) => self.hold(bytes, run),
                Place::Body(id, at) => {
                    let (id, at) = (*id, *at);
                    self.compare(id, at, bytes, run)
                }
                Place::Passing(_) => self.pass(bytes),
                Place::Skipping => self.skip(bytes),
                Place::Line(_) => self.collect(bytes, run),
                Place::Lost(_) => self.search(bytes, run),
                Place::Item(_) => self.sift(bytes, run),
            };
        }
    }

    /// Its farewell is on its way, if it can ask; and a last probe of each of these, unless that is itself.
    pub fn takes_leave(&mut self, parting: Parting, probers: &Probers) {
        self.parting = parting;
        self.probers = probers.iter().copied().filter(|&prober| prober != self.me).collect();
    }

    /// Nothing more comes; what has come of something that is no message of ours is wrong.
    pub fn finish(&mut self, run: &mut Run) {
        let has_loose_end = match &self.place {
            Place::Head(held) => !held.is_empty(),
            Place::Lost(lost) => lost.has_loose_end(),
            Place::Item(items) => items.is_unfinished(),
            Place::Line(line) => !line.is_empty(),
            Place::Body(..) | Place::Passing(_) | Place::Skipping => false, // missing, or spoilt
        };
        if has_loose_end {
            self.wrong(None, run);
        }
    }

    /// Whether the farewell was answered, and the last probes were heard.
    pub fn has_parted(&self) -> bool {
        self.parting == Parting::Parted && self.probers.is_empty()
    }

    /// It has left, with so many messages made by each sender: what it has not got it never will.
    pub fn leave(&mut self, made: impl Iterator<Item = (u32, u64)>, run: &mut Run) {
        let (me, senders) = (self.me, self.ledger.senders());
        for (sender, made) in made.filter(|&(sender, _)| sender != me && sender < senders) {
            for number in self.ledger.close(sender, made) {
                run.tape.settle(MessageId { sender, number });
            }
        }
    }

    /// What it got.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether a message with this head may come now.
    fn is_expected(&self, id: MessageId, head: &[u8], run: &Run) -> bool {
        let may_come = id.sender != self.me && self.ledger.is_next(id);
        may_come && run.tape.get(self.track, id).is_some_and(|(delivery, _)| delivery.starts_with(head))
    }

    /// A delivery begins, or something else, with `front`: so many bytes that were held, and what has come. What is
    /// left of that.
    fn begin<'b>(&mut self, held: usize, front: &[u8], bytes: &'b [u8], run: &mut Run) -> &'b [u8] {
        match run.maker.head(self.track, front) {
            Head::Part if run.maker.codec(self.track).is_whole(front) => self.stray(held, front, bytes, run),
            Head::Part => {
                self.place = Place::Head(front.iter().copied().collect());
                &[]
            }
            Head::Message(id, len) if self.is_expected(id, &front[..len], run) => {
                self.compare(id, len, &bytes[len - held..], run)
            }
            Head::Message(..) | Head::Other => self.stray(held, front, bytes, run),
        }
    }

    /// Adds to a head that has come in part. What is left of the bytes.
    fn hold<'b>(&mut self, bytes: &'b [u8], run: &mut Run) -> &'b [u8] {
        let Place::Head(held) = &mut self.place else { unreachable!("only a head is held") };
        let (before, here) = (held.len(), held.remaining_capacity().min(bytes.len()));
        held.extend(bytes[..here].iter().copied());
        let front = held.clone();
        self.begin(before, &front, bytes, run)
    }

    /// Compares what has come with the message it belongs to and those made with it. What is left of the bytes.
    fn compare<'b>(&mut self, id: MessageId, at: usize, bytes: &'b [u8], run: &mut Run) -> &'b [u8] {
        let wanted = run.tape.from(self.track, id).expect("a message this receiver lacks is under way");
        let wanted = &wanted[at..];
        let same = common_prefix(bytes, wanted);
        let is_over = same == bytes.len() || same == wanted.len();
        run.figures.right(same);
        let figures = &mut run.figures;
        let settled = |due, len| figures.delivered(due, len);
        let (count, beyond) = run.tape.settle_run(self.track, id, at + same, settled);
        self.ledger.came_in_order(id, count);
        let id = MessageId { number: id.number + count, ..id };
        if count > 0 && beyond < HEAD_MOST {
            // whose it is cannot be said yet: it may as well become another sender's
            self.place = Place::START;
            return &bytes[same - beyond..];
        }
        if is_over {
            self.place = Place::Body(id, beyond);
            return &bytes[same..];
        }
        self.spoilt(id, beyond, &bytes[same..], run)
    }

    /// The message began as it should, so many bytes of it, and went on otherwise.
    fn spoilt<'b>(&mut self, id: MessageId, right: usize, bytes: &'b [u8], run: &mut Run) -> &'b [u8] {
        let (delivery, _) = run.tape.get(self.track, id).expect("a message this receiver lacks is under way");
        self.place = match run.maker.codec(self.track) {
            Codec::Frames(_) | Codec::Foreign(_) => Place::Passing(delivery.len() - right),
            Codec::Lines => Place::Skipping, // however long it has become
        };
        self.ledger.came_spoilt(id);
        run.tape.settle(id);
        run.figures.fault(self.fault(FaultKind::Wrong, Some(id)));
        bytes
    }

    /// What is left of the bytes behind a message that is wrong already.
    fn pass<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Place::Passing(left) = &mut self.place else { unreachable!("only who is passing passes") };
        let here = bytes.len().min(*left);
        *left -= here;
        if *left == 0 {
            self.place = Place::START;
        }
        &bytes[here..]
    }

    /// The same of a line, which ends where it ends.
    fn skip<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(end) = memchr(b'\n', bytes) else { return &[] };
        self.place = Place::START;
        &bytes[end + 1..]
    }

    pub(super) fn part<'b>(&mut self, rest: &'b [u8]) -> &'b [u8] {
        self.place = Place::START;
        self.parting = Parting::Parted;
        rest
    }

    pub(super) fn wrong(&mut self, claimed: Option<MessageId>, run: &mut Run) {
        self.ledger.came_wrong();
        let claimed = claimed.filter(|id| id.probe_number().is_none()); // that is no message
        run.figures.fault(self.fault(FaultKind::Wrong, claimed));
    }

    pub(super) fn fault(&self, kind: FaultKind, message: Option<MessageId>) -> Fault {
        Fault { receiver: self.me, kind, message, count: 1 }
    }
}

impl Place {
    /// Between deliveries, nothing held.
    pub(super) const START: Self = Self::Head(ArrayVec::new_const());
}

/// How many bytes are the same from the front on.
fn common_prefix(one: &[u8], other: &[u8]) -> usize {
    /// Bytes compared at once, so that the one that differs is looked for among few.
    const BLOCK: usize = 256;
    let len = one.len().min(other.len());
    let (one, other) = (&one[..len], &other[..len]);
    if one == other {
        return len; // nearly always
    }
    let mut blocks = one.chunks(BLOCK).zip(other.chunks(BLOCK));
    let same = blocks.position(|(one, other)| one != other).unwrap_or(0) * BLOCK;
    let rest = one[same..].iter().zip(&other[same..]);
    same + rest.take_while(|(one, other)| one == other).count()
}
