//! A relay's process: started, watched in /proc and by its log, ended. Knows no peer.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead, BufReader, Write as _, stderr};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio, exit};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::PATIENCE;

/// Last lines of the log that are kept, to be shown when something goes wrong.
const LINES_KEPT: usize = 20;

/// The processes, for whoever may have to end them: their owners, a signal, the end of all patience.
static RUNNING: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// A running relay. Dropped, it is killed.
#[derive(Debug)]
pub struct Relay {
    pid: u32,
    address: SocketAddr,
    log: Arc<Mutex<Log>>,
    /// Disconnected once the log is over: the process has ended.
    ended: Receiver<()>,
    /// Kept open: a relay whose stdout is closed is another case.
    _out: BufReader<ChildStdout>,
}

#[derive(Debug, Default)]
struct Log {
    figures: String,
    /// Relays it has dialled and not lost since.
    links: usize,
    last: VecDeque<String>,
}

impl Relay {
    /// The program beside this one, listening there.
    pub fn start(at: SocketAddr, options: &[&str]) -> Result<Self, String> {
        let program = beside()?;
        let mut command = Command::new(&program);
        command.env_clear().args(["--listen", &at.to_string()]).args(options);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = running();
        let mut child =
            command.spawn().map_err(|error| format!("cannot start {}: {error}", program.display()))?;
        let pid = child.id();
        let pipes = (child.stdout.take(), child.stderr.take());
        running.push(child);
        drop(running);
        let (Some(out), Some(err)) = pipes else { return Err("the relay has no stdout and stderr".into()) };
        let log = Arc::new(Mutex::new(Log::default()));
        let (sender, ended) = channel();
        let writer = Arc::clone(&log);
        thread::spawn(move || follow(err, &writer, sender));
        let mut out = BufReader::new(out);
        let mut line = String::new();
        let told = out.read_line(&mut line).ok().and(line.strip_prefix("listening on "));
        let address = told.and_then(|rest| rest.trim().parse().ok());
        let relay = Self { pid, address: address.unwrap_or(at), log, ended, _out: out };
        match address {
            Some(_) => Ok(relay),
            None => Err(format!("the relay does not listen: {line}{}", relay.wait_for_log())),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resident memory, bytes.
    pub fn memory(&self) -> Result<u64, String> {
        let path = format!("/proc/{}/status", self.pid);
        let status = fs::read_to_string(path).map_err(|error| self.gone(&error))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kibibytes.map(|number| number * 1024).ok_or_else(|| self.gone(&"it has no memory left"))
    }

    /// Descriptors open.
    pub fn descriptors(&self) -> Result<usize, String> {
        let open = fs::read_dir(format!("/proc/{}/fd", self.pid)).map_err(|error| self.gone(&error))?;
        Ok(open.count())
    }

    /// The last line of figures in its log.
    pub fn figures(&self) -> String {
        lock(&self.log).figures.clone()
    }

    /// Frames that came to it, by the last line of figures.
    pub fn frames(&self) -> u64 {
        let figures = self.figures();
        let of_traffic = figures.split(" in=").nth(1).and_then(|rest| rest.split('/').next());
        of_traffic.and_then(|number| number.parse().ok()).unwrap_or(0) // before the first line
    }

    /// How many of the relays it dials are there, by its log.
    pub fn links(&self) -> usize {
        lock(&self.log).links
    }

    /// Whether it has ended by itself, or at our word.
    pub fn is_over(&self) -> bool {
        matches!(self.ended.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected))
    }

    /// SIGKILL: no goodbye.
    pub fn kill(self) {
        drop(self);
    }

    /// SIGTERM: it ends in order, in its own time.
    pub fn terminate(&self) -> Result<(), String> {
        let done = Command::new("kill").args(["-TERM", &self.pid.to_string()]).status();
        match done {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("kill -TERM {}: {status}", self.pid)),
            Err(error) => Err(format!("kill -TERM {}: {error}", self.pid)),
        }
    }

    /// After `terminate`: waits for its end, which must be in order.
    pub fn finish(&self) -> Result<(), String> {
        let log = self.wait_for_log();
        if !self.is_over() {
            return Err(format!("the relay does not end at SIGTERM:\n{log}"));
        }
        // its log is closed: this waits for the rest of its end, no longer
        let child = take(&mut running(), self.pid);
        match child.map(|mut child| child.wait()) {
            Some(Ok(status)) if status.success() => Ok(()),
            ended => Err(format!("the relay ended with {ended:?}:\n{log}")),
        }
    }

    fn gone(&self, why: &dyn std::fmt::Display) -> String {
        format!("the relay is gone ({why}):\n{}", self.wait_for_log())
    }

    /// The last lines, once there are no more to come.
    fn wait_for_log(&self) -> String {
        let _ = self.ended.recv_timeout(PATIENCE); // it is the end that is waited for, nothing is ever sent
        let last = lock(&self.log).last.clone();
        Vec::from(last).join("\n")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let mut running = running();
        if let Some(child) = take(&mut running, self.pid) {
            end(child);
        }
    }
}

/// Ends all relays and this program, from whatever thread.
pub fn give_up(why: &str) {
    let mut running = running(); // kept: nobody starts another
    running.drain(..).for_each(end);
    let _ = writeln!(stderr(), "error: {why}"); // closed: then nobody wants it
    exit(1);
}

fn end(mut child: Child) {
    let _ = child.kill(); // it has ended already: so much the better
    let _ = child.wait();
}

fn take(running: &mut Vec<Child>, pid: u32) -> Option<Child> {
    let at = running.iter().position(|child| child.id() == pid)?;
    Some(running.swap_remove(at))
}

fn running() -> MutexGuard<'static, Vec<Child>> {
    lock(&RUNNING)
}

/// A thread that panicked has left nothing half done behind these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `target/release/examples/crowd` runs `target/release/peer-relay`.
fn beside() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let program = own.ancestors().nth(2).unwrap_or(&own).join("peer-relay");
    if program.is_file() { Ok(program) } else { Err(format!("{} is not built", program.display())) }
}

fn follow(err: ChildStderr, log: &Mutex<Log>, _ended: Sender<()>) {
    for line in BufReader::new(err).lines().map_while(Result::ok) {
        let mut log = lock(log);
        if let Some((_, figures)) = line.split_once(" peers=")
            && figures.contains(" accepted=")
        {
            log.figures = format!("peers={figures}");
        }
        if line.contains(" connected to=") {
            log.links += 1;
        } else if line.contains(" lost to=") {
            log.links = log.links.saturating_sub(1);
        }
        if log.last.len() == LINES_KEPT {
            log.last.pop_front();
        }
        log.last.push_back(line);
    }
}
