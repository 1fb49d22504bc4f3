//! Runs servers side by side, or the relay with ever more peers, and draws what comes of it: what
//! `scripts/compare.sh` and `scripts/scale.sh` run. Takes the relay built beside it. Knows how a run begins and ends,
//! not what is measured.

mod bars;
mod book;
mod cells;
mod compare;
mod curves;
mod files;
mod idle;
mod knobs;
mod machine;
mod numbers;
mod paper;
mod process;
mod scale;
mod servers;
mod shares;
mod table;
mod tester;

use std::io::{Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// How long anything may take that is sure to happen. A machine that is busy is slow, not broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at what is waited for.
const LOOK: Duration = Duration::from_millis(10);

/// Why the program ends without having done what it was asked: one line, and an exit code.
struct Failure {
    line: String,
    code: u8,
}

impl Failure {
    /// What was given makes no sense.
    fn usage(line: impl Into<String>) -> Self {
        Self { line: line.into(), code: 2 }
    }
}

/// What could not be done, or did not hold.
impl From<String> for Failure {
    fn from(line: String) -> Self {
        Self { line, code: 1 }
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    // whoever stops this program means all it has started
    if let Err(error) = ctrlc::set_handler(|| process::give_up("stopped by a signal")) {
        return complain(&format!("cannot wait for signals: {error}"), 1);
    }
    let done = match words[..] {
        ["compare", ref path @ ..] => picture(path, "target/compare/compare.svg").and_then(compare::run),
        ["scale", ref path @ ..] => picture(path, "target/scale/scale.svg").and_then(scale::run),
        _ => Err(Failure::usage("need a word: charts compare [SVG], or charts scale [SVG]")),
    };
    done.map_or_else(|Failure { line, code }| complain(&line, code), |()| ExitCode::SUCCESS)
}

/// Where the picture goes.
fn picture(words: &[&str], default: &str) -> Result<PathBuf, Failure> {
    match words {
        [] | [""] => Ok(default.into()),
        [option, ..] if option.starts_with('-') => Err(Failure::usage(format!(
            "{option}: there are no options, but variables; see the script's first lines"
        ))),
        [path] => Ok(Path::new(path).into()),
        [_, word, ..] => Err(Failure::usage(format!("{word}: is one word too many"))),
    }
}

/// Something to know meanwhile, on stderr.
fn note(line: &str) {
    let _ = writeln!(stderr(), "{line}"); // closed: then nobody wants it
}

fn complain(line: &str, code: u8) -> ExitCode {
    note(&format!("error: {line}"));
    ExitCode::from(code)
}
