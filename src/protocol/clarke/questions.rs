//! Questions about what has passed. Knows the store and the replies' names; changes nothing.

use super::chain::Chain;
use super::cost;
use super::desk::Answer;
use super::hash::Hash;
use super::item::Block;
use super::message::{Message, Request};
use super::reply;
use super::store::Store;

/// What a question's payload names.
#[derive(Clone, Copy, Debug)]
enum Named {
    Nothing,
    /// What nobody can have: its name is no hash.
    Nobody,
    Hash(Hash),
}

/// The answer to a question, or that it is none.
pub(super) fn answer(store: &mut Store, message: Message<'_>) -> Answer {
    let key = message.key;
    let named = match (message.payload.map(serde_json::from_str::<String>), message.request.wants_hash()) {
        (None, _) | (_, false) => Named::Nothing,
        (Some(Ok(text)), true) => Hash::parse(&text).map_or(Named::Nobody, Named::Hash),
        (Some(Err(_)), true) => return Answer::Error(reply::error(key, "the payload is a hash, as text")),
    };
    if matches!(message.request, Request::Blocks | Request::BlocksSince) && !matches!(named, Named::Nothing) {
        store.spend(cost::of_finding(2 * store.chain.len()));
    }
    let (kind, payload) = match (message.request, named) {
        (Request::TransactionPool, _) => {
            return Answer::Listing(key, "transaction_pool", store.list_pool());
        }
        (Request::Blocks, Named::Nothing) => return Answer::Listing(key, "blocks", store.list_blocks()),
        (Request::Blocks, named) => ("blocks", texts(&since(&store.chain, named))),
        (Request::BlocksSince, named) => {
            ("blocks_since", reply::texts(since(&store.chain, named).iter().map(|block| block.hash)))
        }
        (Request::Block, Named::Hash(hash)) => {
            ("block_info", or_null(store.chain.get(hash).map(|block| block.text.as_str())))
        }
        (Request::Block, _) => ("block_info", or_null(None)),
        (Request::BlockHeight, _) => ("block_height", store.chain.height().to_string()),
        (Request::LatestBlock, _) => {
            ("latest_block", or_null(store.chain.latest().map(|block| block.text.as_str())))
        }
        (_, Named::Hash(hash)) => ("transaction_info", or_null(store.transaction(hash))),
        (_, _) => ("transaction_info", or_null(None)),
    };
    Answer::Reply(reply::reply(key, kind, &payload))
}

/// Blocks as they are answered.
pub(super) fn texts(blocks: &[&Block]) -> String {
    reply::array(blocks.iter().map(|block| block.text.as_str()))
}

fn since(chain: &Chain, named: Named) -> Vec<&Block> {
    match named {
        Named::Hash(hash) => chain.since(hash),
        Named::Nothing | Named::Nobody => Vec::new(),
    }
}

fn or_null(text: Option<&str>) -> String {
    text.unwrap_or("null").into()
}
