//! `sim`: lets worlds happen, one after the other, and tells what came of them. Knows seeds and the terminal; what
//! happens in a world is the simulation's business.

mod options;
mod plot;
mod progress;
mod running;
mod summary;
mod tally;

use std::io::{self, Write};
use std::process::ExitCode;

pub use options::SimArgs;

use super::{Failure, files, signals};
use running::{Ending, Ran};

/// What `sim --help` says.
pub const HELP_TEMPLATE: &str = "\
{about}

Examples:
  peer-relay sim --profile hf-radio --peers 20 --plot it.svg  what twenty radios would get, before they are bought
  peer-relay sim --seeds 100                                  a hundred worlds of foes and faults
  peer-relay sim --seed 4711 --trace | less                   one of them, step by step

{usage-heading} {usage}

{all-args}

With --profile a world is a plan: honest peers, all of whom receive, say 32 to 250 bytes ten times a
second in all, over hf-radio once in 20 seconds; the relay has its usual limits. Without it the seed
draws everything: who comes, over what ways, what goes wrong, the relay's limits and its law; --peers
and --duration then hold for who is drawn. With none of these a seed is two worlds more: a mesh, of relays
that dial each other, ways that are cut, relays that are killed and come back; and a town, of relays among
the nodes of networks that speak JSON, and among liars. Every step of each relay is judged. Ctrl-C tells
what there is. The exit code is 0 when every promise was kept to the end; 1 when one was broken, which is told
with the line that replays it, or a signal came; 2 when the options make no sense.
";

/// Runs the worlds. The exit code says whether every promise was kept.
pub fn run(args: &SimArgs) -> Result<ExitCode, Failure> {
    let plan = args.settle()?;
    plan.plot.as_deref().map_or(Ok(()), files::check_writable)?;
    let stop = signals::install_for_the_wakeful()?;
    let ran = match running::run(&plan, &stop, &mut io::stdout()) {
        Ok(ran) => ran,
        // whoever closed it has seen enough
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(ExitCode::SUCCESS),
        Err(error) => return Err(Failure::failed(format!("cannot write to stdout: {error}"))),
    };
    let _ = io::stdout().write_all(summary::text(&plan, &ran).as_bytes()); // closed: then nobody wants it
    if let (Some(path), Some(outcome)) = (&plan.plot, &ran.last) {
        files::write(path, &plot::svg(&plan, outcome)?)?;
    }
    Ok(exit_code(&ran))
}

fn exit_code(ran: &Ran) -> ExitCode {
    match ran.ending {
        Ending::Whole => ExitCode::SUCCESS,
        Ending::Stopped { .. } | Ending::Broken { .. } => ExitCode::FAILURE,
    }
}
