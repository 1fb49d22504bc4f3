//! Thousands who come and go at once, beside a conversation. Knows descriptors and memory.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::conversation::Conversation;
use crate::support::{Over, QUICK, Relay, alone, eventually, frame, header, noise, stranger};

/// At the least: they go on until the conversation has had its rounds.
const FLAPPERS: usize = 5_000;
const ROUNDS: u64 = 20;
const THREADS: usize = 2;
/// What the allocator may keep of a storm's lists and buffers, bytes.
const SLACK: u64 = 4 << 20;

/// What the `index`th of them does before it is gone.
fn flap(relay: &Relay, index: usize, large: &[u8]) {
    let from = Ipv4Addr::new(127, 4, 0, 1 + (index % 16) as u8).into();
    let mut peer = relay.connect_from(from);
    let small = frame("flap", &noise(index as u64, 500));
    match index % 8 {
        0 => drop(peer),
        1 => peer.reset(),
        2 => {
            peer.try_send(&small[..300]);
            peer.reset();
        }
        3 => drop(peer.try_send(&small[..10])),
        4 => drop(peer.try_send(large)),
        5 => {
            peer.try_send(&frame("ping", b""));
            peer.reset();
        }
        6 => {
            peer.try_send(&[&small, &small[..300]].concat());
            peer.reset();
        }
        _ => {
            peer.try_send(&small);
            peer.finish();
        }
    }
}

#[test]
fn five_thousand_who_come_and_go_cost_a_conversation_nothing_and_leave_nothing_behind() {
    let _alone = alone();
    let mut relay = Relay::start(&[]);
    let members = (2..6).map(|last| relay.join(stranger(last))).collect();
    let mut conversation = Conversation::among(members);
    let large = [&header("block", 4_000_000)[..], &noise(1, 60_000)].concat();
    conversation.round(&[70, 3_000, 20_000]);
    let descriptors = relay.descriptors();
    let all_are_gone = || {
        relay.join(stranger(6)); // it was accepted after all of them
        eventually("descriptors are back to where they began", || {
            (relay.descriptors() == descriptors).then_some(())
        });
    };
    // what the first few leave in the allocator is not what thousands leave
    (0..64).for_each(|index| flap(&relay, index, &large));
    all_are_gone();
    let memory = relay.memory("VmRSS");
    let (over, gone) = (Over::default(), AtomicUsize::new(0));
    let worst = thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !over.is_it() {
                    flap(&relay, gone.fetch_add(1, Ordering::Relaxed), &large);
                }
            });
        }
        let _end = over.at_last();
        let mut worst = Duration::ZERO;
        while gone.load(Ordering::Relaxed) < FLAPPERS || conversation.rounds() < ROUNDS {
            worst = worst.max(conversation.round(&[70, 0, 3_000, 1, 20_000]));
        }
        worst
    });
    all_are_gone();
    let after = relay.memory("VmRSS");
    println!(
        "{gone:?} flappers: {} rounds beside them, the slowest {worst:?}; {memory} B before, {after} B after",
        conversation.rounds()
    );
    assert!(worst < QUICK, "{worst:?}");
    assert!(after < memory + SLACK, "{memory} B before, {after} B after");
    conversation.end();
    relay.stop();
    assert!(relay.log().contains("bans=0"), "nobody did anything wrong");
}
