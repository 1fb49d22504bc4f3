//! One connection to a relay's chain port, as whoever has it sees it: what was asked and answered there, what was told,
//! and whether all of it was right. Knows the six messages; knows no relay but what it says.

use std::collections::{BTreeMap, BTreeSet};

use super::mint::{Item, Mint};
use crate::sim::broken::{Broken, Promise};

/// A connection.
#[derive(Debug, Default)]
pub struct Talk {
    /// What has come of a line that has no end yet.
    begun: Vec<u8>,
    /// How often we asked for the chain, and for the pool; how often we were answered.
    pub asked: [u32; 2],
    pub answered: [u32; 2],
    /// How often we were asked for them.
    pub was_asked: [u32; 2],
    /// Whether we told a chain.
    pub has_told_chain: bool,
    /// What we were told, each thing once.
    told: BTreeSet<Item>,
    /// What we were the first to say, anywhere.
    said: BTreeSet<Item>,
}

/// A message of the relay's, all of it right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    GetChain,
    GetMempool,
    Chain(Vec<u32>),
    Mempool(Vec<u32>),
    New(Item),
}

/// What a block's JSON begins with, behind another.
const NEXT_BLOCK: &str = r#",{"header":"#;
/// What a transaction's does.
const NEXT_COIN: &str = r#",{"sender":"#;

impl Talk {
    /// What has come.
    pub fn hear(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(bytes);
    }

    /// The next whole line, looked at.
    pub fn next(&mut self, mint: &Mint) -> Result<Option<Line>, Broken> {
        let Some(end) = self.begun.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
        let line: Vec<u8> = self.begun.drain(..=end).collect();
        let line = read(&line[..end], mint)?;
        match &line {
            Line::GetChain => self.was_asked[0] += 1,
            Line::GetMempool => self.was_asked[1] += 1,
            Line::Chain(_) => self.answer(0)?,
            Line::Mempool(_) => self.answer(1)?,
            &Line::New(item) => self.note_told(item)?,
        }
        Ok(Some(line))
    }

    /// We ask for the chain, or the pool.
    pub fn ask(&mut self, which: usize) {
        self.asked[which] += 1;
    }

    /// We say something that nobody has said before.
    pub fn say(&mut self, item: Item) {
        self.said.insert(item);
    }

    /// Whether we were told of something.
    pub fn was_told(&self, item: Item) -> bool {
        self.told.contains(&item)
    }

    /// Whether everything that was asked is answered.
    pub fn is_answered(&self) -> bool {
        self.asked == self.answered
    }

    /// Whether everything that was asked is answered, and we were asked what everybody is asked.
    pub fn lacks(&self) -> Option<Broken> {
        if !self.is_answered() || !self.begun.is_empty() {
            let how = format!("asked {:?} times and answered {:?} times", self.asked, self.answered);
            return Some(Promise::Answers.broken(format!("{how}, and begun: {} bytes", self.begun.len())));
        }
        let is_asked = self.was_asked.iter().all(|&times| times > 0);
        (!is_asked).then(|| Promise::Joining.broken(format!("asked {:?} times", self.was_asked)))
    }

    fn answer(&mut self, which: usize) -> Result<(), Broken> {
        self.answered[which] += 1;
        if self.answered[which] > self.asked[which] {
            return Err(Promise::Answers.broken("an answer to what was not asked"));
        }
        Ok(())
    }

    fn note_told(&mut self, item: Item) -> Result<(), Broken> {
        if self.said.contains(&item) {
            return Err(Promise::Echo.broken(format!("{item:?} came back to who said it")));
        }
        // whoever told the longer chain is told what is in it no more
        if matches!(item, Item::Coin(_)) && self.has_told_chain {
            self.told.insert(item);
            return Ok(());
        }
        if !self.told.insert(item) {
            return Err(Promise::Once.broken(format!("{item:?} was told twice on one connection")));
        }
        Ok(())
    }
}

/// What a line is.
fn read(line: &[u8], mint: &Mint) -> Result<Line, Broken> {
    let text = std::str::from_utf8(line).map_err(|_| lie(line))?;
    let of = |head: &str, tail: &str| text.strip_prefix(head)?.strip_suffix(tail);
    if text == r#""GetChain""# {
        return Ok(Line::GetChain);
    }
    if text == r#""GetMempool""# {
        return Ok(Line::GetMempool);
    }
    if let Some(list) = of(r#"{"Chain":["#, "]}") {
        return blocks(list, mint).map(Line::Chain);
    }
    if let Some(list) = of(r#"{"Mempool":["#, "]}") {
        return coins(list, mint).map(Line::Mempool);
    }
    let item = of(r#"{"NewBlock":"#, "}").or_else(|| of(r#"{"NewTransaction":"#, "}"));
    let item = item.and_then(|item| mint.read(item.as_bytes()));
    item.map(Line::New).ok_or_else(|| lie(line))
}

/// Blocks of a chain: each right, each behind the one before.
pub fn blocks(list: &str, mint: &Mint) -> Result<Vec<u32>, Broken> {
    let mut blocks = Vec::new();
    for text in split(list, NEXT_BLOCK) {
        let Some(Item::Block(block)) = mint.read(text.as_bytes()) else { return Err(lie(text.as_bytes())) };
        if mint.block(block).before != blocks.last().copied() {
            return Err(Promise::Truth.broken(format!("block {block} behind {:?}", blocks.last())));
        }
        blocks.push(block);
    }
    Ok(blocks)
}

/// Transactions of a pool: each right, and once.
pub fn coins(list: &str, mint: &Mint) -> Result<Vec<u32>, Broken> {
    let mut coins = BTreeMap::new();
    for text in split(list, NEXT_COIN) {
        let Some(Item::Coin(coin)) = mint.read(text.as_bytes()) else { return Err(lie(text.as_bytes())) };
        if coins.insert(mint.coin(coin).hash(), coin).is_some() {
            return Err(Promise::Truth.broken(format!("transaction {coin} twice in a pool")));
        }
    }
    Ok(coins.into_values().collect())
}

/// Elements of a list: each but the first begins with a comma and these.
fn split<'a>(list: &'a str, next: &str) -> Vec<&'a str> {
    let mut texts = Vec::new();
    let mut rest = list;
    while !rest.is_empty() {
        let end = rest.find(next).unwrap_or(rest.len());
        texts.push(&rest[..end]);
        rest = rest.get(end + 1..).unwrap_or("");
    }
    texts
}

fn lie(line: &[u8]) -> Broken {
    let shown = line[..line.len().min(120)].escape_ascii();
    Promise::Truth.broken(format!("{} bytes that nobody honest made: {shown}", line.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(talk: &mut Talk, mint: &Mint, text: &str) -> Result<Option<Line>, Promise> {
        talk.hear(text.as_bytes());
        talk.next(mint).map_err(|broken| broken.promise)
    }

    #[test]
    fn what_is_right_is_read_and_what_is_not_is_a_broken_promise() {
        let (mut mint, mut talk) = (Mint::new(1), Talk::default());
        let coins = [mint.pay(), mint.pay()];
        let first = mint.mine(None, vec![]);
        let second = mint.mine(Some(first), coins.to_vec());
        let chain = format!("{{\"Chain\":[{}]}}\n", mint.chain_text(Some(second)));
        let pool = format!("{{\"Mempool\":[{}]}}\n", mint.pool_text(coins.into_iter()));
        talk.ask(0);
        assert_eq!(told(&mut talk, &mint, &chain), Ok(Some(Line::Chain(vec![first, second]))));
        assert_eq!(told(&mut talk, &mint, &chain), Err(Promise::Answers), "asked once");
        assert_eq!(told(&mut talk, &mint, &pool), Err(Promise::Answers), "never asked");
        talk.ask(1);
        talk.ask(1);
        let Ok(Some(Line::Mempool(mut read))) = told(&mut talk, &mint, &pool) else { panic!("a pool") };
        read.sort_unstable();
        assert_eq!(read, coins);
        let news = format!("{{\"NewTransaction\":{}}}\n", mint.pool_text(coins[..1].iter().copied()));
        assert_eq!(told(&mut talk, &mint, &news), Ok(Some(Line::New(Item::Coin(coins[0])))));
        assert_eq!(told(&mut talk, &mint, &news), Err(Promise::Once));
        let mut other = Talk::default();
        other.say(Item::Coin(coins[0]));
        assert_eq!(told(&mut other, &mint, &news), Err(Promise::Echo));
        let half = format!("{{\"Chain\":[{}\n", mint.chain_text(Some(second)));
        assert_eq!(told(&mut other, &mint, &half), Err(Promise::Truth));
        let unsaid = mint.unsaid_coin().json();
        let lie = format!("{{\"NewTransaction\":{unsaid}}}\n");
        assert_eq!(told(&mut other, &mint, &lie), Err(Promise::Truth));
    }

    #[test]
    fn blocks_out_of_order_are_no_chain() {
        let mut mint = Mint::new(2);
        let first = mint.mine(None, vec![]);
        let second = mint.mine(Some(first), vec![]);
        let text = |block: u32| std::str::from_utf8(&mint.block(block).text).unwrap();
        assert!(blocks(&format!("{},{}", text(first), text(second)), &mint).is_ok());
        assert!(blocks(&format!("{},{}", text(second), text(first)), &mint).is_err());
        assert!(blocks(text(second), &mint).is_err());
    }
}
