//! The longest valid chain wins, whole or not at all.

use std::time::Duration;

use peer_relay::protocol::bunkercoin::{ASK_AGAIN, Block, Record, SEAT_PATIENCE, SEATS, Transaction, forge};

use crate::support::{
    GREETING, House, array, block_message, chain_message, shown, text, transaction_message,
};

/// A chain that goes on behind this one, each block with one of these.
fn grown(chain: &[Block], transactions: &[&Transaction]) -> Vec<Block> {
    let mut chain = chain.to_vec();
    for transaction in transactions {
        chain.push(forge::block(chain.last(), 7, vec![Transaction::clone(transaction)]));
    }
    chain
}

#[test]
fn a_longer_chain_replaces_ours_and_everybody_else_hears_of_its_last_block() {
    let (ours, theirs) = (forge::chain(7, 3), forge::chain(9, 4));
    let mut house = House::holding(&ours);
    let (peer, other) = (house.join(1), house.join(2));
    house.say(peer, &chain_message(&theirs));
    assert_eq!(house.chain_text(), array(&theirs));
    assert_eq!(house.heard_by(peer), "");
    assert_eq!(house.heard_by(other), shown(block_message(&theirs[3])));
    assert_eq!(house.chain.pool_bytes(), 0, "nothing of it is held twice");
}

#[test]
fn of_two_equally_long_the_one_held_stays() {
    let (ours, theirs) = (forge::chain(7, 3), forge::chain(9, 3));
    let mut house = House::holding(&ours);
    let (peer, other) = (house.join(1), house.join(2));
    house.say(peer, &chain_message(&theirs));
    house.say(peer, &chain_message(&theirs[..2]));
    house.say(peer, &chain_message(&ours));
    house.say(peer, &chain_message(&ours[..1]));
    assert_eq!(house.chain_text(), array(&ours));
    assert_eq!((house.heard_by(peer), house.heard_by(other)), (String::new(), String::new()));
    assert_eq!(house.chain.pool_bytes(), 0);
}

#[test]
fn a_longer_chain_is_ours_only_once_its_line_has_ended() {
    let theirs = forge::chain(9, 4);
    let mut house = House::holding(&forge::chain(7, 3));
    let peer = house.join(1);
    let message = chain_message(&theirs);
    for end in [message.len() - 3, message.len() - 2, message.len() - 1] {
        let mut house = House::holding(&forge::chain(7, 3));
        let peer = house.join(1);
        house.say(peer, &message[..end]);
        assert_eq!(house.chain.height(), 3);
        assert!(house.chain.pool_bytes() > 0);
        house.leave(peer);
        house.settle();
        assert_eq!((house.chain.height(), house.chain.pool_bytes()), (3, 0), "who leaves takes it along");
    }
    let broken = [&message[..message.len() - 1], b"x\n"].concat();
    house.say(peer, &broken);
    assert_eq!((house.desk.offences.len(), house.chain.height()), (1, 3));
}

#[test]
fn transactions_follow_the_chain_and_come_back_when_it_is_dropped() {
    let [a, b, c] = [1, 2, 3].map(|nonce| forge::transaction(1, 2, 3, nonce));
    let root = forge::chain(7, 1);
    let ours = grown(&root, &[&a, &b]);
    let theirs = grown(&root, &[&b, &c, &c]);
    let mut house = House::new();
    let peer = house.join(1);
    for transaction in [&a, &b, &c] {
        house.say(peer, &transaction_message(transaction));
    }
    let pool = |house: &mut House| {
        let text = house.mempool_text();
        [&a, &b, &c].map(|it| text.contains(&String::from_utf8(it.to_json()).unwrap()))
    };
    house.say(peer, &chain_message(&ours));
    assert_eq!(pool(&mut house), [false, false, true]);
    house.say(peer, &chain_message(&theirs));
    assert_eq!(house.chain_text(), array(&theirs));
    assert_eq!(pool(&mut house), [true, false, false], "only what is in no block waits");
    let other = house.join(2);
    house.say(peer, &transaction_message(&c));
    assert_eq!(house.heard_by(other), "", "what is in the chain is not told again");
    let last = grown(&theirs, &[&a]);
    house.say(peer, &block_message(last.last().unwrap()));
    assert_eq!((house.chain.height(), house.mempool_text().as_str()), (5, "[]"));
}

/// Two who were apart: what one had in a block, and the other has never heard of, must not wait at one alone.
#[test]
fn what_comes_back_is_told_to_whoever_told_the_longer_chain_and_to_nobody_else() {
    let [a, b] = [1, 2].map(|nonce| forge::transaction(1, 2, 3, nonce));
    let root = forge::chain(7, 1);
    let mut house = House::holding(&grown(&root, &[&a, &b]));
    let (teller, other) = (house.join(1), house.join(2));
    house.heard_by(teller);
    house.heard_by(other);
    let theirs = grown(&root, &[&b, &b, &b]);
    house.say(teller, &chain_message(&theirs));
    let told = String::from_utf8(transaction_message(&a)).unwrap();
    assert_eq!(house.heard_by(teller), told, "b is in their chain as well");
    let tip = String::from_utf8(block_message(theirs.last().unwrap())).unwrap();
    assert_eq!(house.heard_by(other), tip, "who was told of it when it was new");
}

#[test]
fn a_reorganisation_is_cheap_where_most_is_shared() {
    let root = forge::chain(7, 50);
    let [a, b] = [1, 2].map(|nonce| forge::transaction(1, 2, 3, nonce));
    let ours = grown(&root, &[&a]);
    let theirs = grown(&root, &[&b, &b]);
    let mut house = House::holding(&ours);
    let peer = house.join(1);
    let before = house.turns;
    house.say(peer, &chain_message(&theirs));
    assert_eq!(house.chain_text(), array(&theirs));
    assert!(house.turns - before < 12, "{} turns: what is ours is not checked again", house.turns - before);
}

#[test]
fn what_was_shared_and_is_not_any_more_is_asked_for_again() {
    let root = forge::chain(7, 3);
    let [a, b] = [1, 2].map(|nonce| forge::transaction(1, 2, 3, nonce));
    let slow_chain = grown(&root, &[&a, &a, &a]);
    let mut house = House::holding(&root);
    let (slow, quick) = (house.join(1), house.join(2));
    let message = chain_message(&slow_chain);
    let half = text(&root[0]).len() * 2 + 40;
    house.say(slow, &message[..half]);
    let other = forge::chain(9, 5);
    house.say(quick, &chain_message(&other));
    assert_eq!(house.chain_text(), array(&other));
    house.say(slow, &message[half..]);
    assert!(house.desk.offences.is_empty(), "it could not know");
    assert_eq!((house.chain.height(), house.chain.counts().let_go), (5, 1));
    house.heard_by(slow);
    house.pass(ASK_AGAIN);
    assert_eq!(house.heard_by(slow), GREETING);
    house.say(slow, &message);
    assert_eq!(house.chain_text(), array(&slow_chain));
    let _ = b;
}

#[test]
fn who_has_us_wait_gives_its_place_up_to_those_who_wait_for_it() {
    let theirs = forge::chain(9, 3);
    let message = chain_message(&theirs);
    let half = message.len() / 2;
    let mut house = House::new();
    let slow: Vec<_> = (0..SEATS as u32).map(|number| house.join(number)).collect();
    for &peer in &slow {
        house.say(peer, &message[..half]);
    }
    let quick = house.join(100);
    house.say_in_pieces(quick, &message, message.len());
    house.settle();
    assert!(house.is_busy(quick), "no place is free");
    assert_eq!(house.chain.height(), 0);
    house.pass(SEAT_PATIENCE * 3);
    assert_eq!(house.chain.height(), 3, "one has become free");
    assert!(house.desk.offences.is_empty() && house.chain.counts().let_go > 0);
}

#[test]
fn two_stores_that_talk_agree() {
    let mut houses = [House::holding(&forge::chain(7, 3)), House::holding(&forge::chain(9, 5))];
    let transaction = forge::transaction(1, 2, 3, 4);
    let teller = houses[0].join(5);
    houses[0].say(teller, &transaction_message(&transaction));
    let peer = peer_relay::protocol::Token(1);
    houses.iter_mut().for_each(|house| house.enter(peer));
    for _ in 0..20 {
        for at in [0, 1] {
            houses[at].settle();
            let said = houses[at].heard_by(peer);
            houses[1 - at].say(peer, said.as_bytes());
        }
        houses.iter_mut().for_each(|house| house.pass(Duration::from_secs(1)));
    }
    let [one, other] = &mut houses;
    assert_eq!(one.chain_text(), array(&forge::chain(9, 5)));
    assert_eq!((one.chain_text(), one.mempool_text()), (other.chain_text(), other.mempool_text()));
    assert!(one.mempool_text().len() > 2);
}

#[test]
fn the_records_of_a_life_give_the_same_chain_and_pool_again() {
    let [a, b] = [1, 2].map(|nonce| forge::transaction(1, 2, 3, nonce));
    let root = forge::chain(7, 2);
    let (ours, theirs) = (grown(&root, &[&a]), grown(&root, &[&b, &b]));
    let mut house = House::new();
    house.chain.keep_journal();
    let peer = house.join(1);
    let mut again = House::new();
    for message in [
        transaction_message(&a),
        chain_message(&ours),
        chain_message(&theirs),
        transaction_message(&forge::transaction(3, 4, 5, 6)),
        block_message(grown(&theirs, &[&a]).last().unwrap()),
    ] {
        house.say(peer, &message);
        let mut restored = 0;
        while house.chain.next_record(|record| again.chain.restore(record).unwrap()) {
            restored += 1;
        }
        assert!(restored > 0);
        assert_eq!(again.chain_text(), house.chain_text());
        assert_eq!(again.mempool_text(), house.mempool_text());
    }
    assert!(again.chain.restore(Record::Block(text(&root[0]).as_bytes())).is_err(), "what does not follow");
    assert!(again.chain.restore(Record::Branch(99)).is_err());
}
