//! Addresses shut out: how long, whom with them, and who is not. Knows that junk is banned.

use peer_relay::protocol::Offence;
use peer_relay::relay::{AddressKey, Ban, Event, Limits, Reason, Refusal};
use peer_relay::time::Instant;

use crate::room::{Room, Take, frame, junk, limits, micros, secs, tx};

fn banned(left: std::time::Duration) -> Option<Refusal> {
    Some(Refusal::Banned { left, offence: Offence::Magic })
}

#[test]
fn a_ban_ends_to_the_microsecond_and_an_attempt_does_not_extend_it() {
    let mut room = Room::new(limits());
    let peer = room.join("203.0.113.9");
    room.pass(micros(17));
    room.say(peer, &junk());
    assert_eq!(room.try_join("203.0.113.9").err(), banned(secs(600)));
    for _ in 0..599 {
        room.pass(secs(1));
        assert!(room.try_join("203.0.113.9").is_err());
    }
    room.pass(secs(1) - micros(1));
    assert_eq!(room.try_join("203.0.113.9").err(), banned(micros(1)));
    room.pass(micros(1));
    assert!(room.try_join("203.0.113.9").is_ok());
    assert_eq!(room.relay.bans().len(), 0);
    assert_eq!(room.relay.stats().refused["banned"], 601);
}

#[test]
fn everybody_of_the_address_goes_in_the_same_turn_and_nobody_else() {
    for (offender, sibling, stranger) in [
        ("203.0.113.9", "203.0.113.9", "203.0.113.8"),
        ("203.0.113.9", "::ffff:203.0.113.9", "::ffff:203.0.113.8"),
        ("::ffff:203.0.113.9", "203.0.113.9", "2001:db8::203.0.113.9"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1"),
        ("fe80::1", "fe80::1", "fe80::2"),
        ("64:ff9b::1", "64:ff9b::1", "64:ff9b::2"),
    ] {
        let mut room = Room::new(limits());
        let [bad, other, good] = [offender, sibling, stranger].map(|address| room.join(address));
        room.say(bad, &junk());
        assert_eq!(room.gone(bad), Some(Reason::Banned(Offence::Magic)));
        assert_eq!(room.gone(other), Some(Reason::AddressBanned), "{sibling}");
        assert!(room.is_here(good), "{stranger}");
        assert_eq!(room.try_join(sibling).err(), banned(secs(600)));
        assert!(room.try_join(stranger).is_ok());
    }
}

#[test]
fn what_siblings_said_before_is_delivered_and_what_was_queued_for_them_is_not() {
    let mut room = Room::new(limits());
    let [bad, sibling, good] = ["203.0.113.9", "203.0.113.9", "192.0.2.1"].map(|address| room.join(address));
    room.takes(sibling, Take::Nothing);
    room.say(good, &tx(1));
    room.say(sibling, &frame("block", &[1; 5000])[..4000]);
    room.takes(sibling, Take::All);
    room.send(sibling, &frame("block", &[1; 5000])[4000..]);
    room.send(bad, &[tx(2), junk()].concat());
    room.send(sibling, &tx(3));
    room.finish();
    assert_eq!(room.got(good), [frame("block", &[1; 5000]), tx(2)].concat());
    assert!(room.got(sibling).is_empty());
    assert_eq!(room.relay.retained_bytes(), 0);
}

#[test]
fn whoever_is_never_banned_is_disconnected_alone() {
    let never_ban = vec!["203.0.113.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()];
    let mut room = Room::new(Limits { never_ban, ..limits() });
    for address in ["203.0.113.9", "::ffff:203.0.113.9", "2001:db8:1::1"] {
        let (bad, sibling) = (room.join(address), room.join(address));
        room.told();
        room.say(bad, &junk());
        assert_eq!(room.gone(bad), Some(Reason::Offence(Offence::Magic)));
        assert!(room.is_here(sibling) && room.try_join(address).is_ok());
        assert!(room.told().iter().any(|event| matches!(event, Event::Disconnected { .. })));
    }
    assert_eq!(room.relay.stats().bans, 0);
}

#[test]
fn the_list_is_bounded_and_the_ban_that_ends_soonest_goes() {
    let mut room = Room::new(Limits { max_bans: 3, ..limits() });
    for last in 1..=5 {
        let peer = room.join(&format!("203.0.113.{last}"));
        room.say(peer, &junk());
        room.pass(secs(1));
        assert!(room.relay.bans().len() <= 3);
    }
    let shut_out: Vec<bool> =
        (1..=5).map(|last| room.try_join(&format!("203.0.113.{last}")).is_err()).collect();
    assert_eq!(shut_out, [false, false, true, true, true]);
}

#[test]
fn without_room_for_a_ban_the_peers_go_all_the_same() {
    let mut room = Room::new(Limits { max_bans: 0, ..limits() });
    let [bad, sibling] = ["203.0.113.9"; 2].map(|address| room.join(address));
    room.say(bad, &junk());
    assert!(!room.is_here(bad) && !room.is_here(sibling));
    assert!(room.try_join("203.0.113.9").is_ok());
}

#[test]
fn a_restored_ban_lasts_as_long_as_it_had_left_and_never_longer_than_a_new_one() {
    let mut room = Room::new(limits());
    let of = |last: u8| AddressKey::of([203, 0, 113, last].into());
    room.pass(secs(100));
    for (last, until) in [(1, 130), (2, 1_000_000), (3, 100), (4, 7)] {
        let ban = Ban { until: Instant::START + secs(until), offence: Offence::Magic };
        room.relay.restore_ban(room.now, of(last), ban);
    }
    assert_eq!(room.relay.bans().len(), 2, "what has ended is not put on the list");
    assert_eq!(room.try_join("203.0.113.1").err(), banned(secs(30)));
    assert_eq!(room.try_join("203.0.113.2").err(), banned(secs(600)));
    assert!(room.try_join("203.0.113.3").is_ok() && room.try_join("203.0.113.4").is_ok());
}

#[test]
fn a_burst_of_bans_expires_without_anybody_asking() {
    let mut room = Room::new(Limits { max_bans: 5000, max_peers: 5000, ..limits() });
    let peers: Vec<_> = (0..3000).map(|i| room.join(&format!("10.9.{}.{}", i / 250, i % 250))).collect();
    for peer in peers {
        room.send(peer, &junk());
    }
    room.turn();
    assert_eq!((room.relay.bans().len(), room.relay.peers()), (3000, 0));
    room.pass(secs(600));
    assert_eq!((room.relay.bans().len(), room.relay.next_deadline()), (0, None));
}

#[test]
fn whoever_is_never_banned_comes_in_and_stays_though_its_64_is_shut_out() {
    let never_ban = vec!["2001:db8:1:2::9/128".parse().unwrap()];
    let mut room = Room::new(Limits { never_ban, ..limits() });
    let (ours, sibling) = ("2001:db8:1:2::9", "2001:db8:1:2::8");
    let [before, bad, good] = [ours, sibling, "192.0.2.1"].map(|address| room.join(address));
    room.say(bad, &junk());
    assert_eq!(room.gone(bad), Some(Reason::Banned(Offence::Magic)));
    assert!(room.is_here(before));
    assert_eq!(room.try_join(sibling).err(), banned(secs(600)));
    let after = room.join(ours);
    room.say(good, &tx(1));
    assert_eq!((room.got(before), room.got(after)), (tx(1), tx(1)));
}

#[test]
fn a_restored_ban_of_a_64_does_not_keep_out_whoever_is_never_banned() {
    let never_ban = vec!["2001:db8:1:2::9/128".parse().unwrap()];
    let mut room = Room::new(Limits { never_ban, ..limits() });
    let ban = Ban { until: Instant::START + secs(100), offence: Offence::Magic };
    room.relay.restore_ban(room.now, AddressKey::parse("2001:db8:1:2::/64").unwrap(), ban);
    assert!(room.try_join("2001:db8:1:2::9").is_ok());
    assert_eq!(room.try_join("2001:db8:1:2::8").err(), banned(secs(100)));
}
