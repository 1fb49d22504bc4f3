//! The chain on disk: a file that only grows while the relay runs, and is read, checked and mended when it starts.
//! Knows files and threads; knows no rule of a chain.
//!
//! What is in the chain is handed to the kernel within the turn that brought it, or soon after, by a thread of its own:
//! a slow disk does not stop the loop. It is on the disk within a second. So a relay that is killed loses
//! nothing that its loop had written; a host that loses its power loses a second.

mod reading;
mod records;
#[cfg(test)]
mod tests;
mod writer;

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Failure;
use super::units::grouped;
use crate::protocol::bunkercoin::Bunkercoin;
use crate::time::Instant;
use records::BEGINNING;
use writer::Writer;

/// Bytes gathered in one turn; a chain of fifty megabytes that is adopted is written in two hundred.
const BATCH: usize = 256 * 1024;
/// How long a turn may be off when the thread is behind.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A file is written anew at the start when it has grown beyond twice what is in it, and this.
const SLACK: usize = 64 * 1024;

/// Keeps the file like the chain.
#[derive(Debug)]
pub struct ChainFile {
    /// Nobody else may use the directory as long as this is open.
    _lock: File,
    /// Gathered, and not taken by the thread yet.
    waiting: Vec<u8>,
    batches: SyncSender<Vec<u8>>,
    thread: JoinHandle<()>,
    /// Told to the thread: a disk that does not work is not waited for any more.
    is_ending: Arc<AtomicBool>,
    /// When there is more to hand over.
    due: Option<Instant>,
}

impl ChainFile {
    /// Reads what is in the directory, which is made if there is none, into an empty chain, and keeps it like that from
    /// now on.
    ///
    /// # Errors
    /// One line, when the directory is another relay's, or it or the file cannot be used. A file that ends in the
    /// middle, or is damaged, is no error: what is behind the damage is cut off and put aside, with a warning, and
    /// others have it.
    pub fn open(directory: &Path, chain: &mut Bunkercoin) -> Result<Self, Failure> {
        let failed = |what: String| Failure::failed(format!("--data-dir {}: {what}", directory.display()));
        let cannot = |error: io::Error| failed(error.to_string());
        fs::create_dir_all(directory).map_err(cannot)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join("lock"))
            .map_err(cannot)?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => failed("another relay keeps its chain there".into()),
            TryLockError::Error(error) => cannot(error),
        })?;
        let path = directory.join("chain");
        let len = reading::read_into(&path, chain).map_err(failed)?;
        log::info!("chain: {} blocks in {}", grouped(chain.height() as u64), directory.display());
        let file = settle(&path, chain, len).map_err(cannot)?;
        chain.keep_journal();
        let (batches, to_write) = sync_channel(1);
        let is_ending = Arc::new(AtomicBool::new(false));
        let mut writer = Writer::new(path, file, Arc::clone(&is_ending));
        let thread = thread::Builder::new().name("chain file".into()).spawn(move || writer.run(&to_write));
        let thread = thread.map_err(cannot)?;
        Ok(Self { _lock: lock, waiting: Vec::new(), batches, thread, is_ending, due: None })
    }

    /// When [`tick`](Self::tick) has something to do.
    pub fn wake_up(&self) -> Option<Instant> {
        self.due
    }

    /// Between turns: hands over what has changed, as much as goes.
    pub fn tick(&mut self, now: Instant, chain: &mut Bunkercoin) {
        self.gather(chain);
        self.due = None;
        if self.waiting.is_empty() {
            return;
        }
        let is_more = self.waiting.len() >= BATCH;
        match self.batches.try_send(std::mem::take(&mut self.waiting)) {
            Ok(()) if is_more => self.due = Some(now),
            Ok(()) | Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(waiting)) => {
                self.waiting = waiting;
                self.due = Some(now + LOOK_AGAIN);
            }
        }
    }

    /// At the end: all is written, and on the disk; or it is said that it is not.
    pub fn finish(mut self, chain: &mut Bunkercoin) {
        self.is_ending.store(true, Ordering::Relaxed);
        loop {
            self.gather(chain);
            if self.waiting.is_empty() || self.batches.send(std::mem::take(&mut self.waiting)).is_err() {
                break;
            }
        }
        drop(self.batches);
        let _ = self.thread.join(); // it has said what went wrong
    }

    fn gather(&mut self, chain: &mut Bunkercoin) {
        let waiting = &mut self.waiting;
        while waiting.len() < BATCH && chain.next_record(|record| records::append(waiting, record)) {}
    }
}

/// The file to go on with: the good part of what there is, or a new one if that has become too long.
fn settle(path: &Path, chain: &Bunkercoin, good: u64) -> io::Result<File> {
    let needed = BEGINNING.len() + chain.records().map(records::len).sum::<usize>();
    if good < BEGINNING.len() as u64 || good > (2 * needed + SLACK) as u64 {
        write_anew(path, chain)?;
    } else {
        let file = File::options().write(true).open(path)?;
        file.set_len(good)?;
        file.sync_all()?;
    }
    File::options().append(true).open(path)
}

/// Either the old file or the new one is there, whole, whatever happens.
fn write_anew(path: &Path, chain: &Bunkercoin) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = io::BufWriter::new(File::create(&beside)?);
    file.write_all(BEGINNING)?;
    let mut bytes = Vec::new();
    for record in chain.records() {
        bytes.clear();
        records::append(&mut bytes, record);
        file.write_all(&bytes)?;
    }
    file.into_inner()?.sync_all()?;
    fs::rename(&beside, path)?;
    // that it is called so has to be on the disk as well
    path.parent().map_or(Ok(()), |directory| File::open(directory)?.sync_all())
}
