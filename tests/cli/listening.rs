//! Where the relay listens, and what it says when it cannot.

use std::net::{Ipv6Addr, SocketAddr, TcpListener};

use crate::support::{Peer, Relay, run};

/// Whether this host has IPv6 at all.
fn has_ipv6() -> bool {
    let has = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !has {
        println!("skipped: no IPv6 here");
    }
    has
}

fn exchange(mut one: Peer, mut other: Peer) {
    assert!(one.is_admitted() && other.is_admitted());
    one.send_frame("tx", b"hello");
    assert_eq!(other.receive().1, b"hello");
}

#[test]
fn a_port_in_use_is_told_with_the_way_out() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = holder.local_addr().unwrap().to_string();
    let hint = "address in use (another relay? --listen 127.0.0.1:0 takes a free port)";
    assert_eq!(run(&["--listen", &at], &[]).error(1), format!("cannot listen on {at}: {hint}"));
    let several = run(&["--listen", "127.0.0.1:0", "--listen", &at], &[]);
    assert_eq!(several.error(1), format!("cannot listen on {at}: {hint}"));
}

#[test]
fn another_hosts_address_is_told_with_the_way_out() {
    let ran = run(&["--listen", "192.0.2.1:0"], &[]);
    assert_eq!(
        ran.error(1),
        "cannot listen on 192.0.2.1:0: no such address on this machine (0.0.0.0 is all of them)"
    );
}

#[test]
fn a_link_local_address_needs_its_interface() {
    if !has_ipv6() {
        return;
    }
    let ran = run(&["--listen", "[fe80::1]:0"], &[]);
    assert!(ran.error(1).ends_with("needs its interface's number, as in [fe80::1%2]:7333"), "{ran:?}");
    let ran = run(&["--check", "--listen", "[fe80::1%1]:7333"], &[]);
    assert_eq!(ran.setting("--listen").0, "[fe80::1%1]:7333");
}

#[test]
fn port_0_tells_the_real_port() {
    let relay = Relay::start(&["--listen", "127.0.0.1:0"]);
    let line = &relay.listening()[0];
    let port = line.strip_prefix("listening on 127.0.0.1:").unwrap_or_else(|| panic!("{line}"));
    assert_ne!(port.parse::<u16>().unwrap(), 0);
    relay.said(&["only this host can connect", &format!("--listen 0.0.0.0:{port} opens it")]);
}

#[test]
fn every_listener_leads_into_the_same_room() {
    let relay = Relay::start(&["--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"]);
    let [one, other] = relay.addresses()[..] else { panic!("{:?}", relay.listening()) };
    exchange(Peer::connect(one, [127, 0, 0, 1]), Peer::connect(other, [127, 0, 0, 1]));
}

#[test]
fn listeners_can_be_given_by_variable() {
    let variables = [("PEER_RELAY_LISTEN", "127.0.0.1:0,127.0.0.2:0")];
    let relay = Relay::start_by_variables(2, &variables);
    assert_eq!(relay.addresses()[1].ip().to_string(), "127.0.0.2");
}

#[test]
fn ipv6_loopback_is_only_this_host_too() {
    if !has_ipv6() {
        return;
    }
    let relay = Relay::start(&["--listen", "[::1]:0"]);
    let at = relay.address();
    relay.said(&["only this host can connect"]);
    exchange(Peer::connect(at, Ipv6Addr::LOCALHOST), Peer::connect(at, Ipv6Addr::LOCALHOST));
}

#[test]
fn an_ipv6_wildcard_says_that_it_takes_ipv4_too() {
    if !has_ipv6() {
        return;
    }
    let relay = Relay::start(&["--listen", "[::]:0"]);
    assert!(relay.listening()[0].ends_with(" (dual-stack: IPv6 and IPv4)"), "{:?}", relay.listening());
    let port = relay.address().port();
    let (v6, v4) = (SocketAddr::from((Ipv6Addr::LOCALHOST, port)), SocketAddr::from(([127, 0, 0, 1], port)));
    exchange(Peer::connect(v6, Ipv6Addr::LOCALHOST), Peer::connect(v4, [127, 0, 0, 2]));
    relay.said(&["addr=127.0.0.2:", "connected"]);
    Peer::connect(v4, [127, 0, 0, 2]).send(crate::support::JUNK);
    relay.said(&["addr=127.0.0.2:", "banned"]);
    assert!(!Peer::connect(v4, [127, 0, 0, 2]).is_admitted());
}

#[test]
fn an_ipv6_wildcard_leaves_ipv4_to_whoever_asked_for_it() {
    if !has_ipv6() {
        return;
    }
    // a port that is free now; should somebody take it meanwhile, the relay says so
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (v4, v6) = (format!("127.0.0.1:{port}"), format!("[::]:{port}"));
    let relay = Relay::start(&["--listen", &v4, "--listen", &v6]);
    assert!(relay.listening()[1].ends_with(" (IPv6 only)"), "{:?}", relay.listening());
}

#[test]
fn open_to_the_network_without_a_rate_limit_is_a_warning() {
    let relay = Relay::start(&["--listen", "0.0.0.0:0"]);
    relay.said(&["WARN", "open to the network without a rate limit", "--rate-messages and --rate-bytes"]);
    let limited = Relay::start(&["--listen", "0.0.0.0:0", "--rate-messages", "100"]);
    let log = limited.stop();
    assert!(!log.iter().any(|line| line.contains("open to the network")), "{log:?}");
}

#[test]
fn the_same_address_twice_is_refused() {
    for args in [
        ["--listen", "127.0.0.1:7333", "--listen", "127.0.0.1:7333"].as_slice(),
        &["--listen", "127.0.0.1:7333,127.0.0.1"],
        &["--listen", "127.0.0.1:7333", "--listen", "[::ffff:127.0.0.1]:7333"],
    ] {
        assert_eq!(run(args, &[]).error(2), "--listen 127.0.0.1:7333: is given twice", "{args:?}");
    }
    let free = Relay::start(&["--listen", "127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    assert_ne!(free.addresses()[0], free.addresses()[1], "any free port can be had twice");
}

#[test]
fn nobodys_address_is_refused() {
    for at in ["224.0.0.1:0", "255.255.255.255:0", "[ff02::1]:0", "[::ffff:224.0.0.1]:0", "239.1.2.3"] {
        let ran = run(&["--listen", at], &[]);
        let line = ran.error(2);
        assert!(line.starts_with(&format!("--listen {at}: need an IPv4 or IPv6 address")), "{line}");
    }
}

#[test]
fn an_ipv4_address_in_ipv6_is_the_ipv4_one() {
    let relay = Relay::start(&["--listen", "[::ffff:127.0.0.1]:0", "--never-ban", "::ffff:127.0.0.2/127"]);
    assert!(relay.address().is_ipv4(), "{:?}", relay.listening());
    relay.said(&["only this host can connect"]);
    relay.said(&["law: ", "never banned: 127.0.0.2/31"]);
    let mut offender = relay.peer_from([127, 0, 0, 2]);
    offender.send(crate::support::JUNK);
    offender.expect_end();
    relay.said(&["addr=127.0.0.2:", "disconnected offence=magic", "(not banned)"]);
    relay.peer_from([127, 0, 0, 2]);
    relay.ban([127, 0, 0, 4]);
    assert!(!relay.admits([127, 0, 0, 4]));
}
