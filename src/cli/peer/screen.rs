//! Stdout and stderr, written in order by a thread of its own: the loop never waits for a terminal or a full pipe.
//! Knows no message.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel};
use std::thread::{self, JoinHandle};

use super::conversation::Piece;
use crate::cli::Failure;
use crate::kernel::Wake;

/// Batches that may wait to be written: each is what one turn of the loop had to show.
const BATCHES_WAITING: usize = 4;

/// The way to the writing thread.
#[derive(Debug)]
pub struct Screen {
    sender: SyncSender<Vec<Piece>>,
    /// What did not fit any more. While there is some, nothing should be read that adds to it.
    stuck: Vec<Piece>,
    failed: Receiver<io::Error>,
    thread: JoinHandle<()>,
}

/// Why a conversation stops before all is said.
#[derive(Debug)]
pub enum Stop {
    /// Whoever was looking has gone, and does not want it.
    Unwatched,
    /// It cannot go on.
    Failed(Failure),
}

impl Screen {
    /// Begins to write. `wake` is called whenever there is room again.
    pub fn open(wake: Wake) -> Result<Self, Failure> {
        let (sender, batches) = sync_channel(BATCHES_WAITING);
        let (telling, failed) = channel();
        let thread = thread::Builder::new()
            .name("stdout".into())
            .spawn(move || write_batches(&batches, &telling, &wake))
            .map_err(|error| Failure::failed(format!("cannot start stdout's thread: {error}")))?;
        Ok(Self { sender, stuck: Vec::new(), failed, thread })
    }

    /// Shows these, in time.
    pub fn show(&mut self, pieces: Vec<Piece>) {
        self.stuck.extend(pieces);
        if self.stuck.is_empty() {
            return;
        }
        match self.sender.try_send(std::mem::take(&mut self.stuck)) {
            Err(TrySendError::Full(batch)) => self.stuck = batch,
            Ok(()) | Err(TrySendError::Disconnected(_)) => {} // then `look` says why
        }
    }

    /// Whether more may be shown.
    pub fn has_room(&self) -> bool {
        self.stuck.is_empty()
    }

    /// Whether anybody can still be shown anything.
    pub fn look(&mut self) -> Result<(), Stop> {
        match self.failed.try_recv() {
            Ok(error) => Err(Stop::of(error)),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => Ok(()),
        }
    }

    /// Waits until everything is written, however long that takes: nothing is lost for a slow reader.
    pub fn finish(self) -> Result<(), Failure> {
        let Self { sender, stuck, failed, thread } = self;
        let _ = sender.send(stuck); // fails when the thread has, and that is asked next
        drop(sender);
        let _ = thread.join(); // its panic has been told by itself
        match failed.try_recv().map(Stop::of) {
            Ok(Stop::Failed(failure)) => Err(failure),
            Ok(Stop::Unwatched) | Err(_) => Ok(()),
        }
    }
}

impl Stop {
    fn of(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unwatched,
            _ => Self::Failed(Failure::failed(format!("cannot write to stdout: {error}"))),
        }
    }
}

fn write_batches(batches: &Receiver<Vec<Piece>>, telling: &Sender<io::Error>, wake: &Wake) {
    for batch in batches {
        wake.wake(); // there is room for one more
        if let Err(error) = write_batch(&batch) {
            let _ = telling.send(error); // nobody is left to tell
            wake.wake();
            return;
        }
    }
}

/// As few writes as may be, and nothing held back.
fn write_batch(batch: &[Piece]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for piece in batch {
        match piece {
            Piece::Out(lines) => stdout.write_all(lines)?,
            // whoever closed stderr does not want it
            Piece::Status(line) => drop(io::stderr().write_all(format!("{line}\n").as_bytes())),
        }
    }
    stdout.flush()
}
