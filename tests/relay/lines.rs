//! Peers whose messages are lines, in one room with those who speak frames. Knows what a payload is spelt as.

use std::num::NonZeroU64;

use peer_relay::protocol::{Dialect, Offence, Penalty};
use peer_relay::relay::{Event, Law, Limits, Reason, Refusal};
use peer_relay::wire::{Frame, Opener};

use crate::room::{Name, Room, Take, frame, limits, micros, secs, tx};

/// Two who speak lines and two who speak frames, in this order.
fn mixed(room: &mut Room) -> [Name; 4] {
    let lines = ["192.0.2.1", "192.0.2.2"].map(|address| room.join_lines(address));
    let frames = ["198.51.100.1", "198.51.100.2"].map(|address| room.join(address));
    [lines[0], lines[1], frames[0], frames[1]]
}

fn heard(room: &mut Room, who: Name) -> String {
    String::from_utf8(room.got(who)).expect("a line is text, whatever was sent")
}

fn msg(text: &str) -> Vec<u8> {
    frame("msg", text.as_bytes())
}

#[test]
fn a_line_reaches_lines_as_a_line_and_frames_as_a_frame_and_never_its_sender() {
    let mut room = Room::new(limits());
    let [line, other_line, framed, other_framed] = mixed(&mut room);
    room.say(line, b"hello\nworld\r\n");
    assert_eq!(heard(&mut room, other_line), "hello\nworld\n");
    for who in [framed, other_framed] {
        assert_eq!(room.got(who), [msg("hello"), msg("world")].concat());
    }
    assert!(room.got(line).is_empty());
    assert_eq!(room.relay.retained_bytes(), 0);
}

#[test]
fn a_frame_called_msg_reaches_lines_and_no_other_does() {
    let mut room = Room::new(limits());
    let [line, other_line, framed, other_framed] = mixed(&mut room);
    room.say(framed, &[tx(1), msg("hello"), frame("", b"no name"), frame("ping", b"8 bytes!")].concat());
    for who in [line, other_line] {
        assert_eq!(heard(&mut room, who), "hello\n");
    }
    assert_eq!(room.got(other_framed), [tx(1), msg("hello"), frame("", b"no name")].concat());
    assert_eq!(room.got(framed), frame("pong", b"8 bytes!"));
}

#[test]
fn one_payload_is_one_line_and_drives_no_terminal() {
    let mut room = Room::new(limits());
    let [line, _, framed, other_framed] = mixed(&mut room);
    for (payload, spelt) in [
        (b"two\nlines".as_slice(), "two\\x0alines\n"),
        (b"\r\n", "\\x0d\\x0a\n"),
        (b"\x1b[2J\x07", "\\x1b[2J\\x07\n"),
        (b"gr\xfcn", "gr\\xfcn\n"),
        ("grün 漢字".as_bytes(), "grün 漢字\n"),
        ("\u{202e}x\u{2028}".as_bytes(), "\\xe2\\x80\\xaex\\xe2\\x80\\xa8\n"),
        (b"", "\n"),
    ] {
        room.say(framed, &frame("msg", payload));
        assert_eq!(heard(&mut room, line), spelt);
        assert_eq!(room.got(other_framed), frame("msg", payload), "and stays what it is to others");
    }
    let all: Vec<u8> = (0..=255).collect();
    room.say(framed, &frame("msg", &all));
    let spelt = heard(&mut room, line);
    assert_eq!(spelt.matches(|c: char| c.is_control()).collect::<Vec<_>>(), ["\n"], "{spelt}");
}

#[test]
fn a_line_of_bytes_that_are_no_text_is_bit_for_bit_to_frames() {
    let mut room = Room::new(limits());
    let [line, other_line, framed, _] = mixed(&mut room);
    room.say(line, b"tab\t, \r inside, \xff\0\n");
    assert_eq!(room.got(framed), frame("msg", b"tab\t, \r inside, \xff\0"));
    assert_eq!(heard(&mut room, other_line), "tab\\x09, \\x0d inside, \\xff\\x00\n");
}

#[test]
fn an_empty_line_is_a_message() {
    let mut room = Room::new(limits());
    let [line, other_line, framed, _] = mixed(&mut room);
    room.say(line, b"\n\r\n");
    assert_eq!(heard(&mut room, other_line), "\n\n");
    assert_eq!(room.got(framed), frame("msg", b"").repeat(2));
}

#[test]
fn a_log_is_made_only_for_a_dialect_that_somebody_speaks() {
    let mut room = Room::new(limits());
    let one = room.join_lines("192.0.2.1");
    room.send(one, b"hello\n");
    assert_eq!(room.relay.log_len(), "hello\n".len(), "nobody speaks frames");
    room.turn();
    room.reset(one);

    let framed = room.join("192.0.2.2");
    room.send(framed, &frame("msg", b"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"));
    assert_eq!(room.relay.log_len(), 34, "nobody speaks lines: spelt out it would be longer");
    room.turn();

    let line = room.join_lines("192.0.2.3");
    room.send(framed, &frame("msg", b"\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01"));
    assert_eq!(room.relay.log_len(), 41, "the longer one");
    room.turn();
    assert_eq!(heard(&mut room, line), "\\x01".repeat(10) + "\n");
    room.send(framed, &frame("tx", &[1; 100]));
    assert_eq!(room.relay.log_len(), 124);
    room.turn();
    assert!(room.got(line).is_empty());
}

#[test]
fn a_stream_of_lines_cut_anywhere_is_relayed_the_same() {
    let wire: Vec<u8> = [0, 5, 70_000, 1, 65_535]
        .iter()
        .flat_map(|&len| [vec![b'x'; len], b"\r\n".to_vec()].concat())
        .collect();
    let spelt = String::from_utf8(wire.clone()).unwrap().replace('\r', "");
    for piece in [1, 2, 7, 1000, 65_536] {
        let mut room = Room::new(Limits { max_line: 70_000, ..limits() });
        let [line, other_line, framed, _] = mixed(&mut room);
        wire.chunks(piece).for_each(|bytes| room.say(line, bytes));
        assert!(heard(&mut room, other_line) == spelt, "in pieces of {piece}");
        let frames: Vec<u8> = spelt.lines().flat_map(msg).collect();
        assert!(room.got(framed) == frames, "in pieces of {piece}");
        assert_eq!(room.relay.retained_bytes(), 0);
    }
}

#[test]
fn the_last_line_needs_no_newline() {
    let mut room = Room::new(limits());
    let [line, other_line, framed, _] = mixed(&mut room);
    room.takes(line, Take::Nothing);
    room.say(framed, &msg("are you there"));
    room.send(line, b"yes\nlast words");
    room.end(line);
    room.turn();
    assert_eq!(heard(&mut room, other_line), "are you there\nyes\nlast words\n");
    assert_eq!(room.got(framed), [msg("yes"), msg("last words")].concat());
    room.say(framed, &msg("too late"));
    room.takes(line, Take::All);
    room.turn();
    assert_eq!(
        heard(&mut room, line),
        "are you there\n",
        "what was due before its end, and nothing of its own"
    );
    assert_eq!(room.gone(line), Some(Reason::Eof));
    room.told();
    room.end(other_line);
    room.turn();
    let last = room.told().into_iter().find_map(|event| match event {
        Event::Closed { incoming, .. } => Some(incoming.frames),
        _ => None,
    });
    assert_eq!(last, Some(0), "nothing behind the last newline is no line");
}

#[test]
fn what_was_said_before_an_end_in_the_same_turn_is_due_in_both_dialects() {
    let mut room = Room::new(limits());
    let [line, other_line, framed, other_framed] = mixed(&mut room);
    room.send(framed, &msg("before"));
    room.end(other_line);
    room.end(other_framed);
    room.send(line, b"after\n");
    room.turn();
    assert_eq!(heard(&mut room, other_line), "before\n");
    assert_eq!(room.got(other_framed), msg("before"));
    assert_eq!(heard(&mut room, line), "before\n");
    assert_eq!(room.got(framed), msg("after"));
}

#[test]
fn a_line_too_long_is_the_offence_oversize_at_its_first_byte_too_many() {
    let small = Limits { max_line: 10, ..limits() };
    let mut room = Room::new(small.clone());
    let [line, other_line, framed, _] = mixed(&mut room);
    room.send(line, b"hello\n1234567890");
    room.turn();
    assert!(room.is_here(line), "its end may come");
    room.told();
    room.say(line, b"1");
    assert_eq!(room.gone(line), Some(Reason::Banned(Offence::Oversize)));
    let detail = room.told().into_iter().find_map(|event| match event {
        Event::Banned { offence: Offence::Oversize, detail, .. } => Some(detail),
        _ => None,
    });
    assert_eq!(detail.as_deref(), Some("a line of more than 10 bytes"));
    assert_eq!(heard(&mut room, other_line), "hello\n", "what it sent before is delivered");
    assert_eq!(room.got(framed), msg("hello"));
    for dialect in [Dialect::Lines, Dialect::Frames] {
        let refused = room.try_join_as("192.0.2.1", dialect);
        assert!(matches!(refused, Err(Refusal::Banned { offence: Offence::Oversize, .. })), "{refused:?}");
    }

    let mut law = Law::of::<peer_relay::protocol::Flood>();
    law.set(Offence::Oversize, Penalty::Disconnect).unwrap();
    let mut room = Room::under(peer_relay::protocol::Flood, law, small);
    let [line, other_line, ..] = mixed(&mut room);
    room.takes(line, Take::Nothing);
    room.say(other_line, b"owed\n");
    room.say(line, b"1234567890\r\n12345678901\nnot heard\n");
    assert_eq!(heard(&mut room, other_line), "1234567890\n");
    room.takes(line, Take::All);
    room.turn();
    assert_eq!(
        (heard(&mut room, line).as_str(), room.gone(line)),
        ("owed\n", Some(Reason::Offence(Offence::Oversize)))
    );
    assert!(room.try_join("192.0.2.1").is_ok(), "not banned");
}

#[test]
fn a_ban_of_a_framed_peer_takes_the_line_peers_of_its_address_along() {
    let mut room = Room::new(limits());
    let line = room.join_lines("192.0.2.1");
    let framed = room.join("192.0.2.1");
    room.say(framed, &crate::room::junk());
    assert_eq!(room.gone(framed), Some(Reason::Banned(Offence::Magic)));
    assert_eq!(room.gone(line), Some(Reason::AddressBanned));
}

#[test]
fn a_line_that_dribbles_in_has_the_frame_timeout_from_its_first_byte() {
    let mut room = Room::new(limits());
    let [line, other_line, ..] = mixed(&mut room);
    room.pass(secs(1000));
    for _ in 0..30 {
        room.say(line, b"x");
        room.pass(secs(1));
    }
    room.say(line, b"\ny");
    assert_eq!(heard(&mut room, other_line), "x".repeat(30) + "\n");
    room.pass(secs(60) - micros(1));
    assert!(room.is_here(line), "another line began when that one ended");
    room.pass(micros(1));
    assert_eq!(room.gone_at(line), Some((Reason::FrameTimeout, 1_090_000_000)));
    assert!(room.got(other_line).is_empty(), "what is not finished is not said");
    assert_eq!(room.relay.retained_bytes(), 0);
}

#[test]
fn a_slow_reader_of_lines_is_disconnected_and_slows_nobody() {
    let small = Limits { queue_soft_bytes: 4096, queue_hard_bytes: 8192, ..limits() };
    for (len, reason, when) in [(4100, Reason::QueueSoft, 10_000_000), (8200, Reason::QueueHard, 0)] {
        let mut room = Room::new(small.clone());
        let [line, other_line, framed, other_framed] = mixed(&mut room);
        room.takes(line, Take::Nothing);
        let text = "x".repeat(len);
        room.say(framed, &msg(&text));
        assert_eq!(heard(&mut room, other_line), format!("{text}\n"));
        assert_eq!(room.got(other_framed), msg(&text));
        room.pass(secs(10));
        assert_eq!(room.gone_at(line), Some((reason, when)));
        assert!(room.try_join_as("192.0.2.1", Dialect::Lines).is_ok(), "never banned");
        assert_eq!(room.relay.retained_bytes(), 0);
    }
}

#[test]
fn slow_readers_of_both_dialects_keep_each_its_own_chunks() {
    let mut room = Room::new(limits());
    let [line, other_line, framed, other_framed] = mixed(&mut room);
    for who in [line, framed] {
        room.takes(who, Take::Bytes(7));
    }
    room.send(other_line, b"one and\n");
    room.send(other_framed, &[tx(1), msg("two\n"), frame("msg", &[b'x'; 70_000])].concat());
    room.turn();
    assert!(room.relay.retained_bytes() > 140_000, "{}", room.relay.retained_bytes());
    for who in [line, framed] {
        room.takes(who, Take::All);
    }
    room.turn();
    let long = "x".repeat(70_000);
    assert_eq!(heard(&mut room, line), format!("one and\ntwo\\x0a\n{long}\n"));
    assert_eq!(room.got(framed), [msg("one and"), tx(1), msg("two\n"), msg(&long)].concat());
    assert_eq!(room.got(other_framed), msg("one and"));
    assert_eq!(heard(&mut room, other_line), format!("two\\x0a\n{long}\n"));
    assert_eq!(room.relay.retained_bytes(), 0);
}

#[test]
fn what_a_line_makes_us_hold_is_counted_and_given_back() {
    let mut room = Room::new(limits());
    let [line, other_line, ..] = mixed(&mut room);
    room.say(line, &[b'x'; 1000]);
    assert_eq!(room.relay.retained_bytes(), 1000);
    room.say(line, b"\n");
    assert_eq!((room.got(other_line).len(), room.relay.retained_bytes()), (1001, 0));
    for piece in [50_000, 14_000] {
        room.say(line, &vec![b'x'; piece]);
    }
    assert!(room.relay.retained_bytes() <= 64_001, "{}", room.relay.retained_bytes());
    room.reset(line);
    assert_eq!(room.relay.retained_bytes(), 0);
}

#[test]
fn whoever_holds_most_in_a_line_goes_when_memory_is_short() {
    let mut room = Room::new(Limits { retained_max_bytes: 1 << 20, max_line: 1_000_000, ..limits() });
    let [line, other_line, framed, _] = mixed(&mut room);
    room.say(framed, &frame("block", &[1; 200_000])[..150_000]);
    room.say(line, &vec![b'x'; 900_000]);
    assert_eq!((room.gone(line), room.is_here(framed)), (Some(Reason::Memory), true));
    room.say(other_line, b"hello\n");
    assert!(room.is_here(other_line) && room.relay.bans().is_empty());
}

#[test]
fn a_shutdown_lets_lines_take_what_is_queued_and_drops_what_is_unfinished() {
    let mut room = Room::new(limits());
    let [line, other_line, framed, _] = mixed(&mut room);
    room.takes(line, Take::Nothing);
    room.say(framed, &msg("hello"));
    room.say(other_line, b"unfinis");
    room.relay.shut_down(room.now);
    room.turn();
    assert_eq!(room.gone(other_line), Some(Reason::Shutdown));
    room.takes(line, Take::All);
    room.turn();
    assert_eq!((heard(&mut room, line).as_str(), room.gone(line)), ("hello\n", Some(Reason::Shutdown)));
    assert_eq!((room.relay.peers(), room.relay.retained_bytes()), (0, 0));
}

#[test]
fn a_line_counts_as_one_message_and_the_bytes_of_the_frame_it_becomes() {
    let mut law = Law::of::<peer_relay::protocol::Flood>();
    law.set(Offence::Flood, Penalty::Drop).unwrap();
    let rated = |messages, bytes| {
        let limits = Limits {
            rate_messages: NonZeroU64::new(messages),
            rate_bytes: NonZeroU64::new(bytes),
            ..limits()
        };
        let mut room = Room::under(peer_relay::protocol::Flood, law.clone(), limits);
        let [line, other_line, ..] = mixed(&mut room);
        room.say(line, &b"hello\r\n".repeat(30));
        heard(&mut room, other_line).lines().count()
    };
    assert_eq!(rated(10, 0), 10);
    assert_eq!(rated(0, 1), 30, "a burst is a largest frame at least");
    let mut room = Room::under(
        peer_relay::protocol::Flood,
        law.clone(),
        Limits { rate_bytes: NonZeroU64::new(1_000_024), ..limits() },
    );
    let [line, other_line, ..] = mixed(&mut room);
    room.say(line, &[b"0123456789\r\n".repeat(90_911), b"\n\n\n\n".to_vec()].concat());
    let said = heard(&mut room, other_line);
    assert_eq!(
        said.lines().filter(|line| !line.is_empty()).count(),
        1_000_024 / 34,
        "as the frames they become"
    );
}

#[test]
fn whoever_is_over_its_rate_is_not_read_and_loses_nothing() {
    let mut room = Room::new(Limits { rate_messages: NonZeroU64::new(10), ..limits() });
    let [line, other_line, ..] = mixed(&mut room);
    room.offer(line, &b"a line\n".repeat(100));
    room.turn();
    let first = heard(&mut room, other_line).lines().count();
    assert!((9..=12).contains(&first), "{first} at once");
    room.pass(secs(10));
    assert_eq!(first + heard(&mut room, other_line).lines().count(), 100);
    assert!(room.is_here(line));
}

#[test]
fn a_long_line_of_somebody_held_to_a_rate_is_read_in_pieces_that_double() {
    let mut room = Room::new(Limits { rate_messages: NonZeroU64::new(1), ..limits() });
    let [line, ..] = mixed(&mut room);
    let mut reads = 0;
    let mut sent = 0;
    while sent < 60_000 {
        let limit = room.read_limit(line).min(60_000 - sent);
        assert!(limit > 0, "nothing is charged before its end");
        room.send(line, &vec![b'x'; limit]);
        room.turn();
        (reads, sent) = (reads + 1, sent + limit);
    }
    assert!(reads <= 18, "{reads}");
    room.say(line, b"\n");
    assert_eq!(room.read_limit(line), 0);
}

#[test]
fn the_last_line_has_the_time_before_it_too() {
    let mut law = Law::of::<peer_relay::protocol::Flood>();
    law.set(Offence::Flood, Penalty::Ban).unwrap();
    let limits = Limits { rate_messages: NonZeroU64::new(1), ..limits() };
    let mut room = Room::under(peer_relay::protocol::Flood, law, limits);
    let [line, other_line, ..] = mixed(&mut room);
    room.say(line, b"a\nb");
    room.pass(secs(4));
    room.end(line);
    room.turn();
    assert_eq!(heard(&mut room, other_line), "a\nb\n");
    assert!(room.relay.bans().is_empty());
}

#[test]
fn other_protocols_are_named_and_never_banned_and_what_a_person_types_is_a_line() {
    let request = b"GET / HTTP/1.1\r\nHost: relay.example\r\nX: y\r\n\r\n".as_slice();
    let proxy = b"PROXY TCP4 192.0.2.9 192.0.2.10 5000 7334\r\nhello\n".as_slice();
    let hello = tx(1);
    let version = Frame::encode("f9beb4d9".parse().unwrap(), "version".parse().unwrap(), &[1; 100]);
    for (first, opener) in [
        (request, Opener::Http),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Opener::Http),
        (proxy, Opener::Proxy),
        (b"\r\n\r\n\0\r\nQUIT\n!\x11\0\x0c", Opener::Proxy),
        (b"\x16\x03\x01\x02\0\x01\0\x01\xfc", Opener::Tls),
        (hello.as_slice(), Opener::Frames),
        (version.as_bytes(), Opener::OtherNetwork("f9beb4d9".parse().unwrap())),
    ] {
        for piece in [1, 3, 1000] {
            let mut room = Room::new(limits());
            let [line, other_line, ..] = mixed(&mut room);
            room.told();
            first.chunks(piece).for_each(|bytes| room.say(line, bytes));
            assert_eq!(room.gone(line), Some(Reason::Opener(opener)), "{}", first.escape_ascii());
            let is_told = room
                .told()
                .iter()
                .any(|event| matches!(event, Event::Opener { opener: told, .. } if *told == opener));
            assert!(is_told && room.relay.bans().is_empty(), "{}", first.escape_ascii());
            let heard = heard(&mut room, other_line);
            let was_typed = ["\n\n", "\n\n\\x00\n"].contains(&heard.as_str());
            assert!(heard.is_empty() || was_typed && piece < 9, "{heard:?}");
        }
    }
    for typed in ["GET out", "POST it", "PROXY war", "I like HTTP/1.1", "Conversions"] {
        let mut room = Room::new(limits());
        let [line, other_line, ..] = mixed(&mut room);
        room.say(line, format!("{typed}\nGET / HTTP/1.1\n").as_bytes());
        assert_eq!(
            heard(&mut room, other_line),
            format!("{typed}\nGET / HTTP/1.1\n"),
            "only a first line is looked at"
        );
        assert!(room.is_here(line));
    }
    let mut room = Room::new(limits());
    let [line, other_line, ..] = mixed(&mut room);
    room.send(line, b"GET / HTTP/1.0");
    room.end(line);
    room.turn();
    assert_eq!((room.gone(line), room.got(other_line).len()), (Some(Reason::Opener(Opener::Http)), 0));
}
