//! The long way through a receiver's stream, where something else has come than what was due next. Knows what was
//! sent; knows no socket.
//!
//! ```text
//!   from a relay          ─→ a probe, or the answer to the farewell: back to comparing
//!      frames             ─→ Lost: its own decoder looks for frames from here on, and each is made again
//!      lines              ─→ Line: one line, which is made again; then back to comparing
//!   from another server   ─→ Item: one item, and what it means; then back to comparing
//!                              └─ no item at all: nothing behind it can be told, and the run ends
//! ```

use memchr::memchr;

use super::dialect::{Codec, HEAD_MOST, Items, Meaning, Next, Occasion, quoted};
use super::figures::FaultKind;
use super::ledger::Arrival;
use super::lost::Lost;
use super::maker::MessageId;
use super::receiver::{Parting, Place, Receiver, Run};
use crate::wire::decoder::DecoderLimits;

impl Receiver {
    /// No delivery that was due next: what it is instead. What is left of the bytes, when so many were held before.
    pub(super) fn stray<'b>(
        &mut self,
        held: usize,
        front: &[u8],
        bytes: &'b [u8],
        run: &mut Run,
    ) -> &'b [u8] {
        match run.maker.codec(self.track) {
            Codec::Frames(frames) => {
                let (farewell, limits) = (frames.farewell(self.me), frames.decoder_limits());
                if front.starts_with(&farewell) {
                    return self.part(&bytes[farewell.len() - held..]);
                }
                if let Some(len) = self.probe_in(front, run) {
                    self.place = Place::START;
                    return &bytes[len - held..];
                }
                self.lose(&front[..held], limits, run);
            }
            Codec::Lines => self.place = Place::Line(front[..held].to_vec()),
            Codec::Foreign(_) => self.place = Place::Item(Items::holding(&front[..held])),
        }
        bytes
    }

    /// How long the probe is that this begins with, if it is one that may come.
    fn probe_in(&mut self, front: &[u8], run: &Run) -> Option<usize> {
        let id = run.maker.claim(self.track, front).filter(|id| id.probe_number().is_some())?;
        let probe = run.maker.probe(self.track, id);
        (front.starts_with(&probe) && self.hears(id, run)).then_some(probe.len())
    }

    /// From here on the decoder looks for frames, beginning with what was held.
    fn lose(&mut self, held: &[u8], limits: DecoderLimits, run: &mut Run) {
        self.place = Place::Lost(Box::new(Lost::beginning(limits)));
        self.search(held, run);
    }

    /// Looks for frames in all of the bytes. What is left of them: nothing.
    pub(super) fn search<'b>(&mut self, mut bytes: &'b [u8], run: &mut Run) -> &'b [u8] {
        while let Place::Lost(lost) = &mut self.place
            && !bytes.is_empty()
        {
            let found = lost.next(&mut bytes);
            (0..found.wrong).for_each(|_| self.wrong(None, run));
            match found.frame {
                Some(frame) if self.is_farewell(frame.as_bytes(), run) => self.parting = Parting::Parted,
                Some(frame) if self.probe_in(frame.as_bytes(), run).is_some() => {}
                Some(frame) => self.judge(frame.as_bytes(), run),
                None => {}
            }
        }
        bytes
    }

    /// Adds to a line that is no delivery that was due next, and judges it if its end is there. What is left of the
    /// bytes. Of a line that is longer than any message it is enough to know that it is wrong.
    pub(super) fn collect<'b>(&mut self, bytes: &'b [u8], run: &mut Run) -> &'b [u8] {
        let Place::Line(line) = &mut self.place else { unreachable!("only lines are collected") };
        let end = memchr(b'\n', bytes);
        let (here, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
        let most = HEAD_MOST.max(run.maker.largest() as usize + 1);
        let is_too_long = line.len() + here.len() > most;
        if !is_too_long {
            line.extend_from_slice(here);
        }
        if end.is_none() && !is_too_long {
            return rest;
        }
        let line = std::mem::take(line);
        self.place = if end.is_some() { Place::START } else { Place::Skipping };
        match is_too_long {
            true => self.wrong(None, run),
            false if self.probe_in(&line, run) == Some(line.len()) => {}
            false => self.judge(&line, run),
        }
        rest
    }

    /// Takes one item out of the bytes, if it is there whole. What is left of them.
    pub(super) fn sift<'b>(&mut self, mut bytes: &'b [u8], run: &mut Run) -> &'b [u8] {
        let Place::Item(items) = &mut self.place else { unreachable!("only items are sifted") };
        let foreign = run.maker.foreign(self.track).expect("a relay's stream has no items");
        match items.next(&mut bytes, foreign, run.maker.largest() as usize) {
            Next::Part => {}
            Next::Item(item) => {
                let meaning = foreign.meaning(Occasion::Farewell, self.role, self.me, &item);
                if !items.is_unfinished() {
                    self.place = Place::START;
                }
                self.take(&item, meaning, run);
            }
            Next::Long(left) => {
                self.place = Place::Passing(left);
                self.wrong(None, run);
            }
            Next::Junk(front) => {
                let (dialect, front) = (foreign.dialect(), quoted(&front));
                run.asides.complain(self.me, format!("sent what is no {dialect}: {front}"));
                self.place = Place::Passing(usize::MAX); // whatever comes
                self.wrong(None, run);
            }
        }
        bytes
    }

    /// An item that means this to us.
    fn take(&mut self, item: &[u8], meaning: Meaning, run: &mut Run) {
        match meaning {
            Meaning::Delivery => self.judge(item, run),
            Meaning::Answer if self.parting == Parting::Asked => self.was_answered(run),
            Meaning::Receipt => self.receipts += 1,
            Meaning::Asks(reply) => run.asides.reply(reply),
            Meaning::Notice => {}
            Meaning::Error(said) => run.asides.complain(self.me, format!("said {said}")),
            Meaning::Answer | Meaning::Other => self.wrong(None, run),
        }
    }

    /// Where a server says of each message that it took it, it has said so of all of them by now.
    fn was_answered(&mut self, run: &mut Run) {
        self.parting = Parting::Parted;
        let foreign = run.maker.foreign(self.track);
        let has_receipts = foreign.is_some_and(|foreign| foreign.gives_receipts(self.role));
        if has_receipts && self.receipts != run.tape.made(self.me) {
            let (receipts, made) = (self.receipts, run.tape.made(self.me));
            run.asides.complain(self.me, format!("answered {receipts} of {made} messages"));
        }
    }

    fn is_farewell(&self, frame: &[u8], run: &Run) -> bool {
        run.maker.frames(self.track).is_some_and(|frames| frames.farewell(self.me) == frame)
    }

    /// A whole delivery: is it one that was sent, and when?
    fn judge(&mut self, delivery: &[u8], run: &mut Run) {
        let (me, track, senders) = (self.me, self.track, self.ledger.senders());
        let claimed = run.maker.claim(track, delivery);
        let was_sent = |id: &MessageId| id.sender != me && id.sender < senders && run.tape.has_made(*id);
        let id = claimed.filter(was_sent).filter(|id| run.maker.delivery(track, *id) == delivery);
        let Some(id) = id else { return self.wrong(claimed, run) };
        match self.ledger.came(id) {
            Arrival::Next(overtaken) => {
                let (delivery, due) =
                    run.tape.get(track, id).expect("a message this receiver lacked is under way");
                run.figures.right(delivery.len());
                run.figures.delivered(due, delivery.len());
                run.tape.settle(id);
                if !overtaken.is_empty() {
                    run.figures.overtaken();
                }
                for number in overtaken {
                    run.tape.settle(MessageId { number, ..id }); // should it come after all, it is made again
                }
            }
            Arrival::Late => run.figures.fault(self.fault(FaultKind::OutOfOrder, Some(id))),
            Arrival::Twice => run.figures.fault(self.fault(FaultKind::Twice, Some(id))),
        }
    }
}
