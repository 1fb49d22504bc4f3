//! Every message of the table, under every name it has.

use crate::house::{House, NO_PARENT, block, message, transaction};

/// A house that knows two blocks and a transaction; the blocks, their hashes, the transaction.
fn furnished() -> (House, [(String, String); 2], String) {
    let mut house = House::new();
    let first = block(NO_PARENT, &[transaction(1)], 1);
    let second = block(&first.1, &[transaction(2), transaction(3)], 2);
    for (block, _) in [&first, &second] {
        assert_eq!(house.ask(&message("add_block", block)), message("block-accepted", block));
    }
    let pending = transaction(4);
    assert_eq!(house.ask(&message("add_transaction", &pending)), message("transaction-accepted", &pending));
    (house, [first, second], pending)
}

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// The reason or the message of a refusal.
fn error(reply: &str) -> String {
    let reply: serde_json::Value = serde_json::from_str(reply).unwrap();
    assert_eq!(reply["message_type"], "error", "{reply}");
    reply["payload"]["message"].as_str().unwrap().to_string()
}

#[test]
fn echo_is_the_identical_message() {
    let mut house = House::new();
    for text in [
        r#"{"message_type":"echo","payload":"pizza"}"#,
        r#"{"payload":[1,2.50,1e400,18446744073709551616],"message_type":"echo","more":{"a":"\u00e9\/é"}}"#,
        r#"{ "message_type": "echo" }"#,
        r#"{"message":"echo","payload":null}"#,
        r#"{"message_type":"\u0065cho"}"#,
    ] {
        assert_eq!(house.ask(text), text);
    }
}

#[test]
fn pong_has_the_same_payload_to_the_byte() {
    let mut house = House::new();
    for payload in [
        "1450310016721",
        "18446744073709551615",
        "99999999999999999999999.0e5",
        "\"\\u00e9\"",
        "[ 1 ]",
        "null",
    ] {
        assert_eq!(house.ask(&message("ping", payload)), message("pong", payload));
    }
    assert_eq!(house.ask(r#"{"message_type":"ping"}"#), message("pong", "null"));
}

#[test]
fn whoever_says_message_is_answered_so() {
    let mut house = House::new();
    assert_eq!(house.ask(r#"{"message":"ping","payload":1}"#), r#"{"message":"pong","payload":1}"#);
    assert_eq!(house.ask(r#"{"message":"get_peers"}"#), r#"{"message":"peers","payload":[]}"#);
    assert!(house.ask(r#"{"message":"?"}"#).starts_with(r#"{"message":"error","#));
}

#[test]
fn a_fresh_relay_knows_nobody_and_nothing() {
    let mut house = House::new();
    for (kind, reply, payload) in [
        ("list_peers", "peers", "[]"),
        ("get_peers", "peers", "[]"),
        ("get_transaction_pool", "transaction_pool", "[]"),
        ("get_blocks", "blocks", "[]"),
        ("get_height", "block_height", "0"),
        ("get_block_height", "block_height", "0"),
        ("get_latest_block", "latest_block", "null"),
    ] {
        assert_eq!(house.ask(&format!(r#"{{"message_type":"{kind}"}}"#)), message(reply, payload));
        assert_eq!(house.ask(&message(kind, "null")), message(reply, payload), "null is no payload");
    }
    let unknown = quoted(NO_PARENT);
    for (kind, reply, payload) in [
        ("get_blocks", "blocks", "[]"),
        ("get_blocks_since", "blocks_since", "[]"),
        ("get_block", "block_info", "null"),
        ("get_transaction", "transaction_info", "null"),
    ] {
        for hash in [&unknown, "\"short\""] {
            assert_eq!(house.ask(&message(kind, hash)), message(reply, payload));
        }
        for wrong in ["1", "{}", "[]"] {
            assert!(error(&house.ask(&message(kind, wrong))).contains("hash"), "{kind} {wrong}");
        }
    }
}

#[test]
fn what_has_passed_can_be_asked_for() {
    let (mut house, [first, second], pending) = furnished();
    let (older, newer) = (quoted(&first.1), quoted(&second.1));
    for (asked, answered) in [
        (message("get_height", "null"), message("block_height", "2")),
        (message("get_block_height", "null"), message("block_height", "2")),
        (message("get_latest_block", "null"), message("latest_block", &second.0)),
        (message("get_blocks", "null"), message("blocks", &format!("[{},{}]", first.0, second.0))),
        (message("get_blocks", &older), message("blocks", &format!("[{}]", second.0))),
        (message("get_blocks", &newer), message("blocks", "[]")),
        (message("get_blocks_since", &older), message("blocks_since", &format!("[{newer}]"))),
        (message("get_blocks_since", &newer), message("blocks_since", "[]")),
        (message("get_block", &older), message("block_info", &first.0)),
        (message("get_transaction_pool", "null"), message("transaction_pool", &format!("[{pending}]"))),
        (message("get_transaction", &hash_of(&pending)), message("transaction_info", &pending)),
        (message("get_transaction", &hash_of(&transaction(3))), message("transaction_info", &transaction(3))),
    ] {
        assert_eq!(house.ask(&asked), answered, "{asked}");
    }
}

fn hash_of(transaction: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(transaction).unwrap();
    value["hash"].to_string()
}

#[test]
fn items_are_taken_under_both_names() {
    for (transactions, blocks) in [("add_transaction", "add_block"), ("submit_transaction", "submit_block")] {
        let mut house = House::new();
        let (one, (two, _)) = (transaction(1), block(NO_PARENT, &[transaction(2)], 7));
        assert_eq!(house.ask(&message(transactions, &one)), message("transaction-accepted", &one));
        assert_eq!(
            house.ask(&message(transactions, &one)),
            message("transaction-rejected", r#"["known already"]"#)
        );
        assert_eq!(house.ask(&message(blocks, &two)), message("block-accepted", &two));
        assert_eq!(house.ask(&message(blocks, &two)), message("block-rejected", r#"["known already"]"#));
    }
}

#[test]
fn validating_says_what_is_wrong_and_changes_nothing() {
    let mut house = House::new();
    let right = transaction(1);
    for _ in 0..2 {
        assert_eq!(house.ask(&message("validate_transaction", &right)), message("errors", "[]"));
    }
    let wrong = message("validate_transaction", r#"{"hash":"x","inputs":1}"#);
    let reply: serde_json::Value = serde_json::from_str(&house.ask(&wrong)).unwrap();
    assert_eq!(reply["payload"].as_array().unwrap().len(), 2, "{reply}");
    assert_eq!(house.ask(&message("get_transaction_pool", "null")), message("transaction_pool", "[]"));
    house.ask(&message("add_transaction", &right));
    assert_eq!(
        house.ask(&message("validate_transaction", &right)),
        message("errors", r#"["known already"]"#)
    );
}

#[test]
fn a_wallets_work_is_not_done_here_and_that_is_said() {
    let mut house = House::new();
    for kind in ["get_balance", "generate_payment"] {
        assert!(error(&house.ask(&message(kind, "\"address\""))).contains("not supported"));
    }
}

#[test]
fn an_unknown_type_is_named_and_cut_short() {
    let mut house = House::new();
    let reply: serde_json::Value = serde_json::from_str(&house.ask(&message("dance", "1"))).unwrap();
    assert_eq!(reply["payload"]["message"], "unknown message type");
    assert_eq!(reply["payload"]["type"], "dance");
    assert!(house.ask(&message(&"x".repeat(10_000), "1")).len() < 200);
}

#[test]
fn a_chat_goes_to_everybody_else_as_it_came_and_is_not_answered() {
    let mut house = House::new();
    let [one, two, three] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|ip| house.join(ip));
    for who in [one, two, three] {
        house.line(who, &message("ping", "1"));
        house.got(who);
    }
    let chat = r#"{"payload": "hi", "message":"chat"}"#;
    house.line(one, chat);
    house.line(one, chat);
    assert_eq!(house.got(one), "");
    for who in [two, three] {
        assert_eq!(house.got(who), format!("{chat}\n{chat}\n"), "nobody is dialled: nothing can go round");
    }
}
