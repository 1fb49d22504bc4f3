//! The table from offence to penalty, each allowed cell of it. Knows what Flood relays.

use peer_relay::protocol::{Breach, Flood, Offence, Outbox, Penalty, Protocol, Token};
use peer_relay::relay::{Event, Law, Limits, Reason, Refusal, allowed};
use peer_relay::wire::{Frame, Opener};
use std::num::NonZeroU64;

use crate::room::{Name, Room, bad_checksum, bad_command, frame, junk, limits, oversize, tx};

/// Flood with one rule of its own: nobody says `rude`.
struct Polite;

impl Protocol for Polite {
    const NAME: &'static str = "polite";

    fn default_penalty(offence: Offence) -> Penalty {
        Flood::default_penalty(offence)
    }

    fn received(&mut self, out: &mut impl Outbox, from: Token, frame: Frame<'_>) -> Result<(), Breach> {
        if frame.command().as_str() == "rude" {
            return Err(Breach("rude is rude".into()));
        }
        Flood.received(out, from, frame)
    }
}

fn breaking(offence: Offence) -> Vec<u8> {
    match offence {
        Offence::Magic => junk(),
        Offence::Oversize => oversize(),
        Offence::Command => bad_command(),
        Offence::Checksum => bad_checksum(),
        Offence::Flood => tx(77),
        Offence::Protocol => frame("rude", b""),
    }
}

/// An offender, another peer of its address, and a third that hears them.
fn scene(offence: Offence, penalty: Penalty) -> (Room<Polite>, [Name; 3]) {
    let mut law = Law::of::<Polite>();
    law.set(offence, penalty).unwrap();
    let rate_messages = (offence == Offence::Flood).then_some(NonZeroU64::MIN);
    let mut room = Room::under(Polite, law, Limits { rate_messages, ..limits() });
    let names = ["203.0.113.9", "203.0.113.9", "192.0.2.1"].map(|address| room.join(address));
    room.told();
    (room, names)
}

fn cells() -> impl Iterator<Item = (Offence, Penalty)> {
    Offence::ALL
        .into_iter()
        .flat_map(|offence| allowed(offence).iter().map(move |&penalty| (offence, penalty)))
}

#[test]
fn every_offence_costs_what_the_law_says_and_what_came_before_is_relayed() {
    for (offence, penalty) in cells() {
        let case = format!("{offence}={penalty}");
        let (mut room, [offender, sibling, other]) = scene(offence, penalty);
        room.say(offender, &[tx(1), breaking(offence), tx(2)].concat());
        let heard = match (penalty, offence) {
            (Penalty::Drop, Offence::Flood) => tx(1), // the third is over the rate as well
            (Penalty::Drop, _) => [tx(1), tx(2)].concat(),
            (Penalty::Pause, _) => [tx(1), tx(77), tx(2)].concat(), // nothing that was read is lost
            (Penalty::Disconnect | Penalty::Ban, _) => tx(1),
        };
        assert_eq!(room.got(other), heard, "{case}");
        let (own, siblings) = match penalty {
            Penalty::Drop | Penalty::Pause => (None, None),
            Penalty::Disconnect => (Some(Reason::Offence(offence)), None),
            Penalty::Ban => (Some(Reason::Banned(offence)), Some(Reason::AddressBanned)),
        };
        let sibling_heard = if penalty == Penalty::Ban { Vec::new() } else { heard };
        assert_eq!(room.got(sibling), sibling_heard, "{case}");
        assert_eq!((room.gone(offender), room.gone(sibling)), (own, siblings), "{case}");
    }
}

#[test]
fn every_penalty_is_told_and_counted() {
    for (offence, penalty) in cells() {
        let case = format!("{offence}={penalty}");
        let (mut room, [offender, ..]) = scene(offence, penalty);
        room.say(offender, &[tx(1), breaking(offence)].concat());
        let kind = |event: &Event| match event {
            Event::Dropped { offence, .. } => format!("dropped {offence}"),
            Event::Paused { .. } => "paused".into(),
            Event::Disconnected { offence, .. } => format!("disconnected {offence}"),
            Event::Banned { offence, .. } => format!("banned {offence}"),
            Event::Closed { reason, .. } => format!("closed {reason}"),
            Event::Skipped { .. } => "skipped".into(),
            other => panic!("{other:?}"),
        };
        let mut told: Vec<String> = room.told().iter().map(kind).collect();
        told.retain(|event| event != "skipped");
        let stats = room.relay.stats();
        let counts = (stats.dropped_frames, stats.pauses, stats.bans);
        let (expected, numbers): (Vec<String>, _) = match penalty {
            Penalty::Drop => (vec![format!("dropped {offence}")], (1, 0, 0)),
            Penalty::Pause => (vec!["paused".into()], (0, 1, 0)),
            Penalty::Disconnect => {
                (vec![format!("disconnected {offence}"), "closed offence".into()], (0, 0, 0))
            }
            Penalty::Ban => (
                vec![format!("banned {offence}"), "closed banned".into(), "closed address-banned".into()],
                (0, 0, 1),
            ),
        };
        assert_eq!((told, counts), (expected, numbers), "{case}");
    }
}

#[test]
fn only_a_ban_shuts_the_address_out() {
    for (offence, penalty) in cells() {
        let (mut room, [offender, ..]) = scene(offence, penalty);
        room.say(offender, &[tx(1), breaking(offence)].concat());
        let expected = match penalty {
            Penalty::Ban => Some(Refusal::Banned { left: limits().ban_time, offence }),
            Penalty::Drop | Penalty::Pause | Penalty::Disconnect => None,
        };
        assert_eq!(room.try_join("203.0.113.9").err(), expected, "{offence}={penalty}");
        assert!(room.try_join("203.0.113.10").is_ok());
    }
}

#[test]
fn the_frame_after_an_offence_that_ends_the_connection_is_never_relayed_however_it_comes() {
    for (offence, penalty) in cells().filter(|(_, penalty)| *penalty >= Penalty::Disconnect) {
        let wire = [tx(1), breaking(offence), tx(2)].concat();
        for piece in [1, 7, 30] {
            let (mut room, [offender, _, other]) = scene(offence, penalty);
            wire.chunks(piece).for_each(|bytes| room.send(offender, bytes));
            room.turn();
            assert_eq!(room.got(other), tx(1), "{offence}={penalty} in pieces of {piece}");
        }
    }
}

#[test]
fn the_detail_names_the_frame_and_both_checksums() {
    let mut room = Room::new(limits());
    let peers = room.join_many(1);
    room.say(peers[0], &[tx(1), tx(2), bad_checksum()].concat());
    let detail = room.told().into_iter().find_map(|event| match event {
        Event::Banned { detail, .. } => Some(detail),
        _ => None,
    });
    let detail = detail.expect("it is banned");
    assert!(detail.starts_with("tx, 16 B, frame 3: header says "), "{detail}");
    assert!(detail.contains("payload gives "), "{detail}");
}

#[test]
fn another_protocols_opener_is_named_and_not_banned_whole_or_byte_by_byte() {
    let version = [b"\xf9\xbe\xb4\xd9version\0\0\0\0\0".as_slice(), &[0; 94]].concat();
    for (first, opener) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 and so on and so on".to_vec(), "TLS"),
        (b"GET / HTTP/1.1\r\nHost: relay.example\r\n\r\n".to_vec(), "HTTP"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n".to_vec(), "the PROXY protocol"),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0cabcdefghijkl".to_vec(), "the PROXY protocol"),
        (version, "a peer of mainnet (magic f9beb4d9)"),
    ] {
        for piece in [1, 3, 1000] {
            for max_skip in [0, 3, 23] {
                let mut bounds = limits();
                bounds.decoder.max_skip = max_skip;
                let mut room = Room::new(bounds);
                let peer = room.join("192.0.2.9");
                first.chunks(piece).for_each(|bytes| room.say(peer, bytes));
                let case = format!("{opener} in pieces of {piece}, window of {max_skip}");
                assert!(!room.is_here(peer), "{case}");
                assert!(room.try_join("192.0.2.9").is_ok(), "banned: {case}");
                let name = room.told().into_iter().find_map(|event| match event {
                    Event::Opener { opener, .. } => Some(opener.to_string()),
                    _ => None,
                });
                if max_skip == 23 {
                    assert_eq!(name.as_deref(), Some(opener), "{case}");
                    assert!(matches!(room.gone(peer), Some(Reason::Opener(_))), "{case}");
                }
            }
        }
    }
}

#[test]
fn an_opener_behind_a_valid_frame_is_junk_like_any_other() {
    let mut room = Room::new(limits());
    let peer = room.join("192.0.2.9");
    room.say(peer, &[tx(1), b"GET / HTTP/1.1\r\nHost: relay.example\r\n\r\n".to_vec()].concat());
    assert_eq!(room.gone(peer), Some(Reason::Banned(Offence::Magic)));
    assert_ne!(room.gone(peer), Some(Reason::Opener(Opener::Http)));
}

#[test]
fn junk_within_the_window_is_skipped_counted_and_told_once() {
    let mut room = Room::new(limits());
    let peers = room.join_many(2);
    for number in 0..5 {
        room.say(peers[0], &[&[b'x'; 23], tx(number).as_slice()].concat());
    }
    assert_eq!(room.got(peers[1]), (0..5).flat_map(tx).collect::<Vec<u8>>());
    let told = room.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(matches!(told[0], Event::Skipped { .. }));
    assert_eq!(room.relay.stats().skipped_bytes, 5 * 23);
    room.say(peers[0], &[&[b'x'; 24], tx(9).as_slice()].concat());
    assert_eq!(room.gone(peers[0]), Some(Reason::Banned(Offence::Magic)));
}
