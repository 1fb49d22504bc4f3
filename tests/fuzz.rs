//! The fuzz targets of `tests/fuzz` without a fuzzer: every input that was worth keeping, and some thousands that
//! come again with their seed. `scripts/fuzz.sh` looks for more.

#[path = "fuzz/checks/account.rs"]
mod account;
#[path = "fuzz/checks/ban_file.rs"]
mod ban_file;
#[path = "fuzz/checks/decoder.rs"]
mod decoder;
#[path = "decoder/feed.rs"]
mod feed;
#[path = "fuzz/checks/inputs.rs"]
mod inputs;
#[path = "common/naive.rs"]
mod naive;
#[path = "fuzz/checks/relay.rs"]
mod relay;
#[path = "fuzz/checks/tape.rs"]
mod tape;
#[path = "fuzz/checks/world.rs"]
mod world;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use peer_relay::rng::Rng;

/// As `scripts/fuzz.sh` has them.
const TARGETS: [&str; 4] = ["ban_file", "decoder", "inputs", "relay"];
/// Of every run of the tests.
const SEED: u64 = 1;
/// Most bytes of an input that is drawn.
const LONGEST: u64 = 400;
/// Most bytes of a target's corpus: it is for replaying, not for keeping everything.
const LARGEST_CORPUS: usize = 100_000;

#[test]
fn the_ban_file_holds() {
    replay("ban_file", 4000, ban_file::check);
}

#[test]
fn the_decoder_holds() {
    replay("decoder", 4000, decoder::check);
}

#[test]
fn the_inputs_hold() {
    replay("inputs", 4000, inputs::check);
}

#[test]
fn the_relay_holds() {
    replay("relay", 1000, relay::check);
}

#[test]
fn the_script_says_what_it_needs() {
    for args in [&["0"][..], &["-1"], &["1m"], &[""]] {
        let output = script(args);
        assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{args:?}");
        assert!(output.stderr.starts_with(b"usage: scripts/fuzz.sh [SECONDS]"), "{args:?}");
    }
    let help = script(&["--help"]);
    assert!(help.status.success() && help.stdout.starts_with(b"usage: "), "{help:?}");
}

/// Not when it would have to build: that takes a minute or two.
#[test]
fn the_script_fuzzes_every_target() {
    if !is_built() {
        println!("skipped: the fuzz targets are not built from these sources (scripts/fuzz.sh builds them)");
        return;
    }
    let output = script(&["1"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    for target in TARGETS {
        let row = text
            .lines()
            .find(|line| line.starts_with(target) && line.ends_with(" executions   nothing found"));
        let count = row.and_then(|row| row.split_whitespace().nth(1)?.parse::<u64>().ok());
        assert!(count.is_some_and(|count| count > 0), "{text}");
    }
}

fn script(args: &[&str]) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/fuzz.sh");
    Command::new(script).args(args).env("CARGO_TARGET_DIR", target_directory()).output().unwrap()
}

fn target_directory() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_peer-relay")).ancestors().nth(2).unwrap()
}

/// Whether the script has built the targets since their sources were changed.
fn is_built() -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources =
        ["src", "tests/fuzz/checks", "tests/fuzz/targets", "tests/common", "tests/decoder", "Cargo.toml"];
    let newest = sources.iter().filter_map(|source| youngest(&root.join(source))).max();
    youngest(&target_directory().join("fuzz/built")) > newest
}

/// When the file, or a file in the directory, was changed last.
fn youngest(path: &Path) -> Option<SystemTime> {
    match fs::read_dir(path) {
        Ok(entries) => entries.flatten().filter_map(|entry| youngest(&entry.path())).max(),
        Err(_) => fs::metadata(path).ok()?.modified().ok(),
    }
}

/// The corpus, then so many inputs out of it, changed a little, and so many out of nothing.
fn replay(target: &str, count: usize, check: fn(&[u8])) {
    let corpus = corpus(target);
    for (path, bytes) in &corpus {
        tried(&path.display().to_string(), bytes, check);
    }
    let mut rng = Rng::new(SEED);
    for number in 0..count {
        let (_, kept) = &corpus[rng.below(corpus.len() as u64) as usize];
        tried(&format!("changed input {number}"), &changed(kept.clone(), &mut rng), check);
        tried(&format!("drawn input {number}"), &drawn(&mut rng), check);
    }
}

/// What is committed. There is always something.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let entries = fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "nothing in {}", directory.display());
    let corpus: Vec<_> = files.into_iter().map(|file| (file.clone(), fs::read(file).unwrap())).collect();
    let bytes: usize = corpus.iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(bytes <= LARGEST_CORPUS, "{bytes} bytes in {}", directory.display());
    corpus
}

/// Up to four bytes are others, or gone, or there again.
fn changed(mut bytes: Vec<u8>, rng: &mut Rng) -> Vec<u8> {
    for _ in 0..1 + rng.below(4) {
        let at = rng.below(bytes.len() as u64 + 1) as usize;
        match rng.below(3) {
            0 => bytes.insert(at, rng.next() as u8),
            1 if at < bytes.len() => drop(bytes.remove(at)),
            _ if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            _ => {}
        }
    }
    bytes
}

fn drawn(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = vec![0; rng.below(LONGEST) as usize];
    rng.fill(&mut bytes);
    bytes
}

/// A failure prints the input: as a file it is one for the corpus.
fn tried(what: &str, bytes: &[u8], check: fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(bytes))) {
        eprintln!("{what}: {}", bytes.escape_ascii());
        std::panic::resume_unwind(panic);
    }
}
