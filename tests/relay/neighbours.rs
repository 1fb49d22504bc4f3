//! Relays that are dialled and kept up: who is dialled when, and what a peer is that came of it.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use peer_relay::protocol::{DialId, Dialect, Offence, Penalty};
use peer_relay::relay::{
    AddressKey, Ban, DIAL_TIMEOUT, Event, Limits, RETRY_FIRST, RETRY_MOST, Reason, Refusal,
};

use crate::room::{Room, Take, bad_checksum, junk, limits, secs, tx};

const ONE: DialId = DialId(0);

fn there() -> SocketAddr {
    "192.0.2.77:7333".parse().unwrap()
}

/// A room that keeps somebody up, and has been told to dial.
fn room() -> Room {
    let mut room = Room::new(limits());
    room.relay.keep_up(room.now, vec![there()], Dialect::Frames, 1);
    room.pass(Duration::ZERO);
    assert_eq!(std::mem::take(&mut room.dials), [(ONE, there())]);
    room
}

/// Time passes until somebody is to be dialled. How long that took.
fn until_dialed(room: &mut Room) -> Duration {
    let from = room.now;
    while room.dials.is_empty() {
        let next = room.relay.next_deadline().expect("it is tried again");
        room.pass(next.since(room.now));
    }
    room.dials.clear();
    room.now.since(from)
}

fn refuse(room: &mut Room) {
    room.relay.undialed(room.now, ONE, ErrorKind::ConnectionRefused);
}

#[test]
fn who_is_kept_up_is_dialled_at_once_and_hears_everything_from_then_on() {
    let mut room = room();
    let guest = room.join("192.0.2.1");
    room.say(guest, &tx(1));
    let neighbour = room.dialed(ONE, there());
    room.say(guest, &tx(2));
    assert_eq!(room.got(neighbour), tx(2), "what came before it was there is not due to it");
    room.say(neighbour, &tx(3));
    assert_eq!((room.got(guest), room.got(neighbour).len()), (tx(3), 0));
    assert_eq!((room.relay.stats().dialed, room.relay.stats().accepted, room.relay.peers()), (1, 1, 2));
    assert_eq!(room.relay.next_deadline(), None, "nothing is to be done while it is there");
}

#[test]
fn whoever_is_not_there_is_tried_again_ever_more_rarely_and_told_once() {
    let mut room = room();
    let mut most = RETRY_FIRST;
    for _ in 0..8 {
        refuse(&mut room);
        let waited = until_dialed(&mut room);
        assert!(waited > most * 3 / 4 && waited <= most, "{waited:?} of {most:?}");
        most = (most * 2).min(RETRY_MOST);
    }
    let undialed = Event::Undialed { dial: ONE, at: there(), why: ErrorKind::ConnectionRefused };
    refuse(&mut room);
    room.turn();
    assert_eq!(room.told(), [undialed]);
}

#[test]
fn an_attempt_is_given_up_to_the_microsecond_and_made_again() {
    let mut room = room();
    room.pass(DIAL_TIMEOUT - Duration::from_micros(1));
    assert!(room.given_up.is_empty());
    room.pass(Duration::from_micros(1));
    assert_eq!(room.given_up, [ONE]);
    assert_eq!(room.told(), [Event::Undialed { dial: ONE, at: there(), why: ErrorKind::TimedOut }]);
    assert!(until_dialed(&mut room) <= RETRY_FIRST);
}

#[test]
fn one_that_never_answers_delays_no_other() {
    let mut room = Room::new(limits());
    let places: Vec<SocketAddr> = (1..=3).map(|nth| SocketAddr::new([192, 0, 2, nth].into(), 7333)).collect();
    for (seed, &at) in places.iter().enumerate() {
        room.relay.keep_up(room.now, vec![at], Dialect::Frames, seed as u64);
    }
    room.pass(Duration::ZERO);
    assert_eq!(room.dials.len(), 3);
    let neighbour = room.dialed(DialId(1), places[1]);
    room.relay.undialed(room.now, DialId(2), ErrorKind::ConnectionRefused);
    room.dials.clear();
    room.pass(RETRY_FIRST);
    assert_eq!(room.dials, [(DialId(2), places[2])], "while the first is still under way");
    let guest = room.join("192.0.2.1");
    room.say(guest, &tx(1));
    assert_eq!(room.got(neighbour), tx(1));
}

#[test]
fn a_name_leads_to_all_its_addresses_one_after_the_other_without_a_wait() {
    let mut room = Room::new(limits());
    let id = room.relay.keep_up(room.now, Vec::new(), Dialect::Frames, 1);
    room.pass(secs(1));
    assert!(room.dials.is_empty());
    assert!(room.told().is_empty(), "whoever resolves it says that it cannot");
    let [first, second]: [SocketAddr; 2] =
        ["[2001:db8::1]:7333", "192.0.2.1:7333"].map(|at| at.parse().unwrap());
    room.relay.resolved(room.now, id, vec![first, second]);
    room.pass(Duration::ZERO);
    room.relay.undialed(room.now, id, ErrorKind::NetworkUnreachable);
    room.pass(Duration::ZERO);
    assert_eq!(room.dials, [(id, first), (id, second)]);
    let neighbour = room.dialed(id, second);
    assert!(room.told().iter().all(|event| matches!(event, Event::Dialed { .. })), "nothing failed");
    room.reset(neighbour);
    room.turn();
    room.told();
    room.dials.clear();
    for _ in 0..2 {
        until_dialed(&mut room);
        room.relay.undialed(room.now, id, ErrorKind::NetworkUnreachable);
        until_dialed(&mut room);
        room.relay.undialed(room.now, id, ErrorKind::ConnectionRefused);
    }
    let why = ErrorKind::ConnectionRefused;
    assert_eq!(
        room.told(),
        [Event::Undialed { dial: id, at: second, why }],
        "once, when none is left to try"
    );
}

#[test]
fn a_name_that_was_unknown_at_first_and_leads_nowhere_then_is_told() {
    let mut room = Room::new(limits());
    let id = room.relay.keep_up(room.now, Vec::new(), Dialect::Frames, 1);
    room.pass(secs(1));
    room.relay.resolved(room.now, id, vec![there()]);
    room.pass(Duration::ZERO);
    room.relay.undialed(room.now, id, ErrorKind::ConnectionRefused);
    room.turn();
    assert!(matches!(room.told().as_slice(), [Event::Undialed { .. }]));
}

#[test]
fn before_it_is_tried_again_its_name_is_to_be_resolved_again() {
    let mut room = room();
    refuse(&mut room);
    assert_eq!(room.relay.unresolved().collect::<Vec<_>>(), [ONE]);
    assert_eq!(room.relay.unresolved().count(), 0, "said once");
    let moved: SocketAddr = "192.0.2.78:7333".parse().unwrap();
    room.relay.resolved(room.now, ONE, vec![moved]);
    room.pass(RETRY_FIRST);
    assert_eq!(std::mem::take(&mut room.dials), [(ONE, moved)]);
    let neighbour = room.dialed(ONE, moved);
    room.reset(neighbour);
    assert_eq!(room.relay.unresolved().collect::<Vec<_>>(), [ONE]);
}

#[test]
fn whoever_is_lost_is_told_and_dialled_again() {
    let mut room = room();
    let neighbour = room.dialed(ONE, there());
    room.pass(secs(60));
    room.told();
    room.reset(neighbour);
    room.turn();
    let told = room.told();
    let [Event::Closed { reason, .. }, Event::Lost { dial: ONE, retry_in, .. }] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!(*reason, Reason::Lost(ErrorKind::ConnectionReset));
    assert_eq!(until_dialed(&mut room), *retry_in);
    room.dialed(ONE, there());
    assert!(matches!(room.told().as_slice(), [Event::Dialed { dial: ONE, .. }]));
}

#[test]
fn a_neighbour_that_breaks_the_rules_is_dropped_and_dialled_again_and_its_address_never_banned() {
    for words in [bad_checksum(), junk()] {
        let mut room = room();
        let neighbour = room.dialed(ONE, there());
        let [guest, other] = ["192.0.2.1", "192.0.2.77"].map(|address| room.join(address));
        room.say(neighbour, &words);
        room.turn();
        assert!(matches!(room.gone(neighbour), Some(Reason::Offence(_))), "{:?}", room.gone(neighbour));
        assert_eq!((room.relay.stats().bans, room.relay.bans().len()), (0, 0));
        assert!(room.is_here(guest) && room.is_here(other));
        assert!(until_dialed(&mut room) <= RETRY_FIRST);
        room.say(other, &junk());
        room.turn();
        assert!(!room.is_here(other) && room.relay.bans().is_empty(), "nor by somebody else from there");
    }
}

#[test]
fn a_ban_from_before_the_start_shuts_no_neighbour_out() {
    let mut room = room();
    let key = AddressKey::of(there().ip());
    room.relay.restore_ban(room.now, key, Ban { until: room.now + secs(99), offence: Offence::Magic });
    assert!(room.try_join("192.0.2.77").is_ok());
    let neighbour = room.dialed(ONE, there());
    room.say(neighbour, &tx(1));
    assert!(room.is_here(neighbour));
}

#[test]
fn a_neighbour_has_a_place_that_no_stranger_gets_and_counts_for_no_address() {
    let mut room = Room::new(Limits { max_peers: 3, max_peers_per_ip: Some(1), ..limits() });
    room.relay.keep_up(room.now, vec![there()], Dialect::Frames, 1);
    room.pass(Duration::ZERO);
    room.join("192.0.2.1");
    room.join("192.0.2.2");
    assert_eq!(room.try_join("192.0.2.3"), Err(Refusal::Full));
    let neighbour = room.dialed(ONE, there());
    assert_eq!(room.try_join("192.0.2.3"), Err(Refusal::Full));
    room.reset(neighbour);
    room.turn();
    assert_eq!(room.try_join("192.0.2.3"), Err(Refusal::Full), "its place waits for it");

    let mut room = Room::new(Limits { max_peers_per_ip: Some(1), ..limits() });
    room.relay.keep_up(room.now, vec![there()], Dialect::Frames, 1);
    room.dialed(ONE, there());
    assert!(room.try_join("192.0.2.77").is_ok());
    assert!(matches!(room.try_join("192.0.2.77"), Err(Refusal::TooManyFromAddress(_))));
}

#[test]
fn a_neighbour_that_does_not_read_is_cut_off_like_anybody_and_dialled_again() {
    let mut room = Room::new(Limits { queue_soft_bytes: 1000, queue_hard_bytes: 2000, ..limits() });
    room.relay.keep_up(room.now, vec![there()], Dialect::Frames, 1);
    room.pass(Duration::ZERO);
    room.dials.clear();
    let neighbour = room.dialed(ONE, there());
    let guest = room.join("192.0.2.1");
    room.takes(neighbour, Take::Nothing);
    (0..100).for_each(|number| room.say(guest, &tx(number)));
    assert_eq!(room.gone(neighbour), Some(Reason::QueueHard));
    assert!(until_dialed(&mut room) <= RETRY_FIRST);
    assert_eq!(room.relay.retained_bytes(), 0);
}

#[test]
fn when_we_go_attempts_end_and_nobody_is_dialled_again() {
    let mut room = Room::new(limits());
    for seed in 0..3 {
        room.relay.keep_up(room.now, vec![there()], Dialect::Frames, seed);
    }
    room.pass(Duration::ZERO);
    let neighbour = room.dialed(DialId(0), there());
    room.relay.undialed(room.now, DialId(1), ErrorKind::ConnectionRefused);
    room.dials.clear();
    room.relay.shut_down(room.now);
    room.turn();
    assert_eq!(room.given_up, [DialId(2)], "the one that was under way");
    assert_eq!(room.gone(neighbour), Some(Reason::Shutdown));
    room.pass(secs(3600));
    assert!(room.dials.is_empty());
    assert!(room.told().iter().all(|event| !matches!(event, Event::Lost { .. })));
    assert_eq!((room.relay.peers(), room.relay.next_deadline()), (0, None));
}

#[test]
fn a_penalty_of_drop_leaves_the_neighbour_where_it_is() {
    let mut law = peer_relay::relay::Law::of::<peer_relay::protocol::Flood>();
    law.set(Offence::Checksum, Penalty::Drop).unwrap();
    let mut room = Room::under(peer_relay::protocol::Flood, law, limits());
    room.relay.keep_up(room.now, vec![there()], Dialect::Frames, 1);
    let neighbour = room.dialed(ONE, there());
    room.say(neighbour, &bad_checksum());
    assert!(room.is_here(neighbour));
}
