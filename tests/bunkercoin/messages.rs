//! Each of the six messages, however it is spaced and cut, and what it is answered.

use std::time::Duration;

use peer_relay::protocol::Token;
use peer_relay::protocol::bunkercoin::{ANSWER_AGAIN, forge};
use proptest::prelude::*;

use crate::support::{GREETING, House, array, block_message, chain_message, shown, transaction_message};

const EMPTY: &str = "{\"Chain\":[]}\n{\"Mempool\":[]}\n";

#[test]
fn whoever_comes_is_asked_for_all_it_has_and_gets_all_we_have() {
    let mut house = House::new();
    let peer = house.join(1);
    house.say(peer, GREETING.as_bytes());
    assert_eq!(house.heard_by(peer), EMPTY, "an empty store has an answer too");
}

#[test]
fn chain_and_mempool_are_answered_to_the_byte() {
    let blocks = forge::chain(7, 3);
    let mut house = House::holding(&blocks);
    let peer = house.join(1);
    let transaction = forge::transaction(1, 2, u64::MAX, u64::MAX);
    house.say(peer, &transaction_message(&transaction));
    house.say(peer, GREETING.as_bytes());
    let pool = String::from_utf8(transaction.to_json()).unwrap();
    let expected = format!("{}{{\"Mempool\":[{pool}]}}\n", shown(chain_message(&blocks)));
    assert_eq!(house.heard_by(peer), expected);
    assert_eq!(house.chain_text(), array(&blocks));
    assert_eq!(house.mempool_text(), format!("[{pool}]"));
}

#[test]
fn who_asks_again_and_again_is_answered_in_its_time_and_heard_meanwhile() {
    let mut house = House::new();
    let (peer, other) = (house.join(1), house.join(2));
    house.say(peer, b"\"GetChain\"\n\"GetChain\"\n\"GetChain\"\n");
    assert_eq!(house.heard_by(peer), "{\"Chain\":[]}\n");
    assert!(!house.is_busy(peer), "it is read meanwhile");
    let message = transaction_message(&forge::transaction(1, 2, 3, 4));
    house.say(peer, &message);
    assert_eq!(house.heard_by(other), shown(message), "and heard");
    house.pass(ANSWER_AGAIN - Duration::from_micros(1));
    assert_eq!(house.heard_by(peer), "");
    house.pass(Duration::from_micros(1));
    assert_eq!(house.heard_by(peer), "{\"Chain\":[]}\n", "as often as it asked, it is one question");
    house.pass(Duration::from_secs(60));
    assert_eq!((house.heard_by(peer).as_str(), house.is_busy(peer)), ("", false));
    house.say(peer, b"\"GetChain\"\n\"GetMempool\"\n");
    assert!(house.heard_by(peer).contains("Mempool"), "each has its own time");
}

#[test]
fn who_takes_nothing_is_answered_nothing_more_until_it_has_caught_up() {
    let mut house = House::holding(&forge::chain(7, 3));
    let peer = house.join(1);
    house.fall_behind(peer);
    for _ in 0..20 {
        house.say(peer, GREETING.as_bytes());
        house.pass(Duration::from_secs(60));
        assert_eq!((house.heard_by(peer).as_str(), house.is_busy(peer)), ("", false));
    }
    house.catch_up(peer);
    house.settle();
    let answer = house.heard_by(peer);
    assert!(answer.starts_with("{\"Chain\":[{") && answer.lines().count() == 1, "one at a time: {answer}");
    house.catch_up(peer);
    house.settle();
    assert_eq!(house.heard_by(peer), "{\"Mempool\":[]}\n");
    house.catch_up(peer);
    house.pass(Duration::from_secs(60));
    assert_eq!(house.heard_by(peer), "");
}

#[test]
fn whoever_asks_with_its_last_line_is_answered_whatever_it_has_taken() {
    let mut house = House::new();
    let peer = house.join(1);
    house.fall_behind(peer);
    house.say(peer, b"\"GetChain\"\n\"GetMempool\"");
    assert_eq!(house.heard_by(peer), "");
    house.end(peer);
    assert_eq!(house.heard_by(peer), EMPTY);
}

#[test]
fn thousands_whose_time_has_come_at_once_are_answered_in_slices() {
    let mut house = House::holding(&forge::chain(7, 300));
    let peers: Vec<_> = (0..2_000).map(|number| house.join(number)).collect();
    for round in [b"\"GetChain\"\n", b"\"GetChain\"\n"] {
        peers.iter().for_each(|peer| house.say(*peer, round));
    }
    peers.iter().for_each(|peer| assert!(house.heard_by(*peer).len() > 100_000));
    let turns = house.turns;
    house.pass(ANSWER_AGAIN);
    assert!(peers.iter().all(|peer| house.heard_by(*peer).len() > 100_000));
    assert!(house.turns - turns > 50, "{} turns for 200 megabytes", house.turns - turns);
}

#[test]
fn each_transaction_of_a_list_that_never_ends_and_each_question_counts_as_a_message() {
    let mut house = House::new();
    let peer = house.join(1);
    let json = |nonce| String::from_utf8(forge::transaction(1, 2, 3, nonce).to_json()).unwrap();
    house.say(peer, b"{\"Mempool\":[");
    for nonce in 0..5 {
        house.say(peer, format!("{},", json(nonce)).as_bytes());
        assert_eq!(house.desk.messages, nonce as usize + 1);
    }
    let said = 5 * json(0).len();
    assert!(house.desk.bytes >= said, "{} of {said} bytes", house.desk.bytes);
    house.desk.rate = 5;
    house.say(peer, format!("{}]}}\n", json(5)).as_bytes());
    assert_eq!(house.mempool_text().matches("sender").count(), 5, "what is over the rate is ignored");
    assert!(house.desk.bytes < said + json(5).len() + 20, "counted once: {}", house.desk.bytes);
    let messages = house.desk.messages;
    house.say(peer, GREETING.as_bytes());
    assert_eq!((house.desk.messages - messages, house.heard_by(peer).as_str()), (2, ""));
}

#[test]
fn the_last_line_needs_no_newline() {
    let first = forge::block(None, 7, Vec::new());
    let transaction = forge::transaction(1, 2, 3, 4);
    for (message, height) in [
        (b"\"GetChain\"".to_vec(), 0),
        (block_message(&first), 1),
        (chain_message(std::slice::from_ref(&first)), 1),
        (transaction_message(&transaction), 0),
    ] {
        let mut house = House::new();
        let peer = house.join(1);
        let line = message.strip_suffix(b"\n").unwrap_or(&message);
        house.say(peer, line);
        assert_eq!(house.heard_by(peer), "", "not yet");
        house.end(peer);
        assert_eq!(house.heard_by(peer).is_empty(), message[1] != b'G');
        house.leave(peer);
        house.settle();
        assert_eq!(house.chain.height(), height);
        assert_eq!(house.mempool_text().len() > 2, message.starts_with(b"{\"NewT"));
        assert!(house.desk.offences.is_empty(), "{:?}", house.desk.offences);
    }
}

#[test]
fn a_peer_with_nothing_to_say_holds_nothing() {
    let mut house = House::new();
    let peer = house.join(1);
    house.say(peer, &transaction_message(&forge::transaction(1, 2, 3, 4)));
    house.say(peer, b"\r\n\n \n");
    let stream = house.desk.streams[&peer];
    assert_eq!((stream.begun, stream.is_busy), (0, false));
    assert!(stream.memory < 1_000, "{stream:?}");
}

/// All that is told and stored after a conversation, cut like this.
fn outcome(conversation: &[u8], piece: usize) -> (String, String, String, String) {
    let mut house = House::new();
    let (speaker, listener) = (house.join(1), house.join(2));
    house.say_in_pieces(speaker, conversation, piece);
    house.settle();
    house.pass(Duration::from_secs(5));
    assert!(house.desk.offences.is_empty(), "{:?}", house.desk.offences);
    (house.heard_by(speaker), house.heard_by(listener), house.chain_text(), house.mempool_text())
}

fn conversation() -> Vec<u8> {
    let transactions = [forge::transaction(1, 2, 3, 4), forge::transaction(2, 1, u64::MAX, 0)];
    let first = forge::block(None, 7, Vec::new());
    let second = forge::block(Some(&first), 0, vec![transactions[0].clone()]);
    let third = forge::block(Some(&second), 0, Vec::new());
    let pool: Vec<String> = transactions.iter().map(|it| String::from_utf8(it.to_json()).unwrap()).collect();
    [
        b"\n\r\n".to_vec(),
        format!(" {{ \"Mempool\" : [ {} ] }} \r\n", pool.join(" , ")).into_bytes(),
        chain_message(&[first, second]),
        block_message(&third),
        b"\t\"GetChain\"\r\n".to_vec(),
        b"\"GetMempool\"\n".to_vec(),
    ]
    .concat()
}

#[test]
fn a_conversation_cut_every_so_many_bytes_comes_to_the_same() {
    let conversation = conversation();
    let whole = outcome(&conversation, conversation.len());
    assert!(whole.0.contains("\"Chain\"") && whole.1.contains("NewBlock") && whole.2.len() > 1_500);
    for piece in [1, 2, 3, 5, 64, 1_000] {
        assert_eq!(outcome(&conversation, piece), whole, "cut every {piece}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_conversation_cut_anywhere_comes_to_the_same(cuts in prop::collection::vec(1_usize..900, 1..40)) {
        let conversation = conversation();
        let mut house = House::new();
        let (speaker, listener) = (house.join(1), house.join(2));
        let (mut rest, mut cuts) = (conversation.as_slice(), cuts.into_iter().cycle());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
            house.say_in_pieces(speaker, piece, piece.len());
            rest = behind;
        }
        house.settle();
        house.pass(Duration::from_secs(5));
        let found = (house.heard_by(speaker), house.heard_by(listener), house.chain_text(), house.mempool_text());
        prop_assert_eq!(found, outcome(&conversation, conversation.len()));
    }
}

#[test]
fn a_token_that_is_somebody_elses_now_begins_anew() {
    let mut house = House::new();
    let peer = house.join(1);
    house.say(peer, b"{\"NewBlock\":");
    house.leave(peer);
    let other = house.join(1);
    assert_eq!(other, Token(1));
    house.say(other, b"\"GetChain\"\n");
    assert_eq!(house.heard_by(other), "{\"Chain\":[]}\n");
}
