//! A crowd for a relay: what `scripts/soak.sh`, `scripts/storm.sh` and `scripts/mesh.sh` run. Starts the relay built
//! beside it, and says in numbers what came of it. Knows how a run begins and ends, not what happens in it.

mod frames;
mod honest;
mod hostile;
mod leaves;
mod ledger;
mod mesh;
mod relay;
mod returning;
mod shape;
mod soak;
mod storm;

use std::io::{Write as _, stderr, stdout};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use shape::Shape;

/// How long anything may take that is sure to happen. A machine that is busy is slow, not broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// A storm's time in all. Ten thousand peers need a few seconds, beside other work some more.
const STORM_BOUND: Duration = Duration::from_secs(180);

/// That of all meshes. Together they need twenty seconds or so.
const MESH_BOUND: Duration = Duration::from_secs(170);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let what = match words[..] {
        ["soak", seconds] => seconds.parse().ok().filter(|&seconds| seconds > 0).map(Play::Soak),
        ["storm", peers] => peers.parse().ok().filter(|&peers| peers > 1).map(Play::Storm),
        ["mesh", ref shapes @ ..] => Shape::named(shapes).map(Play::Mesh),
        _ => None,
    };
    let Some(play) = what else {
        let usage = "crowd soak SECONDS, or crowd storm PEERS, at least 2, or crowd mesh [SHAPE...]";
        return complain(usage, 2);
    };
    // whoever stops this program means the relay too
    if let Err(error) = ctrlc::set_handler(|| relay::give_up("stopped by a signal")) {
        return complain(&format!("cannot wait for signals: {error}"), 1);
    }
    let bound = play.bound();
    thread::spawn(move || {
        thread::sleep(bound);
        relay::give_up(&format!("not over after {} s: something hangs", bound.as_secs()));
    });
    match play.run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => complain(&line, 1),
    }
}

enum Play {
    Soak(u64),
    Storm(usize),
    Mesh(Vec<Shape>),
}

impl Play {
    /// When it hangs.
    fn bound(&self) -> Duration {
        match self {
            Self::Soak(seconds) => Duration::from_secs(*seconds) + soak::WARM_UP + 6 * PATIENCE,
            Self::Storm(_) => STORM_BOUND,
            Self::Mesh(_) => MESH_BOUND,
        }
    }

    fn run(self) -> Result<(), String> {
        match self {
            Self::Soak(seconds) => soak::run(Duration::from_secs(seconds)),
            Self::Storm(peers) => storm::run(peers),
            Self::Mesh(shapes) => mesh::run(&shapes),
        }
    }
}

/// To stdout, at once.
fn tell(text: &str) -> Result<(), String> {
    writeln!(stdout(), "{text}").map_err(|error| format!("cannot write to stdout: {error}"))
}

fn complain(line: &str, code: u8) -> ExitCode {
    let _ = writeln!(stderr(), "error: {line}"); // closed: then nobody wants it
    ExitCode::from(code)
}
