//! The servers that are compared: where they are, how they are started, at which port they listen. Knows their
//! settings, and no run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use super::process::{self, Process};
use super::{LOOK, PATIENCE, files, machine};

/// How often a port may be somebody else's by the time a server wants it.
const TRIES: usize = 5;

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Relay,
    Redis,
    Nats,
    Mosquitto,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Relay, Self::Redis, Self::Nats, Self::Mosquitto];

    /// What `SERVERS` calls it, and the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relay => "peer-relay",
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Mosquitto => "mosquitto",
        }
    }

    /// What `load --protocol` calls the way it speaks.
    pub fn protocol(self) -> &'static str {
        match self {
            Self::Relay => "frames",
            Self::Redis => "redis",
            Self::Nats => "nats",
            Self::Mosquitto => "mqtt",
        }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Relay => "peer-relay",
            Self::Redis => "redis-server",
            Self::Nats => "nats-server",
            Self::Mosquitto => "mosquitto",
        }
    }

    /// What makes it say its version.
    fn version_option(self) -> &'static str {
        match self {
            Self::Relay | Self::Redis | Self::Nats => "--version",
            Self::Mosquitto => "-h",
        }
    }

    /// How it is told to listen at a port, and to do as little beside relaying as it can.
    fn settings(self, port: u16) -> Settings {
        match self {
            Self::Relay => Settings::Options(
                "serve --listen 127.0.0.1:0 --never-ban 127.0.0.0/8 --log-level warn".into(),
            ),
            Self::Redis => Settings::Options(format!(
                "--port {port} --bind 127.0.0.1 --save '' --appendonly no --maxclients 15000 \
                 --protected-mode no --loglevel warning"
            )),
            Self::Nats => Settings::File(format!(
                "listen: \"127.0.0.1:{port}\"\nping_interval: \"3600s\"\nmax_connections: 30000\n"
            )),
            Self::Mosquitto => Settings::File(format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nlog_type none\n\
                 set_tcp_nodelay true\n"
            )),
        }
    }
}

/// What a server is told.
enum Settings {
    /// Words; `''` is an empty one.
    Options(String),
    /// The text of a file that `-c` names.
    File(String),
}

/// A server that is there.
#[derive(Debug)]
pub struct Program {
    pub kind: Kind,
    pub version: String,
    path: PathBuf,
}

impl Program {
    /// Where it is, if it is somewhere; what it writes goes to this directory.
    pub fn find(kind: Kind, directory: &Path) -> Result<Option<Self>, String> {
        let path = match kind {
            Kind::Relay => Some(beside()?),
            _ => process::find(kind.program()),
        };
        let Some(path) = path else { return Ok(None) };
        let told = directory.join(format!("{}.version", kind.name()));
        let file = files::create(&told)?;
        let errors = file.try_clone().map_err(|error| format!("{}: {error}", told.display()))?;
        let mut command = Command::new(&path);
        command.arg(kind.version_option()).stdin(Stdio::null()).stdout(file).stderr(errors);
        let asked = Process::start(&mut command)?;
        asked.wait(PATIENCE, || ()); // it says something or it does not: its exit code says nothing
        Ok(Some(Self { kind, version: version(&files::read(&told)), path }))
    }

    /// Starts it at a port of its own.
    pub fn start(&self, directory: &Path) -> Result<Server, String> {
        for _ in 0..TRIES {
            if let Some(server) = self.try_start(directory)? {
                return Ok(server);
            }
        }
        let log = files::read(&directory.join(format!("{}.log", self.kind.name())));
        let last = log.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
        Err(format!("{} did not start: {}", self.kind.name(), last.trim()))
    }

    /// None when it has ended before it listened: somebody may have been faster at its port. One that runs and does
    /// not listen will not do so at another.
    fn try_start(&self, directory: &Path) -> Result<Option<Server>, String> {
        let port = process::free_port()?;
        let out = directory.join(format!("{}.out", self.kind.name()));
        let log = directory.join(format!("{}.log", self.kind.name()));
        let mut command = pinned(&self.path, Seat::Server);
        if self.kind == Kind::Relay {
            command.env_clear(); // what it is told here is all: its options can be variables
        }
        match self.kind.settings(port) {
            Settings::Options(words) => {
                command.args(words.split_whitespace().map(|word| word.trim_matches('\'')));
            }
            Settings::File(text) => {
                let path = directory.join(format!("{}.conf", self.kind.name()));
                files::write(&path, &text)?;
                command.arg("-c").arg(path);
            }
        }
        command.env("GOMAXPROCS", "1"); // one CPU, one thread that runs: for whom it concerns
        command.stdin(Stdio::null()).stdout(files::create(&out)?).stderr(files::create(&log)?);
        let process = Process::start(&mut command)?;
        let began = Instant::now();
        while process.ended().is_none() {
            if began.elapsed() > PATIENCE {
                return Err(format!("{} runs, and does not listen at port {port}", self.kind.name()));
            }
            let at = match self.kind {
                Kind::Relay => told_port(&files::read(&out)),
                _ => process.listens_at(port).then_some(port),
            };
            if let Some(port) = at {
                return Ok(Some(Server { process, port }));
            }
            thread::sleep(LOOK);
        }
        Ok(None)
    }
}

/// A server that listens. Dropped, it is ended.
#[derive(Debug)]
pub struct Server {
    pub process: Process,
    pub port: u16,
}

/// Who has which CPU, where there are two.
#[derive(Clone, Copy, Debug)]
pub enum Seat {
    Server,
    Tester,
}

/// A command that has a CPU of its own, if that can be had.
pub fn pinned(program: &Path, seat: Seat) -> Command {
    let (Some(taskset), Some((first, second))) = (process::find("taskset"), machine::two_cpus()) else {
        return Command::new(program);
    };
    let cpu = match seat {
        Seat::Server => first,
        Seat::Tester => second,
    };
    let mut command = Command::new(taskset);
    command.args(["-c", &cpu.to_string()]).arg(program);
    command
}

/// `target/release/examples/charts` runs `target/release/peer-relay`.
pub fn beside() -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| format!("where is this program? {error}"))?;
    let program = own.ancestors().nth(2).unwrap_or(&own).join("peer-relay");
    if program.is_file() { Ok(program) } else { Err(format!("{} is not built", program.display())) }
}

/// Where the relay says that it listens.
fn told_port(out: &str) -> Option<u16> {
    let line = out.lines().next().filter(|_| out.contains('\n'))?;
    line.strip_prefix("listening on 127.0.0.1:")?.split(' ').next()?.parse().ok()
}

/// The first word of digits and dots in what a program says of itself.
fn version(told: &str) -> String {
    let words = told.split_whitespace().map(|word| word.trim_start_matches(|c: char| !c.is_ascii_digit()));
    let numbers =
        words.map(|word| word.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or(""));
    let mut numbers = numbers.filter(|number| number.contains('.'));
    numbers.next().map_or("of an unknown version".into(), |number| number.trim_end_matches('.').into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_whatever_a_server_says() {
        for (told, found) in [
            ("peer-relay 0.1.0 (e047ca30d0)\n", "0.1.0"),
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64\n", "7.0.15"),
            ("nats-server: v2.9.10\n", "2.9.10"),
            ("mosquitto version 2.0.11\n\nmosquitto is an MQTT v5.0 broker.\n", "2.0.11"),
            ("", "of an unknown version"),
        ] {
            assert_eq!(version(told), found, "{told}");
        }
    }

    #[test]
    fn the_relay_has_said_its_port_once_the_line_is_whole() {
        assert_eq!(told_port("listening on 127.0.0.1:41234\n"), Some(41234));
        assert_eq!(told_port("listening on 127.0.0.1:412"), None);
        assert_eq!(told_port(""), None);
    }
}
