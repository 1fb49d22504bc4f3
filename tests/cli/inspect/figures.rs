//! What an inspection needs however long the stream is, and whether it judges as a relay does.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;
use std::thread;

use serde_json::Value;

use super::{inspect, with_bad_command};
use crate::support::{Relay, encode, program, spoilt};

/// Bytes of a stream that no memory should hold.
const LONG: usize = 200_000_000;
/// Most memory it may ever have had, bytes: a largest frame in segments and in one piece is 8 MB, the program
/// itself some 5 MB.
const MOST_MEMORY: u64 = 24 << 20;

/// Sends a stream of repeated blocks, and says what the summary and the memory at its peak come to.
fn inspect_long(block: &[u8]) -> (Value, u64) {
    let mut child =
        program().args(["inspect", "--json"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    let tail = thread::spawn(move || tail(&mut out));
    let mut stdin = child.stdin.take().unwrap();
    for _ in 0..LONG / block.len() {
        stdin.write_all(block).unwrap();
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    drop(stdin);
    let tail = tail.join().unwrap();
    assert!(child.wait().unwrap().success());
    let mut last: Value = serde_json::from_str(tail.lines().last().unwrap()).unwrap();
    (last["summary"].take(), peak(&status))
}

/// Reads to the end and keeps only that.
fn tail(stream: &mut impl Read) -> String {
    let (mut piece, mut tail) = (vec![0; 64 * 1024], Vec::new());
    loop {
        let len = stream.read(&mut piece).unwrap();
        if len == 0 {
            return String::from_utf8(tail).unwrap();
        }
        tail.extend_from_slice(&piece[..len]);
        tail.drain(..tail.len().saturating_sub(4096));
    }
}

/// The largest resident size a process has had, bytes.
fn peak(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kib * 1024
}

/// Bytes that look random, and are the same in each run.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

#[test]
fn a_long_stream_of_frames_needs_no_more_memory_than_its_largest() {
    let lens = [0, 1, 250, 4000, 65_000, 4_000_000];
    let block: Vec<u8> = lens.iter().flat_map(|&len| encode("block", &noise(len))).collect();
    let (summary, peak) = inspect_long(&block);
    let blocks = (LONG / block.len()) as u64;
    assert_eq!(summary["frames_good"], blocks * lens.len() as u64);
    assert_eq!(summary["bytes_good"], blocks * block.len() as u64);
    assert!(peak < MOST_MEMORY, "{peak} bytes at the peak");
}

#[test]
fn a_long_stream_of_small_frames_needs_no_memory() {
    let block = encode("tx", &noise(1000)).repeat(1000);
    let (summary, peak) = inspect_long(&block);
    assert_eq!(summary["frames_good"], (LONG / block.len() * 1000) as u64);
    assert!(peak < MOST_MEMORY / 2, "{peak} bytes at the peak");
}

#[test]
fn a_long_stream_of_junk_needs_no_memory() {
    let mut block = noise(1 << 20);
    // what begins like a frame, and cannot be one
    block.extend(with_bad_command(&[0; 50]).repeat(20));
    block.extend(b"\xf7\xe3\xc9".repeat(50));
    let (summary, peak) = inspect_long(&block);
    assert_eq!((summary["frames_good"].clone(), summary["frames_bad"].clone()), (0.into(), 0.into()));
    let len = (LONG / block.len() * block.len()) as u64;
    // the last three bytes could be the beginning of a magic
    assert_eq!(summary["bytes_skipped"], len - 3);
    assert_eq!(summary["bytes_unfinished"], 3);
    assert!(peak < MOST_MEMORY / 2, "{peak} bytes at the peak");
}

/// A stream of parts that follow each other in an order of its own. It ends with enough junk for whatever a
/// header may have claimed, and a good frame.
fn mixed(number: usize) -> Vec<u8> {
    let mut lying = encode("lying", b"");
    lying[16] = 40; // bytes that are others'
    let parts = [
        encode("one", &[1; 30]),
        spoilt("two", &[2; 30]),
        with_bad_command(&[3; 30]),
        b"<<<<<".to_vec(),
        lying,
        encode("six", b""),
        b"\xf7\xe3\xc9\xf7".to_vec(),
        encode("eight", &encode("inner", b"8")),
    ];
    let picks = noise(1 + number * 12);
    let picked = picks[number * 11..].iter().flat_map(|&pick| parts[usize::from(pick) % parts.len()].clone());
    encode("begin", b"").into_iter().chain(picked).chain([b'<'; 64]).chain(encode("end", b"")).collect()
}

#[test]
fn a_frame_is_good_when_a_relay_passes_it_on() {
    let options = ["--penalty", "checksum=drop", "--penalty", "command=drop", "--max-skip", "1M"];
    let relay = Relay::start(&options);
    let mut listener = relay.peer();
    for number in 0..30 {
        let stream = mixed(number);
        let (findings, _) = inspect(&["--json"], &stream).objects();
        let good = findings.iter().filter(|found| found["checksum"] == "good");
        let mut sender = relay.peer();
        sender.send(&stream);
        for found in good {
            let at = |name: &str| found[name].as_u64().unwrap() as usize;
            let payload = &stream[at("offset") + 24..][..at("length")];
            let (command, received) = listener.receive();
            assert_eq!(
                (command.as_str(), received.as_slice()),
                (found["command"].as_str().unwrap(), payload)
            );
        }
        assert_eq!(findings.last().unwrap()["command"], "end", "so nothing else is on its way: {stream:?}");
    }
    relay.stop();
}
