//! Relays that dial each other: the real program, its log, and what a stranger in their place may do.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use socket2::{Domain, Socket, Type};

use crate::support::{JUNK, PATIENCE, Peer, Relay, encode, run};

/// A place where one may be dialled, in the test's hands.
struct Host(TcpListener);

impl Host {
    fn new() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    fn at(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next that has come.
    fn accept(&self) -> TcpStream {
        let (stream, _) = self.0.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

/// A place where a connection never comes about: those who wait to be accepted are as many as may wait.
struct BlackHole {
    listener: Socket,
    _waiting: Vec<Socket>,
}

impl BlackHole {
    fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        listener.listen(0).unwrap();
        let at = listener.local_addr().unwrap();
        let knock = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            let _ = socket.connect(&at); // in progress, for ever
            socket
        };
        Self { _waiting: (0..4).map(|_| knock()).collect(), listener }
    }

    fn at(&self) -> SocketAddr {
        self.listener.local_addr().unwrap().as_socket().unwrap()
    }
}

fn read_exact(stream: &mut TcpStream, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    bytes
}

/// What a peer gets, one after the other.
fn payloads(peer: &mut Peer, count: usize) -> Vec<Vec<u8>> {
    (0..count).map(|_| peer.receive().1).collect()
}

#[test]
fn two_that_dial_each_other_are_one_room_and_say_everything_once() {
    let place = Host::new();
    let at = place.at().to_string();
    drop(place);
    let one = Relay::start(&["--connect", &at]);
    let other = Relay::start(&["--listen", &at, "--connect", &one.address().to_string()]);
    let to_other = format!("connected to={at} ");
    one.said(&[&to_other]);
    other.said(&[" connected to="]);
    let (mut here, mut there) = (one.peer(), other.peer());
    here.send_frame("tx", b"from here");
    assert_eq!(there.receive().1, b"from here");
    for text in [b"one", b"two"] {
        there.send_frame("msg", text);
    }
    there.send_frame("msg", b"one"); // swallowed
    there.send_frame("msg", b"three");
    assert_eq!(payloads(&mut here, 3), [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
    here.send_frame("tx", b"the last");
    assert_eq!(there.receive().1, b"the last", "and nothing of its own");
    let log = one.stop();
    assert!(log.iter().any(|line| line.contains(" duplicates=")), "{log:#?}");
}

#[test]
fn whoever_is_away_is_told_once_when_lost_and_when_it_is_back() {
    let place = Host::new();
    let at = place.at().to_string();
    let relay = Relay::start(&["--connect", &at]);
    drop(place.accept());
    relay.said(&[&format!(" lost to={at} "), "trying again in "]);
    drop(place);
    relay.said(&[&format!("cannot connect to={at} addr={at}: connection refused"), "(told once)"]);
    let back = Relay::start(&["--listen", &at]);
    back.said(&[" connected "]);
    let times = |what: &str| relay.log().iter().filter(|line| line.contains(what)).count();
    relay.said(&[" connected to="]);
    let mut peer = relay.peer();
    let mut far = back.peer();
    peer.send_frame("tx", b"again");
    assert_eq!(far.receive().1, b"again");
    assert_eq!((times(" connected to="), times("cannot connect"), times(" lost to=")), (2, 1, 1));
}

#[test]
fn a_neighbour_that_breaks_the_rules_is_dialled_again_and_nobody_is_banned() {
    let place = Host::new();
    let relay = Relay::start(&["--connect", &place.at().to_string()]);
    for _ in 0..2 {
        let mut stream = place.accept();
        stream.write_all(JUNK).unwrap();
        assert_eq!(stream.read_to_end(&mut Vec::new()).unwrap(), 0, "in order, and nothing said");
    }
    relay.said(&["disconnected offence=magic", "(not banned)"]);
    assert!(relay.admits([127, 0, 0, 1]));
    let log = relay.stop();
    assert!(log.iter().all(|line| !line.contains(" banned until=")), "{log:#?}");
}

#[test]
fn a_neighbour_gets_what_is_said_and_is_heard_like_anybody() {
    let place = Host::new();
    let relay = Relay::start(&["--connect", &place.at().to_string()]);
    let mut stream = place.accept();
    let mut peer = relay.peer();
    relay.said(&[" connected to="]);
    peer.send_frame("tx", b"hello");
    let hello = encode("tx", b"hello");
    assert_eq!(read_exact(&mut stream, hello.len()), hello);
    stream.write_all(&encode("tx", b"and you")).unwrap();
    assert_eq!(peer.receive().1, b"and you");
}

#[test]
fn a_name_is_resolved_and_one_that_cannot_be_is_told_once_and_holds_up_nobody() {
    let place = Host::new();
    let by_name = format!("localhost:{}", place.at().port());
    let relay = Relay::start(&["--connect", "no.such.host.invalid", "--connect", &by_name]);
    let mut stream = place.accept();
    relay.said(&[&format!("connected to={by_name} ")]);
    relay.said(&["cannot connect to no.such.host.invalid:7333: no such host", "(told once)"]);
    relay.peer().send_frame("tx", b"hello");
    let hello = encode("tx", b"hello");
    assert_eq!(read_exact(&mut stream, hello.len()), hello);
}

#[test]
fn one_that_never_answers_holds_up_nobody_and_not_the_end() {
    let (hole, place) = (BlackHole::new(), Host::new());
    let relay = Relay::start(&["--connect", &hole.at().to_string(), "--connect", &place.at().to_string()]);
    let _stream = place.accept();
    relay.said(&[&format!("connected to={} ", place.at())]);
    let log = relay.stop();
    assert!(log.iter().all(|line| !line.contains(&format!("connected to={}", hole.at()))), "{log:#?}");
}

#[test]
fn a_relay_that_dials_itself_does_no_harm() {
    let place = Host::new();
    let at = place.at().to_string();
    drop(place);
    let relay = Relay::start(&["--listen", &at, "--connect", &at]);
    relay.said(&[" connected to="]);
    let (mut one, mut other) = (relay.peer(), relay.peer());
    for text in [b"one".as_slice(), b"two", b"three"] {
        one.send_frame("tx", text);
    }
    assert_eq!(payloads(&mut other, 3), [b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
    other.send_frame("tx", b"four");
    assert_eq!(one.receive().1, b"four", "nothing of its own has come back");
}

#[test]
fn with_dedup_alone_a_repeat_is_swallowed_for_its_time_and_then_passes() {
    let relay = Relay::start(&["--dedup", "200ms"]);
    let (mut one, mut other) = (relay.peer(), relay.peer());
    for text in [b"a".as_slice(), b"a", b"b"] {
        one.send_frame("tx", text);
    }
    assert_eq!(payloads(&mut other, 2), [b"a".to_vec(), b"b".to_vec()]);
    // however long that takes: it is said until it passes, and the marks tell it from the first time
    for mark in 0_u32.. {
        one.send_frame("tx", b"a");
        one.send_frame("tx", &mark.to_le_bytes());
        if other.receive().1 == b"a" {
            break;
        }
    }
}

#[test]
fn several_share_a_port_if_all_of_them_say_so() {
    let one = Relay::start(&["--reuse-port"]);
    let at = one.address().to_string();
    let other = Relay::start(&["--reuse-port", "--listen", &at]);
    assert_eq!(one.address(), other.address());
    assert!(run(&["--listen", &at], &[]).error(1).contains("address in use"));
    // whoever comes, comes to one of them: both in the end
    let begins = |relay: &Relay| relay.log().iter().filter(|line| line.contains(" connected peers=")).count();
    let mut peers = Vec::new();
    while begins(&one) == 0 || begins(&other) == 0 {
        assert!(peers.len() < 500, "all to one of them");
        let mut peer = Peer::connect(one.address(), [127, 0, 0, 1]);
        assert!(peer.is_admitted());
        peers.push(peer);
    }
}

#[test]
fn what_is_asked_of_neighbours_is_checked_at_once() {
    for (args, error) in [
        (
            ["--connect", "127.0.0.1:1", "--connect", "127.0.0.1:1"].as_slice(),
            "--connect 127.0.0.1:1: is given twice",
        ),
        (
            &["--connect", "127.0.0.1", "--connect", "127.0.0.1:7333"],
            "--connect 127.0.0.1:7333: is given twice",
        ),
        (
            &["--connect", "a", "--max-peers", "1"],
            "--max-peers 1: need at least 2, a place for each --connect and one more",
        ),
        (&["--dedup", "1m", "--dedup-max", "1"], "--dedup-max 1: need at least 2"),
    ] {
        assert_eq!(run(args, &[]).error(2), error);
    }
    let check = |args: &[&str], option: &str| run(&[args, &["--check"]].concat(), &[]).setting(option).0;
    assert_eq!(check(&[], "--dedup"), "off");
    assert_eq!(check(&["--connect", "a"], "--dedup"), "1m");
    assert_eq!(check(&["--connect", "a", "--dedup", "off"], "--dedup"), "off");
    assert_eq!(check(&["--connect", "a,b:1", "--connect", "::1"], "--connect"), "a,b:1,::1");
}
