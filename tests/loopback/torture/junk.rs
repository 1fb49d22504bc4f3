//! Large messages that are of no use to anybody, from one peer, while another's pings return. Knows time as a bound.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::{Over, Relay, alone, eventually, frame, header, noise, stranger};

const MESSAGES: usize = 80;
const PINGS: usize = 20;
/// What each of the pings may take.
const PROMPT: Duration = Duration::from_secs(2);

/// One sends the same message again and again until the other's pings have returned, each sent a few messages after the
/// one before. How many messages, and the slowest ping.
fn pings_beside(relay: &Relay, message: &[u8]) -> (usize, Duration) {
    let (mut junk, mut quiet) = (relay.join(stranger(2)), relay.join(stranger(3)));
    let (over, begun) = (Over::default(), AtomicUsize::new(0));
    let worst = thread::scope(|scope| {
        scope.spawn(|| {
            while begun.load(Ordering::Relaxed) < MESSAGES || !over.is_it() {
                begun.fetch_add(1, Ordering::Relaxed);
                junk.send(message);
            }
        });
        let _end = over.at_last();
        let ping = |number| {
            let soon = 1 + number * MESSAGES / PINGS;
            eventually("the next message", || (begun.load(Ordering::Relaxed) >= soon).then_some(()));
            let took = quiet.ping(); // its pong is the very next thing: nothing of the junk is passed on
            assert!(took < PROMPT, "ping {number} took {took:?}");
            took
        };
        (0..PINGS).map(ping).max().unwrap()
    });
    junk.ping(); // all of it was taken, and it may go on
    quiet.ping();
    (begun.into_inner(), worst)
}

fn tell(what: &str, messages: usize, worst: Duration) {
    println!("worst of {PINGS} pings beside {messages} {what} messages of 4 MB: {worst:?}");
}

#[test]
fn eighty_spoilt_messages_of_four_megabytes_do_not_keep_a_quiet_peer_waiting() {
    let _alone = alone();
    let mut relay = Relay::start(&["--penalty", "checksum=drop"]);
    let spoilt = [&header("block", 4_000_000)[..], &noise(1, 4_000_000)].concat();
    let (messages, worst) = pings_beside(&relay, &spoilt);
    tell("spoilt", messages, worst);
    relay.stop();
    assert!(relay.log().contains(&format!(" dropped={messages} ")), "{}", relay.log());
}

#[test]
fn eighty_messages_of_four_megabytes_that_nobody_hears_do_not_keep_a_quiet_peer_waiting() {
    let _alone = alone();
    let relay = Relay::start(&[]);
    let (messages, worst) = pings_beside(&relay, &frame("pong", &noise(1, 4_000_000)));
    tell("valid", messages, worst);
}
