//! What is handed in with a ticket, and what is told of what is new.

use peer_relay::protocol::bunkercoin::{MAX_ELEMENT, News, Verdict, forge};

use crate::support::{House, block_message, chain_message, shown, transaction_message};

fn verdict(house: &mut House) -> Verdict {
    house.settle();
    let (_, verdict) = house.chain.take_verdict().expect("a verdict");
    assert_eq!(house.chain.take_verdict(), None);
    verdict
}

#[test]
fn a_block_handed_in_is_taken_told_and_known_the_next_time() {
    let blocks = forge::chain(7, 3);
    let mut house = House::holding(&blocks[..1]);
    let peer = house.join(1);
    let json = blocks[1].to_json();
    house.chain.submit_block(&json);
    assert_eq!(verdict(&mut house), Verdict::Taken);
    assert_eq!(house.heard_by(peer), shown(block_message(&blocks[1])));
    house.chain.submit_block(&json);
    assert_eq!(verdict(&mut house), Verdict::Known);
    assert_eq!(house.heard_by(peer), "");
    assert!(matches!(house.chain.take_news(), Some(News::Block { height: 2, .. })));
    assert_eq!(house.chain.take_news(), None);
}

#[test]
fn what_is_wrong_is_said_in_words() {
    let blocks = forge::chain(7, 3);
    let mut house = House::holding(&blocks[..1]);
    let mut said = |json: Vec<u8>| {
        house.chain.submit_block(&json);
        verdict(&mut house)
    };
    assert_eq!(said(blocks[2].to_json()), Verdict::DoesNotFit);
    let mut bad = blocks[1].clone();
    bad.header.vdf_output[0] ^= 1;
    assert_eq!(
        said(bad.to_json()),
        Verdict::Invalid("vdf_output is not what the delay function gives".into())
    );
    bad.header.version = 2;
    assert_eq!(said(bad.to_json()), Verdict::Invalid("version must be 1".into()));
    assert!(matches!(said(b"{}".to_vec()), Verdict::Malformed(_)));
    assert!(matches!(said(b"".to_vec()), Verdict::Malformed(_)));
    assert!(matches!(said(vec![b' '; MAX_ELEMENT + 1]), Verdict::Malformed(_)));
    assert_eq!(house.chain.height(), 1);
}

#[test]
fn a_transaction_handed_in_is_taken_and_told() {
    let mut house = House::new();
    let peer = house.join(1);
    let transaction = forge::transaction(1, 2, 3, 4);
    house.chain.submit_transaction(&transaction.to_json());
    assert_eq!(verdict(&mut house), Verdict::Taken);
    house.chain.submit_transaction(&transaction.to_json());
    assert_eq!(verdict(&mut house), Verdict::Known);
    assert_eq!(house.heard_by(peer), shown(transaction_message(&transaction)));
    assert!(matches!(house.chain.take_news(), Some(News::Transaction { .. })));
    let mut forged = transaction;
    forged.nonce = 5;
    house.chain.submit_transaction(&forged.to_json());
    assert!(matches!(verdict(&mut house), Verdict::Invalid(_)));
}

#[test]
fn what_nobody_wants_any_more_is_not_done() {
    let mut house = House::new();
    let ticket = house.chain.submit_block(&forge::block(None, 7, Vec::new()).to_json());
    house.turn();
    house.chain.withdraw(ticket);
    house.settle();
    assert_eq!((house.chain.take_verdict(), house.chain.height()), (None, 0));
}

#[test]
fn a_longer_chain_is_news() {
    let mut house = House::holding(&forge::chain(7, 1));
    let peer = house.join(1);
    house.say(peer, &chain_message(&forge::chain(9, 2)));
    assert!(matches!(house.chain.take_news(), Some(News::Replaced { height: 2, .. })));
    assert_eq!(house.chain.take_news(), None);
}
