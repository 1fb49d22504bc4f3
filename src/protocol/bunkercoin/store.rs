//! The chain, the transactions that wait, and all that is checked for them. Knows no peer, no clock and no file.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::adoption::Adoption;
use super::block::Block;
use super::chain::{Branch, Chain, Cut};
use super::checks::Checks;
use super::cost::{self, Cost};
use super::hash::Hash;
use super::journal::{Journal, Next, Record};
use super::mempool::{Entry, Mempool};
use super::news::{Feed, News};
use super::pool::Pool;
use super::rules::{Checked, Flaw, Link, follows};
use super::text::Text;
use super::transaction::Transaction;
use crate::wire::turn_log::Chunk;

/// Blocks let go in one step.
const DISCARDED_PER_STEP: usize = 8;

/// What a relay knows of the network.
#[derive(Debug, Default)]
pub struct Store {
    chain: Chain,
    mempool: Mempool,
    /// How often each transaction stands in the chain. No rule of a block says that it may not stand there twice.
    spent: BTreeMap<Hash, u32>,
    /// Blocks being checked.
    pub checks: Checks,
    /// Blocks of candidates.
    pub pool: Pool,
    /// Blocks that nobody needs any more. To free ten thousand at once would take its time.
    discarded: VecDeque<VecDeque<Arc<Checked>>>,
    adoption: Option<Adoption>,
    journal: Option<Journal>,
    news: Feed,
}

/// Where a block belongs, as far as we can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// Behind our last one.
    Follows,
    /// It is in our chain.
    Known,
    /// In some other chain, perhaps a longer one.
    Elsewhere,
    /// Nowhere: it is wrong whatever stands before it.
    Wrong(Flaw),
    /// Behind our last one, and our chain is full.
    NoRoom,
}

/// What a step has done.
#[derive(Debug, PartialEq, Eq)]
pub enum Changed {
    /// Nothing to be seen.
    Nothing,
    /// A longer chain is ours.
    Replaced,
    /// These transactions stood in a block that was given up, and wait again.
    Returned(Vec<Bytes>),
}

impl Store {
    /// The chain.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// The chain as a JSON array.
    pub fn chain_text(&mut self) -> Text {
        self.chain.text()
    }

    /// The transactions as a JSON array.
    pub fn mempool_text(&mut self) -> Text {
        self.mempool.text()
    }

    /// The transactions, with commas between them.
    pub fn mempool_items(&mut self) -> (Cost, Chunk) {
        let copied = self.mempool.unjoined();
        (cost::of_copying(copied), self.mempool.items())
    }

    /// What has changed since it was asked last.
    pub fn take_news(&mut self) -> Option<News> {
        self.news.take()
    }

    /// Whether a transaction is in the chain or waits.
    pub fn knows_transaction(&self, hash: &Hash) -> bool {
        self.spent.contains_key(hash) || self.mempool.holds(hash)
    }

    /// A transaction whose signature is good.
    pub fn add_transaction(&mut self, hash: Hash, text: Bytes) -> Entry {
        if self.spent.contains_key(&hash) {
            return Entry::Known;
        }
        let entry = self.mempool.add(hash, text.clone());
        if entry == Entry::New {
            if let Some(journal) = &mut self.journal {
                journal.add(text.clone());
            }
            self.news.push(News::Transaction { hash, text });
        }
        entry
    }

    /// A checked block: stored if it follows the last one and there is room.
    pub fn append(&mut self, block: &Checked) -> Fit {
        let fit = self.fit(block.link(), block.prev_hash);
        if fit != Fit::Follows {
            return fit;
        }
        if !self.chain.has_room(block.text.len()) {
            return Fit::NoRoom;
        }
        self.chain.push(block);
        self.enter(block);
        let text = Bytes::copy_from_slice(&block.text);
        self.news.push(News::Block { height: self.chain.height(), hash: block.hash, text });
        Fit::Follows
    }

    /// Begins to replace all behind the first `fork` blocks by these, which make the chain longer. One at a time.
    pub fn adopt(&mut self, fork: usize, blocks: VecDeque<Arc<Checked>>) -> Cost {
        assert!(!self.is_adopting(), "a chain was to be replaced while it is being replaced");
        let (mut fork, mut blocks) = (fork, blocks);
        // another may have brought the beginning meanwhile
        let is_ours = |fork, block: &Arc<Checked>| self.chain.link(fork) == Some(block.link());
        let mut have = VecDeque::new();
        while blocks.front().is_some_and(|block| is_ours(fork, block)) {
            have.extend(blocks.pop_front());
            fork += 1;
        }
        self.discarded.push_back(have);
        self.adoption = Some(Adoption::Building(self.chain.branch(fork), blocks, 0));
        cost::STEP
    }

    /// Whether a chain is being replaced: nothing else may change until that is done.
    pub fn is_adopting(&self) -> bool {
        self.adoption.is_some()
    }

    /// Nobody needs these any more.
    pub fn discard(&mut self, blocks: VecDeque<Arc<Checked>>) {
        if !blocks.is_empty() {
            self.discarded.push_back(blocks);
        }
    }

    /// Whether [`step`](Self::step) has something to do.
    pub fn has_work(&self) -> bool {
        self.is_adopting() || !self.discarded.is_empty()
    }

    /// One step of the store's own work.
    pub fn step(&mut self) -> (Cost, Changed) {
        match self.adoption.take() {
            Some(adoption) => self.go_on(adoption),
            None => (self.free(), Changed::Nothing),
        }
    }

    fn go_on(&mut self, adoption: Adoption) -> (Cost, Changed) {
        match adoption {
            Adoption::Building(mut branch, blocks, at) => match blocks.get(at) {
                Some(block) => {
                    branch.push(block);
                    let cost = cost::of_copying(block.text.len());
                    self.adoption = Some(Adoption::Building(branch, blocks, at + 1));
                    (cost, Changed::Nothing)
                }
                None => {
                    let fork = branch.fork();
                    let cost = cost::of_rows(self.chain.height().max(fork + blocks.len()));
                    let cut = self.replace(branch);
                    self.adoption = Some(Adoption::Entering(blocks, cut));
                    (cost, Changed::Replaced)
                }
            },
            Adoption::Entering(mut blocks, cut) => {
                let cost = blocks.pop_front().map(|block| {
                    self.enter(&block);
                    let cost = cost::of_entering(block.transactions.len());
                    self.pool.release(block);
                    cost
                });
                self.adoption = Some(if blocks.is_empty() {
                    Adoption::Returning(cut)
                } else {
                    Adoption::Entering(blocks, cut)
                });
                (cost.unwrap_or(cost::STEP), Changed::Nothing)
            }
            Adoption::Returning(mut cut) => {
                let Some(text) = cut.next().map(<[u8]>::to_vec) else {
                    return (cost::STEP, Changed::Nothing);
                };
                self.adoption = Some(Adoption::Returning(cut));
                let returned = self.leave(&text);
                (cost::of_parsing(text.len()), Changed::Returned(returned))
            }
        }
    }

    fn replace(&mut self, branch: Branch) -> Cut {
        let fork = branch.fork();
        let is_other = fork < self.chain.height();
        let cut = self.chain.adopt(branch);
        if let Some(journal) = self.journal.as_mut().filter(|_| is_other) {
            journal.reorganised(fork);
        }
        if let Some(tip) = self.chain.tip() {
            self.news.push(News::Replaced { height: self.chain.height(), hash: tip.hash });
        }
        cut
    }

    /// A block is in the chain: its transactions wait no longer.
    fn enter(&mut self, block: &Checked) {
        for hash in &block.transactions {
            *self.spent.entry(*hash).or_insert(0) += 1;
            self.mempool.remove(hash);
        }
    }

    /// A block is not in the chain any more: what stands in no other block waits again.
    fn leave(&mut self, text: &[u8]) -> Vec<Bytes> {
        let Ok(block) = serde_json::from_slice::<Block>(text) else { return Vec::new() }; // we wrote it ourselves
        let mut returned = Vec::new();
        for transaction in &block.transactions {
            let hash = transaction.hash();
            let Some(count) = self.spent.get_mut(&hash) else { continue };
            *count -= 1;
            if *count == 0 {
                self.spent.remove(&hash);
                returned.extend(self.bring_back(hash, transaction));
            }
        }
        returned
    }

    /// It has been news before, and its file has it: in the block that was dropped.
    fn bring_back(&mut self, hash: Hash, transaction: &Transaction) -> Option<Bytes> {
        let text = Bytes::from(transaction.to_json());
        (self.mempool.add(hash, text.clone()) == Entry::New).then_some(text)
    }

    fn free(&mut self) -> Cost {
        let Some(blocks) = self.discarded.front_mut() else { return cost::STEP };
        for block in blocks.drain(..blocks.len().min(DISCARDED_PER_STEP)) {
            self.pool.release(block);
        }
        if blocks.is_empty() {
            self.discarded.pop_front();
        }
        cost::OF_FREEING
    }

    /// From now on [`next_record`](Self::next_record) tells what changes; a file has what is here.
    pub fn keep_journal(&mut self) {
        self.journal = Some(Journal::beginning(self.chain.height()));
        self.news = Feed::default();
    }

    /// All that there is, as a new file would hold it.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        let blocks = (0..self.chain.height()).filter_map(|at| self.chain.block(at)).map(Record::Block);
        blocks.chain(self.mempool.texts().map(|text| Record::Transaction(text)))
    }

    /// What is to be written next. It counts as written.
    pub fn next_record(&mut self, write: impl FnOnce(Record<'_>)) -> bool {
        let Some(next) = self.journal.as_mut().and_then(|journal| journal.next(self.chain.height())) else {
            return false;
        };
        match &next {
            Next::Branch(fork) => write(Record::Branch(*fork)),
            Next::Transaction(text) => write(Record::Transaction(text)),
            Next::Block(at) => write(Record::Block(self.chain.block(*at).unwrap_or_default())),
        }
        true
    }

    /// Where a block belongs that says this of itself and of the one before it.
    pub fn fit(&self, block: Link, prev_hash: Hash) -> Fit {
        if self.chain.holds(block) {
            return Fit::Known;
        }
        match follows(block, prev_hash, self.chain.tip()) {
            Ok(()) => Fit::Follows,
            Err(flaw @ Flaw::Timestamp) => Fit::Wrong(flaw),
            Err(flaw @ Flaw::First) if prev_hash == Hash::ZERO => Fit::Wrong(flaw),
            Err(_) => Fit::Elsewhere,
        }
    }
}
