#![cfg(test)]

//! Whatever serde_json takes the scanner takes, and it ends and fails where serde_json does, however the text is cut.

use proptest::prelude::*;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::*;

/// What became of a text fed in pieces.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    /// A value of depth 0 ends before this byte.
    Value(usize),
    /// There is an error at this byte.
    Error(usize, JsonError),
    /// More must come; or not, when its end is a value's.
    More { ends_here: bool },
}

/// The first value of depth 0, or the first error. Pieces are as long as the lengths say, then one by one.
fn first(text: &[u8], lengths: &[usize]) -> Found {
    let (mut scanner, mut at, mut lengths) = (JsonScanner::default(), 0, lengths.iter());
    while at < text.len() {
        let length = lengths.next().map_or(1, |length| (*length).min(text.len() - at));
        let mut input = &text[at..at + length];
        at += length;
        while !input.is_empty() {
            match scanner.scan(0, &mut input) {
                Ok(Some(Mark::Value(0))) => return Found::Value(at - input.len()),
                Ok(_) => {}
                Err(error) => return Found::Error(at - input.len(), error),
            }
        }
    }
    Found::More { ends_here: scanner.ends_here() }
}

/// Every mark, and behind which byte it came.
fn marks(text: &[u8], deepest: usize) -> Vec<(usize, Mark)> {
    let (mut scanner, mut input, mut marks) = (JsonScanner::default(), text, Vec::new());
    while let Some(mark) = scanner.scan(deepest, &mut input).unwrap() {
        marks.push((text.len() - input.len(), mark));
    }
    marks
}

/// serde_json's opinion of a text that begins with one value: where that ends.
fn witness(text: &[u8]) -> Result<usize, serde_json::Error> {
    let mut stream = serde_json::Deserializer::from_slice(text);
    IgnoredAny::deserialize(&mut stream)?;
    // what is left is whitespace, or an error at its first byte
    let rest = text.len() - (0..=text.len()).rev().find(|&cut| is_one_value(&text[..cut])).unwrap_or(0);
    let whole = &text[..text.len() - rest];
    Ok(whole.trim_ascii_end().len())
}

fn is_one_value(text: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// Compares both on every beginning of a text.
fn compare(text: &[u8]) {
    for end in 0..=text.len() {
        let begun = &text[..end];
        let shown = begun.escape_ascii();
        match (first(begun, &[]), witness(begun)) {
            (Found::Value(here), Ok(there)) => assert_eq!(here, there, "{shown}"),
            (Found::More { ends_here }, Ok(there)) => assert!(ends_here && there == end, "{shown}"),
            (Found::Error(..), Err(error)) => {
                // serde_json looks at four hexadecimal digits at once
                let is_wrong =
                    !error.is_eof() || witness(&[begun, b"000"].concat()).is_err_and(|e| !e.is_eof());
                assert!(is_wrong, "{shown}: {error}");
            }
            (Found::More { ends_here }, Err(error)) => {
                // serde_json calls a number without its last digits wrong, not unfinished
                let with_digit = [begun, b"0"].concat();
                let may_go_on =
                    error.is_eof() || witness(&with_digit).map_or_else(|error| error.is_eof(), |_| true);
                assert!(!ends_here && may_go_on, "{shown}: {error}");
            }
            (here, there) => panic!("{shown}: {here:?}, {there:?}"),
        }
    }
}

/// Texts that are nearly JSON: tokens in any order, and now and then a byte.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let token = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\"a\"",
        "\"\\u00e9\"",
        "\\",
        "\\u12",
        "0",
        "-",
        "12",
        ".5",
        "e",
        "E+1",
        "1e9",
        "true",
        "false",
        "null",
        "nul",
        " ",
        "\n",
        "\t\r",
        "{\"k\":",
        "[1,",
        "[]",
        "{}",
        "\u{1}",
        "é",
    ]);
    prop::collection::vec(token, 0..14).prop_map(|tokens| tokens.concat().into_bytes())
}

/// Values as they are, spelt in all ways.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".into()),
        Just("true".into()),
        "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?",
        "\"([ -!#-\\[\\]-~é]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}){0,6}\"",
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[ {}\n]", items.join(",\t"))),
            prop::collection::vec(inner, 0..4).prop_map(|items| {
                let members: Vec<_> = items.iter().map(|item| format!("\"k\\n\" :{item}")).collect();
                format!("{{{}}}", members.join(" , "))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_beginning_of_any_text_is_judged_as_by_serde_json(text in nearly_json()) {
        compare(&text);
    }

    #[test]
    fn every_value_is_taken_and_ends_where_it_ends(text in json(), behind in "[ \\]},x\"\\n]?") {
        let is_number = text.ends_with(|last: char| last.is_ascii_digit());
        compare(text.as_bytes());
        let followed = first(format!("{text}{behind}").as_bytes(), &[]);
        if behind.is_empty() && is_number {
            prop_assert_eq!(followed, Found::More { ends_here: true });
        } else {
            prop_assert_eq!(followed, Found::Value(text.len()));
        }
    }

    #[test]
    fn a_text_spoilt_in_one_byte_is_judged_as_by_serde_json(text in json(), at: prop::sample::Index, byte: u8) {
        let mut text = text.into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        compare(&text);
    }

    #[test]
    fn any_bytes_however_cut_are_judged_the_same(
        text in prop_oneof![nearly_json(), prop::collection::vec(any::<u8>(), 0..40)],
        lengths in prop::collection::vec(0_usize..9, 0..20),
    ) {
        prop_assert_eq!(first(&text, &lengths), first(&text, &[text.len()]));
        prop_assert_eq!(first(&text, &lengths), first(&text, &[]));
    }

    #[test]
    fn elements_between_marks_are_the_elements(items in prop::collection::vec(json(), 0..6)) {
        let text = format!("{{\"Chain\": [{}\n]}}", items.join(" ,\n"));
        let (mut begun, mut found) = (0, Vec::new());
        for (here, mark) in marks(text.as_bytes(), 2) {
            match mark {
                Mark::Opened(2) | Mark::Comma(2) => begun = here,
                Mark::Value(2) => found.push(text[begun..here].trim()),
                _ => {}
            }
        }
        prop_assert_eq!(found, items.iter().map(|item| item.trim()).collect::<Vec<_>>());
    }
}

#[test]
fn marks_come_in_order_with_their_depths() {
    let text = b"{\"a\":[1,\n2],\"b\":{}}\n\"c\" 7";
    let all = [
        (1, Mark::Opened(1)),
        (4, Mark::Key(1)),
        (6, Mark::Opened(2)),
        (7, Mark::Value(2)),
        (8, Mark::Comma(2)),
        (9, Mark::Newline),
        (10, Mark::Value(2)),
        (11, Mark::Value(1)),
        (12, Mark::Comma(1)),
        (15, Mark::Key(1)),
        (17, Mark::Opened(2)),
        (18, Mark::Value(1)),
        (19, Mark::Value(0)),
        (20, Mark::Newline),
        (23, Mark::Value(0)),
    ];
    assert_eq!(marks(text, usize::MAX), all);
    let shallow: Vec<_> = all.into_iter().filter(|(_, mark)| mark.depth() == 0).collect();
    assert_eq!(marks(text, 0), shallow, "deeper ones are passed over, newlines are not");
}

#[test]
fn an_error_is_at_its_byte() {
    for (text, at) in [
        ("}", 0),
        ("{1", 1),
        ("{\"a\" 1", 5),
        ("{\"a\":1,}", 7),
        ("[1,]", 3),
        ("[1 2", 3),
        ("[1}", 2),
        ("{\"a\":1]", 6),
        ("01", 1),
        ("-x", 1),
        ("1.e", 2),
        ("1e+]", 3),
        ("trux", 3),
        ("nul\n", 3),
        ("\"a\nb", 2),
        ("\"\\x", 2),
        ("\"\\u12g", 5),
        ("'a'", 0),
        ("[,", 1),
        ("{,", 1),
        (":", 0),
        ("\u{feff}1", 0),
        ("/", 0),
        ("+1", 0),
        ("NaN", 0),
    ] {
        assert_eq!(first(text.as_bytes(), &[]), Found::Error(at, JsonError::Syntax), "{text}");
        assert_eq!(first(text.as_bytes(), &[text.len()]), Found::Error(at, JsonError::Syntax), "{text}");
    }
}

#[test]
fn as_deep_as_allowed_and_one_deeper() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        let times = MAX_DEPTH / open.matches(['[', '{']).count();
        let whole = format!("{}1{}", open.repeat(times), close.repeat(times));
        assert_eq!(first(whole.as_bytes(), &[whole.len()]), Found::Value(whole.len()));
        let deeper = open.repeat(10_000);
        let at = open.repeat(times).len();
        assert_eq!(first(deeper.as_bytes(), &[deeper.len()]), Found::Error(at, JsonError::TooDeep));
    }
}

#[test]
fn which_brackets_are_open_is_known_at_every_depth() {
    let kinds = |n: u64| (0..MAX_DEPTH).map(move |depth| n.rotate_left(depth as u32) & 1 == 1);
    for n in [0x0123_4567_89ab_cdef, 0xf0f0_1234_aaaa_5555] {
        let mut text: String = kinds(n).map(|is_object| if is_object { "{\"a\":" } else { "[" }).collect();
        let closing: Vec<_> = kinds(n).map(|is_object| if is_object { '}' } else { ']' }).collect();
        text.push('0');
        for (depth, right) in closing.iter().enumerate().rev() {
            let wrong = if *right == ']' { '}' } else { ']' };
            let spoilt = format!("{text}{wrong}");
            assert_eq!(first(spoilt.as_bytes(), &[]), Found::Error(text.len(), JsonError::Syntax), "{depth}");
            text.push(*right);
        }
        assert_eq!(first(text.as_bytes(), &[]), Found::Value(text.len()));
    }
}

#[test]
fn one_value_may_follow_another_and_only_the_user_minds() {
    let text = b" 1 \"a\"[]{}\n-2.5e1 ";
    let ends: Vec<_> = marks(text, 0).into_iter().filter(|(_, mark)| *mark != Mark::Newline).collect();
    assert_eq!(ends.iter().map(|(here, _)| *here).collect::<Vec<_>>(), [2, 6, 8, 10, 17]);
    let mut scanner = JsonScanner::default();
    let is_within = |scanner: &mut JsonScanner, mut piece: &[u8]| {
        while scanner.scan(0, &mut piece).unwrap().is_some() {}
        (scanner.is_within(), scanner.ends_here(), scanner.depth())
    };
    assert_eq!(is_within(&mut scanner, b" \n"), (false, false, 0));
    assert_eq!(is_within(&mut scanner, b"4"), (true, true, 0));
    assert_eq!(is_within(&mut scanner, b"."), (true, false, 0));
    assert_eq!(is_within(&mut scanner, b"2"), (true, true, 0));
    assert_eq!(is_within(&mut scanner, b" [3"), (true, false, 1));
    assert_eq!(is_within(&mut scanner, b"]"), (false, false, 0));
}

#[test]
fn a_scanner_is_small() {
    assert!(size_of::<JsonScanner>() <= 40, "one for each stream: {}", size_of::<JsonScanner>());
}
