//! The command line: help, version, `--check`, and every way to get it wrong.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;

use crate::support::{Ran, run};

/// An option; a value that can be given, as `--check` shows it; values that cannot; and what is then said to
/// be needed.
struct Row {
    option: &'static str,
    default: &'static str,
    good: (&'static str, &'static str),
    bad: &'static [&'static str],
    need: &'static str,
}

const SIZE: &str = "need a number of bytes, alone or with k, M, G, KiB, MiB or GiB";
const SPAN: &str = "need a number with ms, s, m or h";

const fn row(
    option: &'static str,
    default: &'static str,
    good: (&'static str, &'static str),
    bad: &'static [&'static str],
    need: &'static str,
) -> Row {
    Row { option, default, good, bad, need }
}

/// The issue's table.
const ROWS: [Row; 37] = [
    row(
        "--listen",
        "127.0.0.1:7333",
        ("127.0.0.1:0,[::1]:80,127.0.0.9", "127.0.0.1:0,[::1]:80,127.0.0.9:7333"),
        &["", "localhost", "1.2.3.4:65536", "1.2.3.4:1,", ":7333"],
        "need an IPv4 or IPv6 address, no name, with a port or without",
    ),
    row(
        "--listen-lines",
        "none",
        ("127.0.0.1:0,[::1]:80,127.0.0.1:0", "127.0.0.1:0,[::1]:80,127.0.0.1:0"),
        &["", "localhost", "1.2.3.4:65536", "1.2.3.4:1,", ":7333"],
        "need an IPv4 or IPv6 address, no name, with a port or without",
    ),
    row(
        "--listen-json",
        "none",
        ("127.0.0.1:0,[::1]:80,127.0.0.9", "127.0.0.1:0,[::1]:80,127.0.0.9:8334"),
        &["", "localhost", "1.2.3.4:65536", "1.2.3.4:1,", ":7333"],
        "need an IPv4 or IPv6 address, no name, with a port or without",
    ),
    row(
        "--listen-chain",
        "none",
        ("127.0.0.1:0,[::1]:80,127.0.0.9", "127.0.0.1:0,[::1]:80,127.0.0.9:7000"),
        &["", "localhost", "1.2.3.4:65536", "1.2.3.4:1,", ":7333"],
        "need an IPv4 or IPv6 address, no name, with a port or without",
    ),
    row(
        "--listen-http",
        "none",
        ("127.0.0.1:0,[::1]:80,127.0.0.9", "127.0.0.1:0,[::1]:80,127.0.0.9:10000"),
        &["", "localhost", "1.2.3.4:65536", "1.2.3.4:1,", ":7333"],
        "need an IPv4 or IPv6 address, no name, with a port or without",
    ),
    row("--recv-buffer", "the kernel's", ("4096", "4KiB"), &["", "x", "1m", "-1", "1.5k"], SIZE),
    row("--send-buffer", "the kernel's", ("4KiB", "4KiB"), &["", "x", "1m", "-1", "1.5k"], SIZE),
    row(
        "--network",
        "private",
        ("private", "private"),
        &["", "main", "Private"],
        "private, mainnet, testnet3",
    ),
    row(
        "--magic",
        "f7e3c9da",
        ("0a0B0c0d", "0a0b0c0d"),
        &["", "xyz", "f7e3c9d", "+7e3c9da"],
        "need 8 hex digits",
    ),
    row("--protocol", "flood", ("flood", "flood"), &["", "bitcoin", "Flood"], "there is flood"),
    row("--max-payload", "4M", ("1000", "1k"), &["", "x", "4m", "-1"], SIZE),
    row("--max-line", "64k", ("1000", "1k"), &["", "x", "1m", "-1", "1.5k"], SIZE),
    row("--max-skip", "23", ("0", "0"), &["", "x", "-1"], SIZE),
    row("--data-dir", "none", ("data", "data"), &[""], "needs a value"),
    row(
        "--connect",
        "none",
        (
            "relay.example,chain://127.0.0.1:7334,json://[::1]",
            "relay.example,chain://127.0.0.1:7334,json://::1",
        ),
        &["", "a:b", "127.0.0.1:0", "a,b:0", ":7333", "a b", "http://a", "json://"],
        "need HOST:PORT or a host alone",
    ),
    row("--dedup", "off", ("90s", "90s"), &["", "x", "1", "1d"], SPAN),
    row("--dedup-max", "1000000", ("2", "2"), &["", "0", "x", "-1", "1k"], "whole number from 1"),
    row(
        "--max-peers",
        "",
        ("7", "7"),
        &["", "0", "x", "-1", "1k", "18446744073709551616"],
        "whole number from 1",
    ),
    row(
        "--max-peers-per-ip",
        "off",
        ("3", "3"),
        &["", "0", "none", "-1", "18446744073709551616"],
        "whole number",
    ),
    row("--max-json-peers", "64", ("2", "2"), &["", "0", "x", "-1", "1k"], "whole number from 1"),
    row("--queue-soft", "4MiB", ("2M", "2M"), &["", "x", "-1"], SIZE),
    row("--queue-soft-time", "10s", ("500ms", "500ms"), &["", "10", "x", "1us"], SPAN),
    row("--queue-hard", "8MiB", ("16MiB", "16MiB"), &["", "x", "-1"], SIZE),
    row("--retained-max", "256M", ("1GiB", "1GiB"), &["", "x", "-1"], SIZE),
    row("--ban-time", "10m", ("90s", "90s"), &["", "10", "x", "1ns"], SPAN),
    row(
        "--max-bans",
        "65536",
        ("10", "10"),
        &["", "0", "x", "-1", "18446744073709551616"],
        "whole number from 1",
    ),
    row(
        "--never-ban",
        "none",
        ("10.0.0.0/8,192.0.2.1,2001:db8::/32", "10.0.0.0/8,192.0.2.1/32,2001:db8::/32"),
        &["", "10.0.0.0/33", "x", "10.0.0.0/8,"],
        "need an address or a CIDR",
    ),
    row("--ban-file", "none", ("bans.json", "bans.json"), &[""], "needs a value"),
    row(
        "--penalty",
        "magic=ban,oversize=ban,command=ban,checksum=ban,flood=pause,protocol=ban",
        (
            "checksum=drop,flood=disconnect",
            "magic=ban,oversize=ban,command=ban,checksum=drop,flood=disconnect,protocol=ban",
        ),
        &["", "checksum", "checksum=", "=drop", "slow=ban", "magic=Ban", "magic=drop=ban"],
        "",
    ),
    row(
        "--rate-messages",
        "off",
        ("10", "10"),
        &["", "0", "x", "-1", "1.5"],
        "need a whole number from 1 on, or off",
    ),
    row("--rate-bytes", "off", ("1MiB", "1MiB"), &["", "0", "x", "-1"], "need a"),
    row("--frame-timeout", "1m", ("5s", "5s"), &["", "0", "10", "x"], "need a"),
    row("--idle-timeout", "off", ("5m", "5m"), &["", "10", "x"], SPAN),
    row("--keepalive", "1m", ("0", "off"), &["", "10", "x"], SPAN),
    row("--drain", "5s", ("24h", "24h"), &["", "10", "x"], SPAN),
    row("--stats-every", "1m", ("10s", "10s"), &["", "10", "x", "1us"], SPAN),
    row(
        "--log-level",
        "info",
        ("debug", "debug"),
        &["", "loud", "3"],
        "need off, error, warn, info, debug or trace",
    ),
];

fn variable(option: &str) -> String {
    format!("PEER_RELAY_{}", option.trim_start_matches("--").replace('-', "_").to_uppercase())
}

fn check(args: &[&str]) -> Ran {
    run(&[&["--check"], args].concat(), &[])
}

fn refused(args: &[&str]) -> String {
    run(args, &[]).error(2).into()
}

#[test]
fn a_bare_call_and_serve_are_the_same() {
    let args = ["--check", "--max-peers", "7", "--penalty", "checksum=drop"];
    let variables = [("PEER_RELAY_MAX_BANS", OsStr::new("9"))];
    let (bare, serve) = (run(&args, &variables), run(&[&["serve"], args.as_slice()].concat(), &variables));
    assert_eq!((bare.code, &bare.out, &bare.err), (serve.code, &serve.out, &serve.err));
    assert_eq!(serve.setting("--max-bans"), ("9".into(), "PEER_RELAY_MAX_BANS".into()));
}

#[test]
fn help_has_a_sentence_three_examples_six_groups_and_every_option() {
    for args in [["--help"].as_slice(), &["serve", "--help"]] {
        let help = run(args, &[]);
        assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
        let text = help.out;
        assert_eq!(text.lines().filter(|line| line.starts_with("  peer-relay")).count(), 3, "{text}");
        let groups =
            ["Listening:", "Network:", "Other relays:", "Peers and memory:", "The law:", "Time:", "Output:"];
        let places: Vec<usize> = groups.map(|group| text.find(&format!("\n{group}\n")).expect(group)).into();
        assert!(places.is_sorted(), "{text}");
        for Row { option, .. } in &ROWS {
            let mut entries =
                text.split("\n      --").map(|entry| entry.split_whitespace().collect::<Vec<_>>().join(" "));
            let entry = entries.find(|entry| entry.starts_with(&format!("{} <", &option[2..])));
            let entry = entry.unwrap_or_else(|| panic!("no {option} in {text}"));
            assert!(entry.contains("[default: "), "{entry}");
        }
        assert!(text.contains("PEER_RELAY_SOME_NAME"), "{text}");
    }
}

#[test]
fn help_names_every_command() {
    let text = run(&["--help"], &[]).out;
    let commands = text.split("\nCommands:\n").nth(1).unwrap_or_else(|| panic!("{text}"));
    let named = commands.lines().take_while(|line| !line.is_empty());
    let named = named.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let named: Vec<&str> = named.filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(named, ["serve", "peer", "inspect", "load", "sim"]);
}

#[test]
fn help_says_what_a_value_is_counted_in() {
    let text = run(&["--help"], &[]).out;
    for Row { option, need, .. } in &ROWS {
        let unit = match *need {
            SIZE => format!("{option} <BYTES>"),
            SPAN => format!("{option} <DURATION>"),
            _ => format!("{option} <"),
        };
        assert!(text.contains(&unit), "{unit}");
    }
}

#[test]
fn the_version_names_the_commit_when_there_is_one() {
    let version = run(&["--version"], &[]);
    assert_eq!((version.code, version.err.as_str()), (Some(0), ""));
    let rest =
        version.out.trim_end().strip_prefix(concat!("peer-relay ", env!("CARGO_PKG_VERSION"))).unwrap();
    if rest.is_empty() {
        return; // built from a tarball
    }
    let commit = rest.strip_prefix(" (").and_then(|rest| rest.strip_suffix(')')).unwrap();
    assert!(commit.len() >= 7 && commit.bytes().all(|b| b.is_ascii_hexdigit()), "{commit}");
}

#[test]
fn check_shows_every_default() {
    let ran = check(&[]);
    for Row { option, default, .. } in ROWS.iter().filter(|row| !row.default.is_empty()) {
        assert_eq!(ran.setting(option), ((*default).into(), "default".into()), "{option}");
    }
    let options = ran.out.lines().filter(|line| line.starts_with("--")).count();
    assert_eq!(options, ROWS.len() + 1, "--reuse-port has no value: {}", ran.out);
    assert_eq!(ran.setting("--reuse-port"), ("false".into(), "default".into()));
    let peers: u64 = ran.setting("--max-peers").0.parse().unwrap();
    assert!((1..=65_536).contains(&peers));
}

#[test]
fn every_option_can_be_given_as_a_word_and_as_a_variable() {
    for Row { option, good: (given, shown), .. } in &ROWS {
        let ran = check(&[option, given]);
        assert_eq!(ran.setting(option), ((*shown).into(), "command line".into()));
        let name = variable(option);
        for args in [["--check"].as_slice(), &["serve", "--check"]] {
            let ran = run(args, &[(&name, OsStr::new(given))]);
            assert_eq!(ran.setting(option), ((*shown).into(), name.clone()));
        }
    }
}

#[test]
fn a_word_beats_a_variable_and_a_list_can_be_given_in_pieces() {
    let ran = run(&["--check", "--drain", "1s"], &[("PEER_RELAY_DRAIN", OsStr::new("2s"))]);
    assert_eq!(ran.setting("--drain"), ("1s".into(), "command line".into()));
    let ran = check(&["--listen", "127.0.0.1:1", "--listen", "127.0.0.1:2,127.0.0.1:3"]);
    assert_eq!(ran.setting("--listen").0, "127.0.0.1:1,127.0.0.1:2,127.0.0.1:3");
    let ran = check(&["--penalty", "checksum=drop", "--penalty", "checksum=disconnect"]);
    assert!(ran.setting("--penalty").0.contains("checksum=disconnect"), "the last one counts");
}

#[test]
fn every_bad_value_is_named_with_its_option_and_what_is_needed() {
    for Row { option, bad, need, .. } in &ROWS {
        for value in *bad {
            let line = refused(&[option, value]);
            assert!(line.starts_with(option), "{option} {value:?}: {line}");
            assert!(line.contains(need), "{option} {value:?}: {line}");
            let shown = value.rsplit(',').next().unwrap();
            assert!(line.contains(shown), "{option} {value:?}: {line}");
        }
    }
}

#[test]
fn a_bad_variable_is_named() {
    for Row { option, bad, .. } in &ROWS {
        let (name, value) = (variable(option), bad[0]);
        let ran = run::<&str>(&[], &[(&name, OsStr::new(value))]);
        let line = ran.error(2);
        assert!(line.starts_with(option) && line.ends_with(&format!("(from {name})")), "{line}");
    }
}

#[test]
fn the_issues_lines_are_said_word_for_word() {
    assert_eq!(refused(&["--magic", "xyz"]), "--magic xyz: need 8 hex digits in wire order, as in f9beb4d9");
    assert_eq!(
        refused(&["--queue-hard", "1M"]),
        "--queue-hard 1M: must hold two largest frames, at least 8000048"
    );
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    for (args, said) in [
        (["--queue-soft", "1G"].as_slice(), "--queue-soft 1G: must not be above --queue-hard, 8MiB"),
        (
            &["--retained-max", "4M"],
            "--retained-max 4M: must hold a largest frame, at least 4008026, or --max-payload be smaller",
        ),
        (&["--max-payload", "5G"], "--max-payload 5G: at most 1GiB"),
        (&["--recv-buffer", "0"], "--recv-buffer 0: need at least one byte"),
        (&["--send-buffer", "5G"], "--send-buffer 5G: at most 1GiB"),
        (&["--max-line", "0"], "--max-line 0: need at least one byte"),
        (
            &["--max-line", "5M"],
            "--max-line 5M: at most --max-payload, 4M: a line is a frame's payload to others",
        ),
        (&["--listen-lines", "127.0.0.1"], "--listen-lines 127.0.0.1: needs a port, as in 127.0.0.1:7334"),
        (&["--listen-lines", "::1"], "--listen-lines ::1: needs a port, as in [::1]:7334"),
        (
            &["--listen-lines", "127.0.0.1:7333"],
            "--listen-lines 127.0.0.1:7333: frames are listened for there (--listen)",
        ),
        (
            &["--listen-json", "127.0.0.1:1", "--listen-chain", "127.0.0.1:1"],
            "--listen-chain 127.0.0.1:1: --listen-json listens there",
        ),
        (&["--listen-http", "::1,::1"], "--listen-http [::1]:10000: is given twice"),
        (
            &["--listen-json", "127.0.0.1:7333"],
            "--listen-json 127.0.0.1:7333: frames are listened for there (--listen)",
        ),
        (
            &["--connect", "chain://127.0.0.1,chain://127.0.0.1:7000"],
            "--connect chain://127.0.0.1:7000: is given twice",
        ),
        (&["--listen-lines", "127.0.0.1:1,127.0.0.1:1"], "--listen-lines 127.0.0.1:1: is given twice"),
        (
            &["--listen-lines", "127.0.0.1:1", "--max-payload", "257MiB"],
            "--max-payload 257MiB: at most 256MiB with --listen-lines, where it may be sent as a line, spelt out",
        ),
        (
            &["--listen-lines", "127.0.0.1:1", "--queue-hard", "8MiB"],
            "--queue-hard 8MiB: must hold two largest lines, at least 32000002",
        ),
        (
            &["--listen-lines", "127.0.0.1:1", "--retained-max", "10M"],
            "--retained-max 10M: must hold a largest line, at least 16019722, or --max-payload be smaller",
        ),
        (&["--keepalive", "500ms"], "--keepalive 500ms: must be 0, or from 1s to 9h"),
        (&["--keepalive", "10h"], "--keepalive 10h: must be 0, or from 1s to 9h"),
    ] {
        assert_eq!(refused(args), said);
    }
    let hard = check(&["--max-payload", "10M"]).setting("--queue-hard").0;
    assert_eq!(hard, "20000048", "two largest frames, when they are more than 8 MiB");
    let hard = check(&["--listen-lines", "127.0.0.1:1"]).setting("--queue-hard").0;
    assert_eq!(hard, "32000002", "two largest payloads, each byte of them as four");
    assert_eq!(check(&["--max-payload", "100"]).setting("--max-line").0, "100", "no longer than a payload");
}

#[test]
fn units_are_taken_as_the_issue_has_them() {
    for (given, shown) in
        [("1k", "1k"), ("2M", "2M"), ("1KiB", "1KiB"), ("1MiB", "1MiB"), ("1024", "1KiB"), ("77", "77")]
    {
        assert_eq!(check(&["--max-payload", given]).setting("--max-payload").0, shown);
    }
    for given in ["1G", "1GiB"] {
        assert_eq!(check(&["--retained-max", given]).setting("--retained-max").0, given);
    }
    for (given, shown) in [("500ms", "500ms"), ("10s", "10s"), ("5m", "5m"), ("24h", "24h"), ("0", "off")] {
        assert_eq!(check(&["--idle-timeout", given]).setting("--idle-timeout").0, shown);
    }
}

#[test]
fn a_bitcoin_network_needs_a_word_on_the_protocol() {
    for (name, magic, port) in [
        ("mainnet", "f9beb4d9", 8333),
        ("testnet3", "0b110907", 18333),
        ("testnet4", "1c163f28", 48333),
        ("signet", "0a03cf40", 38333),
        ("regtest", "fabfb5da", 18444),
    ] {
        let line = refused(&["--network", name]);
        assert!(line.starts_with(&format!("--network {name}: ")), "{line}");
        assert!(line.contains("not there yet") && line.contains("--protocol flood"), "{line}");
        let ran = check(&["--network", name, "--protocol", "flood"]);
        assert_eq!(ran.setting("--magic").0, magic);
        assert_eq!(ran.setting("--listen").0, format!("127.0.0.1:{port}"));
        let ran =
            check(&["--network", name, "--protocol", "flood", "--listen", "::1", "--magic", "01020304"]);
        assert_eq!(ran.setting("--listen").0, format!("[::1]:{port}"));
        assert_eq!(ran.setting("--magic").0, "01020304");
    }
}

#[test]
fn a_penalty_is_taken_where_the_law_allows_it() {
    for (offence, allowed) in [
        ("magic", ["disconnect", "ban"].as_slice()),
        ("oversize", &["disconnect", "ban"]),
        ("command", &["drop", "disconnect", "ban"]),
        ("checksum", &["drop", "disconnect", "ban"]),
        ("flood", &["pause", "drop", "disconnect", "ban"]),
        ("protocol", &["drop", "disconnect", "ban"]),
    ] {
        for penalty in ["pause", "drop", "disconnect", "ban"] {
            let rule = format!("{offence}={penalty}");
            if allowed.contains(&penalty) {
                let shown = check(&["--penalty", &rule]).setting("--penalty").0;
                assert!(shown.split(',').any(|shown| shown == rule), "{shown}");
            } else {
                let may = allowed.join(" or ");
                assert_eq!(
                    refused(&["--penalty", &rule]),
                    format!("--penalty {rule}: {offence} may be {may}")
                );
            }
        }
    }
}

#[test]
fn the_worst_case_memory_adds_up() {
    let ran = check(&["--max-peers", "10000", "--retained-max", "100M"]);
    let line = ran.out.lines().last().unwrap();
    assert!(line.starts_with("worst-case memory: "), "{line}");
    let figures: Vec<f64> =
        line.split([' ', '(', ')', ';']).filter_map(|word| word.strip_suffix("MB")?.parse().ok()).collect();
    let [total, peers, retained, fixed] = figures[..] else { panic!("{line}") };
    assert!(line.contains("peers 10000 x 320 B"), "{line}");
    assert_eq!((peers, retained), (3.2, 100.0), "{line}");
    assert!((total - (peers + retained + fixed)).abs() < 1.0, "{line}");
}

#[test]
fn more_peers_than_descriptors_are_lowered_with_a_warning() {
    let ran = check(&["--max-peers", "1000000000"]);
    let shown: u64 = ran.setting("--max-peers").0.parse().unwrap();
    let limit = shown + 64;
    let warning =
        format!("warning: --max-peers 1000000000: lowered to {shown}, the descriptor limit is {limit}");
    assert!(ran.out.lines().any(|line| line == warning), "{}", ran.out);
}

/// What no operator would type.
fn odd_words() -> Vec<Vec<OsString>> {
    let words = |text: &[&str]| text.iter().map(OsString::from).collect::<Vec<_>>();
    let mut all: Vec<Vec<OsString>> = [
        [""].as_slice(),
        &["-"],
        &["--", "x"],
        &["--", "--max-peers"],
        &["---"],
        &["-x"],
        &["help"],
        &["foo"],
        &["SERVE"],
        &["serve", "serve"],
        &["serve", ""],
        &["--max-peers", "5", "serve"],
        &["--max-peers"],
        &["--max-peers", "--check"],
        &["--max-peers", "5", "--max-peers", "5"],
        &["--check", "--check"],
        &["--check=3"],
        &["--help=3"],
        &["--foo=bar"],
        &["--foo\nbar"],
        &["--magic", "a\nb\r\u{1b}[2J"],
        &["--network", "a\nb"],
        &["--penalty", "a\n=b"],
        &["--max-payload", "99999999999999999999999999999999999999G"],
        &["--ban-time", "99999999999999999999999999999999999999h"],
        &["--listen", "127.0.0.1:99999999999999999999"],
        &["--listen", "[::1"],
        &["--never-ban", "1.2.3.4/99999999999"],
        &["--queue-hard", "18446744073709551615G"],
    ]
    .map(words)
    .into();
    for option in ["--listen", "--magic", "--max-peers", "--drain", "--penalty", "--log-level"] {
        all.push(vec![option.into(), OsString::from_vec(b"a\xffb".into())]);
        all.push(vec![OsString::from_vec([option.as_bytes(), b"=\xff"].concat())]);
    }
    all.push(vec![OsString::from_vec(b"\xff\xfe".into())]);
    all.push(vec![OsString::from_vec(b"--\xff".into())]);
    all
}

#[test]
fn odd_words_cost_one_line_and_no_panic() {
    for words in odd_words() {
        for before in [None, Some(OsString::from("serve"))] {
            let words: Vec<OsString> = before.into_iter().chain(words.clone()).collect();
            let ran = run(&words, &[]);
            assert_eq!(ran.code, Some(2), "{words:?}: {ran:?}");
            assert!(!ran.error(2).is_empty(), "{words:?}");
        }
    }
}
