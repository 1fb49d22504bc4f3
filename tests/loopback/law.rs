//! Who breaks the framing, and what it costs whom. Knows the law's words; knows no resource.

use std::net::IpAddr;
use std::thread;

use crate::support::{MAGIC, Relay, eventually, frame, header, noise, stranger};
use peer_relay::wire::{Magic, Network};

const OFFENDER: u8 = 66;
const NEIGHBOUR: u8 = 67;

/// The offender's address is shut out, its neighbour's is not, and the log says why.
fn expect_ban(relay: &Relay, offence: &str) {
    let line = relay.wait_for_log(" banned until=");
    assert!(line.contains("addr=127.0.0.66:") && line.contains(&format!("offence={offence} ")), "{line}");
    assert!(!relay.admits(stranger(OFFENDER)), "banned");
    let line = relay.wait_for_log("refused addr=127.0.0.66 reason=banned");
    assert!(line.contains(&format!("offence={offence}")), "{line}");
    assert!(relay.admits(stranger(NEIGHBOUR)), "another address is another matter");
}

fn expect_no_ban(relay: &Relay, from: IpAddr) {
    assert!(relay.admits(from), "not banned");
    assert!(!relay.log().contains("banned until="), "{}", relay.log());
}

/// Whoever sends these bytes as its first is banned for `offence`.
fn banned_for(offence: &str, bytes: &[u8]) -> Relay {
    let relay = Relay::start(&[]);
    let mut witness = relay.join(stranger(2));
    let mut offender = relay.connect_from(stranger(OFFENDER));
    offender.send(bytes);
    offender.expect_cut_off();
    expect_ban(&relay, offence);
    witness.ping(); // and nothing of it was relayed
    relay
}

#[test]
fn a_wrong_magic_is_banned() {
    // whole frames of a network without a name, none of them `version`: that would be an opener
    let magic: Magic = "01020304".parse().unwrap();
    let frame = peer_relay::wire::Frame::encode(magic, "tx".parse().unwrap(), b"forty-two");
    banned_for("magic", &frame.as_bytes().repeat(3));
}

#[test]
fn what_is_no_frame_at_all_is_banned() {
    banned_for("magic", b"this is no frame at all, sorry");
}

#[test]
fn a_frame_behind_as_much_junk_as_the_window_passes_is_relayed() {
    let relay = Relay::start(&[]);
    let (mut one, mut two) = (relay.join(stranger(2)), relay.join(stranger(3)));
    let tx = frame("tx", &noise(1, 100));
    for junk in [1, 4, 23] {
        one.send(&[vec![b'<'; junk], tx.clone()].concat());
        two.expect(&tx); // without the junk
    }
    // junk that ends like the beginning of a frame
    one.send(&[&[b'<'; 20], &MAGIC.0[..3], tx.as_slice()].concat());
    two.expect(&tx);
    one.ping();
    relay.wait_for_log("in search of a frame");
    expect_no_ban(&relay, stranger(2));
}

#[test]
fn one_byte_more_than_the_window_passes_is_banned() {
    banned_for("magic", &[vec![b'<'; 24], frame("tx", b"too late")].concat());
}

#[test]
fn a_ban_costs_the_address_all_its_connections() {
    let relay = Relay::start(&[]);
    let mut other = relay.join(stranger(OFFENDER));
    let mut offender = relay.join(stranger(OFFENDER));
    let mut neighbour = relay.join(stranger(NEIGHBOUR));
    offender.send(&[b'<'; 24]);
    offender.expect_cut_off();
    other.expect_cut_off();
    neighbour.ping();
    expect_ban(&relay, "magic");
}

#[test]
fn an_address_never_to_be_banned_is_only_disconnected() {
    let relay = Relay::start(&["--never-ban", "127.0.0.64/29"]);
    let mut offender = relay.connect_from(stranger(OFFENDER));
    offender.send(&[b'<'; 24]);
    offender.expect_cut_off();
    expect_no_ban(&relay, stranger(OFFENDER));
}

#[test]
fn a_claim_of_a_gigabyte_is_cut_off_at_the_header() {
    let relay = Relay::start(&[]);
    let mut witness = relay.join(stranger(2));
    let before = relay.memory("VmHWM");
    let mut offender = relay.join(stranger(OFFENDER));
    let mut claim = header("block", 1_000_000_000).to_vec();
    offender.send(&claim);
    offender.expect_cut_off(); // and not a byte of the payload was asked for
    expect_ban(&relay, "oversize");
    // the same with a payload that follows at once, from elsewhere
    claim.extend(noise(1, 1 << 20));
    let mut offender = relay.connect_from(stranger(NEIGHBOUR + 1));
    offender.try_send(&claim);
    offender.expect_cut_off();
    witness.ping();
    let grown = relay.memory("VmHWM") - before;
    println!("growth with a gigabyte claimed twice: {grown} B");
    assert!(grown < 1 << 20, "{grown} bytes");
}

#[test]
fn one_byte_over_the_largest_payload_is_a_byte_too_many() {
    banned_for("oversize", &header("block", 4_000_001));
}

#[test]
fn a_bad_checksum_is_never_relayed_and_what_came_before_it_is() {
    let relay = Relay::start(&[]);
    let mut witness = relay.join(stranger(2));
    let mut offender = relay.join(stranger(OFFENDER));
    let good = frame("tx", &noise(1, 250));
    let mut bad = frame("tx", &noise(2, 250));
    bad[24] ^= 1;
    offender.send(&[good.clone(), bad, frame("tx", b"behind it")].concat());
    witness.expect(&good);
    offender.expect_cut_off();
    witness.ping(); // nothing between the good frame and this
    expect_ban(&relay, "checksum");
    relay.wait_for_log("tx, 250 B, frame 3: header says"); // it sent a ping and a good one before
}

#[test]
fn a_bad_checksum_costs_the_frame_alone_where_the_operator_says_so() {
    let relay = Relay::start(&["--penalty", "checksum=drop"]);
    let (mut one, mut two) = (relay.join(stranger(2)), relay.join(stranger(3)));
    let (mut bad, good) = (frame("tx", &noise(2, 250)), frame("tx", &noise(1, 250)));
    bad[30] ^= 0x80;
    one.send(&[bad, good.clone()].concat());
    two.expect(&good);
    expect_no_ban(&relay, stranger(2));
}

#[test]
fn an_unprintable_command_is_banned_at_its_header() {
    let mut bad = frame("tx", &noise(1, 100));
    bad[5] = 7;
    banned_for("command", &bad[..24]);
}

#[test]
fn a_command_with_bytes_behind_its_end_is_banned() {
    let mut bad = frame("tx", b"");
    bad[15] = b'x';
    banned_for("command", &bad);
}

/// Another protocol's first bytes: disconnected, named, not banned.
fn expect_opener(bytes: &[u8], name: &str) {
    let relay = Relay::start(&[]);
    let mut other = relay.connect_from(stranger(OFFENDER));
    other.send(bytes);
    other.expect_eof();
    let line = relay.wait_for_log("closed before a frame: addr=127.0.0.66:");
    assert!(line.contains(&format!("looks like {name}")), "{line}");
    expect_no_ban(&relay, stranger(OFFENDER));
}

#[test]
fn tls_is_named_and_not_banned() {
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &noise(1, 500)].concat();
    expect_opener(&hello, "TLS");
}

#[test]
fn http_is_named_and_not_banned() {
    expect_opener(b"GET / HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n", "HTTP");
    expect_opener(b"POST /rpc HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP");
}

#[test]
fn a_load_balancers_proxy_header_is_named_and_not_banned() {
    expect_opener(b"PROXY TCP4 192.0.2.1 192.0.2.2 51234 7333\r\n", "the PROXY protocol");
    expect_opener(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", "the PROXY protocol");
}

#[test]
fn a_peer_of_mainnet_is_named_and_not_banned() {
    let magic = "mainnet".parse::<Network>().unwrap().magic;
    let version = peer_relay::wire::Frame::encode(magic, "version".parse().unwrap(), &noise(1, 102));
    expect_opener(version.as_bytes(), "a peer of mainnet (magic f9beb4d9)");
}

#[test]
fn a_ban_ends() {
    let relay = Relay::start(&["--ban-time", "500ms"]);
    let mut offender = relay.connect_from(stranger(OFFENDER));
    offender.send(&[b'<'; 24]);
    offender.expect_cut_off();
    eventually("the ban ends", || relay.admits(stranger(OFFENDER)).then_some(()));
}

#[test]
fn many_offenders_at_once_are_all_shut_out_and_nobody_else() {
    let relay = Relay::start(&[]);
    let mut quiet = relay.join(stranger(2));
    thread::scope(|scope| {
        for last in 100..120 {
            let relay = &relay;
            scope.spawn(move || {
                let mut offender = relay.join(stranger(last));
                offender.try_send(&noise(last.into(), 5000));
                offender.expect_cut_off();
            });
        }
    });
    quiet.ping();
    assert!((100..120).all(|last| !relay.admits(stranger(last))));
    assert!(relay.admits(stranger(99)));
}
