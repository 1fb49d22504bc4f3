//! Whoever speaks lines in a room with whoever speaks frames: plain sockets, `nc`, `peer` and `peer --lines`.

use std::io::Write;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::peer_support::{Talker, connect, expect, expect_end};
use crate::support::{Lines, PATIENCE, Peer, Relay, run};

const LINES: [&str; 2] = ["--listen-lines", "127.0.0.1:0"];

/// A relay that speaks both, with these options.
fn relay(args: &[&str]) -> Relay {
    Relay::start(&[&LINES, args].concat())
}

/// A plain socket that is in the room, as its `nth` so far.
fn socket(relay: &Relay, nth: usize) -> TcpStream {
    let socket = connect(&relay.lines_address().to_string());
    is_in(relay, nth);
    socket
}

/// Waits until the `nth` connection is there. Nobody who speaks lines is told so.
fn is_in(relay: &Relay, nth: usize) {
    relay.said(&[&format!("peer={nth} "), " connected "]);
}

/// A running `nc`, its keyboard and its screen. Dropped, it is killed.
struct Netcat {
    child: Child,
    keyboard: ChildStdin,
    screen: Lines,
}

impl Netcat {
    /// None where there is none.
    fn start(at: SocketAddr) -> Option<Self> {
        let mut command = Command::new("nc");
        command.args([at.ip().to_string(), at.port().to_string()]);
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let Ok(mut child) = spawned else {
            println!("skipped: no nc here");
            return None;
        };
        let screen = Lines::of(child.stdout.take().unwrap());
        Some(Self { keyboard: child.stdin.take().unwrap(), child, screen })
    }

    fn shows(&self, line: &str) {
        self.screen.wait(line, |lines, _| lines.iter().any(|shown| shown == line).then_some(()));
    }
}

impl Drop for Netcat {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn everybody_meets_in_one_room() {
    let relay = relay(&[]);
    let (frames, lines) = (relay.address().to_string(), relay.lines_address().to_string());
    let mut of_lines = Talker::start(&["--lines", "--connect", &lines]);
    is_in(&relay, 1);
    let mut other_of_lines = Talker::start(&["--lines", "--connect", &lines]);
    is_in(&relay, 2);
    let mut of_frames = Talker::start(&["--connect", &frames]);
    is_in(&relay, 3);
    let mut plain = socket(&relay, 4);
    let mut framed = relay.peer();

    for (nth, talker) in [&mut of_lines, &mut other_of_lines, &mut of_frames].into_iter().enumerate() {
        talker.types(format!("talker {nth}\n"));
        expect(&mut plain, format!("talker {nth}\n"));
        assert_eq!(framed.receive(), ("msg".into(), format!("talker {nth}").into()));
    }
    plain.write_all(b"plain \x1b[2J\r\n").unwrap();
    framed.send_frame("msg", b"framed\nand still the same");
    let shown = ["[peer] plain \\x1b[2J", "[peer] framed\\x0aand still the same"];
    for talker in [&of_lines, &other_of_lines, &of_frames] {
        shown.iter().for_each(|line| talker.shows(line));
    }
    assert_eq!(framed.receive(), ("msg".into(), b"plain \x1b[2J".to_vec()));
    expect(&mut plain, "framed\\x0aand still the same\n");
    for talker in [&mut of_lines, &mut other_of_lines, &mut of_frames] {
        talker.ends();
        let out = talker.wait().well();
        assert_eq!(
            out.iter().filter(|line| line.starts_with("[peer] talker")).count(),
            2,
            "not its own: {out:?}"
        );
    }
    relay.stop();
}

#[test]
fn two_netcats_and_a_peer_talk() {
    let relay = relay(&[]);
    let at = relay.lines_address();
    let Some(mut one) = Netcat::start(at) else { return };
    is_in(&relay, 1);
    let Some(mut other) = Netcat::start(at) else { return };
    is_in(&relay, 2);
    let mut framed = relay.peer();
    one.keyboard.write_all(b"hello from one\n").unwrap();
    other.shows("hello from one");
    other.keyboard.write_all(b"hello from the other\n").unwrap();
    one.shows("hello from the other");
    for said in ["hello from one", "hello from the other"] {
        assert_eq!(framed.receive(), ("msg".into(), said.into()));
    }
    framed.send_frame("tx", b"nothing for lines");
    framed.send_frame("msg", b"hello from a frame");
    [&one, &other].iter().for_each(|netcat| netcat.shows("hello from a frame"));
    for netcat in [&one, &other] {
        assert_eq!(
            netcat.screen.now().len(),
            2,
            "never its own, and no frame but a msg: {:?}",
            netcat.screen.now()
        );
    }
}

#[test]
fn a_line_may_be_64k_and_come_byte_by_byte_and_one_byte_more_is_a_ban() {
    let relay = relay(&[]);
    let (mut one, mut other) = (socket(&relay, 1), socket(&relay, 2));
    let mut framed = relay.peer();
    one.set_nodelay(true).unwrap();
    for byte in b"in drops\r\n" {
        one.write_all(&[*byte]).unwrap();
    }
    expect(&mut other, "in drops\n");
    let longest = "x".repeat(64_000);
    one.write_all(format!("{longest}\r\n").as_bytes()).unwrap();
    expect(&mut other, format!("{longest}\n"));
    assert_eq!(framed.receive().1, b"in drops");
    assert_eq!(framed.receive().1, longest.as_bytes());

    let mut offender = Peer::connect(relay.lines_address(), [127, 0, 0, 2]);
    offender.send(format!("{longest}x").as_bytes());
    offender.expect_end();
    relay.said(&["addr=127.0.0.2:", " banned ", "offence=oversize", "a line of more than 64000 bytes"]);
    assert!(!relay.admits([127, 0, 0, 2]), "the framed port is shut to it too");
    relay.said(&["refused addr=127.0.0.2 reason=banned", "offence=oversize"]);
    one.write_all(b"still here\n").unwrap();
    expect(&mut other, "still here\n");
}

#[test]
fn a_ban_through_frames_shuts_out_lines() {
    let relay = relay(&[]);
    relay.ban([127, 0, 0, 2]);
    Peer::connect(relay.lines_address(), [127, 0, 0, 2]).expect_end();
    relay.said(&["refused addr=127.0.0.2 reason=banned", "offence=magic"]);
}

#[test]
fn a_megabyte_may_be_one_line_where_it_is_allowed() {
    let relay = relay(&["--max-line", "1M"]);
    let (mut one, mut other) = (socket(&relay, 1), socket(&relay, 2));
    let mut framed = relay.peer();
    let longest: String = (0..1_000_000).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
    one.write_all(format!("{longest}\n").as_bytes()).unwrap();
    expect(&mut other, format!("{longest}\n"));
    assert_eq!(framed.receive().1, longest.as_bytes());
}

#[test]
fn last_words_need_no_newline_and_an_end_is_an_end() {
    let relay = relay(&[]);
    let (mut one, mut other) = (socket(&relay, 1), socket(&relay, 2));
    one.write_all(b"first\nlast words").unwrap();
    one.shutdown(Shutdown::Write).unwrap();
    expect(&mut other, "first\nlast words\n");
    expect_end(&mut one);
    relay.said(&["peer=1 ", "closed reason=eof", "in=2/16B"]);
}

#[test]
fn a_browser_at_a_line_port_is_named_and_not_banned() {
    let relay = relay(&[]);
    let mut other = socket(&relay, 1);
    let mut browser = Peer::connect(relay.lines_address(), [127, 0, 0, 2]);
    browser.send(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
    browser.expect_end();
    relay.said(&["addr=127.0.0.2:", "looks like HTTP"]);
    let mut stray = Peer::connect(relay.lines_address(), [127, 0, 0, 2]);
    stray.send_frame("ping", b"12345678");
    stray.expect_end();
    relay.said(&["addr=127.0.0.2:", "looks like a peer that speaks frames (this port is for others)"]);
    assert!(relay.admits([127, 0, 0, 2]));
    let mut person = connect(&relay.lines_address().to_string());
    person.write_all(b"GET out\n").unwrap();
    expect(&mut other, "GET out\n");
}

#[test]
fn a_reader_of_lines_too_slow_is_disconnected_and_slows_nobody() {
    let relay = relay(&["--send-buffer", "4096", "--max-payload", "64k", "--queue-hard", "1M"]);
    let _slow = socket(&relay, 1);
    let mut quick = socket(&relay, 2);
    let (mut framed, mut other) = (relay.peer(), relay.peer());
    let line = "x".repeat(60_000);
    for _ in 0..200 {
        framed.send_frame("msg", line.as_bytes());
        expect(&mut quick, format!("{line}\n"));
        assert_eq!(other.receive().1.len(), line.len());
    }
    relay.said(&["peer=1 ", "closed reason=queue-hard", "(too slow, not banned)"]);
}

#[test]
fn a_stop_lets_everybody_take_what_is_queued() {
    let mut relay = relay(&[]);
    let (mut one, mut other) = (socket(&relay, 1), socket(&relay, 2));
    one.write_all(b"hello\n").unwrap();
    expect(&mut other, "hello\n");
    relay.terminate();
    [&mut one, &mut other].into_iter().for_each(expect_end);
    drop((one, other));
    let (status, log) = relay.wait();
    assert_eq!(status.code(), Some(0), "{log:?}");
    assert!(log.iter().any(|line| line.contains("stopped: 0 bytes to 0 peers")), "{log:?}");
}

#[test]
fn the_start_says_what_is_spoken_where_and_frames_stay_where_they_are() {
    let relay = relay(&[]);
    let [frames, lines] = &relay.listening()[..] else { panic!("{:?}", relay.listening()) };
    assert!(!frames.ends_with(')') && lines.ends_with(" (lines)"), "{frames}, {lines}");
    let ran = run(&["--check", "--listen-lines", "127.0.0.1:7334"], &[]);
    assert_eq!(ran.setting("--listen"), ("127.0.0.1:7333".into(), "default".into()));
    assert_eq!(ran.setting("--listen-lines"), ("127.0.0.1:7334".into(), "command line".into()));
}

#[test]
fn line_listeners_can_be_given_by_variable() {
    let variables =
        [("PEER_RELAY_LISTEN", "127.0.0.1:0"), ("PEER_RELAY_LISTEN_LINES", "127.0.0.1:0,127.0.0.2:0")];
    let relay = Relay::start_by_variables(3, &variables);
    assert_eq!(relay.lines_address().ip().to_string(), "127.0.0.2");
    let mut one = socket(&relay, 1);
    let mut other = connect(&relay.addresses()[1].to_string());
    other.write_all(b"from the first\n").unwrap();
    expect(&mut one, "from the first\n");
}

#[test]
fn a_line_port_in_use_is_told_with_the_way_out() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = holder.local_addr().unwrap().to_string();
    let ran = run(&["--listen", "127.0.0.1:0", "--listen-lines", &at], &[]);
    let hint = "address in use (another relay? --listen-lines 127.0.0.1:0 takes a free port)";
    assert_eq!(ran.error(1), format!("cannot listen on {at}: {hint}"));
}

#[test]
fn the_second_log_counts_in_the_worst_case() {
    let fixed = |args: &[&str]| {
        let ran = run(&[&["--check", "--listen", "127.0.0.1:1"], args].concat(), &[]);
        let text = ran.out.rsplit_once("+ fixed ").unwrap().1;
        text.split("MB").next().unwrap().parse::<u64>().unwrap()
    };
    let (without, with) = (fixed(&[]), fixed(&["--listen-lines", "127.0.0.1:2"]));
    assert!(
        with >= without + 48,
        "a payload may be four times as long, up to three times: {without}, {with}"
    );
}

#[test]
fn a_line_that_dribbles_in_is_over_when_the_frame_timeout_is() {
    let relay = relay(&["--frame-timeout", "200ms"]);
    let (mut slow, mut other) = (socket(&relay, 1), socket(&relay, 2));
    slow.set_read_timeout(Some(PATIENCE)).unwrap();
    slow.write_all(b"half a l").unwrap();
    expect_end(&mut slow);
    relay.said(&["peer=1 ", "closed reason=frame-timeout"]);
    let mut third = socket(&relay, 3);
    third.write_all(b"hello\n").unwrap();
    expect(&mut other, "hello\n");
}
