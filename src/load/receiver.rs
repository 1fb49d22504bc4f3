//! One receiver's stream, compared byte by byte with what was sent. Knows what is under way; knows no socket and
//! asks for no time.
//!
//! ```text
//!   bytes → Head: whose is it? ─ next of its sender's, and under way ─→ Body: the same bytes? ─→ came
//!              ├─ the answer to the farewell: nothing is due any more    └─ no ─→ Passing: spoilt
//!              └─ anything else: strays.rs
//! ```
//!
//! As long as everything is right, which is nearly always, a delivery costs one comparison with the bytes that are
//! kept until everybody has it.

use arrayvec::ArrayVec;

use super::asides::Asides;
use super::dialect::{Codec, HEAD_MOST, Items, Role};
use super::figures::{Fault, FaultKind, Figures};
use super::ledger::Ledger;
use super::lost::Lost;
use super::maker::{Head, Maker, MessageId};
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
}

/// One receiver.
#[derive(Debug)]
pub struct Receiver {
    pub(super) me: u32,
    pub(super) role: Role,
    pub(super) ledger: Ledger,
    pub(super) place: Place,
    pub(super) parting: Parting,
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
    /// It was answered.
    Parted,
}

impl Receiver {
    /// Receiver number `me`, who gets what the other of so many senders send, if it gets anything.
    pub fn new(me: u32, role: Role, senders: usize) -> Self {
        let senders = match role {
            Role::Both | Role::Receiver => senders,
            Role::Sender => 0,
        };
        let ledger = Ledger::new(senders);
        Self { me, role, ledger, place: Place::START, parting: Parting::Staying, receipts: 0 }
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
                Place::Lost(_) => self.search(bytes, run),
                Place::Item(_) => self.sift(bytes, run),
            };
        }
    }

    /// Its farewell is on its way.
    pub fn asks_to_part(&mut self) {
        self.parting = Parting::Asked;
    }

    /// Nothing more comes; what has come of something that is no message of ours is wrong.
    pub fn finish(&mut self, run: &mut Run) {
        let has_loose_end = match &self.place {
            Place::Head(held) => !held.is_empty(),
            Place::Lost(lost) => lost.has_loose_end(),
            Place::Item(items) => items.is_unfinished(),
            Place::Body(..) | Place::Passing(_) => false, // missing, or spoilt
        };
        if has_loose_end {
            self.wrong(None, run);
        }
    }

    /// Whether the farewell was answered.
    pub fn has_parted(&self) -> bool {
        self.parting == Parting::Parted
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
        may_come && run.tape.get(id).is_some_and(|(delivery, _)| delivery.starts_with(head))
    }

    /// A delivery begins, or something else, with `front`: so many bytes that were held, and what has come. What is
    /// left of that.
    fn begin<'b>(&mut self, held: usize, front: &[u8], bytes: &'b [u8], run: &mut Run) -> &'b [u8] {
        match run.maker.head(front) {
            Head::Part => {
                let place = Place::Head(front.iter().copied().collect());
                self.place = place;
                &[]
            }
            Head::Message(id, len) if self.is_expected(id, &front[..len], run) => {
                self.compare(id, len, &bytes[len - held..], run)
            }
            Head::Message(..) | Head::Other => match run.maker.codec() {
                Codec::Frames(frames) if front.starts_with(&frames.farewell(self.me)) => {
                    let len = frames.farewell(self.me).len();
                    self.part(&bytes[len - held..])
                }
                Codec::Frames(frames) => {
                    self.lose(&front[..held], frames.decoder_limits(), run);
                    bytes
                }
                Codec::Foreign(_) => {
                    self.place = Place::Item(Items::holding(&front[..held]));
                    bytes
                }
            },
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
        let wanted = &run.tape.from(id).expect("a message this receiver lacks is under way")[at..];
        let same = common_prefix(bytes, wanted);
        let is_over = same == bytes.len() || same == wanted.len();
        run.figures.right(same);
        let figures = &mut run.figures;
        let (count, beyond) = run.tape.settle_run(id, at + same, |due, len| figures.delivered(due, len));
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
        let (delivery, _) = run.tape.get(id).expect("a message this receiver lacks is under way");
        self.place = Place::Passing(delivery.len() - right);
        self.ledger.came_spoilt(id);
        run.tape.settle(id);
        run.figures.fault(self.fault(FaultKind::Wrong, Some(id)));
        self.pass(bytes)
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

    fn part<'b>(&mut self, rest: &'b [u8]) -> &'b [u8] {
        self.place = Place::START;
        self.parting = Parting::Parted;
        rest
    }

    pub(super) fn wrong(&mut self, claimed: Option<MessageId>, run: &mut Run) {
        self.ledger.came_wrong();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::dialect::Frames;
    use crate::load::ledger::Counts;
    use crate::load::tape::Recorded;
    use crate::wire::{Magic, Network};

    const SENDERS: usize = 2;
    const MAGIC: Magic = Network::PRIVATE.magic;

    fn maker(seed: u64, sizes: std::ops::RangeInclusive<u32>) -> Maker {
        let frames = Frames::new(seed, MAGIC, "msg".parse().unwrap(), *sizes.end());
        Maker::new(seed, sizes, Codec::Frames(frames))
    }

    fn farewell(run: &Run) -> Vec<u8> {
        let Codec::Frames(frames) = run.maker.codec() else { unreachable!() };
        frames.farewell(9).to_vec()
    }

    /// Two senders' messages in turns, sent to one receiver; frames in the order they were made.
    fn sent(messages: u64, sizes: std::ops::RangeInclusive<u32>) -> (Run, Vec<Vec<u8>>) {
        let maker = maker(42, sizes);
        let (tape, asides) = (Tape::new(SENDERS), Asides::default());
        let mut run = Run { maker, tape, figures: Figures::new(), asides };
        run.figures.measure(Instant::START, std::time::Duration::from_secs(1));
        let ids = (0..messages).flat_map(|number| (0..SENDERS as u32).map(move |sender| (sender, number)));
        let frame = |(sender, number)| run.maker.delivery(MessageId { sender, number }).to_vec();
        let frames: Vec<Vec<u8>> = ids.map(frame).collect();
        for sender in 0..SENDERS {
            let own: Vec<&Vec<u8>> = frames.iter().skip(sender).step_by(SENDERS).collect();
            for chunk in own.chunks(2 + sender) {
                let mut bytes = Vec::new();
                let record = |frame: &&Vec<u8>| {
                    bytes.extend_from_slice(frame);
                    Recorded { due: Instant::START, end: bytes.len() }
                };
                let recorded = chunk.iter().map(record).collect();
                run.tape.record(sender as u32, bytes.into(), recorded, 1);
            }
        }
        (run, frames)
    }

    /// What a receiver that is no sender makes of a stream that comes in such pieces.
    fn receive(run: &mut Run, stream: &[u8], piece: usize) -> Receiver {
        let mut receiver = Receiver::new(9, Role::Both, SENDERS);
        for bytes in stream.chunks(piece) {
            receiver.received(Instant::from_micros(7), bytes, run);
        }
        receiver
    }

    /// The same fault, however the stream is cut.
    fn check(
        spoil: impl Fn(&mut Vec<Vec<u8>>),
        expected: Counts,
        missing: &[(u32, u64)],
        told: &[FaultKind],
    ) {
        for piece in [1, 3, 39, 40, 41, 64, 65, 200, 100_000] {
            let (mut run, mut frames) = sent(5, 16..=100);
            spoil(&mut frames);
            let receiver = receive(&mut run, &frames.concat(), piece);
            let ledger = receiver.ledger();
            assert_eq!(*ledger.counts(), expected, "in pieces of {piece}");
            let gaps = ledger.gaps().flat_map(|(sender, gap)| gap.map(move |number| (sender, number)));
            let rest = (0..SENDERS as u32)
                .flat_map(|sender| ledger.outstanding(sender, 5).map(move |number| (sender, number)));
            assert_eq!(gaps.chain(rest).collect::<Vec<_>>(), missing, "in pieces of {piece}");
            let kinds: Vec<_> = run.figures.faults().iter().map(|fault| fault.kind).collect();
            assert_eq!(kinds, told, "in pieces of {piece}");
            let under_way = run.tape.under_way();
            assert!(under_way as usize <= missing.len(), "{under_way} wait for what will not come");
        }
    }

    fn came(came: u64) -> Counts {
        Counts { came, ..Counts::default() }
    }

    #[test]
    fn what_was_sent_came() {
        check(|_| {}, came(10), &[], &[]);
    }

    #[test]
    fn senders_may_be_interleaved_otherwise_than_they_sent() {
        check(|frames| frames.swap(2, 3), came(10), &[], &[]);
    }

    #[test]
    fn one_senders_messages_may_come_in_a_row() {
        let in_a_row = |frames: &mut Vec<Vec<u8>>| {
            let (one, other): (Vec<_>, Vec<_>) = frames.chunks(2).map(|pair| (&pair[0], &pair[1])).unzip();
            *frames = one.into_iter().chain(other).cloned().collect();
        };
        check(in_a_row, came(10), &[], &[]);
    }

    #[test]
    fn a_dropped_message_is_missing() {
        check(|frames| drop(frames.remove(2)), came(9), &[(0, 1)], &[]);
        check(|frames| drop(frames.pop()), came(9), &[(1, 4)], &[]);
    }

    #[test]
    fn a_flipped_bit_is_wrong() {
        let expected = Counts { came: 9, wrong: 1, spoilt: 1, ..Counts::default() };
        let flip_last = |frames: &mut Vec<Vec<u8>>| {
            let longest = (0..10).max_by_key(|&at| frames[at].len()).unwrap();
            *frames[longest].last_mut().unwrap() ^= 1;
        };
        check(flip_last, expected, &[], &[FaultKind::Wrong]);
    }

    #[test]
    fn a_flipped_bit_in_the_head_is_wrong_and_whose_it_was_is_missing() {
        let expected = Counts { came: 9, wrong: 1, ..Counts::default() };
        for place in [0, 5, 20, 24, 28, 33] {
            check(|frames| frames[4][place] ^= 1, expected, &[(0, 2)], &[FaultKind::Wrong]);
        }
    }

    #[test]
    fn a_flipped_bit_in_a_length_is_wrong_and_costs_no_more_than_the_next_message() {
        for place in 16..20 {
            for bit in 0..8 {
                let (mut run, mut frames) = sent(5, 50..=60);
                frames[4][place] ^= 1 << bit;
                let receiver = receive(&mut run, &frames.concat(), 1000);
                let counts = receiver.ledger().counts();
                assert!(counts.came >= 8 && counts.wrong == 1, "bit {bit} of byte {place}: {counts:?}");
            }
        }
    }

    #[test]
    fn junk_is_told_at_once_and_is_no_progress() {
        let (mut run, _) = sent(5, 16..=16);
        let mut receiver = Receiver::new(9, Role::Both, SENDERS);
        for _ in 0..100 {
            receiver.received(Instant::START, &[0; 1000], &mut run);
            assert_eq!((receiver.ledger().counts().wrong, run.figures.right_bytes()), (1, 0));
        }
    }

    #[test]
    fn behind_the_answer_to_the_farewell_nothing_may_come() {
        for (extra, wrong) in [(0, 0), (1, 1), (100, 1)] {
            let (mut run, frames) = sent(5, 16..=100);
            let mut stream = frames.concat();
            stream.extend_from_slice(&farewell(&run));
            let receiver = receive(&mut run, &stream, 33);
            assert!(receiver.has_parted());
            stream.extend(vec![7; extra]);
            let (mut run, _) = sent(5, 16..=100);
            let mut receiver = receive(&mut run, &stream, 33);
            receiver.finish(&mut run);
            assert_eq!(*receiver.ledger().counts(), Counts { came: 10, wrong, ..Counts::default() });
        }
    }

    #[test]
    fn a_swapped_pair_is_out_of_order() {
        let expected = Counts { came: 10, out_of_order: 1, ..Counts::default() };
        check(|frames| frames.swap(2, 4), expected, &[], &[FaultKind::OutOfOrder]);
    }

    #[test]
    fn a_doubled_message_came_twice() {
        let expected = Counts { came: 10, twice: 1, ..Counts::default() };
        let double = |frames: &mut Vec<Vec<u8>>| frames.insert(6, frames[4].clone());
        check(double, expected, &[], &[FaultKind::Twice]);
    }

    #[test]
    fn ones_own_message_is_wrong() {
        let (mut run, frames) = sent(2, 16..=16);
        let mut receiver = Receiver::new(0, Role::Both, SENDERS);
        receiver.received(Instant::START, &frames.concat(), &mut run);
        assert_eq!(*receiver.ledger().counts(), Counts { came: 2, wrong: 2, ..Counts::default() });
    }

    #[test]
    fn strangers_messages_and_junk_are_wrong_and_hide_nothing() {
        let stranger = maker(1, 16..=16);
        let spoil = |frames: &mut Vec<Vec<u8>>| {
            frames.insert(1, b"no frame at all".to_vec());
            frames.insert(5, stranger.delivery(MessageId { sender: 0, number: 0 }).to_vec());
        };
        let expected = Counts { came: 10, wrong: 2, ..Counts::default() };
        check(spoil, expected, &[], &[FaultKind::Wrong, FaultKind::Wrong]);
    }
}
