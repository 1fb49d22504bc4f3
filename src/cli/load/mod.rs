//! `load`: sets a run up, turns it, looks at what processes use meanwhile, and tells what came of it.

mod json;
mod options;
mod plot;
mod process;
mod progress;
mod summary;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use options::{LoadArgs, Rate, Sizes};

use clap::ArgMatches;

use super::target::NO_RELAY;
use super::{Failure, files, raise_descriptor_limit, signals};
use crate::kernel::{KernelStack, SocketOptions};
use crate::load::{Dialect, Load, LoadError, Phase, Plan, Report};
use process::Usage;
use progress::Progress;

/// What `load --help` says.
pub const HELP_TEMPLATE: &str = "\
{about}

Examples:
  peer-relay load --connect 127.0.0.1:7333                            100 peers, as fast as they get it
  peer-relay load --connect 127.0.0.1:7333 --rate 1000 --plot it.svg  latency at 1000 messages a second
  peer-relay load --connect 127.0.0.1:7333 --peers 10000 --relay-pid 4711
  peer-relay load --connect 127.0.0.1:7333 --lines=127.0.0.1:7444     half of them framed peers, half line peers
  peer-relay load --connect 127.0.0.1 --protocol redis --peers 101    Redis, by the same measure

{usage-heading} {usage}

{all-args}

Ctrl-C ends a run early and tells what there is. The exit code is 0 when every delivery came once, in
order and as it was sent; 2 when the options make no sense; else 1.
";

/// How often whoever looks on is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// A run and what it cost.
#[derive(Debug)]
struct Outcome {
    report: Report,
    /// This process's; unknown when nothing was measured.
    own: Option<Cost>,
    /// The relay's or other server's, if it was to be taken; unknown when it was gone by then.
    relay: Option<Option<Cost>>,
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
pub fn run(args: &LoadArgs, given: &ArgMatches) -> Result<ExitCode, Failure> {
    let plan = args.settle(given, raise_descriptor_limit(), seed())?;
    let files = [args.json.as_deref(), args.plot.as_deref()];
    files.into_iter().flatten().try_for_each(files::check_writable)?;
    let outcome = measure(plan, args.relay_pid)?;
    let _ = io::stdout().write_all(summary::text(&outcome).as_bytes()); // closed: then nobody wants it
    if let Some(path) = &args.json {
        files::write(path, &json::text(&outcome)?)?;
    }
    if let Some(path) = &args.plot {
        files::write(path, &plot::svg(&outcome.report)?)?;
    }
    Ok(if outcome.report.is_right() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Another one for every run: what was sent by an earlier one must not pass for this one's.
fn seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

fn measure(plan: Plan, relay_pid: Option<u32>) -> Result<Outcome, Failure> {
    let stack = stack().map_err(|error| Failure::failed(format!("cannot poll for connections: {error}")))?;
    let stop = signals::install(stack.wake())?;
    let (mut own, mut relay) = (Watched::own(), relay_pid.map(Watched::relay).transpose()?);
    let progress = Progress::begin(&plan);
    let mut load = Load::new(stack, plan);
    let mut phase = Phase::Joining;
    let mut told_at = load.now();
    while phase < Phase::Over {
        let now = load.turn(Some(told_at + TELL_EVERY)).map_err(|error| no_run(&error))?;
        if now != phase {
            phase = now;
            own.phase(now);
            relay.iter_mut().for_each(|relay| relay.phase(now));
        }
        if stop.is_wanted() && phase == Phase::Joining {
            return Err(Failure::failed("stopped before everybody was in the room".into()));
        }
        if stop.is_wanted() {
            load.stop();
        }
        if load.now() >= told_at + TELL_EVERY {
            told_at = load.now();
            progress.tell(phase, load.joined(), load.elapsed(), load.deliveries());
        }
    }
    drop(progress);
    Ok(Outcome { report: load.report(), own: own.cost(), relay: relay.map(Watched::cost) })
}

/// Exact: a millisecond is more than a delivery takes.
fn stack() -> io::Result<KernelStack> {
    let mut stack = KernelStack::new(SocketOptions::default())?;
    stack.keep_exact_time()?;
    Ok(stack)
}

/// A process whose cost is taken while it is measured.
#[derive(Debug)]
struct Watched {
    pid: Option<u32>,
    begin: Option<Usage>,
    end: Option<Usage>,
}

impl Watched {
    /// This process.
    fn own() -> Self {
        Self { pid: None, begin: None, end: None }
    }

    /// The relay's or other server's, if there is one.
    fn relay(pid: u32) -> Result<Self, Failure> {
        let watched = Self { pid: Some(pid), begin: None, end: None };
        watched.usage().map(|_| watched).map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::NotFound => "no such process on this host".into(),
                _ => error.to_string(),
            };
            Failure::failed(format!("--relay-pid {pid}: {why}"))
        })
    }

    fn usage(&self) -> io::Result<Usage> {
        self.pid.map_or_else(Usage::own, Usage::of)
    }

    /// A phase begins. Should the process be gone meanwhile, its cost is not known.
    fn phase(&mut self, phase: Phase) {
        match phase {
            Phase::Measuring => self.begin = self.usage().ok(),
            Phase::Draining => self.end = self.usage().ok(),
            Phase::Joining | Phase::WarmingUp | Phase::Parting | Phase::Over => {}
        }
    }

    fn cost(self) -> Option<Cost> {
        let (begin, usage) = (self.begin?, self.end?);
        Some(Cost { cpu: usage.cpu.saturating_sub(begin.cpu), usage })
    }
}

fn no_run(error: &LoadError) -> Failure {
    match error {
        LoadError::Connect { dialect, to, error, .. } if error.kind() == io::ErrorKind::ConnectionRefused => {
            let why = match dialect {
                Dialect::Frames => NO_RELAY.into(),
                Dialect::Lines => {
                    format!("refused. Does a relay take lines there? peer-relay serve --listen-lines {to}")
                }
                Dialect::Redis | Dialect::Nats | Dialect::Mqtt => {
                    format!("refused. Is a server there that speaks {dialect}?")
                }
            };
            Failure::failed(format!("cannot connect to {to}: {why}"))
        }
        _ => Failure::failed(error.to_string()),
    }
}
