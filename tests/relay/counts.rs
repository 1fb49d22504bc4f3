//! What an operator is told, and that the numbers add up. Knows every counter.

use std::io::ErrorKind;

use peer_relay::relay::{Event, Kind, Reason, Traffic};

use crate::room::{Room, Take, bad_checksum, frame, junk, limits, secs, tx};

#[test]
fn ten_of_a_kind_a_second_and_then_how_many_more() {
    let mut room = Room::new(limits());
    let peers = room.join_many(40);
    room.told();
    peers.iter().for_each(|&peer| room.reset(peer));
    let told = room.told();
    assert_eq!(told.len(), 10);
    assert!(told.iter().all(|event| matches!(event, Event::Closed { .. })));
    room.pass(secs(1));
    let more = |kind, count| Event::More { kind, count };
    assert_eq!(room.told(), [more(Kind::Connected, 30), more(Kind::Closed, 30)]);
    assert_eq!(room.relay.next_deadline(), None);
    assert_eq!(room.relay.stats().closed["reset"], 40, "counted all the same");
}

#[test]
fn a_flood_of_one_kind_hides_no_other() {
    let mut room = Room::new(limits());
    for i in 0..50 {
        let peer = room.join(&format!("203.0.113.{i}"));
        room.say(peer, &junk());
    }
    room.told();
    let peers = room.join_many(2);
    room.takes(peers[0], Take::Nothing);
    for _ in 0..9 {
        room.say(peers[1], &frame("block", &[1; 1_000_000]));
    }
    let cut_off = |event: &Event| matches!(event, Event::Closed { reason: Reason::QueueHard, .. });
    assert!(room.told().iter().any(cut_off));
}

#[test]
fn a_peers_totals_are_told_when_it_goes() {
    let mut room = Room::new(limits());
    let peers = room.join_many(2);
    room.say(peers[0], &[b"xy", tx(1).as_slice(), &frame("ping", b"?"), &tx(2)[..10]].concat());
    room.say(peers[1], &tx(3));
    room.told();
    room.pass(secs(7));
    room.reset(peers[0]);
    let told = room.told();
    let [Event::Closed { who, reason, after, incoming, outgoing, skipped, queued }] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!((who.peer.0, *reason), (1, Reason::Lost(ErrorKind::ConnectionReset)));
    assert_eq!((*after, *skipped, *queued), (secs(7), 2, 0));
    assert_eq!(*incoming, Traffic { frames: 2, bytes: 2 + 28 + 25 + 10 });
    assert_eq!(*outgoing, Traffic { frames: 2, bytes: 25 + 28 });
}

#[test]
fn the_totals_are_the_sum_of_the_peers() {
    let mut room = Room::new(limits());
    let peers = room.join_many(6);
    let (mut sent, mut got) = (0, 0);
    room.takes(peers[4], Take::Bytes(13));
    room.takes(peers[5], Take::Nothing);
    for number in 0..50 {
        let wire = [tx(number), frame("ping", b"x"), frame("tx", &vec![1; 3000 * number as usize])].concat();
        room.say(peers[number as usize % 4], &wire);
        sent += wire.len() as u64;
    }
    room.takes(peers[4], Take::All);
    room.turn();
    room.say(peers[0], &bad_checksum());
    sent += bad_checksum().len() as u64;
    for &peer in &peers {
        got += room.got(peer).len() as u64;
        room.end(peer);
        room.pass(secs(1));
    }
    room.pass(secs(10));
    let (mut incoming, mut outgoing) = (Traffic::default(), Traffic::default());
    for event in room.told() {
        if let Event::Closed { incoming: came, outgoing: went, .. } = event {
            incoming = Traffic { frames: incoming.frames + came.frames, bytes: incoming.bytes + came.bytes };
            outgoing = Traffic { frames: outgoing.frames + went.frames, bytes: outgoing.bytes + went.bytes };
        }
    }
    let stats = room.relay.stats();
    assert_eq!((stats.incoming, stats.outgoing), (incoming, outgoing));
    assert_eq!(stats.incoming, Traffic { frames: 150, bytes: sent });
    assert_eq!(stats.outgoing, Traffic { frames: 100 * 4 + 50, bytes: got });
    let closed: Vec<(&str, u64)> = stats.closed.iter().map(|(&name, &count)| (name, count)).collect();
    assert_eq!(closed, [("banned", 1), ("drain", 1), ("eof", 4)]);
    assert_eq!((stats.accepted, stats.bans), (6, 1));
}

#[test]
fn of_an_orderly_peer_nothing_is_told_while_it_is_here() {
    let mut room = Room::new(limits());
    let peer = room.join("192.0.2.1");
    room.say(peer, &[tx(1), frame("ping", b"?"), tx(2)].concat());
    room.say(peer, &tx(3)[..20]);
    assert_eq!(room.told(), []);
    room.reset(peer);
    assert_eq!(room.told().len(), 1);
}
