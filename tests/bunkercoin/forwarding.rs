//! What is new is told to everybody else, once.

use std::time::Duration;

use peer_relay::protocol::bunkercoin::{ASK_AGAIN, MAX_TRANSACTIONS, MEMPOOL_AGE, forge};

use crate::support::{GREETING, House, block_message, chain_message, shown, text, transaction_message};

#[test]
fn a_transaction_goes_to_everybody_else_once_whoever_repeats_it() {
    let mut house = House::new();
    let peers = [house.join(1), house.join(2), house.join(3)];
    let message = transaction_message(&forge::transaction(1, 2, 3, 4));
    for speaker in [0, 0, 1, 2] {
        house.say(peers[speaker], &message);
    }
    let pool = shown(message.clone()).replace("NewTransaction\":", "Mempool\":[").replace("}\n", "]}\n");
    house.say(peers[1], pool.as_bytes());
    assert_eq!(
        peers.map(|peer| house.heard_by(peer)),
        [String::new(), shown(message.clone()), shown(message)]
    );
}

#[test]
fn a_block_that_follows_goes_to_everybody_else_once_in_our_own_spelling() {
    let blocks = forge::chain(7, 3);
    let mut house = House::holding(&blocks[..2]);
    let peers = [house.join(1), house.join(2), house.join(3)];
    // keys in another order, spaced, and with something that nobody knows
    let value: serde_json::Value = serde_json::from_str(&text(&blocks[2])).unwrap();
    let odd = format!(
        "{{ \"NewBlock\" : {{\"memo\" : {{}}, \"transactions\":{}, \"header\":{}}} }}\r\n",
        value["transactions"], value["header"]
    );
    house.say(peers[0], odd.as_bytes());
    for peer in peers {
        house.say(peer, &block_message(&blocks[2]));
        house.say(peer, odd.as_bytes());
    }
    let told = shown(block_message(&blocks[2]));
    assert_eq!(peers.map(|peer| house.heard_by(peer)), [String::new(), told.clone(), told]);
    assert_eq!(house.chain.height(), 3);
}

#[test]
fn a_hundred_who_tell_of_a_block_at_once_have_it_checked_once() {
    let transactions = (0..50).map(|nonce| forge::transaction(1, 2, 3, nonce)).collect();
    let block = forge::block(None, 7, transactions);
    let units = |peers: u32| {
        let mut house = House::new();
        let peers: Vec<_> = (0..peers).map(|number| house.join(number)).collect();
        for &peer in &peers {
            house.chain.heard(house.now, &mut house.desk, peer, &block_message(&block));
        }
        let before = house.turns;
        house.settle();
        assert_eq!(house.chain.height(), 1);
        let told = peers.iter().filter(|peer| !house.heard_by(**peer).is_empty()).count();
        assert_eq!(told, peers.len() - 1, "everybody but who was heard first");
        house.turns - before
    };
    let (one, hundred) = (units(1), units(100));
    assert!(hundred < one + 100, "{one} turns for one, {hundred} for a hundred");
}

#[test]
fn a_block_that_does_not_fit_is_asked_about_at_most_once_in_ten_seconds() {
    let (ours, theirs) = (forge::chain(7, 1), forge::chain(9, 5));
    let mut house = House::holding(&ours);
    let (peer, other) = (house.join(1), house.join(2));
    house.say(peer, &block_message(&theirs[3]));
    house.say(peer, &block_message(&theirs[3]));
    house.say(peer, &block_message(&theirs[4]));
    assert_eq!(house.heard_by(peer), GREETING);
    assert_eq!(house.heard_by(other), "", "what was not checked is not told");
    house.pass(ASK_AGAIN);
    assert_eq!(house.heard_by(peer), GREETING, "asked again when it may be");
    house.pass(ASK_AGAIN * 10);
    assert_eq!(house.heard_by(peer), "", "and not for ever");
    house.say(peer, &chain_message(&theirs));
    assert_eq!(house.chain.height(), 5);
}

#[test]
fn a_block_that_we_have_is_nothing_new() {
    let blocks = forge::chain(7, 5);
    let mut house = House::holding(&blocks);
    let peer = house.join(1);
    for block in &blocks {
        house.say(peer, &block_message(block));
    }
    assert_eq!(house.heard_by(peer), "", "nobody is asked about it either");
}

#[test]
fn a_flood_of_transactions_leaves_the_pool_at_its_bound_and_everybody_with_the_same() {
    let mut one = House::new();
    let mut other = House::new();
    let all: Vec<_> =
        (0..MAX_TRANSACTIONS as u64 + 50).map(|nonce| forge::transaction(1, 2, 3, nonce)).collect();
    let (a, b) = (one.join(1), other.join(1));
    for transaction in &all {
        one.say(a, &transaction_message(transaction));
    }
    for transaction in all.iter().rev() {
        other.say(b, &transaction_message(transaction));
    }
    let pool = one.mempool_text();
    assert_eq!(pool.matches("sender").count(), MAX_TRANSACTIONS);
    assert_eq!(pool, other.mempool_text());
}

#[test]
fn a_transaction_that_a_full_pool_has_no_room_for_is_told_once_all_the_same() {
    let mut house = House::new();
    let (peer, listener) = (house.join(1), house.join(2));
    let most = MAX_TRANSACTIONS as u64;
    for nonce in 0..most + 50 {
        let message = transaction_message(&forge::transaction(1, 2, 3, nonce));
        house.say(peer, &message);
        assert_eq!(house.heard_by(listener), shown(message.clone()), "{nonce}");
        if nonce > most {
            house.say(peer, &message);
            assert_eq!(house.heard_by(listener), "", "once");
        }
    }
    assert_eq!(house.mempool_text().matches("sender").count(), MAX_TRANSACTIONS);
}

#[test]
fn a_transaction_that_no_block_takes_leaves_after_a_day_and_is_no_news_when_others_have_it_still() {
    let mut house = House::new();
    let (peer, listener) = (house.join(1), house.join(2));
    let message = transaction_message(&forge::transaction(1, 2, 3, 4));
    house.say(peer, &message);
    house.heard_by(listener);
    house.pass(MEMPOOL_AGE - Duration::from_micros(1));
    assert_ne!(house.mempool_text(), "[]");
    house.pass(Duration::from_micros(1));
    assert_eq!(house.mempool_text(), "[]");
    house.say(peer, &message);
    assert_eq!((house.mempool_text().as_str(), house.heard_by(listener).as_str()), ("[]", ""));
}

#[test]
fn a_full_chain_stays_as_it_is_and_the_block_behind_it_is_told_once() {
    let blocks = forge::chain(7, 5);
    let mut house = House::new();
    house.chain = peer_relay::protocol::bunkercoin::Bunkercoin::holding_at_most(3);
    let (peer, other) = (house.join(1), house.join(2));
    house.say(peer, &chain_message(&blocks[..3]));
    house.heard_by(other);
    assert_eq!((house.chain.height(), house.chain.counts().too_long), (3, 0));
    for _ in 0..2 {
        house.say(peer, &block_message(&blocks[3]));
    }
    assert_eq!(house.heard_by(other), shown(block_message(&blocks[3])), "once");
    assert!(house.chain.counts().too_long > 0);
    house.say(peer, &chain_message(&blocks));
    house.say(peer, &chain_message(&forge::chain(9, 4)));
    assert_eq!(house.chain_text(), crate::support::array(&blocks[..3]));
    assert!(house.desk.offences.is_empty(), "that is nobody's fault");
    assert_eq!(house.chain.pool_bytes(), 0);
}
