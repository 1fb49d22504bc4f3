//! The comparison: every server does every cell, again and again in turn. Knows what a cell asks of `load`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::book::Book;
use super::cells::{CELLS, Cell, Column, Measure, Pace};
use super::numbers::{grouped, seconds};
use super::servers::{Kind, Program};
use super::tester::{Figures, Miss, Run, WARMUP};
use super::{Failure, bars, files, knobs, machine, note, table};

/// Where everything goes but the picture.
const DIRECTORY: &str = "target/compare";
/// Descriptors that are nobody's connection, of a server or the tester.
const DESCRIPTORS_BESIDE: u64 = 200;
/// How long a room is looked at that is idle.
const IDLE: Duration = Duration::from_millis(500);

/// What is to be done.
struct Plan {
    cells: Vec<Cell>,
    programs: Vec<Program>,
    repetitions: u32,
    duration: Duration,
}

/// Runs it; an error is what did not hold.
pub fn run(svg: PathBuf) -> Result<(), Failure> {
    let plan = Plan::read()?;
    files::check_writable(&svg)?;
    let kinds: Vec<Kind> = plan.programs.iter().map(|program| program.kind).collect();
    let mut book = Book::of(&plan.cells, &kinds);
    let mut failures = 0;
    for repetition in 1..=plan.repetitions {
        for cell in &plan.cells {
            for program in &plan.programs {
                failures += plan.measure(repetition, cell, program, &mut book);
            }
        }
    }
    let under = plan.conditions();
    let text = format!("{under}\n\n{}", table::of_book(&book));
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| format!("cannot write to stdout: {error}"))?;
    files::write(&svg, &bars::svg(&book, &under)?)?;
    note(&format!("the chart is {}, figures and logs are in {DIRECTORY}", svg.display()));
    match failures {
        0 => Ok(()),
        1 => Err("in one run a delivery was missing or wrong, or a server did not start".to_string().into()),
        _ => {
            Err(format!("in {failures} runs a delivery was missing or wrong, or a server did not start")
                .into())
        }
    }
}

impl Plan {
    fn read() -> Result<Self, Failure> {
        let repetitions = knobs::repetitions(3)?;
        let duration = knobs::duration("1500ms")?;
        let cells = knobs::names("CELLS", &CELLS, |cell| cell.name)?;
        let kinds = knobs::names("SERVERS", &Kind::ALL, Kind::name)?;
        let directory = Path::new(DIRECTORY);
        files::directory(directory)?;
        let mut programs = Vec::new();
        for kind in kinds {
            match Program::find(kind, directory)? {
                Some(program) => programs.push(program),
                None => note(&format!("{} is not installed, and left out", kind.name())),
            }
        }
        if programs.is_empty() {
            return Err(Failure::from("none of these servers is installed".to_string()));
        }
        Ok(Self { cells: within_descriptors(cells)?, programs, repetitions, duration })
    }

    /// One run. Says how many failures that is: where others cut somebody off, that is a figure of theirs.
    fn measure(&self, repetition: u32, cell: &Cell, program: &Program, book: &mut Book) -> usize {
        let kind = program.kind;
        let name = format!("{}-{}-{repetition}", cell.name, kind.name());
        let outcome = self.try_to_measure(&name, cell, program);
        let mut said = Vec::new();
        for column in cell.columns {
            let figure = match &outcome {
                Ok(done) => done.figure(column),
                Err(miss) => Err(*miss),
            };
            said.push(figure.map_or_else(|miss| miss.to_string(), |value| column.measure.text(value)));
            book.enter(column, kind, figure);
        }
        let titles: Vec<&str> = cell.columns.iter().map(|column| column.title).collect();
        note(&format!(
            "{repetition}/{}  {:10}  {}: {}",
            self.repetitions,
            kind.name(),
            titles.join(", "),
            said.join(", ")
        ));
        usize::from(match outcome {
            Ok(_) => false,
            Err(miss) => kind == Kind::Relay || miss == Miss::NoServer,
        })
    }

    fn try_to_measure(&self, name: &str, cell: &Cell, program: &Program) -> Result<Done, Miss> {
        let directory = Path::new(DIRECTORY);
        let no_server = |line: String| {
            note(&format!("{name}: {line}"));
            Miss::NoServer
        };
        let server = program.start(directory).map_err(no_server)?;
        let empty = server.process.resident().map_err(no_server)?;
        let figures = self.work(name, cell, program.kind).against(&server, || ())?;
        Ok(Done { figures, empty, receivers: cell.receivers })
    }

    /// What the tester is asked for.
    fn work<'a>(&self, name: &'a str, cell: &Cell, kind: Kind) -> Run<'a> {
        let (peers, senders) = (cell.peers(kind), cell.senders);
        let (pace, duration) = match cell.pace {
            Pace::Window(window) => (format!("--window {window}"), self.duration),
            Pace::Rate(rate) => (format!("--rate {rate}"), self.duration),
            Pace::Idle => ("--rate 1".into(), IDLE),
        };
        let options = format!("--peers {peers} --senders {senders} --size {} {pace}", cell.size);
        let options = options.split(' ').map(String::from).collect();
        Run { directory: Path::new(DIRECTORY), name, kind, warmup: WARMUP, duration, options }
    }

    /// When, where, with what.
    fn conditions(&self) -> String {
        let programs = self.programs.iter();
        let versions: Vec<String> =
            programs.map(|program| format!("{} {}", program.kind.name(), program.version)).collect();
        let runs = if self.repetitions == 1 {
            "one run".into()
        } else {
            format!("medians of {} runs", self.repetitions)
        };
        let span = seconds(self.duration);
        format!("{}; {}; {runs} of {span}", machine::line(), versions.join(", "))
    }
}

impl Cell {
    /// How many connect. With frames whoever sends receives what the others send; elsewhere it only sends.
    fn peers(&self, kind: Kind) -> u32 {
        match kind {
            Kind::Relay => self.receivers + 1,
            Kind::Redis | Kind::Nats | Kind::Mosquitto => self.receivers + self.senders,
        }
    }

    fn descriptors(&self) -> u64 {
        u64::from(self.receivers + self.senders) + DESCRIPTORS_BESIDE
    }
}

/// A run that went well.
struct Done {
    figures: Figures,
    /// Memory of the server before anybody came, bytes.
    empty: u64,
    receivers: u32,
}

impl Done {
    fn figure(&self, column: &Column) -> Result<f64, Miss> {
        let used = self.figures.relay.as_ref();
        let latency = self.figures.latency_us.as_ref();
        let figure = match column.measure {
            Measure::PerCpuSecond => used.and_then(|used| used.deliveries_per_cpu_s),
            Measure::P50 => latency.map(|latency| latency.p50 as f64),
            Measure::P99 => latency.map(|latency| latency.p99 as f64),
            Measure::PeerBytes => {
                used.map(|used| (used.rss_bytes as f64 - self.empty as f64) / f64::from(self.receivers))
            }
        };
        figure.ok_or(Miss::NoRun)
    }
}

/// Those for which there are descriptors; of the others is told.
fn within_descriptors(cells: Vec<Cell>) -> Result<Vec<Cell>, Failure> {
    // where it cannot be raised or read, what the standard promises everybody
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(256);
    let (within, beyond): (Vec<Cell>, Vec<Cell>) = cells.iter().partition(|cell| cell.descriptors() <= limit);
    for cell in &beyond {
        let receivers = grouped(cell.receivers);
        note(&format!(
            "{} is left out: {limit} descriptors are too few for {receivers} receivers",
            cell.name
        ));
    }
    if within.is_empty() {
        return Err(Failure::from(format!("no cell is left: {limit} descriptors are too few")));
    }
    Ok(within)
}
