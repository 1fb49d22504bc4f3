//! Whatever comes, and however much of it: what is held has its bounds.

use peer_relay::protocol::clarke::{
    ANSWERS_IN_A_TURN, BLOCKS_BYTES, BLOCKS_MAX, DEAREST, POOL_BYTES, POOL_MAX, SEEN_MAX, SLICE,
};

use peer_relay::protocol::Token;

use crate::house::{House, MAX_MESSAGE, NO_PARENT, block, message, transaction};

fn payload(reply: &str) -> Vec<serde_json::Value> {
    let value: serde_json::Value = serde_json::from_str(reply).unwrap();
    value["payload"].as_array().unwrap().clone()
}

fn pool(house: &mut House) -> String {
    house.ask(&message("get_transaction_pool", "null"))
}

#[test]
fn of_a_million_transactions_the_last_are_held_and_more_are_remembered() {
    let mut house = House::new();
    let who = house.join("192.0.2.1");
    house.line(who, &message("ping", "1"));
    let said = |n: u64| message("add_transaction", &format!("{{\"n\":{n}}}"));
    for n in 0..1_000_000_u64 {
        house.say(who, &format!("{}\n", said(n)));
        assert!(house.got(who).contains("accepted"));
    }
    let held = payload(&pool(&mut house));
    assert_eq!(held.len(), POOL_MAX);
    assert_eq!((held[0]["n"].as_u64(), held[POOL_MAX - 1]["n"].as_u64()), (Some(990_000), Some(999_999)));
    for (back, is_known) in [
        (1, true),
        (POOL_MAX as u64 + 1, true),
        (SEEN_MAX as u64 / 2 - 1, true),
        (SEEN_MAX as u64 + 1, false),
    ] {
        let reply = house.ask(&said(1_000_000 - back));
        assert_eq!(reply.contains("known already"), is_known, "{back} before the last: {reply}");
    }
}

#[test]
fn large_transactions_are_bounded_by_their_bytes_and_the_answer_with_them() {
    let mut house = House::new();
    let large = |n: u64| format!("{{\"n\":{n},\"fill\":\"{}\"}}", "x".repeat(60_000));
    for n in 0..100 {
        house.ask(&message("add_transaction", &large(n)));
    }
    let answer = pool(&mut house);
    assert!(answer.len() > POOL_BYTES - MAX_MESSAGE && answer.len() < 1_000_000, "{}", answer.len());
    assert!(answer.contains("\"n\":99,") && !answer.contains("\"n\":80,"));
}

#[test]
fn what_has_left_the_pool_for_a_block_leaves_room_there() {
    let mut house = House::new();
    let fill = "x".repeat(50_000);
    for n in 0..100 {
        let mined = transaction(n).replace("{\"inputs", &format!("{{\"fill\":\"{fill}\",\"inputs"));
        house.ask(&message("add_transaction", &mined));
        assert!(pool(&mut house).contains(&fill), "{n}");
        house.ask(&message("add_block", &block(NO_PARENT, &[mined], n).0));
        assert!(!pool(&mut house).contains(&fill), "{n}");
    }
    let kept: Vec<String> = (1000..1010).map(transaction).collect();
    kept.iter().for_each(|one| assert!(house.ask(&message("add_transaction", one)).contains("accepted")));
    assert_eq!(payload(&pool(&mut house)).len(), kept.len());
}

#[test]
fn of_many_blocks_the_last_are_held_and_heights_go_on_counting() {
    let mut house = House::new();
    let (mut parent, mut hashes) = (NO_PARENT.to_string(), Vec::new());
    for n in 0..5000 {
        let (text, hash) = block(&parent, &[transaction(n)], n);
        assert!(house.ask(&message("add_block", &text)).contains("accepted"));
        hashes.push(hash.clone());
        parent = hash;
    }
    assert_eq!(house.ask(&message("get_height", "null")), message("block_height", "5000"));
    let answer = house.ask(&message("get_blocks", "null"));
    let held = payload(&answer);
    assert!(held.len() <= BLOCKS_MAX && held.len() > BLOCKS_MAX / 2, "{}", held.len());
    assert!(answer.len() < BLOCKS_BYTES + 10_000, "{}", answer.len());
    assert_eq!(held.last().unwrap()["header"]["hash"].as_str(), hashes.last().map(String::as_str));
    let gone = message("get_block", &format!("\"{}\"", hashes[0]));
    assert_eq!(house.ask(&gone), message("block_info", "null"));
    assert!(
        house.ask(&message("add_block", &block(NO_PARENT, &[transaction(0)], 0).0)).contains("known already")
    );
}

#[test]
fn where_the_latest_block_is_dropped_the_highest_of_the_others_is_the_latest() {
    let mut house = House::new();
    let first = block(NO_PARENT, &[], 0);
    let second = block(&first.1, &[], 1);
    for text in [&first.0, &second.0] {
        house.ask(&message("add_block", text));
    }
    for n in 0..=BLOCKS_MAX as u64 {
        house.ask(&message("add_block", &block(NO_PARENT, &[], 10 + n).0));
    }
    assert_eq!(house.ask(&message("get_height", "null")), message("block_height", "1"));
    let latest = house.ask(&message("get_latest_block", "null"));
    let oldest = house.ask(&message("get_blocks", "null"));
    assert_eq!(payload(&oldest).len(), 1);
    assert!(latest.contains("\"nonce\":11,"), "the first of the highest that is left: {latest}");
}

#[test]
fn a_thousand_questions_with_large_answers_are_answered_bit_by_bit_and_all() {
    let mut house = House::new();
    for n in 0..300 {
        house.ask(&message("add_transaction", &transaction(n)));
    }
    let answer = format!("{{\"response\":{}}}\n", pool(&mut house));
    assert!(answer.len() > 30_000);
    let who = house.join("192.0.2.1");
    house.line(who, &message("ping", "1"));
    house.got(who);
    let asked = format!("{}\n", message("get_transaction_pool", "null"));
    house.clarke.heard(house.now, &mut house.out, who, asked.repeat(1000).as_bytes());
    let mut turns = 0;
    let mut all = 0;
    loop {
        let got = house.got(who).len();
        assert!(got <= 2 * (ANSWERS_IN_A_TURN + answer.len()), "{got} bytes in a turn");
        all += got;
        if house.clarke.next_deadline().is_none() {
            break;
        }
        assert!(house.out.streams[&who].is_busy, "it is not read meanwhile");
        house.clarke.expired(house.now, &mut house.out);
        turns += 1;
    }
    assert_eq!(all, 1000 * answer.len());
    assert!(turns > 100 && !house.out.streams[&who].is_busy, "{turns}");
}

#[test]
fn who_does_not_take_its_answers_is_answered_no_more_until_it_has() {
    let mut house = House::new();
    (0..600).for_each(|n| drop(house.ask(&message("add_transaction", &transaction(n)))));
    let who = house.join("192.0.2.1");
    house.line(who, &message("ping", "1"));
    house.got(who);
    house.out.behind.insert(who);
    house.say(who, &format!("{}\n", message("get_transaction_pool", "null")).repeat(3));
    for due in [0, 1, 1, 1, 0] {
        house.pass(std::time::Duration::from_secs(10));
        assert_eq!(house.got(who).lines().count(), due);
        assert_eq!(house.clarke.next_deadline(), None, "nothing to be done until it has");
        house.clarke.caught_up(house.now, who);
        house.out.behind.clear();
        house.clarke.expired(house.now, &mut house.out);
        house.out.behind.insert(who);
    }
    assert!(!house.out.streams[&who].is_busy);
}

/// Many say this in one read, and one more asks something: in how many turns all is done, and the last one is.
fn crowd(house: &mut House, said: &str, answered: usize) -> usize {
    let everybody: Vec<Token> = (0..200).map(|_| house.join("192.0.2.1")).collect();
    for who in &everybody {
        house.clarke.heard(house.now, &mut house.out, *who, said.as_bytes());
    }
    let late = house.join_quietly("192.0.2.2");
    let ping = format!("{}\n\n", message("ping", "1"));
    house.clarke.heard(house.now, &mut house.out, late, ping.as_bytes());
    let (mut turns, mut late_turns) = (0, 0);
    while house.clarke.next_deadline().is_some_and(|next| next <= house.now) {
        house.clarke.expired(house.now, &mut house.out);
        turns += 1;
        late_turns += usize::from(house.is_open(late));
    }
    assert!(late_turns < turns / 3, "a message of each other, and no more: {late_turns} of {turns} turns");
    for who in everybody {
        assert_eq!(house.got(who).lines().count(), answered);
    }
    turns
}

#[test]
fn however_many_say_however_much_at_once_a_turn_is_a_slice_and_its_last_step() {
    let mut house = House::new();
    (0..600).for_each(|n| drop(house.ask(&message("add_transaction", &transaction(n)))));
    let junk = crowd(&mut house, &"[]\n".repeat(2_000), 2_000);
    let lists = crowd(&mut house, &format!("{}\n", message("get_transaction_pool", "null")).repeat(8), 8);
    assert!(junk > 100 && lists > 50, "{junk} and {lists} turns");
    assert!(house.clarke.longest_slice() < SLICE + 200, "{}", house.clarke.longest_slice());
    let all: Vec<String> = (0..800).map(|n| format!("{{\"hash\":\"{n:064}\"}}")).collect();
    let mut parent = NO_PARENT.to_string();
    let mut blocks = Vec::new();
    for n in 0..30 {
        let (text, hash) = block(&parent, if n % 2 == 0 { &all } else { &[] }, n);
        blocks.push(format!("{}\n", message("add_block", &text)));
        parent = hash;
    }
    let who = house.join("192.0.2.1");
    blocks.iter().rev().for_each(|block| house.say(who, block));
    house.pass(std::time::Duration::from_secs(1));
    assert_eq!(house.got(who).matches("accepted").count(), 30);
    let longest = house.clarke.longest_slice();
    assert!((SLICE..SLICE + DEAREST).contains(&longest), "{longest}");
}

#[test]
fn nothing_that_was_said_before_an_end_is_acted_on_after_it() {
    let mut house = House::new();
    let (listener, who) = (house.join("192.0.2.1"), house.join("192.0.2.2"));
    house.line(listener, &message("ping", "1"));
    house.got(listener);
    house.line(who, &message("ping", "1"));
    let counted = house.out.counted;
    let chat = format!("{}\n", message("chat", "1"));
    house.clarke.heard(house.now, &mut house.out, who, chat.as_bytes());
    house.out.close(who); // by somebody else, for something else
    house.turn();
    assert_eq!((house.got(listener), house.out.counted), (String::new(), counted));
}

#[test]
fn whoever_leaves_leaves_nothing() {
    let mut house = House::new();
    for n in 0..1000 {
        let who = house.join("192.0.2.1");
        match n % 4 {
            0 => house.say(who, "{\"message_type\":"),
            1 => house.say(who, "{\"message_type\":\"ping\"}\n"),
            2 => house.line(who, "{\"message_type\":\"ping\"}"),
            _ => {}
        }
        house.leave(who);
    }
    assert_eq!(house.clarke.next_deadline(), None);
}
