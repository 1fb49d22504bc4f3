//! One connection to a relay's HTTP port, as whoever has it sees it: what was asked, and what each response must be. Knows
//! HTTP as it is written; knows no relay but what it says.

use std::collections::{BTreeSet, VecDeque};

use super::chain;
use super::coin;
use super::mint::{Item, Mint};
use crate::rng::Rng;
use crate::sim::broken::{Broken, Promise};

/// A connection.
#[derive(Debug, Default)]
pub struct Web {
    begun: Vec<u8>,
    /// Responses that are to come, in this order.
    expected: VecDeque<Page>,
    /// What is to be read has no end: events.
    is_stream: bool,
    told: BTreeSet<Item>,
}

/// What a response must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// 200, and a chain.
    Chain,
    /// 200, and a pool.
    Pool,
    /// 200, and how far the chain reaches.
    Sync,
    /// 200, and events from then on.
    Events,
    /// One of these.
    Status(&'static [u16]),
}

/// What has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Got {
    Response,
    /// An event of something new.
    Told(Item),
    /// Another one, or a comment.
    Word,
}

impl Web {
    /// Something was asked.
    pub fn expect(&mut self, page: Page) {
        self.expected.push_back(page);
    }

    /// Whether we were told of something.
    pub fn was_told(&self, item: Item) -> bool {
        self.told.contains(&item)
    }

    /// Whether every response has come, and nothing else.
    pub fn lacks(&self) -> Option<Broken> {
        let is_whole = self.expected.is_empty() && self.begun.is_empty();
        (!is_whole).then(|| Promise::Answers.broken(format!("never answered: {:?}", self.expected)))
    }

    /// What has come.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(bytes);
    }

    /// The next thing that is whole.
    pub fn next(&mut self, mint: &Mint) -> Result<Option<Got>, Broken> {
        let end = if self.is_stream { b"\n\n".as_slice() } else { b"\r\n\r\n" };
        let Some(at) = self.begun.windows(end.len()).position(|window| window == end) else {
            return Ok(None);
        };
        let head = std::str::from_utf8(&self.begun[..at]).unwrap_or_default().to_string();
        if self.is_stream {
            self.begun.drain(..at + end.len());
            return self.event(&head, mint).map(Some);
        }
        let length = header(&head, "content-length").and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
        let whole = at + end.len() + length;
        if self.begun.len() < whole {
            return Ok(None);
        }
        let response: Vec<u8> = self.begun.drain(..whole).collect();
        let body = std::str::from_utf8(&response[whole - length..]).unwrap_or_default();
        self.response(&head, body, mint)?;
        Ok(Some(Got::Response))
    }

    fn response(&mut self, head: &str, body: &str, mint: &Mint) -> Result<(), Broken> {
        let page = self.expected.pop_front();
        let status: Option<u16> =
            head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
        let is_right = match &page {
            None => false,
            Some(Page::Status(codes)) => status.is_some_and(|status| codes.contains(&status)),
            Some(_) if status != Some(200) => false,
            Some(Page::Chain) => chain::blocks(array(body)?, mint).is_ok_and(|_| true),
            Some(Page::Pool) => chain::coins(array(body)?, mint).is_ok_and(|_| true),
            Some(Page::Sync) => is_reach(body, mint),
            Some(Page::Events) => {
                self.is_stream = true;
                header(head, "content-length").is_none()
            }
        };
        if is_right {
            return Ok(());
        }
        let shown = &body[..body.len().min(80)];
        Err(Promise::Answers.broken(format!("{head} {shown} is not {page:?}")))
    }

    fn event(&mut self, event: &str, mint: &Mint) -> Result<Got, Broken> {
        let data = event.lines().find_map(|line| line.strip_prefix("data: "));
        let Some(data) = data else { return Ok(Got::Word) };
        let item = match mint.read(data.as_bytes()) {
            Some(item) => item,
            None if is_reach(data, mint) => return Ok(Got::Word),
            None => return Err(Promise::Truth.broken(format!("an event that nobody honest made: {event}"))),
        };
        if !self.told.insert(item) {
            return Err(Promise::Once.broken(format!("{item:?} was an event twice on one connection")));
        }
        Ok(Got::Told(item))
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn array(body: &str) -> Result<&str, Broken> {
    let inner = body.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.ok_or_else(|| Promise::Answers.broken(format!("no array: {}", &body[..body.len().min(80)])))
}

/// How far some chain of ours reaches.
fn is_reach(text: &str, mint: &Mint) -> bool {
    let is_of = |block: u32| {
        let block = mint.block(block);
        text == format!(r#"{{"height":{},"latest_hash":"{}"}}"#, block.height, coin::hex(&block.hash))
    };
    text == r#"{"height":0,"latest_hash":""}"# || (0..mint.count_blocks()).any(is_of)
}

/// A request that anybody may make, and what must come of it.
pub fn visit(rng: &mut Rng) -> (String, Page) {
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: town\r\n\r\n");
    match rng.below(5) {
        0 => (get("/chain"), Page::Chain),
        1 => (get("/mempool"), Page::Pool),
        2 => (get("/sync"), Page::Sync),
        3 => (get("/nothing"), Page::Status(&[404])),
        _ => ("DELETE /chain HTTP/1.1\r\nHost: town\r\n\r\n".into(), Page::Status(&[405])),
    }
}

/// A `POST`.
pub fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: town\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// A request that two readers may read as two different ones.
pub fn smuggle(rng: &mut Rng) -> &'static str {
    let all = [
        "POST /tx HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "POST /tx HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        "POST /tx HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /chain HTTP/1.1\nHost: a\n\n",
        "GET /chain HTTP/1.1\r\nHost : a\r\n\r\n",
        "POST /tx HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}",
    ];
    all[rng.below(all.len() as u64) as usize]
}

/// What comes of it.
pub const SMUGGLED: Page = Page::Status(&[400, 501]);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_that_is_not_the_one_that_was_asked_for_is_a_broken_promise() {
        let mut mint = Mint::new(3);
        let block = mint.mine(None, vec![]);
        let (mut web, mut other) = (Web::default(), Web::default());
        let text = mint.block_text(block);
        let chain = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n[{text}]", text.len() + 2);
        for web in [&mut web, &mut other] {
            web.hear(chain.as_bytes());
        }
        web.expect(Page::Chain);
        other.expect(Page::Pool);
        assert_eq!(web.next(&mint), Ok(Some(Got::Response)));
        assert!(other.next(&mint).is_err() && web.lacks().is_none());
        web.expect(Page::Events);
        let event = format!("HTTP/1.1 200 OK\r\n\r\n:\n\nevent: block\ndata: {text}\n\n");
        web.hear(event.as_bytes());
        assert_eq!(web.next(&mint), Ok(Some(Got::Response)));
        assert_eq!(web.next(&mint), Ok(Some(Got::Word)));
        assert_eq!(web.next(&mint), Ok(Some(Got::Told(Item::Block(block)))));
        web.hear(format!("event: block\ndata: {text}\n\n").as_bytes());
        assert_eq!(web.next(&mint).map_err(|broken| broken.promise), Err(Promise::Once));
    }
}
