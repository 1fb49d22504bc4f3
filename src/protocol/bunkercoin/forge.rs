//! Blocks and transactions as a node makes them, for those who try the relay out. Knows every rule and keeps it; knows
//! no chain.

use ed25519_dalek::{Signer, SigningKey};

use super::block::{Block, Header, merkle_root};
use super::hash::Hash;
use super::rules::{INTERVAL, VERSION, nonce};
use super::transaction::Transaction;
use super::vdf::{Outputs, ROUNDS};

/// A transaction of whoever has the key of this seed, to the key of another.
pub fn transaction(sender: u64, recipient: u64, amount: u64, nonce: u64) -> Transaction {
    let key = key(sender);
    let mut transaction = Transaction {
        sender: key.verifying_key().to_bytes(),
        recipient: self::key(recipient).verifying_key().to_bytes(),
        amount,
        nonce,
        signature: [0; 64],
    };
    transaction.signature = key.sign(&transaction.signed_bytes()).to_bytes();
    transaction
}

/// The block behind another, or a first one: then a whole number of intervals after 1970.
pub fn block(before: Option<&Block>, first: u64, transactions: Vec<Transaction>) -> Block {
    let timestamp = before.map_or(first * INTERVAL, |before| before.header.timestamp + INTERVAL);
    let prev_hash = before.map_or(Hash::ZERO, |before| before.header.hash());
    seal(prev_hash, timestamp, transactions)
}

/// A chain of so many blocks without transactions.
pub fn chain(first: u64, blocks: usize) -> Vec<Block> {
    let mut chain: Vec<Block> = Vec::with_capacity(blocks);
    for _ in 0..blocks {
        chain.push(block(chain.last(), first, Vec::new()));
    }
    chain
}

/// A block, whatever stands before it.
pub fn seal(prev_hash: Hash, timestamp: u64, mut transactions: Vec<Transaction>) -> Block {
    transactions.sort_by_key(Transaction::hash);
    let mut outputs = Outputs::default();
    outputs.run(prev_hash, ROUNDS);
    let vdf_output = outputs.known(prev_hash).unwrap_or(Hash::ZERO); // all rounds are done
    let header = Header {
        version: VERSION,
        prev_hash: prev_hash.0,
        merkle_root: merkle_root(&transactions).0,
        timestamp,
        vdf_output: vdf_output.0,
        difficulty: ROUNDS,
        nonce: nonce(&prev_hash.0, timestamp),
        tx_count: u32::try_from(transactions.len()).unwrap_or(u32::MAX),
        signature: Vec::new(),
    };
    Block { header, transactions }
}

fn key(seed: u64) -> SigningKey {
    SigningKey::from_bytes(&Hash::of(&seed.to_le_bytes()).0)
}
