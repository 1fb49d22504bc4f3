//! What a message is. Knows the envelope and the names of both dialects; knows no stream, no store and no peer.
//!
//! A message is an object with `message_type`, or with `message` as some nodes have it, and perhaps a `payload`. It
//! is answered with the key it came with. A reply, to whatever it may be, is never answered: two relays would never
//! stop.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A message, as far as everybody's is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub key: Key,
    pub request: Request,
    /// JSON; `None` where there is none or it is null.
    pub payload: Option<&'a str>,
}

/// How the type of a message is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Key {
    #[default]
    MessageType,
    Message,
}

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    Echo,
    Ping,
    Peers,
    AddPeer,
    RemovePeer,
    AddTransaction,
    ValidateTransaction,
    TransactionPool,
    Transaction,
    Blocks,
    BlocksSince,
    Block,
    AddBlock,
    BlockHeight,
    LatestBlock,
    Chat,
    /// Work for a wallet, which knows what belongs to whom.
    Balance,
    Payment,
}

/// Why a message is none that could be answered as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It is a reply.
    Reply,
    /// This is wrong with it.
    Wrong(Key, &'static str),
    /// Nobody knows a message of this type.
    Unknown(Key, String),
}

#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    message_type: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
}

/// Both dialects' names.
const REQUESTS: [(&str, Request); 23] = [
    ("echo", Request::Echo),
    ("ping", Request::Ping),
    ("list_peers", Request::Peers),
    ("get_peers", Request::Peers),
    ("add_peer", Request::AddPeer),
    ("remove_peer", Request::RemovePeer),
    ("add_transaction", Request::AddTransaction),
    ("submit_transaction", Request::AddTransaction),
    ("validate_transaction", Request::ValidateTransaction),
    ("get_transaction_pool", Request::TransactionPool),
    ("get_transaction", Request::Transaction),
    ("get_blocks", Request::Blocks),
    ("get_blocks_since", Request::BlocksSince),
    ("get_block", Request::Block),
    ("add_block", Request::AddBlock),
    ("submit_block", Request::AddBlock),
    ("get_height", Request::BlockHeight),
    ("get_block_height", Request::BlockHeight),
    ("get_latest_block", Request::LatestBlock),
    ("chat", Request::Chat),
    ("get_balance", Request::Balance),
    ("generate_payment", Request::Payment),
    // the first nodes had this one instead
    ("make_payment", Request::Payment),
];

/// What replies are called.
const REPLIES: [&str; 19] = [
    "pong",
    "peers",
    "balance",
    "transaction-accepted",
    "transaction-rejected",
    "errors",
    "transaction_pool",
    "transaction_info",
    "transaction_created",
    "blocks",
    "blocks_since",
    "block_info",
    "block-accepted",
    "block-rejected",
    "block_height",
    "latest_block",
    "unsigned_transaction",
    "insufficient_balance",
    "error",
];

impl<'a> Message<'a> {
    /// Reads what is valid JSON on one line.
    ///
    /// # Errors
    /// Why it cannot be answered as asked.
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        let wrong = |why| Refusal::Wrong(Key::default(), why);
        if !text.starts_with('{') {
            return Err(wrong("a message is an object"));
        }
        let fields: Fields<'a> = serde_json::from_str(text)
            .map_err(|_| wrong("a member is there twice or its name is no text"))?;
        let (key, name) = match (fields.message_type, fields.message) {
            (Some(name), None) => (Key::MessageType, name),
            (None, Some(name)) => (Key::Message, name),
            (Some(_), Some(_)) => return Err(wrong("there is both a message_type and a message")),
            (None, None) if fields.response.is_some() => return Err(Refusal::Reply),
            (None, None) => return Err(wrong("there is no message_type")),
        };
        let name: String = serde_json::from_str(name.get())
            .map_err(|_| Refusal::Wrong(key, "the message_type is no text"))?;
        if let Some((_, request)) = REQUESTS.iter().find(|(known, _)| *known == name) {
            return Ok(Self { key, request: *request, payload: fields.payload.map(RawValue::get) });
        }
        Err(if REPLIES.contains(&name.as_str()) { Refusal::Reply } else { Refusal::Unknown(key, name) })
    }
}

/// Whether a node has said this: a message that somebody knows.
pub(super) fn is_known(text: &str) -> bool {
    matches!(Message::parse(text), Ok(_) | Err(Refusal::Reply))
}

/// Whether a message is an answer as those give it who answer a line: `{"response":…}`.
pub(super) fn is_response(text: &str) -> bool {
    let fields: Option<Fields<'_>> = serde_json::from_str(text).ok();
    fields.is_some_and(|fields| fields.response.is_some())
}

impl Request {
    /// Whether a payload, where there is one, is the name of something.
    pub fn wants_hash(self) -> bool {
        matches!(self, Self::Transaction | Self::Blocks | Self::BlocksSince | Self::Block)
    }
}

impl Key {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::MessageType => "message_type",
            Self::Message => "message",
        }
    }
}
