//! Large messages that are of no use to anybody, from one peer, while another's pings return. Knows time as a bound.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Relay, alone, eventually, frame, header, noise, stranger};

const MESSAGES: usize = 80;
const PINGS: usize = 20;
/// What each of the pings may take.
const PROMPT: Duration = Duration::from_secs(2);

/// One sends the same message again and again; of the other's pings one goes out for each few of them.
fn pings_beside(relay: &Relay, message: &[u8]) -> Duration {
    let (mut junk, mut quiet) = (relay.join(stranger(2)), relay.join(stranger(3)));
    let begun = AtomicUsize::new(0);
    let worst = thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..MESSAGES {
                begun.fetch_add(1, Ordering::Relaxed);
                junk.send(message);
            }
        });
        let ping = |number| {
            let soon = 1 + number * MESSAGES / PINGS;
            eventually("the next message", || (begun.load(Ordering::Relaxed) >= soon).then_some(()));
            quiet.ping() // its pong is the very next thing: nothing of the junk is passed on
        };
        (0..PINGS).map(ping).max().unwrap()
    });
    junk.ping(); // all of it was taken, and it may go on
    quiet.ping();
    worst
}

fn expect_prompt(what: &str, worst: Duration) {
    println!("worst of {PINGS} pings beside {MESSAGES} messages of 4 MB, {what}: {worst:?}");
    assert!(worst < PROMPT, "{worst:?}");
}

#[test]
fn eighty_spoilt_messages_of_four_megabytes_do_not_keep_a_quiet_peer_waiting() {
    let _alone = alone();
    let mut relay = Relay::start(&["--penalty", "checksum=drop"]);
    let spoilt = [&header("block", 4_000_000)[..], &noise(1, 4_000_000)].concat();
    expect_prompt("spoilt", pings_beside(&relay, &spoilt));
    relay.stop();
    assert!(relay.log().contains(&format!(" dropped={MESSAGES} ")), "{}", relay.log());
}

#[test]
fn eighty_messages_of_four_megabytes_that_nobody_hears_do_not_keep_a_quiet_peer_waiting() {
    let _alone = alone();
    let relay = Relay::start(&[]);
    expect_prompt("valid", pings_beside(&relay, &frame("pong", &noise(1, 4_000_000))));
}
