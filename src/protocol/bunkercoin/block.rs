//! A block: a header and the transactions it vouches for. Knows its JSON and its hashes; knows no rule and no chain.

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess};

use super::hash::Hash;
use super::json::{self, FromMembers};
use super::transaction::{Transaction, write_vector};

/// A block as it is said. Unknown members are passed over, as in a [`Transaction`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self")]
pub struct Block {
    /// All but the transactions.
    pub header: Header,
    /// In the order of their hashes.
    pub transactions: Vec<Transaction>,
}

/// What a block's hash covers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self")]
pub struct Header {
    /// Always [`VERSION`](super::rules::VERSION).
    pub version: u32,
    /// The hash of the header before.
    #[serde(deserialize_with = "json::octets")]
    pub prev_hash: [u8; 32],
    /// Over the transactions.
    #[serde(deserialize_with = "json::octets")]
    pub merkle_root: [u8; 32],
    /// Seconds since 1970.
    pub timestamp: u64,
    /// The proof that time has passed since the block before.
    #[serde(deserialize_with = "json::octets")]
    pub vdf_output: [u8; 32],
    /// How much time: always [`ROUNDS`](super::vdf::ROUNDS).
    pub difficulty: u32,
    /// Follows from what stands above.
    pub nonce: u64,
    /// How many transactions.
    pub tx_count: u32,
    /// Nobody signs headers: it is empty.
    pub signature: Vec<u8>,
}

impl Block {
    /// Bytes in bincode, which is what a block's size is measured by: the header, a count, the transactions.
    pub fn encoded_len(&self) -> usize {
        Header::ENCODED + self.header.signature.len() + 8 + self.transactions.len() * Transaction::ENCODED
    }

    /// Compact JSON, its keys in the network's order.
    pub fn to_json(&self) -> Vec<u8> {
        let mut text = b"{\"header\":".to_vec();
        self.header.write_json(&mut text);
        text.extend_from_slice(b",\"transactions\":[");
        for (at, transaction) in self.transactions.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            transaction.write_json(&mut text);
        }
        text.extend_from_slice(b"]}");
        text
    }
}

impl Header {
    /// Bytes in bincode without a signature.
    pub const ENCODED: usize = 4 + 32 + 32 + 8 + 32 + 4 + 8 + 4 + 8;
    /// Longest compact JSON, bytes; each number as long as one of 64 bits.
    pub const MAX_JSON: usize =
        "{\"version\":,\"prev_hash\":,\"merkle_root\":,\"timestamp\":,\"vdf_output\":,".len()
            + "\"difficulty\":,\"nonce\":,\"tx_count\":,\"signature\":[]}".len()
            + 3 * json::longest_octets(32)
            + 5 * json::LONGEST_U64;
    /// Its commas and colons.
    pub const SPACES: usize = 9 + 8 + 3 * 31;

    /// What is hashed: bincode 1, in which an array stands as it is and a vector has its length before it.
    pub fn encode(&self) -> Vec<u8> {
        let mut encoded = Vec::with_capacity(Self::ENCODED);
        encoded.extend_from_slice(&self.version.to_le_bytes());
        encoded.extend_from_slice(&self.prev_hash);
        encoded.extend_from_slice(&self.merkle_root);
        encoded.extend_from_slice(&self.timestamp.to_le_bytes());
        encoded.extend_from_slice(&self.vdf_output);
        encoded.extend_from_slice(&self.difficulty.to_le_bytes());
        encoded.extend_from_slice(&self.nonce.to_le_bytes());
        encoded.extend_from_slice(&self.tx_count.to_le_bytes());
        write_vector(&mut encoded, &self.signature);
        encoded
    }

    /// What the block is known by.
    pub fn hash(&self) -> Hash {
        Hash::of(&self.encode())
    }

    fn write_json(&self, into: &mut Vec<u8>) {
        into.push(b'{');
        json::write_number(into, "version", self.version.into());
        json::write_octets(into, "prev_hash", &self.prev_hash);
        json::write_octets(into, "merkle_root", &self.merkle_root);
        json::write_number(into, "timestamp", self.timestamp);
        json::write_octets(into, "vdf_output", &self.vdf_output);
        json::write_number(into, "difficulty", self.difficulty.into());
        json::write_number(into, "nonce", self.nonce);
        json::write_number(into, "tx_count", self.tx_count.into());
        json::write_octets(into, "signature", &self.signature);
        into.push(b'}');
    }
}

/// Over all transactions at once, in their order: bincode's count, then each.
pub fn merkle_root(transactions: &[Transaction]) -> Hash {
    let mut encoded = Vec::with_capacity(8 + transactions.len() * Transaction::ENCODED);
    encoded.extend_from_slice(&(transactions.len() as u64).to_le_bytes());
    transactions.iter().for_each(|transaction| transaction.encode(&mut encoded));
    Hash::of(&encoded)
}

impl<'de> Deserialize<'de> for Block {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        json::object(from)
    }
}

impl<'de> FromMembers<'de> for Block {
    fn from_members<A: MapAccess<'de>>(members: MapAccessDeserializer<A>) -> Result<Self, A::Error> {
        Self::deserialize(members)
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        json::object(from)
    }
}

impl<'de> FromMembers<'de> for Header {
    fn from_members<A: MapAccess<'de>>(members: MapAccessDeserializer<A>) -> Result<Self, A::Error> {
        Self::deserialize(members)
    }
}
