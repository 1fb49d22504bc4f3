//! What a request is answered. Knows the store and what each path is for.

use super::connection::{Checking, Connection, Phase};
use super::events::{COMMENT, reach};
use super::fault::Fault;
use super::head::{After, Head};
use super::lending::Lent;
use super::limits::{MAX_LENT_PIECES, MIN_LENT_BYTES};
use super::reader::Request;
use super::reply::{self, Kind};
use super::route::{Method, Target};
use super::store::{Store, Ticket, Verdict};
use crate::protocol::{TextOutbox, Token};
use crate::wire::turn_log::Chunk;

/// As Bunkercoin's nodes say it.
const OK: &str = "OK";

impl Connection {
    /// Answers a request, or has what it brings checked.
    pub(super) fn serve(
        &mut self,
        out: &mut impl TextOutbox,
        store: &mut impl Store,
        lent: &mut Lent,
        peer: Token,
        request: &Request,
    ) {
        let Request { head, body, len } = request;
        if !out.count_message(peer, *len) {
            return self.say_fault(out, peer, *head, &Fault::Rate);
        }
        if let Err(fault) = head.target.accepts(head.method) {
            return self.say_fault(out, peer, *head, &fault);
        }
        match head.target {
            Target::Chain => self.say_stored(out, lent, peer, *head, &store.chain_text()),
            Target::Mempool => self.say_stored(out, lent, peer, *head, &store.mempool_text()),
            Target::Sync => {
                let body = reach(store.height(), store.latest_hash());
                self.say(out, peer, *head, Kind::Json, &body);
            }
            Target::Events => self.begin_events(out, peer, head.method),
            Target::Transaction => self.wait_for(store.submit_transaction(body), *head),
            Target::Block => self.wait_for(store.submit_block(body), *head),
            Target::Unknown => {} // accepts nothing
        }
    }

    /// What came of what was brought.
    pub(super) fn say_verdict(
        &mut self,
        out: &mut impl TextOutbox,
        peer: Token,
        head: Head,
        verdict: Verdict,
    ) {
        let invalid = |reason: String| match head.target {
            Target::Block => Fault::InvalidBlock { reason },
            _ => Fault::InvalidTransaction { reason },
        };
        let fault = match verdict {
            Verdict::Taken | Verdict::Known => return self.say(out, peer, head, Kind::Text, OK),
            Verdict::Malformed(reason) | Verdict::Invalid(reason) => invalid(reason),
            Verdict::DoesNotFit => invalid("it does not follow the last block".into()),
            Verdict::NoRoom => Fault::NoRoom,
        };
        self.say_fault(out, peer, head, &fault);
    }

    fn wait_for(&mut self, ticket: Ticket, head: Head) {
        self.phase = Phase::Checking(Checking { ticket, head });
    }

    fn say(&mut self, out: &mut impl TextOutbox, peer: Token, head: Head, kind: Kind, body: &str) {
        let front = reply::head(kind, body.len(), head.after);
        self.send(out, peer, head, front, body);
    }

    fn say_fault(&mut self, out: &mut impl TextOutbox, peer: Token, head: Head, fault: &Fault) {
        let (front, body) = reply::fault(fault, head.after);
        self.send(out, peer, head, front, &body);
    }

    fn send(&mut self, out: &mut impl TextOutbox, peer: Token, head: Head, mut front: String, body: &str) {
        if head.method != Method::Head {
            front.push_str(body);
        }
        self.said += front.len();
        out.answer(peer, front.as_bytes());
        self.end_reply(out, peer, head.after);
    }

    /// Out of the store: its long pieces as they lie there, what is short before and behind them as a copy.
    fn say_stored(
        &mut self,
        out: &mut impl TextOutbox,
        lent: &mut Lent,
        peer: Token,
        head: Head,
        text: &[Chunk],
    ) {
        let len = text.iter().map(|chunk| chunk.len()).sum();
        if head.method == Method::Head {
            return self.send(out, peer, head, reply::head(Kind::Json, len, head.after), "");
        }
        let is_long = |chunk: &Chunk| chunk.len() >= MIN_LENT_BYTES;
        let begin = text.iter().position(is_long).unwrap_or(text.len());
        let end = text.iter().rposition(is_long).map_or(begin, |last| last + 1);
        let pieces = &text[begin..end];
        if let Err(fault) = lent.lend(pieces) {
            return self.say_fault(out, peer, head, &fault);
        }
        self.lent_pieces += pieces.len();
        let after = if self.lent_pieces < MAX_LENT_PIECES { head.after } else { After::Ends };
        let mut front = reply::head(Kind::Json, len, after).into_bytes();
        let mut tail = Vec::new();
        copy(&text[..begin], &mut front);
        copy(&text[end..], &mut tail);
        self.said += front.len() + tail.len() + pieces.iter().map(|piece| piece.len()).sum::<usize>();
        if pieces.is_empty() {
            out.answer(peer, &front);
        } else {
            out.answer_stored(peer, &front, pieces.iter(), &tail);
        }
        self.end_reply(out, peer, after);
    }

    fn begin_events(&mut self, out: &mut impl TextOutbox, peer: Token, method: Method) {
        if method == Method::Head {
            out.answer(peer, reply::events().as_bytes());
            return self.finish(out, peer);
        }
        out.answer(peer, (reply::events() + COMMENT).as_bytes());
        out.listen(peer);
        self.phase = Phase::Listening;
    }

    fn end_reply(&mut self, out: &mut impl TextOutbox, peer: Token, after: After) {
        match after {
            After::Stays | After::IsKept => {}
            After::Ends => self.finish(out, peer),
        }
    }
}

fn copy(chunks: &[Chunk], to: &mut Vec<u8>) {
    for chunk in chunks {
        to.extend_from_slice(chunk);
    }
}
