//! `sim` as it is run: plans and swarms, their figures, trace and plot, how it is stopped, and what can be wrong about
//! its options.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use crate::support::{Lines, Ran, program, run, terminal};

/// A small plan.
const PLAN: [&str; 6] = ["--profile", "lan", "--peers", "5", "--duration", "5s"];
/// A plan that nobody waits for.
const ENDLESS: [&str; 4] = ["--profile", "lan", "--duration", "720h"];

fn sim(options: &[&str]) -> Ran {
    run(&[&["sim"], options].concat(), &[])
}

fn refused(options: &[&str]) -> String {
    sim(options).error(2).into()
}

/// Everything but how long it took us.
fn rows(ran: &Ran) -> Vec<&str> {
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    ran.out.lines().filter(|line| !line.starts_with("time ")).collect()
}

/// What stands behind a row's name, on however many lines.
fn row(ran: &Ran, name: &str) -> String {
    let mut lines = ran.out.lines().skip_while(|line| !line.starts_with(&format!("{name:14}")));
    let first = lines.next().unwrap_or_else(|| panic!("no {name} in {}", ran.out));
    let more = lines.take_while(|line| line.starts_with("   "));
    [first].into_iter().chain(more).map(|line| line[14..].trim()).collect::<Vec<_>>().join(" ")
}

/// The first number of a text.
fn number(text: &str) -> u64 {
    let word = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
    word.and_then(|word| word.replace(',', "").parse().ok()).unwrap_or_else(|| panic!("no number: {text}"))
}

/// The numbers of a row that is a list, in sum.
fn sum(text: &str) -> u64 {
    text.split(", ").map(|item| number(&item.replace('-', " "))).sum()
}

fn file(name: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name).to_str().unwrap().to_string();
    (directory, path)
}

fn start(options: &[&str], stderr: impl Into<Stdio>) -> Child {
    let mut command = program();
    command.arg("sim").args(options).env("TERM", "xterm").stdout(Stdio::piped()).stderr(stderr);
    command.spawn().unwrap()
}

fn interrupt(child: &Child) {
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_plan_is_carried_out_and_its_figures_agree() {
    let ran = sim(&PLAN);
    assert_eq!(
        rows(&ran)[0],
        "sim           5 peers over lan, a message every 100ms, 32 B to 250 B, 5s, seed 1"
    );
    assert_eq!(row(&ran, "messages"), "50 made, each for 4 others");
    assert_eq!(row(&ran, "deliveries"), "200 due, 200 came, 0 missing, 0 wrong, 0 out of order, 0 twice");
    let latency = row(&ran, "latency");
    // a millisecond there and one on, and a tenth more each at most
    assert!(
        latency.starts_with("p50 2.") && latency.ends_with("(from the time a message was due)"),
        "{latency}"
    );
    assert_eq!(row(&ran, "connections"), "5 let in");
    assert_eq!((row(&ran, "cut off").as_str(), row(&ran, "closed").as_str()), ("nobody", "eof 5"));
    let time = row(&ran, "time");
    assert!(time.contains(" of virtual time in ") && time.ends_with(" times as fast"), "{time}");
    assert!(number(&time.replace('s', " ")) >= 5, "{time}");
}

#[test]
fn the_same_seed_is_the_same_world_and_another_one_another() {
    for options in [PLAN.as_slice(), &["--peers", "8"]] {
        let with = |seed: &'static str| sim(&[options, &["--seed", seed]].concat());
        let (one, again, other) = (with("7"), with("7"), with("8"));
        assert_eq!(rows(&one), rows(&again));
        assert_ne!(rows(&one)[1..], rows(&other)[1..]);
    }
}

#[test]
fn twenty_radios_get_everything() {
    let ran = sim(&["--profile", "hf-radio", "--peers", "20"]);
    assert_eq!(
        rows(&ran)[0],
        "sim           20 peers over hf-radio, a message every 20s, 32 B to 250 B, 1h, seed 1"
    );
    assert!(row(&ran, "deliveries").starts_with("3,420 due, 3,420 came, 0 missing, "), "{}", ran.out);
    assert!(
        row(&ran, "ways").starts_with("0 stalls, ") && number(&row(&ran, "ways")[10..]) > 0,
        "{}",
        ran.out
    );
    assert!(number(&row(&ran, "under way").replace("at most", "").replace('.', " ")) > 0, "{}", ran.out);
}

#[test]
fn every_kind_of_way_has_a_plan_that_succeeds() {
    for profile in ["lan", "wan", "satellite", "lossy", "congested", "hf-radio"] {
        let ran = sim(&["--profile", profile, "--peers", "3", "--seeds", "3"]);
        assert!(rows(&ran)[0].contains(&format!("3 peers over {profile}, ")), "{}", ran.out);
        assert!(rows(&ran)[0].ends_with(", seeds 1 to 3"), "{}", ran.out);
        assert!(
            row(&ran, "deliveries").contains(" 0 missing, 0 wrong, 0 out of order, 0 twice"),
            "{}",
            ran.out
        );
    }
}

#[test]
fn swarms_are_added_up_and_what_never_struck_is_named() {
    let all = sim(&["--seed", "3", "--seeds", "4"]);
    assert_eq!(rows(&all)[0], "sim           4 worlds, seeds 3 to 6");
    let each: Vec<Ran> = ["3", "4", "5", "6"].iter().map(|seed| sim(&["--seed", seed])).collect();
    for name in ["connections", "bans", "deliveries"] {
        let parts: u64 = each.iter().map(|one| number(&row(one, name))).sum();
        assert_eq!(number(&row(&all, name)), parts, "{name}");
    }
    for ran in each.iter().chain([&all]) {
        assert_eq!(
            sum(&row(ran, "closed")),
            number(&row(ran, "connections")),
            "who came has gone: {}",
            ran.out
        );
    }
    assert_eq!(row(&all, "faults").split(", ").count(), 11, "{}", all.out);
    assert_eq!(row(&all, "peers").split(", ").count(), 21, "{}", all.out);
    assert!(row(&all, "peers").contains(" 0 (0 moves)"), "{}", all.out);
    assert!(!row(&each[0], "peers").contains(" 0 (0 moves)"), "{}", each[0].out);
}

#[test]
fn a_seed_is_a_mesh_too_and_its_trace_tells_of_every_relay() {
    let (plain, traced) = (sim(&["--seed", "6"]), sim(&["--seed", "6", "--trace"]));
    let all = rows(&traced);
    assert!(all.ends_with(&rows(&plain)), "{}", plain.out);
    assert_eq!(row(&plain, "meshes").split(", ").count(), 1, "{}", plain.out);
    assert!(row(&plain, "in them").starts_with("said "), "{}", plain.out);
    let begins = all.iter().position(|line| line.contains(" a mesh of its own: ")).unwrap();
    let (world, mesh) = all[..all.len() - rows(&plain).len()].split_at(begins);
    assert!(world.iter().all(|line| !line.contains(" relay ")) && mesh.len() > 1000);
    for what in ["relay 1 dials #", "relay 1 lets in #", "relay 2 writes to #"] {
        assert!(mesh.iter().any(|line| line.contains(what)), "no line with {what:?}");
    }
    let several = sim(&["--seed", "5", "--seeds", "2"]);
    assert_eq!(
        sum(&row(&several, "meshes").replace("full mesh", "full").replace("selfish among others", "among")),
        2
    );
    assert!(row(&several, "in them").contains("relays killed "), "{}", several.out);
}

#[test]
fn a_seed_is_a_town_too_and_its_trace_tells_what_people_say() {
    let traced = sim(&["--seed", "6", "--trace"]);
    let town = traced.out.split(" a town of its own: ").nth(1).unwrap_or_else(|| panic!("{}", traced.out));
    for what in ["relay 1 reads #", " says transaction ", " says block ", " hears Chain("] {
        assert!(town.contains(what), "no line with {what:?}");
    }
    assert!(row(&traced, "towns").starts_with("1 town, miner "), "{}", traced.out);
    let several = sim(&["--seed", "5", "--seeds", "2"]);
    assert_eq!(row(&several, "towns").split(", ").count(), 1 + 21, "every kind of person: {}", several.out);
    assert_eq!(row(&several, "lies").split(", ").count(), 17, "every lie: {}", several.out);
}

#[test]
fn wishes_hold_for_whoever_is_drawn_and_a_mesh_has_none() {
    let ran = sim(&["--seed", "5", "--peers", "40", "--duration", "2s"]);
    assert!(!ran.out.contains("\nmeshes "), "{}", ran.out);
    assert_eq!(rows(&ran)[0], "sim           1 world, seed 5, 40 peers, 2s");
    assert_eq!(sum(&row(&ran, "peers")), 40, "{}", ran.out);
}

#[test]
fn a_trace_is_a_line_a_step_and_changes_nothing() {
    let plain = sim(&PLAN);
    let traced = sim(&[PLAN.as_slice(), &["--trace"]].concat());
    let all = rows(&traced);
    let steps = all.len() - rows(&plain).len();
    assert_eq!(all[steps..], rows(&plain));
    let mut last = 0.0;
    for line in &all[..steps] {
        let (seconds, step) = line.trim().split_once(' ').unwrap();
        assert_eq!(seconds.split('.').nth(1).map(str::len), Some(6), "{line}");
        let seconds: f64 = seconds.parse().unwrap();
        assert!(seconds >= last, "{line}");
        last = seconds;
        let (what, whose) = step.split_once(" #").unwrap_or_else(|| panic!("whose? {line}"));
        assert!(!what.is_empty() && whose.split(' ').all(|word| word.parse::<u64>().is_ok()), "{line}");
    }
    let count = |what: &str| all[..steps].iter().filter(|line| line.contains(&format!(" {what} #"))).count();
    assert_eq!([count("accepts"), count("reads the end of"), count("closes")], [5, 5, 5]);
    // a ping at the door, one at the end, and 50 messages
    assert!(count("reads") >= 60 && count("writes to") >= 200, "{}", traced.out);
}

#[test]
fn whoever_has_seen_enough_of_a_trace_may_close_it() {
    let mut child = start(&[&ENDLESS, ["--trace"].as_slice()].concat(), Stdio::piped());
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert!(line.contains(" accepts #"), "{line}");
    drop(out);
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), ended.stderr.as_slice()), (Some(0), b"".as_slice()));
}

#[test]
fn the_plot_has_both_panels_for_light_and_dark_pages() {
    let (_directory, path) = file("plot.svg");
    for options in [PLAN.as_slice(), &["--seed", "4"], &["--profile", "hf-radio", "--duration", "10m"]] {
        rows(&sim(&[options, &["--plot", &path]].concat()));
        let svg = std::fs::read_to_string(&path).unwrap();
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
        for words in
            ["prefers-color-scheme:dark", "Delivery latency (", "Queue depth (", "over virtual time ("]
        {
            assert!(svg.contains(words), "no {words} in {svg}");
        }
        for curve in ["longest", "median", "under way", "queued in the relay"] {
            assert!(svg.contains(curve), "no {curve} in {svg}");
        }
        // one of them only says what a colour means
        assert!(svg.matches("<polyline ").count() >= 8, "four curves: {svg}");
    }
}

#[test]
fn a_plot_that_cannot_be_written_is_told_before_the_run() {
    let ran = sim(&[PLAN.as_slice(), &["--plot", "/nonexistent/file"]].concat());
    assert!(ran.error(1).starts_with("cannot write /nonexistent/file: "), "{ran:?}");
}

#[test]
fn whoever_stops_it_is_told_what_there_is() {
    let mut child = start(&[&ENDLESS, ["--trace"].as_slice()].concat(), Stdio::piped());
    let lines = Lines::of(child.stdout.take().unwrap());
    lines.wait("a step", |lines, _| (!lines.is_empty()).then_some(()));
    interrupt(&child);
    let all = lines.wait("the end", |lines, is_over| is_over.then(|| lines.to_vec()));
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let from = all.iter().position(|line| line.starts_with("sim ")).expect("a summary");
    let said = all[from..].join("\n");
    assert!(said.contains("\nstopped       by a signal, seed 1 at "), "{said}");
    assert!(said.contains("\ndeliveries    ") && !said.contains("\nbroken "), "{said}");
}

#[test]
fn a_terminal_is_shown_how_far_it_is_and_nothing_of_that_is_left() {
    let (screen, stderr) = terminal();
    let mut child = start(&[&ENDLESS, ["--seed", "9"].as_slice()].concat(), stderr);
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains(" of virtual time") {
        assert!(read_some(&screen, &mut shown), "{}", String::from_utf8_lossy(&shown));
    }
    interrupt(&child);
    while read_some(&screen, &mut shown) {}
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let shown = String::from_utf8_lossy(&shown);
    assert!(shown.contains("seed 9: "), "{shown:?}");
    assert!(shown.trim_end().ends_with("\u{1b}[2K"), "the line is wiped: {shown:?}");
}

/// False once nobody has the terminal open any more, which is an error.
fn read_some(mut screen: &File, into: &mut Vec<u8>) -> bool {
    let mut some = [0; 1000];
    let len = screen.read(&mut some).unwrap_or(0);
    into.extend(&some[..len]);
    len > 0
}

#[test]
fn options_that_make_no_sense_are_told_in_one_line() {
    let seed = "need a whole number, at most 18446744073709551615";
    for bad in ["x", "-1", "", "1.5", "18446744073709551616"] {
        assert_eq!(refused(&["--seed", bad]), format!("--seed {bad}: {seed}"));
    }
    for option in ["--seeds", "--peers"] {
        for bad in ["0", "x", "-1", "", "1k"] {
            assert_eq!(refused(&[option, bad]), format!("{option} {bad}: need a whole number from 1 on"));
        }
    }
    let beyond = refused(&["--seed", "18446744073709551615", "--seeds", "2"]);
    assert_eq!(beyond, "--seeds 2: the last seed there is is 18446744073709551615");
    for bad in ["1", "10001"] {
        assert_eq!(refused(&["--peers", bad]), format!("--peers {bad}: need from 2 to 10,000"));
    }
    let profiles = "no such profile; there are lan, wan, satellite, lossy, congested and hf-radio";
    for bad in ["hf", "LAN", ""] {
        assert_eq!(refused(&["--profile", bad]), format!("--profile {bad}: {profiles}"));
    }
    let span = "need a number with ms, s, m or h, as in 10s";
    assert_eq!(refused(&["--duration", "10"]), format!("--duration 10: {span}"));
    assert_eq!(refused(&["--duration", "0s"]), "--duration 0: need at least 1ms");
    // taken, it would not end within a test's time: the plot then says no
    let longer = refused(&["--duration", "721h", "--plot", "/nonexistent/file"]);
    assert_eq!(longer, "--duration 721h: at most 720h");
    assert_eq!(refused(&["--trace", "--seeds", "2"]), "--trace: is of one world, and --seeds 2 are more");
    assert_eq!(refused(&["--plot", "f", "--seeds", "3"]), "--plot: is of one world, and --seeds 3 are more");
    assert_eq!(refused(&["--plot"]), "--plot: needs a value");
    assert_eq!(refused(&["stray"]), "stray: is one word too many (--help shows all)");
    assert_eq!(refused(&["--sed", "1"]), "--sed: no such option (did you mean --seed?)");
}

#[test]
fn the_smallest_and_the_largest_are_taken() {
    for (seed, seeds) in [("0", "1"), ("18446744073709551615", "1"), ("18446744073709551614", "2")] {
        rows(&sim(&["--seed", seed, "--seeds", seeds, "--duration", "1ms"]));
    }
    for profile in ["lan", "hf-radio"] {
        rows(&sim(&["--profile", profile, "--peers", "2", "--duration", "1ms"]));
    }
    rows(&sim(&["--peers", "2", "--duration", "1ms"]));
}

#[test]
fn no_variable_is_read() {
    let ran = run(
        &["sim", "--duration", "1ms"],
        &[("PEER_RELAY_SEED", OsStr::new("x")), ("PEER_RELAY_PEERS", OsStr::new("1"))],
    );
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn help_has_examples_every_option_and_the_exit_codes() {
    let help = sim(&["--help"]);
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    assert_eq!(
        help.out.lines().filter(|line| line.starts_with("  peer-relay sim ")).count(),
        3,
        "{}",
        help.out
    );
    for option in [
        "seed <N>",
        "seeds <COUNT>",
        "profile <NAME>",
        "peers <N>",
        "duration <DURATION>",
        "trace",
        "plot <FILE>",
    ] {
        assert!(help.out.contains(&format!("--{option}")), "no {option} in {}", help.out);
    }
    assert!(help.out.contains("The exit code is 0 when every promise was kept"), "{}", help.out);
}
