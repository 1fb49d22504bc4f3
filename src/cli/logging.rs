//! Lines to stdout and stderr, written by a thread of their own: the loop never waits for a terminal, a full
//! pipe or a closed one. Knows no event.

use std::io::{self, IsTerminal, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use log::{Level, LevelFilter, Log, Metadata, Record};
use simple_logger::SimpleLogger;

use super::Failure;
use super::units::grouped;

/// Lines that may wait to be written. What comes beyond is dropped and counted.
const LINES_WAITING: usize = 4096;
/// How long the end waits for the last lines, should nobody read them.
const LAST_LINES: Duration = Duration::from_secs(1);
/// What log lines are said to come from.
const TARGET: &str = "peer_relay";

static LINES: OnceLock<Lines> = OnceLock::new();

/// The way to the writing thread.
struct Lines {
    sender: SyncSender<Line>,
    dropped: Arc<AtomicU64>,
}

enum Line {
    Log(Level, String),
    Out(String),
    /// Everything before it has been written.
    Written(SyncSender<()>),
}

/// From here on `log` writes to stderr, in its own time. Can be started once.
pub fn start(level: LevelFilter) -> Result<(), Failure> {
    let (sender, receiver) = sync_channel(LINES_WAITING);
    let dropped = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&dropped);
    thread::Builder::new()
        .name("log".into())
        .spawn(move || write_lines(&receiver, &counter, level))
        .map_err(|error| Failure::failed(format!("cannot start the log's thread: {error}")))?;
    let lines = LINES.get_or_init(|| Lines { sender, dropped });
    log::set_logger(lines).map_err(|error| Failure::failed(format!("cannot start the log: {error}")))?;
    log::set_max_level(level);
    Ok(())
}

/// A line on stdout.
pub fn out(line: String) {
    if let Some(lines) = LINES.get() {
        lines.send(Line::Out(line));
    }
}

/// Waits until all lines are written, or for a second.
pub fn finish() {
    let Some(lines) = LINES.get() else { return };
    let (sender, written) = sync_channel(1);
    // a full queue means that nobody reads: then there is nothing to wait for
    if lines.sender.try_send(Line::Written(sender)).is_ok() {
        let _ = written.recv_timeout(LAST_LINES);
    }
}

impl Lines {
    fn send(&self, line: Line) {
        if self.sender.try_send(line).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            self.send(Line::Log(record.level(), record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

/// The thread. It ends with the program.
fn write_lines(lines: &Receiver<Line>, dropped: &AtomicU64, level: LevelFilter) {
    let logger =
        SimpleLogger::new().with_level(level).with_utc_timestamps().with_colors(io::stderr().is_terminal());
    for line in lines {
        match line {
            Line::Log(level, text) => write_log(&logger, level, &text),
            // whoever closed stdout does not want it
            Line::Out(text) => drop(writeln!(io::stdout().lock(), "{text}")),
            Line::Written(sender) => drop(sender.send(())),
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let text = format!("… and {} more lines, dropped: nobody read them fast enough", grouped(lost));
            write_log(&logger, Level::Warn, &text);
        }
    }
}

/// `SimpleLogger` panics when stderr is closed. That must cost the line and nothing else.
fn write_log(logger: &SimpleLogger, level: Level, text: &str) {
    let write = || {
        logger.log(&Record::builder().level(level).target(TARGET).args(format_args!("{text}")).build());
    };
    drop(catch_unwind(AssertUnwindSafe(write)));
}
