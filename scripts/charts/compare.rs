//! The comparison: every server does every cell, again and again in turn. Knows what a cell asks of `load`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::book::Book;
use super::cells::{CELLS, Cell, Column, Figure, Measure, Pace};
use super::numbers::{grouped, seconds};
use super::servers::{Kind, Program};
use super::tester::{Figures, Latency, Miss, Run, WARMUP};
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
    let mut failures = Failures::default();
    for repetition in 1..=plan.repetitions {
        for cell in &plan.cells {
            for program in &plan.programs {
                failures.extend(plan.measure(repetition, cell, program, &mut book));
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
    failures.line().map_or(Ok(()), |line| Err(line.into()))
}

/// What did not hold, and how often.
#[derive(Debug, Default)]
struct Failures(BTreeMap<(Kind, Miss), usize>);

impl Extend<(Kind, Miss)> for Failures {
    fn extend<I: IntoIterator<Item = (Kind, Miss)>>(&mut self, failures: I) {
        failures.into_iter().for_each(|failure| *self.0.entry(failure).or_default() += 1);
    }
}

impl Failures {
    /// As in `peer-relay: cut off, in 2 runs; redis: no start, in 1 run`, if there are any.
    fn line(&self) -> Option<String> {
        let each = self.0.iter().map(|((kind, miss), count)| {
            let plural = if *count == 1 { "" } else { "s" };
            format!("{}: {miss}, in {count} run{plural}", kind.name())
        });
        let all: Vec<String> = each.collect();
        (!all.is_empty()).then(|| all.join("; "))
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

    /// One run. Says whether that is a failure: where others cut somebody off, that is a figure of theirs.
    fn measure(
        &self,
        repetition: u32,
        cell: &Cell,
        program: &Program,
        book: &mut Book,
    ) -> Option<(Kind, Miss)> {
        let kind = program.kind;
        let name = format!("{}-{}-{repetition}", cell.name, kind.name());
        let outcome = self.try_to_measure(&name, cell, program);
        let mut said = Vec::new();
        for column in cell.columns {
            let figure = match &outcome {
                Ok(done) => done.figure(column),
                Err(miss) => Err(*miss),
            };
            said.push(figure.map_or_else(|miss| miss.to_string(), |figure| column.measure.text(figure)));
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
        let is_failure = |miss: &Miss| kind == Kind::Relay || *miss == Miss::NoServer;
        outcome.err().filter(is_failure).map(|miss| (kind, miss))
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
    fn figure(&self, column: &Column) -> Result<Figure, Miss> {
        let used = self.figures.relay.as_ref();
        let figure = match column.measure {
            Measure::PerCpuSecond => used.and_then(|used| used.deliveries_per_cpu_s).map(Figure::of_server),
            Measure::P50 => self.latency(|latency| latency.p50),
            Measure::P99 => self.latency(|latency| latency.p99),
            Measure::PeerBytes => used.map(|used| {
                Figure::of_server((used.rss_bytes as f64 - self.empty as f64) / f64::from(self.receivers))
            }),
        };
        figure.ok_or(Miss::NoRun)
    }

    /// What of it is the tester's is told where a schedule was to be kept.
    fn latency(&self, percentile: fn(&Latency) -> u64) -> Option<Figure> {
        let (all, late) = (self.figures.latency_us.as_ref()?, self.figures.lateness_us.as_ref());
        Some(Figure {
            value: percentile(all) as f64,
            testers: late.map_or(0.0, |late| percentile(late) as f64),
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_of_a_latency_is_the_testers_is_read_beside_it() {
        let json = r#"{"joined_s":0.1,"measured_s":2.0,"total":{"cut_off":0},"relay":null,
            "latency_us":{"p50":400,"p99":8000},"lateness_us":{"p50":50,"p99":7000}}"#;
        let done = Done { figures: serde_json::from_str(json).unwrap(), empty: 0, receivers: 100 };
        let of = |measure| done.figure(&Column { title: "it", measure });
        assert_eq!(of(Measure::P50), Ok(Figure { value: 400.0, testers: 50.0 }));
        assert_eq!(of(Measure::P99), Ok(Figure { value: 8000.0, testers: 7000.0 }));
        assert_eq!(of(Measure::PerCpuSecond), Err(Miss::NoRun));
    }

    #[test]
    fn failures_are_told_by_name() {
        let mut failures = Failures::default();
        assert_eq!(failures.line(), None);
        failures.extend([
            (Kind::Redis, Miss::NoServer),
            (Kind::Relay, Miss::CutOff),
            (Kind::Relay, Miss::CutOff),
        ]);
        let line = "peer-relay: cut off, in 2 runs; redis: no start, in 1 run";
        assert_eq!(failures.line().as_deref(), Some(line));
    }
}
