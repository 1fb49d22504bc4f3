//! Bunkercoin's dialect under the relay's law: what is wrong costs the address, and nobody else hears of it.

use peer_relay::protocol::bunkercoin::{DEAREST, MAX_ELEMENT, SLICE, forge};
use peer_relay::protocol::clarke::Setup;
use peer_relay::protocol::{Dialect, Flood, Networks, Offence};
use peer_relay::relay::{Law, Limits, Reason};

use crate::room::{Name, Room, Take, limits, secs};

fn house(limits: Limits) -> Room<Networks> {
    let setup = Setup { max_message: 64_000, max_peers: 64, listening: Vec::new(), seed: 7 };
    Room::under(Networks::new(setup), Law::of::<Flood>(), limits)
}

/// Turns until there is nothing more to do now.
fn settle(room: &mut Room<Networks>) {
    room.turn();
    while room.relay.next_deadline().is_some_and(|when| when <= room.now) {
        room.turn();
    }
}

fn join(room: &mut Room<Networks>, address: &str) -> Name {
    let peer = room.try_join_as(address, Dialect::Chain).expect("the door is open");
    settle(room);
    assert_eq!(room.got(peer), b"\"GetChain\"\n\"GetMempool\"\n");
    peer
}

fn say(room: &mut Room<Networks>, from: Name, bytes: &[u8]) {
    room.offer(from, bytes);
    settle(room);
    while room.is_here(from) && room.unread(from) > 0 {
        settle(room); // a turn reads until there is something to do
    }
}

fn transaction(nonce: u64) -> Vec<u8> {
    let json = forge::transaction(1, 2, 3, nonce).to_json();
    [b"{\"NewTransaction\":", json.as_slice(), b"}\n"].concat()
}

fn chain(blocks: &[peer_relay::protocol::bunkercoin::Block]) -> Vec<u8> {
    let all: Vec<Vec<u8>> = blocks.iter().map(peer_relay::protocol::bunkercoin::Block::to_json).collect();
    [b"{\"Chain\":[", all.join(&b","[..]).as_slice(), b"]}\n"].concat()
}

/// Every bad input and the rule it breaks.
fn bad_inputs() -> Vec<(&'static str, Offence, Vec<u8>)> {
    let mut forged = forge::transaction(1, 2, 3, 4);
    forged.amount = 4;
    let forged = [b"{\"NewTransaction\":", forged.to_json().as_slice(), b"}\n"].concat();
    let good = String::from_utf8(transaction(u64::MAX)).unwrap();
    let with = |part: &str, instead: &str| {
        assert!(good.contains(part), "{part}");
        good.replacen(part, instead, 1).into_bytes()
    };
    let mut bad_block = forge::chain(9, 10);
    bad_block[5].header.vdf_output[7] ^= 1;
    for next in 6..bad_block.len() {
        let (prev, time) = (bad_block[next - 1].header.hash(), bad_block[next].header.timestamp);
        bad_block[next] = forge::seal(prev, time, Vec::new());
    }
    let deep = [b"{\"NewBlock\":".as_slice(), &[b'['; 10_000]].concat();
    vec![
        ("a forged signature", Offence::Protocol, forged),
        ("a key too long", Offence::Protocol, with("\"sender\":[", "\"sender\":[0,")),
        ("a signature too long", Offence::Protocol, with("\"signature\":[", "\"signature\":[0,")),
        ("beyond u64", Offence::Protocol, with("18446744073709551615", "18446744073709551616")),
        ("no integer", Offence::Protocol, with("18446744073709551615", "1.8446744073709552e19")),
        ("ten thousand deep", Offence::Protocol, deep),
        ("no JSON", Offence::Protocol, b"{\"Chain\":[}\n".to_vec()),
        ("an unknown variant", Offence::Protocol, b"\"GetRich\"\n".to_vec()),
        ("a bad block in the middle of a longer chain", Offence::Protocol, chain(&bad_block)),
        (
            "a line without end",
            Offence::Oversize,
            [b"{\"NewBlock\":\"".as_slice(), &[b'x'; 100_000]].concat(),
        ),
    ]
}

#[test]
fn every_bad_input_costs_its_sender_the_address_and_nobody_else_hears_of_it() {
    for (what, offence, input) in bad_inputs() {
        let mut room = house(limits());
        let (liar, speaker, witness) =
            (join(&mut room, "10.0.0.1"), join(&mut room, "10.0.0.2"), join(&mut room, "10.0.0.3"));
        let held = chain(&forge::chain(7, 2));
        say(&mut room, speaker, &held);
        room.got(witness);
        room.got(speaker);
        say(&mut room, liar, &input);
        assert_eq!(room.gone(liar), Some(Reason::Banned(offence)), "{what}");
        let chain = room.relay.protocol().chain();
        assert_eq!((chain.height(), chain.pool_bytes()), (2, 0), "{what}");
        let last = transaction(9);
        say(&mut room, speaker, &last);
        assert_eq!(room.got(witness), last, "{what}");
    }
}

#[test]
fn a_gigabyte_without_a_newline_is_cut_off_at_the_longest_element() {
    for beginning in [b"{\"NewBlock\":{\"a\":\"".as_slice(), b"{\"Chain\":[{\"header\":\"", b"\""] {
        let mut room = house(limits());
        let peer = join(&mut room, "10.0.0.1");
        say(&mut room, peer, beginning);
        let mut said = 0;
        while room.is_here(peer) {
            assert!(said < MAX_ELEMENT + 20_000);
            say(&mut room, peer, &[b'x'; 10_000]);
            said += 10_000;
        }
        assert_eq!(room.gone(peer), Some(Reason::Banned(Offence::Oversize)));
        assert!(said + 10_000 > MAX_ELEMENT);
    }
}

#[test]
fn a_message_cut_off_by_the_end_of_its_stream_costs_nothing() {
    let mut room = house(limits());
    let (peer, witness) = (join(&mut room, "10.0.0.1"), join(&mut room, "10.0.0.2"));
    let json = forge::transaction(1, 2, 3, 4).to_json();
    say(&mut room, peer, &[b"{\"Mempool\":[", json.as_slice(), b","].concat());
    room.end(peer);
    settle(&mut room);
    assert_eq!(room.gone(peer), Some(Reason::Eof));
    assert!(room.got(witness).starts_with(b"{\"NewTransaction\":"), "what was told whole");
    join(&mut room, "10.0.0.1");
}

#[test]
fn who_ends_while_a_chain_is_adopted_leaves_in_order() {
    let blocks = forge::chain(9, 1_500);
    let message = chain(&blocks);
    let line = &message[..message.len() - 1];
    let mut room = house(limits());
    let (one, other) = (join(&mut room, "10.0.0.1"), join(&mut room, "10.0.0.2"));
    say(&mut room, one, line);
    say(&mut room, other, line);
    room.offer(one, b"\n");
    room.turn();
    room.end(other);
    settle(&mut room);
    assert_eq!(room.gone(other), Some(Reason::Eof));
    assert_eq!(room.relay.protocol().chain().height(), 1_500);
    assert_eq!(room.relay.protocol().chain().pool_bytes(), 0);
}

#[test]
fn who_reads_nothing_has_us_hold_one_answer_however_often_it_asks_and_however_things_change() {
    let mut room = house(limits());
    let (deaf, speaker) = (join(&mut room, "10.0.0.1"), join(&mut room, "10.0.0.2"));
    for nonce in 0..300 {
        say(&mut room, speaker, &transaction(nonce));
    }
    room.got(deaf);
    room.takes(deaf, Take::Nothing);
    let mut most = 0;
    for nonce in 300..330 {
        say(&mut room, deaf, b"\"GetMempool\"\n\"GetChain\"\n");
        say(&mut room, speaker, &transaction(nonce));
        room.pass(secs(5));
        most = most.max(room.relay.retained_bytes());
    }
    // thirty pools of 150,000 bytes would be four megabytes
    assert!(most < 600_000, "{most} bytes");
    room.takes(deaf, Take::All);
    room.pass(secs(10));
    settle(&mut room);
    let got = String::from_utf8(room.got(deaf)).unwrap();
    assert_eq!(got.matches("{\"Chain\":[").count(), 1, "what it asked is answered once it can take it");
    assert_eq!(got.matches("{\"Mempool\":[").count(), 2);
    assert!(room.relay.protocol().chain().counts().longest_slice <= SLICE + DEAREST);
}
