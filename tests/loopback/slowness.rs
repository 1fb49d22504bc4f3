//! Peers that are slow, silent or gone in the middle of something: they lose their connection at most, and
//! nobody else loses anything. Knows time only as bounds.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Peer, QUICK, Relay, frame, header, noise, stranger};

const SLOW: u8 = 44;

fn expect_no_ban(relay: &Relay) {
    assert!(relay.admits(stranger(SLOW)), "not banned");
    assert!(!relay.log().contains("banned until="), "{}", relay.log());
}

#[test]
fn half_a_frame_and_then_silence_is_disconnected_and_not_banned() {
    let relay = Relay::start(&["--frame-timeout", "1s"]);
    let mut quiet = relay.join(stranger(2));
    let mut half = relay.join(stranger(SLOW));
    let began = Instant::now();
    half.send(&frame("tx", &noise(1, 1000))[..500]);
    half.expect_eof();
    let took = began.elapsed();
    assert!((Duration::from_millis(900)..PATIENCE / 2).contains(&took), "{took:?}");
    relay.wait_for_log("reason=frame-timeout");
    expect_no_ban(&relay);
    quiet.ping(); // a silent peer without half a frame is a good one
}

#[test]
fn a_byte_every_so_often_does_not_extend_a_frames_time() {
    for start in [frame("tx", &noise(1, 1000))[..30].to_vec(), b"<<".to_vec()] {
        let relay = Relay::start(&["--frame-timeout", "1s"]);
        let mut dribbler = relay.join(stranger(SLOW));
        dribbler.send(&start);
        let took = dribble_until_cut_off(&mut dribbler);
        assert!((Duration::from_millis(900)..PATIENCE / 2).contains(&took), "{took:?}");
        relay.wait_for_log("reason=frame-timeout");
        expect_no_ban(&relay);
    }
}

/// A byte for each 100 ms without an end; how long that went on.
fn dribble_until_cut_off(peer: &mut Peer) -> Duration {
    let began = Instant::now();
    peer.stream().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    loop {
        match peer.stream().read(&mut [0]) {
            Ok(0) => return began.elapsed(),
            Ok(_) => panic!("nothing is due to it"),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return began.elapsed(),
        }
        assert!(began.elapsed() < PATIENCE, "the dribble goes on");
        if !peer.try_send(b"<") {
            return began.elapsed();
        }
    }
}

/// Others carry on while one does not read: all of `frames` arrives, and the one is cut off for `reason`.
fn stopped_reader(options: &[&str], reason: &str) {
    let relay = Relay::start(&[&["--max-payload=100k", "--send-buffer=16k"], options].concat());
    let mut sender = relay.join(stranger(2));
    let mut reader = relay.join(stranger(3));
    let mut stopped = relay.join_narrow(stranger(SLOW));
    let frames: Vec<Vec<u8>> = (0..60).map(|seed| frame("tx", &noise(seed, 60_000))).collect();
    for bytes in &frames {
        sender.send(bytes);
        reader.expect(bytes);
    }
    let line = relay.wait_for_log(&format!("closed reason={reason}"));
    assert!(
        line.contains("WARN") && line.contains("addr=127.0.0.44:") && line.contains("not banned"),
        "{line}"
    );
    stopped.expect_cut_off();
    sender.ping();
    reader.ping();
    expect_no_ban(&relay);
}

#[test]
fn a_reader_that_stops_is_dropped_at_the_hard_limit_and_harms_nobody() {
    stopped_reader(&["--queue-hard=300k"], "queue-hard");
}

#[test]
fn a_reader_that_stops_is_dropped_when_over_the_soft_limit_too_long() {
    stopped_reader(&["--queue-hard=100M", "--queue-soft=200k", "--queue-soft-time=500ms"], "queue-soft");
}

#[test]
fn a_reader_that_is_slow_but_reads_gets_everything() {
    let relay = Relay::start(&["--send-buffer=16k"]);
    let mut sender = relay.join(stranger(2));
    let mut slow = relay.join_narrow(stranger(SLOW));
    let frames: Vec<Vec<u8>> =
        (0..40).map(|seed| frame("tx", &noise(seed, 40_000 + seed as usize))).collect();
    sender.send(&frames.concat());
    sender.ping(); // all of it is queued by now
    for bytes in &frames {
        bytes.chunks(997).for_each(|bytes| slow.expect(bytes));
    }
    slow.ping();
    expect_no_ban(&relay);
}

#[test]
fn a_reset_in_mid_frame_costs_nobody_anything() {
    let relay = Relay::start(&[]);
    let mut quiet = relay.join(stranger(2));
    let mut gone = relay.join(stranger(SLOW));
    gone.send(&[frame("tx", b"whole"), frame("tx", &noise(1, 1000))[..700].to_vec()].concat());
    quiet.expect(&frame("tx", b"whole"));
    gone.reset();
    relay.wait_for_log("reason=reset");
    quiet.ping();
    expect_no_ban(&relay);
}

#[test]
fn who_will_send_no_more_still_gets_what_was_queued_and_then_the_end() {
    let relay = Relay::start(&["--send-buffer=16k", "--drain=20s"]);
    let mut sender = relay.join(stranger(2));
    let mut finished = relay.join_narrow(stranger(SLOW));
    let frames: Vec<Vec<u8>> = (0..3).map(|seed| frame("block", &noise(seed, 1_000_000))).collect();
    frames.iter().for_each(|bytes| sender.send(bytes));
    sender.ping(); // all of it is queued by now
    finished.finish();
    frames.iter().for_each(|bytes| finished.expect(bytes));
    finished.expect_eof();
    relay.wait_for_log("reason=eof");
}

#[test]
fn what_a_peer_sent_whole_before_its_end_is_relayed_and_half_a_frame_is_not() {
    let relay = Relay::start(&[]);
    let mut quiet = relay.join(stranger(2));
    let mut finished = relay.join(stranger(SLOW));
    finished.send(&[frame("tx", b"whole"), frame("tx", b"half")[..26].to_vec()].concat());
    finished.finish();
    finished.expect_eof();
    quiet.expect(&frame("tx", b"whole"));
    quiet.ping();
    expect_no_ban(&relay);
}

#[test]
fn a_peer_that_pings_without_reading_its_pongs_holds_up_only_itself() {
    let relay = Relay::start(&["--send-buffer=16k", "--recv-buffer=16k"]);
    let mut quiet = relay.join(stranger(2));
    let mut deaf = relay.join_narrow(stranger(SLOW));
    let before = relay.memory("VmRSS");
    let (sent, pings) = ping_until_not_read(&mut deaf);
    let grown = relay.memory("VmHWM").saturating_sub(before);
    println!("{sent} B of pings sent before it was not read; growth {grown} B");
    assert!(grown < 4 << 20, "{grown} bytes");
    let worst = (0..20).map(|_| quiet.ping()).max().unwrap();
    assert!(worst < QUICK, "{worst:?}");
    // it was stopped, not cut off: once it reads, all its pongs are there
    let pong = frame("pong", &noise(1, 1024));
    (0..pings).for_each(|_| deaf.expect(&pong));
    expect_no_ban(&relay);
}

/// How many bytes were taken until none were for a second, and how many whole pings.
fn ping_until_not_read(peer: &mut Peer) -> (usize, usize) {
    let ping = frame("ping", &noise(1, 1024));
    peer.stream().set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut sent = 0;
    loop {
        assert!(sent < 64 << 20, "it is read for ever");
        match peer.stream().write(&ping[sent % ping.len()..]) {
            Ok(len) => sent += len,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return (sent, sent / ping.len());
            }
            Err(error) => panic!("cut off: {error}"),
        }
    }
}

#[test]
fn a_peer_that_sends_much_and_reads_nothing_is_dropped_for_the_chunks_it_pins() {
    const HARD: usize = 2_000_000;
    let hard = format!("--queue-hard={HARD}");
    let relay = Relay::start(&["--max-payload=100k", "--send-buffer=16k", &hard]);
    let mut other = relay.join(stranger(2));
    let mut pinning = relay.join_narrow(stranger(SLOW));
    let (small, large) = (frame("tx", &noise(1, 1000)), frame("tx", &noise(2, 60_000)));
    let burst = large.repeat(4);
    let mut due = 0;
    while due < HARD && pinning.try_send(&burst) {
        other.send(&small);
        due += small.len();
        other.ping_amid_others();
    }
    relay.wait_for_log("closed reason=queue-hard");
    println!("dropped when it was due {due} B at most, with a limit of {HARD} B");
    assert!(due < HARD, "what counts is what it makes us hold, not what it is due");
    other.ping_amid_others();
    expect_no_ban(&relay);
}

#[test]
fn silence_costs_the_connection_only_where_the_operator_says_so() {
    let relay = Relay::start(&["--idle-timeout", "1s"]);
    let mut silent = relay.join(stranger(SLOW));
    silent.expect_eof();
    relay.wait_for_log("reason=idle-timeout");
    // half a header is not silence yet
    let mut half = relay.join(stranger(SLOW));
    half.send(&header("tx", 10)[..10]);
    half.expect_eof();
    expect_no_ban(&relay);
}
