//! Many peers with long chains at once: bounded, fair, in slices.

use std::time::Duration;

use peer_relay::protocol::Token;
use peer_relay::protocol::bunkercoin::{
    Block, DEAREST, MAX_BLOCK, MAX_ELEMENT, MAX_TRANSACTIONS, PARTING_MAX, POOL_BYTES, SLICE, Transaction,
    forge,
};

use crate::support::{GREETING, House, array, block_message, chain_message, text, transaction_message};

/// A chain, and what each of so many peers tells: the same but for its own end.
fn chains(blocks: usize, peers: u64) -> (Vec<Block>, Vec<Vec<u8>>) {
    let common = forge::chain(9, blocks - 1);
    let tell = |nonce| {
        let mut own = common.clone();
        own.push(forge::block(own.last(), 0, vec![forge::transaction(1, 2, 3, nonce)]));
        chain_message(&own)
    };
    let messages = (0..peers).map(tell).collect();
    (common, messages)
}

/// What this thread has had of a processor: other processes of this host do not count.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap(), u32::try_from(time.tv_nsec).unwrap())
}

/// Everybody tells its chain as fast as it is read, while somebody wants to be heard in between.
fn crowd(blocks: usize, peers: u64) {
    let (common, messages) = chains(blocks, peers);
    let mut house = House::new();
    let (talker, witness) = (house.join(1_000), house.join(1_001));
    let tellers: Vec<Token> = (0..messages.len() as u32).map(|number| house.join(number)).collect();
    let mut told = vec![0; messages.len()];
    let (mut nonce, mut most, mut longest_wait) = (0, 0, 0);
    let mut waits_since = None;
    let (mut slowest, mut spent) = (Duration::ZERO, Duration::ZERO);
    loop {
        for (&teller, (message, told)) in tellers.iter().zip(messages.iter().zip(&mut told)) {
            if *told < message.len() && !house.is_busy(teller) {
                let piece = &message[*told..message.len().min(*told + 64 * 1024)];
                *told += piece.len();
                house.chain.heard(house.now, &mut house.desk, teller, piece);
            }
        }
        if waits_since.is_none() {
            nonce += 1;
            let message = transaction_message(&forge::transaction(8, 9, 1, nonce % 100));
            house.chain.heard(house.now, &mut house.desk, talker, &message);
            waits_since = Some(house.turns);
        }
        let began = processor_time();
        house.turn();
        let took = processor_time() - began;
        slowest = slowest.max(took);
        spent += took;
        if !house.is_busy(talker) {
            longest_wait = longest_wait.max(house.turns - waits_since.take().unwrap_or(house.turns));
        }
        let memory: usize = house.desk.streams.values().map(|stream| stream.memory).sum();
        most = most.max(memory);
        if told.iter().zip(&messages).all(|(told, message)| *told == message.len())
            && tellers.iter().all(|teller| !house.is_busy(*teller))
        {
            break;
        }
    }
    house.settle();
    let counts = *house.chain.counts();
    eprintln!(
        "{peers} peers with {blocks} blocks each: {} turns, {most} bytes held at most, {counts:?}, \
         a transaction waited for {longest_wait} turns at most; {spent:?} in all, {slowest:?} the slowest turn",
        house.turns
    );
    assert!(house.desk.offences.is_empty(), "{:?}", house.desk.offences);
    assert_eq!(house.chain.height(), blocks);
    assert!(house.chain_text().starts_with(array(&common).trim_end_matches(']')));
    assert!(most < POOL_BYTES / 4, "{most} bytes");
    assert!(counts.longest_slice <= SLICE + DEAREST, "{counts:?}");
    assert!(longest_wait < 30, "a transaction waited for {longest_wait} turns");
    assert!(house.heard_by(witness).contains("NewTransaction"));
    assert_eq!((house.chain.pool_bytes(), counts.adopted), (0, 1));
}

#[test]
fn a_hundred_peers_with_a_thousand_blocks_each_are_held_once_and_hold_up_nobody() {
    crowd(1_000, 100);
}

#[test]
fn a_hundred_peers_with_ten_thousand_blocks_each_are_held_once_and_hold_up_nobody() {
    crowd(10_000, 100);
}

#[test]
fn no_slice_is_longer_than_it_says_whatever_is_in_it() {
    let full = |nonce: u64| -> Vec<Transaction> {
        let most = (MAX_BLOCK - 140) / Transaction::ENCODED;
        (0..most as u64).map(|it| forge::transaction(1, 2, u64::MAX - 7, nonce * 100 + it)).collect()
    };
    let mut ours = forge::chain(7, 1);
    let mut theirs = ours.clone();
    for at in 0..9 {
        ours.push(forge::block(ours.last(), 7, full(at)));
        theirs.push(forge::block(theirs.last(), 7, full(at + 50)));
    }
    let last = forge::block(ours.last(), 7, full(20));
    theirs.push(forge::block(theirs.last(), 7, full(90)));
    theirs.push(forge::block(theirs.last(), 7, full(91)));
    let mut house = House::holding(&ours);
    let peers: Vec<Token> = (0..20).map(|number| house.join(number)).collect();
    for nonce in 0..MAX_TRANSACTIONS as u64 {
        house.say(peers[0], &transaction_message(&forge::transaction(3, 4, u64::MAX, u64::MAX - nonce)));
    }
    // as long as may be read at all, for what nobody knows in it
    let mut padded = text(&last).replacen('{', "{\"memo\":\"", 1);
    let filler = "x".repeat(MAX_ELEMENT - padded.len() - 20);
    padded = padded.replacen("\"memo\":\"", &format!("\"memo\":\"{filler}\","), 1);
    let padded = format!("{{\"NewBlock\":{padded}}}\n");
    for peer in &peers {
        house.chain.heard(house.now, &mut house.desk, *peer, padded.as_bytes());
        house.chain.heard(house.now, &mut house.desk, *peer, GREETING.as_bytes());
    }
    house.settle();
    assert_eq!(house.chain.height(), 11);
    let longer: Vec<u8> = chain_message(&theirs);
    for peer in &peers[..3] {
        house.say_in_pieces(*peer, &longer, 64 * 1024);
    }
    house.settle();
    assert_eq!(house.chain.height(), 12);
    house.say(peers[1], &block_message(&forge::block(theirs.last(), 7, full(95))));
    for peer in &peers {
        house.chain.heard(house.now, &mut house.desk, *peer, GREETING.as_bytes());
    }
    house.pass(Duration::from_secs(100));
    assert!(house.desk.offences.is_empty(), "{:?}", house.desk.offences);
    let counts = *house.chain.counts();
    assert!(counts.longest_slice <= SLICE + DEAREST, "{counts:?}");
    assert!(counts.longest_slice > SLICE, "it is measured: {counts:?}");
    assert_eq!(house.chain.pool_bytes(), 0);
}

#[test]
fn a_block_that_one_told_and_left_while_another_waits_for_its_check_is_held_by_nobody() {
    let block = forge::chain(9, 1).remove(0);
    let chain = chain_message(std::slice::from_ref(&block));
    for at in 0..30 {
        let mut house = House::new();
        let (one, other) = (house.join(1), house.join(2));
        house.chain.heard(house.now, &mut house.desk, one, &chain[..chain.len() - 3]);
        house.chain.heard(house.now, &mut house.desk, other, &block_message(&block));
        let ticket = house.chain.submit_block(&block.to_json());
        (0..at).for_each(|_| house.turn());
        house.leave(one);
        house.turn();
        house.chain.withdraw(ticket);
        house.settle();
        assert_eq!(house.chain.pool_bytes(), 0, "left after {at} turns");
    }
}

#[test]
fn a_block_under_check_counts_as_its_senders_and_once() {
    let transactions = (0..60).map(|nonce| forge::transaction(1, 2, 3, nonce)).collect();
    let block = forge::block(None, 7, transactions);
    let mut house = House::new();
    let peers: Vec<Token> = (0..10).map(|number| house.join(number)).collect();
    for peer in &peers {
        house.chain.heard(house.now, &mut house.desk, *peer, &block_message(&block));
    }
    let mut memory = 0;
    while house.chain.height() == 0 {
        memory = peers.iter().map(|peer| house.desk.streams[peer].memory).sum();
        house.turn();
    }
    let length = text(&block).len();
    assert!((length..length * 3).contains(&memory), "{memory} for a block of {length}");
}

#[test]
fn who_says_something_and_ends_again_and_again_fills_no_more_than_there_may_be() {
    let before = forge::chain(7, 1);
    let mut house = House::holding(&before);
    for number in 0..PARTING_MAX as u32 * 2 {
        let peer = Token(number);
        house.enter(peer);
        house.turn();
        let transactions = (0..30).map(|it| forge::transaction(1, 2, u64::from(number), it)).collect();
        let tip = &before[0].header;
        let block = forge::seal(tip.hash(), tip.timestamp + 30, transactions);
        let message = block_message(&block);
        house.chain.heard(house.now, &mut house.desk, peer, &message[..message.len() - 1]);
        house.turn();
        house.end(peer);
        house.leave(peer);
        assert!(house.chain.handed_in() <= PARTING_MAX, "{}", house.chain.handed_in());
    }
    house.settle();
    assert_eq!((house.chain.height(), house.chain.handed_in()), (2, 0));
}
