//! Where a stream comes from and where the findings go, and all that can be wrong there.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::thread;

use super::{CLASSIC_SHOWN, begin, inspect};
use crate::support::{Lines, encode, program, run, terminal};

#[test]
fn a_person_is_told_that_stdin_is_read_and_how_it_ends() {
    let (mut keys, stdin) = terminal();
    let mut child =
        program().arg("inspect").stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (out, err) = (Lines::of(child.stdout.take().unwrap()), Lines::of(child.stderr.take().unwrap()));
    err.wait("a word", |lines, _| (lines == ["reading stdin; Ctrl-D ends it"]).then_some(()));
    keys.write_all(b"hello\n\x04").unwrap();
    out.wait("the end", |lines, is_over| {
        let end = ["end: in junk, 6 skipped", "note: not one frame is in it (--network or --magic?)"];
        (is_over && lines.ends_with(&end.map(String::from))).then_some(())
    });
    assert!(child.wait().unwrap().success());
    err.wait("nothing more", |lines, is_over| (is_over && lines.len() == 1).then_some(()));
}

#[test]
fn with_a_file_nothing_is_said_of_a_terminal() {
    for file in ["/dev/null", "-"] {
        let (mut keys, stdin) = terminal();
        keys.write_all(b"\x04").unwrap();
        let output = program().args(["inspect", file]).stdin(stdin).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{file}: {output:?}");
    }
}

#[test]
fn what_cannot_be_read_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("a\nb");
    let missing = missing.to_str().unwrap();
    let said = |path: &str| run(&["inspect", path], &[]).error(1).to_string();
    assert_eq!(said(missing), format!("cannot read {}: no such file", missing.replace('\n', "\\n")));
    let path = directory.path().to_str().unwrap();
    assert_eq!(said(path), format!("cannot read {path}: it is a directory"));
    let below = format!("{}/x", env!("CARGO_BIN_EXE_peer-relay"));
    assert!(said(&below).starts_with(&format!("cannot read {below}: ")), "no directory above it");
    // its first page is nobody's: it opens, and fails to be read
    assert!(said("/proc/self/mem").starts_with("cannot read /proc/self/mem: "));
    let stdin = File::open(directory.path()).unwrap();
    let output = program().arg("inspect").stdin(stdin).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stderr, b"error: cannot read stdin: it is a directory\n");
}

#[test]
fn options_that_make_no_sense_are_one_line() {
    let said = |args: &[&str]| run(&[&["inspect"], args].concat(), &[]).error(2).to_string();
    assert_eq!(said(&["--magic", "xyz"]), "--magic xyz: need 8 hex digits in wire order, as in f9beb4d9");
    assert_eq!(said(&["--max-payload", "5G"]), "--max-payload 5G: at most 1GiB");
    assert!(said(&["--max-payload", "x"]).starts_with("--max-payload x: need a number of bytes"));
    assert!(said(&["--network", "main"]).starts_with("--network main: no such network"));
    for args in [["--max-skip", "0"].as_slice(), &["one", "two"], &[""]] {
        assert!(!said(args).is_empty(), "{args:?}");
    }
    let said = run(&["--network", "mainnet", "inspect"], &[]);
    assert_eq!(said.error(2), "inspect: comes first, options behind it");
}

#[test]
fn variables_are_the_services_and_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("capture.bin");
    std::fs::write(&path, encode("msg", &[7; 20])).unwrap();
    let args = ["inspect".as_ref(), path.as_os_str()];
    let plain = run(&args, &[]);
    assert!(plain.shown().contains("good"));
    let variables = [("NETWORK", "mainnet"), ("MAGIC", "x"), ("MAX_PAYLOAD", "3"), ("JSON", "true")];
    let variables = variables.map(|(name, value)| (format!("PEER_RELAY_{name}"), value));
    let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_ref())).collect();
    assert_eq!(run(&args, &variables).shown(), plain.out);
}

#[test]
fn findings_are_shown_as_they_come() {
    let mut child = program().arg("inspect").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines = Lines::of(child.stdout.take().unwrap());
    for number in 0..3 {
        stdin.write_all(&encode("msg", b"")).unwrap();
        let line = format!("{:>12}  msg ", number * 24);
        lines.wait(&line, |lines, _| lines.last().filter(|last| last.starts_with(&line)).cloned());
    }
    drop(stdin);
    lines.wait("the end", |lines, is_over| (is_over && lines.len() == 8).then_some(()));
    assert!(child.wait().unwrap().success());
}

#[test]
fn whoever_has_seen_enough_may_close() {
    for args in [[].as_slice(), &["--json"]] {
        let mut child = begin(args);
        let mut stdin = child.stdin.take().unwrap();
        let writer = thread::spawn(move || {
            let frames = encode("msg", b"").repeat(1000);
            while stdin.write_all(&frames).is_ok() {}
        });
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        // it notices when it next writes: then nobody reads what is sent
        writer.join().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), output.stderr), (Some(0), Vec::new()), "{args:?}");
    }
}

#[test]
fn findings_that_cannot_be_written_are_a_failure() {
    let mut child = program()
        .arg("inspect")
        .stdin(Stdio::null())
        .stdout(File::options().write(true).open("/dev/full").unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.starts_with("error: cannot write to stdout: ") && said.lines().count() == 1, "{said}");
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn a_known_stream_is_known_in_any_file() {
    let wire = [
        b"<".to_vec(),
        known("76657273696f6e0000000000", "00000000", "5df6e0e2", ""),
        known("70696e670000000000000000", "08000000", "2467f11d", "6400000000000000"),
        known("70696e670000000000000000", "08000000", "2467f11d", "6500000000000000"),
        b"<<\xf9\xbe\xb4".to_vec(),
        known("76657261636b000000000000", "00000000", "5df6e0e2", ""),
    ];
    assert_eq!(inspect(&["--network", "mainnet"], &wire.concat()).shown(), CLASSIC_SHOWN);
}

/// A mainnet message by its parts in hex.
fn known(command: &str, length: &str, checksum: &str, payload: &str) -> Vec<u8> {
    let hex = ["f9beb4d9", command, length, checksum, payload].concat();
    hex.as_bytes()
        .chunks(2)
        .map(|byte| u8::from_str_radix(str::from_utf8(byte).unwrap(), 16).unwrap())
        .collect()
}
