//! `load` with servers of other protocols that do what a test wants: they publish to whoever has subscribed, and
//! once do it wrong. Knows of each protocol what a tester says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::support::{Ran, run};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Redis,
    Nats,
    Mqtt,
}

const KINDS: [Kind; 3] = [Kind::Redis, Kind::Nats, Kind::Mqtt];

/// What becomes of the tenth message to the third subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Lose,
    Flip,
    Double,
    CutOff,
    /// These bytes come before it.
    Insert(&'static [u8]),
    /// Everything comes, and who has published it is not told so.
    Unanswered,
    /// Everything comes; whoever asks for a sign is asked for one first.
    AsksFirst,
}

/// What a client has said.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Hello,
    Subscribe(Vec<u8>),
    /// A channel and a payload.
    Publish(Vec<u8>, Vec<u8>),
    /// With what is to come back.
    Ping(Vec<u8>),
    Pong,
}

/// What all connections of one server share.
struct Room {
    kind: Kind,
    fault: Fault,
    /// Each with how many messages it was sent.
    subscribers: Mutex<Vec<(TcpStream, usize)>>,
    pongs: Mutex<usize>,
}

/// A server, for as long as the test lasts.
fn serve(kind: Kind, fault: Fault) -> (SocketAddr, Arc<Room>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let room = Room { kind, fault, subscribers: Mutex::default(), pongs: Mutex::default() };
    let room = Arc::new(room);
    let shared = Arc::clone(&room);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, room) = (stream.unwrap(), Arc::clone(&shared));
            thread::spawn(move || room.attend(stream));
        }
    });
    (at, room)
}

impl Room {
    fn attend(&self, mut stream: TcpStream) {
        if self.kind == Kind::Nats && stream.write_all(b"INFO {}\r\n").is_err() {
            return;
        }
        let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
        let mut is_subscriber = false;
        while let Ok(len @ 1..) = stream.read(&mut piece) {
            heard.extend_from_slice(&piece[..len]);
            while let Some((said, len)) = self.kind.said(&heard) {
                heard.drain(..len);
                is_subscriber |= matches!(said, Said::Subscribe(_));
                if self.answer(said, is_subscriber, &mut stream).is_err() {
                    return;
                }
            }
        }
    }

    fn answer(&self, said: Said, is_subscriber: bool, stream: &mut TcpStream) -> std::io::Result<()> {
        match said {
            Said::Hello if self.kind == Kind::Mqtt => stream.write_all(b"\x20\x02\0\0"),
            Said::Subscribe(channel) => {
                let mut subscribers = self.subscribers.lock().unwrap();
                subscribers.push((stream.try_clone()?, 0));
                match self.kind {
                    Kind::Redis => stream
                        .write_all(&[&b"*3\r\n$9\r\nsubscribe\r\n"[..], &bulk(&channel), b":1\r\n"].concat()),
                    Kind::Nats => Ok(()),
                    Kind::Mqtt => stream.write_all(b"\x90\x03\0\x01\0"),
                }
            }
            Said::Publish(channel, payload) => {
                let count = self.publish(&channel, &payload);
                let is_answered = self.kind == Kind::Redis && (count, self.fault) != (10, Fault::Unanswered);
                if is_answered { stream.write_all(b":4\r\n") } else { Ok(()) }
            }
            Said::Ping(text) => {
                let _turn = self.subscribers.lock().unwrap(); // not into the middle of a message
                match self.kind {
                    Kind::Redis if is_subscriber => {
                        stream.write_all(&[&b"*2\r\n$4\r\npong\r\n"[..], &bulk(&text)].concat())
                    }
                    Kind::Redis => stream.write_all(&bulk(&text)),
                    Kind::Nats if self.fault == Fault::AsksFirst => stream.write_all(b"PING\r\n"),
                    Kind::Nats => stream.write_all(b"PONG\r\n"),
                    Kind::Mqtt => stream.write_all(b"\xd0\0"),
                }
            }
            Said::Pong => {
                *self.pongs.lock().unwrap() += 1;
                let _turn = self.subscribers.lock().unwrap();
                if self.fault == Fault::AsksFirst { stream.write_all(b"PONG\r\n") } else { Ok(()) }
            }
            Said::Hello => Ok(()),
        }
    }

    /// The how-many-eth message it was.
    fn publish(&self, channel: &[u8], payload: &[u8]) -> usize {
        let mut subscribers = self.subscribers.lock().unwrap();
        for (nth, (stream, count)) in subscribers.iter_mut().enumerate() {
            *count += 1;
            let bytes = self.kind.delivery(channel, payload);
            let fault = if (nth, *count) == (2, 10) { self.fault } else { Fault::None };
            let out = match fault {
                Fault::None | Fault::Unanswered | Fault::AsksFirst => bytes,
                Fault::Lose => vec![],
                Fault::Flip => {
                    let mut payload = payload.to_vec();
                    *payload.last_mut().unwrap() ^= 1;
                    self.kind.delivery(channel, &payload)
                }
                Fault::Double => [bytes.clone(), bytes].concat(),
                Fault::CutOff => {
                    let _ = stream.shutdown(std::net::Shutdown::Both); // it may have gone by itself
                    continue;
                }
                Fault::Insert(front) => [front, &bytes].concat(),
            };
            let _ = stream.write_all(&out); // to whoever has gone
        }
        subscribers[0].1
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Mqtt => "mqtt",
        }
    }

    fn delivery(self, channel: &[u8], payload: &[u8]) -> Vec<u8> {
        match self {
            Self::Redis => [&b"*3\r\n$7\r\nmessage\r\n"[..], &bulk(channel), &bulk(payload)].concat(),
            Self::Nats => {
                let length = format!(" 1 {}\r\n", payload.len());
                [b"MSG ", channel, length.as_bytes(), payload, b"\r\n"].concat()
            }
            Self::Mqtt => {
                let remaining = 2 + channel.len() + payload.len();
                assert!((128..1 << 14).contains(&remaining), "two bytes say that");
                let front = [0x30, remaining as u8 | 0x80, (remaining >> 7) as u8, 0, channel.len() as u8];
                [&front, channel, payload].concat()
            }
        }
    }

    /// The first thing said in these bytes, and how long it is.
    fn said(self, heard: &[u8]) -> Option<(Said, usize)> {
        match self {
            Self::Redis => redis(heard),
            Self::Nats => nats(heard),
            Self::Mqtt => mqtt(heard),
        }
    }
}

fn bulk(bytes: &[u8]) -> Vec<u8> {
    [format!("${}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// A line without its end, and where the next begins.
fn line(heard: &[u8]) -> Option<(&str, usize)> {
    let end = heard.windows(2).position(|pair| pair == b"\r\n")?;
    Some((std::str::from_utf8(&heard[..end]).unwrap(), end + 2))
}

fn redis(heard: &[u8]) -> Option<(Said, usize)> {
    let (count, mut at) = line(heard)?;
    let mut words = Vec::new();
    for _ in 0..count.strip_prefix('*').unwrap().parse().unwrap() {
        let (length, len) = line(&heard[at..])?;
        let length: usize = length.strip_prefix('$').unwrap().parse().unwrap();
        words.push(heard.get(at + len..at + len + length)?.to_vec());
        at += len + length + 2;
    }
    let said = match (words[0].as_slice(), &words[1..]) {
        (b"SUBSCRIBE", [channel]) => Said::Subscribe(channel.clone()),
        (b"PUBLISH", [channel, payload]) => Said::Publish(channel.clone(), payload.clone()),
        (b"PING", [text]) => Said::Ping(text.clone()),
        _ => panic!("{words:?}"),
    };
    (at <= heard.len()).then_some((said, at))
}

fn nats(heard: &[u8]) -> Option<(Said, usize)> {
    let (said, len) = line(heard)?;
    let words: Vec<&str> = said.split(' ').collect();
    match words[..] {
        ["CONNECT", ..] => Some((Said::Hello, len)),
        ["SUB", subject, "1"] => Some((Said::Subscribe(subject.into()), len)),
        ["PUB", subject, length] => {
            let end = len + length.parse::<usize>().unwrap();
            let payload = heard.get(len..end)?.to_vec();
            (end + 2 <= heard.len()).then(|| (Said::Publish(subject.into(), payload), end + 2))
        }
        ["PING"] => Some((Said::Ping(vec![]), len)),
        ["PONG"] => Some((Said::Pong, len)),
        _ => panic!("{said}"),
    }
}

fn mqtt(heard: &[u8]) -> Option<(Said, usize)> {
    let last = heard.iter().skip(1).position(|byte| byte & 0x80 == 0)?;
    let digits = heard[1..=last + 1].iter().rev();
    let remaining = digits.fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
    let begin = last + 2;
    let body = heard.get(begin..begin + remaining)?;
    let text = |at: usize| body[at + 2..at + 2 + usize::from(body[at + 1])].to_vec();
    let said = match heard[0] {
        0x10 => Said::Hello,
        0x82 => Said::Subscribe(text(2)),
        0x30 => Said::Publish(text(0), body[2 + text(0).len()..].to_vec()),
        0xc0 => Said::Ping(vec![]),
        other => panic!("{other}"),
    };
    Some((said, begin + remaining))
}

/// A short run of one sender and four receivers, and its figures if there are any.
fn load(to: SocketAddr, kind: Kind, more: &[&str]) -> (Ran, Option<Value>) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("figures.json");
    let (to, path) = (to.to_string(), file.to_str().unwrap());
    let options = ["load", "--connect", &to, "--protocol", kind.name(), "--peers", "5", "--rate", "200"];
    let brief = ["--warmup", "50ms", "--duration", "300ms", "--json", path];
    let ran = run(&[&options[..], &brief, more].concat(), &[]);
    let figures = std::fs::read_to_string(file).ok();
    (ran, figures.map(|text| serde_json::from_str(&text).unwrap()))
}

#[test]
fn a_delivery_lost_spoilt_or_doubled_is_named_in_every_protocol() {
    for kind in KINDS {
        for (fault, name) in
            [(Fault::None, ""), (Fault::Lose, "missing"), (Fault::Flip, "wrong"), (Fault::Double, "twice")]
        {
            let (ran, figures) = load(serve(kind, fault).0, kind, &[]);
            assert_eq!(ran.code, Some(i32::from(fault != Fault::None)), "{kind:?} {fault:?}: {ran:?}");
            let figures = figures.unwrap();
            for counted in ["missing", "wrong", "out_of_order", "twice", "cut_off"] {
                assert_eq!(
                    figures["total"][counted],
                    u64::from(counted == name),
                    "{kind:?} {fault:?} {figures}"
                );
            }
            let due = figures["total"]["due"].as_u64();
            assert!(due.is_some_and(|due| due >= 4 * 69 && due % 4 == 0), "{figures}");
            if fault != Fault::None {
                let told = &figures["faults"][0];
                assert_eq!((&told["kind"], &told["number"]), (&name.into(), &9.into()), "{figures}");
            }
        }
    }
}

#[test]
fn who_is_cut_off_by_another_server_is_told() {
    for kind in KINDS {
        let (ran, figures) = load(serve(kind, Fault::CutOff).0, kind, &[]);
        assert_eq!(ran.code, Some(1), "{kind:?}: {ran:?}");
        assert!(ran.out.contains("the server cut 1 peer off; its log says why"), "{}", ran.out);
        let total = &figures.unwrap()["total"];
        assert!(total["missing"].as_u64() > Some(0) && total["cut_off"] == 1, "{total}");
    }
}

#[test]
fn what_no_server_of_the_kind_says_ends_the_run_and_is_shown() {
    for (kind, bytes, said) in [
        (Kind::Redis, &b"HTTP/1.1 400\r\n"[..], "the server sent what is no redis: HTTP/1.1 400\\r\\n"),
        (Kind::Redis, b"-ERR enough\r\n", "the server said -ERR enough (to peer "),
        (Kind::Nats, b"HTTP/1.1 400\r\n", "the server sent what is no nats: HTTP/1.1 400\\r\\n"),
        (Kind::Nats, b"-ERR 'Slow Consumer'\r\n", "the server said -ERR 'Slow Consumer' (to peer "),
        (Kind::Mqtt, b"HTTP/1.1 400\r\n", "the server sent what is no mqtt: HTTP/1.1 400\\r\\n"),
        (Kind::Nats, &[b'M'; 100_000], "the server sent what is no nats: MMMM"),
        (Kind::Redis, &[b'+'; 100_000], "the server sent what is no redis: ++++"),
    ] {
        let (ran, figures) = load(serve(kind, Fault::Insert(bytes)).0, kind, &[]);
        assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""), "{kind:?}: {ran:?}");
        let line = ran.out.lines().find(|line| line.starts_with("given up      "));
        assert!(line.is_some_and(|line| line.contains(said)), "{said}: {}", ran.out);
        let figures = figures.unwrap();
        assert!(figures["gave_up"].as_str().is_some_and(|why| why.contains(said)), "{figures}");
    }
}

#[test]
fn a_message_that_is_not_answered_to_its_sender_is_told() {
    let (ran, figures) = load(serve(Kind::Redis, Fault::Unanswered).0, Kind::Redis, &[]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let figures = figures.unwrap();
    let made = figures["total"]["due"].as_u64().unwrap() / 4;
    let said = format!("the server answered {} of {made} messages (to peer 0, 127.1.0.1)", made - 1);
    assert_eq!(figures["gave_up"], said);
}

#[test]
fn a_server_that_asks_whether_anybody_is_there_is_answered() {
    let (at, room) = serve(Kind::Nats, Fault::Insert(b"PING\r\nINFO {}\r\nPING\r\n"));
    let (ran, figures) = load(at, Kind::Nats, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(figures.unwrap()["total"]["wrong"], 0);
    assert_eq!(*room.pongs.lock().unwrap(), 2);
}

#[test]
fn a_server_that_asks_before_it_lets_anybody_in_is_answered_at_once() {
    let (at, room) = serve(Kind::Nats, Fault::AsksFirst);
    let (ran, figures) = load(at, Kind::Nats, &[]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(figures.unwrap()["total"]["wrong"], 0);
    assert_eq!(*room.pongs.lock().unwrap(), 10, "of five when they come, and when they go");
}

#[test]
fn what_nobody_asked_for_is_wrong() {
    for (kind, bytes) in [
        (Kind::Redis, &b":1\r\n"[..]),
        (Kind::Redis, b"*2\r\n$4\r\npong\r\n$0\r\n\r\n"),
        (Kind::Nats, b"PONG\r\n"),
        (Kind::Nats, b"+OK\r\n"),
        (Kind::Nats, b"MSG load.0000000000000000 1 3\r\nodd\r\n"),
        (Kind::Nats, b"MSG load.0000000000000000 1 300000\r\n"),
        (Kind::Mqtt, b"\xd0\0"),
        (Kind::Mqtt, b"\x30\x03\0\x01a"),
    ] {
        let (ran, figures) = load(serve(kind, Fault::Insert(bytes)).0, kind, &["--size", "200"]);
        assert_eq!(ran.code, Some(1), "{kind:?} {bytes:?}: {ran:?}");
        let figures = figures.unwrap();
        assert_eq!(figures["total"]["wrong"], 1, "{kind:?} {bytes:?}: {figures}");
    }
}

#[test]
fn who_is_not_let_in_is_told_what_the_server_said() {
    let refusing = |bytes: &'static [u8]| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        thread::spawn(move || {
            let mut all = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.write_all(bytes); // whoever has ended has read enough
                all.push(stream);
            }
        });
        at
    };
    for (kind, bytes, said) in [
        (
            Kind::Redis,
            &b"-NOAUTH Authentication required.\r\n"[..],
            "said -NOAUTH Authentication required. (to peer ",
        ),
        (
            Kind::Nats,
            b"INFO {}\r\n-ERR 'Authorization Violation'\r\n",
            "said -ERR 'Authorization Violation' (to peer ",
        ),
        (Kind::Mqtt, b"\x20\x02\0\x05", "said CONNACK 5: not allowed (to peer "),
        (Kind::Redis, b"SSH-2.0-OpenSSH\r\n", "does not answer in redis: SSH-2.0-OpenSSH (to peer "),
        (Kind::Mqtt, b"SSH-2.0-OpenSSH\r\n", "does not answer in mqtt: SSH-2.0-OpenSSH (to peer "),
        (Kind::Nats, &[b'x'; 20_000], "does not answer in nats: xxxx"),
    ] {
        let at = refusing(bytes);
        let (ran, _) = load(at, kind, &[]);
        let line = ran.error(1);
        assert!(line.starts_with(&format!("{at} {said}")), "{line}");
        assert!(line.ends_with(" of 5)"), "{line}");
    }
}
