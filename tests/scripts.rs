//! What `scripts/soak.sh`, `scripts/storm.sh` and `scripts/mesh.sh` run, for a few seconds each, and the book they
//! judge by.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

#[path = "common/example.rs"]
mod example;
#[path = "../scripts/crowd/ledger.rs"]
mod ledger;

use example::example;
use ledger::{Account, Ledger};

/// How long anything may take that is sure to happen.
const PATIENCE: Duration = Duration::from_secs(20);

fn crowd() -> Command {
    Command::new(example("crowd"))
}

fn run(args: &[&str]) -> Output {
    crowd().args(args).output().unwrap()
}

/// Ended well: what it said.
fn text(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}{errors}", output.status);
    assert_eq!(errors, "");
    text
}

#[test]
fn a_short_soak_holds() {
    let text = text(&run(&["soak", "3"]));
    assert!(text.contains(" 0 missing, 0 twice, 0 wrong, 0 out of order; 0 peers cut off\n"), "{text}");
    assert!(text.contains(" closed-frame-timeout="), "the relay's last figures: {text}");
    assert!(text.ends_with("soak: all of it holds\n"), "{text}");
}

#[test]
fn a_storm_of_two_hundred_loses_nobody() {
    let text = text(&run(&["storm", "200"]));
    for when in ["at first", "after SIGKILL", "after SIGTERM"] {
        let row = text.lines().find(|line| line.starts_with(when)).unwrap_or_else(|| panic!("{text}"));
        let columns: Vec<&str> = row.split_whitespace().rev().take(2).collect();
        assert_eq!(columns, ["199", "200"], "{text}");
    }
    assert!(text.ends_with("storm: none lost\n"), "{text}");
}

#[test]
fn a_line_and_a_ring_of_relays_hear_everything_once() {
    let text = text(&run(&["mesh", "line", "ring"]));
    for (shape, relays, dialed) in [("line", "3", "2"), ("ring", "3", "3")] {
        let row = text.lines().find(|line| line.starts_with(shape)).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(row.split_whitespace().collect::<Vec<_>>()[1..3], [relays, dialed], "{text}");
    }
    assert!(text.ends_with("mesh: everybody heard everything once\n"), "{text}");
}

#[test]
fn whoever_stops_the_crowd_stops_its_relays() {
    for (words, relays) in [(["soak", "600"], 1), (["mesh", "ring"], 3)] {
        whoever_stops_it_stops_them(&words, relays);
    }
}

fn whoever_stops_it_stops_them(words: &[&str], count: usize) {
    let mut crowd = crowd().args(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(crowd.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with(words[0]), "{first}");
    let relays = children_of(&crowd, count);
    assert!(Command::new("kill").args(["-TERM", &crowd.id().to_string()]).status().unwrap().success());
    let mut errors = String::new();
    crowd.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!((crowd.wait().unwrap().code(), errors.as_str()), (Some(1), "error: stopped by a signal\n"));
    for relay in relays {
        assert!(!Path::new(&format!("/proc/{relay}")).exists(), "a relay is left");
    }
}

/// Once there are so many.
fn children_of(parent: &Child, count: usize) -> Vec<String> {
    let (pid, began) = (parent.id(), Instant::now());
    loop {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let children: Vec<String> = children.split_whitespace().map(String::from).collect();
        if children.len() == count {
            return children;
        }
        assert!(began.elapsed() < PATIENCE, "{} relays", children.len());
        thread::yield_now();
    }
}

#[test]
fn words_that_make_no_sense_are_said_so() {
    for args in [
        &["soak"][..],
        &["soak", "0"],
        &["storm", "1"],
        &["storm", "many"],
        &["mesh", "star"],
        &["fair", "1"],
    ] {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stderr.starts_with(b"error: "), "{args:?}");
    }
}

/// What it comes to when these numbers come, of a sender that has said so many.
fn entered(numbers: &[u64], said: u64) -> Ledger {
    let (mut account, mut ledger) = (Account::default(), Ledger::default());
    numbers.iter().for_each(|&number| account.enter(number, said, &mut ledger));
    account.close(said, &mut ledger);
    ledger
}

#[test]
fn the_ledger_finds_what_is_missing_twice_wrong_and_out_of_order() {
    assert_eq!(entered(&[0, 1, 2], 3).fault(), None);
    for (numbers, received, [missing, twice, wrong, out_of_order]) in [
        (&[0, 1][..], 2, [1, 0, 0, 0]),
        (&[0, 2], 2, [1, 0, 0, 0]),
        (&[], 0, [3, 0, 0, 0]),
        (&[0, 1, 1, 2], 3, [0, 1, 0, 0]),
        (&[0, 1, 2, 0], 3, [0, 1, 0, 0]),
        (&[0, 1, 2, 3], 3, [0, 0, 1, 0]),
        (&[0, 2, 1], 3, [0, 0, 0, 1]),
        (&[2, 0, 0, 7], 2, [1, 1, 1, 1]),
    ] {
        let ledger = entered(numbers, 3);
        let expected = Ledger { due: 3, received, missing, twice, wrong, out_of_order, ..Ledger::default() };
        assert_eq!(ledger, expected, "{numbers:?}");
        assert!(ledger.fault().is_some(), "{numbers:?}");
    }
}

#[test]
fn a_room_in_which_nothing_was_said_or_somebody_was_lost_is_no_proof() {
    assert!(Ledger::default().fault().is_some());
    let lost = Ledger { cut_off: 1, ..entered(&[0, 1, 2], 3) };
    assert!(lost.fault().is_some());
}
