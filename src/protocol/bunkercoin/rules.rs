//! The rules of a block, all of them, and the slices in which they are checked. Knows one block and what the one before
//! is known by; knows no chain and no peer.

use std::sync::Arc;

use thiserror::Error;

use super::block::{Block, Header, merkle_root};
use super::cost::{self, Cost};
use super::hash::Hash;
use super::transaction::Transaction;
use super::vdf::{Outputs, ROUNDS};

/// The only version there is.
pub const VERSION: u32 = 1;
/// Seconds from one block to the next, and what the first block's timestamp is a multiple of.
pub const INTERVAL: u64 = 30;
/// Largest block, bytes in bincode, which is what the network hashes: it is the same however the JSON is spaced, and
/// the limit is for what goes over the air. That is 60 transactions.
pub const MAX_BLOCK: usize = 10 * 1024;

/// Longest JSON of a block or a transaction that is read, bytes: of a largest block in which every number is as long as
/// it can be, with a space behind each comma and colon. What is longer has something in it that means nothing.
pub const MAX_ELEMENT: usize = {
    let header = Header::MAX_JSON + Header::SPACES;
    let transactions = MAX_IN_BLOCK * (Transaction::MAX_JSON + Transaction::SPACES + ", ".len());
    "{\"header\": , \"transactions\": []}\n".len() + header + transactions
};
/// Most transactions in a block.
pub const MAX_IN_BLOCK: usize = (MAX_BLOCK - Header::ENCODED - 8) / Transaction::ENCODED;
/// Longest compact JSON of a block, which is what we hold of it.
pub const MAX_TEXT: usize = {
    let transactions = MAX_IN_BLOCK * (Transaction::MAX_JSON + ",".len());
    "{\"header\":,\"transactions\":[]}".len() + Header::MAX_JSON + transactions
};

/// What is wrong with a block or a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Flaw {
    /// Another version.
    #[error("version must be {VERSION}")]
    Version,
    /// Another difficulty.
    #[error("difficulty must be {ROUNDS}")]
    Difficulty,
    /// A header that somebody signed.
    #[error("a header's signature must be empty")]
    HeaderSignature,
    /// More or fewer transactions than it says.
    #[error("tx_count is not how many transactions there are")]
    Count,
    /// Beyond [`MAX_BLOCK`].
    #[error("more than {MAX_BLOCK} bytes in bincode")]
    Size,
    /// Another nonce than follows.
    #[error("nonce is not what prev_hash and timestamp give")]
    Nonce,
    /// Not in the order of their hashes.
    #[error("transactions are not sorted by their hashes")]
    Order,
    /// Another root than follows.
    #[error("merkle_root is not the transactions'")]
    MerkleRoot,
    /// A first block between two of its times, or that names one before it.
    #[error(
        "a first block needs 32 zero bytes as prev_hash and a timestamp that is a multiple of {INTERVAL}"
    )]
    First,
    /// Not the block before.
    #[error("prev_hash is not the hash of the header before")]
    Link,
    /// Not its time.
    #[error("timestamp is not {INTERVAL} seconds after the block before")]
    Timestamp,
    /// Not signed by its sender.
    #[error("a transaction is not signed by its sender")]
    Signature,
    /// Another output than follows.
    #[error("vdf_output is not what the delay function gives")]
    Vdf,
}

/// A block of which every rule was checked that does not ask for the block before.
#[derive(Debug, PartialEq, Eq)]
pub struct Checked {
    /// What it is known by.
    pub hash: Hash,
    /// What the block before is known by.
    pub prev_hash: Hash,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// What its transactions are known by, sorted.
    pub transactions: Box<[Hash]>,
    /// Our own compact JSON of it.
    pub text: Box<[u8]>,
    /// The hash of that, which it is found by before it is read.
    pub text_hash: Hash,
}

/// What a block says of the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// What it is known by.
    pub hash: Hash,
    /// Seconds since 1970.
    pub timestamp: u64,
}

/// A check under way.
#[derive(Debug)]
pub struct Check {
    checked: Arc<Checked>,
    transactions: Vec<Transaction>,
    vdf_output: Hash,
    /// How many signatures have been found good.
    signed: usize,
}

/// Whether a block may follow the one before, or be the first.
pub fn follows(block: Link, prev_hash: Hash, before: Option<Link>) -> Result<(), Flaw> {
    match before {
        None if prev_hash != Hash::ZERO || !block.timestamp.is_multiple_of(INTERVAL) => Err(Flaw::First),
        None => Ok(()),
        Some(before) if prev_hash != before.hash => Err(Flaw::Link),
        Some(before) if before.timestamp.checked_add(INTERVAL) != Some(block.timestamp) => {
            Err(Flaw::Timestamp)
        }
        Some(_) => Ok(()),
    }
}

/// The nonce of the block behind another, at its time.
pub fn nonce(prev_hash: &[u8; 32], timestamp: u64) -> u64 {
    let mut bytes = [0; 40];
    bytes[..32].copy_from_slice(prev_hash);
    bytes[32..].copy_from_slice(&timestamp.to_le_bytes());
    let [a, b, c, d, e, f, g, h, ..] = Hash::of(&bytes).0;
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl Checked {
    /// What the block behind it must follow.
    pub fn link(&self) -> Link {
        Link { hash: self.hash, timestamp: self.timestamp }
    }

    /// Bytes it holds, about.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.transactions) + self.text.len()
    }
}

impl Check {
    /// Checks at once what costs nothing: all but the signatures and the delay function.
    pub fn begin(block: Block, text: Vec<u8>, text_hash: Hash) -> Result<Self, Flaw> {
        let hashes = plainly_right(&block)?;
        let header = &block.header;
        let prev_hash = Hash(header.prev_hash);
        let checked = Checked {
            hash: header.hash(),
            prev_hash,
            timestamp: header.timestamp,
            transactions: hashes,
            text: text.into_boxed_slice(),
            text_hash,
        };
        Ok(Self {
            checked: Arc::new(checked),
            vdf_output: Hash(header.vdf_output),
            transactions: block.transactions,
            signed: 0,
        })
    }

    /// What it will be known by.
    pub fn link(&self) -> Link {
        self.checked.link()
    }

    /// What the block before is known by.
    pub fn prev_hash(&self) -> Hash {
        self.checked.prev_hash
    }

    /// Bytes it holds, about.
    pub fn memory(&self) -> usize {
        self.checked.memory() + self.transactions.len() * size_of::<Transaction>()
    }

    /// The next step: a signature, some rounds, or the end. What it cost, and the outcome once there is one.
    pub fn step(&mut self, outputs: &mut Outputs) -> (Cost, Option<Result<Arc<Checked>, Flaw>>) {
        if let Some(transaction) = self.transactions.get(self.signed) {
            self.signed += 1;
            let flaw = (!transaction.is_signed()).then_some(Err(Flaw::Signature));
            return (cost::SIGNATURE, flaw);
        }
        let Some(output) = outputs.known(self.checked.prev_hash) else {
            outputs.run(self.checked.prev_hash, cost::ROUNDS);
            return (cost::OF_ROUNDS, None);
        };
        let is_right = output == self.vdf_output;
        (cost::STEP, Some(if is_right { Ok(Arc::clone(&self.checked)) } else { Err(Flaw::Vdf) }))
    }
}

/// The rules that cost nothing. The hashes of its transactions.
fn plainly_right(block: &Block) -> Result<Box<[Hash]>, Flaw> {
    let header = &block.header;
    let rule = |holds: bool, flaw: Flaw| if holds { Ok(()) } else { Err(flaw) };
    rule(header.version == VERSION, Flaw::Version)?;
    rule(header.difficulty == ROUNDS, Flaw::Difficulty)?;
    rule(header.signature.is_empty(), Flaw::HeaderSignature)?;
    rule(usize::try_from(header.tx_count) == Ok(block.transactions.len()), Flaw::Count)?;
    rule(block.encoded_len() <= MAX_BLOCK, Flaw::Size)?;
    rule(header.nonce == nonce(&header.prev_hash, header.timestamp), Flaw::Nonce)?;
    let hashes: Box<[Hash]> = block.transactions.iter().map(Transaction::hash).collect();
    rule(hashes.is_sorted(), Flaw::Order)?;
    rule(Hash(header.merkle_root) == merkle_root(&block.transactions), Flaw::MerkleRoot)?;
    Ok(hashes)
}
