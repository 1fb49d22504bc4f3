//! News as server-sent events, and a word now and then when there are none. Knows what the readers get and when; who
//! they are knows the relay.

use std::fmt::Write;

use super::limits::KEEPALIVE_TIME;
use super::store::News;
use crate::protocol::{Dialect, TextOutbox};
use crate::time::Instant;

/// A comment: a line that begins with a colon, and nobody's event. Said first of all too: some clients and proxies show
/// nothing of a reply before its body begins.
pub(super) const COMMENT: &str = ":\n\n";

/// Everybody who reads `/events`.
#[derive(Debug, Default)]
pub struct Readers {
    count: usize,
    /// When a word is due, while anybody reads.
    due: Option<Instant>,
}

impl Readers {
    /// There is one more.
    pub fn came(&mut self, now: Instant) {
        self.count += 1;
        self.due.get_or_insert(now + KEEPALIVE_TIME);
    }

    /// There is one less.
    pub fn went(&mut self) {
        self.count -= 1;
        if self.count == 0 {
            self.due = None;
        }
    }

    /// Tells them.
    pub fn tell(&mut self, now: Instant, out: &mut impl TextOutbox, news: &News) {
        if self.count > 0 {
            out.announce(None, Dialect::Http, event(news).as_bytes());
            self.due = Some(now + KEEPALIVE_TIME);
        }
    }

    /// Says a word, when it is due.
    pub fn expired(&mut self, now: Instant, out: &mut impl TextOutbox) {
        if self.due.is_some_and(|due| due <= now) {
            out.announce(None, Dialect::Http, COMMENT.as_bytes());
            self.due = Some(now + KEEPALIVE_TIME);
        }
    }

    /// When [`expired`](Self::expired) has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.due
    }
}

/// How far a chain reaches, as `/sync` has it. Of no blocks the last one's hash is an empty string: it is a string for
/// whoever reads it either way.
pub fn reach(height: usize, latest_hash: Option<[u8; 32]>) -> String {
    let mut hex = String::new();
    for byte in latest_hash.iter().flatten() {
        let _ = write!(hex, "{byte:02x}"); // a string takes everything
    }
    format!(r#"{{"height":{height},"latest_hash":"{hex}"}}"#)
}

fn event(news: &News) -> String {
    match news {
        News::Block(text) => lines("block", &String::from_utf8_lossy(text)),
        News::Transaction(text) => lines("transaction", &String::from_utf8_lossy(text)),
        News::Replaced { height, hash } => lines("chain", &reach(*height, Some(*hash))),
    }
}

fn lines(name: &str, data: &str) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_are_a_name_and_what_it_is_about() {
        let block = News::Block(r#"{"header":{}}"#.into());
        assert_eq!(event(&block), "event: block\ndata: {\"header\":{}}\n\n");
        let transaction = News::Transaction(r#"{"nonce":18446744073709551615}"#.into());
        assert_eq!(event(&transaction), "event: transaction\ndata: {\"nonce\":18446744073709551615}\n\n");
        let mut hash = [0; 32];
        (hash[0], hash[31]) = (0xab, 0x0c);
        let hex = format!("ab{}0c", "00".repeat(30));
        let sync = format!(r#"{{"height":7,"latest_hash":"{hex}"}}"#);
        assert_eq!(event(&News::Replaced { height: 7, hash }), format!("event: chain\ndata: {sync}\n\n"));
    }

    #[test]
    fn of_no_chain_the_last_hash_is_empty() {
        assert_eq!(reach(0, None), r#"{"height":0,"latest_hash":""}"#);
    }
}
