//! `load` as it is run: against a live relay, through a proxy that spoils what passes, and with what can be wrong
//! about its options.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

use crate::support::{Ran, Relay, program, run, terminal};

/// A short run with these options.
fn load(to: SocketAddr, options: &[&str]) -> Ran {
    let to = to.to_string();
    let brief = if options.contains(&"--duration") { &[][..] } else { &["--duration", "300ms"] };
    run(&[&["load", "--connect", &to, "--warmup", "50ms"], brief, options].concat(), &[])
}

fn refused(options: &[&str]) -> String {
    run(&[&["load", "--connect", "127.0.0.1:1"], options].concat(), &[]).error(2).into()
}

/// A file's name in a directory of its own.
fn file(name: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name).to_str().unwrap().to_string();
    (directory, path)
}

#[test]
fn a_live_relay_delivers_everything_and_the_figures_say_so() {
    let relay = Relay::start(&[]);
    let (_directory, path) = file("figures.json");
    let pid = relay.pid().to_string();
    let options =
        ["--peers", "20", "--senders", "3", "--size", "16..2k", "--relay-pid", &pid, "--json", &path];
    let ran = load(relay.address(), &options);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    for name in ["load ", "joined ", "deliveries/s ", "latency ", "deliveries ", "CPU ", "relay "] {
        assert!(ran.out.lines().any(|line| line.starts_with(name)), "no {name} in {}", ran.out);
    }
    assert!(ran.out.contains("20 peers, 3 senders, 16 B to 2k, at most 64 messages under way (closed loop)"));
    assert!(
        ran.out.contains("p50 ")
            && ran.out.contains("p99.9 ")
            && ran.out.contains("deliveries per CPU second")
    );
    assert!(ran.out.contains(" 0 missing, 0 wrong, 0 out of order, 0 twice"), "{}", ran.out);
    let figures = json(&path);
    assert_eq!((&figures["protocol"], &figures["receivers"]), (&"frames".into(), &19.into()));
    let total = &figures["total"];
    assert_eq!(total["due"], total["came"]);
    assert!(total["came"].as_u64() > Some(100), "{figures}");
    assert_eq!(figures["faulty"], Value::Array(vec![]));
    assert_eq!(
        (&figures["loop"], &figures["window"], &figures["rate"]),
        (&"closed".into(), &64.into(), &Value::Null)
    );
    assert!(
        figures["relay"]["cpu_s"].as_f64() > Some(0.0) && figures["tester"]["cpu_s"].as_f64() > Some(0.0)
    );
    assert!(figures["relay"]["rss_bytes"].as_u64() > Some(1 << 20));
    let stretches = figures["deliveries_in_stretch"].as_array().unwrap();
    let sum: u64 = stretches.iter().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(Some(sum), figures["deliveries"].as_u64());
    relay.stop();
}

fn json(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_rate_is_an_open_loop_and_latency_counts_from_due() {
    let relay = Relay::start(&[]);
    let ran = load(relay.address(), &["--rate", "500", "--peers", "5"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("500 messages/s (open loop)"), "{}", ran.out);
    assert!(ran.out.contains("from the time a message was due"), "{}", ran.out);
    // 175 messages in 350 ms, give or take the one at the very end
    let due = ran.out.split("deliveries    ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!(["696", "700"].contains(&due), "{}", ran.out);
}

#[test]
fn every_peer_comes_from_an_address_of_its_own() {
    let relay = Relay::start(&["--max-peers-per-ip", "1"]);
    let ran = load(relay.address(), &["--peers", "300"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn a_run_can_end_at_its_bytes() {
    let relay = Relay::start(&[]);
    let options = ["--peers", "10", "--size", "64k", "--duration", "20m", "--max-bytes", "5M"];
    let ran = load(relay.address(), &options);
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn the_plot_is_a_picture_with_words_for_light_and_dark_pages() {
    let relay = Relay::start(&[]);
    let (_directory, path) = file("plot.svg");
    assert_eq!(load(relay.address(), &["--peers", "5", "--plot", &path]).code, Some(0));
    let svg = std::fs::read_to_string(&path).unwrap();
    assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
    for words in ["prefers-color-scheme:dark", "5 peers, 1 sender, 250 B", "atency", "99 %", "eliveries"] {
        assert!(svg.contains(words), "no {words} in {svg}");
    }
    assert!(svg.matches("<polyline ").count() >= 2, "two curves");
}

#[test]
fn a_terminal_is_shown_how_far_it_is_and_nothing_of_that_is_left() {
    let relay = Relay::start(&[]);
    let (screen, stderr) = terminal();
    let mut child = program()
        .args(["load", "--connect", &relay.address().to_string(), "--duration", "500ms", "--warmup", "0"])
        .env("TERM", "xterm")
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .unwrap();
    let shown = thread::spawn(move || {
        let mut shown = Vec::new();
        let _ = (&screen).read_to_end(&mut shown); // a terminal that nobody has open any more is an error
        String::from_utf8_lossy(&shown).into_owned()
    });
    assert!(child.wait().unwrap().success());
    drop(child);
    let shown = shown.join().unwrap();
    assert!(shown.contains("running ") && shown.contains(" deliveries measured"), "{shown:?}");
    assert!(shown.trim_end().ends_with("\u{1b}[2K"), "the line is wiped: {shown:?}");
}

/// What a proxy does to the delivery it is asked about.
#[derive(Clone, Copy, Debug)]
enum Spoil {
    Drop,
    Flip,
    Swap,
    Double,
    CutOff,
}

/// Spoils the tenth message of its third connection on the way from the relay; all else passes as it is.
fn proxy(to: SocketAddr, spoil: Spoil) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for inward in listener.incoming().take(20) {
            let inward = inward.unwrap();
            let outward = TcpStream::connect(to).unwrap();
            let (from_tester, to_relay) = (inward.try_clone().unwrap(), outward.try_clone().unwrap());
            thread::spawn(move || pass(from_tester, to_relay));
            let spoil = (accepted.fetch_add(1, Ordering::Relaxed) == 2).then_some(spoil);
            thread::spawn(move || pass_frames(outward, inward, spoil));
        }
    });
    at
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to); // whichever side ends it
    let _ = to.shutdown(Shutdown::Write);
}

fn pass_frames(mut from: TcpStream, mut to: TcpStream, spoil: Option<Spoil>) {
    let mut messages = 0;
    let mut held: Option<Vec<u8>> = None;
    while let Some(frame) = next_frame(&mut from) {
        messages += usize::from(&frame[4..8] == b"msg\0");
        let out = match spoil {
            Some(Spoil::CutOff) if messages == 10 => return to.shutdown(Shutdown::Both).unwrap_or(()),
            Some(spoil) if messages == 10 => spoiled(spoil, frame, &mut held),
            _ => [Some(frame), held.take()].into_iter().flatten().collect(),
        };
        if to.write_all(&out.concat()).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn spoiled(spoil: Spoil, mut frame: Vec<u8>, held: &mut Option<Vec<u8>>) -> Vec<Vec<u8>> {
    match spoil {
        Spoil::Drop | Spoil::CutOff => vec![],
        Spoil::Flip => {
            *frame.last_mut().unwrap() ^= 1;
            vec![frame]
        }
        Spoil::Swap => {
            *held = Some(frame); // until the next one has gone
            vec![]
        }
        Spoil::Double => vec![frame.clone(), frame],
    }
}

fn next_frame(from: &mut TcpStream) -> Option<Vec<u8>> {
    let mut frame = vec![0; 24];
    from.read_exact(&mut frame).ok()?;
    let length = u32::from_le_bytes(frame[16..20].try_into().unwrap());
    frame.resize(24 + length as usize, 0);
    from.read_exact(&mut frame[24..]).ok()?;
    Some(frame)
}

#[test]
fn a_delivery_dropped_flipped_swapped_or_doubled_on_the_way_is_named() {
    for (spoil, name) in [
        (Spoil::Drop, "missing"),
        (Spoil::Flip, "wrong"),
        (Spoil::Swap, "out_of_order"),
        (Spoil::Double, "twice"),
    ] {
        let relay = Relay::start(&[]);
        let (_directory, path) = file("figures.json");
        let options = ["--peers", "5", "--senders", "1", "--rate", "200", "--json", &path];
        let ran = load(proxy(relay.address(), spoil), &options);
        assert_eq!(ran.code, Some(1), "{spoil:?}: {ran:?}");
        let figures = json(&path);
        for kind in ["missing", "wrong", "out_of_order", "twice", "cut_off"] {
            assert_eq!(figures["total"][kind], u64::from(kind == name), "{spoil:?} {kind}: {figures}");
        }
        // the tenth message, whichever receiver the third connection was
        let fault = &figures["faults"][0];
        let spoken = name.replace('_', " ");
        assert_eq!((&fault["kind"], &fault["number"]), (&spoken.clone().into(), &9.into()), "{figures}");
        let receiver = &fault["receiver"];
        assert_eq!(&figures["faulty"][0]["receiver"], receiver);
        let line = format!("{spoken:12}  receiver {receiver} (127.1.0.");
        let named = ran.out.lines().find(|named| named.starts_with(&line));
        assert!(
            named.is_some_and(|named| named.ends_with("): message 9 of sender 0")),
            "{line}: {}",
            ran.out
        );
    }
}

#[test]
fn who_is_cut_off_in_the_middle_is_told() {
    let relay = Relay::start(&[]);
    let ran = load(proxy(relay.address(), Spoil::CutOff), &["--peers", "5", "--rate", "200"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.contains("the relay cut 1 peer off; its log says why"), "{}", ran.out);
    let missing: Vec<&str> = ran.out.lines().filter(|line| line.starts_with("missing ")).collect();
    assert!(
        missing.len() == 1 && missing[0].contains("message 9 ") || missing[0].contains("messages 9 to "),
        "{}",
        ran.out
    );
}

#[test]
fn where_no_relay_is_the_way_out_is_told() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let line = format!("cannot connect to {closed}: refused. Is a relay there? Start one: peer-relay serve");
    assert_eq!(load(closed, &[]).error(1), line);
}

#[test]
fn where_no_other_server_is_that_is_told() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for protocol in ["redis", "nats", "mqtt"] {
        let line = format!("cannot connect to {closed}: refused. Is a server there that speaks {protocol}?");
        assert_eq!(load(closed, &["--protocol", protocol]).error(1), line);
    }
}

#[test]
fn no_variable_of_the_relays_is_read() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let variables =
        [("PEER_RELAY_MAGIC", OsStr::new("01020304")), ("PEER_RELAY_NETWORK", OsStr::new("mainnet"))];
    let ran = run(&["load", "--connect", &closed, "--protocol", "redis"], &variables);
    assert!(ran.error(1).starts_with("cannot connect to "), "{ran:?}");
}

#[test]
fn a_relay_that_is_full_or_bans_us_is_told() {
    let full = Relay::start(&["--max-peers", "5"]);
    let line = load(full.address(), &["--peers", "50"]).error(1).to_string();
    assert!(
        line.contains("closed the connection of peer ") && line.contains(" of 50 at once: it is full"),
        "{line}"
    );
    let other = Relay::start(&["--magic", "01020304"]);
    assert_eq!(load(other.address(), &["--peers", "2", "--magic", "01020304"]).code, Some(0));
    let line = load(other.address(), &["--peers", "2"]).error(1).to_string();
    assert!(line.contains("another network's magic; its log says which"), "{line}");
    let banning = Relay::start(&[]);
    banning.ban([127, 1, 0, 2]);
    let line = load(banning.address(), &["--peers", "2"]).error(1).to_string();
    assert!(line.contains("has banned 127.1.0.2"), "{line}");
}

#[test]
fn more_peers_than_descriptors_are_refused_before_anything_begins() {
    let program = env!("CARGO_BIN_EXE_peer-relay");
    let shell = format!("ulimit -n 300; exec {program} load --connect 127.0.0.1:1 --peers 10000");
    let output = Command::new("sh").args(["-c", &shell]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said, "error: 300 descriptors allow 200 peers, 10,000 asked\n");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn options_that_make_no_sense_are_told_in_one_line() {
    assert_eq!(refused(&["--peers", "1"]), "--peers 1: need 2, one that sends and one that gets it");
    assert_eq!(refused(&["--senders", "101"]), "--senders 101: there are only 100 peers");
    assert_eq!(refused(&["--rate", "0"]), "--rate 0: need messages a second, from 1 on, or max");
    assert_eq!(
        refused(&["--rate", "5", "--window", "5"]),
        "--window 5: goes with --rate max, not with --rate 5"
    );
    assert_eq!(refused(&["--window", "0"]), "--window 0: need a whole number from 1 on");
    assert_eq!(
        refused(&["--size", "15"]),
        "--size 15: need at least 16 bytes, or messages could not all differ"
    );
    let range = "need a size, or a range from small to large, up to 1GiB";
    for size in ["2k..1k", "16..2GiB"] {
        assert_eq!(refused(&["--size", size]), format!("--size {size}: {range}"));
    }
    assert!(refused(&["--size", "16..x"]).starts_with("--size 16..x: need a number of bytes"));
    assert_eq!(
        refused(&["--rate", "1000000001"]),
        "--rate 1000000001: at most 1,000,000,000 messages a second"
    );
    assert_eq!(refused(&["--window", "1000001"]), "--window 1000001: at most 1,000,000 messages");
    assert_eq!(refused(&["--max-bytes", "0"]), "--max-bytes 0: need at least one byte");
    assert_eq!(refused(&["--json", "f", "--plot", "f"]), "--plot: cannot go to the same file as --json");
    assert_eq!(refused(&["--duration", "0"]), "--duration 0s: need at least 1ms");
    for bad in ["127.0.0.1:x", "127.0.0.1:0", "::1:x", ""] {
        assert!(run(&["load", "--connect", bad], &[]).error(2).starts_with(&format!("--connect {bad}: ")));
    }
    assert_eq!(refused(&["--relay-pid", "1 2"]), "--relay-pid 1 2: need the number of one process");
    assert_eq!(refused(&["--protocol", "amqp"]), "--protocol amqp: need frames, redis, nats or mqtt");
    for (option, value) in [("--network", "private"), ("--magic", "01020304")] {
        assert_eq!(
            refused(&["--protocol", "redis", option, value]),
            format!("{option} {value}: goes with --protocol frames, not with redis")
        );
    }
    assert_eq!(
        refused(&["--protocol", "nats", "--senders", "100"]),
        "--senders 100: of 100 peers one must receive, and with nats a sender does not"
    );
    assert_eq!(
        refused(&["--protocol", "mqtt", "--size", "16..256MiB"]),
        "--size: a message of mqtt has at most 268,435,432 bytes"
    );
    assert_eq!(refused(&["stray"]), "stray: is one word too many (--help shows all)");
    assert_eq!(run(&["load"], &[]).error(2), "--connect <HOST[:PORT]>: is needed");
}

#[test]
fn what_cannot_be_done_is_told_before_the_run() {
    let relay = Relay::start(&[]);
    let nobody = load(relay.address(), &["--relay-pid", "4294967295"]);
    assert_eq!(nobody.error(1), "--relay-pid 4294967295: no such process on this host");
    for option in ["--json", "--plot"] {
        let line = load(relay.address(), &[option, "/nonexistent/file"]).error(1).to_string();
        assert!(line.starts_with("cannot write /nonexistent/file: "), "{line}");
    }
    let (_directory, path) = file("figures.json");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    load(closed, &["--json", &path]).error(1);
    assert!(!std::path::Path::new(&path).exists(), "no run leaves no file");
}

#[test]
fn a_relay_that_dies_in_the_middle_leaves_a_report() {
    let relay = Relay::start(&[]);
    let pid = relay.pid();
    let mut witness = relay.peer();
    let to = relay.address();
    let options = ["--peers", "5", "--rate", "1000", "--duration", "20m", "--relay-pid", &pid.to_string()];
    let options: Vec<String> = options.iter().map(ToString::to_string).collect();
    let tester = thread::spawn(move || load(to, &options.iter().map(String::as_str).collect::<Vec<_>>()));
    witness.receive(); // it has begun
    signal("-KILL", pid);
    let ran = tester.join().unwrap();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for said in ["given up      nobody was left to receive", "deliveries    "] {
        assert!(ran.out.contains(said), "no {said} in {}", ran.out);
    }
    // with four of five gone there is nobody to receive, and nobody to wait for
    let cut_off = ["the relay cut 4 peers off", "the relay cut 5 peers off"];
    assert!(cut_off.iter().any(|said| ran.out.contains(said)), "{}", ran.out);
}

#[test]
fn whoever_stops_a_run_is_told_what_there_is() {
    let relay = Relay::start(&[]);
    let mut witness = relay.peer();
    let to = format!("localhost:{}", relay.address().port());
    let mut child = program()
        .args([
            "load",
            "--connect",
            &to,
            "--peers",
            "5",
            "--rate",
            "1000",
            "--warmup",
            "0",
            "--duration",
            "20m",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    witness.receive(); // it has begun
    signal("-INT", child.id());
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{out}");
    assert!(out.contains("given up      stopped by a signal") && out.contains("deliveries    "), "{out}");
}

fn signal(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}
