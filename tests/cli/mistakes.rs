//! What an operator gets wrong, and the one line that helps him out.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use crate::support::{Relay, run};

fn refused(args: &[&str]) -> String {
    run(args, &[]).error(2).into()
}

#[test]
fn what_is_said_of_odd_words_is_one_line() {
    assert_eq!(
        refused(&["--magic", "a\nb\u{1b}[2J"]),
        "--magic a\\nb\\u{1b}[2J: need 8 hex digits in wire order, as in f9beb4d9"
    );
    assert!(refused(&["--foo\nbar"]).starts_with("--foo\\nbar: no such option"));
}

#[test]
fn a_count_that_is_none_is_told_what_is_needed() {
    for option in ["--max-peers", "--max-bans"] {
        for value in ["0", "x", "", "1k", "99999999999999999999999"] {
            assert_eq!(refused(&[option, value]), format!("{option} {value}: need a whole number from 1 on"));
        }
    }
}

#[test]
fn a_number_below_zero_is_the_options_bad_value() {
    assert_eq!(refused(&["--max-peers", "-1"]), "--max-peers -1: need a whole number from 1 on");
    let line = refused(&["serve", "--max-skip", "-5"]);
    assert!(line.starts_with("--max-skip -5: need a number of bytes"), "{line}");
}

#[test]
fn the_largest_numbers_are_taken_and_added_up() {
    let most = u64::MAX.to_string();
    for option in ["--max-bans", "--retained-max", "--max-peers", "--max-skip", "--queue-hard"] {
        let ran = run(&["--check", option, &most], &[]);
        assert_eq!(ran.setting("--drain").0, "5s", "{option}");
        assert!(ran.out.contains("worst-case memory: "), "{option}: {ran:?}");
    }
}

#[test]
fn a_ban_for_a_hundred_years_can_be_told() {
    let relay = Relay::start(&["--ban-time", "876000h"]);
    relay.ban([127, 0, 0, 2]);
    relay.said(&["banned until=21"]);
    assert!(!relay.admits([127, 0, 0, 2]));
    relay.said(&["reason=banned left="]);
    assert!(relay.admits([127, 0, 0, 1]));
}

#[test]
fn a_span_is_of_milliseconds_at_least() {
    for option in ["--stats-every", "--ban-time", "--drain", "--idle-timeout"] {
        assert_eq!(
            refused(&[option, "1ns"]),
            format!("{option} 1ns: need a number with ms, s, m or h, as in 10s")
        );
    }
}

#[test]
fn what_nobody_typed_is_said_to_be_from_its_variable() {
    let hard = run::<&str>(&[], &[("PEER_RELAY_QUEUE_HARD", OsStr::new("1M"))]);
    assert!(hard.error(2).ends_with("at least 8000048 (from PEER_RELAY_QUEUE_HARD)"), "{hard:?}");
    let network = run::<&str>(&[], &[("PEER_RELAY_NETWORK", OsStr::new("regtest"))]);
    assert!(network.error(2).ends_with("(from PEER_RELAY_NETWORK)"), "{network:?}");
    let soft = run(&["--queue-soft-time", "3s"], &[("PEER_RELAY_QUEUE_SOFT", OsStr::new("x"))]);
    assert!(
        soft.error(2).ends_with("(from PEER_RELAY_QUEUE_SOFT)"),
        "another option's name is longer: {soft:?}"
    );
    let typed = run(&["--magic=x"], &[("PEER_RELAY_MAGIC", OsStr::new("y"))]);
    assert!(typed.error(2).starts_with("--magic x: ") && !typed.err.contains("from"), "{typed:?}");
}

#[test]
fn a_word_that_is_no_option_is_named_with_the_way_out() {
    assert_eq!(refused(&["foo"]), "foo: no such command (--help shows all)");
    assert_eq!(refused(&["--max-peer", "5"]), "--max-peer: no such option (did you mean --max-peers?)");
    assert_eq!(refused(&["--max-peers", "5", "serve"]), "serve: comes first, options behind it");
    assert_eq!(refused(&["--max-peers", "5", "--max-peers", "5"]), "--max-peers: can be given only once");
}

#[test]
fn what_is_not_utf8_is_named() {
    let words = [OsString::from("--drain"), OsString::from_vec(b"a\xffb".into())];
    assert_eq!(run(&words, &[]).error(2), "a\u{fffd}b: not UTF-8");
    let value = OsString::from_vec(b"\xff".into());
    assert_eq!(run::<&str>(&[], &[("PEER_RELAY_MAGIC", &value)]).error(2), "PEER_RELAY_MAGIC: not UTF-8");
}

#[test]
fn a_bad_variable_that_is_not_used_does_not_matter() {
    for args in [["--check", "--max-peers", "3"].as_slice(), &["serve", "--check", "--max-peers", "3"]] {
        let ran = run(args, &[("PEER_RELAY_MAX_PEERS", OsStr::new("x"))]);
        assert_eq!(ran.setting("--max-peers"), ("3".into(), "command line".into()));
    }
}

#[test]
fn no_time_at_all_is_told_how_much_is_needed() {
    assert_eq!(refused(&["--frame-timeout", "0"]), "--frame-timeout 0s: need at least 1ms");
    let line = refused(&["--ban-time", "0"]);
    assert_eq!(line, "--ban-time 0s: need at least 1ms; --penalty checksum=disconnect bans nobody for it");
}

#[test]
fn check_has_a_variable_like_every_option() {
    for yes in ["1", "true"] {
        let ran = run::<&str>(&[], &[("PEER_RELAY_CHECK", OsStr::new(yes))]);
        assert!(ran.out.contains("worst-case memory"), "{ran:?}");
    }
    let off = run(&["--magic", "x"], &[("PEER_RELAY_CHECK", OsStr::new("0"))]);
    assert!(off.error(2).starts_with("--magic x"), "{off:?}");
    let odd = run::<&str>(&[], &[("PEER_RELAY_CHECK", OsStr::new("perhaps"))]);
    assert_eq!(odd.error(2), "--check perhaps: need true or false (from PEER_RELAY_CHECK)");
}

#[test]
fn a_variable_that_is_no_options_is_a_warning_of_check() {
    for args in [["--check"].as_slice(), &["serve", "--check"]] {
        let ran =
            run(args, &[("PEER_RELAY_MAX_PERS", OsStr::new("7")), ("PEER_RELAY_DRAIN", OsStr::new("2s"))]);
        assert_eq!(ran.setting("--drain").1, "PEER_RELAY_DRAIN");
        let warnings: Vec<&str> = ran.out.lines().filter(|line| line.starts_with("warning: ")).collect();
        assert_eq!(warnings, ["warning: PEER_RELAY_MAX_PERS: no option has this variable"]);
    }
}

#[test]
fn a_word_behind_options_is_told_that_it_is_no_command() {
    assert_eq!(refused(&["--check", "foo"]), "foo: no such command (--help shows all)");
}

#[test]
fn a_span_has_one_unit_of_four() {
    for value in ["10M", "1d", "1h30m"] {
        assert_eq!(
            refused(&["--ban-time", value]),
            format!("--ban-time {value}: need a number with ms, s, m or h, as in 10s")
        );
    }
}

#[test]
fn a_span_is_a_hundred_years_at_most() {
    for option in ["--ban-time", "--drain", "--idle-timeout"] {
        assert_eq!(run(&["--check", option, "876000h"], &[]).code, Some(0), "{option}");
        assert_eq!(
            refused(&[option, "876001h"]),
            format!("{option} 876001h: so long cannot be waited; at most 876000h")
        );
    }
}

#[test]
fn a_list_in_a_variable_may_have_spaces() {
    let ran = run(
        &["--check"],
        &[
            ("PEER_RELAY_LISTEN", OsStr::new("127.0.0.1:0, [::1]:0")),
            ("PEER_RELAY_NEVER_BAN", OsStr::new(" 10.0.0.0/8, 192.0.2.1 ")),
        ],
    );
    assert_eq!(ran.setting("--listen").0, "127.0.0.1:0,[::1]:0");
    assert_eq!(ran.setting("--never-ban").0, "10.0.0.0/8,192.0.2.1/32");
}
