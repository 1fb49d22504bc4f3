//! Bunkercoin's blocks and transactions, as whoever forges them has them: right ones, and ones that are wrong in one
//! place. Knows the network's rules as they are written and works them out for itself; knows nothing of how the relay
//! checks them.

use std::fmt::Write;

use ed25519_dalek::{Signer, SigningKey};

/// A Blake3 hash.
pub type Hash = [u8; 32];

/// Rounds of the delay function.
const ROUNDS: u32 = 10_000;
/// Seconds from one block to the next.
pub const INTERVAL: u64 = 30;

/// A transaction. Lengths and signature may be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coin {
    /// An Ed25519 public key.
    pub sender: Vec<u8>,
    /// Another.
    pub recipient: Vec<u8>,
    /// How much.
    pub amount: u64,
    /// Any number.
    pub nonce: u64,
    /// The sender's.
    pub signature: Vec<u8>,
}

/// A block. Whatever follows from something else may be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// The hash of the block before.
    pub prev_hash: Hash,
    /// Over the transactions.
    pub merkle_root: Hash,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Of the delay function.
    pub vdf_output: Hash,
    /// Follows from what stands above.
    pub nonce: u64,
    /// Sorted by their hashes.
    pub coins: Vec<Coin>,
}

impl Coin {
    /// One that its sender has signed.
    pub fn signed(key: &SigningKey, recipient: Hash, amount: u64, nonce: u64) -> Self {
        let sender = key.verifying_key().to_bytes();
        let signed = [&sender[..], &recipient, &amount.to_le_bytes(), &nonce.to_le_bytes()].concat();
        let signature = key.sign(&signed).to_bytes().to_vec();
        Self { sender: sender.to_vec(), recipient: recipient.to_vec(), amount, nonce, signature }
    }

    /// What it is known by.
    pub fn hash(&self) -> Hash {
        let mut encoded = Vec::new();
        self.encode(&mut encoded);
        hash(&encoded)
    }

    /// As JSON.
    pub fn json(&self) -> String {
        format!(
            r#"{{"sender":{},"recipient":{},"amount":{},"nonce":{},"signature":{}}}"#,
            array(&self.sender),
            array(&self.recipient),
            self.amount,
            self.nonce,
            array(&self.signature)
        )
    }

    /// In bincode.
    pub fn encode(&self, into: &mut Vec<u8>) {
        vector(into, &self.sender);
        vector(into, &self.recipient);
        into.extend(self.amount.to_le_bytes());
        into.extend(self.nonce.to_le_bytes());
        vector(into, &self.signature);
    }
}

impl Block {
    /// The one behind another, which is known by this hash and has this timestamp; the first one's hash is zero. It
    /// takes the delay function's time.
    pub fn mined(prev_hash: Hash, timestamp: u64, mut coins: Vec<Coin>) -> Self {
        coins.sort_by_key(Coin::hash);
        let (merkle_root, nonce) = (merkle_root(&coins), nonce(prev_hash, timestamp));
        Self { prev_hash, merkle_root, timestamp, vdf_output: delayed(prev_hash), nonce, coins }
    }

    /// What it is known by.
    pub fn hash(&self) -> Hash {
        hash(&self.header())
    }

    /// As JSON.
    pub fn json(&self) -> String {
        let coins: Vec<String> = self.coins.iter().map(Coin::json).collect();
        let header = format!(
            r#"{{"version":1,"prev_hash":{},"merkle_root":{},"timestamp":{},"vdf_output":{},"difficulty":{ROUNDS},"nonce":{},"tx_count":{},"signature":[]}}"#,
            array(&self.prev_hash),
            array(&self.merkle_root),
            self.timestamp,
            array(&self.vdf_output),
            self.nonce,
            self.coins.len()
        );
        format!(r#"{{"header":{header},"transactions":[{}]}}"#, coins.join(","))
    }

    /// In bincode: what the network measures a block by.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoded = self.header();
        encoded.extend((self.coins.len() as u64).to_le_bytes());
        self.coins.iter().for_each(|coin| coin.encode(&mut encoded));
        encoded
    }

    fn header(&self) -> Vec<u8> {
        let mut header = Vec::new();
        header.extend(1_u32.to_le_bytes());
        header.extend(self.prev_hash);
        header.extend(self.merkle_root);
        header.extend(self.timestamp.to_le_bytes());
        header.extend(self.vdf_output);
        header.extend(ROUNDS.to_le_bytes());
        header.extend(self.nonce.to_le_bytes());
        header.extend((self.coins.len() as u32).to_le_bytes()); // far fewer
        vector(&mut header, &[]);
        header
    }
}

/// What a block's nonce must be.
pub fn nonce(prev_hash: Hash, timestamp: u64) -> u64 {
    let hashed = hash(&[&prev_hash[..], &timestamp.to_le_bytes()].concat());
    u64::from_le_bytes(*hashed.first_chunk().expect("32 bytes"))
}

/// Over all of them.
pub fn merkle_root(coins: &[Coin]) -> Hash {
    let mut encoded = (coins.len() as u64).to_le_bytes().to_vec();
    coins.iter().for_each(|coin| coin.encode(&mut encoded));
    hash(&encoded)
}

/// A block or whatever else, by its bytes.
pub fn hash(bytes: &[u8]) -> Hash {
    *blake3::hash(bytes).as_bytes()
}

/// As 64 hex digits.
pub fn hex(hash: &Hash) -> String {
    hash.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // a string takes every digit
        text
    })
}

fn delayed(prev_hash: Hash) -> Hash {
    (0..=ROUNDS).fold(prev_hash, |out, _| hash(&out))
}

fn vector(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend((bytes.len() as u64).to_le_bytes());
    into.extend(bytes);
}

fn array(bytes: &[u8]) -> String {
    let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
    format!("[{}]", numbers.join(","))
}
