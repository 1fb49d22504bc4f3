//! What the relay says of itself and of strangers.

use crate::support::{JUNK, Peer, Relay, eventually, spoilt};

const A: [u8; 4] = [127, 0, 0, 2];

/// A line behind its time, level and source.
fn text(line: &str) -> &str {
    line.split_once("[peer_relay] ").unwrap_or_else(|| panic!("{line}")).1
}

/// The value behind `name=`.
fn field<'l>(line: &'l str, name: &str) -> &'l str {
    let (_, rest) = line.split_once(&format!(" {name}=")).unwrap_or_else(|| panic!("no {name}: {line}"));
    rest.split(' ').next().unwrap()
}

#[test]
fn the_start_says_what_it_is_and_what_holds() {
    let relay = Relay::start(&["--max-peers", "7", "--ban-time", "90s", "--penalty", "checksum=drop"]);
    let first = relay.said(&["peer-relay "]);
    let version = concat!("peer-relay ", env!("CARGO_PKG_VERSION"));
    assert!(text(&first).starts_with(version), "{first}");
    assert!(first.contains("network=private magic=f7e3c9da protocol=flood sha256="), "{first}");
    let limits = relay.said(&["limits: "]);
    assert_eq!(field(&limits, "peers"), "7");
    assert!(field(&limits, "descriptors").parse::<u64>().unwrap() > 7);
    assert!(limits.contains("payload=4M queue-soft=4MiB for 10s queue-hard=8MiB retained=256M"), "{limits}");
    let law = relay.said(&["law: "]);
    assert_eq!(
        text(&law),
        "law: ban=magic,oversize,command,protocol for 90s; pause=flood; drop=checksum; never banned: none"
    );
    relay.said(&["only this host can connect"]);
}

#[test]
fn a_start_with_too_many_peers_says_so_in_the_log() {
    let relay = Relay::start(&["--max-peers", "1000000000"]);
    relay.said(&["WARN", "--max-peers 1000000000: lowered to "]);
}

#[test]
fn a_peers_life_is_two_lines() {
    let relay = Relay::start(&[]);
    let mut peer = relay.peer_from(A);
    peer.send_frame("tx", b"abc");
    assert!(peer.is_admitted());
    drop(peer);
    let came = relay.said(&["INFO", "peer=1 addr=127.0.0.2:", " connected peers=1"]);
    let went = relay.said(&["INFO", "peer=1 addr=127.0.0.2:", " closed reason=eof after="]);
    assert_eq!(field(&came, "addr"), field(&went, "addr"));
    assert!(went.ends_with("in=3/91B out=2/64B skipped=0"), "two pings and a tx, two pongs: {went}");
}

#[test]
fn a_ban_is_told_with_its_end_and_its_cause() {
    let relay = Relay::start(&[]);
    Peer::connect(relay.address(), A).send(&spoilt("tx", b"abc"));
    let banned = relay.said(&["INFO", "peer=1 addr=127.0.0.2:", " banned until=20", "offence=checksum"]);
    assert!(field(&banned, "until").ends_with('Z'), "{banned}");
    assert!(banned.contains(" detail=\"tx, 3 B, frame 1: header says "), "{banned}");
    assert!(banned.contains(", payload gives "), "{banned}");
    assert!(!relay.admits(A));
    let refused = relay.said(&["INFO", "refused addr=127.0.0.2 reason=banned left="]);
    assert!(matches!(field(&refused, "left"), "10m" | "9m59s" | "9m58s" | "9m57s"), "{refused}");
    assert_eq!(field(&refused, "offence"), "checksum");
}

#[test]
fn another_protocols_opener_is_named_and_never_banned() {
    let relay = Relay::start(&[]);
    for (opener, name) in [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), "looks like TLS"),
        (b"GET / HTTP/1.1\r\nHost: here\r\n\r\n", "looks like HTTP"),
        (b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", "looks like the PROXY protocol"),
        (b"\xf9\xbe\xb4\xd9version\0\0\0\0\0", "looks like a peer of mainnet (magic f9beb4d9)"),
    ] {
        let mut peer = Peer::connect(relay.address(), A);
        peer.send(opener);
        peer.expect_end();
        relay.said(&["INFO", "closed before a frame: addr=127.0.0.2:", name]);
    }
    relay.peer_from(A);
}

#[test]
fn a_command_that_cannot_be_printed_is_told_without_printing_it() {
    let relay = Relay::start(&[]);
    let mut frame = crate::support::encode("tx", b"");
    frame[4..8].copy_from_slice(b"\n\x1b[2");
    Peer::connect(relay.address(), A).send(&frame);
    let line = relay.said(&["banned", "offence=command"]);
    assert!(!line.contains('\u{1b}'), "{line:?}");
}

#[test]
fn of_each_kind_of_line_ten_a_second_and_then_how_many_more() {
    let relay = Relay::start(&[]);
    relay.ban(A);
    let mut attempts = 0;
    eventually("a line that is withheld", || {
        (0..50).for_each(|_| drop(Peer::connect(relay.address(), A)));
        attempts += 50;
        relay.log().iter().any(|line| line.contains(" more refused"))
    });
    let more = relay.said(&["… and ", " more refused"]);
    let told = relay.log().iter().filter(|line| line.contains("] refused addr=")).count();
    let count = text(&more).strip_prefix("… and ").unwrap().split(' ').next().unwrap().replace(',', "");
    assert!((1..attempts).contains(&count.parse().unwrap()), "{more}");
    assert!(told < attempts / 2, "{told} of {attempts}");
}

#[test]
fn the_end_is_told_with_what_was_not_delivered() {
    let relay = Relay::start(&[]);
    let _quiet = relay.peer();
    Peer::connect(relay.address(), A).send(JUNK);
    relay.said(&["banned until="]);
    let log = relay.stop();
    let [.., figures, last] = log.as_slice() else { panic!("{log:?}") };
    assert!(figures.contains("peers=0 accepted=2 in=1/62B out=1/32B skipped="), "{figures}");
    assert!(figures.contains("bans=1 closed-banned=1 closed-shutdown=1"), "{figures}");
    assert_eq!(text(last), "stopped: 0 bytes to 0 peers were not delivered");
}

#[test]
fn every_method_of_http_is_named_and_never_banned() {
    let relay = Relay::start(&[]);
    let openers = [
        "HEAD / HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "PUT /a HTTP/1.1",
        "CONNECT here:443 HTTP/1.1",
        "DELETE /a HTTP/1.1",
        "TRACE / HTTP/1.1",
        "PATCH /a HTTP/1.1",
        "PRI * HTTP/2.0",
    ];
    for (last, opener) in (10..).zip(openers) {
        let address = [127, 0, 0, last];
        let mut peer = Peer::connect(relay.address(), address);
        peer.send(format!("{opener}\r\nHost: here.example\r\n\r\n").as_bytes());
        peer.expect_end();
        relay.said(&[&format!("closed before a frame: addr=127.0.0.{last}:"), "looks like HTTP"]);
        relay.peer_from(address);
    }
    let log = relay.stop();
    assert!(!log.iter().any(|line| line.contains(" banned until=")), "{log:#?}");
}

#[test]
fn a_variable_that_is_no_options_is_a_warning_in_the_log() {
    let relay =
        Relay::start_by_variables(1, &[("PEER_RELAY_LISTEN", "127.0.0.1:0"), ("PEER_RELAY_MAX_PERS", "7")]);
    relay.said(&["WARN", "PEER_RELAY_MAX_PERS: no option has this variable"]);
    relay.stop();
}
