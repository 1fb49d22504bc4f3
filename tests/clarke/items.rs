//! Transactions and blocks: checked, kept, and passed on once.

use peer_relay::protocol::Token;

use crate::house::{House, NO_PARENT, block, message, sha256, transaction};

/// Somebody who listens.
fn listener(house: &mut House) -> Token {
    let who = house.join("192.0.2.9");
    house.line(who, &message("ping", "1"));
    house.got(who);
    who
}

fn rejected(reply: &str, kind: &str) -> Vec<String> {
    let value: serde_json::Value = serde_json::from_str(reply).unwrap();
    assert_eq!(value["message_type"], kind, "{reply}");
    value["payload"].as_array().unwrap().iter().map(|reason| reason.as_str().unwrap().to_string()).collect()
}

#[test]
fn a_new_item_goes_once_to_everybody_but_its_sender_as_the_message_that_came() {
    let mut house = House::new();
    let [one, two, three] = [0; 3].map(|_| listener(&mut house));
    let block = block(NO_PARENT, &[transaction(1)], 1).0;
    for (kind, item) in [("submit_transaction", transaction(2)), ("add_block", block)] {
        let said = format!("{{\"payload\" : {item}, \"message\":\"{kind}\"}}");
        house.line(one, &said);
        assert!(house.got(one).contains("-accepted"));
        for other in [two, three] {
            assert_eq!(house.got(other), format!("{said}\n"));
        }
        for repeater in [two, one, three] {
            house.line(repeater, &message(kind, &item));
            assert!(house.got(repeater).contains("known already"));
        }
        house.ask(&message(kind, &item));
        assert_eq!([one, two, three].map(|who| house.got(who)), [const { String::new() }; 3]);
    }
}

#[test]
fn an_item_on_several_lines_is_passed_on_on_one() {
    let mut house = House::new();
    let who = listener(&mut house);
    house.ask("{\n \"message_type\" : \"add_transaction\",\n \"payload\": { \"note\": \"a  b\" }\n}");
    assert_eq!(house.got(who), format!("{}\n", message("add_transaction", r#"{"note":"a  b"}"#)));
}

#[test]
fn numbers_are_passed_on_and_kept_as_they_are_spelt() {
    let mut house = House::new();
    let who = listener(&mut house);
    for amount in
        ["9007199254740993", "18446744073709551615", "18446744073709551616", "1e400", "-0.10", "1E+5"]
    {
        let item = format!(r#"{{"amount":{amount}}}"#);
        let said = message("add_transaction", &item);
        assert_eq!(house.ask(&said), message("transaction-accepted", &item));
        assert_eq!(house.got(who), format!("{said}\n"));
        assert!(house.ask(&message("get_transaction_pool", "null")).contains(&item));
    }
}

#[test]
fn a_transaction_that_cannot_be_one_is_rejected_with_reasons() {
    let mut house = House::new();
    let who = listener(&mut house);
    for (wrong, reasons) in [
        ("null", 1),
        ("1", 1),
        ("\"text\"", 1),
        ("[]", 1),
        (r#"{"hash":1}"#, 1),
        (r#"{"hash":"abc"}"#, 1),
        (&format!(r#"{{"hash":"{}"}}"#, "A".repeat(64)), 1),
        (r#"{"inputs":{},"outputs":1,"hash":"x"}"#, 3),
        (r#"{"hash":"x","hash":"x"}"#, 1),
    ] {
        let found = rejected(&house.ask(&message("submit_transaction", wrong)), "transaction-rejected");
        assert_eq!(found.len(), reasons, "{wrong}: {found:?}");
    }
    assert!(rejected(&house.ask(r#"{"message_type":"add_transaction"}"#), "transaction-rejected").len() == 1);
    assert_eq!(house.got(who), "");
}

/// The published block, of which only what goes into the hashes matters.
fn published(parent: &str, nonce: &str, hash: &str, transactions_hash: &str) -> String {
    format!(
        r#"{{"header":{{"parent_hash":"{parent}","transactions_hash":"{transactions_hash}","target":"0000100000000000000000000000000000000000000000000000000000000000","timestamp":1450564013,"nonce":{nonce},"hash":"{hash}"}},"transactions":[{{"hash":"933de73b476eb420aadc3c0e5959c6b0e3d1a58c4f997bd60bcbdbb5a0beeb90","outputs":[]}}]}}"#
    )
}

const PUBLISHED: (&str, &str, &str) = (
    "1354641",
    "000002b889bb79228ff41f86a65e2e0e143955cf746c2a33ed223d2701cd9c72",
    "203a0e37fa56a530f678d6331baf83a7b72d5d67c189aeb3ca17ed8a2a5bc654",
);

#[test]
fn the_published_blocks_hashes_check() {
    let (nonce, hash, all) = PUBLISHED;
    let block = published(NO_PARENT, nonce, hash, all);
    let mut house = House::new();
    assert_eq!(house.ask(&message("submit_block", &block)), message("block-accepted", &block));
    assert_eq!(house.ask(&message("get_block", &format!("\"{hash}\""))), message("block_info", &block));
}

#[test]
fn a_block_with_one_thing_changed_is_rejected_with_reasons_and_goes_nowhere() {
    let (nonce, hash, all) = PUBLISHED;
    let mut house = House::new();
    let who = listener(&mut house);
    let one = NO_PARENT.replacen('0', "1", 1);
    let right = published(NO_PARENT, nonce, hash, all);
    for wrong in [
        published(&one, nonce, hash, all),
        published(NO_PARENT, "1354642", hash, all),
        published(NO_PARENT, nonce, &hash.replacen('2', "3", 1), all),
        published(NO_PARENT, nonce, hash, &one),
        right.replace("933de73b", "933de73c"),
        right.replace("1450564013", "1450564014"),
        right.replace("\"target\":\"0", "\"target\":\"1"),
        right.replace("\"outputs\":[]}", "\"outputs\":[]},1"),
        right.replace("\"transactions\":[", "\"transactions\":[[],"),
        right.replace("\"transactions\":", "\"other\":"),
        right.replace("\"transactions\":", "\"transactions\":1,\"other\":"),
        right.replace("\"nonce\"", "\"nonse\""),
        right.replace("1354641", "1354641.0"),
        right.replace("1354641", "-1354641"),
        right.replace("1354641", "null"),
        right.replace("parent_hash", "parrot_hash"),
        right.replace("\"header\":{", "\"header\":[{").replace("},\"transactions", "}],\"transactions"),
        right.replace("\"nonce\"", "\"nonce\":1,\"nonce\""),
        right.replace(hash, &hash.to_uppercase()),
        "null".into(),
        "{}".into(),
        "[]".into(),
    ] {
        assert_ne!(wrong, right);
        let reasons = rejected(&house.ask(&message("add_block", &wrong)), "block-rejected");
        assert!(!reasons.is_empty(), "{wrong}");
    }
    assert_eq!(house.got(who), "");
    assert_eq!(house.ask(&message("get_height", "null")), message("block_height", "0"));
    assert!(
        house.ask(&message("add_block", &right)).contains("block-accepted"),
        "the right one is still new"
    );
}

#[test]
fn a_block_may_be_flat_and_named_otherwise_and_hold_numbers_beyond_all_bounds() {
    let mut house = House::new();
    for nonce in ["18446744073709551615", "18446744073709551616", "340282366920938463463374607431768211456"] {
        let all = sha256("");
        let hash = sha256(&format!("{NO_PARENT}{all}7target{nonce}"));
        let block = format!(
            r#"{{"hash":"{hash}","parent":"{NO_PARENT}","txs_hash":"{all}","timestamp":7,"target":"target","nonce":{nonce},"transactions":[],"miner":"me"}}"#
        );
        assert_eq!(house.ask(&message("submit_block", &block)), message("block-accepted", &block));
        let text = block.replace(&format!("\"nonce\":{nonce}"), &format!("\"nonce\":\"{nonce}\""));
        assert_eq!(house.ask(&message("submit_block", &text)), message("block-accepted", &text));
        let of_hash = message("get_block", &format!("\"{hash}\""));
        assert_eq!(house.ask(&of_hash), message("block_info", &block), "of one hash the first is held");
    }
}

#[test]
fn what_is_in_a_block_leaves_the_pool_and_does_not_come_back() {
    let mut house = House::new();
    let all: Vec<String> = (0..4).map(transaction).collect();
    for one in &all[..3] {
        house.ask(&message("add_transaction", one));
    }
    house.ask(&message("add_block", &block(NO_PARENT, &[all[1].clone(), all[3].clone()], 1).0));
    let pool = message("transaction_pool", &format!("[{},{}]", all[0], all[2]));
    assert_eq!(house.ask(&message("get_transaction_pool", "null")), pool);
    assert!(house.ask(&message("add_transaction", &all[1])).contains("known already"));
    assert_eq!(house.ask(&message("get_transaction_pool", "null")), pool);
    assert!(house.ask(&message("add_transaction", &all[3])).contains("accepted"), "nobody has said it yet");
}

#[test]
fn what_differs_in_whitespace_alone_is_a_repeat() {
    let mut house = House::new();
    let who = listener(&mut house);
    let block = block(NO_PARENT, &[transaction(1)], 1).0;
    for (kind, item) in [("add_transaction", transaction(2)), ("add_block", block)] {
        assert!(house.ask(&message(kind, &item)).contains("accepted"));
        assert_eq!(house.got(who).lines().count(), 1);
        let spaced = item.replace(':', " : ").replace(',', "\t, ");
        assert!(house.ask(&message(kind, &spaced)).contains("known already"), "{spaced}");
        assert_eq!(house.got(who), "");
    }
}

#[test]
fn nobody_can_have_what_others_say_taken_for_a_repeat() {
    let mut house = House::new();
    let who = listener(&mut house);
    let right = transaction(1);
    let garbage = right.replace("\"outputs\":[", "\"outputs\":[0,");
    let (mined, hash) = block(NO_PARENT, std::slice::from_ref(&right), 1);
    let bare = |text: &str| {
        let hash: serde_json::Value = serde_json::from_str(text).unwrap();
        format!("{{\"hash\":{}}}", hash["hash"])
    };
    let (named, _) = block(NO_PARENT, &[bare(&right)], 2);
    // the same name, a block that names it, the block's own hash, and the block as a transaction
    assert_eq!(block(NO_PARENT, &[bare(&right)], 1).1, hash);
    for (kind, lie) in [
        ("add_transaction", garbage.as_str()),
        ("add_block", &named),
        ("add_block", &block(NO_PARENT, &[bare(&right)], 1).0),
        ("add_transaction", &mined),
    ] {
        assert!(house.ask(&message(kind, lie)).contains("accepted"), "{lie}");
    }
    house.got(who);
    for (kind, truth) in [("add_transaction", &right), ("add_block", &mined)] {
        assert!(house.ask(&message(kind, truth)).contains("accepted"), "{truth}");
        assert_eq!(house.got(who), format!("{}\n", message(kind, truth)));
    }
    let kept = transaction(3);
    house.ask(&message("add_transaction", &kept));
    house.ask(&message("add_block", &block(NO_PARENT, &[bare(&kept)], 3).0));
    let pool = house.ask(&message("get_transaction_pool", "null"));
    assert!(pool.contains(&kept), "a name is not what it names: {pool}");
}

#[test]
fn the_longest_chain_is_answered_whatever_order_its_blocks_come_in() {
    let chain = |salt: u64, length: u64| {
        let mut blocks: Vec<(String, String)> = Vec::new();
        for n in 0..length {
            let parent = blocks.last().map_or(NO_PARENT.to_string(), |(_, hash)| hash.clone());
            blocks.push(block(&parent, &[], salt + n));
        }
        blocks
    };
    let (long, short) = (chain(100, 6), chain(200, 5));
    let orders: [Vec<usize>; 3] = [(0..6).collect(), (0..6).rev().collect(), vec![3, 0, 5, 1, 4, 2]];
    for order in orders {
        let mut house = House::new();
        for (block, _) in &short {
            house.ask(&message("add_block", block));
        }
        for n in order {
            house.ask(&message("add_block", &long[n].0));
        }
        assert_eq!(house.ask(&message("get_height", "null")), message("block_height", "6"));
        assert_eq!(house.ask(&message("get_latest_block", "null")), message("latest_block", &long[5].0));
        let hashes: Vec<String> = long[2..].iter().map(|(_, hash)| format!("\"{hash}\"")).collect();
        let since = |hash: &str| message("get_blocks_since", &format!("\"{hash}\""));
        assert_eq!(
            house.ask(&since(&long[1].1)),
            message("blocks_since", &format!("[{}]", hashes.join(",")))
        );
        assert_eq!(house.ask(&since(&short[1].1)), message("blocks_since", "[]"), "not of the longest");
        let all: Vec<&str> = long.iter().map(|(block, _)| block.as_str()).collect();
        assert_eq!(
            house.ask(&message("get_blocks", "null")),
            message("blocks", &format!("[{}]", all.join(",")))
        );
    }
}

#[test]
fn a_chain_that_passed_from_its_middle_on_counts_from_there() {
    let mut house = House::new();
    let first = block(&sha256("a parent that was never here"), &[], 1);
    let second = block(&first.1, &[], 2);
    for (block, _) in [&first, &second] {
        house.ask(&message("add_block", block));
    }
    assert_eq!(house.ask(&message("get_height", "null")), message("block_height", "2"));
    let equal = block(NO_PARENT, &[], 3);
    house.ask(&message("add_block", &block(&equal.1, &[], 4).0));
    house.ask(&message("add_block", &equal.0));
    assert_eq!(
        house.ask(&message("get_latest_block", "null")),
        message("latest_block", &second.0),
        "the first stays"
    );
}
