//! Two `peer`s that flood each other: nothing is lost, and neither waits for the other for ever.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use crate::peer_support::Talker;
use crate::support::PATIENCE;

/// Bytes of a flood.
const FLOOD: usize = 10_000_000;

/// More bytes than the kernel keeps for two sockets, and everything else that is on the way.
fn more_than_fits() -> usize {
    let largest = |name| {
        let text = fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok()?;
        text.split_whitespace().last()?.parse::<usize>().ok()
    };
    let sockets = largest("tcp_rmem").zip(largest("tcp_wmem")).map(|(read, write)| read + write);
    sockets.unwrap_or(10_000_000) + 6_000_000
}

/// Lines of all lengths, one of them empty, one of them long; the last one has no end.
fn lines(len: usize, salt: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(len + 1000);
    let mut number = salt;
    while text.len() < len {
        number += 1;
        let body = format!("{number} grün \\x1b ").repeat(number * 7919 % 17);
        text.extend_from_slice(body.as_bytes());
        text.push(b'\n');
    }
    text.extend_from_slice(&[b'x'; 64_000]);
    text.extend_from_slice(b"\nno end");
    text
}

fn write(directory: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// What was shown is what the other side was given, line by line.
fn assert_shown(shown: &[u8], given: &[u8]) {
    let shown = shown.strip_suffix(b"\n").expect("the last line has an end");
    let mut lines = shown.split(|&byte| byte == b'\n');
    for (number, line) in given.split(|&byte| byte == b'\n').enumerate() {
        let shown = lines.next().and_then(|shown| shown.strip_prefix(b"[peer] "));
        assert!(shown == Some(line), "line {number} is another");
    }
    assert!(lines.next().is_none(), "more than was given");
}

fn read_all(mut stream: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        all
    })
}

/// Each with a file for stdin.
fn flood(framing: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let [one_says, other_says] = [1, 2].map(|salt| lines(FLOOD, salt * 1_000_000));
    let [one_file, other_file] = [("one", &one_says), ("other", &other_says)]
        .map(|(name, bytes)| File::open(write(directory.path(), name, bytes)).unwrap());
    let (mut one, one_shows) =
        Talker::start_unwatched(&[&["--listen", "0"], framing].concat(), one_file.into());
    let at = one.listens_at();
    let (mut other, other_shows) =
        Talker::start_unwatched(&[&["--connect", &at], framing].concat(), other_file.into());
    let shown = [read_all(one_shows), read_all(other_shows)];
    for talker in [&mut one, &mut other] {
        let talked = talker.wait_unwatched();
        assert_eq!(talked.code, Some(0), "{talked:?}");
    }
    let [one_shown, other_shown] = shown.map(|thread| thread.join().unwrap());
    assert_shown(&one_shown, &other_says);
    assert_shown(&other_shown, &one_says);
}

#[test]
fn two_flood_each_other_with_frames() {
    flood(&[]);
}

#[test]
fn two_flood_each_other_with_lines() {
    flood(&["--lines"]);
}

/// With lines: it takes many bytes, and frames would all be hashed.
#[test]
fn a_screen_that_is_not_read_holds_up_nobody_elses() {
    let directory = tempfile::tempdir().unwrap();
    let [slow_says, fast_says] = [1, 2].map(|salt| lines(more_than_fits(), salt * 1_000_000));
    let [slow_file, fast_file] = [("slow", &slow_says), ("fast", &fast_says)]
        .map(|(name, bytes)| File::open(write(directory.path(), name, bytes)).unwrap());
    let (mut slow, unread) = Talker::start_unwatched(&["--lines", "--listen", "0"], slow_file.into());
    let at = slow.listens_at();
    let (mut fast, stdout) = Talker::start_unwatched(&["--lines", "--connect", &at], fast_file.into());
    // all that the slow one says arrives, while nobody reads what it is told
    let (sender, heard) = mpsc::channel();
    let len = shown_len(&slow_says);
    thread::spawn(move || sender.send(read_exactly(stdout, len)).unwrap());
    let (heard, mut stdout) = heard.recv_timeout(PATIENCE).expect("the fast one hears all");
    assert_shown(&heard, &slow_says);
    assert!(fast.is_running(), "it cannot have got rid of so much");
    let shown = read_all(unread);
    for talker in [&mut slow, &mut fast] {
        let talked = talker.wait_unwatched();
        assert_eq!(talked.code, Some(0), "{talked:?}");
    }
    assert_shown(&shown.join().unwrap(), &fast_says);
    assert_eq!(stdout.read(&mut [0]).unwrap(), 0);
}

fn read_exactly<R: Read>(mut stream: R, len: usize) -> (Vec<u8>, R) {
    let mut bytes = vec![0; len];
    stream.read_exact(&mut bytes).unwrap();
    (bytes, stream)
}

/// Bytes on the screen that so many make.
fn shown_len(given: &[u8]) -> usize {
    let lines = given.split(|&byte| byte == b'\n').count();
    given.len() + 1 + lines * b"[peer] ".len()
}
