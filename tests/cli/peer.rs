//! `peer`: what a person at a terminal sees of a conversation, and of everything that can go wrong with it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;

use socket2::{Domain, Socket, Type};

use crate::peer_support::{Talker, connect, expect, expect_end, half_close, reset};
use crate::support::{PATIENCE, Relay, encode, eventually, program, run, spoilt};

const AT_ONCE: &str =
    "closed the connection at once: it is full or has banned this address; its log says which";

/// Two that have been let into the room.
fn two_at(relay: &Relay, args: &[&str]) -> [Talker; 2] {
    let at = relay.address().to_string();
    let talkers = [0, 1].map(|_| Talker::start(&[&["--connect", &at], args].concat()));
    let admitted = || relay.log().iter().filter(|line| line.contains(" connected")).count();
    eventually("both connected", || admitted() == 2);
    talkers
}

#[test]
fn two_talk_through_a_relay() {
    let relay = Relay::start(&[]);
    let [mut one, mut other] = two_at(&relay, &[]);
    one.types("hello\n\n");
    other.shows("[peer] hello");
    other.shows("[peer] ");
    other.types("and to you\n");
    one.shows("[peer] and to you");
    one.ends();
    let talked = one.wait();
    let begun = format!("connected to {}; a line is a message; Ctrl-D ends", relay.address());
    assert_eq!(talked.err, [begun]);
    assert_eq!(talked.well(), ["[peer] and to you"]);
    other.ends();
    other.wait().well();
}

#[test]
fn two_talk_without_a_relay() {
    for args in [[].as_slice(), &["--lines"], &["--command", "x", "--magic", "01020304"]] {
        let (mut one, at) = Talker::listening(args);
        let (host, port) = at.split_once(':').unwrap();
        let mut other = Talker::start(&[&["--connect", host, port], args].concat());
        let begun = format!("connected to {at}; a line is a message; Ctrl-D ends");
        assert_eq!(other.said("connected"), begun);
        other.types("grün\n");
        one.shows("[peer] grün");
        one.types("a\nb");
        other.shows("[peer] a");
        one.ends();
        other.shows("[peer] b");
        other.said(&format!("{at} has ended; it may still read: a line is a message; Ctrl-D ends"));
        other.types("last\n");
        one.shows("[peer] last");
        other.ends();
        assert_eq!(one.wait().well(), ["[peer] grün", "[peer] last"]);
        assert_eq!(other.wait().well(), ["[peer] a", "[peer] b"]);
    }
}

#[test]
fn a_second_peer_is_refused() {
    let (one, at) = Talker::listening(&["--lines"]);
    let mut first = connect(&at);
    one.said(&format!("connected to {}", first.local_addr().unwrap()));
    eventually("the port is closed", || run(&["peer", "--connect", &at], &[]).err.contains("refused"));
    first.write_all(b"still here\n").unwrap();
    one.shows("[peer] still here");
}

#[test]
fn lines_come_in_any_pieces() {
    let (mut talker, mut socket) = Talker::with_socket(&["--lines"]);
    socket.write_all(b"HELLO\nWOR").unwrap();
    talker.shows("[peer] HELLO");
    socket.write_all(b"LD\n\none\r").unwrap();
    talker.shows("[peer] ");
    socket.write_all(b"\ntwo\r\nno end").unwrap();
    talker.shows("[peer] two");
    half_close(&socket);
    talker.shows("[peer] no end");
    talker.types("out\r\n\nlast");
    talker.ends();
    expect(&mut socket, "out\n\nlast\n");
    expect_end(&mut socket);
    let shown = ["HELLO", "WORLD", "", "one", "two", "no end"].map(|line| format!("[peer] {line}"));
    assert_eq!(talker.wait().well(), shown);
}

#[test]
fn nothing_that_a_terminal_obeys_reaches_it() {
    let (mut talker, mut socket) = Talker::with_socket(&["--lines"]);
    socket.write_all("\x1b]0;title\x07a\tb\rc\u{9b}2J\u{202e}d\n".as_bytes()).unwrap();
    talker.shows("[peer] \\x1b]0;title\\x07a\\x09b\\x0dc\\xc2\\x9b2J\\xe2\\x80\\xaed");
    half_close(&socket);
    talker.ends();
    assert_eq!(talker.wait().well().len(), 1);

    let (mut talker, mut socket) = Talker::with_socket(&[]);
    socket.write_all(&encode("msg", b"one\n[peer] two")).unwrap();
    talker.shows("[peer] one\\x0a[peer] two");
    half_close(&socket);
    talker.ends();
    assert_eq!(talker.wait().well().len(), 1);
}

#[test]
fn frames_of_another_name_are_shown_by_it() {
    let (mut talker, mut socket) = Talker::with_socket(&["--command", "chat"]);
    for (command, text) in [("chat", "ours"), ("msg", "not ours"), ("", "] ours")] {
        socket.write_all(&encode(command, text.as_bytes())).unwrap();
    }
    half_close(&socket);
    talker.types("me\n");
    talker.ends();
    expect(&mut socket, encode("chat", b"me"));
    expect_end(&mut socket);
    assert_eq!(talker.wait().well(), ["[peer] ours", "[peer msg] not ours", "[peer ] ] ours"]);
}

#[test]
fn the_end_of_stdin_ends_sending_and_not_hearing() {
    let (mut talker, mut socket) = Talker::with_socket(&["--lines"]);
    talker.types("bye\n");
    talker.ends();
    expect(&mut socket, "bye\n");
    expect_end(&mut socket);
    socket.write_all(b"and more\n").unwrap();
    talker.shows("[peer] and more");
    assert!(talker.is_running());
    drop(socket);
    assert_eq!(talker.wait().well(), ["[peer] and more"]);
}

#[test]
fn whoever_stays_is_not_ended_by_stdin() {
    let relay = Relay::start(&[]);
    let at = relay.address().to_string();
    let mut subscriber = Talker::start_with(&["--stay", "--connect", &at], Stdio::null());
    relay.said(&[" connected"]);
    let mut other = relay.peer();
    for text in ["one", "two", "three"] {
        other.send_frame("msg", text.as_bytes());
        subscriber.shows(&format!("[peer] {text}"));
    }
    // whoever says no more is gone by now: a turn of the relay lets him go
    assert!(!relay.log().iter().any(|line| line.contains("closed reason=eof")), "{:?}", relay.log());
    assert!(subscriber.is_running());
    relay.terminate();
    assert_eq!(subscriber.wait().well().len(), 3);
}

#[test]
fn what_was_typed_before_the_end_is_sent_also_by_whoever_stays() {
    let (mut talker, mut socket) = Talker::with_socket(&["--lines", "--stay"]);
    talker.types("one\nlast");
    talker.ends();
    expect(&mut socket, "one\nlast\n");
    socket.write_all(b"heard\n").unwrap();
    talker.shows("[peer] heard");
    half_close(&socket);
    expect_end(&mut socket);
    talker.wait().well();
}

#[test]
fn the_other_sides_end_leaves_stdin_open() {
    let (mut talker, mut socket) = Talker::with_socket(&["--lines"]);
    half_close(&socket);
    talker.said("has ended; it may still read: a line is a message; Ctrl-D ends");
    talker.types("still\n");
    expect(&mut socket, "still\n");
    assert!(talker.is_running());
    talker.ends();
    expect_end(&mut socket);
    talker.wait().well();
}

#[test]
fn a_line_of_stdin_too_long_is_told_and_the_next_is_sent() {
    let (mut talker, mut socket) = Talker::with_socket(&["--max-line", "5"]);
    talker.types("12345\n123456\nfine\n");
    talker.ends();
    expect(&mut socket, [encode("msg", b"12345"), encode("msg", b"fine")].concat());
    expect_end(&mut socket);
    talker.said("line 2 of stdin has more than 5 bytes and was not sent");
    drop(socket);
    assert_eq!(talker.wait().badly(), "1 line of stdin was not sent");
}

#[test]
fn a_line_received_too_long_is_told_once_and_counted() {
    let (mut talker, mut socket) = Talker::with_socket(&["--lines", "--max-line", "5"]);
    socket.write_all(&b"12345\n123456\nfine\n1234567\n".repeat(3)).unwrap();
    half_close(&socket);
    talker.ends();
    let talked = talker.wait();
    assert_eq!(talked.badly(), "6 messages received were passed over");
    assert_eq!(talked.out, ["[peer] 12345", "[peer] fine"].repeat(3));
    let told = talked.err.iter().filter(|line| line.contains("a line of more than 5 bytes")).count();
    assert_eq!(told, 1, "{talked:?}");
}

#[test]
fn a_spoilt_frame_is_passed_over() {
    let (mut talker, mut socket) = Talker::with_socket(&[]);
    let mut unnameable = encode("msg", b"x");
    unnameable[4] = 0x1b;
    let wire = [encode("msg", b"a"), spoilt("msg", b"b"), unnameable, encode("msg", b"c")].concat();
    socket.write_all(&wire).unwrap();
    half_close(&socket);
    talker.ends();
    let talked = talker.wait();
    assert_eq!(talked.badly(), "2 messages received were passed over");
    assert_eq!(talked.out, ["[peer] a", "[peer] c"]);
    assert!(talked.err.iter().all(|line| !line.contains(char::is_control)), "{talked:?}");
}

#[test]
fn an_end_in_mid_frame_is_told() {
    let (mut talker, mut socket) = Talker::with_socket(&[]);
    let at = socket.local_addr().unwrap();
    socket.write_all(&[encode("msg", b"a"), encode("msg", b"b")[..10].to_vec()].concat()).unwrap();
    half_close(&socket);
    talker.said("has ended in mid-frame");
    talker.ends();
    let talked = talker.wait();
    assert!(talked.badly().starts_with(&format!("{at} ended in mid-frame")));
    assert_eq!(talked.out, ["[peer] a"]);
}

#[test]
fn whoever_speaks_otherwise_is_told_by_name() {
    let (mut talker, mut socket) = Talker::with_socket(&[]);
    let at = socket.local_addr().unwrap();
    socket.write_all(b"220 mail.example ESMTP ready\r\n").unwrap();
    let what = "more than 23 bytes that are no frame of ours (--lines, --network or --magic?)";
    assert_eq!(talker.wait().badly(), format!("{at} does not speak this framing: {what}"));

    // a line with no end yet could be a frame's beginning
    let (mut talker, mut socket) = Talker::with_socket_and(&[], Stdio::null());
    socket.write_all(b"hello\n").unwrap();
    half_close(&socket);
    let what = "ended in mid-frame (--lines, --network or --magic?)";
    assert_eq!(talker.wait().badly(), format!("{at} {what}", at = socket.local_addr().unwrap()));
}

#[test]
fn a_frame_too_large_is_passed_over() {
    let (mut talker, mut socket) = Talker::with_socket_and(&[], Stdio::null());
    socket.write_all(&encode("msg", &vec![b'x'; 4_000_001])).unwrap();
    socket.write_all(&encode("msg", b"small")).unwrap();
    talker.shows("[peer] small");
    half_close(&socket);
    assert_eq!(talker.wait().badly(), "1 message received was passed over");
}

#[test]
fn nobody_there_is_told_with_the_way_out() {
    let holder = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap(); // holds a port and does not listen
    holder.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let at = holder.local_addr().unwrap().as_socket().unwrap();
    assert_eq!(
        run(&["peer", "--connect", &at.to_string()], &[]).error(1),
        format!("cannot connect to {at}: refused. Is a relay there? Start one: peer-relay serve")
    );
    let ran = run(&["peer", "--lines", "--connect", "127.0.0.1", &at.port().to_string()], &[]);
    let instead = format!("Start one: peer-relay peer --lines --listen {at}");
    assert_eq!(ran.error(1), format!("cannot connect to {at}: refused. Is anybody there? {instead}"));
    let nobody = run(&["peer", "--connect", "nobody..example"], &[]);
    assert!(
        nobody.error(1).starts_with("cannot connect to nobody..example:7333: no such host"),
        "{nobody:?}"
    );
}

#[test]
fn every_address_of_a_name_is_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let talker = Talker::start(&["--lines", "--connect", "localhost", &port]);
    let mut socket = listener.accept().unwrap().0;
    socket.write_all(b"here\n").unwrap();
    talker.shows("[peer] here");
}

#[test]
fn a_relay_that_turns_us_away_is_told_as_that() {
    let banned = Relay::start(&[]);
    banned.ban([127, 0, 0, 1]);
    let full = Relay::start(&["--max-peers", "1"]);
    let _place = full.peer();
    for relay in [banned, full] {
        let at = relay.address();
        let mut talker = Talker::start(&["--connect", &at.to_string()]);
        assert_eq!(talker.wait().badly(), format!("{at} {AT_ONCE}"));
        let mut file = Talker::start_with(&["--connect", &at.to_string()], Stdio::null());
        assert_eq!(file.wait().badly(), format!("{at} {AT_ONCE}"), "whatever stdin is");
    }
}

#[test]
fn an_end_at_once_is_an_end_like_others_and_takes_nothing_from_us() {
    for framing in [[].as_slice(), &["--lines"]] {
        let (mut talker, mut socket) = Talker::with_socket(framing);
        half_close(&socket);
        talker.said("has ended; it may still read");
        talker.types("still here\n");
        let sent = if framing.is_empty() { encode("msg", b"still here") } else { b"still here\n".to_vec() };
        expect(&mut socket, &sent);
        talker.ends();
        assert_eq!(talker.wait().well(), Vec::<String>::new());
        let (mut silent, socket) = Talker::with_socket_and(framing, Stdio::null());
        half_close(&socket);
        assert_eq!(silent.wait().well(), Vec::<String>::new());
    }
}

#[test]
fn with_lines_nobody_speaks_of_a_relay() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let mut talker = Talker::start(&["--lines", "--connect", &at.to_string()]);
    reset(listener.accept().unwrap().0);
    assert_eq!(talker.wait().badly(), format!("{at} closed the connection at once: reset"));
}

#[test]
fn streams_that_do_not_wait_lose_nothing() {
    let (stdin, mut keys) = unwaiting();
    let (stdout, mut screen) = unwaiting();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = program()
        .args(["peer", "--lines", "--connect", &listener.local_addr().unwrap().to_string()])
        .stdin(stdin)
        .stdout(stdout)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut other = listener.accept().unwrap().0;
    let line = format!("{}\n", "x".repeat(999));
    let count = 3000; // more than a socket holds
    let shouter = {
        let (mut other, all) = (other.try_clone().unwrap(), line.repeat(count));
        thread::spawn(move || other.write_all(all.as_bytes()).unwrap())
    };
    keys.write_all(b"typed in the end\n").unwrap();
    expect(&mut other, b"typed in the end\n");
    let mut shown = vec![0; (line.len() + "[peer] ".len()) * count];
    screen.read_exact(&mut shown).unwrap();
    assert!(shown == format!("[peer] {line}").repeat(count).as_bytes());
    shouter.join().unwrap();
    half_close(&other);
    drop(keys);
    assert!(child.wait().unwrap().success());
}

/// A stream whose one end does not wait, for a child, and its other end.
fn unwaiting() -> (OwnedFd, UnixStream) {
    let (theirs, ours) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    (theirs.into(), ours)
}

#[test]
fn what_could_not_be_sent_is_told_although_nobody_watches() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let (mut talker, stdout) = Talker::start_unwatched(&["--lines", "--connect", &at], Stdio::piped());
    let mut socket = listener.accept().unwrap().0;
    drop(stdout);
    let mut keys = talker.keys();
    let typist = thread::spawn(move || while keys.write_all(&b"hello\n".repeat(10_000)).is_ok() {});
    expect(&mut socket, b"hello\n"); // and nothing more is read
    socket.write_all(b"for nobody\n").unwrap();
    let talked = talker.wait_unwatched();
    assert_eq!(talked.badly(), "stdout is closed, and stdin was not sent to its end");
    typist.join().unwrap();
}

#[test]
fn a_reset_ends_it_although_stdin_is_open() {
    let (mut talker, mut socket) = Talker::with_socket(&["--lines"]);
    let at = socket.local_addr().unwrap();
    socket.write_all(b"one\ntwo").unwrap();
    talker.shows("[peer] one");
    reset(socket);
    let talked = talker.wait();
    assert_eq!(talked.badly(), format!("{at} broke the connection off: reset"));
    assert_eq!(talked.out, ["[peer] one"]);
}

#[test]
fn whoever_is_gone_altogether_is_noticed_with_the_first_line_to_him() {
    let (mut talker, mut socket) = Talker::with_socket(&["--lines"]);
    let at = socket.local_addr().unwrap();
    socket.write_all(b"one\n").unwrap();
    talker.shows("[peer] one");
    socket.write_all(b"last words\n").unwrap();
    drop(socket); // all of its input is read: an end, and a reset for whoever writes to it
    talker.said("has ended");
    talker.types("hello?\n");
    let talked = talker.wait();
    assert!(talked.badly().starts_with(&format!("{at} broke the connection off: reset")), "{talked:?}");
    assert_eq!(talked.out, ["[peer] one", "[peer] last words"]);
}

#[test]
fn a_screen_that_nobody_watches_ends_it_quietly() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let (mut talker, stdout) = Talker::start_unwatched(&["--lines", "--connect", &at], Stdio::piped());
    let mut socket = listener.accept().unwrap().0;
    drop(stdout);
    eventually("the end", || match socket.write_all(b"hello\n") {
        Ok(()) => !talker.is_running(),
        Err(error) => matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
    });
    let talked = talker.wait_unwatched();
    assert_eq!((talked.code, talked.err.len()), (Some(0), 1), "{talked:?}");
}

#[test]
fn stdin_and_stdout_that_fail_are_told() {
    let (mut talker, socket) = Talker::with_socket_and(&["--lines"], File::open("/").unwrap().into());
    half_close(&socket);
    assert!(talker.wait().badly().starts_with("cannot read stdin: Is a directory"));

    let Ok(full) = File::options().write(true).open("/dev/full") else {
        return println!("skipped: no /dev/full here");
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let mut command = crate::support::program();
    command.args(["peer", "--lines", "--connect", &at]).stdin(Stdio::null()).stdout(full);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    listener.accept().unwrap().0.write_all(b"hello\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("error: cannot write to stdout: No space left on device"), "{err}");
}

#[test]
fn options_that_make_no_sense_cost_one_line() {
    let need = "need HOST PORT or HOST:PORT, as in 127.0.0.1 7333 or [::1]:7333";
    for (args, line) in [
        (
            [].as_slice(),
            "--listen or --connect is needed, as in --connect 127.0.0.1 (--help shows all)".into(),
        ),
        (
            &["--listen", "0", "--connect", "a"],
            "--listen and --connect: only one of them can be given".into(),
        ),
        (&["--connect", "a:b"], format!("--connect a:b: {need}")),
        (&["--connect", "a", "0"], format!("--connect a 0: {need}")),
        (&["--connect", "a", "--connect", "b"], "--connect: can be given only once".into()),
        (&["--connect"], "--connect: needs a value".into()),
        (&["--connect", "a", "1", "b"], "b: is one word too many (--help shows all)".into()),
        (
            &["--listen", "localhost:1"],
            "--listen localhost:1: need a port, or an IPv4 or IPv6 address with one, as in 7333 or \
             0.0.0.0:7333"
                .into(),
        ),
        (
            &["--connect", "a", "--command", "ping"],
            "--command ping: a relay answers ping and passes neither ping nor pong on: nobody would \
             receive it"
                .into(),
        ),
        (
            &["--connect", "a", "--command", "pong"],
            "--command pong: a relay answers ping and passes neither ping nor pong on: nobody would \
             receive it"
                .into(),
        ),
        (
            &["--connect", "a", "--command", "thirteen byte"],
            "--command thirteen byte: a command is up to 12 bytes from 0x20 to 0x7e, padded with NULs".into(),
        ),
        (&["--connect", "a", "--max-line", "0"], "--max-line 0: need at least one byte".into()),
        (
            &["--connect", "a", "--max-line", "5M"],
            "--max-line 5M: at most 4000000, a largest frame (--lines sets no such bound)".into(),
        ),
        (&["--connect", "a", "--lines", "--max-line", "2G"], "--max-line 2G: at most 1GiB".into()),
        (
            &["--connect", "a", "--magic", "x"],
            "--magic x: need 8 hex digits in wire order, as in f9beb4d9".into(),
        ),
    ] {
        let ran = run(&[&["peer"], args].concat(), &[]);
        assert_eq!(ran.error(2), line, "{args:?}");
    }
}

#[test]
fn a_port_in_use_is_told_as_the_relay_tells_it() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = holder.local_addr().unwrap();
    let hint = "address in use (another relay? --listen 127.0.0.1:0 takes a free port)";
    let port = at.port().to_string();
    assert_eq!(run(&["peer", "--listen", &port], &[]).error(1), format!("cannot listen on {at}: {hint}"));
}

#[test]
fn no_variable_of_the_relays_is_read() {
    let variables = [("PEER_RELAY_NETWORK", OsStr::new("nonsense")), ("PEER_RELAY_LISTEN", OsStr::new("x"))];
    let ran = run(&["peer"], &variables);
    assert!(ran.error(2).starts_with("--listen or --connect is needed"), "{ran:?}");
}

#[test]
fn help_shows_examples_and_defaults() {
    let help = run(&["peer", "--help"], &[]);
    assert_eq!((help.code, help.err.as_str()), (Some(0), ""));
    assert_eq!(help.out.lines().filter(|line| line.starts_with("  peer-relay peer ")).count(), 3, "{help:?}");
    for option in ["--listen", "--connect", "--stay", "--lines", "--command", "--max-line", "--network"] {
        assert!(help.out.contains(&format!("      {option}")), "{option}: {}", help.out);
    }
    assert!(help.out.contains("[default: msg]") && help.out.contains("[default: 64k]"), "{}", help.out);
    assert!(!help.out.contains("PEER_RELAY_"), "{}", help.out);
}
