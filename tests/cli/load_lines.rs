//! `load --lines`: line peers and framed peers in one room of a live relay, a proxy that spoils lines, and what can be
//! wrong about it.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;

use crate::support::{Ran, Relay, run};

/// Longest line of a probe, its end included; messages of these runs are longer.
const PROBE: usize = 17;

/// Where frames are spoken, and where lines.
fn relay(options: &[&str]) -> (Relay, SocketAddr, SocketAddr) {
    let listen = ["--listen", "127.0.0.1:0", "--listen-lines", "127.0.0.1:0"];
    let relay = Relay::start(&[&listen, options].concat());
    let addresses = relay.addresses();
    (relay, addresses[0], addresses[1])
}

/// A short run with these options, and its figures, if there are any.
fn load(to: SocketAddr, options: &[&str]) -> (Ran, Value) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("figures.json");
    let (to, figures) = (to.to_string(), path.to_str().unwrap());
    let fixed = ["load", "--connect", &to, "--json", figures, "--warmup", "50ms", "--duration", "300ms"];
    let ran = run(&[&fixed[..], options].concat(), &[]);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|_| "null".into());
    (ran, serde_json::from_str(&text).unwrap())
}

fn at(lines: SocketAddr) -> String {
    format!("--lines={lines}")
}

#[test]
fn a_thousand_line_peers_and_a_thousand_framed_peers_share_one_room() {
    let (relay, frames, lines) = relay(&[]);
    let options = ["--peers", "2000", "--senders", "4", "--size", "16..500", &at(lines), "--window", "8"];
    let (ran, figures) = load(frames, &options);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    assert!(
        ran.out.contains("2,000 peers (1,000 of them line peers), 4 senders, 16 B to 500 B"),
        "{}",
        ran.out
    );
    let total = &figures["total"];
    assert_eq!(total["due"], total["came"], "{figures}");
    let due = total["due"].as_u64().unwrap();
    assert!(due > 0 && due.is_multiple_of(1999), "every message to everybody else: {figures}");
    assert_eq!((&figures["line_peers"], &figures["receivers"]), (&1000.into(), &1999.into()));
    relay.stop();
}

#[test]
fn all_of_them_may_be_line_peers_and_all_may_send() {
    let (_relay, _, lines) = relay(&[]);
    for (peers, senders) in [("2", "1"), ("2", "2"), ("40", "40"), ("300", "3")] {
        let (ran, figures) =
            load(lines, &["--lines", "--peers", peers, "--senders", senders, "--size", "16..5k"]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
        assert!(ran.out.contains(&format!("{peers} line peers, {senders} sender")), "{}", ran.out);
        let said = (&figures["protocol"], &figures["line_peers"]);
        assert_eq!(said, (&"lines".into(), &figures["peers"]));
        assert!(figures["total"]["came"].as_u64() > Some(100), "{figures}");
    }
}

#[test]
fn an_open_loop_counts_messages_and_nothing_else() {
    let (_relay, frames, lines) = relay(&[]);
    let (ran, figures) = load(frames, &["--rate", "500", "--peers", "5", "--senders", "5", &at(lines)]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // 175 messages in 350 ms, give or take the one at the very end
    assert!([696, 700].map(Value::from).contains(&figures["total"]["due"]), "{figures}");
}

/// What a proxy does to the line it is asked about.
#[derive(Clone, Copy, Debug)]
enum Spoil {
    Drop,
    Flip,
    Swap,
    Double,
    Join,
    Escape,
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
            thread::spawn(move || pass_lines(outward, inward, spoil));
        }
    });
    at
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to); // whichever side ends it
    let _ = to.shutdown(Shutdown::Write);
}

fn pass_lines(from: TcpStream, mut to: TcpStream, spoil: Option<Spoil>) {
    let (mut from, mut messages, mut held) = (BufReader::new(from), 0, None);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|len| len > 0) {
        let line = std::mem::take(&mut line);
        messages += usize::from(line.len() > PROBE);
        let out = match spoil {
            Some(Spoil::CutOff) if messages == 10 => return to.shutdown(Shutdown::Both).unwrap_or(()),
            Some(spoil) if messages == 10 => spoiled(spoil, line, &mut held),
            _ => [Some(line), held.take()].into_iter().flatten().collect(),
        };
        if to.write_all(&out.concat()).is_err() {
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}

fn spoiled(spoil: Spoil, mut line: Vec<u8>, held: &mut Option<Vec<u8>>) -> Vec<Vec<u8>> {
    match spoil {
        Spoil::Drop | Spoil::CutOff => return vec![],
        Spoil::Flip => line[100] ^= 1,
        Spoil::Swap => {
            *held = Some(line); // until the next one has gone
            return vec![];
        }
        Spoil::Double => return vec![line.clone(), line],
        Spoil::Join => assert_eq!(line.pop(), Some(b'\n')),
        Spoil::Escape => {
            let escaped = format!("\\x{:02x}", line[100]);
            line.splice(100..101, escaped.bytes());
        }
    }
    vec![line]
}

#[test]
fn a_line_dropped_flipped_swapped_doubled_joined_or_escaped_on_the_way_is_named() {
    for (spoil, names) in [
        (Spoil::Drop, ["missing"].as_slice()),
        (Spoil::Flip, &["wrong"]),
        (Spoil::Swap, &["out_of_order"]),
        (Spoil::Double, &["twice"]),
        (Spoil::Join, &["wrong", "missing"]),
        (Spoil::Escape, &["wrong"]),
    ] {
        let (_relay, frames, lines) = relay(&[]);
        let proxied = proxy(lines, spoil);
        let alone = load(proxied, &["--lines", "--peers", "5", "--rate", "200"]);
        let beside = load(frames, &[&at(proxy(lines, spoil)), "--peers", "10", "--rate", "200"]);
        for (ran, figures) in [alone, beside] {
            assert_eq!(ran.code, Some(1), "{spoil:?}: {ran:?}");
            for kind in ["missing", "wrong", "out_of_order", "twice", "cut_off"] {
                let count = u64::from(names.contains(&kind));
                assert_eq!(figures["total"][kind], count, "{spoil:?} {kind}: {figures}");
            }
            // the tenth message, whichever receiver the third connection was; and the one it was joined with
            for (at, name) in names.iter().enumerate() {
                let fault = &figures["faults"][at];
                let (kind, number) = (Value::from(name.replace('_', " ")), Value::from(9 + at));
                assert_eq!((&fault["kind"], &fault["number"]), (&kind, &number), "{spoil:?}: {figures}");
            }
            let receiver = &figures["faults"][0]["receiver"];
            let framing = if figures["protocol"] == "lines" { "" } else { ", lines" };
            let named = format!("{framing}): message 9 of sender 0");
            let line = ran.out.lines().find(|line| line.contains(&format!("receiver {receiver} (127.1.0.")));
            assert!(line.is_some_and(|line| line.ends_with(&named)), "{named}: {}", ran.out);
        }
    }
}

#[test]
fn a_line_peer_that_is_cut_off_in_the_middle_is_told() {
    let (_relay, frames, lines) = relay(&[]);
    let proxied = at(proxy(lines, Spoil::CutOff));
    let (ran, figures) = load(frames, &[&proxied, "--peers", "10", "--rate", "200"]);
    assert_eq!((ran.code, &figures["gave_up"]), (Some(1), &Value::Null), "{ran:?}");
    assert!(ran.out.contains("the relay cut 1 peer off; its log says why"), "{}", ran.out);
    assert_eq!(figures["faulty"].as_array().map(Vec::len), Some(1), "{figures}");
}

#[test]
fn a_relay_that_takes_no_such_line_is_told() {
    let (_relay, frames, lines) = relay(&["--max-line", "1000"]);
    let (ran, figures) =
        load(frames, &[&at(lines), "--peers", "2", "--senders", "2", "--size", "100k", "--window", "1"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(figures["total"]["cut_off"].as_u64() > Some(0), "{figures}");
    assert!(
        ran.out.contains("(--size is beyond the 64k that a relay takes in a line by default)"),
        "{}",
        ran.out
    );
}

#[test]
fn where_lines_are_not_taken_there_is_no_run() {
    let (_relay, frames, lines) = relay(&[]);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (ran, _) = load(frames, &["--peers", "2", &at(closed)]);
    assert_eq!(
        ran.error(1),
        format!(
            "cannot connect to {closed}: refused. Does a relay take lines there? peer-relay serve --listen-lines \
             {closed}"
        )
    );
    let (ran, _) = load(frames, &["--lines", "--peers", "2"]);
    let line = ran.error(1);
    assert!(
        line.contains("it is full, or has banned 127.1.0.") && line.contains("takes no lines there"),
        "{line}"
    );
    let (ran, _) = load(lines, &["--peers", "2"]);
    assert!(ran.error(1).contains("speaks another network's magic"), "{ran:?}");
}

#[test]
fn options_that_make_no_sense_are_told_in_one_line() {
    let refused = |options: &[&str]| -> String {
        run(&[&["load", "--connect", "127.0.0.1:1"], options].concat(), &[]).error(2).into()
    };
    assert_eq!(
        refused(&["--protocol", "redis", "--lines"]),
        "--lines: goes with --protocol frames, not with redis"
    );
    assert_eq!(
        refused(&["--lines=127.0.0.1:1"]),
        "--lines 127.0.0.1:1: is where --connect goes; for line peers alone leave the address out"
    );
    assert_eq!(
        refused(&["--lines=::1:x"]),
        "--lines ::1:x: need HOST:PORT or a host alone, as in 127.0.0.1:7333 or [::1]:7333"
    );
    assert_eq!(refused(&["--lines", "127.0.0.1:2"]), "127.0.0.1:2: is one word too many (--help shows all)");
    assert_eq!(refused(&["--protocol", "lines"]), "--protocol lines: need frames, redis, nats or mqtt");
}
