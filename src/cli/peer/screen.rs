//! Stdout and stderr, written in order by a thread of its own: the loop never waits for a terminal or a full pipe.
//! Knows no message.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TryRecvError, TrySendError, channel, sync_channel};
use std::thread::{self, JoinHandle};

use rustix::event::PollFlags;

use super::conversation::Piece;
use super::wait_for;
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
    let mut streams = Streams::open();
    for batch in batches {
        wake.wake(); // there is room for one more
        if let Err(error) = streams.as_mut().map_err(again).and_then(|streams| streams.write(&batch)) {
            let _ = telling.send(error); // nobody is left to tell
            wake.wake();
            return;
        }
    }
}

fn again(error: &mut io::Error) -> io::Error {
    error.kind().into()
}

/// Stdout and stderr without a buffer of their own: what a batch holds is one write, and what was not taken is
/// known.
struct Streams {
    out: File,
    err: File,
}

impl Streams {
    fn open() -> io::Result<Self> {
        let out = io::stdout().as_fd().try_clone_to_owned()?.into();
        Ok(Self { out, err: io::stderr().as_fd().try_clone_to_owned()?.into() })
    }

    fn write(&mut self, batch: &[Piece]) -> io::Result<()> {
        for piece in batch {
            match piece {
                Piece::Out(lines) => write_fully(&mut self.out, lines)?,
                // whoever closed stderr does not want it
                Piece::Status(line) => drop(write_fully(&mut self.err, format!("{line}\n").as_bytes())),
            }
        }
        Ok(())
    }
}

/// Writes all of it, however little is taken at a time. Whoever shares the terminal or the pipe may have set it so
/// that it does not wait: then we do.
fn write_fully(to: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => bytes = &bytes[len..],
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => wait_for(to, PollFlags::OUT)?,
                _ => return Err(error),
            },
        }
    }
    Ok(())
}
