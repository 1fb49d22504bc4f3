#![cfg(test)]

//! Streams in pieces of every size; what is no message ends nothing but itself.

use proptest::prelude::*;

use super::*;

const MAX: usize = 40;

/// Everything that comes of a stream in pieces as long as the lengths say, then one by one, and of its end.
fn events(stream: &[u8], lengths: &[usize]) -> Vec<Event> {
    let (mut reader, mut events, mut rest) = (Stream::default(), Vec::new(), stream);
    let mut lengths = lengths.iter();
    while !rest.is_empty() {
        let (mut piece, behind) = rest.split_at(lengths.next().map_or(1, |len| (*len).min(rest.len())));
        rest = behind;
        while let Some(event) = reader.next(MAX, &mut piece) {
            events.push(event);
        }
        assert!(piece.is_empty());
        assert!(reader.memory() <= MAX && reader.begun() <= MAX + 1, "{reader:?}");
    }
    events.extend(reader.finish());
    events
}

fn whole(stream: &str) -> Vec<Event> {
    let events = events(stream.as_bytes(), &[stream.len()]);
    assert_eq!(events, self::events(stream.as_bytes(), &[]), "{stream:?} byte by byte");
    events
}

fn message(text: &str) -> Event {
    Event::Message(text.into())
}

fn wrong(at: usize) -> Event {
    Event::Malformed(Fault::Json { error: JsonError::Syntax, at })
}

fn behind(at: usize) -> Event {
    Event::Malformed(Fault::Behind { at })
}

fn incomplete() -> Event {
    Event::Malformed(Fault::Incomplete)
}

#[test]
fn a_line_is_a_message_and_a_blank_line_is_none() {
    assert_eq!(whole("{\"a\":1}\n"), [message("{\"a\":1}")]);
    assert_eq!(whole("{\"a\": 1}\r\n\r\n"), [message("{\"a\": 1}"), Event::Blank]);
    assert_eq!(whole(" 7 \n8\n \t\n"), [message("7"), message("8"), Event::Blank]);
    assert_eq!(whole("\n\n"), [Event::Blank, Event::Blank]);
    assert_eq!(whole("  "), []);
}

#[test]
fn a_message_may_take_several_lines_and_loses_their_whitespace() {
    let text = "{\n  \"a\" : \"b  \\\" \\\\\",\r\n\t\"c\": [ 1 ]\n}\n\n";
    assert_eq!(whole(text), [message("{\"a\":\"b  \\\" \\\\\",\"c\":[1]}"), Event::Blank]);
}

#[test]
fn the_end_of_the_stream_ends_a_message() {
    for text in ["{}", "12", "\"a\"", "true ", " {} \r"] {
        assert_eq!(whole(text), [message(text.trim())]);
        assert_eq!(whole(&format!("1\n{text}")), [message("1"), message(text.trim())]);
    }
    for text in ["{", "\"a", "tru", "-", "[\n1"] {
        assert_eq!(whole(text), [incomplete()], "{text}");
    }
    assert_eq!(whole("nul}"), [wrong(3)]);
}

#[test]
fn what_is_malformed_ends_with_its_line_and_says_where_it_went_wrong() {
    assert_eq!(whole("{a}\n{}\n"), [wrong(1), message("{}")]);
    assert_eq!(whole("hello {} []\n\n"), [wrong(0), Event::Blank]);
    assert_eq!(whole("{} {}\n1\n"), [behind(3), message("1")]);
    assert_eq!(whole("{}x"), [behind(2)]);
    assert_eq!(whole("\"a\n1\n"), [wrong(2), message("1")]);
    assert_eq!(events(b"\"\xff\"\n", &[9]), [Event::Malformed(Fault::NotUtf8)]);
}

#[test]
fn a_fault_in_a_later_line_costs_the_lines_before_and_that_line_begins_anew() {
    assert_eq!(whole("{\"a\":\n{\"b\":2}\n"), [incomplete()], "there is no fault in it yet");
    assert_eq!(whole("{\"a\"\n{\"b\":2}\n3\n"), [wrong(5), message("{\"b\":2}"), message("3")]);
    assert_eq!(whole("[1,\n2\n3]\n"), [wrong(6), behind(1)]);
    assert_eq!(whole("[1,\nx\n3\n"), [wrong(4), wrong(0), message("3")]);
    assert_eq!(whole("[1,\n\"x\n3\n"), [wrong(6), wrong(2), message("3")]);
    assert_eq!(whole("[1,\n2] 3\n4\n"), [behind(7), behind(1), message("4")]);
}

#[test]
fn a_blank_line_ends_what_is_not_complete() {
    assert_eq!(whole("{\"a\":\n\n{}\n"), [incomplete(), Event::Blank, message("{}")]);
    assert_eq!(whole("[\n1\n \r\n"), [incomplete(), Event::Blank]);
}

#[test]
fn as_long_as_allowed_and_one_byte_longer() {
    let text = |len: usize| format!("\"{}\"", "x".repeat(len - 2));
    for end in ["\n", "\r\n", ""] {
        let stream = format!("{}{end}1\n", text(MAX));
        let stream = if end.is_empty() { text(MAX) } else { stream };
        assert_eq!(whole(&stream)[0], message(&text(MAX)));
        assert_eq!(whole(&format!("{}{end}", text(MAX + 1)))[0], Event::Oversize);
    }
    assert_eq!(whole(&format!("{}\r \n1\n", text(MAX))), [Event::Oversize, message("1")]);
    assert_eq!(whole(&format!("{}\n1\n", "x".repeat(MAX))), [wrong(0), message("1")]);
    assert_eq!(whole(&format!("{}\n1\n", "x".repeat(MAX + 1))), [Event::Oversize, message("1")]);
    assert_eq!(whole(&" ".repeat(1000)), [Event::Oversize], "whitespace is counted");
    let lines = |n: usize| format!("[{}1]\n", "1,\n".repeat(n));
    assert_eq!(whole(&lines(12))[0], message(&lines(12).replace('\n', "")), "39 bytes");
    assert_eq!(whole(&lines(13))[0], Event::Oversize, "42 bytes, newlines counted");
}

#[test]
fn a_gigabyte_without_a_newline_is_an_offence_at_its_first_byte_too_many() {
    for (byte, total) in [(b'"', 1 << 30), (b' ', 1 << 20), (b'[', 1 << 20), (b'1', 1 << 20), (0xff, 1 << 20)]
    {
        let (mut reader, piece, mut fed) = (Stream::default(), [byte; 1 << 16], 0_u64);
        let mut found = Vec::new();
        while fed < total {
            let mut input = if fed == 0 { &piece[..2] } else { piece.as_slice() };
            fed += input.len() as u64;
            while let Some(event) = reader.next(64_000, &mut input) {
                found.push(event);
            }
            assert!(reader.memory() <= 64_000);
        }
        assert_eq!(found, [Event::Oversize], "{byte:?}: once, whatever comes then");
    }
}

#[test]
fn ten_thousand_brackets_are_too_deep_and_end_with_their_line() {
    let mut reader = Stream::default();
    let stream = format!("{}\n{}\n{{}}\n", "[".repeat(10_000), "{\"a\":".repeat(10_000));
    let mut input = stream.as_bytes();
    let deep = |at| Event::Malformed(Fault::Json { error: JsonError::TooDeep, at });
    for due in [deep(64), deep(64 * 5), message("{}")] {
        assert_eq!(reader.next(64_000, &mut input), Some(due));
    }
}

/// Lines that are messages, nearly so, and not at all.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        "\n",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        " ",
        "{\"a\":1}",
        "{\"a\":",
        "\"b\"",
        "12",
        "true",
        "x",
        "\"",
        "\\",
        "[1,\n2]\n",
        "            ",
        "é",
    ]);
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat().into_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_stream_in_any_pieces_gives_the_same(
        stream in stream(),
        lengths in prop::collection::vec(1_usize..30, 0..20),
    ) {
        prop_assert_eq!(events(&stream, &lengths), events(&stream, &[stream.len()]));
    }

    #[test]
    fn a_valid_line_behind_anything_and_a_newline_is_heard(stream in stream()) {
        let mut stream = stream;
        stream.extend(b"\n\n{\"last\":0}\n");
        prop_assert_eq!(events(&stream, &[stream.len()]).pop(), Some(message("{\"last\":0}")));
    }
}
