//! Whatever happens, in any order: nothing panics, nothing leaks, and honest peers never notice.

use std::num::NonZeroU64;
use std::time::Duration;

use peer_relay::relay::Limits;
use peer_relay::wire::Network;
use proptest::prelude::*;

use crate::room::{Room, Take, bad_checksum, bad_command, frame, junk, limits, oversize, secs};

#[derive(Clone, Debug)]
enum Step {
    Join(u8),
    /// A stranger sends something, by number.
    Send(usize, u8, usize),
    /// An honest peer sends a frame of so many bytes.
    Honest(usize, usize),
    End(usize),
    Reset(usize),
    Take(usize, Take),
    Turn,
    Pass(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..64_usize;
    let take = prop_oneof![Just(Take::All), Just(Take::Nothing), (1..5000_usize).prop_map(Take::Bytes)];
    prop_oneof![
        3 => (0..8_u8).prop_map(Step::Join),
        8 => (who.clone(), 0..10_u8, 0..9000_usize).prop_map(|(who, what, len)| Step::Send(who, what, len)),
        4 => (0..3_usize, prop_oneof![0..300_usize, 60_000..70_000_usize])
            .prop_map(|(who, len)| Step::Honest(who, len)),
        1 => who.clone().prop_map(Step::End),
        1 => who.clone().prop_map(Step::Reset),
        3 => (who, take).prop_map(|(who, take)| Step::Take(who, take)),
        5 => Just(Step::Turn),
        1 => (0..20_000_u64).prop_map(|millis| Step::Pass(Duration::from_millis(millis))),
    ]
}

fn small() -> Limits {
    let mut bounds = Limits {
        max_peers: 20,
        max_peers_per_ip: Some(4),
        ban_time: secs(30),
        max_bans: 3,
        frame_timeout: secs(15),
        queue_soft_bytes: 150_000,
        queue_hard_bytes: 300_000,
        retained_max_bytes: 400_000,
        ..limits()
    };
    bounds.decoder.max_payload = 100_000;
    bounds
}

fn said(what: u8, len: usize) -> Vec<u8> {
    match what {
        0 => bad_checksum(),
        1 => bad_command(),
        2 => junk(),
        3 => oversize(),
        4 => frame("ping", &vec![1; len % 1100]).repeat(len % 90),
        5 => frame("strange", &vec![2; 50_000 + len])[..40_000 + len].to_vec(),
        6 => frame("strange", &vec![3; len])[..len.min(20)].to_vec(),
        _ => frame("strange", &vec![4; len]),
    }
}

/// The frames of a stream that honest peers sent, and those that strangers did. Without an unfinished last.
fn parted(mut stream: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut parts = (Vec::new(), Vec::new());
    while stream.len() >= 24 {
        assert_eq!(stream[..4], Network::PRIVATE.magic.0, "a frame ends where the next begins");
        let length = u32::from_le_bytes(stream[16..20].try_into().unwrap()) as usize;
        let Some((whole, rest)) = stream.split_at_checked(24 + length) else { break };
        let part = if &whole[4..6] == b"tx" { &mut parts.0 } else { &mut parts.1 };
        part.extend_from_slice(whole);
        stream = rest;
    }
    parts
}

fn play(steps: &[Step], bounds: Limits) {
    let mut room = Room::new(bounds);
    let honest = [1, 2, 3].map(|last| room.join(&format!("192.0.2.{last}")));
    let mut strangers = Vec::new();
    let mut due: [Vec<u8>; 3] = Default::default();
    let (mut said_by_honest, mut heard_from) = (Vec::new(), Vec::new());
    for step in steps {
        let whom = |index: usize| (!strangers.is_empty()).then(|| strangers[index % strangers.len()]);
        match *step {
            Step::Join(last) => {
                room.turn(); // accept comes last
                if let Ok(stranger) = room.try_join(&format!("203.0.113.{last}")) {
                    strangers.push(stranger);
                    heard_from.push(said_by_honest.len());
                }
            }
            Step::Send(who, what, len) => {
                if let Some(who) = whom(who).filter(|&who| room.is_here(who) && room.read_limit(who) > 0) {
                    room.send(who, &said(what, len));
                }
            }
            Step::Honest(who, len) => {
                let wire = frame("tx", &vec![who as u8; len]);
                room.say(honest[who], &wire);
                said_by_honest.extend(&wire);
                (0..3).filter(|&other| other != who).for_each(|other| due[other].extend(&wire));
            }
            Step::End(who) => whom(who).into_iter().for_each(|who| room.end(who)),
            Step::Reset(who) => {
                room.turn(); // closing comes behind the outputs
                whom(who).into_iter().for_each(|who| room.reset(who));
            }
            Step::Take(who, take) => whom(who).into_iter().for_each(|who| room.takes(who, take)),
            Step::Turn => room.turn(),
            Step::Pass(span) => room.pass(span),
        }
    }
    room.turn();
    let got = honest.map(|peer| parted(&room.got(peer)));
    for (peer, (from_honest, from_strangers)) in got.iter().enumerate() {
        assert!(room.is_here(honest[peer]), "an honest peer was sent away");
        assert!(*from_honest == due[peer], "honest peer {peer} got exactly what it was due");
        assert!(*from_strangers == got[0].1, "and the same of the strangers as the others");
    }
    for (&stranger, &from) in strangers.iter().zip(&heard_from) {
        let (got, _) = parted(&room.got(stranger));
        assert!(said_by_honest[from..].starts_with(&got), "no gap and nothing twice, however slow");
        let has_all = room.is_here(stranger) && room.read_limit(stranger) > 0 && room.unsent(stranger) == 0;
        assert!(!has_all || said_by_honest[from..] == got, "with nothing unsent it has everything");
    }
    for peer in honest.into_iter().chain(strangers) {
        room.end(peer);
    }
    room.turn();
    room.pass(secs(60));
    let stats = room.relay.stats();
    assert_eq!(stats.closed.values().sum::<u64>(), stats.accepted);
    assert_eq!((room.relay.peers(), room.relay.retained_bytes(), room.relay.next_deadline()), (0, 0, None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn honest_peers_get_exactly_what_they_are_due_and_nothing_is_left_behind(
        steps in prop::collection::vec(step(), 1..150),
    ) {
        play(&steps, small());
    }

    #[test]
    fn the_same_with_a_rate_for_everybody(steps in prop::collection::vec(step(), 1..100)) {
        play(&steps, Limits { rate_messages: NonZeroU64::new(10_000), rate_bytes: NonZeroU64::new(100_000_000), ..small() });
    }
}
