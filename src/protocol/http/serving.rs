//! What a request is answered. Knows the store and what each path is for.

use super::connection::{Checking, Connection, Phase};
use super::events::{COMMENT, reach};
use super::fault::Fault;
use super::head::{After, Head};
use super::limits::MAX_STORED_REPLIES;
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
            Target::Chain => self.say_stored(out, peer, *head, &store.chain_text()),
            Target::Mempool => self.say_stored(out, peer, *head, &store.mempool_text()),
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
        out.answer(peer, front.as_bytes());
        self.go_on(out, peer, head.after);
    }

    /// Out of the store, without a copy but of the last piece, which closes a text and is the reply's end.
    fn say_stored(&mut self, out: &mut impl TextOutbox, peer: Token, head: Head, chunks: &[Chunk]) {
        let len = chunks.iter().map(|chunk| chunk.len()).sum();
        self.stored_replies += u32::from(head.method != Method::Head);
        let after = if self.stored_replies == MAX_STORED_REPLIES { After::Ends } else { head.after };
        let front = reply::head(Kind::Json, len, after);
        match chunks.split_last() {
            Some((last, others)) if head.method != Method::Head => {
                out.answer_stored(peer, front.as_bytes(), others.iter(), last);
            }
            Some(_) | None => out.answer(peer, front.as_bytes()),
        }
        self.go_on(out, peer, after);
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

    fn go_on(&mut self, out: &mut impl TextOutbox, peer: Token, after: After) {
        match after {
            After::Stays | After::IsKept => {}
            After::Ends => self.finish(out, peer),
        }
    }
}
