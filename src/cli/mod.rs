//! The program as a person meets it: parse, run, exit code. Knows every layer and no rule.

mod ban_file;
mod bar;
mod calendar;
mod chain_file;
mod check;
mod connect;
mod figures;
mod files;
mod inspect;
mod listening;
mod load;
mod logging;
mod mistakes;
mod neighbours;
mod network;
mod options;
#[doc(hidden)]
pub mod parsers;
mod peer;
mod plotting;
mod report;
mod serve;
mod settings;
mod signals;
mod sim;
mod target;
mod units;

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Write as _;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use inspect::InspectArgs;
use load::LoadArgs;
use mistakes::{on_one_line, one_line, origin, unknown_variables};
use options::ServeArgs;
use peer::PeerArgs;
use sim::SimArgs;

/// Relays messages between many thousands of TCP peers, bit for bit, and shuts out whoever breaks the
/// framing.
#[derive(Debug, Parser)]
#[command(
    name = "peer-relay",
    version = version(),
    disable_help_subcommand = true,
    args_conflicts_with_subcommands = true,
    help_template = HELP_TEMPLATE,
    term_width = 100,
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the relay; the same without a subcommand
    #[command(help_template = HELP_TEMPLATE)]
    Serve(Box<ServeArgs>),
    /// One peer at a terminal: each line typed is a message, each message received a line
    #[command(help_template = peer::HELP_TEMPLATE, override_usage = peer::USAGE)]
    Peer(PeerArgs),
    /// Show what stands in a captured stream, frame by frame, as the relay's decoder sees it
    #[command(help_template = inspect::HELP_TEMPLATE)]
    Inspect(InspectArgs),
    /// Measure a relay: many peers in its room, every delivery compared with what was sent. Other servers by the
    /// same measure
    #[command(help_template = load::HELP_TEMPLATE)]
    Load(Box<LoadArgs>),
    /// What would happen: whole worlds of peers, ways and faults around the real relay, on a clock of their own
    #[command(help_template = sim::HELP_TEMPLATE)]
    Sim(SimArgs),
}

const HELP_TEMPLATE: &str = "\
{about}

Examples:
  peer-relay                                             a relay for this host, at 127.0.0.1:7333
  peer-relay --listen 0.0.0.0:7333 --rate-messages 1000  for everybody, 1000 messages a second each
  peer-relay --network regtest --protocol flood --check  what the options come to

{usage-heading} {usage}

{all-args}

Sizes take k, M, G, KiB, MiB, GiB; durations 500ms, 10s, 5m, 24h. Every option --some-name also
reads the environment variable PEER_RELAY_SOME_NAME, lists comma-separated.
";

/// Why the program ends without having done what it was asked: one line, and an exit code.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    line: String,
    code: u8,
}

impl Failure {
    /// The options make no sense.
    fn usage(line: String) -> Self {
        Self { line, code: 2 }
    }

    /// They do, and it could not be done.
    fn failed(line: String) -> Self {
        Self { line, code: 1 }
    }

    /// An option that contradicts another is looked for on the command line, unless it is said that it was
    /// never there.
    fn with_origin(self, words: &[OsString]) -> Self {
        match self.line.split(' ').next() {
            Some(option) if self.code == 2 => {
                Self { line: format!("{}{}", self.line, origin(option, words)), ..self }
            }
            _ => self,
        }
    }
}

impl fmt::Display for Failure {
    /// One line, whatever was given.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&on_one_line(&self.line))
    }
}

/// Runs the program with these words, the first being its own name.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    match parse_and_run(words.into_iter().collect()) {
        Ok(code) => code,
        Err(failure) => {
            logging::finish();
            // nobody is left to be told that stderr is closed
            let _ = writeln!(std::io::stderr(), "error: {failure}");
            ExitCode::from(failure.code)
        }
    }
}

fn parse_and_run(words: Vec<OsString>) -> Result<ExitCode, Failure> {
    let parsed = command_for(&words).try_get_matches_from(&words);
    let matches = match parsed {
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            let _ = error.print(); // to a closed stdout: then nobody wants it
            return Ok(ExitCode::SUCCESS);
        }
        parsed => parsed.map_err(|error| Failure::usage(one_line(&error, &words)))?,
    };
    let cli = Cli::from_arg_matches(&matches).map_err(|error| Failure::usage(one_line(&error, &words)))?;
    match cli.command {
        None => serve(cli.serve, &matches, &words),
        Some(Command::Serve(args)) => {
            serve(*args, matches.subcommand_matches("serve").unwrap_or(&matches), &words)
        }
        Some(Command::Peer(args)) => peer::run(args).map(|()| ExitCode::SUCCESS),
        Some(Command::Inspect(args)) => inspect::run(args).map(|()| ExitCode::SUCCESS),
        Some(Command::Load(args)) => load::run(&args, matches.subcommand_matches("load").unwrap_or(&matches)),
        Some(Command::Sim(args)) => sim::run(&args),
    }
}

fn serve(args: ServeArgs, given: &ArgMatches, words: &[OsString]) -> Result<ExitCode, Failure> {
    serve::run(args, given, unknown_variables(&command())).map_err(|failure| failure.with_origin(words))?;
    Ok(ExitCode::SUCCESS)
}

/// The command line, with variables read and not shown at every option. `-1` is a bad value, not an option.
fn command() -> clap::Command {
    let plain = |arg: clap::Arg| {
        let takes_value = arg.get_action().takes_values();
        arg.hide_env(true).allow_negative_numbers(takes_value)
    };
    let quiet = |command: clap::Command| command.mut_args(plain);
    // variables are a service's settings: a tool that somebody runs beside it does not take its own from there
    let deaf = |command: clap::Command| command.mut_args(plain).mut_args(|arg| arg.env(None));
    quiet(Cli::command())
        .mut_subcommands(|command| if command.get_name() == "serve" { quiet(command) } else { deaf(command) })
}

/// Behind a command's name the options are its own: a bad variable that one of them replaces is nobody's
/// business.
fn command_for(words: &[OsString]) -> clap::Command {
    let is_command = words.get(1).is_some_and(|word| is_command(word));
    if is_command { command().mut_args(|arg| arg.env(None)) } else { command() }
}

fn is_command(word: &OsStr) -> bool {
    Cli::command().get_subcommands().any(|command| word == command.get_name())
}

/// As high as it may be. Says how high that is.
fn raise_descriptor_limit() -> u64 {
    // where it cannot be raised or read, what the standard promises everybody
    rlimit::increase_nofile_limit(u64::MAX).unwrap_or(256)
}

/// The environment variable of an option.
fn variable_of(option: &str) -> String {
    format!("PEER_RELAY_{}", option.replace('-', "_").to_uppercase())
}

/// The version and, when it is known, the commit.
fn version() -> String {
    let version = env!("CARGO_PKG_VERSION");
    option_env!("PEER_RELAY_COMMIT").map_or(version.into(), |commit| format!("{version} ({commit})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Args;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn every_option_reads_the_variable_named_after_it() {
        for arg in ServeArgs::augment_args(clap::Command::new("serve")).get_arguments() {
            let name = arg.get_long().unwrap();
            assert_eq!(arg.get_env().unwrap().to_str().unwrap(), variable_of(name));
        }
    }
}
