//! One connection to a relay's JSON port, as whoever has it sees it: what was asked, what each reply must be, what was
//! told. Knows Clarke Coin's messages as they are written; knows no relay but what it says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use crate::rng::Rng;
use crate::sim::broken::{Broken, Promise};

/// A connection.
#[derive(Debug, Default)]
pub struct Counter {
    begun: Vec<u8>,
    /// Replies that are to come, in this order.
    expected: VecDeque<Reply>,
    told: BTreeSet<u32>,
    said: BTreeSet<u32>,
}

/// What a reply must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// This.
    Exactly(String),
    /// Something of one of these types.
    Of(&'static [&'static str]),
}

/// What has come of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The reply that was due.
    Reply,
    /// Something that somebody else said.
    Told(u32),
}

/// Everything that was said to be passed on, by its text.
#[derive(Debug, Default)]
pub struct Gossip {
    texts: Vec<String>,
    known: BTreeMap<String, u32>,
    /// The last block.
    parent: String,
}

impl Gossip {
    /// A chat that nobody has said.
    pub fn chat(&mut self, who: usize) -> u32 {
        let number = self.texts.len();
        self.add(format!(r#"{{"message_type":"chat","payload":"word {number} of {who}"}}"#))
    }

    /// A transaction that nobody has said.
    pub fn transaction(&mut self, rng: &mut Rng) -> u32 {
        let payload = transaction(self.texts.len() as u64, rng);
        self.add(format!(r#"{{"message_type":"submit_transaction","payload":{payload}}}"#))
    }

    /// A block behind the last one.
    pub fn block(&mut self, rng: &mut Rng) -> u32 {
        let parent = if self.parent.is_empty() { hex(b"the beginning") } else { self.parent.clone() };
        let (payload, hash) = block(&parent, rng.below(1 << 40), rng.next());
        self.parent = hash;
        self.add(format!(r#"{{"message_type":"add_block","payload":{payload}}}"#))
    }

    /// Its text.
    pub fn text(&self, number: u32) -> &str {
        &self.texts[number as usize]
    }

    /// Whether it can be refused as known.
    pub fn is_item(&self, number: u32) -> bool {
        !self.text(number).contains(r#""chat""#)
    }

    fn add(&mut self, text: String) -> u32 {
        let number = self.texts.len() as u32; // far fewer
        self.known.insert(text.clone(), number);
        self.texts.push(text);
        number
    }
}

impl Reply {
    /// What must come of handing this in.
    pub fn to_item(text: &str, is_new: Newness) -> Self {
        let is_block = text.contains("block");
        Self::Of(match (is_block, is_new) {
            (true, Newness::New) => &["block-accepted"],
            (false, Newness::New) => &["transaction-accepted"],
            (true, Newness::Perhaps) => &["block-accepted", "block-rejected"],
            (false, Newness::Perhaps) => &["transaction-accepted", "transaction-rejected"],
            (true, Newness::Wrong) => &["block-rejected"],
            (false, Newness::Wrong) => &["transaction-rejected"],
        })
    }

    fn is(&self, reply: &str) -> bool {
        match self {
            Self::Exactly(text) => reply == text,
            Self::Of(kinds) => {
                let begins =
                    |kind: &&str| reply.starts_with(&format!(r#"{{"message_type":"{kind}","payload":"#));
                kinds.iter().any(begins) && serde_json::from_str::<IgnoredAny>(reply).is_ok()
            }
        }
    }
}

/// Whether something handed in is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newness {
    New,
    /// Unless the relay has it.
    Perhaps,
    Wrong,
}

impl Counter {
    /// Something was asked.
    pub fn expect(&mut self, reply: Reply) {
        self.expected.push_back(reply);
    }

    /// We say something that nobody has said before.
    pub fn say(&mut self, number: u32) {
        self.said.insert(number);
    }

    /// Whether we were told of something.
    pub fn was_told(&self, number: u32) -> bool {
        self.told.contains(&number)
    }

    /// Whether every reply has come, and nothing else.
    pub fn lacks(&self) -> Option<Broken> {
        let is_whole = self.expected.is_empty() && self.begun.is_empty();
        (!is_whole).then(|| Promise::Answers.broken(format!("never answered: {:?}", self.expected)))
    }

    /// What has come.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(bytes);
    }

    /// The next line, on a connection that is kept.
    pub fn next(&mut self, gossip: &Gossip) -> Result<Option<Heard>, Broken> {
        let Some(end) = self.begun.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
        let line: Vec<u8> = self.begun.drain(..=end).collect();
        let text = std::str::from_utf8(&line[..end]).unwrap_or_default();
        if let Some(reply) = text.strip_prefix(r#"{"response":"#).and_then(|rest| rest.strip_suffix('}')) {
            self.answered(reply)?;
            return Ok(Some(Heard::Reply));
        }
        let Some(&number) = gossip.known.get(text) else {
            return Err(Promise::Truth.broken(format!("nobody said {}", line.escape_ascii())));
        };
        if self.said.contains(&number) {
            return Err(Promise::Echo.broken(format!("{text} came back to who said it")));
        }
        if !self.told.insert(number) {
            return Err(Promise::Once.broken(format!("{text} was told twice on one connection")));
        }
        Ok(Some(Heard::Told(number)))
    }

    /// A connection for one question has ended: there is one reply, and nothing else. None has come where the
    /// connection broke.
    pub fn ended(&mut self) -> Result<bool, Broken> {
        let begun = std::mem::take(&mut self.begun);
        if begun.is_empty() {
            return Ok(false);
        }
        let text = std::str::from_utf8(&begun).unwrap_or_default();
        match text.strip_suffix("\n\n") {
            Some(reply) => self.answered(reply).map(|()| true),
            None => Err(Promise::Answers.broken(format!("no reply: {}", begun.escape_ascii()))),
        }
    }

    fn answered(&mut self, reply: &str) -> Result<(), Broken> {
        let due = self.expected.pop_front();
        match &due {
            Some(due) if due.is(reply) => Ok(()),
            _ => Err(Promise::Answers.broken(format!("{reply} and not {due:?}"))),
        }
    }
}

/// A question, and what its reply must be.
pub fn question(rng: &mut Rng) -> (String, Reply) {
    let number = rng.next();
    let ask = |kind: &str| format!(r#"{{"message_type":"{kind}"}}"#);
    match rng.below(8) {
        0 => {
            let text = format!(r#"{{"message_type":"echo","payload":{{"a":[{number},"b"]}}}}"#);
            (text.clone(), Reply::Exactly(text))
        }
        1 => (
            format!(r#"{{"message_type":"ping","payload":{number}}}"#),
            Reply::Exactly(format!(r#"{{"message_type":"pong","payload":{number}}}"#)),
        ),
        2 => (ask("get_peers"), Reply::Of(&["peers"])),
        3 => (ask("get_block_height"), Reply::Of(&["block_height"])),
        4 => (ask("get_latest_block"), Reply::Of(&["latest_block"])),
        5 => (ask("get_transaction_pool"), Reply::Of(&["transaction_pool"])),
        6 => (ask("get_blocks"), Reply::Of(&["blocks"])),
        _ => (format!(r#"{{"message_type":"get_balance","payload":"{number}"}}"#), Reply::Of(&["error"])),
    }
}

/// Something that is no message.
pub fn mumble(rng: &mut Rng) -> &'static str {
    let all = [
        "{nonsense}",
        "[1,2,3]",
        r#"{"message_type":5}"#,
        r#"{"payload":1}"#,
        "{\"message_type\":\"ping\",}",
    ];
    all[rng.below(all.len() as u64) as usize]
}

/// A transaction or a block with a hash that is not its own.
pub fn wrong_item(rng: &mut Rng) -> String {
    if rng.below(2) == 0 {
        return r#"{"message_type":"submit_transaction","payload":{"hash":"no hash"}}"#.into();
    }
    let (payload, hash) = block(&hex(b"somewhere"), 1, rng.next());
    let spoilt = payload.replace(&hash, &hex(b"else"));
    format!(r#"{{"message_type":"submit_block","payload":{spoilt}}}"#)
}

fn transaction(number: u64, rng: &mut Rng) -> String {
    let hash = hex(&[number.to_le_bytes(), rng.next().to_le_bytes()].concat());
    format!(r#"{{"inputs":[],"outputs":[{{"amount":{}}}],"hash":"{hash}"}}"#, rng.below(1000))
}

/// A block without transactions, and its hash.
fn block(parent: &str, timestamp: u64, nonce: u64) -> (String, String) {
    let all = hex(b"");
    let target = hex(b"target");
    let hash = hex(format!("{parent}{all}{timestamp}{target}{nonce}").as_bytes());
    let header = format!(
        r#"{{"parent_hash":"{parent}","transactions_hash":"{all}","timestamp":{timestamp},"target":"{target}","nonce":{nonce},"hash":"{hash}"}}"#
    );
    (format!(r#"{{"header":{header},"transactions":[]}}"#), hash)
}

/// A SHA-256, as it is written.
fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(counter: &mut Counter, gossip: &Gossip, line: &str) -> Result<Option<Heard>, Promise> {
        counter.hear(line.as_bytes());
        counter.next(gossip).map_err(|broken| broken.promise)
    }

    #[test]
    fn a_reply_out_of_order_and_what_is_told_twice_are_broken_promises() {
        let (mut gossip, mut counter) = (Gossip::default(), Counter::default());
        let chat = gossip.chat(1);
        let line = format!("{}\n", gossip.text(chat));
        assert_eq!(next(&mut counter, &gossip, &line), Ok(Some(Heard::Told(chat))));
        assert_eq!(next(&mut counter, &gossip, &line), Err(Promise::Once));
        assert_eq!(next(&mut counter, &gossip, "{\"message_type\":\"chat\"}\n"), Err(Promise::Truth));
        counter.expect(Reply::Of(&["peers"]));
        counter.expect(Reply::Exactly("{\"message_type\":\"pong\",\"payload\":1}".into()));
        let pong = "{\"response\":{\"message_type\":\"pong\",\"payload\":1}}\n";
        assert_eq!(next(&mut counter, &gossip, pong), Err(Promise::Answers), "first the peers");
        assert_eq!(next(&mut counter, &gossip, pong), Ok(Some(Heard::Reply)));
        assert_eq!(next(&mut counter, &gossip, pong), Err(Promise::Answers), "nothing was asked");
        let mut speaker = Counter::default();
        speaker.say(chat);
        assert_eq!(next(&mut speaker, &gossip, &line), Err(Promise::Echo));
    }
}
