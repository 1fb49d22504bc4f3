//! Thousands who speak differently share one loop: everybody gets what its own room says, all of it and once.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use peer_relay::wire::Header;

use crate::support::{PATIENCE, Relay, alone, frame, may_open};

/// Peers that speak each.
const EACH: usize = 1000;
/// How many of them say something.
const SPEAKERS: usize = 10;
/// How often each does.
const TIMES: usize = 3;
/// What is said when all else has been heard.
const LAST: &str = "the last";

/// How a peer says something, and how it reads what others say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tongue {
    Frames,
    Lines,
    Json,
}

struct Peer {
    tongue: Tongue,
    stream: BufReader<TcpStream>,
}

impl Peer {
    fn connect(to: SocketAddr, tongue: Tongue) -> Self {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { tongue, stream: BufReader::with_capacity(4096, stream) }
    }

    fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).unwrap();
    }

    fn say(&mut self, text: &str) {
        match self.tongue {
            Tongue::Frames => self.send(&frame("msg", text.as_bytes())),
            Tongue::Lines => self.send(format!("{text}\n").as_bytes()),
            Tongue::Json => {
                self.send(format!(r#"{{"message_type":"chat","payload":"{text}"}}{}"#, "\n").as_bytes())
            }
        }
    }

    /// Asks for a sign that it is there.
    fn ping(&mut self) {
        match self.tongue {
            Tongue::Frames => self.send(&frame("ping", b"")),
            Tongue::Lines => {}
            Tongue::Json => self.send(b"{\"message_type\":\"ping\",\"payload\":1}\n"),
        }
    }

    fn pong(&mut self) {
        match self.tongue {
            Tongue::Frames => assert_eq!(self.frame(), ("pong".into(), Vec::new())),
            Tongue::Lines => {}
            Tongue::Json => {
                assert_eq!(self.line(), r#"{"response":{"message_type":"pong","payload":1}}"#);
            }
        }
    }

    /// The next thing that somebody has said.
    fn hear(&mut self) -> String {
        match self.tongue {
            Tongue::Frames => {
                let (command, payload) = self.frame();
                assert_eq!(command, "msg");
                String::from_utf8(payload).unwrap()
            }
            Tongue::Lines => self.line(),
            Tongue::Json => {
                let line = self.line();
                let text = line.strip_prefix(r#"{"message_type":"chat","payload":""#);
                text.and_then(|text| text.strip_suffix(r#""}"#)).unwrap_or_else(|| panic!("{line}")).into()
            }
        }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line.strip_suffix('\n').unwrap_or_else(|| panic!("the end came: {line:?}")).into()
    }

    fn frame(&mut self) -> (String, Vec<u8>) {
        let mut header = [0; Header::LEN];
        self.stream.read_exact(&mut header).unwrap();
        let length = u32::from_le_bytes(header[16..20].try_into().unwrap());
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).unwrap();
        (String::from_utf8_lossy(&header[4..16]).trim_end_matches('\0').into(), payload)
    }
}

/// Whether what a speaker says is said in the room of those who speak so.
fn is_heard_by(speaker: &str, tongue: Tongue) -> bool {
    speaker.starts_with("Json") == (tongue == Tongue::Json)
}

#[test]
fn a_thousand_of_each_share_one_loop_and_each_room_hears_what_is_said_in_it_once() {
    let _alone = alone();
    if !may_open(4 * EACH as u64) {
        return;
    }
    let options = ["--listen-lines", "127.0.0.1:0", "--listen-json", "127.0.0.1:0", "--log-level", "warn"];
    let relay = Relay::start(&options);
    let tongues = [Tongue::Frames, Tongue::Lines, Tongue::Json];
    let mut peers: Vec<(Peer, String)> = Vec::new();
    for nth in 0..EACH {
        for (tongue, &at) in tongues.into_iter().zip(relay.addresses()) {
            peers.push((Peer::connect(at, tongue), format!("{tongue:?}{nth}")));
        }
    }
    peers.iter_mut().for_each(|(peer, _)| peer.ping());
    peers.iter_mut().for_each(|(peer, _)| peer.pong());
    // who speaks lines is there when one of them has heard the last of them
    let arrivals = peers.iter_mut().filter(|(peer, _)| peer.tongue == Tongue::Lines);
    arrivals.for_each(|(peer, _)| peer.say("here 0"));
    let is_last = |(peer, _): &&mut (Peer, String)| peer.tongue != Tongue::Json;
    for (peer, _) in peers.iter_mut().filter(is_last) {
        let others = EACH - usize::from(peer.tongue == Tongue::Lines);
        (0..others).for_each(|_| assert_eq!(peer.hear(), "here 0"));
    }

    let speakers: Vec<String> = peers[..3 * SPEAKERS].iter().map(|(_, name)| name.clone()).collect();
    for time in 0..TIMES {
        peers[..3 * SPEAKERS].iter_mut().for_each(|(peer, name)| peer.say(&format!("{name} {time}")));
    }
    let order: Vec<String> = (0..TIMES).map(|time| time.to_string()).collect();
    for (peer, name) in &mut peers {
        let due = speakers.iter().filter(|&speaker| speaker != name && is_heard_by(speaker, peer.tongue));
        let due: BTreeMap<&str, Vec<String>> = due.map(|speaker| (speaker.as_str(), order.clone())).collect();
        let mut heard: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for _ in 0..due.len() * TIMES {
            let text = peer.hear();
            let (speaker, nth) = text.split_once(' ').unwrap();
            let speaker = speakers.iter().find(|known| *known == speaker).unwrap_or_else(|| panic!("{text}"));
            heard.entry(speaker).or_default().push(nth.into());
        }
        assert_eq!(heard, due, "{name}");
    }
    for (tongue, at) in [(Tongue::Frames, 0), (Tongue::Json, 2)] {
        Peer::connect(relay.addresses()[at], tongue).say(LAST);
    }
    for (peer, name) in &mut peers {
        assert_eq!(peer.hear(), LAST, "{name} has heard everything once");
    }
}
