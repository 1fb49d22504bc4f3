//! A crowd whose peers all come back by themselves, in one poll loop. Knows when each tries again, and what
//! each has heard; ends and starts no relay.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use peer_relay::wire::Decoder;
use socket2::{Domain, Socket, Type};

use crate::frames::{self, Random, encode};

/// First wait before trying again, and the longest; each is doubled from the one before, and half of it is
/// chance, so that they do not come all at once.
const BACKOFF: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_millis(800);
/// How long one waits for its pong. Longer than the kernel takes to say SYN a fourth time: a crowd that
/// gives up early only makes itself larger.
const GIVE_UP: Duration = Duration::from_secs(10);
/// Connections begun in one turn, so that those there are get a turn too.
const BEGUN_PER_TURN: usize = 512;

/// All peers, and the address they come back to.
#[derive(Debug)]
pub struct Crowd {
    poll: Poll,
    to: SocketAddr,
    peers: Vec<Peer>,
    /// When to look after whom, and in which of its attempts.
    alarms: BinaryHeap<Reverse<(Instant, usize, u64)>>,
    inside: usize,
    random: Random,
    pub counts: Counts,
    scratch: Vec<u8>,
}

/// What happened on the way.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub attempts: u64,
    /// The port was closed.
    pub refused: u64,
    /// The connection ended before its pong.
    pub dropped: u64,
    /// No pong within all patience.
    pub gave_up: u64,
    /// Frames that nobody said, or broken ones.
    pub wrong: u64,
    /// Why an attempt failed that ought to have been possible.
    pub failure: Option<String>,
}

#[derive(Debug)]
struct Peer {
    /// None while it is away.
    stream: Option<TcpStream>,
    decoder: Decoder,
    is_inside: bool,
    attempt: u64,
    /// Attempts that failed since it was last inside.
    failures: u32,
    /// Whether the port was closed to it since it was last inside.
    was_refused: bool,
    /// Payloads of what it was told, in order.
    heard: Vec<u8>,
}

impl Crowd {
    /// So many peers, all away and about to come.
    pub fn new(to: SocketAddr, count: usize) -> Result<Self, String> {
        let poll = Poll::new().map_err(|error| format!("cannot poll: {error}"))?;
        let now = Instant::now();
        let peer = || Peer {
            stream: None,
            decoder: frames::decoder(),
            is_inside: false,
            attempt: 0,
            failures: 0,
            was_refused: false,
            heard: Vec::new(),
        };
        Ok(Self {
            poll,
            to,
            peers: (0..count).map(|_| peer()).collect(),
            alarms: (0..count).map(|index| Reverse((now, index, 0))).collect(),
            inside: 0,
            random: Random(7),
            counts: Counts::default(),
            scratch: vec![0; 64 * 1024],
        })
    }

    /// Peers that are in the room: their ping was answered.
    pub fn inside(&self) -> usize {
        self.inside
    }

    /// Whether everybody has lost his connection and found the port closed since.
    pub fn was_refused(&self) -> bool {
        self.inside == 0 && self.peers.iter().all(|peer| peer.was_refused)
    }

    /// One frame of the first peer, and another behind it: whoever has heard these two, in this order, has
    /// heard the first exactly once. Says how many have.
    pub fn tell_all(&mut self, bound: Duration) -> Result<usize, String> {
        self.peers.iter_mut().for_each(|peer| peer.heard.clear());
        let frames = [encode("tell", &[1]), encode("tell", &[2])].concat();
        let speaker = self.peers.first_mut().and_then(|peer| peer.stream.as_mut());
        let wrote = speaker.map(|stream| stream.write(&frames));
        if !matches!(wrote, Some(Ok(len)) if len == frames.len()) {
            return Err(format!("the first peer cannot speak: {wrote:?}"));
        }
        let others = self.peers.len() - 1;
        let has_heard =
            |crowd: &Self| crowd.peers[1..].iter().filter(|peer| peer.heard.last() == Some(&2)).count();
        self.turn_until(bound, |crowd| has_heard(crowd) == others)?;
        let is_exact = |peer: &&Peer| peer.heard == [1, 2];
        Ok(self.peers[1..].iter().filter(is_exact).count())
    }

    /// Turns until it is done. Whether it was, within the bound.
    pub fn turn_until(
        &mut self,
        bound: Duration,
        mut is_done: impl FnMut(&Self) -> bool,
    ) -> Result<bool, String> {
        let began = Instant::now();
        while !is_done(self) {
            if began.elapsed() > bound {
                return Ok(false);
            }
            self.turn()?;
        }
        Ok(true)
    }

    fn turn(&mut self) -> Result<(), String> {
        let mut events = Events::with_capacity(1024);
        match self.poll.poll(&mut events, Some(self.nap())) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                return Err(format!("cannot poll: {error}"));
            }
            _ => {}
        }
        for event in &events {
            let index = event.token().0;
            if event.is_error() || event.is_read_closed() || event.is_readable() {
                self.read(index);
            }
            if event.is_writable() {
                self.arrived(index);
            }
        }
        self.look_after_those_due();
        Ok(())
    }

    /// Until the next alarm, and never long: whoever drives this has other things to look at.
    fn nap(&self) -> Duration {
        let next =
            self.alarms.peek().map(|Reverse((when, ..))| when.saturating_duration_since(Instant::now()));
        next.unwrap_or(BACKOFF).min(BACKOFF)
    }

    fn look_after_those_due(&mut self) {
        let now = Instant::now();
        for _ in 0..BEGUN_PER_TURN {
            let Some(&Reverse((when, index, attempt))) = self.alarms.peek() else { return };
            if when > now {
                return;
            }
            self.alarms.pop();
            let peer = &self.peers[index];
            if peer.attempt != attempt || peer.is_inside {
                continue; // of another attempt
            }
            if peer.stream.is_none() {
                self.begin(index);
            } else {
                self.counts.gave_up += 1;
                self.away(index);
            }
        }
    }

    /// A connection is begun; it says how it went when it is ready.
    fn begin(&mut self, index: usize) {
        self.counts.attempts += 1;
        match self.connect(index) {
            Ok(stream) => {
                let peer = &mut self.peers[index];
                peer.stream = Some(stream);
                peer.decoder = frames::decoder();
                self.alarms.push(Reverse((Instant::now() + GIVE_UP, index, peer.attempt)));
            }
            Err(error) => self.failed(index, &error),
        }
    }

    /// Each from an address of its own: 127.16.0.1, 127.16.0.2 and so on.
    fn connect(&self, index: usize) -> io::Result<TcpStream> {
        let from = Ipv4Addr::from_bits(Ipv4Addr::new(127, 16, 0, 1).to_bits() + index as u32);
        let socket = Socket::new(Domain::for_address(self.to), Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddr::from((from, 0)).into())?;
        match socket.connect(&self.to.into()) {
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            connected => connected?,
        }
        let mut stream = TcpStream::from_std(socket.into());
        self.poll.registry().register(&mut stream, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        Ok(stream)
    }

    /// The connection stands: a ping, for nothing but its pong tells that one is inside.
    fn arrived(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        let Some(stream) = peer.stream.as_mut().filter(|_| !peer.is_inside) else { return };
        let ping = encode("ping", &(index as u64).to_le_bytes());
        match stream.write(&ping) {
            Ok(len) if len == ping.len() => {}
            Ok(_) => self.failed(index, &ErrorKind::WriteZero.into()), // so little fits into any new socket
            Err(error) => self.failed(index, &error),
        }
    }

    fn read(&mut self, index: usize) {
        let mut scratch = std::mem::take(&mut self.scratch);
        while let Some(stream) = &mut self.peers[index].stream {
            match stream.read(&mut scratch) {
                Ok(0) => self.failed(index, &ErrorKind::UnexpectedEof.into()),
                Ok(len) => self.hear(index, &scratch[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => self.failed(index, &error),
            }
        }
        self.scratch = scratch;
    }

    fn hear(&mut self, index: usize, mut bytes: &[u8]) {
        let peer = &mut self.peers[index];
        loop {
            match peer.decoder.decode(&mut bytes) {
                Ok(None) => return,
                Ok(Some(frame)) => match (frame.command().as_str(), frame.payload()) {
                    ("pong", payload) if !peer.is_inside && *payload == (index as u64).to_le_bytes() => {
                        peer.is_inside = true;
                        peer.failures = 0;
                        peer.was_refused = false;
                        self.inside += 1;
                    }
                    ("tell", [number]) => peer.heard.push(*number),
                    _ => self.counts.wrong += 1,
                },
                Err(_) => {
                    self.counts.wrong += 1;
                    return;
                }
            }
        }
    }

    /// A connection is over, or never was.
    fn failed(&mut self, index: usize, error: &io::Error) {
        let peer = &mut self.peers[index];
        match error.kind() {
            ErrorKind::ConnectionRefused => {
                self.counts.refused += 1;
                peer.was_refused = true;
            }
            _ if peer.is_inside => {}
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                self.counts.dropped += 1;
            }
            _ => self.counts.failure = Some(error.to_string()),
        }
        self.away(index);
    }

    /// It will try again, in a while.
    fn away(&mut self, index: usize) {
        let peer = &mut self.peers[index];
        if std::mem::take(&mut peer.is_inside) {
            self.inside -= 1;
        }
        peer.stream = None;
        peer.attempt += 1;
        let longest = BACKOFF.saturating_mul(1 << peer.failures.min(10)).min(BACKOFF_MAX);
        peer.failures += 1;
        let half = longest.as_micros() as u64 / 2;
        let wait = Duration::from_micros(half + self.random.below(half));
        self.alarms.push(Reverse((Instant::now() + wait, index, peer.attempt)));
    }
}
