//! A peer that sends no more, wherever it stops: no offence, and nothing but what was whole.

use std::time::Duration;

use peer_relay::protocol::bunkercoin::forge;

use crate::support::{House, array, block_message, chain_message, transaction_message};

#[test]
fn the_end_of_a_stream_at_any_byte_is_no_offence_and_takes_in_only_what_was_whole() {
    let first = forge::block(None, 7, Vec::new());
    let transaction = forge::transaction(1, 2, 3, 4);
    let json = String::from_utf8(transaction.to_json()).unwrap();
    for message in [
        b"\"GetChain\"\r\n".to_vec(),
        b"\"GetMempool\"\n".to_vec(),
        chain_message(&[first.clone(), forge::block(Some(&first), 0, Vec::new())]),
        format!("{{\"Mempool\":[{json}]}} \n").into_bytes(),
        block_message(&first),
        transaction_message(&transaction),
    ] {
        let whole = message.trim_ascii_end().len();
        let element = json.len() + "{\"Mempool\":[".len();
        for end in 0..message.len() {
            let mut house = House::new();
            let peer = house.join(1);
            house.say(peer, &message[..end]);
            house.end(peer);
            house.settle();
            assert!(house.desk.offences.is_empty(), "at {end}: {:?}", house.desk.offences);
            let has_more = house.chain.height() > 0 || house.mempool_text() != "[]";
            // an element of a list of transactions is told by itself, as soon as it is whole
            let is_told = message.starts_with(b"{\"Mempool\"") && end >= element;
            let is_whole = end >= whole && !message.starts_with(b"\"");
            assert_eq!(has_more, is_whole || is_told, "at {end} of {}", String::from_utf8_lossy(&message));
            assert_eq!(house.chain.pool_bytes(), 0);
        }
    }
}

#[test]
fn a_chain_that_ends_without_a_newline_while_another_is_adopted_waits_for_that() {
    let theirs = forge::chain(9, 1_500);
    let message = chain_message(&theirs);
    let line = &message[..message.len() - 1];
    for longer in [0, 3] {
        let mut last = line.to_vec();
        let mut longest = theirs.clone();
        for _ in 0..longer {
            longest.push(forge::block(longest.last(), 0, Vec::new()));
        }
        if longer > 0 {
            last = chain_message(&longest);
            last.pop();
        }
        let mut house = House::new();
        let (one, other, listener) = (house.join(1), house.join(2), house.join(3));
        house.say(one, line);
        house.say(other, &last);
        house.chain.heard(house.now, &mut house.desk, one, b"\n");
        house.turn();
        house.end(other);
        house.leave(other);
        assert_eq!(house.chain.counts().adopted, 0, "under adoption still");
        house.settle();
        assert_eq!(house.chain_text(), array(&longest));
        assert_eq!(house.chain.pool_bytes(), 0);
        assert!(house.heard_by(listener).contains("NewBlock"));
    }
}

#[test]
fn who_ends_in_the_middle_of_a_chain_gives_its_place_up_before_its_connection_closes() {
    let theirs = forge::chain(9, 3);
    let message = chain_message(&theirs);
    let mut house = House::new();
    let peer = house.join(1);
    house.say(peer, &message[..message.len() / 2]);
    assert!(house.chain.pool_bytes() > 0);
    house.end(peer);
    house.settle();
    assert_eq!(house.chain.pool_bytes(), 0);
    house.pass(Duration::from_secs(60));
    assert_eq!(house.heard_by(peer), "", "it is asked nothing");
}
