//! The thread that writes the chain's file. Knows bytes and a file; knows nothing of what is in them.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant as SystemInstant};

/// What is written is on the disk within this time.
const SYNC_AFTER: Duration = Duration::from_secs(1);
/// How long after a failure it is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(5);
/// How often it is looked meanwhile whether the relay ends.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Appends what it is given.
pub(super) struct Writer {
    path: PathBuf,
    file: File,
    /// Since when something is written that may not be on the disk.
    unsynced_since: Option<SystemInstant>,
    is_failing: bool,
    /// Something could not be written.
    is_incomplete: bool,
    is_ending: Arc<AtomicBool>,
}

impl Writer {
    /// To this file, which is called so.
    pub fn new(path: PathBuf, file: File, is_ending: Arc<AtomicBool>) -> Self {
        Self { path, file, unsynced_since: None, is_failing: false, is_incomplete: false, is_ending }
    }

    /// Until there is no more.
    pub fn run(&mut self, batches: &Receiver<Vec<u8>>) {
        loop {
            let left = self.unsynced_since.map(|since| SYNC_AFTER.saturating_sub(since.elapsed()));
            let next = match left {
                None => batches.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(left) => batches.recv_timeout(left),
            };
            match next {
                Ok(batch) => self.write(&batch),
                Err(RecvTimeoutError::Timeout) => self.sync(),
                Err(RecvTimeoutError::Disconnected) => {
                    self.sync();
                    return self.tell_what_is_lost();
                }
            }
        }
    }

    /// All of it, or none and once more later: behind half a batch nothing could be read.
    fn write(&mut self, batch: &[u8]) {
        while let Err(error) = self.try_to_write(batch) {
            self.complain(&error);
            if !self.waits() {
                self.is_incomplete = true;
                return; // at the end the disk is no better: the rest is lost
            }
        }
        self.unsynced_since.get_or_insert_with(SystemInstant::now);
        self.is_failing = false;
    }

    fn try_to_write(&mut self, batch: &[u8]) -> io::Result<()> {
        let good = self.file.metadata()?.len();
        let written = self.file.write_all(batch);
        if written.is_err() {
            self.file.set_len(good)?;
        }
        written
    }

    /// Until it is worth trying again; false when the relay ends.
    fn waits(&self) -> bool {
        let began = SystemInstant::now();
        while began.elapsed() < RETRY_AFTER {
            if self.is_ending.load(Ordering::Relaxed) {
                return false;
            }
            thread::sleep(LOOK_AGAIN);
        }
        true
    }

    fn sync(&mut self) {
        self.unsynced_since = None;
        if let Err(error) = self.file.sync_data() {
            self.complain(&error);
        }
    }

    fn tell_what_is_lost(&self) {
        if self.is_incomplete {
            log::error!("the end of the chain is not in {}", self.path.display());
        }
    }

    fn complain(&mut self, error: &io::Error) {
        if !self.is_failing {
            log::error!(
                "cannot save the chain to {}: {error}; trying again until the end",
                self.path.display()
            );
        }
        self.is_failing = true;
    }
}
