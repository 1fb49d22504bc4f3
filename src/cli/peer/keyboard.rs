//! Stdin, read by a thread of its own: the loop never waits for somebody to type. Knows no line.

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use rustix::event::PollFlags;

use super::wait_for;
use crate::cli::Failure;
use crate::kernel::Wake;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that may wait to be taken; then stdin is not read.
const CHUNKS_WAITING: usize = 4;

/// Something that stdin said.
#[derive(Debug)]
pub enum Typed {
    Bytes(Vec<u8>),
    End,
    Failed(io::Error),
}

/// The way from the reading thread, which wakes the loop when it has something.
#[derive(Debug)]
pub struct Keyboard {
    typed: Receiver<Typed>,
    /// Nothing was the last thing found: whatever comes now wakes the loop.
    is_empty: bool,
}

impl Keyboard {
    /// Begins to read. The thread may be in the middle of a read for ever: nobody waits for it.
    pub fn open(wake: Wake) -> Result<Self, Failure> {
        let (sender, typed) = sync_channel(CHUNKS_WAITING);
        thread::Builder::new()
            .name("stdin".into())
            .spawn(move || read_stdin(&sender, &wake))
            .map_err(|error| Failure::failed(format!("cannot start stdin's thread: {error}")))?;
        Ok(Self { typed, is_empty: false })
    }

    /// Whether it is worth a look without being woken.
    pub fn may_have(&self) -> bool {
        !self.is_empty
    }

    /// What is next, if it is there already.
    pub fn take(&mut self) -> Option<Typed> {
        let typed = self.typed.try_recv().ok();
        self.is_empty = typed.is_none();
        typed
    }
}

fn read_stdin(sender: &SyncSender<Typed>, wake: &Wake) {
    let mut stdin = io::stdin().lock();
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        let (typed, is_last) = match stdin.read(&mut buffer) {
            Ok(0) => (Typed::End, true),
            Ok(len) => (Typed::Bytes(buffer[..len].to_vec()), false),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // whoever shares the terminal or the pipe may have set it so
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                match wait_for(&stdin, PollFlags::IN) {
                    Ok(()) => continue,
                    Err(error) => (Typed::Failed(error), true),
                }
            }
            Err(error) => (Typed::Failed(error), true),
        };
        if sender.send(typed).is_err() {
            return; // the conversation is over
        }
        wake.wake();
        if is_last {
            return;
        }
    }
}
