//! Transactions and blocks: what is read of them, and whether it is right. Knows JSON; knows no store and no peer.
//!
//! What is published of their shape leaves some freedom. Here:
//!
//! - A transaction is an object. Its `hash`, when there is one, is 64 lowercase hexadecimal digits and names it; one
//!   without is named by the SHA-256 of its text. The hash is taken at its word, for the nodes do not agree about what
//!   it is of (some leave out the signatures, some have a height in it); so it serves to ask for it and for nothing
//!   else. `inputs` and `outputs`, when they are there,
//!   are arrays.
//! - A block is an object: `transactions` (an array of transactions that have a hash), `parent_hash` (or `parent`),
//!   `timestamp`, `target`, `nonce`, `hash`, and perhaps `transactions_hash` (or `txs_hash`). All but `transactions`
//!   may lie in a `header`, where the nodes have them. Both hashes are computed and must be as said. Whether the
//!   hash is below the target is not asked: whoever would cheat chooses the target too.
//! - `timestamp`, `target` and `nonce` are whole numbers or text, and go into the hash as they are spelt.
//! - Other members are nobody's business and stay where they are: an item is passed on as it came.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::compact::compact;
use super::hash::Hash;

/// What a hash of contents begins with: an item of one kind may be an item of the other too.
const TRANSACTION: &str = "transaction ";
const BLOCK: &str = "block ";

/// A transaction that can be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    /// What it calls itself.
    pub name: Hash,
    /// The hash of all that it says.
    pub content: Hash,
    /// On one line.
    pub text: String,
}

/// A block whose hashes are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub hash: Hash,
    pub parent: Hash,
    /// The hash of all that it says: its own hash is only of what its transactions call themselves.
    pub content: Hash,
    /// What its transactions call themselves.
    pub transactions: Vec<Hash>,
    /// The hashes of all that they say.
    pub contents: Vec<Hash>,
    /// On one line.
    pub text: String,
}

/// All that is wrong with an item, a line each.
pub(super) type Reasons = Vec<String>;

#[derive(Deserialize)]
struct TransactionFields<'a> {
    #[serde(borrow)]
    hash: Option<&'a RawValue>,
    #[serde(borrow)]
    inputs: Option<&'a RawValue>,
    #[serde(borrow)]
    outputs: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct BlockFields<'a> {
    #[serde(borrow)]
    header: Option<&'a RawValue>,
    #[serde(borrow)]
    transactions: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct HeaderFields<'a> {
    #[serde(borrow, alias = "parent")]
    parent_hash: Option<&'a RawValue>,
    #[serde(borrow, alias = "txs_hash")]
    transactions_hash: Option<&'a RawValue>,
    #[serde(borrow)]
    timestamp: Option<&'a RawValue>,
    #[serde(borrow)]
    target: Option<&'a RawValue>,
    #[serde(borrow)]
    nonce: Option<&'a RawValue>,
    #[serde(borrow)]
    hash: Option<&'a RawValue>,
}

impl Transaction {
    /// Reads one.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Reasons> {
        let fields: TransactionFields<'_> = object(text, "a transaction")?;
        let mut reasons = Reasons::new();
        for (name, list) in [("inputs", fields.inputs), ("outputs", fields.outputs)] {
            if list.is_some_and(|list| !list.get().starts_with('[')) {
                reasons.push(format!("{name} is not an array"));
            }
        }
        let name = match fields.hash {
            Some(hash) => named_hash(hash, "hash", &mut reasons),
            None => Some(Hash::of([text])),
        };
        match name {
            Some(name) if reasons.is_empty() => {
                Ok(Self { name, content: content_of(TRANSACTION, text), text: text.into() })
            }
            _ => Err(reasons),
        }
    }
}

impl Block {
    /// Reads one and checks its hashes.
    ///
    /// # Errors
    /// All that is wrong with it, as far as that can be told.
    pub fn parse(text: &str) -> Result<Self, Reasons> {
        let fields: BlockFields<'_> = object(text, "a block")?;
        let header: HeaderFields<'_> = object(fields.header.map_or(text, RawValue::get), "a block's header")?;
        let mut reasons = Reasons::new();
        let transactions = transactions_of(fields.transactions, &mut reasons);
        let parent = required(header.parent_hash, "parent_hash", &mut reasons)
            .and_then(|parent| named_hash(parent, "parent_hash", &mut reasons));
        let hash = required(header.hash, "hash", &mut reasons)
            .and_then(|hash| named_hash(hash, "hash", &mut reasons));
        let [timestamp, target, nonce] =
            [(header.timestamp, "timestamp"), (header.target, "target"), (header.nonce, "nonce")]
                .map(|(field, name)| spelling(field, name, &mut reasons));
        let (Some(transactions), Some(parent), Some(hash), Some(timestamp), Some(target), Some(nonce)) =
            (transactions, parent, hash, timestamp, target, nonce)
        else {
            return Err(reasons);
        };
        let (transactions, contents): (Vec<Hash>, Vec<Hash>) = transactions.into_iter().unzip();
        let transactions_hash = hash_of_all(&transactions);
        if let Some(said) = header.transactions_hash
            && named_hash(said, "transactions_hash", &mut reasons)
                .is_some_and(|said| said != transactions_hash)
        {
            reasons.push(format!("transactions_hash is not that of the transactions, {transactions_hash}"));
        }
        let (parent_text, all_text) = (parent.to_string(), transactions_hash.to_string());
        let computed = Hash::of([&parent_text, &all_text, &timestamp, &target, &nonce].map(String::as_str));
        if computed != hash {
            reasons.push(format!("hash is not that of the block, {computed}"));
        }
        if reasons.is_empty() {
            Ok(Self {
                hash,
                parent,
                content: content_of(BLOCK, text),
                transactions,
                contents,
                text: text.into(),
            })
        } else {
            Err(reasons)
        }
    }

    /// One of its transactions.
    pub fn transaction(&self, name: Hash) -> Option<&str> {
        let place = self.transactions.iter().position(|transaction| *transaction == name)?;
        let fields: BlockFields<'_> = serde_json::from_str(&self.text).ok()?;
        let all: Vec<&RawValue> = serde_json::from_str(fields.transactions?.get()).ok()?;
        all.get(place).map(|transaction| transaction.get())
    }
}

/// The SHA-256 of the hashes as they are written, one behind the other.
fn hash_of_all(hashes: &[Hash]) -> Hash {
    let texts: Vec<String> = hashes.iter().map(Hash::to_string).collect();
    Hash::of(texts.iter().map(String::as_str))
}

/// What an item says, whatever whitespace is in it, and as what it says that.
fn content_of(kind: &str, text: &str) -> Hash {
    Hash::of([kind, &compact(text)])
}

/// What each transaction calls itself, and what it says.
fn transactions_of(list: Option<&RawValue>, reasons: &mut Reasons) -> Option<Vec<(Hash, Hash)>> {
    let list = required(list, "transactions", reasons)?;
    let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(list.get()) else {
        reasons.push("transactions is not an array".into());
        return None;
    };
    let hashes = list.iter().map(|transaction| {
        let fields: TransactionFields<'_> = object(transaction.get(), "a transaction").ok()?;
        Some((Hash::parse(&text_of(fields.hash?)?)?, content_of(TRANSACTION, transaction.get())))
    });
    let hashes: Option<Vec<(Hash, Hash)>> = hashes.collect();
    if hashes.is_none() {
        reasons.push("one of the transactions is no object with a hash".into());
    }
    hashes
}

fn object<'a, T: Deserialize<'a>>(text: &'a str, what: &str) -> Result<T, Reasons> {
    let fields = if text.starts_with('{') { serde_json::from_str(text).ok() } else { None };
    fields.ok_or_else(|| vec![format!("{what} is an object that has each member once")])
}

fn required<'a>(field: Option<&'a RawValue>, name: &str, reasons: &mut Reasons) -> Option<&'a RawValue> {
    if field.is_none() {
        reasons.push(format!("{name} is missing"));
    }
    field
}

fn named_hash(field: &RawValue, name: &str, reasons: &mut Reasons) -> Option<Hash> {
    let hash = text_of(field).and_then(|text| Hash::parse(&text));
    if hash.is_none() {
        reasons.push(format!("{name} is not 64 lowercase hexadecimal digits"));
    }
    hash
}

/// What goes into a hash: a text, or a whole number as it is spelt, however large.
fn spelling(field: Option<&RawValue>, name: &str, reasons: &mut Reasons) -> Option<String> {
    let field = required(field, name, reasons)?;
    let number = field.get();
    let is_whole = number.bytes().all(|byte| byte.is_ascii_digit());
    let spelling = if is_whole { Some(number.into()) } else { text_of(field) };
    if spelling.is_none() {
        reasons.push(format!("{name} is neither a whole number nor text"));
    }
    spelling
}

fn text_of(field: &RawValue) -> Option<String> {
    serde_json::from_str(field.get()).ok()
}
