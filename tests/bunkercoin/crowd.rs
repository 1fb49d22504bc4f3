//! Many peers with long chains at once: bounded, fair, in slices.

use std::time::Duration;

use peer_relay::protocol::Token;
use peer_relay::protocol::bunkercoin::{Block, DEAREST, POOL_BYTES, SLICE, forge};

use crate::support::{House, array, chain_message, transaction_message};

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
    assert!(counts.longest_slice < SLICE + DEAREST, "{counts:?}");
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
