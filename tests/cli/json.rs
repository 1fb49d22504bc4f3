//! Clarke Coin's nodes at `--listen-json`: plain sockets against the real binary.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::support::{PATIENCE, Relay, eventually};

/// A relay with a port for such nodes, and where that is.
fn relay() -> (Relay, SocketAddr) {
    let relay = Relay::start(&["--listen-json", "127.0.0.1:0"]);
    let at = *relay.addresses().last().unwrap();
    (relay, at)
}

/// A node's connection, in whichever style.
struct Node(BufReader<TcpStream>);

impl Node {
    fn connect(at: SocketAddr) -> Self {
        let stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// One that has said a line, and so is told what others say.
    fn listening(at: SocketAddr) -> Self {
        let mut node = Self::connect(at);
        assert_eq!(
            node.ask(r#"{"message_type":"ping","payload":0}"#),
            r#"{"message_type":"pong","payload":0}"#
        );
        node
    }

    fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.strip_suffix('\n').unwrap_or_else(|| panic!("no line, but {line:?}")).into()
    }

    /// What is answered to a line.
    fn ask(&mut self, text: &str) -> String {
        self.say(&format!("{text}\n"));
        let line = self.line();
        let reply = line.strip_prefix("{\"response\":").and_then(|line| line.strip_suffix('}'));
        reply.unwrap_or_else(|| panic!("no reply: {line}")).into()
    }

    fn rest(mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }
}

/// As the first client does it: one message, a blank line, and reading to the end.
fn transmit(at: SocketAddr, text: &str) -> String {
    let mut node = Node::connect(at);
    node.say(&format!("{text}\n\n"));
    node.rest()
}

fn chat(text: &str) -> String {
    format!(r#"{{"message_type":"chat","payload":"{text}"}}"#)
}

fn transaction(n: u64) -> String {
    format!(r#"{{"message_type":"submit_transaction","payload":{{"n":{n}}}}}"#)
}

#[test]
fn echo_is_exactly_what_was_sent_and_then_the_end() {
    let (_relay, at) = relay();
    for text in [
        r#"{"message_type":"echo","payload":"pizza"}"#,
        r#"{"payload":[1.50,18446744073709551616],"message":"echo"}"#,
    ] {
        assert_eq!(transmit(at, text), format!("{text}\n\n"));
    }
}

#[test]
fn a_ping_is_answered_with_the_same_payload_and_a_fresh_relay_has_no_peers() {
    let (_relay, at) = relay();
    let ping = r#"{"message_type":"ping","payload":1450310016}"#;
    assert_eq!(transmit(at, ping), "{\"message_type\":\"pong\",\"payload\":1450310016}\n\n");
    assert_eq!(
        transmit(at, r#"{"message_type":"get_peers"}"#),
        "{\"message_type\":\"peers\",\"payload\":[]}\n\n"
    );
}

#[test]
fn three_requests_on_one_connection_and_a_blank_line_ends_it() {
    let (_relay, at) = relay();
    let mut node = Node::connect(at);
    for n in 1..=3 {
        let reply = node.ask(&format!(r#"{{"message_type":"ping","payload":{n}}}"#));
        assert_eq!(reply, format!(r#"{{"message_type":"pong","payload":{n}}}"#));
    }
    node.say("\n");
    assert_eq!(node.rest(), "");
}

#[test]
fn the_answers_of_two_who_speak_byte_by_byte_in_turns_are_not_crossed() {
    let (_relay, at) = relay();
    let (mut one, mut two) = (Node::connect(at), Node::connect(at));
    let text = |who: &str| format!(r#"{{"message_type":"echo","payload":"{who}"}}{}"#, "\n\n");
    for (a, b) in text("one").chars().zip(text("two").chars()) {
        one.say(&a.to_string());
        two.say(&b.to_string());
    }
    // the style is whichever the time between two bytes made it
    let is_own = |rest: String, who: &str| rest.contains(text(who).trim_end()) && rest.lines().count() <= 2;
    assert!(is_own(one.rest(), "one") && is_own(two.rest(), "two"));
}

#[test]
fn a_silent_client_and_half_a_message_delay_nobody() {
    let (_relay, at) = relay();
    let _silent = Node::connect(at);
    let mut half = Node::connect(at);
    half.say("{\"message_type\":");
    assert!(transmit(at, r#"{"message_type":"get_height"}"#).contains("block_height"));
    half.say("\"get_height\"}\n\n");
    assert_eq!(half.rest(), "{\"message_type\":\"block_height\",\"payload\":0}\n\n");
}

#[test]
fn a_malformed_message_ends_nothing_but_itself() {
    let (_relay, at) = relay();
    let mut node = Node::listening(at);
    for bad in ["hello", "{\"message_type\":\"ping\"}}", "[]", &"[".repeat(10_000), "\u{1}"] {
        assert!(node.ask(bad).starts_with("{\"message_type\":\"error\""), "{bad}");
        assert!(transmit(at, bad).starts_with("{\"message_type\":\"error\""), "{bad}");
        assert!(node.ask(r#"{"message_type":"get_peers"}"#).contains("peers"));
    }
}

#[test]
fn a_message_without_end_is_an_offence() {
    let (relay, at) = relay();
    let mut node = Node::connect(at);
    let piece = vec![b'"'; 1];
    node.0.get_mut().write_all(&piece).unwrap();
    let junk = vec![b'x'; 1 << 20];
    let sent = (0..1024).take_while(|_| node.0.get_mut().write_all(&junk).is_ok()).count();
    assert!(sent < 100, "{sent} MB were taken");
    relay.said(&["banned", "offence=oversize"]);
}

#[test]
fn items_and_chat_reach_everybody_else_once() {
    let (_relay, at) = relay();
    let mut nodes: Vec<Node> = (0..3).map(|_| Node::listening(at)).collect();
    let (said, item) = (chat("hello"), transaction(18_446_744_073_709_551_615));
    nodes[0].say(&format!("{said}\n"));
    assert!(nodes[0].ask(&item).contains("transaction-accepted"));
    assert!(nodes[0].ask(&item).contains("known already"));
    assert!(transmit(at, &item).contains("known already"));
    nodes[0].say(&format!("{}\n", chat("the last")));
    for node in &mut nodes[1..] {
        assert_eq!([node.line(), node.line(), node.line()], [said.clone(), item.clone(), chat("the last")]);
    }
    assert!(transmit(at, r#"{"message_type":"get_transaction_pool"}"#).contains("18446744073709551615"));
}

#[test]
fn two_relays_that_are_told_of_each_other_are_one_room() {
    let (one, at_one) = relay();
    let (two, at_two) = relay();
    for (at, peer) in [(at_one, at_two), (at_two, at_one)] {
        let reply = transmit(at, &format!(r#"{{"message_type":"add_peer","payload":{}}}"#, peer.port()));
        assert!(reply.contains(&format!(r#"[{{"host":"127.0.0.1","port":{}}}]"#, peer.port())), "{reply}");
    }
    for (relay, peer) in [(&one, at_two), (&two, at_one)] {
        relay.said(&[&format!("connected to={peer}")]);
    }
    let (mut here, mut there) = (Node::listening(at_one), Node::listening(at_two));
    // a dial is heard once it was greeted: the first word may come before that, and is then said anew
    let mut n = 0;
    let has = |at, n: u64| {
        transmit(at, r#"{"message_type":"get_transaction_pool"}"#).contains(&format!("{{\"n\":{n}}}"))
    };
    eventually("a transaction at the other relay", || {
        n += 1;
        transmit(at_one, &transaction(n));
        has(at_two, n)
    });
    assert!(transmit(at_one, &transaction(1000)).contains("accepted"));
    there.say(&format!("{}\n", chat("from there")));
    let heard = |node: &mut Node, what: &str| {
        let mut lines = vec![node.line()];
        while lines.last().is_some_and(|line| line != what) {
            lines.push(node.line());
        }
        lines.iter().filter(|line| *line == what).count()
    };
    assert_eq!(heard(&mut there, &transaction(1000)), 1);
    assert_eq!(heard(&mut here, &chat("from there")), 1);
    there.say(&format!("{}\n", chat("the last")));
    assert_eq!(here.line(), chat("the last"), "nothing came twice");
}

#[test]
fn forty_large_answers_at_once_come_whole_however_late_they_are_read() {
    let (_relay, at) = relay();
    let fill = "x".repeat(60_000);
    for n in 0..14 {
        let item = format!(r#"{{"message_type":"add_transaction","payload":{{"n":{n},"fill":"{fill}"}}}}"#);
        assert!(transmit(at, &item).contains("accepted"));
    }
    let mut node = Node::listening(at);
    node.say(&"{\"message_type\":\"get_transaction_pool\"}\n".repeat(40));
    assert!(transmit(at, r#"{"message_type":"ping"}"#).contains("pong"), "nobody else waits");
    let lines: Vec<String> = (0..40).map(|_| node.line()).collect();
    assert!(lines.iter().all(|line| line == &lines[0] && line.len() > 14 * fill.len()));
    assert!(node.ask(r#"{"message_type":"ping"}"#).contains("pong"));
}

/// Carries bytes to another address and back: whoever dials it does not know whom it reaches.
fn detour(to: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        for near in listener.incoming() {
            let (near, far) = (near.unwrap(), TcpStream::connect(to).unwrap());
            for (mut from, mut into) in [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)] {
                thread::spawn(move || {
                    let _ = std::io::copy(&mut from, &mut into); // whichever ends first
                    let _ = into.shutdown(Shutdown::Both);
                });
            }
        }
    });
    at
}

#[test]
fn a_relay_that_is_told_of_itself_does_not_keep_itself_up() {
    let (relay, at) = relay();
    let add = |port: u16| transmit(at, &format!(r#"{{"message_type":"add_peer","payload":{port}}}"#));
    assert!(add(at.port()).contains("this relay itself"));
    let detour = detour(at);
    assert!(add(detour.port()).contains("\"peers\""));
    relay.said(&[&format!("connected to={detour}")]);
    eventually("it finds itself out", || {
        transmit(at, r#"{"message_type":"get_peers"}"#) == "{\"message_type\":\"peers\",\"payload\":[]}\n\n"
    });
    assert!(add(detour.port()).contains("this relay itself"));
}

#[test]
fn of_a_million_peers_that_lead_nowhere_as_many_are_dialled_as_allowed() {
    let relay = Relay::start(&["--listen-json", "127.0.0.1:0", "--max-json-peers", "3"]);
    let at = *relay.addresses().last().unwrap();
    let node = Node::listening(at);
    // nobody accepts there
    let hole = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = hole.local_addr().unwrap().port();
    let add = |n: u32| {
        format!("{{\"message_type\":\"add_peer\",\"payload\":\"127.{}.{}.1:{port}\"}}\n", n / 256, n % 256)
    };
    let (mut reader, mut writer) =
        (node.0.get_ref().try_clone().unwrap(), node.0.get_ref().try_clone().unwrap());
    let asked: String = (1..=5000).map(add).collect();
    let written = thread::spawn(move || writer.write_all(asked.as_bytes()));
    let mut replies = BufReader::new(&mut reader).lines().take(5000);
    let last = replies.by_ref().last().unwrap().unwrap();
    written.join().unwrap().unwrap();
    assert_eq!(last.matches("host").count(), 3, "{last}");
    assert!(transmit(at, r#"{"message_type":"ping"}"#).contains("pong"));
}

/// One of the first nodes: reads a message up to the blank line, replies, closes. Where it is, and what it has heard.
fn first_node() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (heard, hears) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut node = Node(BufReader::new(stream.unwrap()));
            let mut lines = Vec::new();
            let mut line = String::new();
            while node.0.read_line(&mut line).is_ok_and(|len| len > 1) {
                lines.push(std::mem::take(&mut line));
            }
            let _ = heard.send(lines.concat()); // the test may be over
            let _ =
                node.0.get_mut().write_all(b"{\"message_type\":\"transaction-accepted\",\"payload\":{}}\n\n");
        }
    });
    (at, hears)
}

#[test]
fn a_node_that_reads_one_message_a_connection_gets_every_item_on_one() {
    let (_relay, at) = relay();
    let (node, hears) = first_node();
    transmit(at, &format!(r#"{{"message_type":"add_peer","payload":{}}}"#, node.port()));
    let hear = || hears.recv_timeout(PATIENCE).unwrap();
    assert!(hear().contains("ping"), "and the blank line");
    for n in 1..=3 {
        assert!(transmit(at, &transaction(n)).contains("accepted"));
    }
    let mut items = Vec::new();
    while items.len() < 3 {
        let heard = hear();
        items.extend((!heard.contains("ping")).then_some(heard));
    }
    assert_eq!(items, [1, 2, 3].map(|n| format!("{}\n", transaction(n))));
}

#[test]
fn netcat_is_a_client() {
    let (_relay, at) = relay();
    let command =
        format!(r#"printf '{{"message_type":"ping","payload":7}}\n\n' | nc {} {}"#, at.ip(), at.port());
    if Command::new("nc").arg("-h").output().is_err() {
        println!("skipped: no nc here");
        return;
    }
    let output = Command::new("sh").args(["-c", &command]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "{\"message_type\":\"pong\",\"payload\":7}\n\n");
}
