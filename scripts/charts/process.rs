//! Processes: started, watched in /proc, ended, whatever happens. Knows none of them by name.

use std::fs;
use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, exit};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};

use super::{LOOK, note};

/// All that run, for whoever may have to end them: their owners, or a signal.
static RUNNING: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// A running process. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
}

impl Process {
    /// Starts it.
    pub fn start(command: &mut Command) -> Result<Self, String> {
        let mut running = running(); // held: whoever gives up meanwhile must not miss it
        let child = command
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", command.get_program().display()))?;
        let pid = Pid::from_child(&child);
        running.push(child);
        Ok(Self { pid })
    }

    /// Its number, which nobody else gets before it is dropped.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_pid().unsigned_abs()
    }

    /// How it ended, if it has. It stays in the kernel's table, or its number could be somebody else's by the time that
    /// we look at it.
    pub fn ended(&self) -> Option<ExitStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let seen = waitid(WaitId::Pid(self.pid), options).ok().flatten();
        seen.map(|status| exit_status(&status))
    }

    /// Waits for its end for so long, and does something each time it looks.
    pub fn wait(&self, bound: Duration, mut meanwhile: impl FnMut()) -> Option<ExitStatus> {
        let began = Instant::now();
        loop {
            match self.ended() {
                None if began.elapsed() < bound => thread::sleep(LOOK),
                ended => return ended,
            }
            meanwhile();
        }
    }

    /// Resident memory, bytes.
    pub fn resident(&self) -> Result<u64, String> {
        let status = self.read("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
        kibibytes.map(|number| number * 1024).ok_or_else(|| format!("process {} has ended", self.pid()))
    }

    /// Ticks of CPU time: its own, and the kernel's for it.
    pub fn ticks(&self) -> Result<(u64, u64), String> {
        let stat = self.read("stat")?;
        // the name, in brackets, may hold anything; behind it stand the state, and ten fields before these
        let fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = fields.split_whitespace().skip(11).map_while(|field| field.parse().ok());
        fields.next().zip(fields.next()).ok_or_else(|| format!("process {}: cannot read stat", self.pid()))
    }

    /// Descriptors open.
    pub fn descriptors(&self) -> Result<usize, String> {
        let open = fs::read_dir(self.directory().join("fd"));
        open.map(Iterator::count).map_err(|error| self.unknown(&error))
    }

    /// Whether a socket of its own listens at this port of 127.0.0.1: nothing is connected to see that.
    pub fn listens_at(&self, port: u16) -> bool {
        let table = fs::read_to_string("/proc/net/tcp").unwrap_or_default();
        let Some(inode) = listener(&table, port) else { return false };
        let socket = PathBuf::from(format!("socket:[{inode}]"));
        let open = fs::read_dir(self.directory().join("fd")).into_iter().flatten().flatten();
        open.filter_map(|entry| fs::read_link(entry.path()).ok()).any(|target| target == socket)
    }

    fn directory(&self) -> PathBuf {
        Path::new("/proc").join(self.pid().to_string())
    }

    fn read(&self, name: &str) -> Result<String, String> {
        fs::read_to_string(self.directory().join(name)).map_err(|error| self.unknown(&error))
    }

    fn unknown(&self, error: &std::io::Error) -> String {
        format!("cannot look at process {}: {error}", self.pid())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut running = running();
        if let Some(at) = running.iter().position(|child| Pid::from_child(child) == self.pid) {
            end(&mut running.swap_remove(at));
        }
    }
}

/// The same as the standard library says it: a code in the upper byte, or a signal below it.
fn exit_status(status: &WaitIdStatus) -> ExitStatus {
    let code = status.exit_status().map(|code| code << 8);
    ExitStatus::from_raw(code.or(status.terminating_signal()).unwrap_or_default())
}

/// Ends everything, and this program, from whatever thread.
pub fn give_up(why: &str) {
    let mut running = running(); // kept: nobody starts another
    running.iter_mut().for_each(end);
    note(&format!("error: {why}"));
    let _ = std::io::stderr().flush(); // closed: then nobody wants it
    exit(1);
}

fn end(child: &mut Child) {
    let _ = child.kill(); // it has ended already: so much the better
    let _ = child.wait();
}

/// A thread that panicked has left nothing half done behind this lock.
fn running() -> MutexGuard<'static, Vec<Child>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A port that nobody has at this moment. Somebody may, in the next.
pub fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}

/// The inode of the socket that listens there, in a table of the kernel's.
fn listener(table: &str, port: u16) -> Option<&str> {
    let address = format!("0100007F:{port:04X}");
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<&str>>());
    let mut inodes = rows.filter(|row| row.get(1) == Some(&address.as_str()) && row.get(3) == Some(&"0A"));
    inodes.next().and_then(|row| row.get(9).copied())
}

/// A program on the way that commands are looked for, and where system services lie.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    places.map(|place| place.join(name)).find(|program| is_program(program))
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_listener_is_told_from_a_connection() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   \
            0: 0100007F:1CA5 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 41 1\n   \
            1: 0100007F:1CA5 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 42 1\n";
        assert_eq!(listener(table, 7333), Some("42"));
        assert_eq!(listener(table, 7334), None);
    }

    /// Nobody waits for what it might say, should it be left behind.
    fn sleeper() -> Process {
        Process::start(Command::new("sleep").arg("600").stdout(Stdio::null()).stderr(Stdio::null())).unwrap()
    }

    #[test]
    fn a_process_is_seen_to_run_and_to_end() {
        let process = sleeper();
        assert!(process.resident().unwrap() > 0 && process.descriptors().is_ok() && process.ticks().is_ok());
        assert!(process.ended().is_none() && !process.listens_at(1));
        let directory = process.directory();
        drop(process);
        assert!(!directory.exists());
    }

    #[test]
    fn the_end_of_a_process_is_waited_for_but_not_for_ever() {
        let short = Process::start(Command::new("sh").args(["-c", "exit 3"])).unwrap();
        assert_eq!(short.wait(super::super::PATIENCE, || ()).and_then(|status| status.code()), Some(3));
        let long = sleeper();
        assert!(long.wait(Duration::ZERO, || ()).is_none());
    }

    #[test]
    fn the_number_of_a_process_is_nobody_elses_before_it_is_dropped() {
        let process = Process::start(Command::new("sh").args(["-c", "kill -KILL $$"])).unwrap();
        let status = process.wait(super::super::PATIENCE, || ()).unwrap();
        assert_eq!((status.code(), status.signal()), (None, Some(9)));
        assert_eq!(process.ended(), Some(status), "and again");
        let directory = process.directory();
        assert!(directory.exists());
        drop(process);
        assert!(!directory.exists());
    }
}
