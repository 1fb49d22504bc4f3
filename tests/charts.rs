//! What `scripts/compare.sh` and `scripts/scale.sh` run: the programs themselves, a few seconds each, and how they come to
//! their figures, which each of their files tests for itself.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tempfile::TempDir;

#[allow(dead_code)] // the program uses what its tests do not
#[path = "../scripts/charts/main.rs"]
mod charts;
#[path = "common/example.rs"]
mod example;

/// How long anything may take that is sure to happen. A machine that is busy is slow, not broken.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the charts may take for what they are asked here: several times what they do on a machine that is busy.
const LONGEST: Duration = Duration::from_secs(120);

/// The charts, in a directory of their own.
fn charts(words: &[&str], knobs: &[(&str, &str)]) -> (Command, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(example::example("charts"));
    command.args(words).current_dir(directory.path());
    for name in ["CELLS", "SERVERS", "REPS", "DURATION", "PEERS"] {
        command.env_remove(name);
    }
    command.envs(knobs.iter().copied());
    (command, directory)
}

fn run(words: &[&str], knobs: &[(&str, &str)]) -> (Output, TempDir) {
    let (mut command, directory) = charts(words, knobs);
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _over = bound(&child, LONGEST);
    let output = child.wait_with_output().unwrap();
    assert_eq!(left_in(directory.path()), Vec::<String>::new(), "processes are left behind");
    (output, directory)
}

/// Stops a program that runs longer, and ends it if that does not help. Whoever waits for it waits no longer, and sees
/// that it was stopped. Until then what is returned has to be kept.
fn bound(child: &Child, longest: Duration) -> Sender<()> {
    let (over, is_over) = mpsc::channel();
    // unlike its number, never another's
    let process = pidfd_open(Pid::from_child(child), PidfdFlags::empty()).unwrap();
    thread::spawn(move || {
        for signal in [Signal::TERM, Signal::KILL] {
            if is_over.recv_timeout(longest) == Err(RecvTimeoutError::Timeout) {
                let _ = pidfd_send_signal(&process, signal); // it has ended: so much the better
            }
        }
    });
    over
}

#[test]
fn a_program_that_hangs_is_stopped_and_one_that_does_not_listen_is_ended() {
    let longest = Duration::from_millis(1);
    let hanging = Command::new("sleep").arg("600").spawn().unwrap();
    let _over = bound(&hanging, longest);
    assert_eq!(hanging.wait_with_output().unwrap().status.signal(), Some(15));
    let deaf = ["-c", "trap '' TERM; echo; while :; do :; done"];
    let mut deaf = Command::new("sh").args(deaf).stdout(Stdio::piped()).spawn().unwrap();
    BufReader::new(deaf.stdout.take().unwrap()).lines().next().unwrap().unwrap(); // it is
    let _over = bound(&deaf, longest);
    assert_eq!(deaf.wait().unwrap().signal(), Some(9));
}

#[test]
fn a_program_that_is_missing_or_older_than_its_sources_is_not_taken() {
    let directory = tempfile::tempdir().unwrap();
    let (program, source) = (directory.path().join("program"), directory.path().join("main.rs"));
    fs::write(&source, "").unwrap();
    assert_eq!(example::doubt(&program, directory.path()), Some("is not built"));
    let built = fs::metadata(&source).unwrap().modified().unwrap();
    fs::File::create(&program).unwrap().set_modified(built).unwrap();
    assert_eq!(example::doubt(&program, directory.path()), None);
    let file = fs::File::options().append(true).open(&source).unwrap();
    file.set_modified(built + Duration::from_secs(1)).unwrap();
    assert_eq!(example::doubt(&program, directory.path()), Some("is older than its sources"));
}

/// What still runs there.
fn left_in(directory: &Path) -> Vec<String> {
    let directory = directory.canonicalize().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    let there =
        processes.filter(|process| fs::read_link(process.join("cwd")).is_ok_and(|at| at == directory));
    there.map(|process| fs::read_to_string(process.join("comm")).unwrap_or_default()).collect()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The picture, which is whole.
fn picture(path: &Path) -> String {
    let svg = fs::read_to_string(path).unwrap();
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "{svg}");
    svg
}

/// The figures of a row that begins so.
fn row(text: &str, name: &str) -> Vec<String> {
    let begin = format!("| {name} | ");
    let line =
        text.lines().find_map(|line| line.strip_prefix(&begin)).unwrap_or_else(|| panic!("{name}: {text}"));
    line.trim_end_matches(" |").split(" | ").map(String::from).collect()
}

/// The figures of the column with this title.
fn column(text: &str, title: &str) -> Vec<String> {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_string()).collect();
    let mut rows = text.lines().filter(|line| line.starts_with('|')).map(cells);
    let header: Vec<String> = rows.next().unwrap_or_default();
    let at = header.iter().position(|cell| cell == title).unwrap_or_else(|| panic!("{title}: {text}"));
    rows.skip(1).map(|row| row[at].clone()).collect()
}

/// Long enough for something to come on a machine on which everybody waits for a CPU.
const SHORT: [(&str, &str); 2] = [("REPS", "1"), ("DURATION", "1s")];

#[test]
fn a_short_comparison_of_the_relay_with_itself_has_a_table_and_a_chart() {
    // what is exported for somebody's own relay is none of the charts' business
    let magic = ("PEER_RELAY_MAGIC", "01020304");
    let knobs = [("CELLS", "to-10 rate-1000"), ("SERVERS", "peer-relay"), magic, SHORT[0], SHORT[1]];
    let (output, directory) = run(&["compare", "made/it.svg"], &knobs);
    let text = out(&output);
    assert!(output.status.success(), "{text}{}", errors(&output));
    assert!(text.contains("|  | peer-relay |\n|---|---:|\n| 250 B to 10 | "), "{text}");
    assert_eq!(column(&text, "").split_off(1), ["p50 at 1,000/s", "p99 at 1,000/s"]);
    let figure = &column(&text, "peer-relay")[0];
    assert!(figure.ends_with(" M") || figure.ends_with(" k"), "{text}");
    let svg = picture(&directory.path().join("made/it.svg"));
    assert!(svg.contains(figure) && svg.contains("250 B to 10"), "{svg}");
}

#[test]
fn a_server_that_is_not_installed_is_named_and_left_out() {
    if Path::new("/usr/sbin/redis-server").exists() {
        return println!("skipped: redis is where it is found on any PATH");
    }
    let knobs =
        [("CELLS", "to-10"), ("SERVERS", "peer-relay redis"), ("PATH", "/nowhere"), SHORT[0], SHORT[1]];
    let (output, _directory) = run(&["compare"], &knobs);
    assert!(output.status.success(), "{}", errors(&output));
    assert!(errors(&output).starts_with("redis is not installed, and left out\n"), "{}", errors(&output));
    assert!(!out(&output).contains("redis"), "{}", out(&output));
}

#[test]
fn a_server_that_does_not_start_is_a_failure_and_the_others_go_on() {
    let places = tempfile::tempdir().unwrap();
    script(&places.path().join("redis-server"), "echo no such luck >&2; exit 1");
    let path = format!("{}:/usr/bin:/bin", places.path().display());
    let knobs = [("CELLS", "to-10"), ("SERVERS", "redis peer-relay"), ("PATH", &path), SHORT[0], SHORT[1]];
    let (output, _directory) = run(&["compare"], &knobs);
    assert_eq!(output.status.code(), Some(1), "{}", errors(&output));
    assert!(errors(&output).contains("redis did not start: no such luck\n"), "{}", errors(&output));
    assert_eq!(column(&out(&output), "redis"), ["no start"]);
    assert!(column(&out(&output), "peer-relay")[0].ends_with(['k', 'M']), "{}", out(&output));
}

#[test]
fn whoever_else_cannot_do_the_work_says_so_in_its_cell_and_the_others_go_on() {
    let places = tempfile::tempdir().unwrap();
    // a relay takes what redis is asked for junk
    let relay = format!("exec {} serve --listen 127.0.0.1:\"$2\"", env!("CARGO_BIN_EXE_peer-relay"));
    script(&places.path().join("redis-server"), &relay);
    let path = format!("{}:/usr/bin:/bin", places.path().display());
    let knobs = [("CELLS", "to-10"), ("SERVERS", "redis peer-relay"), ("PATH", &path), SHORT[0], SHORT[1]];
    let (output, _directory) = run(&["compare"], &knobs);
    assert!(output.status.success(), "{}", errors(&output));
    assert_eq!(column(&out(&output), "redis"), ["no run"]);
    assert!(column(&out(&output), "peer-relay")[0].ends_with(['k', 'M']), "{}", out(&output));
}

#[test]
fn all_servers_that_are_installed_do_the_same_work() {
    let (output, _directory) = run(&["compare"], &[("CELLS", "to-10"), SHORT[0], SHORT[1]]);
    let (text, errors) = (out(&output), errors(&output));
    assert!(output.status.success(), "{errors}");
    for name in ["peer-relay", "redis", "nats", "mosquitto"] {
        if errors.contains(&format!("{name} is not installed, and left out\n")) {
            println!("skipped: {name} is not installed");
        } else {
            assert!(column(&text, name)[0].ends_with(['k', 'M']), "{text}{errors}");
        }
    }
}

fn script(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Charts that run. Dropped, they are stopped, and with them all they have started.
struct Charts {
    child: Child,
    _over: Sender<()>,
}

impl Drop for Charts {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            kill("-TERM", &self.child.id().to_string());
            self.child.wait().unwrap();
        }
    }
}

/// Some that would take long.
fn long(word: &str, knob: (&str, &str)) -> (Charts, TempDir) {
    let knobs = [knob, ("SERVERS", "peer-relay"), ("REPS", "1"), ("DURATION", "10m")];
    let (mut command, directory) = charts(&[word], &knobs);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let over = bound(&child, LONGEST);
    (Charts { child, _over: over }, directory)
}

/// Those of its children that run this subcommand, once there is one.
fn child_of(parent: &Child, subcommand: &str) -> String {
    let pid = parent.id();
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        let words = |child: &&str| fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
        let runs =
            |child: &&str| words(child).split(|byte| *byte == 0).any(|word| word == subcommand.as_bytes());
        // before taskset has become the program, it is not yet it
        if let Some(child) = children.split_whitespace().find(|child| runs(child) && !is_taskset(child)) {
            return child.to_string();
        }
        thread::yield_now();
    }
    panic!("no child runs {subcommand}");
}

fn is_taskset(pid: &str) -> bool {
    fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == "taskset")
}

fn kill(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
}

fn is_gone(pid: &str) -> bool {
    !Path::new("/proc").join(pid).exists()
}

#[test]
fn a_relay_that_dies_is_cut_off_and_nothing_is_left_behind() {
    let (mut comparison, directory) = long("compare", ("CELLS", "to-10 to-100"));
    let (text, last) = killing_relays(&mut comparison, &directory);
    assert_eq!(column(&text, "peer-relay"), ["cut off", "cut off"]);
    assert_eq!(last, "error: peer-relay: cut off, in 2 runs");
}

#[test]
fn a_relay_that_dies_leaves_a_scale_without_its_figures_and_the_others_go_on() {
    let (mut scale, directory) = long("scale", ("PEERS", "10 20"));
    let (text, last) = killing_relays(&mut scale, &directory);
    assert_eq!(column(&text, "peers"), ["10", "20"]);
    assert_eq!(column(&text, "CPU of a delivery"), ["–", "–"]);
    assert_eq!(last, "error: 2 of 2 looks failed, the first: 10 peers: cut off");
    picture(&directory.path().join("target/scale/scale.svg"));
}

/// Kills the relays of two runs when messages go round. What it has said in the end, and its last line.
fn killing_relays(charts: &mut Charts, directory: &TempDir) -> (String, String) {
    let mut lines = BufReader::new(charts.child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let mut processes = Vec::new();
    for _ in 0..2 {
        let tester = child_of(&charts.child, "load");
        let relay = child_of(&charts.child, "serve");
        wait_for_crowd(&relay);
        kill("-KILL", &relay);
        let line = lines.by_ref().find(|line| line.starts_with("1/1")).unwrap();
        assert!(line.ends_with(": cut off"), "{line}");
        processes.extend([tester, relay]);
    }
    let text = std::io::read_to_string(charts.child.stdout.take().unwrap()).unwrap();
    assert_eq!(charts.child.wait().unwrap().code(), Some(1));
    assert!(processes.iter().all(|pid| is_gone(pid)), "{processes:?}");
    assert_eq!(left_in(directory.path()), Vec::<String>::new());
    (text, lines.last().unwrap())
}

/// Until ten have come, and messages go round.
fn wait_for_crowd(relay: &str) {
    let began = Instant::now();
    let used = || {
        let stat = fs::read_to_string(format!("/proc/{relay}/schedstat")).unwrap();
        stat.split(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let open = || fs::read_dir(format!("/proc/{relay}/fd")).unwrap().count();
    while open() < 15 {
        assert!(began.elapsed() < PATIENCE, "nobody comes");
        thread::yield_now();
    }
    let joined = used();
    while used() < joined + 50_000_000 {
        assert!(began.elapsed() < PATIENCE, "nobody says anything");
        thread::yield_now();
    }
}

#[test]
fn whoever_stops_the_comparison_stops_its_servers() {
    let (mut comparison, directory) = long("compare", ("CELLS", "to-10"));
    let child = &mut comparison.child;
    let (tester, relay) = (child_of(child, "load"), child_of(child, "serve"));
    kill("-TERM", &child.id().to_string());
    let errors = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok).last();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert_eq!(errors.as_deref(), Some("error: stopped by a signal"));
    assert!(is_gone(&tester) && is_gone(&relay));
    assert!(!directory.path().join("target/compare/compare.svg").exists(), "no picture was drawn");
}

#[test]
fn a_short_scale_has_a_row_and_a_mark_for_each_number_of_peers() {
    let knobs = [("PEERS", "1000 10"), SHORT[0], SHORT[1]];
    let (output, directory) = run(&["scale"], &knobs);
    let text = out(&output);
    assert!(output.status.success(), "{text}{}", errors(&output));
    let (few, many) = (row(&text, "10"), row(&text, "1,000"));
    assert!([&few, &many].iter().all(|figures| figures[0].ends_with(" µs")), "{text}");
    assert!(many[3].ends_with('B'), "{text}");
    assert_eq!(few[3], "–", "less than the steps in which memory grows: {text}");
    let svg = picture(&directory.path().join("target/scale/scale.svg"));
    assert!(svg.contains("<circle ") && svg.contains("\n1,000\n"), "{svg}");
}

#[test]
fn words_and_variables_that_make_no_sense_are_said_so() {
    for (words, knob, line) in [
        (&[][..], None, "need a word: charts compare [SVG], or charts scale [SVG]"),
        (&["compare", "a", "b"], None, "b: is one word too many"),
        (
            &["scale", "--fast"],
            None,
            "--fast: there are no options, but variables; see the script's first lines",
        ),
        (&["compare"], Some(("REPS", "0")), "REPS=0: need a whole number from 1 to 1000"),
        (
            &["compare"],
            Some(("SERVERS", "kafka")),
            "SERVERS=kafka: there are peer-relay, redis, nats, mosquitto",
        ),
        (&["compare"], Some(("CELLS", "idle idle")), "CELLS=idle: is named twice"),
        (
            &["scale"],
            Some(("DURATION", "soon")),
            "DURATION=soon: need a time such as 1500ms or 2s, from 10ms to 1h",
        ),
    ] {
        let (output, _directory) = run(words, knob.as_slice());
        let said = (output.status.code(), out(&output), errors(&output));
        assert_eq!(said, (Some(2), String::new(), format!("error: {line}\n")), "{words:?}");
    }
    let (output, _directory) = run(&["scale"], &[("PEERS", "one")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        errors(&output).starts_with("error: PEERS=one: need whole numbers from 2 to "),
        "{}",
        errors(&output)
    );
}

#[test]
fn the_scripts_are_shell_and_refuse_words_before_they_build() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts");
    for name in ["compare.sh", "scale.sh"] {
        let script = scripts.join(name);
        for words in [&["--fast"][..], &["a", "b"]] {
            let output = Command::new("sh").arg(&script).args(words).output().unwrap();
            assert_eq!((output.status.code(), out(&output)), (Some(2), String::new()), "{name} {words:?}");
            assert!(
                errors(&output).starts_with(&format!("usage: scripts/{name} [SVG]; ")),
                "{}",
                errors(&output)
            );
        }
        let output = Command::new("sh").arg(&script).arg("--help").output().unwrap();
        assert!(output.status.success() && out(&output).starts_with("usage: "), "{name}");
    }
}
