//! `inspect`: what it shows of a stream, where it takes the stream from, and what it needs for that.

mod figures;
mod streams;

use std::fs;
use std::io::Write;
use std::process::{Child, Command, Stdio};

use peer_relay::wire::Frame;
use serde_json::Value;

use crate::support::{Ran, encode, program, spoilt};

/// Junk, a good frame, another one, the same with another payload, and the window sliding over half a magic.
const CLASSIC: &str = r"<\371\276\264\331version\0\0\0\0\0\0\0\0\0\135\366\340\342\371\276\264\331ping\0\0\0\0\0\0\0\0\10\0\0\0$g\361\35d\0\0\0\0\0\0\0\371\276\264\331ping\0\0\0\0\0\0\0\0\10\0\0\0$g\361\35e\0\0\0\0\0\0\0<<\371\276\264\371\276\264\331verack\0\0\0\0\0\0\0\0\0\0\135\366\340\342";

const CLASSIC_SHOWN: &str = "      offset  command           length  checksum     skipped  note
           1  version                0  good               1
          25  ping                   8  good               0
          57  ping                   8  bad                0  header says 2467f11d, payload gives 95ab739b
          94  verack                 0  good               5

frames: 3 good, 1 bad
bytes: 118 = 80 in good frames + 32 in bad ones + 6 skipped + 0 unfinished
end: between frames
";

/// `inspect` with its three streams in our hands.
fn begin(args: &[&str]) -> Child {
    let mut command = program();
    command.arg("inspect").args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Runs `inspect` to its end with a stream on stdin.
fn inspect(args: &[&str], stream: &[u8]) -> Ran {
    let mut child = begin(args);
    let mut stdin = child.stdin.take().unwrap();
    let stream = stream.to_vec();
    let writer = std::thread::spawn(move || {
        let _ = stdin.write_all(&stream); // what it does not want to read is its own affair
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Ran {
    /// What it shows when all is well.
    fn shown(&self) -> &str {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        &self.out
    }

    /// The findings, and the summary.
    fn objects(&self) -> (Vec<Value>, Value) {
        let mut objects: Vec<Value> =
            self.shown().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut last = objects.pop().unwrap();
        (objects, last["summary"].take())
    }

    /// The first five columns of each finding.
    fn rows(&self) -> Vec<Vec<&str>> {
        let findings = self.shown().lines().skip(1).take_while(|line| !line.is_empty());
        findings.map(|line| line.split_whitespace().take(5).collect()).collect()
    }
}

/// A frame whose command has an unprintable byte in front.
fn with_bad_command(payload: &[u8]) -> Vec<u8> {
    let mut bytes = encode("msg", payload);
    bytes[4] = 0x1b;
    bytes
}

/// One of each kind, between which nothing is skipped, then junk and a frame that is cut.
fn of_all_kinds() -> Vec<u8> {
    let mut oversize = encode("huge", b"");
    oversize[16..20].copy_from_slice(&4_000_001u32.to_le_bytes());
    let parts = [
        encode("", b"nameless"),
        spoilt("a b", b"payload"),
        with_bad_command(b"unseen"),
        oversize,
        encode("-", b""),
        b"junk".to_vec(),
        encode("cut", &[7; 16])[..33].to_vec(),
    ];
    parts.concat()
}

#[test]
fn the_classic_example_shows_the_window_sliding() {
    let bin = env!("CARGO_BIN_EXE_peer-relay");
    let typed = format!("printf '{CLASSIC}' | '{bin}' inspect --network mainnet");
    let output = Command::new("sh").args(["-c", &typed]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), CLASSIC_SHOWN);
    assert!(output.status.success() && output.stderr.is_empty());
}

#[test]
fn every_kind_of_frame_has_its_line_and_none_is_a_failure() {
    let ran = inspect(&[], &of_all_kinds());
    let rows = ran.rows();
    let expected = [
        ["0", "\"\"", "8", "good", "0"],
        ["32", "a\\x20b", "7", "bad", "0"],
        ["63", "\\x1bsg", "6", "-", "0"],
        ["93", "-", "4000001", "-", "0"],
        ["117", "\\x2d", "0", "good", "0"],
    ];
    assert_eq!(rows, expected, "{}", ran.out);
    for note in ["header says ", "  bad command\n", "  oversize, at most 4000000\n"] {
        assert!(ran.out.contains(note), "{}", ran.out);
    }
    let summary = "\n\
        frames: 2 good, 3 bad\n\
        bytes: 178 = 56 in good frames + 85 in bad ones + 4 skipped + 33 unfinished\n\
        end: in a frame, 33 of 40 bytes from offset 145, 4 skipped before\n";
    assert!(ran.out.ends_with(summary), "{}", ran.out);
}

#[test]
fn json_says_the_same_an_object_a_line() {
    let (findings, summary) = inspect(&["--json"], &of_all_kinds()).objects();
    let field = |name: &str| findings.iter().map(|found| found[name].clone()).collect::<Vec<_>>();
    assert_eq!(Value::from(field("offset")), serde_json::json!([0, 32, 63, 93, 117]));
    assert_eq!(Value::from(field("command")), serde_json::json!(["", "a b", null, null, "-"]));
    assert_eq!(Value::from(field("length")), serde_json::json!([8, 7, 6, 4_000_001, 0]));
    assert_eq!(Value::from(field("checksum")), serde_json::json!(["good", "bad", null, null, "good"]));
    assert_eq!(Value::from(field("skipped")), serde_json::json!([0, 0, 0, 0, 0]));
    assert_eq!(
        Value::from(field("offence")),
        serde_json::json!([null, "checksum", "command", "oversize", null])
    );
    assert_eq!(findings[2]["raw"], "1b7367000000000000000000");
    assert_eq!(findings[3]["allowed"], 4_000_000);
    let expected = serde_json::json!({
        "frames_good": 2, "frames_bad": 3, "bytes": 178, "bytes_good": 56, "bytes_bad": 85,
        "bytes_skipped": 4, "bytes_unfinished": 33, "skipped_at_end": 4,
        "end": "mid-frame", "unfinished_offset": 145, "unfinished_of": 40,
    });
    assert_eq!(summary, expected);
}

#[test]
fn nothing_of_a_strangers_is_shown_as_it_came() {
    let mut stream = Vec::new();
    for byte in 0..=255 {
        let mut bytes = encode("msg", b"");
        bytes[4..16].fill(byte);
        stream.extend(bytes);
    }
    for args in [[].as_slice(), &["--json"]] {
        let ran = inspect(args, &stream);
        assert!(ran.shown().bytes().all(|byte| matches!(byte, b'\n' | 0x20..=0x7e)), "{}", ran.out);
    }
}

#[test]
fn a_file_a_dash_and_stdin_say_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("capture.bin");
    // several reads, and frames across their ends
    let stream = [of_all_kinds(), encode("large", &[7; 150_000]), encode("small", b"")].concat().repeat(3);
    fs::write(&path, &stream).unwrap();
    for style in [[].as_slice(), &["--json"]] {
        let with =
            |args: &[&str], stream: &[u8]| inspect(&[style, args].concat(), stream).shown().to_string();
        let of_file = with(&[path.to_str().unwrap()], b"not this");
        assert_eq!(of_file, with(&[], &stream));
        assert_eq!(of_file, with(&["-"], &stream));
    }
}

#[test]
fn the_network_is_chosen_by_name_or_by_magic() {
    let of = |magic: &str| {
        let frame = Frame::encode(magic.parse().unwrap(), "verack".parse().unwrap(), b"");
        frame.as_bytes().to_vec()
    };
    for (args, magic) in [
        ([].as_slice(), "f7e3c9da"),
        (&["--network", "private"], "f7e3c9da"),
        (&["--network", "mainnet"], "f9beb4d9"),
        (&["--network", "testnet3"], "0b110907"),
        (&["--network", "testnet4"], "1c163f28"),
        (&["--network", "signet"], "0a03cf40"),
        (&["--network", "regtest"], "fabfb5da"),
        (&["--magic", "01020304"], "01020304"),
        (&["--network", "mainnet", "--magic", "01020304"], "01020304"),
    ] {
        let stream = [of("ffffffff"), of(magic)].concat();
        assert_eq!(inspect(args, &stream).rows(), [["24", "verack", "0", "good", "24"]], "{args:?}");
    }
}

#[test]
fn the_largest_payload_is_four_million_unless_it_is_said() {
    let verdicts = |args: &[&str], len: usize| {
        let ran = inspect(args, &encode("block", &vec![0; len]));
        ran.rows()[0][3].to_string()
    };
    assert_eq!(verdicts(&[], 4_000_000), "good");
    assert_eq!(verdicts(&[], 4_000_001), "-");
    assert_eq!(verdicts(&["--max-payload", "5M"], 4_000_001), "good");
    assert_eq!(verdicts(&["--max-payload", "100"], 101), "-");
    assert_eq!(verdicts(&["--max-payload", "0"], 0), "good");
    assert_eq!(inspect(&["--max-payload", "1GiB"], b"").rows(), [[""; 0]; 0]);
}

#[test]
fn a_stream_without_a_byte_has_a_summary() {
    let ran = inspect(&[], b"");
    assert!(ran.shown().ends_with("\nframes: 0 good, 0 bad\nbytes: 0 = 0 in good frames + 0 in bad ones + 0 skipped + 0 unfinished\nend: between frames\n"), "{ran:?}");
    assert_eq!(inspect(&["--json"], b"").objects().1["bytes"], 0);
}

#[test]
fn help_has_examples_and_the_columns() {
    let ran = inspect(&["--help"], b"");
    for part in ["peer-relay inspect capture.bin", "--network mainnet", "--json", "as in the relay"] {
        assert!(ran.shown().contains(part), "{}", ran.out);
    }
    assert!(inspect(&["-h"], b"").shown().contains("[FILE]"));
}
