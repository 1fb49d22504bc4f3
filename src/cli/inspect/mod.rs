//! `inspect`: a captured stream as the relay's decoder sees it. Knows files and the standard streams; what stands
//! in a stream is [`inspection`]'s business, how it is shown [`text`]'s and [`json`]'s.

mod inspection;
mod json;
mod text;

use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use clap::Args;

use super::Failure;
use super::network::NetworkArgs;
use super::settings::at_most;
use super::units::Size;
use crate::wire::frame::MAX_PAYLOAD;
use inspection::{Finding, Inspection, Summary};

/// Read at a time, bytes. Beside it only the one unfinished frame is held, whatever the stream's length.
const READ_BYTES: usize = 64 * 1024;
/// Written at a time, bytes.
const WRITE_BYTES: usize = 64 * 1024;

/// With the columns, on which scripts may rely.
pub(super) const HELP_TEMPLATE: &str = "\
{about}

Examples:
  peer-relay inspect capture.bin                       what stands in a file
  nc HOST 8333 | peer-relay inspect --network mainnet  what comes in, as it comes
  peer-relay inspect --json capture.bin | tail -n 1    the summary, for programs

{usage-heading} {usage}

{all-args}

A line is a frame: where its first byte is, its command, the length its header claims, its checksum (good,
bad, or - when a bad command or too large a claim left it unread), the bytes skipped since the line before,
and what is wrong. Behind skipped bytes a header that cannot be one, and a frame whose checksum fails,
are skipped too, as in the relay.
";

/// Options of `inspect`.
#[derive(Args, Clone, Debug)]
pub struct InspectArgs {
    /// What was captured; - or nothing is stdin
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Which network
    #[command(flatten)]
    pub network: NetworkArgs,

    /// Largest payload of a frame, bytes
    #[arg(long, value_name = "BYTES", default_value = "4000000", help_heading = "Network")]
    pub max_payload: Size,

    /// An object a line instead of columns, the last one the summary
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// How findings are shown.
#[derive(Clone, Copy, Debug)]
enum Style {
    Text,
    Json,
}

/// What ends an inspection before the stream does.
#[derive(Debug)]
enum Trouble {
    Read(io::Error),
    Write(io::Error),
}

/// Shows what stands in the stream, to its end.
pub fn run(args: InspectArgs) -> Result<(), Failure> {
    let max_payload = at_most("--max-payload", args.max_payload, MAX_PAYLOAD.into())?;
    // at most MAX_PAYLOAD
    let inspection = Inspection::new(args.network.settle().magic, max_payload as u32);
    let style = if args.json { Style::Json } else { Style::Text };
    let (name, mut input) = open(args.file.as_deref())?;
    let mut out = BufWriter::with_capacity(WRITE_BYTES, io::stdout().lock());
    match show(&mut input, &mut out, style, inspection) {
        Ok(()) => Ok(()),
        Err(Trouble::Read(error)) => Err(cannot_read(&name, &error)),
        // whoever closed it has seen enough
        Err(Trouble::Write(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(Trouble::Write(error)) => Err(Failure::failed(format!("cannot write to stdout: {error}"))),
    }
}

/// The stream and what it is called.
fn open(file: Option<&Path>) -> Result<(String, Box<dyn Read>), Failure> {
    match file {
        Some(path) if path != Path::new("-") => {
            let name = path.display().to_string();
            let file = File::open(path).map_err(|error| cannot_read(&name, &error))?;
            Ok((name, Box::new(file)))
        }
        given => {
            let stdin = io::stdin();
            if given.is_none() && stdin.is_terminal() {
                // with stderr closed nobody is waiting for a word
                let _ = writeln!(io::stderr(), "reading stdin; Ctrl-D ends it");
            }
            Ok(("stdin".into(), Box::new(stdin)))
        }
    }
}

fn cannot_read(name: &str, error: &io::Error) -> Failure {
    let why = match error.kind() {
        ErrorKind::NotFound => "no such file".into(),
        ErrorKind::IsADirectory => "it is a directory".into(),
        ErrorKind::PermissionDenied => "not permitted".into(),
        _ => error.to_string(),
    };
    Failure::failed(format!("cannot read {name}: {why}"))
}

/// Everything that is found in a piece is out before the next is waited for.
fn show(
    input: &mut impl Read,
    out: &mut impl Write,
    style: Style,
    mut inspection: Inspection,
) -> Result<(), Trouble> {
    let mut buffer = vec![0; READ_BYTES];
    let mut has_begun = false;
    loop {
        let len = read(input, &mut buffer).map_err(Trouble::Read)?;
        if !has_begun {
            style.begin(out).map_err(Trouble::Write)?; // not above an error
            has_begun = true;
        }
        let mut piece = &buffer[..len];
        while let Some(found) = inspection.find(&mut piece) {
            style.finding(out, &found).map_err(Trouble::Write)?;
        }
        if len == 0 {
            style.summary(out, &inspection.finish()).map_err(Trouble::Write)?;
            return out.flush().map_err(Trouble::Write);
        }
        out.flush().map_err(Trouble::Write)?;
    }
}

fn read(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

impl Style {
    fn begin(self, out: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Text => text::begin(out),
            Self::Json => Ok(()),
        }
    }

    fn finding(self, out: &mut impl Write, found: &Finding) -> io::Result<()> {
        match self {
            Self::Text => text::finding(out, found),
            Self::Json => json::finding(out, found),
        }
    }

    fn summary(self, out: &mut impl Write, all: &Summary) -> io::Result<()> {
        match self {
            Self::Text => text::summary(out, all),
            Self::Json => json::summary(out, all),
        }
    }
}
