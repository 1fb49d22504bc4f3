//! The ban list on disk: JSON that one can read and edit. Knows the calendar, because a file outlives a
//! process.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant as SystemInstant};

use serde::{Deserialize, Serialize};

use super::Failure;
use super::calendar::Calendar;
use crate::protocol::Offence;
use crate::relay::{AddressKey, Ban, BanList};
use crate::time::Instant;

/// How long a change waits for others before the file is written. Well under a second, which is promised.
const GATHER: Duration = Duration::from_millis(200);
/// The loop's share of time spent on writing the list out: 1 in so many.
const COST_RATIO: u32 = 100;
/// How long after a failure it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What a ban file is.
const NEED: &str = "need {\"bans\": [...]}";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "{\"bans\": [...]}")]
struct Loaded {
    bans: Vec<Row>,
}

/// One ban in the file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// An address or an IPv6 /64.
    address: String,
    /// Milliseconds since 1970.
    until_unix_ms: u64,
    offence: String,
}

/// Keeps the file like the list.
#[derive(Debug)]
pub struct BanFile {
    path: PathBuf,
    calendar: Calendar,
    /// The list's state that was last handed to be written; none when the file may say otherwise.
    saved: Option<u64>,
    /// When it is to be written.
    due: Option<Instant>,
    /// When to look how writing went.
    watch: Option<Instant>,
    not_before: Instant,
    writer: Option<Writer>,
}

/// Nothing is being written, and the last time it went well.
const IDLE: u8 = 0;
/// The list is being written.
const BUSY: u8 = 1;
/// The last list could not be written.
const FAILED: u8 = 2;

/// The thread that writes: a slow disk does not stop the loop.
#[derive(Debug)]
struct Writer {
    jobs: SyncSender<Vec<u8>>,
    state: Arc<AtomicU8>,
    thread: JoinHandle<()>,
}

/// Reads a ban file. None there is an empty one.
///
/// # Errors
/// One line, when it cannot be read or understood, or has no directory to be in. The file is left as it is.
pub fn load(path: &Path, calendar: &Calendar) -> Result<Vec<(AddressKey, Ban)>, Failure> {
    let name = path.display();
    let failed = |what: String| {
        Failure::failed(format!("ban file {name}: {what}; left untouched. Mend it or move it away"))
    };
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(failed("not a plain file but a directory or the like".into()));
    }
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            return match parent {
                Some(parent) if !parent.is_dir() => Err(Failure::failed(format!(
                    "ban file {name}: there is no directory {}; make it, or name another place",
                    parent.display()
                ))),
                _ => Ok(Vec::new()),
            };
        }
        Err(error) => return Err(failed(error.to_string())),
    };
    parse(text, calendar).map_err(failed)
}

/// The bans in a file's text, or what is wrong with it.
pub fn parse(text: String, calendar: &Calendar) -> Result<Vec<(AddressKey, Ban)>, String> {
    if text.trim_start().starts_with('[') {
        // serde would take a struct's fields from a list
        return Err(format!("line 1 column 1: {NEED}"));
    }
    let loaded: Loaded =
        serde_json::from_str(&without_last_comma(text)).map_err(|error| place_first(&error))?;
    let bans = loaded.bans.iter().map(|row| {
        let bad = |what: &str| format!("the ban of {:?}: {what}", row.address);
        let key = AddressKey::parse(&row.address).ok_or_else(|| bad("need an address or an IPv6 /64"))?;
        let offence: Offence =
            row.offence.parse().map_err(|error| bad(&format!("{:?}: {error}", row.offence)))?;
        Ok((key, Ban { until: calendar.moment_of_unix_ms(row.until_unix_ms), offence }))
    });
    bans.collect()
}

impl BanFile {
    /// Keeps the file at `path`, of which so many bans were loaded, like the list. What was loaded is written
    /// back soon: without the bans that have ended, and none longer than a new one.
    pub fn keep(path: PathBuf, calendar: Calendar, list: &BanList, loaded: usize) -> Result<Self, Failure> {
        let path = fs::canonicalize(&path).unwrap_or(path); // a link stays one; what it means is replaced
        let writer = Writer::start(path.clone())
            .map_err(|error| Failure::failed(format!("cannot start the ban file's thread: {error}")))?;
        Ok(Self {
            path,
            calendar,
            saved: (loaded == 0).then(|| list.changes()),
            due: (loaded > 0).then_some(Instant::START + GATHER),
            watch: None,
            not_before: Instant::START,
            writer: Some(writer),
        })
    }

    /// When [`tick`](Self::tick) has something to do: as long as one list is being written, not for the next.
    pub fn wake_up(&self) -> Option<Instant> {
        self.watch.or(self.due)
    }

    /// Between turns: has the list changed, is it time to write it, and did the last time go well?
    pub fn tick(&mut self, now: Instant, list: &BanList) {
        self.look_after_writer(now);
        if self.saved == Some(list.changes()) {
            self.due = None;
            return;
        }
        let due = *self.due.get_or_insert((now + GATHER).max(self.not_before));
        if due <= now && self.watch.is_none() {
            self.save(now, list);
        }
    }

    /// While something is being written it is looked at now and then: a failure is tried again.
    fn look_after_writer(&mut self, now: Instant) {
        let (Some(writer), Some(watch)) = (&self.writer, self.watch) else { return };
        if now < watch {
            return;
        }
        self.watch = match writer.state.load(Ordering::Relaxed) {
            BUSY => Some(now + GATHER),
            FAILED => {
                self.saved = None;
                self.due = Some(now + RETRY_AFTER);
                None
            }
            _ => None,
        };
    }

    fn save(&mut self, now: Instant, list: &BanList) {
        let Some(writer) = &self.writer else { return };
        let began = SystemInstant::now();
        let text = render(list, &self.calendar);
        self.not_before = now + began.elapsed() * COST_RATIO;
        writer.state.store(BUSY, Ordering::Relaxed);
        if writer.jobs.send(text).is_ok() {
            self.saved = Some(list.changes());
        }
        self.due = None;
        self.watch = Some(now + GATHER);
    }

    /// At the end: writes the list now, and waits for it.
    pub fn finish(mut self, list: &BanList) {
        if let Some(Writer { jobs, thread, state }) = self.writer.take() {
            drop(jobs);
            let is_written = thread.join().is_ok() && state.load(Ordering::Relaxed) == IDLE;
            if is_written && self.saved == Some(list.changes()) {
                return;
            }
        }
        if let Err(error) = replace(&self.path, &render(list, &self.calendar)) {
            complain(&self.path, &error);
        }
    }
}

impl Writer {
    fn start(path: PathBuf) -> io::Result<Self> {
        let (jobs, to_write) = sync_channel::<Vec<u8>>(1);
        let state = Arc::new(AtomicU8::new(IDLE));
        let outcome = Arc::clone(&state);
        let thread = thread::Builder::new().name("ban file".into()).spawn(move || {
            for text in to_write {
                let written = replace(&path, &text);
                outcome.store(if written.is_ok() { IDLE } else { FAILED }, Ordering::Relaxed);
                if let Err(error) = written {
                    complain(&path, &error);
                }
            }
        })?;
        Ok(Self { jobs, state, thread })
    }
}

/// A file's text. One ban a line.
pub fn render(list: &BanList, calendar: &Calendar) -> Vec<u8> {
    let rows = list.iter().map(|(key, ban)| {
        let row = Row {
            address: key.to_string(),
            until_unix_ms: calendar.unix_ms(ban.until),
            offence: ban.offence.to_string(),
        };
        serde_json::to_string(&row).expect("strings and numbers are JSON")
    });
    let rows: Vec<String> = rows.collect();
    let (open, close) = if rows.is_empty() { ("", "") } else { ("\n  ", "\n") };
    format!("{{\"bans\": [{open}{}{close}]}}\n", rows.join(",\n  ")).into_bytes()
}

/// Whoever takes the last ban out leaves a comma behind the one before it. Nothing else moves.
fn without_last_comma(mut text: String) -> String {
    let list = text.rfind(']').map_or("", |end| text[..end].trim_end());
    if list.ends_with(',') {
        let comma = list.len() - 1;
        text.replace_range(comma..=comma, " ");
    }
    text
}

/// Either the old file or the new one is there, whole, whatever happens.
fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    let written = write_whole(&beside, text, path).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside); // half a list is of no use; it may not even have been made
    }
    written
}

/// A new file that may be read and written by whoever may read and write the old one.
fn write_whole(path: &Path, text: &[u8], old: &Path) -> io::Result<()> {
    let mut file = File::create(path)?;
    if let Ok(old) = fs::metadata(old) {
        file.set_permissions(old.permissions())?;
    }
    file.write_all(text)?;
    file.sync_all()
}

fn complain(path: &Path, error: &io::Error) {
    log::error!("cannot save the ban file {}: {error}; bans hold until the relay ends", path.display());
}

/// `line 1 column 15: what is wrong`.
fn place_first(error: &serde_json::Error) -> String {
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = error.to_string();
    format!("line {} column {}: {}", error.line(), error.column(), text.strip_suffix(&place).unwrap_or(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn while_a_list_is_being_written_the_next_one_wakes_nobody() {
        let at = Instant::from_micros;
        let mut file = BanFile {
            path: PathBuf::from("never written"),
            calendar: Calendar::pairing(Instant::START),
            saved: None,
            due: Some(at(10)),
            watch: Some(at(500)),
            not_before: Instant::START,
            writer: None,
        };
        file.tick(at(20), &BanList::new(1));
        assert_eq!(file.wake_up(), Some(at(500)), "a slow disk must not have the loop spin");
        file.watch = None;
        assert_eq!(file.wake_up(), Some(at(10)));
    }
}
