//! What is no message ends nothing but itself.

use peer_relay::protocol::Offence;
use peer_relay::protocol::clarke::REPLY_MARGIN;

use crate::house::{House, MAX_MESSAGE, message};

const PING: &str = r#"{"message_type":"ping","payload":1}"#;
const PONG_LINE: &str = "{\"response\":{\"message_type\":\"pong\",\"payload\":1}}\n";

#[test]
fn every_bad_message_gets_an_error_reply_in_both_styles_and_the_next_is_answered() {
    for (bad, why) in [
        ("hello", "invalid JSON at byte 0"),
        ("{\"message_type\":\"ping\"", "not complete"),
        ("{\"message_type\":\"ping\"}}", "something behind the message in its line, at byte 23"),
        (&format!("{PING} {PING}"), "something behind"),
        ("\"ping\"", "a message is an object"),
        ("[\"ping\",1]", "a message is an object"),
        ("12", "a message is an object"),
        ("null", "a message is an object"),
        ("{}", "no message_type"),
        ("{\"payload\":1}", "no message_type"),
        ("{\"message_type\":1}", "no text"),
        ("{\"message_type\":null}", "no message_type"),
        ("{\"message\":[]}", "no text"),
        ("{\"message_type\":\"ping\",\"message\":\"ping\"}", "both"),
        ("{\"message_type\":\"ping\",\"message_type\":\"ping\"}", "twice"),
        ("{\"message_type\":\"ping\",\"payload\":1,\"payload\":2}", "twice"),
        ("{\"message_type\":\"\\ud800\"}", "no text"),
        ("{\"\\ud800\":1,\"message_type\":\"ping\"}", "no text"),
        ("{\"message_type\":\"ping\u{7}\"}", "invalid JSON at byte 21"),
        ("{'message_type':'ping'}", "invalid JSON at byte 1"),
        (&"[".repeat(10_000), "nested more than 64 deep at byte 64"),
        (&"{\"a\":".repeat(10_000), "nested more than 64 deep"),
        ("GET / HTTP/1.1", "invalid JSON"),
    ] {
        let mut house = House::new();
        let who = house.join("192.0.2.1");
        house.say(who, &format!("{bad}\n\n"));
        let reply = house.got(who);
        assert!(reply.contains(why), "{bad}: {reply}");
        let value: serde_json::Value = serde_json::from_str(reply.strip_suffix("\n\n").unwrap()).unwrap();
        assert!(value.get("payload").is_some());
        assert!(house.is_finished(who) && house.out.offences.is_empty());

        if bad.starts_with("{\"message_type\":\"ping\"") && !bad.ends_with('}') {
            continue; // goes on in the next line
        }
        let who = house.join("192.0.2.2");
        house.say(who, &format!("{bad}\n{PING}\n"));
        let replies = house.got(who);
        let rest = replies.strip_suffix(PONG_LINE).unwrap_or_else(|| panic!("{bad}: {replies}"));
        assert!(
            rest.starts_with("{\"response\":{") && rest.contains(why) && rest.lines().count() == 1,
            "{rest}"
        );
        assert!(house.is_open(who));
    }
}

#[test]
fn bytes_that_are_no_text_get_an_error_reply_too() {
    let mut house = House::new();
    let who = house.join("192.0.2.1");
    house.say_bytes(who, b"{\"message_type\":\"\xff\"}\n\xfe\xff\n\0\n");
    house.say(who, &format!("{PING}\n"));
    let replies = house.got(who);
    assert!(replies.contains("not UTF-8") && replies.ends_with(PONG_LINE), "{replies}");
    assert_eq!(replies.lines().count(), 4);
}

#[test]
fn a_message_in_lines_that_goes_wrong_costs_what_came_of_it_and_no_more() {
    let mut house = House::new();
    let who = house.join("192.0.2.1");
    house.say(who, &format!("{{\"message_type\":\n\"echo\"\n{PING}\n{PING}\n"));
    let replies = house.got(who);
    let lines: Vec<&str> = replies.lines().collect();
    assert!(lines[0].contains("invalid JSON at byte 24"), "{replies}");
    assert_eq!(lines[1..], [PONG_LINE.trim_end(); 2]);
}

/// An echo of so many bytes.
fn echo(len: usize) -> String {
    message("echo", &format!("\"{}\"", "x".repeat(len - message("echo", "\"\"").len())))
}

#[test]
fn a_request_too_long_is_refused_and_no_offence_for_a_reply_may_be_longer() {
    let mut house = House::new();
    let who = house.join("192.0.2.1");
    for len in [MAX_MESSAGE + 1, MAX_MESSAGE + REPLY_MARGIN] {
        house.line(who, &echo(len));
        let reply = house.got(who);
        assert!(reply.contains("a message of more than 64000 bytes") && reply.len() < 200, "{reply}");
        assert!(house.out.offences.is_empty());
    }
    house.line(who, PING);
    assert_eq!(house.got(who), PONG_LINE);
}

#[test]
fn a_message_too_long_is_an_offence_at_the_first_byte_too_many() {
    let mut house = House::new();
    let who = house.join("192.0.2.1");
    let longest = echo(MAX_MESSAGE);
    house.say(who, &format!("{longest}\r\n"));
    house.say(who, &longest[..100]);
    assert_eq!(house.got(who), format!("{{\"response\":{longest}}}\n"));
    house.say(who, &longest[100..]);
    house.say(who, &" ".repeat(REPLY_MARGIN));
    assert!(house.out.offences.is_empty() && house.is_open(who));
    house.say(who, " ");
    assert_eq!(house.out.offences, [(who, Offence::Oversize)]);
}

#[test]
fn a_gigabyte_without_a_newline_is_one_offence_and_little_memory() {
    for byte in [b' ', b'"', b'{', b'x'] {
        let mut house = House::new();
        let (who, other) = (house.join("192.0.2.1"), house.join("192.0.2.2"));
        let piece = [byte; 1 << 14];
        let mut fed = 0;
        while fed < 1 << 30 && house.is_open(who) {
            house.say_bytes(who, &piece);
            fed += piece.len();
            assert!(house.out.streams[&who].memory <= MAX_MESSAGE + REPLY_MARGIN);
        }
        assert!(fed <= MAX_MESSAGE + REPLY_MARGIN + piece.len(), "{fed} bytes were read");
        assert_eq!(house.out.offences, [(who, Offence::Oversize)]);
        house.line(other, PING);
        assert_eq!(house.got(other), PONG_LINE);
    }
}

#[test]
fn a_silent_peer_delays_nobody() {
    let mut house = House::new();
    let silent = house.join("192.0.2.1");
    house.say(silent, "{\"message_type\":");
    let who = house.join("192.0.2.2");
    house.say(who, &format!("{PING}\n\n"));
    assert!(house.got(who).starts_with("{\"message_type\":\"pong\""));
    assert_eq!(house.got(silent), "");
}
