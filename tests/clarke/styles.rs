//! The two styles, and what tells them apart.

use std::time::Duration;

use peer_relay::protocol::clarke::STYLE_GRACE;
use proptest::prelude::*;

use crate::house::{House, message};

const PING: &str = r#"{"message_type":"ping","payload":1450310016721}"#;
const PONG: &str = r#"{"message_type":"pong","payload":1450310016721}"#;

fn kept(reply: &str) -> String {
    format!("{{\"response\":{reply}}}\n")
}

#[test]
fn one_message_and_a_blank_line_get_a_reply_and_the_end() {
    for blank in ["\n\n", "\r\n\r\n", "\n \t\n"] {
        let mut house = House::new();
        let who = house.join("192.0.2.1");
        house.say(who, &format!("{PING}{blank}"));
        assert_eq!(house.got(who), format!("{PONG}\n\n"), "{blank:?}");
        assert!(house.is_finished(who) && house.out.listening.is_empty());
    }
}

#[test]
fn a_blank_line_within_the_grace_is_early_enough_and_one_behind_it_is_not() {
    for (wait, is_kept) in [(STYLE_GRACE - Duration::from_micros(1), false), (STYLE_GRACE, true)] {
        let mut house = House::new();
        let who = house.join("192.0.2.1");
        house.say(who, &format!("{PING}\n"));
        assert_eq!(house.got(who), "", "nobody knows yet how it is to be answered");
        house.pass(wait);
        assert_eq!(house.got(who), if is_kept { kept(PONG) } else { String::new() });
        house.say(who, "\n");
        assert_eq!(house.got(who), if is_kept { String::new() } else { format!("{PONG}\n\n") });
        assert!(house.is_finished(who), "a blank line ends it either way");
    }
}

#[test]
fn the_first_byte_of_another_message_tells_and_whitespace_does_not() {
    let mut house = House::new();
    let who = house.join("192.0.2.1");
    house.say(who, &format!("{PING}\n"));
    house.say(who, " \r");
    assert_eq!(house.got(who), "");
    house.say(who, "{");
    assert_eq!(house.got(who), kept(PONG));
    house.say(who, &PING[1..]);
    assert_eq!(house.got(who), "");
    house.say(who, "\n");
    assert_eq!(house.got(who), kept(PONG), "at once from now on");
}

#[test]
fn three_requests_on_one_connection_are_answered_in_order_and_a_blank_line_ends_it() {
    let mut house = House::new();
    let who = house.join("192.0.2.1");
    let echo = message("echo", "\"pizza\"");
    house.say(who, &format!("{PING}\n{echo}\n{}\n\n{PING}\n", message("get_peers", "null")));
    let peers = message("peers", "[]");
    assert_eq!(house.got(who), format!("{}{}{}", kept(PONG), kept(&echo), kept(&peers)));
    assert!(house.is_finished(who), "what is behind the blank line is not read");
}

#[test]
fn a_blank_line_and_nothing_before_it_ends_it_too() {
    let mut house = House::new();
    let who = house.join("192.0.2.1");
    house.say(who, "\r\n");
    assert!(house.got(who).is_empty() && house.is_finished(who));
}

#[test]
fn the_end_of_the_stream_ends_a_message() {
    for (said, due) in [
        (PING.to_string(), format!("{PONG}\n\n")),
        (format!("{PING}\n"), kept(PONG)),
        (format!("{PING}\n{PING}"), kept(PONG).repeat(2)),
        (format!("{PING}\n{PING}\n"), kept(PONG).repeat(2)),
        (String::new(), String::new()),
        ("  \n".into(), String::new()),
    ] {
        let mut house = House::new();
        let who = house.join("192.0.2.1");
        house.say(who, &said);
        house.end(who);
        assert_eq!(house.got(who), due, "{said:?}");
    }
}

#[test]
fn the_published_example_over_several_lines_is_one_message() {
    let mut house = House::new();
    let who = house.join("192.0.2.1");
    house.say(who, "{\n  \"message_type\": \"echo\",\n  \"payload\": \"a  b\"\n}\n\n");
    assert_eq!(house.got(who), format!("{}\n\n", message("echo", "\"a  b\"")));
    assert!(house.is_finished(who));
}

#[test]
fn a_reply_of_one_message_is_mixed_with_nothing_that_others_say() {
    let mut house = House::new();
    let (single, many) = (house.join("192.0.2.1"), house.join("192.0.2.2"));
    house.line(many, PING);
    assert_eq!(house.got(many), kept(PONG));
    let silent = house.join("192.0.2.3");
    house.say(single, &format!("{PING}\n"));
    let other = house.join("192.0.2.4");
    let chat = message("chat", "\"hello\"");
    house.say(other, &format!("{chat}\n\n"));
    house.say(single, "\n");
    assert_eq!(house.got(single), format!("{PONG}\n\n"));
    assert_eq!(house.got(many), format!("{chat}\n"));
    assert_eq!((house.got(other), house.got(silent)), (String::new(), String::new()));
    assert!(house.is_finished(other), "a chat has no reply; the connection ends all the same");
}

#[test]
fn two_who_speak_in_turns_get_their_own_answers() {
    let mut house = House::new();
    let (one, two) = (house.join("192.0.2.1"), house.join("192.0.2.2"));
    for n in 0..20 {
        for (who, other) in [(one, two), (two, one)] {
            let (front, back) = PING.split_at(n);
            house.say(who, front);
            house.say(other, "{\"message_type\":");
            house.say(who, &format!("{back}\n"));
            house.say(other, &format!("\"echo\",\"payload\":{n}}}\n"));
        }
    }
    house.pass(STYLE_GRACE);
    for who in [one, two] {
        let due: String = (0..20)
            .flat_map(|n| {
                let echo = kept(&message("echo", &n.to_string()));
                if who == one { [kept(PONG), echo] } else { [echo, kept(PONG)] }
            })
            .collect();
        assert_eq!(house.got(who), due);
    }
}

#[test]
fn what_is_held_for_a_stream_is_told_and_given_back() {
    let mut house = House::new();
    let who = house.join("192.0.2.1");
    house.say(who, &PING[..20]);
    let stream = house.out.streams[&who];
    assert!(stream.begun == 20 && (20..100).contains(&stream.memory) && !stream.is_busy, "{stream:?}");
    house.say(who, &format!("{}\n", &PING[20..]));
    let stream = house.out.streams[&who];
    assert!(stream.begun == 0 && stream.memory >= PING.len(), "held until the style is known: {stream:?}");
    house.pass(STYLE_GRACE);
    assert_eq!(house.out.streams[&who], Default::default());
}

#[test]
fn whoever_is_over_its_rate_is_not_answered() {
    let mut house = House::new();
    let who = house.join("192.0.2.1");
    house.out.is_over_rate = true;
    house.line(who, PING);
    house.line(who, "no message");
    assert_eq!(house.got(who), "");
    assert_eq!(house.out.counted, PING.len() + "no message".len());
}

/// Lines of all kinds.
fn stream() -> impl Strategy<Value = String> {
    let line = prop::sample::select(vec![
        PING.to_string(),
        message("echo", "\"x\""),
        message("chat", "\"hello\""),
        message("get_height", "null"),
        message("add_peer", "3000"),
        "{\"message\":\"ping\"}".into(),
        "{\n\"message\"\n:\"get_peers\"\n}".into(),
        "nonsense".into(),
        "{\"message\":\n[1,\nx]".into(),
        "[]".into(),
        "12 13".into(),
        " ".into(),
    ]);
    let end = prop::sample::select(vec!["\n", "\r\n", "\n\n", "", "\n", "\n"]);
    prop::collection::vec((line, end), 0..8)
        .prop_map(|lines| lines.into_iter().map(|(line, end)| line + end).collect())
}

/// What comes of a stream in pieces, and of its end.
fn answers(stream: &str, lengths: &[usize]) -> (String, String, bool) {
    let mut house = House::new();
    let (listener, who) = (house.join("192.0.2.1"), house.join("192.0.2.2"));
    house.line(listener, PING);
    house.got(listener);
    let (mut rest, mut lengths) = (stream.as_bytes(), lengths.iter());
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(lengths.next().map_or(1, |len| *len.min(&rest.len())));
        rest = behind;
        house.say_bytes(who, piece);
    }
    let is_finished = house.is_finished(who);
    if !is_finished {
        house.end(who);
    }
    (house.got(who), house.got(listener), is_finished)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_stream_in_any_pieces_is_answered_the_same(
        stream in stream(),
        lengths in prop::collection::vec(1_usize..60, 0..20),
    ) {
        let whole = answers(&stream, &[stream.len().max(1)]);
        prop_assert_eq!(&answers(&stream, &lengths), &whole, "{:?}", stream);
        prop_assert_eq!(&answers(&stream, &[]), &whole, "{:?}", stream);
    }
}
