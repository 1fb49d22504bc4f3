//! What a delivery and an idle peer cost the relay, from ten peers to as many as there may be. Knows how to look at a
//! process while `load` works it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::idle::Room;
use super::numbers::{bytes, digits, grouped, median, seconds};
use super::servers::{Kind, Program, Server};
use super::shares::{self, Sample, Ticks};
use super::tester::{Figures, Run, WARMUP};
use super::{Failure, LOOK, PATIENCE, curves, files, knobs, machine, note, table};

/// Where everything goes but the picture.
const DIRECTORY: &str = "target/scale";
/// Descriptors that are nobody's connection, of the relay or the tester.
const DESCRIPTORS_BESIDE: u64 = 200;
/// Most that the relay takes without being asked to take more.
const PEERS_MOST: u64 = 65_536;
/// How many, below what the descriptors allow.
const STEPS: [u32; 7] = [10, 30, 100, 300, 1_000, 3_000, 10_000];
/// How many come and go before memory is read for the first time: whatever is touched once has been.
const FIRST: u32 = 4;
/// Fewest whose memory is told: fewer take less than the steps in which a process grows, which are pages of 4 KiB, and
/// 132 KiB at a time of its heap.
const MEMORY_FROM: u32 = 1_000;
/// Messages under way.
const WINDOW: u32 = 1;
/// What is left out of the measured time on both sides, when the kernel's share is taken.
const MARGIN: Duration = Duration::from_millis(50);

/// What is known of a number of peers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    pub peers: u32,
    /// CPU time of a delivery, microseconds.
    pub cost: Option<f64>,
    /// CPU time by whose code ran.
    pub ticks: Ticks,
    /// Bytes of the relay's own for an idle peer, where there are [`MEMORY_FROM`] of them.
    pub memory: Option<f64>,
}

impl Point {
    /// Microseconds of a delivery that are the kernel's.
    pub fn kernel_cost(&self) -> Option<f64> {
        Some(self.cost? * self.ticks.kernel_share()?)
    }

    /// Microseconds of a delivery that are ours.
    pub fn own_cost(&self) -> Option<f64> {
        Some(self.cost? - self.kernel_cost()?)
    }

    /// Of several looks at the same number of peers; ticks are too few in each, and are added.
    fn median(points: &[Self], peers: u32) -> Self {
        let same = || points.iter().filter(|point| point.peers == peers);
        let of = |figure: fn(&Self) -> Option<f64>| median(&same().filter_map(figure).collect::<Vec<f64>>());
        Self {
            peers,
            cost: of(|point| point.cost),
            ticks: same().map(|point| point.ticks).sum(),
            memory: of(|point| point.memory),
        }
    }
}

/// Runs it; an error is what did not hold.
pub fn run(svg: PathBuf) -> Result<(), Failure> {
    // where it cannot be raised or read, what the standard promises everybody
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(256);
    let most = limit.saturating_sub(DESCRIPTORS_BESIDE).clamp(2, PEERS_MOST) as u32;
    let (repetitions, duration) = (knobs::repetitions(5)?, knobs::duration("4s")?);
    let steps = knobs::peers(most)?.unwrap_or_else(|| steps(most));
    files::directory(Path::new(DIRECTORY))?;
    files::check_writable(&svg)?;
    let program = Program::find(Kind::Relay, Path::new(DIRECTORY))?;
    let program = program.ok_or_else(|| "peer-relay is not there".to_string())?;
    let (looks, failed) = look_at_all(&program, &steps, repetitions, duration);
    let points: Vec<Point> = steps.iter().map(|&peers| Point::median(&looks, peers)).collect();
    let conditions = conditions(&program.version, repetitions, duration);
    let text = format!("{conditions}\n\n{}", markdown(&points));
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(|error| format!("cannot write to stdout: {error}"))?;
    files::write(&svg, &curves::svg(&points, &conditions)?)?;
    note(&format!("the picture is {}, figures and logs are in {DIRECTORY}", svg.display()));
    match failed.first() {
        None => Ok(()),
        Some(first) => {
            let (count, all) = (failed.len(), failed.len() + looks.len());
            Err(format!("{count} of {all} looks failed, the first: {first}").into())
        }
    }
}

/// Those that the descriptors allow, and as many as they allow.
fn steps(most: u32) -> Vec<u32> {
    STEPS.into_iter().filter(|step| *step < most).chain([most]).collect()
}

fn conditions(version: &str, repetitions: u32, duration: Duration) -> String {
    let runs = if repetitions == 1 { "one run".into() } else { format!("medians of {repetitions} runs") };
    let span = seconds(duration);
    format!("{}; peer-relay {version}; {runs} of {span}, one message of 250 B at a time", machine::line())
}

/// Each number of peers again and again in turn: what is known, and what has gone wrong.
fn look_at_all(
    program: &Program,
    steps: &[u32],
    repetitions: u32,
    duration: Duration,
) -> (Vec<Point>, Vec<String>) {
    let (mut looks, mut failed) = (Vec::new(), Vec::new());
    for repetition in 1..=repetitions {
        for &peers in steps {
            let found = look(program, &format!("{peers}-{repetition}"), peers, duration);
            let found = found.map_err(|why| format!("{} peers: {why}", grouped(peers)));
            let line = found.as_ref().map_or_else(String::clone, |point| row(point).join("  "));
            note(&format!("{repetition}/{repetitions}  {line}"));
            match found {
                Ok(point) => looks.push(point),
                Err(why) => failed.push(why),
            }
        }
    }
    (looks, failed)
}

/// A relay of its own: first its memory, then what a delivery costs.
fn look(program: &Program, name: &str, peers: u32, duration: Duration) -> Result<Point, String> {
    let server = program.start(Path::new(DIRECTORY))?;
    let memory = (peers >= MEMORY_FROM).then(|| memory(&server, peers)).transpose()?;
    let mut samples = Vec::new();
    let began = Instant::now();
    let options = format!("--peers {peers} --senders 1 --size 250 --window {WINDOW}");
    let run = Run {
        directory: Path::new(DIRECTORY),
        name,
        kind: Kind::Relay,
        warmup: WARMUP,
        duration,
        options: options.split(' ').map(String::from).collect(),
    };
    let figures = run.against(&server, || {
        if let Ok((own, kernel)) = server.process.ticks() {
            samples.push(Sample { at: began.elapsed(), own, kernel });
        }
    });
    let figures = figures.map_err(|miss| miss.to_string())?;
    let (from, to) = measured(&figures);
    let rate = figures.relay.as_ref().and_then(|used| used.deliveries_per_cpu_s).filter(|rate| *rate > 0.0);
    Ok(Point { peers, cost: rate.map(|rate| 1e6 / rate), ticks: shares::between(&samples, from, to), memory })
}

/// From when to when it was measured, since the tester was started.
fn measured(figures: &Figures) -> (Duration, Duration) {
    let from = Duration::from_secs_f64(figures.joined_s) + WARMUP;
    let to = from + Duration::from_secs_f64(figures.measured_s);
    (from + MARGIN, to.saturating_sub(MARGIN))
}

/// Bytes by which the relay grows for a peer that is in the room and silent.
fn memory(server: &Server, peers: u32) -> Result<f64, String> {
    let descriptors = server.process.descriptors()?;
    drop(Room::join(server.port, FIRST)?);
    wait_for_leave(server, descriptors)?;
    let empty = server.process.resident()?;
    let room = Room::join(server.port, peers)?;
    let full = server.process.resident()?;
    drop(room);
    wait_for_leave(server, descriptors)?;
    Ok((full as f64 - empty as f64) / f64::from(peers))
}

/// Until the relay holds no descriptor more than before they came.
fn wait_for_leave(server: &Server, descriptors: usize) -> Result<(), String> {
    let began = Instant::now();
    while server.process.descriptors()? > descriptors {
        if began.elapsed() > PATIENCE {
            return Err("the relay keeps descriptors of peers that have left".into());
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

fn markdown(points: &[Point]) -> String {
    let header = ["peers", "CPU of a delivery", "the kernel's part", "our part", "memory of an idle peer"];
    let rows: Vec<Vec<String>> = points.iter().map(row).collect();
    table::markdown(&header.map(String::from), &rows)
}

fn row(point: &Point) -> Vec<String> {
    let cost = |figure: Option<f64>| figure.map_or("–".into(), |micros| format!("{} µs", digits(micros)));
    vec![
        grouped(point.peers),
        cost(point.cost),
        cost(point.kernel_cost()),
        cost(point.own_cost()),
        point.memory.map_or("–".into(), bytes),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_step_is_what_the_descriptors_allow() {
        assert_eq!(steps(200), [10, 30, 100, 200]);
        assert_eq!(steps(10_000), [10, 30, 100, 300, 1_000, 3_000, 10_000]);
        assert_eq!(steps(65_536).last(), Some(&65_536));
    }

    #[test]
    fn a_point_is_the_median_of_what_is_known() {
        let point =
            |peers, cost, memory| Point { peers, cost, ticks: Ticks { own: 50, kernel: 150 }, memory };
        let looks = [
            point(10, Some(4.0), None),
            point(10, Some(2.0), Some(100.0)),
            point(100, Some(9.0), None),
            point(10, Some(3.0), Some(300.0)),
        ];
        let median = Point::median(&looks, 10);
        assert_eq!(
            median,
            Point { ticks: Ticks { own: 150, kernel: 450 }, ..point(10, Some(3.0), Some(200.0)) }
        );
        assert_eq!((median.kernel_cost(), median.own_cost()), (Some(2.25), Some(0.75)));
    }

    #[test]
    fn what_is_unknown_is_said_so() {
        let point = Point { peers: 10_000, cost: Some(3.456), ticks: Ticks::default(), memory: None };
        let text = markdown(&[point]);
        assert!(text.ends_with("| 10,000 | 3.46 µs | – | – | – |\n"), "{text}");
    }
}
