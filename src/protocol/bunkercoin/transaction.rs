//! A transaction: who gives whom how much, signed. Knows its JSON, its hash and its signature; knows no balance, for
//! the network has none that could be checked.

use ed25519_dalek::{Signature, VerifyingKey};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess};

use super::hash::Hash;
use super::json::{self, FromMembers};

/// A transaction as it is said.
///
/// Unknown members are passed over, as the network's own nodes do: neither hash nor signature covers them, and they
/// are not stored nor sent on. A member said twice is an error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(remote = "Self")]
pub struct Transaction {
    /// An Ed25519 public key.
    #[serde(deserialize_with = "json::octets")]
    pub sender: [u8; 32],
    /// Another.
    #[serde(deserialize_with = "json::octets")]
    pub recipient: [u8; 32],
    /// How much: any number, as nobody's balance is known.
    pub amount: u64,
    /// Any number.
    pub nonce: u64,
    /// The sender's, of all that stands above.
    #[serde(deserialize_with = "json::octets")]
    pub signature: [u8; 64],
}

impl Transaction {
    /// Bytes in bincode: the same for all.
    pub const ENCODED: usize = (8 + 32) + (8 + 32) + 8 + 8 + (8 + 64);
    /// Longest compact JSON, bytes.
    pub const MAX_JSON: usize = "{\"sender\":,\"recipient\":,\"amount\":,\"nonce\":,\"signature\":}".len()
        + 2 * json::longest_octets(32)
        + 2 * json::LONGEST_U64
        + json::longest_octets(64);
    /// Its commas and colons.
    pub const SPACES: usize = 5 + 4 + 31 + 31 + 63;

    /// What is hashed: bincode 1, in which a vector has its length before it.
    pub fn encode(&self, into: &mut Vec<u8>) {
        write_vector(into, &self.sender);
        write_vector(into, &self.recipient);
        into.extend_from_slice(&self.amount.to_le_bytes());
        into.extend_from_slice(&self.nonce.to_le_bytes());
        write_vector(into, &self.signature);
    }

    /// What it is known by.
    pub fn hash(&self) -> Hash {
        let mut encoded = Vec::with_capacity(Self::ENCODED);
        self.encode(&mut encoded);
        Hash::of(&encoded)
    }

    /// What is signed.
    pub fn signed_bytes(&self) -> [u8; 80] {
        let mut bytes = [0; 80];
        bytes[..32].copy_from_slice(&self.sender);
        bytes[32..64].copy_from_slice(&self.recipient);
        bytes[64..72].copy_from_slice(&self.amount.to_le_bytes());
        bytes[72..].copy_from_slice(&self.nonce.to_le_bytes());
        bytes
    }

    /// Whether the sender has signed it. Strictly: of a key or a signature that has several spellings, or of a weak
    /// key, nobody else would say the same.
    pub fn is_signed(&self) -> bool {
        let signature = Signature::from_bytes(&self.signature);
        VerifyingKey::from_bytes(&self.sender)
            .is_ok_and(|key| key.verify_strict(&self.signed_bytes(), &signature).is_ok())
    }

    /// Compact JSON, its keys in the network's order.
    pub fn write_json(&self, into: &mut Vec<u8>) {
        into.push(b'{');
        json::write_octets(into, "sender", &self.sender);
        json::write_octets(into, "recipient", &self.recipient);
        json::write_number(into, "amount", self.amount);
        json::write_number(into, "nonce", self.nonce);
        json::write_octets(into, "signature", &self.signature);
        into.push(b'}');
    }

    /// The same as text of its own.
    pub fn to_json(&self) -> Vec<u8> {
        let mut text = Vec::new();
        self.write_json(&mut text);
        text
    }
}

/// bincode 1: a length of eight bytes, then the bytes.
pub fn write_vector(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    into.extend_from_slice(bytes);
}

impl<'de> Deserialize<'de> for Transaction {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        json::object(from)
    }
}

impl<'de> FromMembers<'de> for Transaction {
    fn from_members<A: MapAccess<'de>>(members: MapAccessDeserializer<A>) -> Result<Self, A::Error> {
        Self::deserialize(members)
    }
}
