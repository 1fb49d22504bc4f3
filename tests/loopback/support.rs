//! A relay as a process, a peer as a blocking socket, and what /proc says of the former. Knows no promise.

use std::fs;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::process::{Child, ChildStderr, ChildStdout, Command as Process, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use peer_relay::wire::{Checksum, Command, Frame, Header, Magic, Network};
use socket2::{Domain, Protocol, Socket, Type};

/// Far more than anything here takes: only a fault waits so long.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// What a quiet peer may wait for its pong, whatever the others do.
pub const QUICK: Duration = Duration::from_secs(5);
/// What a peer reads at once, when there is as much.
const READ_AHEAD: usize = 64 * 1024;
/// What frames begin with unless a test says otherwise.
pub const MAGIC: Magic = Network::PRIVATE.magic;

/// One at a time: tests that measure memory or processor time, or need thousands of descriptors.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner) // another test's failure is not ours
}

/// A stranger's address.
pub fn stranger(last: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, last).into()
}

/// A frame of the private network.
pub fn frame(command: &str, payload: &[u8]) -> Vec<u8> {
    Frame::encode(MAGIC, command.parse().unwrap(), payload).as_bytes().to_vec()
}

/// A header of the private network that claims what it likes.
pub fn header(command: &str, length: u32) -> [u8; Header::LEN] {
    let command: Command = command.parse().unwrap();
    Header { command, length, checksum: Checksum([1, 2, 3, 4]) }.encode(MAGIC)
}

/// Bytes without a pattern that a mistake could hide in: the same for the same seed.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

/// Looks again and again until there is an answer; each look is cheap and nothing is assumed of the time
/// between two.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain: {what}");
        thread::park_timeout(Duration::from_millis(5));
    }
}

/// Tells others to stop, also when the test that holds it fails.
#[derive(Debug, Default)]
pub struct Over(AtomicBool);

/// See [`Over`].
pub struct OverAtLast<'a>(&'a Over);

impl Over {
    pub fn is_it(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub fn at_last(&self) -> OverAtLast<'_> {
        OverAtLast(self)
    }
}

impl Drop for OverAtLast<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
    }
}

/// Makes room for many sockets of our own. False when there is not enough.
pub fn may_open(descriptors: u64) -> bool {
    let limit = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(0);
    if limit < descriptors {
        println!("skipped: needs {descriptors} descriptors, the limit is {limit}");
    }
    limit >= descriptors
}

/// Everything the relay has written to stderr.
#[derive(Default)]
pub struct Log {
    text: Mutex<String>,
    grown: Condvar,
}

impl Log {
    fn fill_from(&self, source: impl Read) {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            *self.text.lock().unwrap() += &(line + "\n");
            self.grown.notify_all();
        }
    }

    fn wait_for(&self, needle: &str) -> String {
        let text = self.text.lock().unwrap();
        let missing = |text: &mut String| !text.contains(needle);
        let (text, waited) = self.grown.wait_timeout_while(text, PATIENCE, missing).unwrap();
        assert!(!waited.timed_out(), "no {needle:?} in the log:\n{text}");
        text.lines().find(|line| line.contains(needle)).unwrap().to_string()
    }
}

/// What is done with the relay's standard streams.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// Both are read.
    Read,
    /// stdout has no reader from the first.
    OutClosed,
    /// Neither has, once the relay has said where it listens.
    Closed,
    /// stderr has a reader that never reads.
    ErrUnread,
}

/// A running relay. Dropping it kills the process.
pub struct Relay {
    child: Child,
    /// Where it listens, in the order of the dialects.
    addresses: Vec<SocketAddr>,
    log: Arc<Log>,
    drain: Option<thread::JoinHandle<()>>,
    /// Kept open and not read.
    _unread: Option<ChildStderr>,
}

impl Relay {
    /// A relay at a free port of 127.0.0.1.
    pub fn start(options: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", options)
    }

    pub fn start_at(listen: &str, options: &[&str]) -> Self {
        Self::start_with(Streams::Read, listen, options)
    }

    pub fn start_with(streams: Streams, listen: &str, options: &[&str]) -> Self {
        let mut child = Process::new(env!("CARGO_BIN_EXE_peer-relay"))
            .args(["serve", "--listen", listen])
            .args(options)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the relay starts");
        let (stdout, stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let log = Arc::new(Log::default());
        let listeners = 1 + options.iter().filter(|option| option.starts_with("--listen")).count();
        let mut relay = Self { child, addresses: Vec::new(), log, drain: None, _unread: None };
        match streams {
            Streams::Read => {
                relay.drain = Some(relay.read_log(stderr));
                relay.addresses = relay.addresses_from(stdout, listeners);
            }
            Streams::OutClosed => {
                drop(stdout);
                relay.drain = Some(relay.read_log(stderr));
                relay.addresses = vec![address_in(&relay.wait_for_log("only this host can connect"))];
            }
            Streams::Closed => {
                relay.addresses = relay.addresses_from(stdout, listeners);
                drop(stderr);
            }
            Streams::ErrUnread => {
                relay.addresses = relay.addresses_from(stdout, listeners);
                relay._unread = Some(stderr);
            }
        }
        relay
    }

    fn read_log(&self, stderr: impl Read + Send + 'static) -> thread::JoinHandle<()> {
        let log = Arc::clone(&self.log);
        thread::spawn(move || log.fill_from(stderr))
    }

    fn addresses_from(&self, stdout: ChildStdout, count: usize) -> Vec<SocketAddr> {
        let mut lines = BufReader::new(stdout).lines();
        let mut address = || {
            let line = lines.next().and_then(Result::ok).unwrap_or_default();
            let address =
                line.strip_prefix("listening on ").and_then(|rest| rest.split(' ').next()?.parse().ok());
            address.unwrap_or_else(|| panic!("stdout says {line:?}, the log {:?}", self.log()))
        };
        (0..count).map(|_| address()).collect()
    }

    pub fn address(&self) -> SocketAddr {
        self.addresses[0]
    }

    /// All of them, in the order of the dialects.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    // the log

    pub fn log(&self) -> String {
        self.log.text.lock().unwrap().clone()
    }

    /// The first line with this in it, once it is there.
    pub fn wait_for_log(&self, needle: &str) -> String {
        self.log.wait_for(needle)
    }

    // the end

    pub fn signal(&self, name: &str) {
        let status = Process::new("kill").args([&format!("-{name}"), &self.pid().to_string()]).status();
        assert!(status.unwrap().success(), "kill -{name}");
    }

    /// How it ended, once it has, and how long that took.
    pub fn ended(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        let status = eventually("the relay ends", || self.child.try_wait().unwrap());
        if let Some(drain) = self.drain.take() {
            drain.join().unwrap(); // the log is complete from here on
        }
        (status, began.elapsed())
    }

    /// Asks it to end and sees that it does, well.
    pub fn stop(&mut self) {
        self.signal("TERM");
        let (status, _) = self.ended();
        assert_eq!(status.code(), Some(0), "{status}; the log:\n{}", self.log());
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    // peers

    /// A connection, perhaps not admitted yet.
    pub fn connect_from(&self, from: IpAddr) -> Peer {
        self.connect_with(from, |_| ()).unwrap()
    }

    pub fn connect_with(&self, from: IpAddr, prepare: impl FnOnce(&Socket)) -> io::Result<Peer> {
        let to = self.addresses.iter().find(|to| to.is_ipv4() == from.is_ipv4());
        let to = *to.expect("a listener of that family");
        let socket = Socket::new(Domain::for_address(to), Type::STREAM, Some(Protocol::TCP))?;
        socket.bind(&SocketAddr::new(from, 0).into())?;
        socket.set_tcp_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        prepare(&socket);
        socket.connect(&to.into())?;
        Ok(Peer { reader: BufReader::with_capacity(READ_AHEAD, socket.into()), pings: 0 })
    }

    /// A peer that is admitted: everything accepted from now on is due to it.
    pub fn join(&self, from: IpAddr) -> Peer {
        let mut peer = self.connect_from(from);
        peer.ping();
        peer
    }

    /// A peer whose kernel takes little: what it does not read soon waits at the relay.
    pub fn join_narrow(&self, from: IpAddr) -> Peer {
        let narrow = |socket: &Socket| socket.set_recv_buffer_size(4096).unwrap();
        let mut peer = self.connect_with(from, narrow).unwrap();
        peer.ping();
        peer
    }

    /// Whether whoever comes from there is let in.
    pub fn admits(&self, from: IpAddr) -> bool {
        self.connect_with(from, |_| ()).and_then(|mut peer| peer.try_ping()).is_ok()
    }

    // what the kernel says of it

    /// A figure of /proc/PID/status in bytes, as `VmRSS`.
    pub fn memory(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Processor time so far, in ticks of 10 ms.
    pub fn ticks(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        // utime and stime are fields 14 and 15, the state behind the name is field 3
        fields.split(' ').skip(14 - 3).take(2).map(|field| field.parse::<u64>().unwrap()).sum()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill(); // over already: then there is nothing to end
        let _ = self.child.wait();
        if thread::panicking() {
            println!("the relay's log:\n{}", self.log());
        }
    }
}

fn address_in(line: &str) -> SocketAddr {
    let port = line.rsplit(':').next().unwrap().split(' ').next().unwrap();
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port.parse().unwrap())
}

/// All are there and answered.
pub fn ping_all(peers: &mut [Peer]) {
    for peer in peers {
        peer.ping();
    }
}

/// One connection to a relay.
pub struct Peer {
    reader: BufReader<TcpStream>,
    pings: u64,
}

impl Peer {
    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream().write_all(bytes).expect("the relay takes what is sent");
    }

    /// Sends as much as the relay takes; says whether that was all.
    pub fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.stream().write_all(bytes).is_ok()
    }

    pub fn read(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.reader.read_exact(&mut bytes).expect("so many bytes come");
        bytes
    }

    /// What comes next is exactly this.
    pub fn expect(&mut self, bytes: &[u8]) {
        let come = self.read(bytes.len());
        let differs = come.iter().zip(bytes).position(|(come, sent)| come != sent);
        assert_eq!(differs, None, "first differing byte of {}", bytes.len());
    }

    /// The next frame, whatever it is.
    pub fn read_frame(&mut self) -> Vec<u8> {
        let mut bytes = self.read(Header::LEN);
        let length = u32::from_le_bytes(bytes[16..20].try_into().unwrap());
        bytes.extend(self.read(length as usize));
        bytes
    }

    /// Sends a ping that is unlike all before it, and says what its pong will be.
    pub fn send_ping(&mut self) -> Vec<u8> {
        let (ping, pong) = self.next_ping();
        self.send(&ping);
        pong
    }

    /// A ping to be sent with other bytes, and its pong.
    pub fn next_ping(&mut self) -> (Vec<u8>, Vec<u8>) {
        self.pings += 1;
        let nonce = self.pings.to_le_bytes();
        (frame("ping", &nonce), frame("pong", &nonce))
    }

    /// A ping and its pong, which is the very next thing to come. Says how long it took.
    pub fn ping(&mut self) -> Duration {
        let began = Instant::now();
        let pong = self.send_ping();
        self.expect(&pong);
        began.elapsed()
    }

    pub fn try_ping(&mut self) -> io::Result<()> {
        let (ping, pong) = self.next_ping();
        self.stream().write_all(&ping)?;
        let mut come = vec![0; pong.len()];
        self.reader.read_exact(&mut come)?;
        assert_eq!(come, pong);
        Ok(())
    }

    /// A ping and its pong among other peers' frames, which are passed over as fast as they come.
    pub fn ping_amid_others(&mut self) -> Duration {
        let began = Instant::now();
        let pong = self.send_ping();
        let mut header = [0; Header::LEN];
        loop {
            self.reader.read_exact(&mut header).expect("it comes at last");
            let length = u32::from_le_bytes(header[16..20].try_into().unwrap()) as usize;
            if pong.starts_with(&header) {
                self.expect(&pong[Header::LEN..]);
                return began.elapsed();
            }
            self.pass_over(length);
        }
    }

    fn pass_over(&mut self, mut left: usize) {
        while left > 0 {
            let here = self.reader.fill_buf().expect("a frame comes whole").len().min(left);
            assert!(here > 0, "the relay ended the connection");
            self.reader.consume(here);
            left -= here;
        }
    }

    /// Says that it will send no more.
    pub fn finish(&mut self) {
        self.stream().shutdown(Shutdown::Write).unwrap();
    }

    /// Nothing comes any more but an orderly end.
    pub fn expect_eof(&mut self) {
        let mut rest = Vec::new();
        self.reader.read_to_end(&mut rest).expect("an end in order");
        assert!(rest.is_empty(), "{} bytes came before the end", rest.len());
    }

    /// The relay ends the connection, in whatever way; what still comes before is left out.
    pub fn expect_cut_off(&mut self) {
        let mut bytes = vec![0; 1 << 16];
        loop {
            match self.reader.read(&mut bytes) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    panic!("not cut off in {PATIENCE:?}")
                }
                Err(_) => return, // reset
            }
        }
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        let socket = Socket::from(self.reader.into_inner());
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
}
