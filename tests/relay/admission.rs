//! The only door in. Knows how many may come, and from where.

use peer_relay::relay::{AddressKey, Event, Limits, Refusal};

use crate::room::{Room, limits, tx};

#[test]
fn a_full_house_refuses_and_says_who_holds_most_places() {
    let mut room = Room::new(Limits { max_peers: 4, ..limits() });
    room.join("192.0.2.1");
    let [first, ..] = ["2001:db8::1", "2001:db8::2", "2001:db8::3"].map(|address| room.join(address));
    room.told();
    assert_eq!(room.try_join("192.0.2.7"), Err(Refusal::Full));
    room.turn();
    let busiest = Some((AddressKey::parse("2001:db8::/64").unwrap(), 3));
    let refused = Event::Refused { address: [192, 0, 2, 7].into(), refusal: Refusal::Full, busiest };
    assert_eq!(room.told(), [refused]);
    assert_eq!((room.relay.stats().refused["full"], room.relay.peers()), (1, 4));
    room.end(first);
    room.turn();
    assert!(room.try_join("192.0.2.7").is_ok(), "a place is free again");
    assert_eq!(room.relay.stats().accepted, 5);
}

#[test]
fn an_address_has_so_many_places_and_a_64_is_one_address() {
    let mut room = Room::new(Limits { max_peers_per_ip: Some(2), ..limits() });
    for addresses in [
        ["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"],
        ["192.0.2.9", "::ffff:192.0.2.9", "192.0.2.9", "::ffff:192.0.2.10"],
        ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:0:0:3", "2001:db8:0:1::1"],
    ] {
        let [one, two, three, elsewhere] = addresses;
        let first = room.join(one);
        room.join(two);
        let key = AddressKey::of(three.parse().unwrap());
        assert_eq!(room.try_join(three), Err(Refusal::TooManyFromAddress(key)));
        assert!(room.try_join(elsewhere).is_ok());
        room.reset(first);
        assert!(room.try_join(three).is_ok(), "one has gone");
    }
    assert_eq!(room.relay.stats().refused["too-many-from-address"], 3);
}

#[test]
fn a_place_given_again_has_nothing_of_who_was_there_before() {
    let mut room = Room::new(limits());
    let peers = room.join_many(3);
    room.say(peers[1], &tx(1)[..20]);
    room.reset(peers[1]);
    let new = room.join("192.0.2.1");
    room.say(peers[0], &tx(2));
    room.say(new, &tx(3));
    assert_eq!((room.got(new), room.got(peers[0])), (tx(2), tx(3)));
    assert_eq!(room.got(peers[2]), [tx(2), tx(3)].concat());
}

#[test]
fn a_thousand_that_come_and_vanish_leave_nothing() {
    let mut room = Room::new(limits());
    let witness = room.join("192.0.2.1");
    for i in 0..1000_u32 {
        let peer = room.join("192.0.2.2");
        room.send(peer, &tx(i)[..(i % 28) as usize]);
        if i % 2 == 0 {
            room.end(peer)
        } else {
            room.turn()
        }
        room.turn();
        room.reset(peer);
    }
    assert!(room.got(witness).is_empty());
    assert_eq!((room.relay.peers(), room.relay.retained_bytes()), (1, 0));
}

#[test]
fn the_busiest_address_is_found_wherever_it_stands_and_whoever_comes_between() {
    let addresses = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"];
    for busiest in addresses {
        let mut room = Room::new(Limits { max_peers: 10, max_peers_per_ip: Some(4), ..limits() });
        let mut there = Vec::new();
        for _ in 0..2 {
            there.extend(addresses.map(|address| (address, room.join(address))));
        }
        for _ in 0..2 {
            there.push((busiest, room.join(busiest)));
        }
        let key = AddressKey::of(busiest.parse().unwrap());
        assert_eq!(room.try_join(busiest), Err(Refusal::TooManyFromAddress(key)));
        room.turn();
        room.told();
        assert_eq!(room.try_join("203.0.113.1"), Err(Refusal::Full));
        room.turn();
        let refused = Event::Refused {
            address: [203, 0, 113, 1].into(),
            refusal: Refusal::Full,
            busiest: Some((key, 4)),
        };
        assert_eq!(room.told(), [refused], "{busiest}");
        let of = |wanted| there.iter().filter(move |&&(from, _)| from == wanted).map(|&(_, name)| name);
        of(busiest).take(3).for_each(|name| room.reset(name));
        for address in addresses.into_iter().filter(|&address| address != busiest) {
            room.join(address);
        }
        assert_eq!(room.try_join(busiest), Err(Refusal::Full), "one of it is left, and three came elsewhere");
    }
}

#[test]
#[should_panic(expected = "accept comes last in a turn")]
fn nobody_comes_before_whoever_ends_has_gone() {
    let mut room = Room::new(limits());
    let peer = room.join("192.0.2.1");
    room.end(peer);
    room.join("192.0.2.2");
}

#[test]
#[should_panic(expected = "nobody is closed while a turn is polled")]
fn nobody_goes_between_two_outputs() {
    let mut room = Room::new(limits());
    let peers = room.join_many(2);
    room.send(peers[0], &tx(1));
    assert!(room.relay.poll().is_some());
    room.reset(peers[1]);
}
