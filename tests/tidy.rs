//! The shape of the sources: which layer may name which, and what is named nowhere. Reads text, runs nothing.

use std::fs;
use std::path::{Path, PathBuf};

/// Layers, lowest first. A file may name its own layer and those before it.
const LAYERS: [&[&str]; 9] = [
    &["time", "rng", "deadlines"],
    &["wire"],
    &["protocol"],
    &["relay"],
    &["server"],
    &["load"],
    &["sim"],
    &["kernel"],
    &["cli"],
];

/// What may be named only in some files, and why.
const ONLY_IN: [(&[&str], &[&str], &str); 8] = [
    (
        &["mio::", "socket2", "rustix::net", "TcpStream", "TcpListener", "UdpSocket"],
        &["kernel.rs"],
        "sockets live in one file",
    ),
    (
        &["SystemTime", "std::time::Instant", "Instant::now", "SystemInstant"],
        &["kernel.rs", "cli/"],
        "the rules are told the time",
    ),
    (&["std::thread", "thread::spawn", "thread::sleep"], &["cli/"], "one thread turns the loop"),
    (&["std::fs", "File::"], &["cli/"], "the rules know no file"),
    (&["std::env"], &["cli/", "main.rs"], "options are parsed in one place"),
    (&["HashMap", "HashSet", "rand::"], &[], "a run must replay"),
    (&["RefCell", "Mutex", "RwLock"], &[], "state has one owner"),
    (
        &["log::error", "log::warn", "log::info", "log::debug", "log::trace"],
        &["cli/", "kernel.rs", "server/"],
        "the rules tell events, not lines",
    ),
];

/// What is named nowhere.
const NOWHERE: [(&str, &str); 12] = [
    ("crate::{", "one layer a line: that is how layers are checked"),
    ("super::super", "the way out of a layer is crate::"),
    ("unsafe ", "forbidden in this crate"),
    ("todo!", "the real thing is built"),
    ("unimplemented!", "the real thing is built"),
    ("dbg!", "a leftover"),
    ("println!", "lines are written by the log's thread"),
    ("print!", "lines are written by the log's thread"),
    ("Manager", "says nothing"),
    ("Handler", "says nothing"),
    ("Utils", "says nothing"),
    ("Helper", "says nothing"),
];

/// Longest file, lines: beyond it nobody holds it in the head.
const LONGEST_FILE: usize = 500;

struct Source {
    /// Below `src/`.
    name: String,
    text: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    collect(&root().join("src"), &mut files);
    files.sort();
    let read = |path: PathBuf| Source {
        name: path.strip_prefix(root().join("src")).unwrap().to_str().unwrap().to_string(),
        text: fs::read_to_string(&path).unwrap(),
    };
    files.into_iter().map(read).collect()
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

impl Source {
    /// The lines that are code: no comments, and nothing of the tests at the end of the file, or that are all of it.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().take_while(|line| !begins_tests(line));
        lines.enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or("")))
    }

    fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.name.starts_with(place))
    }

    fn layer(&self) -> Option<usize> {
        let module = self.name.split(['/', '.']).next().unwrap();
        LAYERS.iter().position(|layer| layer.contains(&module))
    }
}

/// Of the rest of the file, or of all of it.
fn begins_tests(line: &str) -> bool {
    ["#[cfg(test)]", "#![cfg(test)]"].iter().any(|mark| line.trim_start().starts_with(mark))
}

/// What is wrong with a file's names, a line each.
fn faults(source: &Source) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in source.code() {
        let mut fault = |what: String| faults.push(format!("src/{}:{number}: {what}", source.name));
        for (names, places, why) in ONLY_IN {
            for name in names.iter().filter(|name| line.contains(**name)) {
                if !source.is_in(places) {
                    fault(format!("{name} ({why})"));
                }
            }
        }
        for (name, why) in NOWHERE {
            if line.contains(name) {
                fault(format!("{name} ({why})"));
            }
        }
        if line.contains(".unwrap()") {
            fault("unwrap (say why it cannot fail, or let it)".into());
        }
        if !source.is_in(&["cli/", "main.rs"]) {
            for word in ["dyn ", ": bool)", ": bool,"] {
                let is_signature = !word.contains("bool") || line.contains("fn ");
                if line.contains(word) && is_signature {
                    fault(format!("{word:?} (types that can only be right, calls that can be read)"));
                }
            }
        }
        for named in line.split("crate::").skip(1) {
            let module: String = named.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let rank = LAYERS.iter().position(|layer| layer.contains(&module.as_str()));
            if let (Some(own), Some(rank)) = (source.layer(), rank)
                && rank > own
            {
                fault(format!("names {module}, a layer above its own"));
            }
        }
    }
    faults
}

#[test]
fn names_point_only_downwards_and_into_their_rooms() {
    let found: Vec<String> = sources().iter().flat_map(faults).collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_module_is_of_a_layer() {
    for source in sources() {
        assert!(source.layer().is_some() || source.is_in(&["lib.rs", "main.rs"]), "src/{}", source.name);
    }
}

#[test]
fn every_file_begins_with_what_it_knows_and_is_short() {
    for source in sources() {
        let name = &source.name;
        let first = source.text.lines().find(|line| !line.starts_with("#![") && !line.is_empty());
        assert!(first.is_some_and(|line| line.starts_with("//! ")), "src/{name}");
        let lines = source.text.lines().count();
        assert!(lines <= LONGEST_FILE, "src/{name} has {lines} lines; would two rooms be calmer?");
    }
}

#[test]
fn the_top_level_is_as_planned() {
    let mut names: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.') && name != "target")
        .collect();
    names.sort();
    assert_eq!(names, ["Cargo.lock", "Cargo.toml", "README.md", "benches", "scripts", "src", "tests"]);
}

#[test]
fn these_checks_can_fail() {
    for (name, text, fault) in [
        ("wire/a.rs", "use crate::relay::Relay;", "a layer above"),
        ("relay/a.rs", "use crate::kernel::KernelStack;", "a layer above"),
        ("relay/a.rs", "use crate::{kernel::KernelStack, wire::Frame};", "one layer a line"),
        ("relay/a.rs", "use super::super::kernel::KernelStack;", "the way out"),
        ("relay/a.rs", "let now = Instant::now();", "told the time"),
        ("server/a.rs", "use mio::Poll;", "one file"),
        ("relay/a.rs", "fn a(map: &HashMap<u8, u8>) {}", "replay"),
        ("protocol/a.rs", "fn a(out: &mut dyn Outbox) {}", "dyn"),
        ("relay/a.rs", "fn end(&mut self, is_late: bool) {}", "bool"),
        ("wire/a.rs", "frame.unwrap();\n#[cfg(test)]\nfine.unwrap();", "unwrap"),
        ("relay/a.rs", "log::info!(\"a stranger\");", "events"),
        ("cli/a.rs", "println!(\"hello\");", "log's thread"),
    ] {
        let source = Source { name: name.into(), text: text.into() };
        let faults = faults(&source);
        assert!(faults.iter().any(|found| found.contains(fault)), "{text}: {faults:?}");
    }
    let fine =
        Source { name: "relay/a.rs".into(), text: "// mio:: in a comment\nuse crate::wire::Frame;".into() };
    assert_eq!(faults(&fine), Vec::<String>::new());
}
