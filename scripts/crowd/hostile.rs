//! Whoever makes a relay's life hard: slow readers, babblers, flappers and the like, a few threads of each
//! kind. Each has an address of its own, and another once that is banned. Knows no honest peer.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use peer_relay::wire::{Checksum, Header, Network};
use socket2::{Domain, SockRef, Socket, Type};

use crate::PATIENCE;
use crate::frames::{MAX_PAYLOAD, Random, encode};

/// What one does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    SlowReader,
    StoppedReader,
    Babbler,
    Flapper,
    DripFeeder,
    Oversizer,
    Liar,
}

/// What a relay does about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// To come and go is no offence.
    Nothing,
    /// The connection is ended.
    CutOff,
    /// And the address shut out.
    Ban,
}

/// What all of a kind did and met.
#[derive(Debug, Default)]
pub struct Tally {
    pub connections: AtomicU64,
    /// Connections that the relay ended.
    pub cut_off: AtomicU64,
    /// Those of them after which the same address was shown out at once.
    pub bans_seen: AtomicU64,
    /// Offences that had no consequence in all patience.
    pub unpunished: AtomicU64,
}

/// All of them, at work until they are stopped.
#[derive(Debug)]
pub struct Hostiles {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    to: SocketAddr,
    is_over: AtomicBool,
    tallies: [Tally; Kind::ALL.len()],
}

/// Addresses used, in all waves: one that is banned is not used again.
static ADDRESSES: AtomicU32 = AtomicU32::new(0);

/// Between two connections of one thread. It bounds what all of them can do to some hundred a second.
const PAUSE: Duration = Duration::from_millis(5);
/// Between two bytes of a drip-feeder, which has far more bytes to say than the relay has patience.
const DRIP: Duration = Duration::from_millis(100);
/// Between two looks of those that wait.
const TICK: Duration = Duration::from_millis(20);

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::SlowReader,
        Self::StoppedReader,
        Self::Babbler,
        Self::Flapper,
        Self::DripFeeder,
        Self::Oversizer,
        Self::Liar,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::SlowReader => "slow readers",
            Self::StoppedReader => "stopped readers",
            Self::Babbler => "babblers",
            Self::Flapper => "flappers",
            Self::DripFeeder => "drip-feeders",
            Self::Oversizer => "oversizers",
            Self::Liar => "liars",
        }
    }

    pub fn due(self) -> Due {
        match self {
            Self::Flapper => Due::Nothing,
            Self::SlowReader | Self::StoppedReader | Self::DripFeeder => Due::CutOff,
            Self::Babbler | Self::Oversizer | Self::Liar => Due::Ban,
        }
    }

    /// Those that are cut off after a while do it side by side; the others are fast.
    fn threads(self) -> usize {
        match self.due() {
            Due::CutOff => 4,
            Due::Nothing | Due::Ban => 2,
        }
    }
}

impl Tally {
    pub fn has_met(&self, due: Due) -> bool {
        let count = match due {
            Due::Nothing => &self.connections,
            Due::CutOff => &self.cut_off,
            Due::Ban => &self.bans_seen,
        };
        count.load(Ordering::Relaxed) > 0
    }

    /// How many were banned and let in again all the same, if any. Whoever was just cut off when all was over had
    /// no time to try.
    pub fn let_in_again(&self, kind: Kind) -> Option<u64> {
        let banned = self.cut_off.load(Ordering::Relaxed);
        let shut_out = self.bans_seen.load(Ordering::Relaxed) + kind.threads() as u64;
        (kind.due() == Due::Ban).then(|| banned.saturating_sub(shut_out)).filter(|&count| count > 0)
    }
}

impl Hostiles {
    pub fn start(to: SocketAddr) -> Self {
        let shared = Arc::new(Shared { to, is_over: AtomicBool::new(false), tallies: Default::default() });
        let kinds = Kind::ALL.into_iter().flat_map(|kind| (0..kind.threads()).map(move |_| kind));
        let spawn = |kind| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.work(kind))
        };
        let threads = kinds.map(spawn).collect();
        Self { shared, threads }
    }

    pub fn tally(&self, kind: Kind) -> &Tally {
        &self.shared.tallies[kind as usize]
    }

    /// Whether each kind has met, at least once, with what it is due.
    pub fn have_met_theirs(&self) -> bool {
        Kind::ALL.into_iter().all(|kind| self.tally(kind).has_met(kind.due()))
    }

    /// They go, all of them, and are not counted as cut off.
    pub fn stop(&mut self) -> Result<(), String> {
        self.shared.is_over.store(true, Ordering::Relaxed);
        let ended = self.threads.drain(..).map(JoinHandle::join).filter(Result::is_err).count();
        if ended > 0 { Err(format!("{ended} threads of hostile peers panicked")) } else { Ok(()) }
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    fn work(&self, kind: Kind) {
        let mut random = Random(ADDRESSES.load(Ordering::Relaxed).into());
        while !self.is_over() {
            let from = next_address();
            // the relay may have ended it before this thread woke up: then that is told by what follows
            if let Ok(stream) = self.connect(kind, from) {
                let tally = &self.tallies[kind as usize];
                tally.connections.fetch_add(1, Ordering::Relaxed);
                match self.act(kind, stream, &mut random) {
                    Outcome::Left => {}
                    Outcome::Unpunished => count(&tally.unpunished),
                    Outcome::CutOff => {
                        count(&tally.cut_off);
                        if kind.due() == Due::Ban && self.is_shut_out(from) {
                            count(&tally.bans_seen);
                        }
                    }
                }
            }
            thread::sleep(PAUSE);
        }
    }

    fn connect(&self, kind: Kind, from: Ipv4Addr) -> io::Result<TcpStream> {
        match kind {
            // a small window: what is not read stays with the relay, not with the kernel
            Kind::SlowReader | Kind::StoppedReader => connect_with_window(self.to, from, Some(4096)),
            _ => connect(self.to, from),
        }
    }

    fn act(&self, kind: Kind, mut stream: TcpStream, random: &mut Random) -> Outcome {
        match kind {
            Kind::SlowReader => self.read_slowly(&mut stream),
            Kind::StoppedReader => self.read_nothing(&stream),
            Kind::Babbler => self.say(&mut stream, &babble(random)),
            Kind::Flapper => flap(stream, random),
            Kind::DripFeeder => self.drip(&mut stream),
            Kind::Oversizer => self.say(&mut stream, &header(MAX_PAYLOAD + 1)),
            Kind::Liar => self.say(&mut stream, &lie(random)),
        }
    }

    /// A trickle: 512 bytes fifty times a second.
    fn read_slowly(&self, stream: &mut TcpStream) -> Outcome {
        while !self.is_over() {
            match stream.read(&mut [0; 512]) {
                Ok(len) if len > 0 => thread::sleep(TICK),
                Err(error) if is_patient(&error) => {}
                Ok(_) | Err(_) => return Outcome::CutOff,
            }
        }
        Outcome::Left
    }

    fn read_nothing(&self, stream: &TcpStream) -> Outcome {
        while !self.is_over() {
            if !matches!(stream.take_error(), Ok(None)) {
                return Outcome::CutOff;
            }
            thread::sleep(TICK);
        }
        Outcome::Left
    }

    fn drip(&self, stream: &mut TcpStream) -> Outcome {
        let frame = encode("drip", &[7; 1000]);
        let began = Instant::now();
        for byte in frame.chunks(1) {
            // what others say comes meanwhile, and is read in the pause
            if stream.write_all(byte).is_err() || self.hears_the_end(stream, DRIP) {
                return Outcome::CutOff;
            }
            if self.is_over() {
                return Outcome::Left;
            }
            if began.elapsed() > PATIENCE {
                break;
            }
        }
        Outcome::Unpunished
    }

    /// One piece of bytes, and then the end must come.
    fn say(&self, stream: &mut TcpStream, bytes: &[u8]) -> Outcome {
        if stream.write_all(bytes).is_err() || self.hears_the_end(stream, PATIENCE) {
            return Outcome::CutOff;
        }
        if self.is_over() { Outcome::Left } else { Outcome::Unpunished }
    }

    /// Whether the relay ends the connection within so long.
    fn hears_the_end(&self, stream: &mut TcpStream, within: Duration) -> bool {
        let began = Instant::now();
        let mut scratch = [0; 16 * 1024];
        while !self.is_over() && began.elapsed() < within {
            match stream.read(&mut scratch) {
                Ok(len) if len > 0 => {}
                Err(error) if is_patient(&error) => {}
                Ok(_) | Err(_) => return true,
            }
        }
        false
    }

    /// Tries again from the same address: whoever is banned gets no pong, but the end.
    fn is_shut_out(&self, from: Ipv4Addr) -> bool {
        let Ok(mut stream) = connect(self.to, from) else { return true };
        self.say(&mut stream, &encode("ping", b"")) == Outcome::CutOff
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    CutOff,
    Left,
    Unpunished,
}

/// A connection from one of this host's addresses. Reading from it waits a moment, not for ever.
pub fn connect(to: SocketAddr, from: Ipv4Addr) -> io::Result<TcpStream> {
    connect_with_window(to, from, None)
}

fn connect_with_window(to: SocketAddr, from: Ipv4Addr, window: Option<usize>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None)?;
    if let Some(bytes) = window {
        socket.set_recv_buffer_size(bytes)?;
    }
    socket.set_tcp_nodelay(true)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&to.into(), PATIENCE)?;
    socket.set_read_timeout(Some(TICK))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket.into())
}

/// From 127.66.0.1 on; there are four million behind it.
fn next_address() -> Ipv4Addr {
    let used = ADDRESSES.fetch_add(1, Ordering::Relaxed) % (4 << 20);
    Ipv4Addr::from_bits(Ipv4Addr::new(127, 66, 0, 1).to_bits() + used)
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn is_patient(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Comes, says nothing, half a header, half a frame or a whole one, and goes in order or with a reset.
fn flap(mut stream: TcpStream, random: &mut Random) -> Outcome {
    let frame = encode("noise", &[7; 100]);
    let said = [0, Header::LEN / 2, frame.len() / 2, frame.len()][random.below(4) as usize];
    // it goes in any case
    let _ = stream.write_all(&frame[..said]);
    if random.below(2) == 0 {
        let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    }
    Outcome::Left
}

/// More than the window passes over, and no magic in it.
fn babble(random: &mut Random) -> Vec<u8> {
    let length = 64 + random.below(1000);
    (0..length).map(|_| b'a' + random.below(26) as u8).collect()
}

/// A header that claims so much.
fn header(length: u32) -> Vec<u8> {
    let command = "claim".parse().expect("short and printable");
    Header { command, length, checksum: Checksum::EMPTY }.encode(Network::PRIVATE.magic).to_vec()
}

/// A frame whose checksum is another's.
fn lie(random: &mut Random) -> Vec<u8> {
    let mut frame = encode("lie", &random.next().to_le_bytes());
    frame[20] ^= 1;
    frame
}
