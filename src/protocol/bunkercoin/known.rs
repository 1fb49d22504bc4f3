//! Known answers, and every rule broken one at a time. The answers were computed by a program of another language with
//! a Blake3 of its own.
#![cfg(test)]

use super::block::{Block, Header};
use super::forge;
use super::hash::Hash;
use super::rules::{
    Check, Checked, Flaw, INTERVAL, Link, MAX_BLOCK, MAX_ELEMENT, MAX_IN_BLOCK, MAX_TEXT, follows, nonce,
};
use super::transaction::Transaction;
use super::vdf::Outputs;

const FIRST: &str = "{\"header\":{\"version\":1,\"prev_hash\":[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0],\
\"merkle_root\":[113,224,169,145,115,86,73,49,192,184,172,197,45,38,133,168,227,156,100,220,82,227,208,35,144,\
253,172,42,18,177,85,203],\"timestamp\":1700000010,\"vdf_output\":[19,203,139,82,254,39,36,137,200,161,158,25,24,\
126,136,10,67,74,159,41,240,3,239,54,192,155,251,173,74,116,240,141],\"difficulty\":10000,\
\"nonce\":7169092265906761615,\"tx_count\":0,\"signature\":[]},\"transactions\":[]}";

const SECOND: &str = "{\"header\":{\"version\":1,\"prev_hash\":[59,99,168,39,240,150,213,226,70,104,76,147,99,10,220,30,46,86,110,207,211,\
56,4,65,207,133,85,92,45,20,193,67],\"merkle_root\":[110,71,240,30,8,60,16,35,19,120,80,27,64,21,1,153,226,11,\
254,205,233,22,117,45,180,31,71,241,70,33,232,85],\"timestamp\":1700000040,\"vdf_output\":[223,214,226,45,63,127,\
181,92,5,32,23,93,215,50,220,15,110,208,84,87,116,91,39,180,8,47,14,127,244,133,13,22],\"difficulty\":10000,\
\"nonce\":17698546066332649098,\"tx_count\":2,\"signature\":[]},\"transactions\":[{\"sender\":[129,57,119,14,168,125,23,\
95,86,163,84,102,195,76,126,204,203,141,138,145,180,238,55,162,93,246,15,91,143,201,179,148],\"recipient\":[9,9,\
9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9,9],\"amount\":1,\"nonce\":9007199254740993,\
\"signature\":[133,117,123,124,54,113,154,72,24,12,134,216,115,72,222,172,155,241,46,101,20,13,214,209,241,50,\
221,39,104,122,154,18,11,154,142,185,231,83,9,61,79,220,172,36,35,13,18,234,154,195,67,236,219,16,85,22,19,\
186,145,40,125,67,189,14]},{\"sender\":[138,136,227,221,116,9,241,149,253,82,219,45,60,186,93,114,202,103,9,191,\
29,148,18,27,243,116,136,1,180,15,111,92],\"recipient\":[7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,7,\
7,7,7,7,7],\"amount\":18446744073709551615,\"nonce\":18446744073709551615,\"signature\":[110,85,21,117,159,212,240,\
197,104,214,225,160,120,7,16,196,231,28,67,90,235,141,143,179,156,42,116,118,54,94,194,35,161,120,178,171,43,\
180,138,162,242,178,32,209,121,39,225,54,215,135,240,226,227,19,146,27,64,242,94,213,17,34,190,4]}]}";

fn parse(text: &str) -> Block {
    serde_json::from_str(text).unwrap()
}

fn check(block: &Block) -> Result<std::sync::Arc<Checked>, Flaw> {
    let mut check = Check::begin(block.clone(), block.to_json(), Hash::ZERO)?;
    let mut outputs = Outputs::default();
    loop {
        if let Some(outcome) = check.step(&mut outputs).1 {
            return outcome;
        }
    }
}

#[test]
fn hashes_are_what_another_program_says() {
    let (first, second) = (parse(FIRST), parse(SECOND));
    let shown = |hash: Hash| hash.to_string();
    assert_eq!(
        shown(first.header.hash()),
        "3b63a827f096d5e246684c93630adc1e2e566ecfd3380441cf85555c2d14c143"
    );
    assert_eq!(
        shown(second.header.hash()),
        "86c0ac1a6c0442c9e9bd22c9dc005d6e391adc996229417128a37bde5445810c"
    );
    let hashes: Vec<String> = second.transactions.iter().map(|it| shown(it.hash())).collect();
    assert_eq!(
        hashes,
        [
            "7a2425fe52cf89d801ee42f5ad53f73ff8ce97eb55d4b85fd633dd5946702593",
            "dd7450f60713034b5fab1ee03be4d4a5acc698d4800deb2130242dadb21e0f9c",
        ]
    );
}

#[test]
fn blocks_of_another_program_keep_every_rule_and_read_back_to_the_byte() {
    let mut before = None;
    for text in [FIRST, SECOND] {
        let block = parse(text);
        assert_eq!(String::from_utf8(block.to_json()).unwrap(), text);
        let checked = check(&block).unwrap();
        assert_eq!(follows(checked.link(), checked.prev_hash, before), Ok(()));
        assert_eq!(&*checked.text, text.as_bytes());
        before = Some(checked.link());
    }
    let numbers: Vec<(u64, u64)> =
        parse(SECOND).transactions.iter().map(|it| (it.amount, it.nonce)).collect();
    assert_eq!(numbers, [(1, (1 << 53) + 1), (u64::MAX, u64::MAX)], "exact beyond 2^53");
}

#[test]
fn forged_blocks_are_the_same_as_those_of_another_program() {
    let first = forge::block(None, 1_700_000_010 / INTERVAL, Vec::new());
    assert_eq!(first, parse(FIRST));
    let transactions = parse(SECOND).transactions.into_iter().rev().collect();
    assert_eq!(forge::block(Some(&first), 0, transactions), parse(SECOND));
}

/// The same layout by the crate that the network itself uses.
mod bincode_1 {
    use serde::Serialize;

    #[derive(Serialize)]
    pub struct Tx<'a>(pub &'a [u8], pub &'a [u8], pub u64, pub u64, pub &'a [u8]);

    #[derive(Serialize)]
    pub struct Head<'a>(
        pub u32,
        pub [u8; 32],
        pub [u8; 32],
        pub u64,
        pub [u8; 32],
        pub u32,
        pub u64,
        pub u32,
        pub &'a [u8],
    );
}

fn by_crate(it: &Transaction) -> bincode_1::Tx<'_> {
    bincode_1::Tx(&it.sender, &it.recipient, it.amount, it.nonce, &it.signature)
}

#[test]
fn the_layout_is_that_of_the_bincode_crate() {
    for text in [FIRST, SECOND] {
        let Block { header, transactions } = parse(text);
        for transaction in &transactions {
            let mut ours = Vec::new();
            transaction.encode(&mut ours);
            assert_eq!(ours, bincode::serialize(&by_crate(transaction)).unwrap());
            assert_eq!(ours.len(), Transaction::ENCODED);
        }
        let Header {
            version,
            prev_hash,
            merkle_root,
            timestamp,
            vdf_output,
            difficulty,
            nonce,
            tx_count,
            signature,
        } = &header;
        let head = bincode_1::Head(
            *version,
            *prev_hash,
            *merkle_root,
            *timestamp,
            *vdf_output,
            *difficulty,
            *nonce,
            *tx_count,
            signature,
        );
        let all: Vec<_> = transactions.iter().map(by_crate).collect();
        assert_eq!(header.encode(), bincode::serialize(&head).unwrap());
        assert_eq!(header.encode().len(), Header::ENCODED);
        assert_eq!(super::block::merkle_root(&transactions), Hash::of(&bincode::serialize(&all).unwrap()));
        let block = Block { header: header.clone(), transactions: transactions.clone() };
        assert_eq!(block.encoded_len(), bincode::serialize(&(head, all)).unwrap().len());
    }
}

#[test]
fn every_rule_of_a_block_breaks_by_itself() {
    type Break = fn(&mut Block);
    let breaks: [(Flaw, Break); 12] = [
        (Flaw::Version, |it| it.header.version = 2),
        (Flaw::Difficulty, |it| it.header.difficulty = 9_999),
        (Flaw::HeaderSignature, |it| it.header.signature = vec![0]),
        (Flaw::Count, |it| it.header.tx_count = 1),
        (Flaw::Count, |it| it.transactions.truncate(1)),
        (Flaw::Nonce, |it| it.header.nonce ^= 1),
        (Flaw::Nonce, |it| it.header.timestamp += INTERVAL),
        (Flaw::Order, |it| it.transactions.reverse()),
        (Flaw::MerkleRoot, |it| it.header.merkle_root[31] ^= 1),
        (Flaw::MerkleRoot, |it| it.transactions[0].signature[0] ^= 1),
        (Flaw::Signature, |it| {
            it.transactions[1].signature[40] ^= 1;
            it.transactions.sort_by_key(Transaction::hash);
            it.header.merkle_root = super::block::merkle_root(&it.transactions).0;
        }),
        (Flaw::Vdf, |it| it.header.vdf_output[0] ^= 1),
    ];
    assert!(check(&parse(SECOND)).is_ok());
    for (flaw, break_it) in breaks {
        let mut block = parse(SECOND);
        break_it(&mut block);
        let found = check(&block).unwrap_err();
        // a changed transaction may also have moved
        assert!(found == flaw || (flaw == Flaw::MerkleRoot && found == Flaw::Order), "{flaw:?}: {found:?}");
    }
}

#[test]
fn a_block_of_the_largest_size_is_one_and_a_transaction_more_is_too_many() {
    let block = |count: u64| {
        let transactions = (0..count).map(|nonce| forge::transaction(1, 2, u64::MAX, nonce)).collect();
        forge::block(None, 1, transactions)
    };
    let most = ((MAX_BLOCK - Header::ENCODED - 8) / Transaction::ENCODED) as u64;
    assert!(block(most).encoded_len() <= MAX_BLOCK && block(most).to_json().len() <= MAX_TEXT);
    assert!(check(&block(most)).is_ok());
    assert_eq!(check(&block(most + 1)).unwrap_err(), Flaw::Size);
}

#[test]
fn the_longest_json_of_a_block_is_what_is_computed_and_there_is_room_for_spaces() {
    let transaction = Transaction {
        sender: [255; 32],
        recipient: [255; 32],
        amount: u64::MAX,
        nonce: u64::MAX,
        signature: [255; 64],
    };
    assert_eq!(transaction.to_json().len(), Transaction::MAX_JSON);
    let header = Header {
        version: 1,
        prev_hash: [255; 32],
        merkle_root: [255; 32],
        timestamp: u64::MAX,
        vdf_output: [255; 32],
        difficulty: 10_000,
        nonce: u64::MAX,
        tx_count: 60,
        signature: Vec::new(),
    };
    let block = Block { header, transactions: vec![transaction; MAX_IN_BLOCK] };
    assert!(block.encoded_len() <= MAX_BLOCK && block.encoded_len() + Transaction::ENCODED > MAX_BLOCK);
    let text = String::from_utf8(block.to_json()).unwrap();
    assert!(text.len() <= MAX_TEXT && text.len() + 100 > MAX_TEXT, "{} of {MAX_TEXT}", text.len());
    let spaced = text.replace(',', ", ").replace(':', ": ").len();
    assert!(spaced <= MAX_ELEMENT && spaced + 100 > MAX_ELEMENT, "{spaced} of {MAX_ELEMENT}");
    assert!((45_000..46_500).contains(&MAX_ELEMENT), "{MAX_ELEMENT}");
}

#[test]
fn a_block_follows_only_the_one_before_it() {
    let link = |block: &Block| Link { hash: block.header.hash(), timestamp: block.header.timestamp };
    let (first, second) = (link(&parse(FIRST)), link(&parse(SECOND)));
    assert_eq!(follows(second, first.hash, Some(first)), Ok(()));
    assert_eq!(follows(second, second.hash, Some(first)), Err(Flaw::Link));
    assert_eq!(follows(second, first.hash, Some(Link { timestamp: 1, ..first })), Err(Flaw::Timestamp));
    assert_eq!(
        follows(second, first.hash, Some(Link { timestamp: u64::MAX, ..first })),
        Err(Flaw::Timestamp)
    );
    assert_eq!(follows(second, first.hash, None), Err(Flaw::First));
    assert_eq!(follows(first, Hash::ZERO, None), Ok(()));
    assert_eq!(follows(Link { timestamp: 31, ..first }, Hash::ZERO, None), Err(Flaw::First));
}

#[test]
fn what_is_not_exactly_a_transaction_is_none() {
    let good = String::from_utf8(parse(SECOND).transactions[1].to_json()).unwrap();
    assert!(serde_json::from_str::<Transaction>(&good).is_ok());
    let most = "18446744073709551615";
    for (part, instead) in [
        (most, "18446744073709551616"),
        (most, "1e3"),
        (most, "1.0"),
        (most, "-1"),
        (most, "\"1\""),
        (most, "null"),
        ("[138,", "["),
        ("[138,", "[256,"),
        ("[138,", "[1,138,"),
        ("[138,", "[-1,"),
        ("\"sender\"", "\"spender\""),
        ("{\"sender\"", "{\"amount\":1,\"sender\""),
        (",190,4]", ",190]"),
    ] {
        let bad = good.replacen(part, instead, 1);
        assert!(serde_json::from_str::<Transaction>(&bad).is_err(), "{bad}");
    }
    assert!(serde_json::from_str::<Transaction>("[[],[],1,2,[]]").is_err());
    assert!(
        serde_json::from_str::<Transaction>(&good.replacen('{', "{\"memo\":[{}],", 1)).is_ok(),
        "passed over"
    );
}

#[test]
fn the_nonce_is_eight_bytes_of_a_hash() {
    let second = parse(SECOND);
    assert_eq!(nonce(&second.header.prev_hash, second.header.timestamp), 17_698_546_066_332_649_098);
}
