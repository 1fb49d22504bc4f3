//! What the options do to a relay with peers. Plain sockets, and upper bounds that are generous.

use std::time::{Duration, Instant};

use crate::support::{JUNK, Peer, Relay, encode, eventually, spoilt};

const A: [u8; 4] = [127, 0, 0, 2];
const B: [u8; 4] = [127, 0, 0, 3];

#[test]
fn the_place_beyond_max_peers_is_refused_and_the_log_says_who_holds_most() {
    let relay = Relay::start(&["--max-peers", "2"]);
    let _places = [relay.peer_from(A), relay.peer_from(A)];
    assert!(!relay.admits(B));
    relay.said(&["refused addr=127.0.0.3 reason=full", "most=127.0.0.2 holds=2"]);
}

#[test]
fn a_freed_place_is_taken_by_the_next() {
    let relay = Relay::start(&["--max-peers", "1"]);
    drop(relay.peer());
    relay.said(&["closed reason=eof"]);
    relay.peer();
}

#[test]
fn max_peers_per_ip_counts_each_address() {
    let relay = Relay::start(&["--max-peers-per-ip", "1"]);
    let _first = relay.peer_from(A);
    assert!(!relay.admits(A));
    relay.said(&["refused addr=127.0.0.2 reason=too-many-from-address"]);
    relay.peer_from(B);
}

#[test]
fn a_ban_lasts_as_long_as_it_should() {
    let relay = Relay::start(&["--ban-time", "1s"]);
    let began = Instant::now();
    relay.ban(A);
    let is_shut_out = !relay.admits(A);
    // on a machine that is asleep for a second the ban may be over already
    assert!(is_shut_out || began.elapsed() >= Duration::from_millis(900));
    eventually("the ban's end", || relay.admits(A));
    assert!(began.elapsed() >= Duration::from_millis(900), "after {:?}", began.elapsed());
}

#[test]
fn a_ban_ends_every_connection_of_its_address_and_no_other() {
    let relay = Relay::start(&[]);
    let (mut neighbour, mut other) = (relay.peer_from(A), relay.peer_from(B));
    relay.ban(A);
    neighbour.expect_end();
    relay.said(&["closed reason=address-banned"]);
    assert!(other.is_admitted());
}

#[test]
fn whoever_is_never_banned_is_only_disconnected() {
    let relay = Relay::start(&["--never-ban", "10.0.0.0/8", "--never-ban", "127.0.0.2/31"]);
    relay.said(&["law: ", "never banned: 10.0.0.0/8,127.0.0.2/31"]);
    let mut peer = relay.peer_from(A);
    peer.send(JUNK);
    peer.expect_end();
    relay.said(&["disconnected offence=magic", "(not banned)"]);
    relay.peer_from(A);
    relay.ban([127, 0, 0, 4]);
    assert!(!relay.admits([127, 0, 0, 4]));
}

#[test]
fn when_the_list_is_full_the_ban_that_ends_soonest_goes() {
    let relay = Relay::start(&["--max-bans", "1"]);
    relay.ban(A);
    relay.ban(B);
    assert!(!relay.admits(B));
    assert!(relay.admits(A));
}

#[test]
fn a_dropped_frame_costs_nothing_else() {
    let relay = Relay::start(&["--penalty", "checksum=drop"]);
    let (mut reader, mut sender) = (relay.peer(), relay.peer());
    sender.send(&spoilt("tx", b"bad"));
    sender.send_frame("tx", b"good");
    assert_eq!(reader.receive(), ("tx".into(), b"good".to_vec()));
    assert!(sender.is_admitted());
    relay.said(&["dropped a frame offence=checksum detail=\"tx, 3 B, frame 2: header says "]);
}

#[test]
fn a_disconnected_offender_may_come_back() {
    let relay = Relay::start(&["--penalty", "checksum=disconnect,oversize=disconnect"]);
    for bad in [spoilt("tx", b"bad"), [&encode("tx", b"")[..16], &[0xff; 8]].concat()] {
        let mut peer = relay.peer();
        peer.send(&bad);
        peer.expect_end();
    }
    relay.said(&["disconnected offence=checksum", "(not banned)"]);
    relay.said(&["disconnected offence=oversize", "(not banned)"]);
    relay.said(&["closed reason=offence"]);
    relay.peer();
}

#[test]
fn a_rate_that_is_exceeded_costs_what_the_law_says() {
    let limits = ["--rate-messages", "3", "--penalty", "flood=ban"];
    let relay = Relay::start(&limits);
    let mut flooder = relay.peer_from(A);
    flooder.send(&encode("tx", b"").repeat(50));
    relay.said(&["addr=127.0.0.2:", "banned until=", "offence=flood"]);
    assert!(!relay.admits(A));
}

#[test]
fn without_a_window_one_byte_of_junk_is_too_much() {
    let relay = Relay::start(&["--max-skip", "0"]);
    let mut reader = relay.peer_from(B);
    let mut peer = relay.peer_from(A);
    peer.send(b"#");
    peer.send_frame("tx", b"");
    relay.said(&["banned", "offence=magic detail=\"more than 0 bytes that are no frame of ours\""]);
    relay.peer_from([127, 0, 0, 4]).send_frame("tx", b"after");
    assert_eq!(reader.receive().1, b"after");
}

#[test]
fn a_window_of_a_hundred_passes_a_hundred() {
    let relay = Relay::start(&["--max-skip", "100"]);
    let (mut reader, mut peer) = (relay.peer_from(B), relay.peer_from(A));
    for _ in 0..2 {
        peer.send(&[b'#'; 100]);
        peer.send_frame("tx", b"behind junk");
        assert_eq!(reader.receive().1, b"behind junk");
    }
    relay.said(&["skipped=100 bytes"]);
    peer.send(&[b'#'; 101]);
    relay.said(&["banned", "more than 100 bytes that are no frame of ours"]);
    relay.said(&["closed reason=banned", "skipped=301"]);
}

#[test]
fn the_largest_payload_passes_and_a_claim_of_one_more_is_a_ban() {
    let relay = Relay::start(&["--max-payload", "1000"]);
    let (mut reader, mut peer) = (relay.peer_from(B), relay.peer_from(A));
    peer.send_frame("block", &[7; 1000]);
    assert_eq!(reader.receive().1, [7; 1000]);
    peer.send(&encode("block", &[7; 1001])[..24]);
    peer.expect_end();
    relay.said(&["banned", "offence=oversize detail=\"a header claims 1001 B, 1000 are allowed\""]);
}

#[test]
fn silence_costs_the_connection_only_when_asked_for() {
    let relay = Relay::start(&["--idle-timeout", "1s"]);
    let began = Instant::now();
    let mut peer = relay.peer();
    peer.expect_end();
    assert!(began.elapsed() >= Duration::from_millis(900));
    relay.said(&["closed reason=idle-timeout"]);
    relay.peer();
}

#[test]
fn half_a_frame_costs_the_connection_and_not_the_address() {
    let relay = Relay::start(&["--frame-timeout", "1s"]);
    for beginning in [&encode("tx", b"never whole")[..30], b"#"] {
        let mut peer = relay.peer();
        peer.send(beginning);
        peer.expect_end();
        relay.said(&["closed reason=frame-timeout"]);
    }
    relay.peer();
}

/// When each of `count` frames arrived, since `began`.
fn arrivals(peer: &mut Peer, count: usize, began: Instant) -> Vec<Duration> {
    let arrival = |_| {
        peer.receive();
        began.elapsed()
    };
    (0..count).map(arrival).collect()
}

#[test]
fn over_the_message_rate_all_arrives_but_not_at_once() {
    let relay = Relay::start(&["--rate-messages", "10"]);
    let (mut reader, mut sender) = (relay.peer_from(B), Peer::connect(relay.address(), A));
    let began = Instant::now();
    sender.send(&encode("tx", b"").repeat(100));
    let times = arrivals(&mut reader, 100, began);
    // a burst of 10, then 10 a second: 20 in the first second, and half as many again for a slow clock
    let early = times.iter().filter(|&&time| time < Duration::from_secs(1)).count();
    assert!(early <= 30, "{early} in the first second: {times:?}");
    assert!(times[99] >= Duration::from_secs(8), "{times:?}");
    relay.said(&["addr=127.0.0.2:", "paused offence=flood"]);
}

#[test]
fn over_the_byte_rate_all_arrives_but_not_at_once() {
    let relay = Relay::start(&["--rate-bytes", "10k", "--max-payload", "1000"]);
    let (mut reader, mut sender) = (relay.peer_from(B), Peer::connect(relay.address(), A));
    let began = Instant::now();
    sender.send(&encode("tx", &[1; 1000]).repeat(30));
    let times = arrivals(&mut reader, 30, began);
    // 30,720 bytes: a burst of 10,000, the rest in two seconds
    assert!(times[29] >= Duration::from_millis(1500), "{times:?}");
    assert!(times[8] < times[29] / 2, "the burst is not held up: {times:?}");
}

#[test]
fn another_peer_is_not_held_up_by_one_that_is_paused() {
    let relay = Relay::start(&["--rate-messages", "1"]);
    let (mut reader, mut sender) = (relay.peer_from(B), Peer::connect(relay.address(), A));
    sender.send(&encode("tx", b"much").repeat(100));
    assert_eq!(reader.receive().1, b"much");
    relay.said(&["paused offence=flood"]);
    let mut quiet = Peer::connect(relay.address(), [127, 0, 0, 4]);
    quiet.send_frame("tx", b"little");
    eventually("the quiet one's frame", || reader.receive().1 == b"little");
}

#[test]
fn figures_are_told_only_when_they_have_changed() {
    // some twenty moments for a line pass before the silent peer is sent away
    let relay = Relay::start(&["--stats-every", "50ms", "--idle-timeout", "1s"]);
    let mut peer = relay.peer();
    peer.expect_end();
    relay.said(&[
        " peers=0 accepted=1 in=1/32B out=1/32B skipped=0 dropped=0 pauses=0 bans=0 closed-idle-timeout=1",
    ]);
    let log = relay.log();
    let figures = |line: &String| line.split_once("] peers=").map(|(_, figures)| figures.to_string());
    let told: Vec<String> = log.iter().filter_map(figures).collect();
    assert!(told.windows(2).all(|pair| pair[0] != pair[1]), "{told:#?}");
    assert!((2..=5).contains(&told.len()), "{told:#?}");
}

#[test]
fn no_figures_are_told_when_they_are_off() {
    let relay = Relay::start(&["--stats-every", "0", "--idle-timeout", "1s"]);
    relay.peer().expect_end();
    relay.said(&["closed reason=idle-timeout"]);
    assert!(!relay.log().iter().any(|line| line.contains("] peers=")), "{:?}", relay.log());
}

#[test]
fn a_log_that_is_off_says_nothing_and_stdout_still_where() {
    let relay = Relay::start(&["--log-level", "off"]);
    let mut peer = relay.peer();
    peer.send(JUNK);
    peer.expect_end();
    assert!(relay.listening()[0].starts_with("listening on 127.0.0.1:"));
    assert_eq!(relay.stop(), [""; 0]);
}

#[test]
fn each_level_of_the_log_has_its_lines() {
    for (level, says_info) in
        [("error", false), ("warn", false), ("info", true), ("debug", true), ("trace", true)]
    {
        let relay = Relay::start(&["--log-level", level]);
        relay.peer();
        let log = relay.stop();
        assert_eq!(log.iter().any(|line| line.contains(" connected ")), says_info, "{level}: {log:?}");
    }
}

#[test]
fn small_socket_buffers_carry_large_frames() {
    let relay = Relay::start(&["--recv-buffer", "4096", "--send-buffer", "4096"]);
    let (mut reader, mut sender) = (relay.peer(), relay.peer());
    let payload: Vec<u8> = (0..100_000u32).map(|place| (place % 251) as u8).collect();
    sender.send_frame("block", &payload);
    assert_eq!(reader.receive(), ("block".into(), payload));
}

#[test]
fn another_magic_is_another_network() {
    let relay = Relay::start(&["--magic", "0A0b0C0d"]);
    relay.said(&["network=private magic=0a0b0c0d"]);
    let peer = || Peer::connect(relay.address(), A).with_magic("0a0b0c0d");
    let (mut reader, mut sender) = (peer(), peer());
    assert!(reader.is_admitted() && sender.is_admitted());
    sender.send_frame("tx", b"ours");
    assert_eq!(reader.receive().1, b"ours");
    assert!(!relay.admits(B), "a ping of the private network is none here");
}

#[test]
fn a_relay_of_a_bitcoin_network_floods_when_told_to() {
    let relay = Relay::start(&["--network", "regtest", "--protocol", "flood"]);
    relay.said(&["network=regtest magic=fabfb5da protocol=flood"]);
    let peer = || Peer::connect(relay.address(), A).with_magic("fabfb5da");
    let (mut reader, mut sender) = (peer(), peer());
    assert!(reader.is_admitted() && sender.is_admitted());
    sender.send_frame("inv", b"x");
    assert_eq!(reader.receive(), ("inv".into(), b"x".to_vec()));
}

#[test]
fn whoever_makes_us_hold_most_goes_when_all_hold_too_much() {
    let relay = Relay::start(&["--max-payload", "100k", "--retained-max", "300k"]);
    let (mut reader, mut sender) = (relay.peer_from(B), relay.peer_from(B));
    let mut hoarders: Vec<Peer> = (0..8).map(|_| relay.peer_from(A)).collect();
    for hoarder in &mut hoarders {
        hoarder.send(&encode("block", &[1; 100_000])[..90_000]);
    }
    relay.said(&["WARN", "addr=127.0.0.2:", "closed reason=memory", "(most of --retained-max, not banned)"]);
    sender.send_frame("tx", b"small");
    assert_eq!(reader.receive().1, b"small");
    relay.peer_from(A);
}

/// Has a peer that never reads sent much.
fn stop_reading(options: &[&str]) -> (Relay, Peer) {
    let relay = Relay::start(&[options, &["--send-buffer", "4096"]].concat());
    let (reader, mut sender) = (relay.peer_from(A), relay.peer_from(B));
    for _ in 0..20 {
        sender.send_frame("block", &[1; 1_000_000]);
    }
    assert!(sender.is_admitted(), "the sender is not held up");
    (relay, reader)
}

#[test]
fn a_reader_that_stops_is_cut_off_at_the_hard_limit() {
    let (relay, _reader) = stop_reading(&[]);
    relay.said(&[
        "WARN",
        "addr=127.0.0.2:",
        "closed reason=queue-hard",
        "queued=",
        "MiB (too slow, not banned)",
    ]);
    relay.peer_from(A);
}

#[test]
fn a_reader_that_stays_behind_is_cut_off_at_the_soft_limit() {
    let (relay, _reader) =
        stop_reading(&["--queue-hard", "100M", "--queue-soft", "1M", "--queue-soft-time", "500ms"]);
    relay.said(&["WARN", "addr=127.0.0.2:", "closed reason=queue-soft", "(too slow, not banned)"]);
}

#[test]
fn the_end_waits_for_a_reader_no_longer_than_it_may() {
    let (mut relay, _reader) = stop_reading(&["--queue-hard", "100M", "--drain", "500ms"]);
    relay.terminate();
    let (status, log) = relay.wait();
    assert_eq!(status.code(), Some(0));
    assert_lost_much(&log);
}

/// The last line says that megabytes did not reach one peer.
fn assert_lost_much(log: &[String]) {
    let last = log.last().unwrap();
    let (bytes, rest) = last.split_once("stopped: ").unwrap().1.split_once(' ').unwrap();
    assert!(bytes.replace(',', "").parse::<u64>().unwrap() > 1_000_000, "{last}");
    assert_eq!(rest, "bytes to 1 peers were not delivered");
}

#[test]
fn an_end_that_may_take_no_time_still_tells_what_was_not_delivered() {
    for drain in ["0", "0s"] {
        let (mut relay, _reader) = stop_reading(&["--queue-hard", "100M", "--drain", drain]);
        let began = Instant::now();
        relay.terminate();
        let (status, log) = relay.wait();
        assert_eq!(status.code(), Some(0));
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "the drain time's default is 5 s: {:?}",
            began.elapsed()
        );
        assert_lost_much(&log);
    }
}

#[test]
fn figures_tell_how_many_came_and_how_often_one_was_paused() {
    let relay = Relay::start(&["--rate-messages", "1"]);
    let _quiet = relay.peer_from(B);
    Peer::connect(relay.address(), A).send(&encode("tx", b"").repeat(20));
    relay.said(&["addr=127.0.0.2:", "paused offence=flood"]);
    let log = relay.stop();
    let figures = log.iter().rev().find(|line| line.contains("] peers=")).unwrap();
    assert!(figures.contains(" accepted=2 "), "{figures}");
    let pauses = figures.split_once(" pauses=").unwrap().1.split(' ').next().unwrap();
    assert!(pauses.parse::<u64>().unwrap() >= 1, "{figures}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let (mut relay, _reader) = stop_reading(&["--queue-hard", "100M", "--drain", "1h"]);
    relay.terminate();
    relay.said(&["stopping: ", " peers have 1h to take what is queued"]);
    relay.terminate();
    assert_eq!(relay.wait().0.code(), Some(143));
}
