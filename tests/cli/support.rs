//! One relay process and the plain sockets that talk to it. Waits for what it sees, never for a time.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::os::fd::{FromRawFd, OwnedFd};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use peer_relay::wire::{Frame, Header, Magic, Network};
use socket2::{Domain, Socket, Type};

/// How long anything may take that is sure to happen. A machine that is busy is slow, not broken.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// More junk than the default window passes: a ban.
pub const JUNK: &[u8] = b"this is no frame at all, sorry";

/// The program, with nothing of this process's own variables.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peer-relay"));
    command.env_clear();
    command
}

/// A run that ended by itself.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs the program to its end.
pub fn run<S: AsRef<OsStr>>(args: &[S], variables: &[(&str, &OsStr)]) -> Ran {
    let output = program().args(args).envs(variables.iter().copied()).output().unwrap();
    Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

impl Ran {
    /// Ended with this code and one line that says why, on stderr and nowhere else. The line, without
    /// `error: `.
    pub fn error(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.out, "", "{self:?}");
        let line = self.err.strip_suffix('\n').unwrap_or_else(|| panic!("no line: {self:?}"));
        assert!(!line.contains(char::is_control), "more than one line: {self:?}");
        line.strip_prefix("error: ").unwrap_or_else(|| panic!("no error: {self:?}"))
    }

    /// What `--check` says of an option: its value and its source.
    pub fn setting(&self, option: &str) -> (String, String) {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""), "{self:?}");
        let row = self.out.lines().find_map(|line| line.strip_prefix(&format!("{option} ")));
        let row = row.unwrap_or_else(|| panic!("no {option} in {}", self.out)).trim();
        let (value, source) = row.rsplit_once("  ").unwrap_or_else(|| panic!("no source: {row}"));
        (value.trim().into(), source.into())
    }
}

/// The lines of one stream of a process, as far as they have come.
#[derive(Clone, Debug, Default)]
pub struct Lines(Arc<Stream>);

#[derive(Debug, Default)]
struct Stream {
    heard: Mutex<Heard>,
    change: Condvar,
}

#[derive(Debug, Default)]
struct Heard {
    lines: Vec<String>,
    is_over: bool,
}

impl Lines {
    /// Those of this stream, from now on.
    pub fn of(stream: impl Read + Send + 'static) -> Self {
        let lines = Self::default();
        let writer = lines.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n') {
                let Ok(line) = line else { break };
                writer.change(|heard| heard.lines.push(String::from_utf8_lossy(&line).into_owned()));
            }
            writer.change(|heard| heard.is_over = true);
        });
        lines
    }

    fn change(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut self.0.heard.lock().unwrap());
        self.0.change.notify_all();
    }

    /// Those that have come.
    pub fn now(&self) -> Vec<String> {
        self.0.heard.lock().unwrap().lines.clone()
    }

    /// Waits until `found` finds something in the lines; it is told whether they are all.
    pub fn wait<T>(&self, what: &str, found: impl Fn(&[String], bool) -> Option<T>) -> T {
        let began = Instant::now();
        let mut heard = self.0.heard.lock().unwrap();
        loop {
            if let Some(found) = found(&heard.lines, heard.is_over) {
                return found;
            }
            let left = PATIENCE.checked_sub(began.elapsed()).filter(|_| !heard.is_over);
            let Some(left) = left else {
                let all = heard.lines.join("\n");
                drop(heard); // the thread that reads needs it
                panic!("{what} did not come:\n{all}");
            };
            heard = self.0.change.wait_timeout(heard, left).unwrap().0;
        }
    }
}

/// A running relay. Dropped, it is killed.
#[derive(Debug)]
pub struct Relay {
    child: Child,
    out: Lines,
    err: Lines,
    listeners: usize,
}

impl Relay {
    /// With these options, on a free port of 127.0.0.1 unless they say where.
    pub fn start(args: &[&str]) -> Self {
        let mut command = program();
        let given = |option: &str| args.iter().filter(|arg| **arg == option).count();
        command.args(args);
        if given("--listen") == 0 {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        let others = ["--listen-lines", "--listen-json", "--listen-chain", "--listen-http"].map(given);
        Self::spawn(command, given("--listen").max(1) + others.iter().sum::<usize>())
    }

    /// With these variables, which make so many listeners.
    pub fn start_by_variables(listeners: usize, variables: &[(&str, &str)]) -> Self {
        let mut command = program();
        command.envs(variables.iter().copied());
        Self::spawn(command, listeners)
    }

    fn spawn(mut command: Command, listeners: usize) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built for this test");
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let relay = Self { child, out: Lines::of(out), err: Lines::of(err), listeners };
        relay.listening();
        relay
    }

    /// What it says on stdout: one line for each listener.
    pub fn listening(&self) -> Vec<String> {
        self.out.wait("listening", |lines, _| (lines.len() >= self.listeners).then(|| lines.to_vec()))
    }

    /// Where it listens.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let address = |line: &String| {
            let rest = line.strip_prefix("listening on ").unwrap_or_else(|| panic!("{line}"));
            rest.split(' ').next().unwrap().parse().unwrap()
        };
        self.listening().iter().map(address).collect()
    }

    /// Where it listens for lines; the only place, where it was asked to.
    pub fn lines_address(&self) -> SocketAddr {
        *self.addresses().last().expect("it listens somewhere")
    }

    /// Where it listens for peers that speak so, as it says: `json`, `chain` or `http`.
    pub fn address_for(&self, spoken: &str) -> SocketAddr {
        let note = format!(" ({spoken})");
        let at = self.listening().iter().position(|line| line.ends_with(&note));
        self.addresses()[at.unwrap_or_else(|| panic!("nobody listens for {spoken}"))]
    }

    /// Where it listens first.
    pub fn address(&self) -> SocketAddr {
        self.addresses()[0]
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The first log line with all of these in it, once it has come.
    pub fn said(&self, parts: &[&str]) -> String {
        let has_all = |line: &&String| parts.iter().all(|part| line.contains(part));
        self.err.wait(&format!("a line with {parts:?}"), |lines, _| lines.iter().find(has_all).cloned())
    }

    /// The log so far.
    pub fn log(&self) -> Vec<String> {
        self.err.now()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits until it has ended. How, and its whole log.
    pub fn wait(&mut self) -> (ExitStatus, Vec<String>) {
        let log = self.err.wait("the end of the log", |lines, is_over| is_over.then(|| lines.to_vec()));
        (self.child.wait().unwrap(), log)
    }

    /// Ends it in order.
    pub fn stop(mut self) -> Vec<String> {
        self.terminate();
        let (status, log) = self.wait();
        assert_eq!(status.code(), Some(0), "{}", log.join("\n"));
        log
    }

    /// A new peer that has been let in.
    pub fn peer(&self) -> Peer {
        self.peer_from([127, 0, 0, 1])
    }

    /// A new peer of some address of this host.
    pub fn peer_from(&self, ip: impl Into<IpAddr>) -> Peer {
        let mut peer = Peer::connect(self.address(), ip);
        assert!(peer.is_admitted(), "refused:\n{}", self.log().join("\n"));
        peer
    }

    /// Whether a peer of this address is let in now.
    pub fn admits(&self, ip: impl Into<IpAddr>) -> bool {
        Peer::connect(self.address(), ip).is_admitted()
    }

    /// Has an address banned. Returns once the log says so.
    pub fn ban(&self, ip: impl Into<IpAddr>) {
        let ip = ip.into();
        Peer::connect(self.address(), ip).send(JUNK);
        self.said(&[&format!("addr={ip}:"), " banned "]);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A connection to a relay.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    magic: Magic,
}

impl Peer {
    /// From some address of this host. The relay may close it at once.
    pub fn connect(to: SocketAddr, from: impl Into<IpAddr>) -> Self {
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::new(from.into(), 0).into()).unwrap();
        if let Err(error) = socket.connect(&to.into()) {
            is_over(&error); // refused faster than this thread woke up
        }
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream, magic: Network::PRIVATE.magic }
    }

    /// Speaks with another magic from now on.
    pub fn with_magic(self, magic: &str) -> Self {
        Self { magic: magic.parse().unwrap(), ..self }
    }

    /// A ping, and is there a pong?
    pub fn is_admitted(&mut self) -> bool {
        self.send(&encode_with(self.magic, "ping", b"12345678"));
        let pong = encode_with(self.magic, "pong", b"12345678");
        let mut answer = vec![0; pong.len()];
        match self.stream.read_exact(&mut answer) {
            Ok(()) => {
                assert_eq!(answer, pong);
                true
            }
            Err(error) => is_over(&error),
        }
    }

    /// Sends bytes. Whoever is refused meanwhile will see it when it reads.
    pub fn send(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            is_over(&error);
        }
    }

    /// Sends a frame.
    pub fn send_frame(&mut self, command: &str, payload: &[u8]) {
        self.send(&encode_with(self.magic, command, payload));
    }

    /// The next frame: its command and payload.
    pub fn receive(&mut self) -> (String, Vec<u8>) {
        let mut header = [0; Header::LEN];
        self.stream.read_exact(&mut header).unwrap();
        assert_eq!(header[..4], self.magic.0);
        let length = u32::from_le_bytes(header[16..20].try_into().unwrap());
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).unwrap();
        let name = String::from_utf8(header[4..16].to_vec()).unwrap();
        (name.trim_end_matches('\0').into(), payload)
    }

    /// Waits for the end of the connection; nothing more comes before it.
    pub fn expect_end(&mut self) {
        let mut rest = Vec::new();
        if let Err(error) = self.stream.read_to_end(&mut rest) {
            is_over(&error);
        }
        assert!(rest.is_empty(), "something came before the end: {rest:?}");
    }
}

/// That the relay has closed the connection is an answer; that it says nothing is none.
fn is_over(error: &std::io::Error) -> bool {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => false,
        ErrorKind::BrokenPipe | ErrorKind::NotConnected => false,
        _ => panic!("the relay neither answers nor closes: {error}"),
    }
}

/// A frame of the private network.
pub fn encode(command: &str, payload: &[u8]) -> Vec<u8> {
    encode_with(Network::PRIVATE.magic, command, payload)
}

fn encode_with(magic: Magic, command: &str, payload: &[u8]) -> Vec<u8> {
    Frame::encode(magic, command.parse().unwrap(), payload).as_bytes().to_vec()
}

/// The bytes of a frame whose checksum is wrong.
pub fn spoilt(command: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = encode(command, payload);
    bytes[20] ^= 1;
    bytes
}

/// Tries again and again until it works.
pub fn eventually(what: &str, mut works: impl FnMut() -> bool) {
    let began = Instant::now();
    while !works() {
        assert!(began.elapsed() < PATIENCE, "{what} did not happen");
        thread::yield_now();
    }
}

/// A terminal: the end a person types at, and the end a program reads from.
pub fn terminal() -> (File, OwnedFd) {
    let (mut person, mut program) = (-1, -1);
    let (name, modes, size) = (std::ptr::null_mut(), std::ptr::null(), std::ptr::null());
    // SAFETY: both are places for a descriptor; nothing else is asked for
    let opened = unsafe { libc::openpty(&mut person, &mut program, name, modes, size) };
    assert_eq!(opened, 0, "no terminal: {}", std::io::Error::last_os_error());
    // SAFETY: openpty has just made them, and nobody else has them
    unsafe { (File::from_raw_fd(person), OwnedFd::from_raw_fd(program)) }
}
