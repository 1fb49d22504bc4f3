//! One peer's stream, message by message and element by element. Knows how messages are told apart and what they are
//! called; knows no block and no peer.
//!
//! A message is one JSON value in one line; `\r` before the newline is whitespace, and a blank line is nothing. What
//! the elements of a list are is told one by one, as they come: a chain is never held whole. A single block or
//! transaction is told once its line has ended, so that a line that is wrong has no effect.

use memchr::memchr;
use thiserror::Error;

use super::cost;
use crate::protocol::Offence;
use crate::wire::json_scanner::{JsonError, JsonScanner, Mark};

/// Deepest mark of interest: the elements of a list in an object.
const DEEPEST: usize = 2;

/// What has come and was not looked at yet, and where in a message it is.
#[derive(Debug, Default)]
pub struct Reader {
    scanner: JsonScanner,
    inbox: Vec<u8>,
    /// So much of the inbox has been looked at.
    seen: usize,
    /// What has come since the last mark that meant anything: at most one element.
    piece: Vec<u8>,
    line: Line,
    /// Bytes of the line that have come.
    line_len: usize,
}

/// One step on in a stream.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// Nothing to tell yet, and more to look at.
    Nothing,
    /// All was looked at.
    Empty,
    /// `"GetChain"`.
    GetChain,
    /// `"GetMempool"`.
    GetMempool,
    /// A chain begins.
    ChainBegins,
    /// The JSON of its next block.
    ChainBlock(Vec<u8>),
    /// The chain's line has ended as it should, and had so many bytes.
    ChainEnds(usize),
    /// The JSON of a transaction out of a pool.
    PoolTransaction(Vec<u8>),
    /// The pool's line has ended as it should, and had so many bytes beside its transactions.
    MempoolEnds(usize),
    /// The JSON of one block.
    NewBlock(Vec<u8>),
    /// The JSON of one transaction.
    NewTransaction(Vec<u8>),
}

/// What is wrong with a stream. The rest of its line passes unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// Not JSON, or too deep.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A newline within a value.
    #[error("a message that its line does not hold")]
    Unfinished,
    /// None of the six messages.
    #[error("a message that is none of the six")]
    Unknown,
    /// More than there may be of one.
    #[error("a message, or an element of one, of more than {0} bytes")]
    TooLong(usize),
}

/// Where in a line.
#[derive(Debug, Default)]
enum Line {
    /// Nothing was seen of it yet but whitespace.
    #[default]
    Blank,
    /// In the object around a message, before its name has ended.
    Name,
    /// Behind the name, before or in the value.
    Value(Name),
    /// In the list.
    List(Name),
    /// Behind the value, in the object.
    Named(Name),
    /// Behind the object or the string: nothing may follow.
    Whole(Message),
    /// It is wrong, or nobody wants it: all is passed over.
    Skipped,
}

/// The name of a message that has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Chain,
    Mempool,
    NewBlock,
    NewTransaction,
}

/// What its line's end tells of.
#[derive(Clone, Copy, Debug)]
enum Message {
    GetChain,
    GetMempool,
    Named(Name),
}

impl Fault {
    /// What the law calls it.
    pub fn offence(self) -> Offence {
        match self {
            Self::TooLong(_) => Offence::Oversize,
            Self::Json(_) | Self::Unfinished | Self::Unknown => Offence::Protocol,
        }
    }
}

impl Reader {
    /// More has come.
    pub fn hear(&mut self, bytes: &[u8]) {
        if self.seen == self.inbox.len() {
            self.inbox.clear();
            self.seen = 0;
        }
        self.inbox.extend_from_slice(bytes);
    }

    /// No more will come. A last line that is whole needs no newline; any other is dropped, and that is nobody's fault.
    pub fn end(&mut self) {
        match self.line {
            Line::Whole(_) => self.hear(b"\n"),
            Line::Blank | Line::Name | Line::Value(_) | Line::List(_) | Line::Named(_) | Line::Skipped => {
                *self = Self::default();
            }
        }
    }

    /// The rest of the line means nothing any more, if one has begun.
    pub fn skip_line(&mut self) {
        if matches!(self.line, Line::Blank) && self.piece.is_empty() {
            return;
        }
        self.scanner = JsonScanner::default();
        self.piece = Vec::new();
        self.line = Line::Skipped;
    }

    /// Whether there is something to look at.
    pub fn has_more(&self) -> bool {
        self.seen < self.inbox.len()
    }

    /// Bytes of the message, or the element, that has begun.
    pub fn begun(&self) -> usize {
        match self.line {
            Line::Skipped => 0,
            Line::Blank | Line::Name | Line::Value(_) | Line::List(_) | Line::Named(_) | Line::Whole(_) => {
                self.piece.len()
            }
        }
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        self.inbox.capacity() + self.piece.capacity()
    }

    /// Looks at some of what has come: how much, and what it is.
    pub fn step(&mut self, max_message: usize) -> (usize, Result<Item, Fault>) {
        let start = self.seen;
        let item = self.look(max_message);
        if self.seen == self.inbox.len() {
            self.inbox = Vec::new(); // who is silent holds nothing
            let looked = start.max(self.seen) - start;
            self.seen = 0;
            return (looked, item);
        }
        (self.seen - start, item)
    }

    fn look(&mut self, max_message: usize) -> Result<Item, Fault> {
        let rest = &self.inbox[self.seen..];
        if rest.is_empty() {
            return Ok(Item::Empty);
        }
        if matches!(self.line, Line::Skipped) {
            self.pass_over();
            return Ok(Item::Nothing);
        }
        let mut input = &rest[..rest.len().min(cost::SCAN)];
        let before = input;
        let mark = self.scanner.scan(DEEPEST, &mut input);
        let looked = &before[..before.len() - input.len()];
        self.seen += looked.len();
        self.line_len += looked.len();
        self.piece.extend_from_slice(looked);
        let last = looked.last().copied();
        let item = match mark {
            _ if self.piece.len() > max_message => Err(Fault::TooLong(max_message)),
            Ok(None) => Ok(Item::Nothing),
            Ok(Some(mark)) => self.come_to(mark, last),
            Err(error) => Err(error.into()),
        };
        if item.is_err() {
            self.scanner = JsonScanner::default();
            self.piece = Vec::new();
            self.line = if last == Some(b'\n') { Line::Blank } else { Line::Skipped };
        }
        item
    }

    fn pass_over(&mut self) {
        self.line_len = 0;
        match memchr(b'\n', &self.inbox[self.seen..]) {
            Some(end) => {
                self.seen += end + 1;
                self.line = Line::Blank;
            }
            None => self.seen = self.inbox.len(),
        }
    }

    fn come_to(&mut self, mark: Mark, last: Option<u8>) -> Result<Item, Fault> {
        let (line, item) = match (std::mem::take(&mut self.line), mark) {
            (line, Mark::Newline) => return self.end_line(line),
            (Line::Blank, Mark::Opened(1)) if last == Some(b'{') => (Line::Name, Item::Nothing),
            (Line::Blank, Mark::Value(0)) => (Line::Whole(Message::asking(&self.piece)?), Item::Nothing),
            (Line::Name, Mark::Key(1)) => (Line::Value(Name::read(&self.piece)?), Item::Nothing),
            (Line::Value(Name::Chain), Mark::Opened(2)) if last == Some(b'[') => {
                (Line::List(Name::Chain), Item::ChainBegins)
            }
            (Line::Value(Name::Mempool), Mark::Opened(2)) if last == Some(b'[') => {
                (Line::List(Name::Mempool), Item::Nothing)
            }
            (Line::Value(name @ (Name::NewBlock | Name::NewTransaction)), mark) => {
                return self.within_value(name, mark);
            }
            (Line::List(name), Mark::Comma(2)) => (Line::List(name), Item::Nothing),
            (Line::List(name), Mark::Value(2)) => {
                if name == Name::Mempool {
                    self.line_len = 0; // it counts by itself
                }
                (Line::List(name), self.element(name))
            }
            (Line::List(name), Mark::Value(1)) => (Line::Named(name), Item::Nothing),
            (Line::Named(name), Mark::Value(0)) => {
                // what it is waits for the end of its line
                self.line = Line::Whole(Message::Named(name));
                return Ok(Item::Nothing);
            }
            _ => return Err(Fault::Unknown),
        };
        self.line = line;
        self.piece.clear();
        Ok(item)
    }

    /// A value that is told whole: it is kept until its line ends.
    fn within_value(&mut self, name: Name, mark: Mark) -> Result<Item, Fault> {
        self.line = match mark {
            Mark::Value(1) => {
                self.trim_piece();
                Line::Named(name)
            }
            _ => Line::Value(name),
        };
        Ok(Item::Nothing)
    }

    /// The value alone: a colon stands before it.
    fn trim_piece(&mut self) {
        let value = self.piece.trim_ascii();
        self.piece = value.strip_prefix(b":").unwrap_or(value).trim_ascii_start().to_vec();
    }

    fn element(&self, name: Name) -> Item {
        let text = self.piece.trim_ascii().to_vec();
        if name == Name::Chain { Item::ChainBlock(text) } else { Item::PoolTransaction(text) }
    }

    fn end_line(&mut self, line: Line) -> Result<Item, Fault> {
        let len = std::mem::take(&mut self.line_len);
        if self.scanner.is_within() {
            return Err(Fault::Unfinished);
        }
        let piece = std::mem::take(&mut self.piece);
        // behind a value its object ends, and perhaps whitespace comes
        let value = || piece.trim_ascii_end().strip_suffix(b"}").unwrap_or(&piece).trim_ascii_end().to_vec();
        Ok(match line {
            Line::Whole(Message::GetChain) => Item::GetChain,
            Line::Whole(Message::GetMempool) => Item::GetMempool,
            Line::Whole(Message::Named(Name::Chain)) => Item::ChainEnds(len),
            Line::Whole(Message::Named(Name::Mempool)) => Item::MempoolEnds(len),
            Line::Whole(Message::Named(Name::NewBlock)) => Item::NewBlock(value()),
            Line::Whole(Message::Named(Name::NewTransaction)) => Item::NewTransaction(value()),
            _ => Item::Nothing,
        })
    }
}

impl Name {
    /// Out of a key with its quotes. An escape in it would be another spelling that nobody uses.
    fn read(key: &[u8]) -> Result<Self, Fault> {
        match key.trim_ascii() {
            b"\"Chain\"" => Ok(Self::Chain),
            b"\"Mempool\"" => Ok(Self::Mempool),
            b"\"NewBlock\"" => Ok(Self::NewBlock),
            b"\"NewTransaction\"" => Ok(Self::NewTransaction),
            _ => Err(Fault::Unknown),
        }
    }
}

impl Message {
    fn asking(text: &[u8]) -> Result<Self, Fault> {
        match text.trim_ascii() {
            b"\"GetChain\"" => Ok(Self::GetChain),
            b"\"GetMempool\"" => Ok(Self::GetMempool),
            _ => Err(Fault::Unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that a stream tells, cut in pieces of this length.
    fn told(stream: &[u8], cut: usize) -> Vec<String> {
        let mut reader = Reader::default();
        let mut told = Vec::new();
        for piece in stream.chunks(cut) {
            reader.hear(piece);
            drain(&mut reader, &mut told);
        }
        reader.end();
        drain(&mut reader, &mut told);
        told
    }

    fn drain(reader: &mut Reader, told: &mut Vec<String>) {
        while reader.has_more() {
            match reader.step(100).1 {
                Ok(Item::Nothing | Item::Empty) => {}
                Ok(Item::ChainBlock(text)) => told.push(format!("block {}", String::from_utf8_lossy(&text))),
                Ok(Item::NewBlock(text)) => told.push(format!("new {}", String::from_utf8_lossy(&text))),
                Ok(Item::ChainEnds(_)) => told.push("ChainEnds".into()),
                Ok(Item::MempoolEnds(_)) => told.push("MempoolEnds".into()),
                Ok(Item::NewTransaction(text) | Item::PoolTransaction(text)) => {
                    told.push(format!("tx {}", String::from_utf8_lossy(&text)))
                }
                Ok(item) => told.push(format!("{item:?}")),
                Err(fault) => told.push(format!("{} {fault}", fault.offence())),
            }
        }
    }

    #[test]
    fn messages_are_told_the_same_however_the_stream_is_cut() {
        let stream = br#"
 "GetChain"
"GetMempool" 	
{"Chain":[]}
 { "Chain" : [ {"a":[1,{"b":"]}\n\""}]} , {} , 7 ] } 

{"Mempool":[{"c":1},{"d":2}]}
{"NewBlock" : {"header":{"e":[]},"transactions":[{}]} }
{"NewTransaction":{"f":18446744073709551615}}
{"NewBlock":5}"#;
        let crlf = String::from_utf8(stream.to_vec()).unwrap().replace('\n', "\r\n");
        for stream in [stream.as_slice(), crlf.as_bytes()] {
            for cut in 1..stream.len() {
                let expected = [
                    "GetChain",
                    "GetMempool",
                    "ChainBegins",
                    "ChainEnds",
                    "ChainBegins",
                    r#"block {"a":[1,{"b":"]}\n\""}]}"#,
                    "block {}",
                    "block 7",
                    "ChainEnds",
                    r#"tx {"c":1}"#,
                    r#"tx {"d":2}"#,
                    "MempoolEnds",
                    r#"new {"header":{"e":[]},"transactions":[{}]}"#,
                    r#"tx {"f":18446744073709551615}"#,
                    "new 5",
                ];
                assert_eq!(told(stream, cut), expected, "cut every {cut}");
            }
        }
    }

    #[test]
    fn what_is_wrong_costs_its_line_and_no_more() {
        let long = format!("\"{}\"", "x".repeat(200));
        let spaces = " ".repeat(200);
        let deep = "[".repeat(70);
        for (line, offence) in [
            ("nonsense", "protocol"),
            ("\"GetRich\"", "protocol"),
            ("5", "protocol"),
            ("null", "protocol"),
            ("[]", "protocol"),
            ("{}", "protocol"),
            ("{\"Rich\":[]}", "protocol"),
            ("{\"Chain\":{}}", "protocol"),
            ("{\"Chain\":5}", "protocol"),
            ("{\"Chain\":[],\"Chain\":[]}", "protocol"),
            ("{\"NewBlock\":{},\"NewBlock\":{}}", "protocol"),
            ("{\"NewBlock\":{}", "protocol"),
            ("{\"NewBlock\":{}}}", "protocol"),
            ("{\"NewTransaction\":{}} 5", "protocol"),
            ("\"GetChain\" \"GetChain\"", "protocol"),
            ("\"GetChain\"x", "protocol"),
            ("{\"Chain\":[{}", "protocol"),
            (deep.as_str(), "protocol"),
            (long.as_str(), "oversize"),
            (spaces.as_str(), "oversize"),
        ] {
            let stream = format!("{line}\n\"GetChain\"\n");
            for cut in [1, 2, 3, 7, stream.len()] {
                let told = told(stream.as_bytes(), cut);
                let told: Vec<&str> = told
                    .iter()
                    .map(String::as_str)
                    .filter(|it| !it.starts_with("block") && *it != "ChainBegins")
                    .collect();
                assert_eq!(told.len(), 2, "{line}: {told:?}");
                assert!(told[0].starts_with(offence), "{line}: {told:?}");
                assert_eq!(told[1], "GetChain", "{line}");
            }
        }
    }

    #[test]
    fn a_line_without_end_holds_no_more_than_a_message() {
        let mut reader = Reader::default();
        let mut faults = 0;
        for _ in 0..1_000 {
            reader.hear(&[b' '; 1_000]);
            while reader.has_more() {
                faults += usize::from(reader.step(100).1.is_err());
            }
            assert!(reader.memory() < 3_000);
        }
        assert_eq!(faults, 1, "the rest of it passes unseen");
    }
}
