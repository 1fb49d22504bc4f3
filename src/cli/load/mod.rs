//! `load`: sets a run up, turns it, looks at what processes use meanwhile, and tells what came of it.

mod json;
mod options;
mod plot;
mod process;
mod progress;
mod summary;

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use options::LoadArgs;

use super::Failure;
use crate::kernel::{KernelStack, SocketOptions};
use crate::load::{Load, LoadError, Phase, Plan, Report};
use process::Usage;
use progress::Progress;

/// What `load --help` says.
pub const HELP_TEMPLATE: &str = "\
{about}

Examples:
  peer-relay load --connect 127.0.0.1:7333                            100 peers, as fast as they get it
  peer-relay load --connect 127.0.0.1:7333 --rate 1000 --plot it.svg  latency at 1000 messages a second
  peer-relay load --connect 127.0.0.1:7333 --peers 10000 --relay-pid $(pidof peer-relay)

{usage-heading} {usage}

{all-args}

The exit code is 0 when every delivery came once, in order and as it was sent, else 1.
";

/// How often whoever looks on is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// A run and what it cost.
#[derive(Debug)]
struct Outcome {
    report: Report,
    own: Cost,
    relay: Option<Cost>,
}

/// What a process used while it was measured.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// CPU time within the measured time.
    cpu: Duration,
    /// At its end.
    usage: Usage,
}

/// Runs the load. The exit code says whether everything came as it was sent.
pub fn run(args: &LoadArgs) -> Result<ExitCode, Failure> {
    // where it cannot be raised or read, what the standard promises everybody
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(256);
    let plan = args.settle(descriptors, seed())?;
    let files = [args.json.as_deref(), args.plot.as_deref()];
    files.into_iter().flatten().try_for_each(check_writable)?;
    let outcome = measure(plan, args.relay_pid)?;
    let _ = io::stdout().write_all(summary::text(&outcome).as_bytes()); // closed: then nobody wants it
    if let Some(path) = &args.json {
        write(path, &json::text(&outcome)?)?;
    }
    if let Some(path) = &args.plot {
        write(path, &plot::svg(&outcome.report)?)?;
    }
    let is_right = outcome.report.total().is_right();
    Ok(if is_right { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Another one for every run: what was sent by an earlier one must not pass for this one's.
fn seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

fn measure(plan: Plan, relay_pid: Option<u32>) -> Result<Outcome, Failure> {
    let stack = KernelStack::new(SocketOptions::default())
        .map_err(|error| Failure::failed(format!("cannot poll for connections: {error}")))?;
    let relay = relay_pid.map(Watched::relay).transpose()?;
    let mut watched = (Watched::own()?, relay);
    let progress = Progress::begin(&plan);
    let mut load = Load::new(stack, plan);
    let mut phase = Phase::Joining;
    let mut told_at = load.now();
    while phase < Phase::Over {
        let now = load.turn(Some(told_at + TELL_EVERY)).map_err(|error| no_run(&error))?;
        if now != phase {
            watched.0.phase(now)?;
            watched.1.as_mut().map_or(Ok(()), |relay| relay.phase(now))?;
            phase = now;
        }
        if load.now() >= told_at + TELL_EVERY {
            told_at = load.now();
            progress.tell(phase, load.joined(), load.elapsed(), load.deliveries());
        }
    }
    drop(progress);
    let (own, relay) = watched;
    Ok(Outcome { report: load.report(), own: own.cost()?, relay: relay.map(Watched::cost).transpose()? })
}

/// A process whose cost is taken.
#[derive(Debug)]
struct Watched {
    pid: Option<u32>,
    begin: Usage,
    end: Option<Usage>,
}

impl Watched {
    fn own() -> Result<Self, Failure> {
        Self::new(None)
    }

    fn relay(pid: u32) -> Result<Self, Failure> {
        Self::new(Some(pid))
    }

    fn new(pid: Option<u32>) -> Result<Self, Failure> {
        Ok(Self { pid, begin: usage(pid)?, end: None })
    }

    /// A phase begins: the cost is that of measuring.
    fn phase(&mut self, phase: Phase) -> Result<(), Failure> {
        match phase {
            Phase::Measuring => self.begin = usage(self.pid)?,
            Phase::Draining => self.end = Some(usage(self.pid)?),
            Phase::Joining | Phase::WarmingUp | Phase::Over => {}
        }
        Ok(())
    }

    fn cost(self) -> Result<Cost, Failure> {
        let usage = self.end.map_or_else(|| usage(self.pid), Ok)?;
        Ok(Cost { cpu: usage.cpu.saturating_sub(self.begin.cpu), usage })
    }
}

fn usage(pid: Option<u32>) -> Result<Usage, Failure> {
    match pid {
        None => {
            Usage::own().map_err(|error| Failure::failed(format!("cannot read what is used here: {error}")))
        }
        Some(pid) => Usage::of(pid).map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::NotFound => "no such process on this host".into(),
                _ => error.to_string(),
            };
            Failure::failed(format!("--relay-pid {pid}: {why}"))
        }),
    }
}

fn no_run(error: &LoadError) -> Failure {
    match error {
        LoadError::Connect { to, error, .. } if error.kind() == io::ErrorKind::ConnectionRefused => {
            Failure::failed(format!(
                "cannot connect to {to}: refused. Is a relay there? Start one: peer-relay serve"
            ))
        }
        _ => Failure::failed(error.to_string()),
    }
}

/// Better before the run than after it. What is in the file stays until there is something new.
fn check_writable(path: &Path) -> Result<(), Failure> {
    File::options().append(true).create(true).open(path).map(drop).map_err(|error| cannot_write(path, &error))
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    fs::write(path, text).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("cannot write {}: {error}", path.display()))
}
